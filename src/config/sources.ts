import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { SETTING_NAMES } from './settings.ts'
import type { SettingName } from './settings.ts'

export type Environment = Record<string, string | undefined>

export interface Problem {
  /** The variable, as it was given: `JWT_SECRET_FILE` where that is what is wrong. */
  variable: string
  /** What is wrong and what was expected; never a secret's value. */
  message: string
}

/** What the variables' texts are, wherever they came from. */
export interface Sources {
  texts: Map<SettingName, string>
  problems: Problem[]
  /** All names that were given, ours or not. */
  names: string[]
}

/** No value is longer than this, in bytes; whoever names a bigger file has named the wrong one. */
const LARGEST_FILE = 65_536

/**
 * Gathers the variables' texts from the environment, from the files that `NAME_FILE` variables name and, outside
 * production, from `.env` in `cwd`. The environment wins over `.env`, an empty variable too: `DATABASE_URL= npm start`
 * leaves the one in `.env` aside. An empty value counts as not set.
 */
export function gather (env: Environment, cwd: string): Sources {
  const sources: Sources = { texts: new Map(), problems: [], names: Object.keys(env) }
  collect(env, sources, SETTING_NAMES)
  if (sources.texts.get('NODE_ENV') === 'production') return sources

  const file = readDotEnv(cwd, sources.problems)
  collect(file, sources, SETTING_NAMES.filter((name) => env[name] === undefined && env[`${name}_FILE`] === undefined))
  if (sources.texts.get('NODE_ENV') === 'production') {
    sources.problems.push({
      variable: 'NODE_ENV',
      message: 'production is set in .env, which production does not read; set it in the environment'
    })
  }
  sources.names.push(...Object.keys(file))
  return sources
}

/** Takes the texts of `names` out of one source, in which a variable may be given plainly or as a file, not both. */
function collect (env: Environment, { texts, problems }: Sources, names: SettingName[]): void {
  for (const name of names) {
    const plain = env[name] || undefined
    const path = env[`${name}_FILE`] || undefined
    if (plain !== undefined && path !== undefined) {
      problems.push({ variable: name, message: `is given twice, as ${name} and as ${name}_FILE; leave one out` })
    } else if (plain !== undefined) {
      texts.set(name, plain)
    } else if (path !== undefined) {
      const read = readSmallFile(path)
      if ('text' in read) texts.set(name, read.text)
      else problems.push({ variable: `${name}_FILE`, message: read.problem })
    }
  }
}

/**
 * The content of a file without its last newline. The path is not repeated in a problem: it may be the secret itself,
 * put in the wrong place.
 */
function readSmallFile (path: string): { text: string } | { problem: string } {
  const bytes = Buffer.alloc(LARGEST_FILE + 1)
  let length = 0
  try {
    const file = openSync(path, 'r')
    try {
      // Pipes, which `<(command)` makes, come in pieces.
      for (let read = 1; read > 0 && length < bytes.length; length += read) {
        read = readSync(file, bytes, length, bytes.length - length, null)
      }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return { problem: `names a file that cannot be read (${codeOf(error)})` }
  }
  if (length > LARGEST_FILE) return { problem: `names a file of more than ${LARGEST_FILE} bytes` }
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      .decode(bytes.subarray(0, length))
      .replace(/\r?\n$/, '')
    return text === '' ? { problem: 'names a file that is empty' } : { text }
  } catch {
    return { problem: 'names a file that is not UTF-8 text' }
  }
}

/**
 * The variables of `.env` in `cwd`; none where there is no such file, or where it is a folder, as Python's virtual
 * environments are.
 */
function readDotEnv (cwd: string, problems: Problem[]): Environment {
  try {
    return parseEnv(readFileSync(join(cwd, '.env'), 'utf8')) as Environment
  } catch (error) {
    const code = codeOf(error)
    if (!['ENOENT', 'EISDIR', 'ENOTDIR'].includes(code)) { problems.push({ variable: '.env', message: `cannot be read (${code})` }) }
    return {}
  }
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { SETTING_NAMES } from './settings.ts'
import type { SettingName } from './settings.ts'

export type Environment = Record<string, string | undefined>

export interface Problem {
  /** The variable as given, for example `JWT_SECRET_FILE`. */
  variable: string
  /** What is wrong and what was expected; never a secret's value. */
  message: string
}

/** The raw texts of the variables from all sources. */
export interface Sources {
  texts: Map<SettingName, string>
  problems: Problem[]
  /** All names found, known or not. */
  names: string[]
}

/** The longest value in bytes: a larger file is certainly the wrong file. */
const LARGEST_FILE = 65_536

/**
 * Collects the texts of the variables from the environment, from the files named by `NAME_FILE` variables and, outside
 * production, from `.env` in `cwd`. The environment takes precedence over `.env`, even with an empty value:
 * `DATABASE_URL= npm start` ignores the one in `.env`. An empty value counts as not set.
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
      message: 'production is set in .env, which is not read in production; set it in the environment'
    })
  }
  sources.names.push(...Object.keys(file))
  return sources
}

/** Adds the texts of `names` from one source, in which a variable may be given directly or as a file, but not both. */
function collect (env: Environment, { texts, problems }: Sources, names: SettingName[]): void {
  for (const name of names) {
    const plain = env[name] || undefined
    const path = env[`${name}_FILE`] || undefined
    if (plain !== undefined && path !== undefined) {
      problems.push({ variable: name, message: `is set twice, as ${name} and as ${name}_FILE; remove one` })
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
 * The content of a file without its final newline. A problem never repeats the path: it may be a secret that was put
 * into the wrong variable.
 */
function readSmallFile (path: string): { text: string } | { problem: string } {
  const bytes = Buffer.alloc(LARGEST_FILE + 1)
  let length = 0
  try {
    const file = openSync(path, 'r')
    try {
      // A pipe, from `<(command)` for example, is read in pieces.
      for (let read = 1; read > 0 && length < bytes.length; length += read) {
        read = readSync(file, bytes, length, bytes.length - length, null)
      }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return { problem: `refers to a file that cannot be read (${codeOf(error)})` }
  }
  if (length > LARGEST_FILE) return { problem: `refers to a file of more than ${LARGEST_FILE} bytes` }
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      .decode(bytes.subarray(0, length))
      .replace(/\r?\n$/, '')
    return text === '' ? { problem: 'refers to an empty file' } : { text }
  } catch {
    return { problem: 'refers to a file that is not UTF-8 text' }
  }
}

/**
 * The variables in `.env` in `cwd`; none if it does not exist or is a directory, as Python virtual environments may
 * be.
 */
function readDotEnv (cwd: string, problems: Problem[]): Environment {
  try {
    return parseEnv(readFileSync(join(cwd, '.env'), 'utf8')) as Environment
  } catch (error) {
    const code = codeOf(error)
    if (!['ENOENT', 'EISDIR', 'ENOTDIR'].includes(code)) {
      problems.push({ variable: '.env', message: `cannot be read (${code})` })
    }
    return {}
  }
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

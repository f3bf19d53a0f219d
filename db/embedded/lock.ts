import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EmbeddedError, FolderInUse, USE_OTHER, codeOf, type DatabaseLog } from './error.ts'
import { isAlive, ownIdentity, type ProcessIdentity } from './identity.ts'

/**
 * The interval at which the holder touches its lock, and the time after which an untouched lock of another container
 * counts as abandoned.
 */
const BEAT_MS = 1000
const OBSERVE_MS = 5000

export interface Lock {
  /** Releases the directory for the next process. */
  release (): void
}

const NAME = /^lock\.(\d+)$/

/** The highest number of a lock file in the directory; 0 if there is none. */
function latest (folder: string): number {
  return Math.max(0, ...readdirSync(folder).map((name) => Number(NAME.exec(name)?.[1] ?? 0)))
}

/** The holder of the lock; null if it was released, or is not a valid lock file. */
function holderOf (path: string): ProcessIdentity | null {
  try {
    const content = JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity | { released: true }
    return 'pid' in content ? content : null
  } catch (error) {
    if (codeOf(error) === 'EACCES') throw error
    return null
  }
}

/** Whether the file is touched within the time in which a running holder would touch it. */
async function isTouched (path: string): Promise<boolean> {
  const touched = () => {
    try {
      return statSync(path).mtimeMs
    } catch {
      return 0
    }
  }
  const before = touched()
  const deadline = performance.now() + OBSERVE_MS
  while (performance.now() < deadline) {
    await delay(100)
    if (touched() !== before) return true
  }
  return false
}

/** Creates the file atomically with its content; false if it already exists. */
function claim (folder: string, path: string, content: string): boolean {
  const draft = join(folder, `lock-${randomUUID()}`)
  writeFileSync(draft, content, { mode: 0o600 })
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(codeOf(error))) throw error
  } finally {
    rmSync(draft, { force: true })
  }
  // A file system without hard links: the content may briefly be visible half written.
  try {
    writeFileSync(path, content, { mode: 0o600, flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/**
 * Locks the directory for this process.
 *
 * Lock files are numbered and the highest one counts. A stale one is never removed first, since two processes could do
 * that at once: the next number is claimed, which only one process can, and then the lower ones are removed. A process
 * that claimed a number below the highest one starts over. A lock is released by a mark inside the file, so that
 * numbers only grow.
 *
 * @throws EmbeddedError if a running process holds the lock; the message names it.
 */
export async function lock (folder: string, log: DatabaseLog): Promise<Lock> {
  const own = ownIdentity()
  for (;;) {
    const number = latest(folder)
    const current = join(folder, `lock.${number}`)
    const holder = number === 0 ? null : holderOf(current)
    if (holder !== null) {
      let alive = isAlive(holder)
      if (alive === 'unknown') {
        log.info('waiting to see whether another machine or container still uses the embedded Postgres', {
          holder: `${holder.host} ${holder.pid}`
        })
        alive = await isTouched(current)
      }
      if (alive) {
        const where = holder.host === own.host ? '' : ` on ${holder.host}`
        throw new FolderInUse(`The embedded Postgres in ${folder} is in use by process ${holder.pid}${where}. ` +
          'Stop that service first, or set a different DATA_DIR for this one.')
      }
    }
    const path = join(folder, `lock.${number + 1}`)
    if (!claim(folder, path, JSON.stringify(own))) continue
    if (latest(folder) !== number + 1) {
      rmSync(path, { force: true })
      continue
    }
    for (const name of readdirSync(folder)) {
      const other = Number(NAME.exec(name)?.[1] ?? 0)
      if (other > 0 && other <= number) rmSync(join(folder, name), { force: true })
    }
    return hold(folder, path, log)
  }
}

function hold (folder: string, path: string, log: DatabaseLog): Lock {
  let complained = false
  const beat = setInterval(() => {
    try {
      const now = new Date()
      utimesSync(path, now, now)
    } catch (error) {
      if (!complained) log.warning('cannot touch the lock of the embedded Postgres', { path, error })
      complained = true
    }
  }, BEAT_MS)
  beat.unref()
  return {
    release () {
      clearInterval(beat)
      try {
        const draft = join(folder, `lock-${randomUUID()}`)
        writeFileSync(draft, JSON.stringify({ released: true }), { mode: 0o600 })
        renameSync(draft, path)
      } catch {
        // The unreleased file names a process that will have ended, which the next start detects.
      }
    }
  }
}

/** The error for an unusable directory or file, with a remedy. */
export function unusable (path: string, error: unknown): EmbeddedError {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EmbeddedError(`The disk of ${path} is full. Free some space, or set DATA_DIR to another disk.`, error)
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new EmbeddedError(
      `${path} cannot be written by this user. Change its owner or mode, or set DATA_DIR to a folder that can be. ${USE_OTHER}`,
      error
    )
  }
  if (code === 'ENOTDIR' || code === 'EEXIST') { return new EmbeddedError(`${path} is not a folder. Set DATA_DIR to one.`, error) }
  return new EmbeddedError(
    `${path} cannot be used: ${error instanceof Error ? error.message : String(error)}. ${USE_OTHER}`,
    error
  )
}

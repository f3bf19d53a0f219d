import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EmbeddedError, FolderInUse, USE_OTHER, codeOf, type DatabaseLog } from './error.ts'
import { isAlive, ownIdentity, type ProcessIdentity } from './identity.ts'

/**
 * How often the holder touches its lock, and how long a lock of another container may stay untouched before it counts
 * as left behind.
 */
const BEAT_MS = 1000
const OBSERVE_MS = 5000

export interface Lock {
  /** Gives the folder free for the next process. */
  release (): void
}

const NAME = /^lock\.(\d+)$/

/** The highest number any lock file in the folder has; 0 when there is none. */
function latest (folder: string): number {
  return Math.max(0, ...readdirSync(folder).map((name) => Number(NAME.exec(name)?.[1] ?? 0)))
}

/** Who holds the lock; null when it was given free, or is not readable as one. */
function holderOf (path: string): ProcessIdentity | null {
  try {
    const content = JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity | { released: true }
    return 'pid' in content ? content : null
  } catch (error) {
    if (codeOf(error) === 'EACCES') throw error
    return null
  }
}

/** Whether somebody touches the file within the time a living holder would. */
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

/** Makes the file with its whole content at once; false when another was there first. */
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
  // A file system without hard links: there the content may be seen half written, for a moment.
  try {
    writeFileSync(path, content, { mode: 0o600, flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/**
 * Takes the folder for this process alone.
 *
 * Lock files are numbered and the highest one holds. A stale one is never removed to make way, which two processes
 * could do at once: the next number is claimed, which one process can, and only then the lower ones go. Who claimed a
 * number that another has meanwhile gone beyond sees it and begins again. To release is to say so inside the file, so
 * that numbers only grow.
 *
 * @throws EmbeddedError when a living process holds it; says which.
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
          'Stop that service first, or give this one a DATA_DIR of its own.')
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
        // Left as it is, it names a process that will be gone, which the next start sees.
      }
    }
  }
}

/** A folder or file that this process may not use, in words that help. */
export function unusable (path: string, error: unknown): EmbeddedError {
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') { return new EmbeddedError(`The disk that holds ${path} is full. Free some space, or set DATA_DIR to another.`, error) }
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

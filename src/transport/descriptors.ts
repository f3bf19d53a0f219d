import { readFileSync } from 'node:fs'
import { platform } from 'node:process'

/** File descriptors for everything but clients and the database: the log, files, threads, Node itself. */
const RESERVED = 64
/** However low the limit, so many clients are let in. */
const FEWEST = 16
const MOST = 10_000

/**
 * How many clients may be connected, so that descriptors are left for `databaseConnections` and all else. Each client
 * may be sending an upload, which takes a file beside its connection.
 */
export function connectionLimit (databaseConnections: number, descriptors = descriptorLimit()): number {
  return Math.min(MOST, Math.max(FEWEST, Math.floor((descriptors - databaseConnections - RESERVED) / 2)))
}

interface Report { userLimits?: { open_files?: { soft?: unknown } } }

/** How many descriptors the process may open; `Infinity` where the system sets no limit. */
function descriptorLimit (): number {
  const limit = platform === 'linux'
    ? /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    // It looks up the names of all peers, of which a process that starts has none.
    : (process.report.getReport() as Report).userLimits?.open_files?.soft
  return limit === undefined || Number.isNaN(Number(limit)) ? Infinity : Number(limit)
}

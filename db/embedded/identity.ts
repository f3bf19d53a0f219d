import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'

/** The identity of a process, unique even if its number is reused. */
export interface ProcessIdentity {
  pid: number
  /** Its start time in the format of the system; null if unknown. */
  started: string | null
  host: string
  /** The boot of the machine; null if unknown. */
  boot: string | null
  /** The PID namespace: each container has its own. */
  space: string | null
}

function attempt<T> (read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}

/** The start time of the process with this number; null if there is none, or only a zombie. */
export function startOf (pid: number): string | null {
  if (process.platform === 'linux') {
    const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
    if (stat === null) return null
    // The name, field 2, may contain spaces and brackets: count from its last bracket. Field 3 is the state, field 22
    // the start in ticks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? null : fields[19] ?? null
  }
  if (process.platform === 'win32') return null
  const line = attempt(() =>
    execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore']
    }).trim()
  )
  return line === null || line === '' ? null : line
}

/** This process. */
export function ownIdentity (): ProcessIdentity {
  return {
    pid: process.pid,
    started: startOf(process.pid),
    host: hostname(),
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    space: attempt(() => readlinkSync('/proc/self/ns/pid'))
  }
}

/** Whether a signal would find the process. */
export function isThere (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/**
 * Whether the process still runs; `unknown` if it belongs to another container or machine, whose process numbers mean
 * nothing here.
 */
export function isAlive (other: ProcessIdentity): boolean | 'unknown' {
  const own = ownIdentity()
  if (other.host === own.host && other.boot !== own.boot) return false
  if (other.boot !== own.boot || other.space !== own.space) return 'unknown'
  if (other.boot === null && other.host !== own.host) return 'unknown'
  if (!isThere(other.pid)) return false
  if (own.started === null || other.started === null) return 'unknown'
  return startOf(other.pid) === other.started
}

/**
 * The Postgres processes that run in a cluster's directory, whichever process started them. On Linux the kernel tells
 * the working directory of each process: so a reused number in a stale `postmaster.pid` is never mistaken for Postgres,
 * and backends that outlived their postmaster are found too.
 */
export function postgresOn (folder: string, pidFile: string): number[] {
  const noted = Number.parseInt(attempt(() => readFileSync(pidFile, 'utf8')) ?? '', 10)
  if (process.platform !== 'linux') {
    if (!(noted > 0) || !isThere(noted)) return []
    const command = attempt(() =>
      execFileSync('ps', ['-o', 'command=', '-p', String(noted)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore']
      })
    )
    return command === null || command.includes('postgres') ? [noted] : []
  }
  const { dev, ino } = statSync(folder)
  const found = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    const place = attempt(() => statSync(`/proc/${pid}/cwd`))
    if (place === null || place.dev !== dev || place.ino !== ino) return false
    return (
      /\/postgres( \(deleted\))?$/.test(attempt(() => readlinkSync(`/proc/${pid}/exe`)) ?? '') && startOf(pid) !== null
    )
  })
  // The postmaster first: ending it ends the others.
  return found.sort((a, b) => Number(b === noted) - Number(a === noted))
}

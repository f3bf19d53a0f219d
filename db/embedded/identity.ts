import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'

/** One process, told from every other that has had or will have its number. */
export interface ProcessIdentity {
  pid: number
  /** When it started, in whatever words the system has for it; null where that cannot be learned. */
  started: string | null
  host: string
  /** Which run of the machine; null where that cannot be learned. */
  boot: string | null
  /** Which space of process numbers: each container has its own. */
  space: string | null
}

function attempt<T> (read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}

/** When the process with this number started; null when there is none, or it is dead and only not yet reaped. */
export function startOf (pid: number): string | null {
  if (process.platform === 'linux') {
    const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
    if (stat === null) return null
    // The name, second, may hold spaces and brackets: count from its last bracket. Third is the state, 22nd the start
    // in ticks.
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
 * Whether the process still runs: `unknown` when it is of another container or machine, whose process numbers say
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
 * The Postgres processes that run on a cluster's folder, whoever started them. Linux asks the kernel which folder each
 * process is in, so that a number in a stale `postmaster.pid`, given since to something else, is never taken for one,
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
  // The postmaster first, since ending it ends the others.
  return found.sort((a, b) => Number(b === noted) - Number(a === noted))
}

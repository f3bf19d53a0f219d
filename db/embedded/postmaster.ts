import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { end, failed, type Cluster } from './cluster.ts'
import { EmbeddedError, codeOf } from './error.ts'
import { unusable } from './lock.ts'

/** The longest that a start may take: crash recovery takes longest. */
const START_MS = 120_000
/** Above this size the log of Postgres is truncated. */
const MAX_LOG_BYTES = 10 * 1024 * 1024

const SETTINGS: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '128MB',
  // No replication is needed, and JIT compilation of a query for one runner's rows takes longer than running it.
  wal_level: 'minimal',
  max_wal_senders: '0',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The service logs failed statements; here the log would contain data of runners.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off'
}

/** The file that Postgres writes to. */
export interface PostgresLog {
  descriptor: number
  /** The output from `offset` on, at most the last 64 KiB. */
  since (offset: number): string
  size (): number
  close (): void
}

/** Truncates the log, and keeps it within its limit from then on. @throws EmbeddedError */
export function openLog (path: string): PostgresLog {
  let descriptor: number
  try {
    descriptor = openSync(path, 'a+', 0o600)
    ftruncateSync(descriptor)
  } catch (error) {
    throw unusable(path, error)
  }
  const size = () => fstatSync(descriptor).size
  const bound = setInterval(() => {
    try {
      if (size() > MAX_LOG_BYTES) ftruncateSync(descriptor)
    } catch {
      // The next interval tries again.
    }
  }, 10_000)
  bound.unref()
  return {
    descriptor,
    size,
    since (offset) {
      const length = Math.min(Math.max(size() - offset, 0), 65_536)
      const buffer = Buffer.alloc(length)
      return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, length, size() - length))
    },
    close () {
      clearInterval(bound)
      closeSync(descriptor)
    }
  }
}

/** A port on 127.0.0.1 that is currently free. */
export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** The port is in use; another one may work. */
export class PortTaken extends EmbeddedError {}

/** Whether a child process has ended. */
export function isOver (child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined
}

/**
 * Starts Postgres on the cluster and resolves when it accepts connections. It runs in its own session: Ctrl-C in the
 * terminal reaches only the service, which stops Postgres last.
 *
 * @throws PortTaken, or EmbeddedError with the output of Postgres.
 */
export async function launch (
  program: string,
  cluster: Cluster,
  port: number,
  log: PostgresLog,
  settings: Record<string, string>,
  started: (child: ChildProcess) => void
): Promise<void> {
  const offset = log.size()
  const args = Object.entries({ ...SETTINGS, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(program, ['-D', cluster.name, '-p', String(port), ...args], {
    ...cluster.spawn,
    detached: true,
    stdio: ['ignore', log.descriptor, log.descriptor],
    windowsHide: true
  })
  let refused: Error | undefined
  child.once('error', (error) => {
    refused = error
  })
  started(child)
  const deadline = performance.now() + START_MS
  const pidFile = join(cluster.folder, 'postmaster.pid')
  while (!isReady(pidFile, child.pid)) {
    if (isOver(child)) {
      if (refused !== undefined) {
        throw new EmbeddedError(`The embedded Postgres cannot be started: ${refused.message}.`, refused)
      }
      const said = log.since(offset)
      if (/Address already in use|could not create any TCP\/IP sockets/.test(said)) {
        throw new PortTaken(`Port ${port} is in use.`)
      }
      throw failed('postgres', child.exitCode, child.signalCode, said)
    }
    if (performance.now() > deadline) {
      await finish(child, 1000)
      throw new EmbeddedError(
        `The embedded Postgres was not ready after ${START_MS / 1000} s: ${log.since(offset).trim().split('\n').at(-1) ?? ''}`
      )
    }
    await delay(8)
  }
}

/** Whether the postmaster's file states, in its eighth line, that it accepts connections. */
function isReady (pidFile: string, pid: number | undefined): boolean {
  try {
    const lines = readFileSync(pidFile, 'utf8').split('\n')
    return lines[0] === String(pid) && lines[7]?.trim() === 'ready'
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw unusable(pidFile, error)
  }
}

/**
 * Stops Postgres: a fast shutdown first, after `patienceMs` an immediate one, then SIGKILL. It always ends.
 */
export async function finish (child: ChildProcess, patienceMs: number): Promise<void> {
  // Check the child object, not the system, in which the process exists until it is reaped.
  child.ref()
  await end(
    () => (isOver(child) ? [] : [child.pid as number]),
    [
      ['SIGINT', patienceMs],
      ['SIGQUIT', Math.min(patienceMs, 5000)],
      ['SIGKILL', 5000]
    ]
  )
}

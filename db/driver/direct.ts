import type { Socket } from 'node:net'
import type postgres from 'postgres'
import { openToFirst } from './address.ts'
import type { Address, Host } from './address.ts'
import { driverOver } from './driver-seam.ts'
import { DatabaseError } from './errors.ts'
import { passwordFor } from './password.ts'
import { openSocket } from './socket.ts'

/**
 * A driver with one connection to the first host that will do, past the pool: for what needs a session of its own. A
 * connection that is lost is not replaced. Rejects with what the system or the server said, within the time given.
 *
 * The sockets are ours: where the server declines TLS, the driver by itself starts the TLS handshake nevertheless, and
 * then waits for its end.
 */
export async function connectDirectly (
  address: Address,
  timeoutMs: number,
  options: postgres.Options<Record<string, never>>
): Promise<postgres.Sql> {
  const withinMs = Math.min(timeoutMs, address.connectTimeoutMs ?? Infinity)
  return await openToFirst(address, withinMs, (host, shareMs) => connectTo(host, address, shareMs, options))
}

async function connectTo (
  host: Host,
  address: Address,
  timeoutMs: number,
  options: postgres.Options<Record<string, never>>
): Promise<postgres.Sql> {
  const began = performance.now()
  const socket = await openSocket(host, address, timeoutMs)
  const late = new Error(`No answer within ${Math.round(timeoutMs)} ms`)
  const timer = setTimeout(() => socket.destroy(late), Math.max(1, timeoutMs - (performance.now() - began)))
  const sql = driverOver(socket, driverOptions(socket, host, address, options), lost)
  try {
    await untilGreeted(sql, socket, address)
    return sql
  } catch (error) {
    socket.destroy()
    sql.end({ timeout: 0 }).catch(() => {})
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function driverOptions (
  socket: Socket,
  host: Host,
  address: Address,
  options: postgres.Options<Record<string, never>>
): postgres.Options<Record<string, postgres.PostgresType>> {
  const all = {
    ...options,
    host: host.host,
    port: host.port,
    user: address.user,
    password: passwordFor(socket, address),
    database: address.database,
    ssl: false,
    prepare: false,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 0,
    connection: { application_name: 'running-trainer', ...address.parameters }
  }
  return all as unknown as postgres.Options<Record<string, postgres.PostgresType>>
}

function lost (): Error {
  return new Error('The connection to the database was lost')
}

/** The first answer of the server; rejects too when the connection ends before it, which the driver does not. */
async function untilGreeted (sql: postgres.Sql, socket: Socket, { primaryOnly }: Address): Promise<void> {
  const ended = new Promise<never>((_resolve, reject) => {
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('The server closed the connection')))
  })
  const greeting = sql<Array<{ standby: boolean }>>`/* findRecovery */ select pg_is_in_recovery() as standby`
  const [row] = await Promise.race([greeting, ended])
  if (primaryOnly && row?.standby === true) throw new DatabaseError('read_only', 'The server is a standby')
}

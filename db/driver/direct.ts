import type { Socket } from 'node:net'
import type postgres from 'postgres'
import type { Address, Host } from './address.ts'
import { driverOver } from './driver-seam.ts'
import { openToFirst } from './hosts.ts'
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
  return await openToFirst(address.servers, withinMs, (host, shareMs) => connectTo(host, address, shareMs, options))
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
  let isGreeted = false
  const { onclose = () => {} } = options
  // The connection to a host that will not do is none of the caller's.
  const own = { ...options, onclose: (id: number) => { if (isGreeted) onclose(id) } }
  const sql = driverOver(socket, driverOptions(socket, host, address, own), lost)
  try {
    await untilGreeted(sql, socket, address)
    isGreeted = true
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
async function untilGreeted (sql: postgres.Sql, socket: Socket, { servers }: Address): Promise<void> {
  const ended = new Promise<never>((_resolve, reject) => {
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('The server closed the connection')))
  })
  const greeting = sql<Array<{ standby: boolean, read_only: boolean }>>`/* findRecovery */
    select pg_is_in_recovery() as standby, current_setting('default_transaction_read_only') = 'on' as read_only
  `
  const [row] = await Promise.race([greeting, ended])
  const refusal = servers.refusal({ identity: '', standby: row?.standby === true, readOnly: row?.read_only === true })
  if (refusal !== undefined) throw refusal
}

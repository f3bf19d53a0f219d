import { Connection } from './connection.ts'
import type { ConnectionOptions } from './connection.ts'
import { connectError, DatabaseError } from './errors.ts'

/** How long the server may take to answer, the making of the connection included. */
const TIMEOUT_MS = 1000

/** A connection outside the pool, so that the server's state can be asked for when the pool is full or stuck. */
export class Probe {
  #options: ConnectionOptions
  #connection: Promise<Connection> | undefined
  #pinging: Promise<number> | undefined
  #closed = false

  constructor (options: ConnectionOptions) {
    this.#options = { ...options, connectTimeoutMs: TIMEOUT_MS }
  }

  /** Milliseconds the server took to answer. Concurrent calls share one question. */
  ping (): Promise<number> {
    this.#pinging ??= this.#ping().finally(() => { this.#pinging = undefined })
    return this.#pinging
  }

  async #ping (): Promise<number> {
    const startedAt = performance.now()
    await this.#ask('select 1')
    return performance.now() - startedAt
  }

  /**
   * The backends among these that have been idle for a second, or that the server does not have. A statement that has
   * run on one of them for longer is lost, or its answer is: dropped by a firewall, a proxy, a failover.
   */
  async idleOf (pids: number[]): Promise<Set<number>> {
    const rows = await this.#ask(`
      select pid from unnest('{${pids.join(',')}}'::int[]) as asked (pid) left join pg_stat_activity as backend using (pid)
      where backend.pid is null or (state like 'idle%' and state_change < clock_timestamp() - interval '1 second')`)
    return new Set(rows.map(({ pid }) => pid as number))
  }

  async #ask (text: string): Promise<Array<Record<string, unknown>>> {
    const startedAt = performance.now()
    if (this.#closed) throw new DatabaseError('closed', 'The database connections are being closed')
    this.#connection ??= this.#connect()
    const connection = await this.#connection
    try {
      return await connection.ask(text, Math.max(1, TIMEOUT_MS - (performance.now() - startedAt)))
    } catch (error) {
      throw connectError(error)
    }
  }

  async #connect (): Promise<Connection> {
    try {
      const connection = await Connection.open(this.#options)
      connection.listen({ free () {}, closed: () => { this.#connection = undefined } })
      if (this.#closed) connection.end()
      return connection
    } catch (error) {
      this.#connection = undefined
      throw error
    }
  }

  close (): void {
    this.#closed = true
    this.#connection?.then((connection) => connection.end(), () => {})
  }
}

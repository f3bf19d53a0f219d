import { Connection } from './connection.ts'
import type { ConnectionOptions } from './connection.ts'
import type { Rows } from './contract.ts'
import { connectError, DatabaseError } from './errors.ts'
import { SERVER_STATE, serverStateOf } from './session-settings.ts'

/** How long the server may take to answer, the making of the connection included. */
const TIMEOUT_MS = 1000
/** After so long without an answer another connection is tried as well. */
const SECOND_MS = 400

/**
 * The commits that wait for a synchronous standby. Only for those of the same role is it visible that they do, and
 * nothing is looked through where there is none.
 */
const WAITING_COMMITS = `
  case when current_setting('synchronous_standby_names') = '' then 0 else (
    select count(*)::int from pg_stat_activity
    where wait_event = 'SyncRep' and query_start < clock_timestamp() - interval '1 second'
  ) end as waiting_commits`

interface Answer { rows: Rows, by: Connection }

/**
 * A connection outside the pool, so that the server's state can be asked for when the pool is full or stuck. It is to
 * the server that the pool has connected to last.
 */
export class Probe {
  /** Commits that waited for a synchronous standby when it was last asked. */
  waitingCommits = 0
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
    const { servers } = this.#options.address
    const { rows: [row] } = await this.#ask(`select ${SERVER_STATE}, ${WAITING_COMMITS}`)
    const refusal = servers.refusal(serverStateOf(row))
    if (refusal !== undefined) {
      servers.unfit(serverStateOf(row).identity)
      this.#drop()
      // The server that takes the writes now may be known already.
      await this.#ask('select 1', TIMEOUT_MS - (performance.now() - startedAt))
    }
    this.waitingCommits = row?.waiting_commits as number
    return performance.now() - startedAt
  }

  /**
   * The backends among these that have been idle for a second, or that the server does not have, and over which
   * connection it says so. A statement that has run on one of them for longer is lost, or its answer is: dropped by a
   * firewall, a proxy, a failover.
   */
  async idleOf (pids: number[]): Promise<{ idle: Set<number>, by: Connection }> {
    const { rows, by } = await this.#ask(`
      select pid from unnest('{${pids.join(',')}}'::int[]) as asked (pid) left join pg_stat_activity as backend using (pid)
      where backend.pid is null or (state like 'idle%' and state_change < clock_timestamp() - interval '1 second')`)
    return { idle: new Set(rows.map(({ pid }) => pid as number)), by }
  }

  /**
   * Rows within the time given. A connection that is lost meanwhile, or keeps silent, says nothing about the server: a
   * new one is asked as well.
   */
  async #ask (text: string, withinMs = TIMEOUT_MS): Promise<Answer> {
    const deadline = performance.now() + withinMs
    if (this.#closed) throw new DatabaseError('closed', 'The database connections are being closed')
    const kept = await this.#kept()
    if (kept === undefined) return await this.#askNew(text, deadline)
    const first = this.#askOn(kept, text, deadline)
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<'silence'>((resolve) => { timer = setTimeout(resolve, SECOND_MS, 'silence') })
    const outcome = await Promise.race([first.catch(() => 'lost' as const), silence])
    clearTimeout(timer)
    if (outcome === 'lost') return await this.#askNew(text, deadline)
    if (outcome !== 'silence') return outcome
    this.#drop()
    return await Promise.any([first, this.#askNew(text, deadline)]).catch((error: AggregateError) => {
      throw error.errors[1]
    })
  }

  /** The connection of the question before, unless the pool is on another server by now. */
  async #kept (): Promise<Connection | undefined> {
    const connection = await this.#connection?.catch(() => undefined)
    if (connection === undefined || connection.closed) return undefined
    const { current } = this.#options.address.servers
    if (current === undefined || connection.server === current) return connection
    this.#drop()
    return undefined
  }

  async #askNew (text: string, deadline: number): Promise<Answer> {
    return await this.#askOn(await (this.#connection ?? this.#open()), text, deadline)
  }

  async #askOn (connection: Connection, text: string, deadline: number): Promise<Answer> {
    try {
      const rows = await connection.ask(text, Math.max(1, deadline - performance.now()))
      return { rows, by: connection }
    } catch (error) {
      throw connectError(error)
    }
  }

  #open (): Promise<Connection> {
    const opened = Connection.open(this.#options).then((connection) => {
      connection.listen({ free () {}, closed: () => this.#forget(opened) })
      if (this.#closed) connection.end()
      return connection
    })
    opened.catch(() => this.#forget(opened))
    this.#connection = opened
    return opened
  }

  #forget (connection: Promise<Connection>): void {
    if (this.#connection === connection) this.#connection = undefined
  }

  /** Gives the connection up once it is made; what was asked on it may still be answered. */
  #drop (): void {
    const given = this.#connection
    this.#connection = undefined
    given?.then((connection) => setTimeout(() => connection.end(), TIMEOUT_MS).unref(), () => {})
  }

  close (): void {
    this.#closed = true
    this.#connection?.then((connection) => connection.end(), () => {})
  }
}

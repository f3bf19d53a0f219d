import type { Socket } from 'node:net'
import type postgres from 'postgres'
import type { Address, Host } from './address.ts'
import type { Rows } from './contract.ts'
import { driverOver } from './driver-seam.ts'
import type { Driver } from './driver-seam.ts'
import { connectError, DatabaseError, statementError } from './errors.ts'
import { openToFirst } from './hosts.ts'
import { passwordFor } from './password.ts'
import { beginText, checkSession, sessionParameters } from './session-settings.ts'
import type { SessionOptions } from './session-settings.ts'
import { endSocket, openSocket, requestCancel } from './socket.ts'
import type { BackendKey } from './socket.ts'
import { isCancellation } from './statement.ts'
import type { Interruption, Statement, StatementHost } from './statement.ts'
import { TYPES } from './wire-format.ts'

export interface ConnectionOptions extends SessionOptions {
  address: Address
  connectTimeoutMs: number
  /** `WARNING`s and notices of the server. */
  onNotice (notice: Record<string, string>, statement: Statement | undefined): void
  /** A setting of the server under which values are not what they were. */
  onUnfitSetting (setting: string, value: string): void
}

/** What a connection tells its pool. */
export interface ConnectionListener {
  /** It can be given to another statement or transaction. */
  free (connection: Connection): void
  /** It is no more, for whatever reason. Called once. */
  closed (connection: Connection): void
}

type Result = Rows & { statement?: unknown }

/** How long an interrupted statement may take to end before its socket is destroyed, and how often it is cancelled. */
const GRACE_MS = 500
const CANCEL_AGAIN_MS = 100

/**
 * The routine of the server that warns, in whatever language, that a commit was cancelled while it waited for a
 * synchronous standby: it is kept here, and lost where the standby takes over.
 */
const UNREPLICATED = 'SyncRepWaitForLSN'

const MISREAD = 'The server has forgotten statements that were sent together'

/** Once for each connection, unless its `prepare` option forbids. */
const PREPARED = { prepare: true }

/**
 * One connection to the server, from its start-up to its end, and never another: a lost one stays lost, so no statement
 * of a transaction can land on a new one.
 *
 * Several statements that belong to no transaction may be sent together. The server works on them one after the other;
 * the first that has not ended is the head. A cancel request is sent for the head alone, and ends whatever the server
 * is at when it arrives: a statement behind the head that is hit by it is run again.
 */
export class Connection {
  closed = false
  /** Not to be used again once it is free. */
  retired = false
  idleSince = 0
  readonly openedAt = performance.now()
  /** The part of the longest life that it gets: not all are to end at once. */
  readonly lifeShare = 0.8 + 0.2 * Math.random()
  /** By which the server knows this connection. */
  key: BackendKey | undefined
  /** Which server it is (see `ServerState`), and whether that took writes when the connection was made. */
  server = ''
  takesWrites = true
  #driver: Driver
  #socket: Socket
  #host: Host
  #options: ConnectionOptions
  #listener: ConnectionListener | undefined
  /** What was sent and has not ended, in order. */
  #sent: Statement[] = []
  /** Whether statements have been sent together since it was last free. */
  #isShared = false
  /** The driver's object for each statement that is prepared here, by its text. */
  #prepared = new Map<string, unknown>()
  #asking = new Set<(error: unknown) => void>()
  #cancelling: Promise<void> | null = null
  #cancelSentAt = -Infinity
  #lost: unknown

  /** Tries the hosts in their order. Rejects with a DatabaseError within the connect timeout. */
  static async open (options: ConnectionOptions): Promise<Connection> {
    const { address, connectTimeoutMs } = options
    try {
      return await openToFirst(address.servers, connectTimeoutMs, (host, ms) => Connection.#openTo(host, options, ms))
    } catch (error) {
      throw connectError(error)
    }
  }

  static async #openTo (host: Host, options: ConnectionOptions, timeoutMs: number): Promise<Connection> {
    const startedAt = performance.now()
    const socket = await openSocket(host, options.address, timeoutMs)
    const connection = new Connection(socket, host, options)
    const timer = setTimeout(
      () => connection.destroy(new Error(`The server did not take the connection within ${Math.round(timeoutMs)} ms`)),
      Math.max(1, timeoutMs - (performance.now() - startedAt))
    )
    try {
      await connection.#greet()
      options.address.servers.used(host, connection.server)
      return connection
    } catch (error) {
      connection.destroy()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor (socket: Socket, host: Host, options: ConnectionOptions) {
    this.#socket = socket
    this.#host = host
    this.#options = options
    this.#driver = driverOver(socket, this.#driverOptions(), () => this.#lost)
    socket.once('error', (error) => this.destroy(error))
    // The driver takes a quiet end for no error, and where it happens during start-up connects again at once, for ever.
    socket.once('end', () => this.destroy(new Error('The server closed the connection')))
    socket.once('close', () => this.destroy())
  }

  #driverOptions (): postgres.Options<Record<string, postgres.PostgresType>> {
    const { address, pooler } = this.#options
    const options = {
      host: this.#host.host,
      port: this.#host.port,
      user: address.user,
      pass: passwordFor(this.#socket, address),
      database: address.database,
      ssl: false,
      prepare: pooler === 'none',
      debug: false,
      fetch_types: false,
      idle_timeout: 0,
      max_lifetime: 0,
      connect_timeout: 0,
      keep_alive: 0,
      target_session_attrs: undefined,
      no_subscribe: true,
      types: TYPES,
      onnotice: (notice: postgres.Notice) => this.#noticed(notice as Record<string, string>),
      connection: { ...sessionParameters(this.#options), ...address.parameters }
    }
    return options as unknown as postgres.Options<Record<string, postgres.PostgresType>>
  }

  #noticed (notice: Record<string, string>): void {
    const [head] = this.#sent
    if (notice.routine === UNREPLICATED && head !== undefined) head.unreplicated = true
    this.#options.onNotice(notice, head)
  }

  /** Start-up is done when the first statement is answered. */
  async #greet (): Promise<void> {
    const { address, onUnfitSetting } = this.#options
    const { key, server } = await checkSession((text) => this.#tell(this.#driver.unsafe(text)), onUnfitSetting)
    const refusal = address.servers.refusal(server)
    if (refusal !== undefined) throw refusal
    this.key = key
    this.server = server.identity
    this.takesWrites = !server.standby && !server.readOnly
  }

  /** Rows of a statement that belongs to no session; within the time given, or the connection is destroyed. */
  async ask (text: string, timeoutMs: number): Promise<Rows> {
    const timer = setTimeout(() => this.destroy(new Error(`No answer within ${Math.round(timeoutMs)} ms`)), timeoutMs)
    try {
      return rowsOf(await this.#tell(this.#driver.unsafe(text)) as unknown as Result)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Rejects when the connection closes, whatever the driver makes of that. */
  #tell<T> (query: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#asking.add(reject)
      query.then(resolve, reject).then(() => this.#asking.delete(reject))
    })
  }

  /** Why it was lost, where there is a reason. */
  get lost (): unknown {
    return this.#lost
  }

  /** The statement the server works on. */
  get head (): Statement | undefined {
    return this.#sent[0]
  }

  listen (listener: ConnectionListener): void {
    this.#listener = listener
    if (this.closed) listener.closed(this)
  }

  beginText (modes: string): string {
    return beginText(modes, this.#options)
  }

  /**
   * Whether a statement may be sent together with others: one on its own that only reads, so that nothing is done that
   * its caller no longer waits for, of a kind that is quick, so that nothing waits for long behind it, and prepared
   * here, as the driver otherwise needs two answers for it.
   */
  canShare (statement: Statement): boolean {
    return statement.readsOnly && statement.owner === null && statement.template?.quick === true &&
      this.#prepared.has(statement.text)
  }

  /** Sends a statement. It always ends, through its `succeed` or `fail`. */
  execute (statement: Statement): void {
    const now = performance.now()
    statement.sentAt = now
    statement.startedAt = this.#sent.length === 0 ? now : 0
    this.#isShared ||= this.#sent.length > 0
    this.#sent.push(statement)
    if (this.closed) {
      queueMicrotask(() => this.#ended(statement, undefined, this.#lost))
      return
    }
    const { text, parameters } = statement
    const query = parameters.length === 0
      ? this.#driver.unsafe(text)
      : this.#driver.unsafe(text, parameters as never[], PREPARED)
    query.then(
      (rows) => this.#ended(statement, rows as unknown as Result, undefined),
      (error) => this.#ended(statement, undefined, error)
    )
  }

  #ended (statement: Statement, result: Result | undefined, error: unknown): void {
    const place = this.#sent.indexOf(statement)
    if (place === -1) return
    if (this.#cancelling !== null && statement.owner !== null && !this.closed) {
      // A cancel request on its way would hit the transaction's next statement.
      this.#cancelling.then(() => this.#ended(statement, result, error))
      return
    }
    if (result === undefined) this.#judge(error)
    else if (!this.#recognizes(statement, result)) {
      this.destroy(new Error(MISREAD))
      result = undefined
    }
    this.#sent.splice(place, 1)
    // What was interrupted while it was behind another one is cancelled by the next check.
    if (place === 0 && this.#sent[0] !== undefined) this.#sent[0].startedAt = performance.now()
    // The connection first: the next statements are sent before this one's caller goes on, at no cost to the caller.
    if (statement.owner === null) this.#release()
    if (result !== undefined && statement.unreplicated) return statement.fail(unreplicated(statement.name), 'server')
    if (result !== undefined) return statement.succeed(statement.template === undefined ? result : rowsOf(result))
    if (this.closed) return statement.fail(lostError(statement.name, error ?? this.#lost), 'connection')
    const isStray = statement.sentAt <= this.#cancelSentAt && isCancellation(error)
    statement.fail(error, isStray ? 'stray_cancel' : 'server')
  }

  /** What an error says about the connection, beside what it says about the statement. */
  #judge (error: unknown): void {
    const { severity, code } = (error ?? {}) as { severity?: unknown, code?: unknown }
    // The server closes the connection after these, a moment later.
    if (severity === 'FATAL' || severity === 'PANIC') this.destroy(error as Error)
    // Not the server's: the driver could not read what it said.
    if (this.#isShared && severity === undefined) this.destroy(new Error(MISREAD, { cause: error }))
    // The server has become a standby, or was set to read only.
    if (code === '25006') {
      this.retired = true
      this.#options.address.servers.unfit(this.server)
    }
  }

  /**
   * Whether the driver has read the result as that of this statement. When the server no longer knows a prepared
   * statement, the driver describes it anew; with several of these under way it takes one's columns for another's.
   */
  #recognizes (statement: Statement, result: Result): boolean {
    if (this.#options.pooler !== 'none' || statement.parameters.length === 0) return true
    if (this.#isShared) return this.#prepared.get(statement.text) === result.statement
    this.#prepared.set(statement.text, result.statement)
    return true
  }

  /** Free when nothing runs on it, and no cancel request is on its way, which would hit the next statement. */
  #release (): void {
    if (this.#sent.length > 0 || this.closed) return
    if (this.#cancelling !== null) {
      this.#cancelling.then(() => this.#release())
      return
    }
    this.#isShared = false
    this.#listener?.free(this)
  }

  /** Ends what it is doing for a session, on the server too. A transaction's commit or rollback comes to its end. */
  cancel (host: StatementHost): void {
    const now = performance.now()
    for (const statement of this.#sent) {
      if (statement.host === host && statement.template !== undefined) this.#interrupt(statement, 'cancelled', now)
    }
  }

  /** Ends what it is doing because the pool is being closed. */
  cutOff (): void {
    const now = performance.now()
    for (const statement of this.#sent) this.#interrupt(statement, 'closed', now)
  }

  #interrupt (statement: Statement, reason: Interruption, now: number): void {
    if (statement.interruption !== null) return
    statement.interruption = reason
    statement.interruptedAt = now
    if (statement === this.#sent[0]) this.#sendCancel(now)
    // The server is at another one; its caller does not have to wait for that.
    else statement.fail(undefined, 'server')
  }

  /** Called now and then while something runs: enforces deadlines, and that what was interrupted ends. */
  check (now: number): void {
    for (const statement of this.#sent) {
      if (now - statement.sentAt >= this.#options.queryTimeoutMs) this.#interrupt(statement, 'query_timeout', now)
    }
    const [head] = this.#sent
    if (head === undefined || head.interruption === null) return
    if (now - Math.max(head.interruptedAt, head.startedAt) >= GRACE_MS) {
      this.destroy(new Error('The server did not end the statement'))
    } else if (now - this.#cancelSentAt >= CANCEL_AGAIN_MS) {
      // The first may have arrived between two messages of one statement, where the server ignores it.
      this.#sendCancel(now)
    }
  }

  #sendCancel (now: number): void {
    if (this.key === undefined || this.#cancelling !== null) return
    this.#cancelSentAt = now
    const sent = requestCancel(this.#host, this.#options.address, this.key, GRACE_MS).then((taken) => {
      // Perhaps still on its way: then nothing may follow it on this connection.
      if (!taken) this.retired = true
      if (this.#cancelling === sent) this.#cancelling = null
    })
    this.#cancelling = sent
  }

  /** Ends the session and closes. */
  end (): void {
    if (this.closed) return
    this.#leave()
    endSocket(this.#socket)
  }

  /** Closes at once, without a word to the server. What runs fails now. */
  destroy (reason?: Error): void {
    this.#lost ??= reason
    this.#leave()
    this.#socket.destroy(reason)
    // The driver fails its queries too, as a rule; that the callers are told does not depend on it.
    for (const statement of this.#sent) setImmediate(() => this.#ended(statement, undefined, this.#lost))
    for (const reject of this.#asking) setImmediate(reject, this.#lost)
  }

  /** Out of the pool before anything else: a lost connection must not be given away. */
  #leave (): void {
    if (this.closed) return
    this.closed = true
    this.#listener?.closed(this)
  }
}

/**
 * The rows as a plain array, not of the driver's class, which is left empty: the driver's query keeps it for long. It
 * begins with holes where the statement before failed after some rows: the driver goes on counting from them.
 */
function rowsOf (result: Result): Rows {
  const rows: Rows = []
  for (const row of result) if (row !== undefined) rows.push(row)
  result.length = 0
  return rows
}

function unreplicated (name: string): DatabaseError {
  return new DatabaseError(
    'outcome_unknown',
    `The wait of ${name} for a synchronous standby was cancelled: what was written may be lost in a failover`
  )
}

function lostError (name: string, cause: unknown): DatabaseError {
  const clean = cause === undefined ? undefined : statementError(cause, name)
  return new DatabaseError(
    'unreachable',
    `The connection was lost during statement ${name}, which may or may not have been carried out`,
    clean
  )
}

import type { Socket } from 'node:net'
import postgres from 'postgres'
import type { Address, Host } from './address.ts'
import { connectError, DatabaseError, statementError } from './errors.ts'
import { handlerOf, send } from './driver-query.ts'
import type { Handler } from './driver-query.ts'
import { passwordFor } from './password.ts'
import { endSocket, openSocket, requestCancel } from './socket.ts'
import type { BackendKey } from './socket.ts'
import type { Interruption, Rows, Statement } from './statement.ts'
import { statementText } from './statement-text.ts'
import { TYPES } from './values.ts'

/** `transaction`: PgBouncer hands the server's connection on after each transaction, so nothing may be kept on it. */
export type Pooler = 'none' | 'transaction'

export interface ConnectionOptions {
  address: Address
  pooler: Pooler
  applicationName: string
  connectTimeoutMs: number
  queryTimeoutMs: number
  /** `WARNING`s and notices of the server. */
  onNotice (notice: Record<string, string>, statement: Statement | null): void
}

type Driver = postgres.Sql<Record<string, unknown>>

/**
 * How long an interrupted statement may take to end before its socket is destroyed, and how often the server is asked
 * meanwhile.
 */
const GRACE_MS = 500
const CANCEL_AGAIN_MS = 100
/** The server ends by itself what we could not, when we are gone or cannot reach it. */
const BACKSTOP_MARGIN_MS = 2000

/**
 * One connection to the server, from its start-up to its end, and never another: a lost one stays lost, so no statement
 * of a transaction can land on a new one. The driver would reconnect by itself; it also answers the first statement
 * after that with the error of the last before.
 *
 * Carries one statement at a time. Nothing queues behind it here.
 */
export class Connection {
  /** What it is doing now. */
  statement: Statement | null = null
  closed = false
  /** Not to be used again once it is given back. */
  retired = false
  idleSince = 0
  readonly openedAt = performance.now()
  /** Which part of the longest life it gets: not all are to end at once. */
  readonly lifeShare = 0.8 + 0.2 * Math.random()
  #driver: Driver
  #handler: Handler
  #socket: Socket
  #host: Host
  #options: ConnectionOptions
  /** By which the server knows this connection. */
  key: BackendKey | undefined
  #asking = new Set<(error: unknown) => void>()
  #cancelling: Promise<void> | null = null
  #cancelSentAt = 0
  #lost: unknown
  #onClosed: (() => void) | undefined

  /** Tries the hosts in their order. Rejects with a DatabaseError within the connect timeout. */
  static async open (options: ConnectionOptions): Promise<Connection> {
    const deadline = performance.now() + options.connectTimeoutMs
    let failure: unknown
    let left = options.address.hosts.length
    for (const host of options.address.hosts) {
      try {
        // A silent host leaves the others their share of the time.
        return await Connection.#openTo(host, options, Math.max(1, (deadline - performance.now()) / left--))
      } catch (error) {
        failure = error
      }
    }
    throw connectError(failure)
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
    this.#driver = postgres(this.#driverOptions(socket))
    this.#handler = handlerOf(this.#driver)
    socket.once('error', (error) => this.destroy(error))
    // The driver takes a quiet end for no error, and where it happens during start-up connects again at once, for ever.
    socket.once('end', () => this.destroy(new Error('The server closed the connection')))
    socket.once('close', () => this.destroy())
  }

  #driverOptions (socket: Socket): postgres.Options<Record<string, postgres.PostgresType>> {
    const { address, pooler, applicationName, queryTimeoutMs } = this.#options
    const backstopMs = Math.round(queryTimeoutMs + BACKSTOP_MARGIN_MS)
    let handedOut = false
    const options = {
      host: this.#host.host,
      port: this.#host.port,
      user: address.user,
      pass: passwordFor(socket, address),
      database: address.database,
      max: 1,
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
      onnotice: (notice: postgres.Notice) => this.#options.onNotice(notice as Record<string, string>, this.statement),
      socket: () => {
        if (handedOut) throw this.#lost ?? new Error('The connection was lost')
        handedOut = true
        return socket
      },
      connection: {
        application_name: applicationName,
        DateStyle: 'ISO',
        TimeZone: 'UTC',
        // Of start-up parameters, PgBouncer takes these three; in a transaction through it, `begin` brings the other
        // two.
        ...pooler === 'none' ? { statement_timeout: backstopMs, idle_in_transaction_session_timeout: backstopMs } : {},
        ...address.parameters
      }
    }
    return options as unknown as postgres.Options<Record<string, postgres.PostgresType>>
  }

  /** The empty statement: start-up is done when it is answered. */
  async #greet (): Promise<void> {
    const query = this.#driver.unsafe('')
    await this.#tell(query)
    this.key = (query as unknown as { state: BackendKey }).state
    const { address } = this.#options
    if (address.primaryOnly && (this.#driver.parameters as Record<string, string>).in_hot_standby === 'on') {
      throw new DatabaseError('read_only', 'The server is a standby')
    }
  }

  /** Rows of a plain statement, beside the one there may be; within the time given, or the connection is destroyed. */
  async ask (text: string, timeoutMs: number): Promise<Rows> {
    const timer = setTimeout(() => this.destroy(new Error(`No answer within ${Math.round(timeoutMs)} ms`)), timeoutMs)
    try {
      return await this.#tell(this.#driver.unsafe(text)) as unknown as Rows
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

  /** What ended it, where something did. */
  get lost (): unknown {
    return this.#lost
  }

  /** Called once when the connection is no more, for whatever reason. */
  onClosed (listener: () => void): void {
    if (this.closed) listener()
    else this.#onClosed = listener
  }

  /** `begin`, with what the transaction needs to be told there. */
  beginText (modes: string): string {
    if (this.#options.pooler === 'none') return `begin${modes}`
    const backstopMs = Math.round(this.#options.queryTimeoutMs + BACKSTOP_MARGIN_MS)
    return `begin${modes}; set local statement_timeout = ${backstopMs}; set local idle_in_transaction_session_timeout = ${backstopMs}`
  }

  /** Runs a statement. It always comes back, through `statement.finish`. */
  execute (statement: Statement): void {
    this.statement = statement
    statement.startedAt = performance.now()
    if (this.closed) {
      queueMicrotask(() => this.finish(statement, undefined, this.#lost))
      return
    }
    const { strings, values } = statement
    if (typeof strings === 'string') return send(this.#handler, strings, undefined, this, statement)
    const plain = statementText(strings, values)
    if (plain !== undefined) return send(this.#handler, plain.text, plain.parameters, this, statement)
    this.#driver(strings, ...(values as never[])).then(
      (rows) => this.finish(statement, rows as unknown as Rows, undefined),
      (error) => this.finish(statement, undefined, error)
    )
  }

  /** To be called by what carries the statement out. */
  finish (statement: Statement, rows: Rows | undefined, error: unknown): void {
    if (statement !== this.statement || statement.settled) return
    if (this.#cancelling !== null && !this.closed) {
      // A cancel still on its way would hit the next statement.
      this.#cancelling.then(() => { this.#cancelling = null; this.finish(statement, rows, error) })
      return
    }
    this.statement = null
    // A lost connection is told of by its loss; a server that has become a standby by its refusal to write.
    if (rows === undefined && (this.closed || this.#lost !== undefined)) { error = lostError(statement.name, error ?? this.#lost) } else if (rows === undefined && (error as { code?: unknown }).code === '25006') this.retired = true
    statement.finish(this, rows, error)
  }

  /** Ends what is running, on the server too. */
  interrupt (reason: Interruption, now: number): void {
    const { statement } = this
    if (statement === null || statement.interruption !== null) return
    statement.interruption = reason
    statement.interruptedAt = now
    this.#sendCancel(now)
  }

  /** Asked now and then while a statement runs: enforces its deadline, and that what was interrupted ends. */
  check (now: number): void {
    const { statement } = this
    if (statement === null) return
    if (statement.interruption === null) {
      if (now - statement.startedAt >= this.#options.queryTimeoutMs) this.interrupt('query_timeout', now)
    } else if (now - statement.interruptedAt >= GRACE_MS) {
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

  /** Says goodbye and closes. */
  end (): void {
    if (this.closed) return
    this.#leave()
    endSocket(this.#socket)
  }

  /** Closes at once, without a word. What runs fails now. */
  destroy (reason?: Error): void {
    this.#lost ??= reason
    this.#leave()
    this.#socket.destroy(reason)
    const { statement } = this
    // The driver tells its query of the loss by itself, as a rule; that the caller hears of it does not depend on that.
    if (statement !== null) setImmediate(() => this.finish(statement, undefined, this.#lost))
    for (const reject of this.#asking) setImmediate(reject, this.#lost)
  }

  /** Out of the pool before anything else: nobody is to be given a lost connection. */
  #leave (): void {
    if (this.closed) return
    this.closed = true
    this.#onClosed?.()
  }
}

function lostError (name: string, cause: unknown): DatabaseError {
  const clean = cause === undefined ? undefined : statementError(cause, name)
  return new DatabaseError(
    'unreachable',
    `The connection was lost during statement ${name}, which may or may not have been carried out`,
    clean
  )
}

import type { Logger, Observer, Rows } from './contract.ts'
import { DatabaseError, isRetryable, sqlState, statementError, withoutData } from './errors.ts'
import type { StatementText } from './statement-text.ts'
import type { Template } from './template.ts'

/** What a statement needs of the session it belongs to. */
export interface StatementHost {
  readonly log: Logger
  readonly observe: Observer
  /** Queues it for a connection. */
  submit (statement: Statement): void
}

/** The transaction a statement belongs to. */
export interface Owner {
  failed (error: Error): void
}

/** Why a statement is ended before it is done. */
export type Interruption = 'query_timeout' | 'cancelled' | 'closed'

/**
 * How a statement failed: the server said so, with the connection, or by a cancel request that was meant for another
 * statement of the connection.
 */
type FailureCause = 'server' | 'connection' | 'stray_cancel'

/** From here on a statement is logged as slow, and its kind does not share a connection with others. */
const SLOW_MS = 100
export const MAX_RETRIES = 3

/** Before the nth retry, 1 … 3, so that those that collided do not do so again: 5–10, 10–20, 20–40 ms. */
export function retryDelayMs (attempt: number): number {
  return 5 * 2 ** attempt * (0.5 + Math.random() / 2)
}

interface StatementOptions {
  host: StatementHost
  /** Undefined for what a transaction says by itself, `begin` and so on: it is not cancelled, and not shared. */
  template: Template | undefined
  name: string
  statement: StatementText
  /** The transaction it belongs to; null for a statement on its own. */
  owner: Owner | null
  resolve (rows: Rows): void
  reject (error: Error): void
}

/** One statement from being asked for to its end: what it is, whom it answers, and how far it is. */
export class Statement {
  readonly host: StatementHost
  readonly template: Template | undefined
  readonly name: string
  readonly text: string
  readonly parameters: Array<string | null>
  readonly readsOnly: boolean
  readonly owner: Owner | null
  submittedAt = performance.now()
  /** When it was given to its connection, and when it was the first there that had not ended. */
  sentAt = 0
  startedAt = 0
  interruption: Interruption | null = null
  interruptedAt = 0
  /** Whether the server has told that it did not wait for a synchronous standby. */
  unreplicated = false
  /** Whether the caller has been answered. The connection may still be at it. */
  settled = false
  #resolve: (rows: Rows) => void
  #reject: (error: Error) => void
  #retries = 0
  #hasLostConnection = false

  constructor ({ host, template, name, statement, owner, resolve, reject }: StatementOptions) {
    this.host = host
    this.template = template
    this.name = name
    this.text = statement.text
    this.parameters = statement.parameters
    this.readsOnly = statement.readsOnly
    this.owner = owner
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Whether it must have a connection that has just proved to be alive: it cannot be run again if not. */
  get needsLive (): boolean {
    return !this.readsOnly || this.#hasLostConnection
  }

  /** It gets no connection: none in time, or it was cancelled before. */
  refuse (error: Error): void {
    this.settled = true
    this.#reject(error)
  }

  succeed (rows: Rows): void {
    if (this.settled) return
    this.#observe('ok')
    this.settled = true
    this.#resolve(rows)
  }

  /** Answers the caller, or runs it again where that is safe. */
  fail (error: unknown, cause: FailureCause): void {
    if (this.settled) return
    const failure = this.#failureOf(error)
    this.#observe(outcomeOf(failure))
    // A transaction is run again as a whole, or not at all.
    if (this.owner === null && this.interruption === null) {
      if (cause === 'server' && isRetryable(failure)) return this.#retryAfterConflict(failure)
      // The server has undone what it cancelled.
      if (cause === 'stray_cancel' && this.#retries++ < MAX_RETRIES) return this.#submitAgain()
      if (cause === 'connection' && this.readsOnly && !this.#hasLostConnection) {
        this.#hasLostConnection = true
        return this.#submitAgain()
      }
    }
    this.settled = true
    this.owner?.failed(failure)
    this.#reject(failure)
  }

  #submitAgain (): void {
    this.submittedAt = performance.now()
    this.host.submit(this)
  }

  #retryAfterConflict (failure: Error): void {
    if (this.#retries++ >= MAX_RETRIES) {
      this.settled = true
      return this.#reject(retriesExhausted(this.name, failure))
    }
    setTimeout(() => this.#submitAgain(), retryDelayMs(this.#retries))
  }

  #failureOf (error: unknown): Error {
    if (this.interruption === null || this.unreplicated) return statementError(error, this.name)
    return interrupted(this.interruption, this.name, performance.now() - this.sentAt, error)
  }

  #observe (outcome: 'ok' | 'error' | 'timeout' | 'cancelled'): void {
    const endedAt = performance.now()
    this.host.observe.query(this.name, outcome, (endedAt - this.sentAt) / 1000)
    const tookMs = endedAt - (this.startedAt === 0 ? endedAt : this.startedAt)
    if (this.template !== undefined) this.template.quick = tookMs <= SLOW_MS
    if (tookMs > SLOW_MS) {
      this.host.log.named('app.db').warning('slow query', {
        duration_ms: Math.round(tookMs),
        query: this.name,
        waited_ms: Math.round(this.startedAt - this.submittedAt)
      })
    }
  }
}

export function retriesExhausted (name: string, cause: unknown): DatabaseError {
  return new DatabaseError(
    'retries_exhausted',
    `${name}: in conflict with others ${MAX_RETRIES + 1} times in a row`,
    cause
  )
}

/** Whether the server says that it ended the statement by request. */
export function isCancellation (error: unknown): boolean {
  return sqlState(error) === '57014'
}

function interrupted (reason: Interruption, name: string, ms: number, cause: unknown): DatabaseError {
  const why = {
    query_timeout: 'took too long',
    cancelled: 'was cancelled',
    closed: 'was cut off: the pool is being closed'
  }[reason]
  return new DatabaseError(
    reason,
    `Statement ${name} ${why} and was ended after ${Math.round(ms)} ms`,
    cause === undefined ? undefined : withoutData(cause, name)
  )
}

function outcomeOf (failure: Error): 'error' | 'timeout' | 'cancelled' {
  if (!(failure instanceof DatabaseError)) return 'error'
  if (failure.kind === 'query_timeout') return 'timeout'
  return failure.kind === 'cancelled' || failure.kind === 'closed' ? 'cancelled' : 'error'
}

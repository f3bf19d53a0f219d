import { DatabaseError, isRetryable, statementError, withoutData } from './errors.ts'
import type { Connection } from './connection.ts'
import type { Session } from './session.ts'

/** Who waits for a connection: a statement, or a transaction about to begin. */
export interface Waiter {
  readonly session: Session
  /** `performance.now()` when it was asked for. */
  readonly submittedAt: number
  start (connection: Connection): void
  /** Refused: no connection in time, or cancelled before it got one. */
  fail (error: Error): void
}

/** The part of a transaction a statement belongs to. */
export interface Owner {
  failed (error: Error): void
}

/** Why a statement is being ended before it is done. */
export type Interruption = 'query_timeout' | 'cancelled' | 'closed'

/** What the driver gives knows the command it answers, too. */
export type Rows = Array<Record<string, unknown>> & { command?: string }

const SLOW_MS = 100
export const MAX_RETRIES = 3

/** Before the nth retry, 1 … 3, so long that those who collided do not do so again: 5–10, 10–20, 20–40 ms. */
export function retryDelayMs (attempt: number): number {
  return 5 * 2 ** attempt * (0.5 + Math.random() / 2)
}

const names = new WeakMap<TemplateStringsArray, string>()

/** The name in the comment a statement begins with. Looked for once for each place in the code. */
export function nameOf (strings: TemplateStringsArray): string {
  let name = names.get(strings)
  if (name === undefined) {
    name = /^\s*\/\*\s*([\w.-]{1,64})\s*\*\//.exec(strings[0] as string)?.[1] ?? 'unnamed'
    names.set(strings, name)
  }
  return name
}

/** One statement from being asked for to its end: what it is, who waits for it, and where it stands. */
export class Statement implements Waiter {
  readonly session: Session
  readonly name: string
  /**
   * A query of the service; or as plain text what a transaction says by itself, `begin` and so on, which is not
   * cancelled.
   */
  readonly strings: TemplateStringsArray | string
  readonly values: unknown[]
  readonly owner: Owner | null
  readonly resolve: (rows: Rows) => void
  readonly reject: (error: Error) => void
  submittedAt: number
  startedAt = 0
  retries = 0
  interruption: Interruption | null = null
  interruptedAt = 0
  settled = false

  constructor (
    session: Session,
    name: string,
    strings: TemplateStringsArray | string,
    values: unknown[],
    owner: Owner | null,
    resolve: (rows: Rows) => void,
    reject: (error: Error) => void
  ) {
    this.session = session
    this.name = name
    this.strings = strings
    this.values = values
    this.owner = owner
    this.resolve = resolve
    this.reject = reject
    this.submittedAt = performance.now()
  }

  start (connection: Connection): void {
    connection.execute(this)
  }

  fail (error: Error): void {
    this.settled = true
    this.reject(error)
  }

  /** Told by the connection, once, when it is ready for the next statement or is no more. */
  finish (connection: Connection, rows: Rows | undefined, error: unknown): void {
    this.settled = true
    const { session } = this
    const endedAt = performance.now()
    const failure = rows === undefined ? this.#failureOf(error, endedAt) : undefined
    session.pool.observe.query(
      this.name,
      failure === undefined ? 'ok' : outcomeOf(failure),
      (endedAt - this.startedAt) / 1000
    )
    if (endedAt - this.startedAt > SLOW_MS) this.#logSlow(endedAt)
    if (failure !== undefined) this.owner?.failed(failure)
    // The connection first: who waits for it is served before this statement's caller goes on, and that costs the
    // caller nothing.
    if (this.owner === null) session.pool.release(connection)
    if (failure === undefined) { return this.resolve(typeof this.strings === 'string' ? (rows as Rows) : plainRows(rows as Rows)) }
    // Alone in its transaction, a statement can be run again like one.
    if (this.owner === null && isRetryable(failure)) return this.#retry(failure)
    this.reject(failure)
  }

  #failureOf (error: unknown, endedAt: number): Error {
    if (this.interruption !== null) return interrupted(this.interruption, this.name, endedAt - this.startedAt, error)
    return statementError(error, this.name)
  }

  #retry (failure: Error): void {
    if (this.retries++ === MAX_RETRIES) return this.reject(retriesExhausted(this.name, failure))
    setTimeout(() => {
      this.settled = false
      this.submittedAt = performance.now()
      this.session.submit(this)
    }, retryDelayMs(this.retries))
  }

  #logSlow (endedAt: number): void {
    this.session.log.named('app.db').warning('slow query', {
      duration_ms: Math.round(endedAt - this.startedAt),
      query: this.name,
      waited_ms: Math.round(this.startedAt - this.submittedAt)
    })
  }
}

export function retriesExhausted (name: string, cause: unknown): DatabaseError {
  return new DatabaseError(
    'retries_exhausted',
    `${name}: in conflict with others ${MAX_RETRIES + 1} times in a row`,
    cause
  )
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
    withoutData(cause, name)
  )
}

/**
 * The driver's array is of a class of its own, which strict comparisons tell from an array, and keeps the statement
 * alive. 40 ns.
 */
function plainRows (rows: Rows): Rows {
  const plain: Rows = []
  for (let i = 0; i < rows.length; i++) plain.push(rows[i] as Record<string, unknown>)
  return plain
}

function outcomeOf (failure: Error): 'error' | 'timeout' | 'cancelled' {
  if (!(failure instanceof DatabaseError)) return 'error'
  if (failure.kind === 'query_timeout') return 'timeout'
  return failure.kind === 'cancelled' || failure.kind === 'closed' ? 'cancelled' : 'error'
}

import { DatabaseError, isRetryable } from './errors.ts'
import type { Connection } from './connection.ts'
import type { Pool } from './pool.ts'
import type { Executor, Logger, RequestSql, Sql, TransactionOptions } from '../sql.ts'
import { MAX_RETRIES, nameOf, retriesExhausted, retryDelayMs, Statement } from './statement.ts'
import type { Rows, Waiter } from './statement.ts'
import { runTransaction } from './transaction.ts'
import { prepareValues } from './values.ts'

export type CancelReason = 'client_gone' | 'deadline'

/**
 * Whose statements these are: one request's, or nobody's in particular. One is made for each request, so it is small.
 */
export class Session implements Executor {
  readonly pool: Pool
  readonly log: Logger
  cancelled: CancelReason | null = null

  constructor (pool: Pool, log: Logger) {
    this.pool = pool
    this.log = log
  }

  run (strings: TemplateStringsArray, values: unknown[]): Promise<Rows> {
    return new Promise((resolve, reject) => {
      const name = nameOf(strings)
      prepareValues(values, name)
      this.submit(new Statement(this, name, strings, values, null, resolve, reject))
    })
  }

  /** Hands a waiter to the pool, unless this session's time is over. */
  submit (waiter: Waiter): void {
    if (this.cancelled !== null) waiter.fail(this.refusal())
    else this.pool.submit(waiter)
  }

  refusal (): DatabaseError {
    return new DatabaseError(
      'cancelled',
      this.cancelled === 'client_gone' ? 'The client has gone away' : 'The request took too long'
    )
  }

  cancel (reason: CancelReason): void {
    if (this.cancelled !== null) return
    this.cancelled = reason
    this.pool.cancel(this)
  }

  async transaction<T> (work: (sql: Sql) => Promise<T>, options: TransactionOptions): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const connection = await new Promise<Connection>((resolve, reject) =>
        this.submit(new Reservation(this, resolve, reject))
      )
      const outcome = await runTransaction(this, connection, work, options)
      this.pool.release(connection)
      if ('value' in outcome) return outcome.value
      if (!isRetryable(outcome.cause)) throw outcome.error
      if (attempt > MAX_RETRIES) throw retriesExhausted('transaction', outcome.cause)
      await new Promise((resolve) => setTimeout(resolve, retryDelayMs(attempt)))
    }
  }
}

/** A transaction that waits for its connection. */
class Reservation implements Waiter {
  readonly session: Session
  readonly submittedAt = performance.now()
  readonly start: (connection: Connection) => void
  readonly fail: (error: Error) => void

  constructor (session: Session, resolve: (connection: Connection) => void, reject: (error: Error) => void) {
    this.session = session
    this.start = resolve
    this.fail = reject
  }
}

interface CallableSql { executor: Executor }

/** The tagged template that queries are written with. */
export function bind (executor: Executor): Sql {
  const sql = (strings: TemplateStringsArray, ...values: unknown[]) => executor.run(strings, values)
  sql.executor = executor
  return sql as unknown as Sql
}

export function bindRequest (session: Session): RequestSql {
  const sql = bind(session) as RequestSql
  sql.cancel = cancelSession
  return sql
}

function cancelSession (this: CallableSql, reason: CancelReason): void {
  (this.executor as Session).cancel(reason)
}

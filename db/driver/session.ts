import { bind } from './bind.ts'
import type { Connection } from './connection.ts'
import type { CancelReason, Executor, Logger, Observer, RequestSql, Rows, Sql, TransactionOptions } from './contract.ts'
import { DatabaseError, isRetryable } from './errors.ts'
import { Reservation } from './pool.ts'
import type { Pool, Waiter } from './pool.ts'
import { MAX_RETRIES, retriesExhausted, retryDelayMs, Statement } from './statement.ts'
import type { StatementHost } from './statement.ts'
import { statementText } from './statement-text.ts'
import { templateOf } from './template.ts'
import { runTransaction } from './transaction.ts'
import { prepareValues } from './values.ts'

/** The statements of one request, or those of the service itself. Made for each request, so it is small. */
export class Session implements Executor, StatementHost {
  readonly log: Logger
  cancelled: CancelReason | null = null
  readonly #pool: Pool

  constructor (pool: Pool, log: Logger) {
    this.#pool = pool
    this.log = log
  }

  get observe (): Observer {
    return this.#pool.observe
  }

  run (strings: TemplateStringsArray, values: unknown[]): Promise<Rows> {
    return new Promise((resolve, reject) => {
      const template = templateOf(strings)
      const { name } = template
      prepareValues(values, name)
      const statement = statementText(strings, values)
      this.submit(new Statement({ host: this, template, name, statement, owner: null, resolve, reject }))
    })
  }

  /** Hands it to the pool, unless this session has been cancelled. */
  submit (waiter: Waiter): void {
    if (this.cancelled !== null) waiter.refuse(this.refusal())
    else this.#pool.submit(waiter)
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
    this.#pool.cancel(this, () => this.refusal())
  }

  async transaction<T> (work: (sql: Sql) => Promise<T>, options: TransactionOptions): Promise<T> {
    let hasLostConnection = false
    for (let attempt = 1; ; attempt++) {
      const connection = await new Promise<Connection>((resolve, reject) =>
        this.submit(new Reservation(this, resolve, reject))
      )
      const outcome = await runTransaction(this, connection, work, options)
      this.#pool.release(connection)
      if ('value' in outcome) return outcome.value
      if (!outcome.begun && isLoss(outcome.error) && !hasLostConnection) {
        // Nothing had been done in it.
        hasLostConnection = true
        attempt--
        continue
      }
      if (!isRetryable(outcome.cause)) throw outcome.error
      if (attempt > MAX_RETRIES) throw retriesExhausted('transaction', outcome.cause)
      await new Promise((resolve) => setTimeout(resolve, retryDelayMs(attempt)))
    }
  }
}

export function bindRequest (session: Session): RequestSql {
  return Object.assign(bind(session), { cancel: cancelSession })
}

function isLoss (error: unknown): boolean {
  return error instanceof DatabaseError && error.kind === 'unreachable'
}

/** One function for all requests. */
function cancelSession (this: Sql, reason: CancelReason): void {
  (this.executor as Session).cancel(reason)
}

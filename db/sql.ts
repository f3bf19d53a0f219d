// The face of the database layer: all that a query module or a workflow needs.
//
//     const [plan] = await sql<Plan>`/* findPlan */
//       select name from plans where user_id = ${userId} and id = ${planId}
//     `
//     await transaction(sql, async (sql) => { … })
//
// Behind it, in driver/: pool.ts says who may use a connection, connection.ts is one connection, session.ts one
// request's statements, statement.ts one of these, transaction.ts several that hold together, values.ts how values are
// written and read.
import type { CancelReason } from './driver/session.ts'
import type { Value } from './driver/values.ts'

export { DatabaseError, sqlState } from './driver/errors.ts'
export type { DatabaseErrorKind } from './driver/errors.ts'
export { columns, fragment, identifier, json } from './driver/values.ts'
export type { Fragment, Value } from './driver/values.ts'
export type { CancelReason } from './driver/session.ts'

export interface Sql {
  /**
   * Runs one statement. It begins with a comment, its name, as in the example above: that is the `query` label in
   * metrics and what pg_stat_activity shows. Dates come as `2024-01-15`, instants as `2024-01-15T10:30:00.123Z`, bigint
   * as number, numeric as text, JSON parsed.
   * @throws DatabaseError where the database is in trouble, the driver's PostgresError where the statement is (see
   *   `sqlState`)
   */
  <Row extends object = Record<string, unknown>>(strings: TemplateStringsArray, ...values: Value[]): Promise<Row[]>
  /** What runs it, for `transaction`. */
  readonly executor: Executor
}

/** An Sql that belongs to a request: it logs with the request's context and ends with it. */
export interface RequestSql extends Sql {
  /**
   * Ends what is running, on the server too; refuses what waits and what is still to come, with DatabaseError
   * `cancelled`.
   */
  cancel (reason: CancelReason): void
}

export interface TransactionOptions {
  /** The server's default is `read committed`. */
  isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readOnly?: boolean
}

export interface Executor {
  run (strings: TemplateStringsArray, values: unknown[]): Promise<Array<Record<string, unknown>>>
  transaction<T>(work: (sql: Sql) => Promise<T>, options: TransactionOptions): Promise<T>
}

/** What the layer asks of a logger. */
export interface Logger {
  debug (message: string, fields?: Record<string, unknown>): void
  info (message: string, fields?: Record<string, unknown>): void
  warning (message: string, fields?: Record<string, unknown>): void
  error (message: string, fields?: Record<string, unknown>): void
  named (loggerName: string): Logger
}

/**
 * All of `work` or nothing of it. After a serialization failure or deadlock it is run again, at most three times, so
 * outside of `sql` it must not do what cannot be done twice. Inside a transaction (`sql` is then the inner one) it is a
 * savepoint.
 *
 * A statement that failed ends it, even when `work` catches the error; to try something that may fail, nest a
 * transaction. When its connection is lost, no further statement runs. Statements run one after the other, also those
 * started together.
 * @throws what `work` throws; DatabaseError, `retries_exhausted` among them
 */
export function transaction<T> (
  sql: Sql,
  work: (sql: Sql) => Promise<T>,
  options: TransactionOptions = {}
): Promise<T> {
  return sql.executor.transaction(work, options)
}

// The face of the database layer: all that a query module or a workflow needs.
//
//     const [plan] = await sql<Plan>`/* findPlan */
//       select name from plans where user_id = ${userId} and id = ${planId}
//     `
//     await transaction(sql, async (sql) => { … })
//
// Behind it, in driver/: pool.ts decides which statement gets which connection, connection.ts is one connection,
// session.ts one request's statements, statement.ts one statement, transaction.ts several that hold together, values.ts
// and wire-format.ts how values are written and read, contract.ts the types they share.
import type { Sql, TransactionOptions } from './driver/contract.ts'

export { DatabaseError, sqlState } from './driver/errors.ts'
export type { DatabaseErrorKind } from './driver/errors.ts'
export { columns, fragment, identifier, json, largeBytes, numbered } from './driver/values.ts'
export type { Fragment, NumberedText, Value } from './driver/values.ts'
export type { CancelReason, Executor, Logger, RequestSql, Sql, TransactionOptions } from './driver/contract.ts'

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

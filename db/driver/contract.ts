// The types that the layer's modules share, and those a query module sees (through ../sql.ts). Nothing here runs.
import type { Value } from './values.ts'

export interface Sql {
  /**
   * Runs one statement. It begins with a comment, its name, as in the example in sql.ts: the name is the `query` label
   * in metrics and what pg_stat_activity shows. Dates come as `2024-01-15`, instants as `2024-01-15T10:30:00.123Z`,
   * bigint as number, numeric as text, JSON parsed.
   * @throws DatabaseError where the database is in trouble, an error named PostgresError where the statement is (see
   *   `sqlState`)
   */
  <Row extends object = Record<string, unknown>>(strings: TemplateStringsArray, ...values: Value[]): Promise<Row[]>
  /** Runs the statements; for `transaction`. */
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

export type CancelReason = 'client_gone' | 'deadline'

export interface TransactionOptions {
  /** The server's default is `read committed`. */
  isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readOnly?: boolean
}

/** What the tagged template calls: a session, or a transaction. */
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

/** Receives every statement's outcome and every wait for a connection, in seconds. */
export interface Observer {
  query (name: string, outcome: 'ok' | 'error' | 'timeout' | 'cancelled', seconds: number): void
  acquire (seconds: number): void
}

/** The rows of a result, and the command it answers where the driver says so. */
export type Rows = Array<Record<string, unknown>> & { command?: string }

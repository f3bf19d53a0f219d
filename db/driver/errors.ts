import postgres from 'postgres'

/**
 * Why the database did not do what was asked, where the statement is not at fault, and the seconds after which it is
 * worth trying again.
 *
 * - `unreachable`: no connection could be made, or it was lost in the middle of a statement, which then may or may not
 *   have been carried out
 * - `too_many_connections`: the server takes no more of them
 * - `out_of_resources`: the server's disk or memory is used up
 * - `acquire_timeout`, `queue_full`: no connection came free in time; too many statements wait for one already
 * - `query_timeout`: the statement took longer than it may; it was ended on the server
 * - `cancelled`: ended because the client went away or the request's time was up
 * - `read_only`: the server only answers reads (a standby, after a failover)
 * - `outcome_unknown`: a commit was cancelled while it waited for a synchronous standby: a failover may lose it
 * - `retries_exhausted`: a serialization failure or deadlock, four times in a row
 * - `transaction_ended`: a statement came after the end of its transaction, or beside the nested one that is open (a
 *   bug)
 * - `closed`: the pool is shut
 */
const RETRY_AFTER_S = {
  unreachable: 2,
  too_many_connections: 5,
  out_of_resources: 30,
  acquire_timeout: 1,
  queue_full: 1,
  query_timeout: 5,
  cancelled: 1,
  read_only: 2,
  outcome_unknown: 5,
  retries_exhausted: 1,
  transaction_ended: 1,
  closed: 5
} as const

export type DatabaseErrorKind = keyof typeof RETRY_AFTER_S

export class DatabaseError extends Error {
  readonly kind: DatabaseErrorKind
  /** Whole seconds, for `Retry-After`. */
  readonly retryAfterS: number

  constructor (kind: DatabaseErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'DatabaseError'
    this.kind = kind
    this.retryAfterS = RETRY_AFTER_S[kind]
  }
}

/** The SQLSTATE of this error, or of what caused it. */
export function sqlState (error: unknown): string | undefined {
  for (let depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++) {
    const { code } = error as { code?: unknown }
    if (error.name === 'PostgresError' && typeof code === 'string') return code
  }
  return undefined
}

/** Serialization failure and deadlock: the whole transaction may succeed when it is run again. */
export function isRetryable (error: unknown): boolean {
  const state = sqlState(error)
  return state === '40001' || state === '40P01'
}

/**
 * What the driver throws, without the statement's text and its parameters, which it adds: they are people's data. The
 * error is named PostgresError where the server sent it, as the driver's is.
 */
export function withoutData (error: unknown, statement: string): Error {
  if (!(error instanceof Error)) return new Error(`Statement ${statement} failed`, { cause: error })
  if (error instanceof postgres.PostgresError) {
    // `detail` and `where` quote values ("Key (email)=(…) already exists"); constraint_name and column_name say enough.
    const { name, message, detail, where, internal_query: internal, ...fields } = error
    return Object.assign(copyOf(error), fields, { statement })
  }
  // The driver's own errors carry `parameters` and `args`, which are not enumerable and cannot be overwritten.
  if (!('parameters' in error)) return error
  return Object.assign(copyOf(error), { code: (error as { code?: unknown }).code, statement })
}

/** Name, message and stack of an error, and none of its other properties. */
function copyOf (error: Error): Error {
  const hidden = { enumerable: false, writable: true, configurable: true }
  return Object.defineProperties(new Error(error.message), {
    name: { value: error.name, ...hidden },
    stack: { value: error.stack, ...hidden }
  })
}

/** What a statement's error means: a DatabaseError where the database is in trouble, else what the server said. */
export function statementError (error: unknown, statement: string): Error {
  const clean = withoutData(error, statement)
  if (clean instanceof DatabaseError) return clean
  const kind = troubleOf(sqlState(clean))
  return kind === undefined ? clean : new DatabaseError(kind, `Statement ${statement}: ${MESSAGES[kind]}`, clean)
}

/** Why no connection could be made. */
export function connectError (error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error
  const clean = withoutData(error, 'connect')
  const kind = troubleOf(sqlState(clean)) ?? 'unreachable'
  return new DatabaseError(kind === 'too_many_connections' ? kind : 'unreachable', MESSAGES[kind], clean)
}

const MESSAGES = {
  unreachable: 'The database cannot be reached',
  too_many_connections: 'The database takes no more connections',
  out_of_resources: 'The database is out of disk or memory',
  query_timeout: 'it was ended by the server',
  read_only: 'The database is read-only'
} satisfies Partial<Record<DatabaseErrorKind, string>>

function troubleOf (state: string | undefined): keyof typeof MESSAGES | undefined {
  if (state === undefined) return undefined
  if (state === '57014') return 'query_timeout'
  if (state === '25006') return 'read_only'
  if (state === '53300') return 'too_many_connections'
  if (state.startsWith('53')) return 'out_of_resources'
  // 25P03: idle in a transaction for too long.
  if (state.startsWith('08') || state.startsWith('57P') || state === '25P03') return 'unreachable'
  return undefined
}

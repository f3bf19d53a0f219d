/**
 * The closed list of what can go wrong, in the words that clients read as `error_code`. Statuses, causes and remedies
 * stand in one table, in `src/error-catalogue.ts`.
 */
export const ERROR_CODES = [
  'VALIDATION_ERROR', 'MALFORMED_JSON', 'BAD_REQUEST', 'PLAN_NOT_FEASIBLE',
  'UNAUTHENTICATED', 'INVALID_CREDENTIALS', 'FORBIDDEN',
  'NOT_FOUND', 'METHOD_NOT_ALLOWED', 'REQUEST_TIMEOUT',
  'CONFLICT', 'DUPLICATE_ACTIVITY', 'PRECONDITION_FAILED',
  'PAYLOAD_TOO_LARGE', 'URI_TOO_LONG', 'UNSUPPORTED_MEDIA_TYPE', 'EXPECTATION_FAILED', 'HEADERS_TOO_LARGE',
  'REQUEST_VALIDATION_ERROR', 'UNREADABLE_FILE', 'IDEMPOTENCY_KEY_REUSED',
  'RATE_LIMITED', 'INTERNAL_ERROR', 'DATABASE_ERROR', 'SERVICE_UNAVAILABLE'
] as const

export type ErrorCode = typeof ERROR_CODES[number]

export interface ErrorContext {
  /** What the client is told beside the message. */
  details?: Record<string, unknown>
  /** What led to it: for the log only. */
  cause?: unknown
  /** Headers the answer carries, `retry-after` say. */
  headers?: Record<string, string>
}

/**
 * Something a client is to be told in plain words. Anything else that is thrown is a bug, and answered as
 * `INTERNAL_ERROR`.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined
  readonly headers: Record<string, string> | undefined

  constructor (code: ErrorCode, message: string, { details, cause, headers }: ErrorContext = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AppError'
    this.code = code
    this.details = details
    this.headers = headers
  }
}

/** A rule of the domain is broken by `field`: 400. */
export function invalid (field: string, message: string): AppError {
  return new AppError('VALIDATION_ERROR', message, { details: { field } })
}

/**
 * `field` is not as the schema of the route has it, where that cannot say so itself: 422. `message` goes on after its
 * name.
 */
export function unfit (field: string, location: 'body' | 'querystring', message: string): AppError {
  return new AppError('REQUEST_VALIDATION_ERROR', `${field} ${message}`, {
    details: { field, errors: [{ field, location, message }] }
  })
}

/** There is no such thing, or it is somebody else's: 404. */
export function notFound (kind: string): AppError {
  return new AppError('NOT_FOUND', `No such ${kind}`)
}

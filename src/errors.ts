/**
 * The closed list of error codes, which clients read as `error_code`. Their statuses, causes and remedies are in
 * `src/error-catalogue.ts`.
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
  /** The `details` of the error response. */
  details?: Record<string, unknown>
  /** The underlying error: for the log only. */
  cause?: unknown
  /** Headers of the error response, for example `retry-after`. */
  headers?: Record<string, string>
  /** Where it is not the one of the code. */
  status?: number
}

/**
 * An error whose message is meant for the client. Anything else that is thrown is a bug and becomes `INTERNAL_ERROR`.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined
  readonly headers: Record<string, string> | undefined
  readonly status: number | undefined

  constructor (code: ErrorCode, message: string, { details, cause, headers, status }: ErrorContext = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AppError'
    this.code = code
    this.details = details
    this.headers = headers
    this.status = status
  }
}

/** `field` violates a rule of the domain: 400. */
export function invalid (field: string, message: string): AppError {
  return new AppError('VALIDATION_ERROR', message, { details: { field } })
}

/**
 * `field` violates a rule that belongs to the schema of the route but cannot be expressed there: 422. `message`
 * continues a sentence that begins with the name of the field.
 */
export function unfit (field: string, location: 'body' | 'querystring', message: string): AppError {
  return new AppError('REQUEST_VALIDATION_ERROR', `${field} ${message}`, {
    details: { field, errors: [{ field, location, message }] }
  })
}

/** A range of days that ends before it starts: 422. */
export function reversed (): AppError {
  return unfit('to', 'querystring', 'must not be before from')
}

/** A range of days that is longer than one response can be: 422. `most`: how long it may be. */
export function tooLong (most: string): AppError {
  return unfit('to', 'querystring', `must be so near to from that there are at most ${most}`)
}

/** The account was deleted while its request was at work. */
export function accountGone (): AppError {
  return new AppError('UNAUTHENTICATED', 'The account is gone')
}

/** The resource does not exist or belongs to another user: 404. */
export function notFound (kind: string): AppError {
  return new AppError('NOT_FOUND', `No such ${kind}`)
}

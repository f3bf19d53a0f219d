import { ERROR_CATALOGUE, type ErrorEntry } from '../error-catalogue.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Verdict } from './error-response.ts'

/** One violation of the schema of a route. */
export interface SchemaProblem {
  field: string
  location: string
  message: string
}

interface ValidationIssue {
  instancePath: string
  keyword: string
  message?: string
  params: Record<string, unknown>
}

const MAX_PROBLEMS = 100

/** Error codes of Fastify and its plugins that concern the request. */
const FASTIFY_CODES: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'MALFORMED_JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'MALFORMED_JSON',
  FST_ERR_CTP_BODY_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  FST_REQ_FILE_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_INVALID_MULTIPART_CONTENT_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_MAX_PARAM_LENGTH: 'URI_TOO_LONG',
  FST_ERR_NOT_FOUND: 'NOT_FOUND'
}

/** SQLSTATEs that a client can act on; the rest of class 22 are values out of range. */
const SQLSTATES: Record<string, Verdict> = {
  22007: { code: 'REQUEST_VALIDATION_ERROR', message: 'Invalid date or time' },
  22008: { code: 'REQUEST_VALIDATION_ERROR', message: 'Invalid date or time' },
  '22P02': { code: 'REQUEST_VALIDATION_ERROR', message: 'A value has an invalid format' },
  23503: { code: 'CONFLICT', message: 'A resource that this one refers to does not exist' },
  23505: { code: 'CONFLICT', message: 'The resource already exists' }
}

function busy (
  code: 'DATABASE_ERROR' | 'SERVICE_UNAVAILABLE' | 'REQUEST_TIMEOUT',
  message: string,
  { status, retryAfterS }: { status?: number, retryAfterS?: number | undefined } = {}
): Verdict {
  const seconds = retryAfterS ?? (ERROR_CATALOGUE[code] as ErrorEntry).retryAfterS
  return { code, message, ...(status === undefined ? {} : { status }), headers: { 'retry-after': String(seconds) } }
}

/** The error response of a request that exceeded its deadline. */
export const TOO_SLOW: Verdict = busy('REQUEST_TIMEOUT', 'The request took too long and was cancelled', { status: 503 })

const INTERNAL: Verdict = { code: 'INTERNAL_ERROR', message: 'Internal error; report it with the error_id' }
const UNCONFIRMED = {
  message: 'The database did not confirm the write: it is not known whether it is kept. ' +
    'Send the request again, with the same Idempotency-Key where it had one'
}
const UNREACHABLE: Verdict = busy('DATABASE_ERROR', 'The database is temporarily unavailable', { retryAfterS: 5 })

/** The database could not do what was asked; each cause has its own time after which it is worth trying again. */
function unavailable (kind: unknown, retryAfterS: unknown): Verdict {
  const { message } = kind === 'outcome_unknown' ? UNCONFIRMED : UNREACHABLE
  return busy('DATABASE_ERROR', message, { retryAfterS: retryAfterS as number })
}

/** A property of a thrown value; undefined where there is none or its getter throws. */
export function property (error: unknown, name: string): unknown {
  try {
    return (typeof error === 'object' && error !== null) ? (error as Record<string, unknown>)[name] : undefined
  } catch {
    return undefined
  }
}

/**
 * The error response for a thrown value. Nothing of an unknown error reaches the client, neither its message nor its
 * status.
 */
export function verdictOf (error: unknown): Verdict {
  try {
    return verdictOfKnown(error)
  } catch {
    // A value that throws when inspected, a Proxy for example, is unknown.
    return INTERNAL
  }
}

function verdictOfKnown (error: unknown): Verdict {
  if (error instanceof AppError) {
    const { retryAfterS }: ErrorEntry = ERROR_CATALOGUE[error.code]
    const headers: Record<string, string> = { ...error.headers }
    if (retryAfterS !== undefined && error.code !== 'REQUEST_TIMEOUT') headers['retry-after'] ??= String(retryAfterS)
    const { code, status, message, details } = error
    return { code, ...(status === undefined ? {} : { status }), message, details, headers }
  }
  const name = property(error, 'name')
  if (name === 'DatabaseError') return unavailable(property(error, 'kind'), property(error, 'retryAfterS'))
  const code = property(error, 'code')
  if (typeof code !== 'string') return INTERNAL
  if (name === 'PostgresError') return verdictOfState(code)
  const issues = property(error, 'validation')
  if (code === 'FST_ERR_VALIDATION' && Array.isArray(issues)) {
    return verdictOfIssues(issues, String(property(error, 'validationContext')))
  }
  const status = property(error, 'statusCode')
  if (code.startsWith('FST_') && typeof status === 'number' && status >= 400 && status < 500) {
    return { code: FASTIFY_CODES[code] ?? 'BAD_REQUEST', message: plainMessage(code, error) }
  }
  return INTERNAL
}

/** Fastify's message, unless it repeats input of the client. */
function plainMessage (code: string, error: unknown): string {
  if (code === 'FST_ERR_BAD_URL') return 'The URL cannot be decoded'
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') return 'A segment of the path is too long'
  if (code.startsWith('FST_ERR_CTP_') && code.includes('JSON')) return 'The body is not valid JSON'
  return String(property(error, 'message'))
}

function verdictOfState (state: string): Verdict {
  const known = SQLSTATES[state]
  if (known !== undefined) return known
  if (/^2[23]/.test(state)) return { code: 'VALIDATION_ERROR', message: 'A value is outside the range that can be stored' }
  if (/^(08|53|57|40|25006|55P03)/.test(state)) return UNREACHABLE
  return INTERNAL
}

function verdictOfIssues (issues: ValidationIssue[], location: string): Verdict {
  // A value that selects no branch of a union breaks the list of its values, too, and that says which there are.
  const errors = issues.filter(({ keyword }) => keyword !== 'discriminator')
    .slice(0, MAX_PROBLEMS).map((issue) => problemOf(issue, location))
  const [first] = errors
  return {
    code: 'REQUEST_VALIDATION_ERROR',
    message:
      first === undefined
        ? 'The request does not match the schema'
        : `${first.field === '' ? `The ${location}` : first.field} ${first.message}`,
    details: { field: first?.field ?? '', errors }
  }
}

function problemOf ({ instancePath, keyword, message, params }: ValidationIssue, location: string): SchemaProblem {
  const path = instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (keyword === 'required') path.push(String(params.missingProperty))
  if (keyword === 'additionalProperties') path.push(String(params.additionalProperty))
  return { field: path.join('.').slice(0, 200), location, message: wording(keyword, message ?? 'is not valid', params) }
}

function wording (keyword: string, message: string, params: Record<string, unknown>): string {
  switch (keyword) {
    case 'required': return 'is required'
    case 'additionalProperties': return 'is not a known field'
    case 'enum': return `must be one of ${(params.allowedValues as unknown[]).join(', ')}`
    case 'format': return `must be a valid ${String(params.format)}`
    default: return message
  }
}

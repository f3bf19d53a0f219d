import { ERROR_CATALOGUE, type ErrorEntry } from '../error-catalogue.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Verdict } from './error-response.ts'

/** One thing wrong with a request, by the schema of its route. */
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

/** Codes of Fastify and its plugins, all beginning `FST_`, that say what was wrong with a request. */
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

/** PostgreSQL's conditions that a client can do something about; others of class 22 are values out of their domain. */
const SQLSTATES: Record<string, Verdict> = {
  22007: { code: 'REQUEST_VALIDATION_ERROR', message: 'There is no such date or time' },
  22008: { code: 'REQUEST_VALIDATION_ERROR', message: 'There is no such date or time' },
  '22P02': { code: 'REQUEST_VALIDATION_ERROR', message: 'A value does not have the form it must have' },
  23503: { code: 'CONFLICT', message: 'What this belongs to is not there (any more)' },
  23505: { code: 'CONFLICT', message: 'It is there already' }
}

function busy (
  code: 'DATABASE_ERROR' | 'SERVICE_UNAVAILABLE' | 'REQUEST_TIMEOUT',
  message: string,
  status?: number
): Verdict {
  const { retryAfterS }: ErrorEntry = ERROR_CATALOGUE[code]
  return { code, message, ...(status === undefined ? {} : { status }), headers: { 'retry-after': String(retryAfterS) } }
}

/** What the client is told when the time for an answer is up. */
export const TOO_SLOW: Verdict = busy('REQUEST_TIMEOUT', 'The answer took too long; what it was doing was stopped', 503)

const INTERNAL: Verdict = {
  code: 'INTERNAL_ERROR',
  message: 'Something went wrong on our side; the error_id finds it in our log'
}
const UNREACHABLE: Verdict = busy('DATABASE_ERROR', 'The database cannot be used at the moment')

/** A property of whatever was thrown; undefined where it has none, or throws itself when it is asked. */
export function property (error: unknown, name: string): unknown {
  try {
    return (typeof error === 'object' && error !== null) ? (error as Record<string, unknown>)[name] : undefined
  } catch {
    return undefined
  }
}

/**
 * What the client is told of whatever was thrown. Nothing of an error that is not known here gets out: not its message,
 * and not a status it carries.
 */
export function verdictOf (error: unknown): Verdict {
  try {
    return verdictOfKnown(error)
  } catch {
    // What cannot even be looked at (a proxy, say) is nothing that is known here.
    return INTERNAL
  }
}

function verdictOfKnown (error: unknown): Verdict {
  if (error instanceof AppError) {
    const { retryAfterS }: ErrorEntry = ERROR_CATALOGUE[error.code]
    const headers: Record<string, string> = { ...error.headers }
    if (retryAfterS !== undefined && error.code !== 'REQUEST_TIMEOUT') headers['retry-after'] ??= String(retryAfterS)
    return { code: error.code, message: error.message, details: error.details, headers }
  }
  const name = property(error, 'name')
  if (name === 'DatabaseError') return UNREACHABLE
  const code = property(error, 'code')
  if (typeof code !== 'string') return INTERNAL
  if (name === 'PostgresError') return verdictOfState(code)
  const issues = property(error, 'validation')
  if (code === 'FST_ERR_VALIDATION' && Array.isArray(issues)) { return verdictOfIssues(issues, String(property(error, 'validationContext'))) }
  const status = property(error, 'statusCode')
  if (code.startsWith('FST_') && typeof status === 'number' && status >= 400 && status < 500) {
    return { code: FASTIFY_CODES[code] ?? 'BAD_REQUEST', message: plainMessage(code, error) }
  }
  return INTERNAL
}

/** Fastify's messages, but for those that repeat what the client sent. */
function plainMessage (code: string, error: unknown): string {
  if (code === 'FST_ERR_BAD_URL') return 'The URL cannot be decoded'
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') return 'A part of the path is too long'
  if (code.startsWith('FST_ERR_CTP_') && code.includes('JSON')) return 'The body is not valid JSON'
  return String(property(error, 'message'))
}

function verdictOfState (state: string): Verdict {
  const known = SQLSTATES[state]
  if (known !== undefined) return known
  if (state.startsWith('22') || state.startsWith('23')) { return { code: 'VALIDATION_ERROR', message: 'A value is outside what can be stored' } }
  if (/^(08|53|57|40|25006|55P03)/.test(state)) return UNREACHABLE
  return INTERNAL
}

function verdictOfIssues (issues: ValidationIssue[], location: string): Verdict {
  const errors = issues.slice(0, MAX_PROBLEMS).map((issue) => problemOf(issue, location))
  const [first] = errors
  return {
    code: 'REQUEST_VALIDATION_ERROR',
    message:
      first === undefined
        ? 'The request does not fit the schema'
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

import { ERROR_CODES, type ErrorCode } from '../errors.ts'
import { ERROR_CATALOGUE } from '../error-catalogue.ts'
import { RESPONSE_HEADERS, type ResponseHeader } from '../../schemas/headers.ts'
import type { Response } from './document.ts'

/** The statuses that are answered with the error envelope, by their name in `components.responses`. */
export const ERROR_RESPONSES: Record<string, string> = {
  400: 'BadRequest',
  401: 'Unauthenticated',
  403: 'Forbidden',
  404: 'NotFound',
  408: 'RequestTimeout',
  409: 'Conflict',
  412: 'PreconditionFailed',
  413: 'PayloadTooLarge',
  414: 'UriTooLong',
  415: 'UnsupportedMediaType',
  417: 'ExpectationFailed',
  422: 'Unprocessable',
  429: 'TooManyRequests',
  431: 'HeadersTooLarge',
  500: 'InternalError',
  503: 'Unavailable'
}

const OWN_HEADERS: Record<string, ResponseHeader[]> = {
  401: ['Authenticate'],
  415: ['AcceptEncoding'],
  429: ['RetryAfter', 'RateLimitLimit', 'RateLimitRemaining', 'RateLimitReset'],
  503: ['RetryAfter']
}

const FIELD_AT_FAULT = {
  field: 'start_date',
  errors: [{ field: 'start_date', location: 'body', message: 'must be a valid date' }]
}
const DETAILS: Partial<Record<ErrorCode, Record<string, unknown>>> = {
  VALIDATION_ERROR: { field: 'end_date' },
  REQUEST_VALIDATION_ERROR: FIELD_AT_FAULT,
  DUPLICATE_ACTIVITY: { activity_id: '018d0c2e-5b1f-7e0e-9d55-2f3e0c9a4b11' }
}

/** One response for each error status, with the error codes it can have and an example of each. */
export function errorResponses (): Record<string, Response> {
  return Object.fromEntries(Object.entries(ERROR_RESPONSES).map(([status, name]) => {
    const codes = ERROR_CODES.filter(
      (code) => ERROR_CATALOGUE[code].status === Number(status) || (code === 'REQUEST_TIMEOUT' && status === '503')
    )
    return [name, {
      description: codes.map((code) => `\`${code}\`: ${ERROR_CATALOGUE[code].cause}`).join('\n\n'),
      headers: headersOf(['RequestId', ...OWN_HEADERS[status] ?? []]),
      content: {
        'application/json': {
          schema: { $ref: '#/components/schemas/ErrorEnvelope' },
          examples: Object.fromEntries(codes.map((code) => [code, { value: envelope(code) }]))
        }
      }
    }]
  }))
}

function envelope (code: ErrorCode) {
  const details = DETAILS[code]
  return {
    error_id: '6f1d3c52-97a4-4c0b-8d53-0f2f7f6f3f0a',
    error_code: code,
    message: ERROR_CATALOGUE[code].cause,
    timestamp: '2024-03-01T06:30:00.000Z',
    ...(details === undefined ? {} : { details })
  }
}

/** References to headers in `components.headers`, for a response. */
export function headersOf (names: readonly ResponseHeader[]): Record<string, { $ref: string }> {
  return Object.fromEntries(
    names.map((name) => [RESPONSE_HEADERS[name].name, { $ref: `#/components/headers/${name}` }])
  )
}

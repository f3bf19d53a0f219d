import type { ErrorCode } from './errors.ts'

export interface ErrorEntry {
  status: number
  /** What leads to it. */
  cause: string
  /** What whoever meets it can do. */
  remedy: string
  /** Seconds after which trying again makes sense, where it does. */
  retryAfterS?: number
}

/** Every `error_code` there is: its status, what leads to it and what to do. `docs/ERRORS.md` is written from it. */
export const ERROR_CATALOGUE = {
  VALIDATION_ERROR: {
    status: 400,
    cause:
      'The request is well-formed but breaks a rule of the domain, an end before its start say. `details.field` names the field.',
    remedy: 'Correct the field named and send it again.'
  },
  MALFORMED_JSON: {
    status: 400,
    cause: 'The body is not JSON in UTF-8: cut off, empty, not valid Unicode, or with keys such as `__proto__`.',
    remedy: 'Send the output of a JSON serializer, encoded as UTF-8.'
  },
  BAD_REQUEST: {
    status: 400,
    cause:
      'The HTTP itself is not right: a URL that cannot be decoded, no Host header, a Content-Length that is not true, bytes that are no HTTP.',
    remedy: 'Look at what the client, or a proxy before this service, really sends.'
  },
  PLAN_NOT_FEASIBLE: {
    status: 400,
    cause: 'No plan that is safe to follow meets the request; the message says which rule stands against it.',
    remedy: 'Give more time before the race, a higher current weekly distance, or another target.'
  },
  UNAUTHENTICATED: {
    status: 401,
    cause: 'There is no bearer token, or it is not valid (any more).',
    remedy: 'Log in, or exchange the refresh token at POST /api/v1/auth/refresh, and send `Authorization: Bearer …`.'
  },
  INVALID_CREDENTIALS: {
    status: 401,
    cause: 'E-mail address and password do not belong together, or the current password given is wrong.',
    remedy: 'Try another password; nothing tells whether the address is known.'
  },
  FORBIDDEN: {
    status: 403,
    cause:
      'The API key used does not have the scope the call needs, or the call takes no key at all: those that make keys, change the password or delete the account.',
    remedy: 'Use a key with the scope `write`, or an access token.'
  },
  NOT_FOUND: {
    status: 404,
    cause: 'There is no such path, or no such thing that belongs to the caller.',
    remedy: 'Check path and id. What belongs to somebody else is answered the same.'
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    cause: 'The path is known, but not with this method.',
    remedy: 'Use one of the methods in the `Allow` header.'
  },
  REQUEST_TIMEOUT: {
    status: 408,
    cause:
      'As 408: the request did not arrive in time. As 503: its answer took longer than REQUEST_TIMEOUT, and its query was cancelled.',
    remedy: 'Try again; where it lasts, look for slow queries in the log.',
    retryAfterS: 5
  },
  CONFLICT: {
    status: 409,
    cause:
      'It is there already, or somebody else is changing it, or a request with the same Idempotency-Key still runs.',
    remedy: 'Read the present state and decide anew.'
  },
  DUPLICATE_ACTIVITY: {
    status: 409,
    cause: 'The same run is there from other bytes; `details.activity_id` names it.',
    remedy: 'Leave it, or import with `?allow_duplicate=true`.'
  },
  PRECONDITION_FAILED: {
    status: 412,
    cause: 'What `If-Match` names is not the present state: somebody else wrote in between.',
    remedy: 'Read it again, apply the change to what is there now, and send the new ETag.'
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    cause: 'The body is larger than the route takes: 1 MiB of JSON, 32 MiB for one recording.',
    remedy: 'Send less at once.'
  },
  URI_TOO_LONG: {
    status: 414,
    cause: 'The URL is longer than 8 KiB.',
    remedy: 'Send what is that long in a body.'
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    cause: 'The Content-Type, its charset or the Content-Encoding is none the route takes.',
    remedy: 'Send `Content-Type: application/json`, or for recordings one of those the documentation names.'
  },
  EXPECTATION_FAILED: {
    status: 417,
    cause: 'The Expect header asks for something other than 100-continue.',
    remedy: 'Leave the header out.'
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    cause: 'The headers together are larger than 16 KiB.',
    remedy: 'Send fewer or shorter headers; cookies are not used here.'
  },
  REQUEST_VALIDATION_ERROR: {
    status: 422,
    cause:
      'The request breaks the schema of the route: `details.field` is the first field at fault, `details.errors` has all.',
    remedy: 'Compare with the documentation at /docs; unknown fields are refused, types are not converted.'
  },
  UNREADABLE_FILE: {
    status: 422,
    cause: 'The file is no recording this service reads, or too damaged; the message says what is wrong with it.',
    remedy: 'Export it again from the watch or the site it comes from.'
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    cause: 'The Idempotency-Key was used before with another body.',
    remedy: 'Make a new key for each new request.'
  },
  RATE_LIMITED: {
    status: 429,
    cause: 'More requests in a minute than RATE_LIMIT_MAX or RATE_LIMIT_AUTH_MAX allows.',
    remedy: 'Wait as long as `Retry-After` says.'
  },
  INTERNAL_ERROR: {
    status: 500,
    cause: 'A bug. The log line with this error_id has the exception.',
    remedy: 'Report the error_id; `npm run explain -- ERROR_ID` shows its whole story.'
  },
  DATABASE_ERROR: {
    status: 503,
    cause: 'The database cannot be reached, has no connection free in time, or took too long.',
    remedy: 'Try again after `Retry-After`; operators look at /health and the metrics db_pool_*.',
    retryAfterS: 5
  },
  SERVICE_UNAVAILABLE: {
    status: 503,
    cause: 'The service is starting, shutting down, or sheds load to keep answering at all.',
    remedy: 'Try again after `Retry-After`, at best through the load balancer.',
    retryAfterS: 5
  }
} as const satisfies Record<ErrorCode, ErrorEntry>

export function statusOf (code: ErrorCode): number {
  return ERROR_CATALOGUE[code].status
}

import type { ErrorCode } from './errors.ts'

export interface ErrorEntry {
  status: number
  /** Why it happens. */
  cause: string
  /** What the caller or the operator can do about it. */
  remedy: string
  /** Seconds after which a retry makes sense; absent where a retry does not help. */
  retryAfterS?: number
}

/** Every `error_code` with its status, cause and remedy. `docs/ERRORS.md` is generated from it. */
export const ERROR_CATALOGUE = {
  VALIDATION_ERROR: {
    status: 400,
    cause:
      'The request is well-formed but violates a rule, for example an end before its start. `details.field` names the field.',
    remedy: 'Correct that field and send the request again.'
  },
  MALFORMED_JSON: {
    status: 400,
    cause: 'The body is not valid JSON in UTF-8: truncated, empty, invalid Unicode, or a key such as `__proto__`.',
    remedy: 'Send the output of a JSON serializer, encoded as UTF-8.'
  },
  BAD_REQUEST: {
    status: 400,
    cause:
      'The HTTP request is malformed: a URL that cannot be decoded, a missing Host header, a wrong Content-Length, or no HTTP at all.',
    remedy: 'Check what the client, or a proxy in front of this service, actually sends.'
  },
  PLAN_NOT_FEASIBLE: {
    status: 400,
    cause: 'No plan that is safe to follow meets the request; the message names the rule that prevents it.',
    remedy: 'Choose a later race, a higher current weekly distance, or another target.'
  },
  UNAUTHENTICATED: {
    status: 401,
    cause: 'The bearer token is missing, invalid, expired or revoked.',
    remedy: 'Log in, or exchange the refresh token at POST /api/v1/auth/refresh, and send `Authorization: Bearer …`.'
  },
  INVALID_CREDENTIALS: {
    status: 401,
    cause: 'Incorrect e-mail address or password, or an incorrect current password.',
    remedy: 'Check both. The response does not reveal whether the address is registered.'
  },
  FORBIDDEN: {
    status: 403,
    cause:
      'The API key lacks the scope that the call needs, or the call accepts no API key: creating or deleting keys, changing the password, deleting the account.',
    remedy: 'Use a key with the scope `write`, or an access token.'
  },
  NOT_FOUND: {
    status: 404,
    cause: 'The path does not exist, or the caller owns no such resource.',
    remedy: "Check the path and the id. Another user's resource gets the same response."
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    cause: 'The path exists but does not support this method.',
    remedy: 'Use one of the methods in the `Allow` header.'
  },
  REQUEST_TIMEOUT: {
    status: 408,
    cause:
      'With 408: the request did not arrive in time. With 503: the response took longer than REQUEST_TIMEOUT, and its query was cancelled.',
    remedy: 'Try again; if it persists, look for slow queries in the log.',
    retryAfterS: 5
  },
  CONFLICT: {
    status: 409,
    cause:
      'The resource already exists, is being changed by another request, or a request with the same Idempotency-Key is still running.',
    remedy: 'Read the current state and decide again.'
  },
  DUPLICATE_ACTIVITY: {
    status: 409,
    cause: 'The same activity was already imported from a different file; `details.activity_id` names it.',
    remedy:
      'Keep the existing activity, or import with `?allow_duplicate=true`, or with `?replace=true` where the new recording is not the worse one.'
  },
  PRECONDITION_FAILED: {
    status: 412,
    cause: 'The ETag in `If-Match` is not the current one: the resource was changed in between.',
    remedy: 'Read the resource again, apply the change to its current state, and send the new ETag.'
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    cause: 'The body exceeds the limit of the route: 1 MiB for JSON, 4 MiB for a bulk upsert of workouts, 32 MiB for one recording.',
    remedy: 'Send a smaller body.'
  },
  URI_TOO_LONG: {
    status: 414,
    cause: 'The URL is longer than 8 KiB.',
    remedy: 'Shorten the URL.'
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    cause: 'The route does not accept this Content-Type, charset or Content-Encoding.',
    remedy: 'Send `Content-Type: application/json`, or for recordings one of the types in the documentation.'
  },
  EXPECTATION_FAILED: {
    status: 417,
    cause: 'The Expect header asks for something other than 100-continue.',
    remedy: 'Omit the header.'
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    cause: 'The headers together exceed 16 KiB.',
    remedy: 'Send fewer or shorter headers; this service uses no cookies.'
  },
  REQUEST_VALIDATION_ERROR: {
    status: 422,
    cause:
      'The request violates the schema of the route: `details.field` names the first invalid field, `details.errors` lists all.',
    remedy:
      'Compare with the documentation at /docs. Unknown fields are rejected, types are not coerced, and a range of days must not end before it starts.'
  },
  UNREADABLE_FILE: {
    status: 422,
    cause: 'The file is not a supported recording, or it is too damaged; the message says what is wrong with it.',
    remedy: 'Export it again from the watch or the site it comes from.'
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    cause: 'The Idempotency-Key was already used for a different request.',
    remedy: 'Generate a new key for each new request.'
  },
  RATE_LIMITED: {
    status: 429,
    cause: 'The caller sent more requests per minute than RATE_LIMIT_MAX or RATE_LIMIT_AUTH_MAX allows.',
    remedy: 'Wait for the time in `Retry-After`.'
  },
  INTERNAL_ERROR: {
    status: 500,
    cause: 'A bug. The log line with this error_id has the exception.',
    remedy: 'Report the error_id; `npm run explain -- ERROR_ID` shows everything logged about it.'
  },
  DATABASE_ERROR: {
    status: 503,
    cause:
      'The database is unreachable, takes no writes or did not confirm one, no connection became free in time, or a query took too long.',
    remedy:
      'Try again after `Retry-After`, which depends on the cause: 1 to 30 seconds. Operators: check /health and the metrics db_pool_*.'
  },
  SERVICE_UNAVAILABLE: {
    status: 503,
    cause: 'The service is starting, shutting down, or overloaded and shedding requests.',
    remedy: 'Try again after `Retry-After`, preferably through the load balancer.',
    retryAfterS: 5
  }
} as const satisfies Record<ErrorCode, ErrorEntry>

export function statusOf (code: ErrorCode): number {
  return ERROR_CATALOGUE[code].status
}

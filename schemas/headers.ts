/** The headers of this service, described once each for all routes that use them. */

interface Header {
  description: string
  schema: Record<string, unknown>
  example: unknown
}

const count = (minimum: number, description: string, example: number): Header => ({
  description,
  schema: { type: 'integer', minimum },
  example
})

/** Response headers, by their key in `components.headers`. */
export const RESPONSE_HEADERS = {
  RequestId: {
    name: 'X-Request-ID',
    description:
      'The id of this request: the client’s own if it sent a valid one, otherwise generated. Every log line of the request carries it.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,128}$' },
    example: '018d0c2e-5b1f-4e0e-9d55-2f3e0c9a4b11'
  },
  ETag: {
    name: 'ETag',
    description: 'The version of the resource, for `If-Match` and `If-None-Match`.',
    schema: { type: 'string', pattern: '^"[^"]*"$' },
    example: '"2f3e0c9a4b11-1"'
  },
  Location: {
    name: 'Location',
    description: 'The URL of the created resource.',
    schema: { type: 'string' },
    example: '/api/v1/plans/018d0c2e-5b1f-7e0e-9d55-2f3e0c9a4b11'
  },
  RetryAfter: { name: 'Retry-After', ...count(0, 'Seconds to wait before a retry.', 5) },
  RateLimitLimit: {
    name: 'RateLimit-Limit',
    ...count(0, 'Allowed requests per minute; absent if there is no limit.', 600)
  },
  RateLimitRemaining: { name: 'RateLimit-Remaining', ...count(0, 'Remaining requests.', 599) },
  RateLimitReset: { name: 'RateLimit-Reset', ...count(0, 'Seconds until the full limit is available again.', 60) },
  IdempotentReplayed: {
    name: 'Idempotent-Replayed',
    description: '`true` if this is the stored response of an earlier request with the same Idempotency-Key.',
    schema: { type: 'string', enum: ['true'] },
    example: 'true'
  },
  AcceptEncoding: {
    name: 'Accept-Encoding',
    description: 'The content encodings that this call takes, where the one sent was refused (RFC 9110, 15.5.16).',
    schema: { type: 'string' },
    example: 'gzip, identity'
  },
  Authenticate: {
    name: 'WWW-Authenticate',
    description: 'The authentication scheme to use (RFC 6750).',
    schema: { type: 'string' },
    example: 'Bearer realm="running-trainer"'
  }
} as const satisfies Record<string, Header & { name: string }>

export type ResponseHeader = keyof typeof RESPONSE_HEADERS

/** Request headers, by their key in `components.parameters`. */
export const REQUEST_HEADERS = {
  RequestId: {
    name: 'X-Request-ID',
    description:
      'The client’s own id for this request: 1 to 128 of `A–Z a–z 0–9 . _ : -`. Any other value is replaced by a generated id.',
    schema: { type: 'string' }
  },
  IfMatch: {
    name: 'If-Match',
    description:
      'The ETag of the version to change, or `*` for any. If it is not the current one, nothing is changed and the response is 412.',
    schema: { type: 'string' }
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    description: 'The ETag of the version that the client already has. If it is the current one, the response is 304.',
    schema: { type: 'string' }
  }
} as const satisfies Record<string, Omit<Header, 'example'> & { name: string }>

export type RequestHeader = keyof typeof REQUEST_HEADERS

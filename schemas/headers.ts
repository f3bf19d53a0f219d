/** The headers of this service, as its OpenAPI document describes them: once each, for all routes that have them. */

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

/** Sent by the service, by the key they have in `components.headers`. */
export const RESPONSE_HEADERS = {
  RequestId: {
    name: 'X-Request-ID',
    description:
      'The id of this request: the caller’s where it sent one that fits, else a new one. Every log line of the request has it.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,128}$' },
    example: '018d0c2e-5b1f-4e0e-9d55-2f3e0c9a4b11'
  },
  ETag: {
    name: 'ETag',
    description: 'The state the resource is in: for `If-Match` and `If-None-Match`.',
    schema: { type: 'string', pattern: '^"[^"]*"$' },
    example: '"2f3e0c9a4b11-1"'
  },
  Location: {
    name: 'Location',
    description: 'Where what was made is found.',
    schema: { type: 'string' },
    example: '/api/v1/plans/018d0c2e-5b1f-7e0e-9d55-2f3e0c9a4b11'
  },
  RetryAfter: { name: 'Retry-After', ...count(0, 'Seconds after which trying again makes sense.', 5) },
  RateLimitLimit: {
    name: 'RateLimit-Limit',
    ...count(0, 'Requests a minute that are allowed; absent where there is no limit.', 600)
  },
  RateLimitRemaining: { name: 'RateLimit-Remaining', ...count(0, 'Requests that are left of them.', 599) },
  RateLimitReset: { name: 'RateLimit-Reset', ...count(0, 'Seconds until all of them are there again.', 60) },
  IdempotentReplayed: {
    name: 'Idempotent-Replayed',
    description: '`true` where this is the first answer to the same Idempotency-Key once more.',
    schema: { type: 'string', enum: ['true'] },
    example: 'true'
  },
  Authenticate: {
    name: 'WWW-Authenticate',
    description: 'How to say who asks (RFC 6750).',
    schema: { type: 'string' },
    example: 'Bearer realm="running-trainer"'
  }
} as const satisfies Record<string, Header & { name: string }>

export type ResponseHeader = keyof typeof RESPONSE_HEADERS

/** Sent by clients, by the key they have in `components.parameters`. */
export const REQUEST_HEADERS = {
  RequestId: {
    name: 'X-Request-ID',
    description:
      'An id of the caller’s own for this request: 1 to 128 of `A–Z a–z 0–9 . _ : -`. Anything else is replaced by a new one.',
    schema: { type: 'string' }
  },
  IfMatch: {
    name: 'If-Match',
    description:
      'The ETag of the state that is to be changed, or `*`: where it is not the present one, nothing is done and the answer is 412.',
    schema: { type: 'string' }
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    description: 'The ETag of what the caller has: where it is the present one, the answer is 304.',
    schema: { type: 'string' }
  }
} as const satisfies Record<string, Omit<Header, 'example'> & { name: string }>

export type RequestHeader = keyof typeof REQUEST_HEADERS

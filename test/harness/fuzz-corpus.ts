import { METHODS } from 'node:http'

/** A deterministic random number generator (mulberry32). */
export function random (seed: number) {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number) => Math.floor(next() * n)
  return {
    below,
    pick: <T>(from: readonly T[]): T => from[below(from.length)] as T,
    bytes: (n: number) => Buffer.from(Array.from({ length: n }, () => below(256)))
  }
}
export type Random = ReturnType<typeof random>

/** The token and the ids for valid requests. */
export interface Caller { token: string, planId: string }

const PLAN = {
  name: 'Fuzz',
  goal: 'Survive',
  start_date: '2026-01-05',
  end_date: '2026-03-29',
  race: { date: '2026-03-29', distance_m: 42195 },
  notes: 'ä€😀'
}
const PATHS = [
  '/',
  '/health/live',
  '/health/ready',
  '/health',
  '/docs/json',
  '/nope',
  '/api/v1/plans',
  '/api/v1/plans?limit=1',
  '/api/v1/me',
  '/api/v1/activities',
  '/api/v1/auth/login'
]

const request = (method: string, path: string, headers: string[] = [], body?: string | Buffer): Buffer => {
  const payload = Buffer.from(body ?? '')
  const length = body === undefined ? [] : [`Content-Length: ${payload.length}`]
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\n${['Host: x', ...headers, ...length].join('\r\n')}\r\n\r\n`, 'latin1'),
    payload
  ])
}
const json = 'Content-Type: application/json'

/** Valid requests. */
function valid ({ token, planId }: Caller): Buffer[] {
  const who = `Authorization: Bearer ${token}`
  return [
    ...PATHS.map((path) => request('GET', path, [who])),
    ...PATHS.slice(0, 4).map((path) => request('HEAD', path)),
    request('POST', '/api/v1/plans', [who, json], JSON.stringify(PLAN)),
    request('POST', '/api/v1/plans', [who, json, 'Expect: 100-continue'], JSON.stringify(PLAN)),
    request('PATCH', `/api/v1/plans/${planId}`, [who, json], '{"status":"active"}'),
    request('GET', `/api/v1/plans/${planId}`, [
      who,
      'If-None-Match: "x"',
      'X-Request-ID: abc',
      'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    ]),
    request('DELETE', '/api/v1/plans/0190163d-8694-739b-aea5-966c26f8ad91', [who]),
    request('POST', '/api/v1/auth/login', [json], '{"email":"a@example.org","password":"not the right one"}'),
    request('POST', '/api/v1/activities/import', [who, 'Content-Type: application/octet-stream'], '<gpx/>'),
    request('OPTIONS', '/api/v1/plans', ['Origin: https://a.example', 'Access-Control-Request-Method: PATCH']),
    chunked([who, json], [JSON.stringify(PLAN)])
  ]
}

function chunked (headers: string[], chunks: string[], end = '0\r\n\r\n'): Buffer {
  const parts = chunks.map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`).join('')
  return Buffer.concat([
    request('POST', '/api/v1/plans', [...headers, 'Transfer-Encoding: chunked']),
    Buffer.from(`${parts}${end}`)
  ])
}

function mutated ({ below, pick, bytes }: Random, from: Buffer): Buffer {
  let data = from
  for (let n = 1 + below(4); n > 0; n--) {
    const at = below(data.length + 1)
    const to = Math.min(data.length, at + 1 + below(12))
    const [head, middle, tail] = [data.subarray(0, at), data.subarray(at, to), data.subarray(to)]
    data = Buffer.concat(
      pick([
        () => [head, bytes(middle.length), tail],
        () => [head, bytes(1 + below(8)), middle, tail],
        () => [head, tail],
        () => [head, middle, middle, tail],
        () => [head],
        () => [
          head,
          Buffer.from(
            pick([
              '\r\n',
              '\n',
              '\r',
              '\0',
              ' ',
              '\t',
              ':',
              '%',
              '"',
              '\\u0000',
              '\x7f',
              '\xff',
              ',',
              '{',
              '-1',
              '1e999'
            ])
          ),
          tail
        ]
      ])()
    )
  }
  return data
}

const LONG = 'a'.repeat(20_000)
const HEADERS = [
  'Host:',
  'Host: a\r\nHost: b',
  'Host: [::1',
  'Content-Length: 0',
  'Content-Length: 1, 1',
  'Content-Length: +1',
  'Content-Length: 0x1',
  'Content-Length: 99999999999999999999',
  'Content-Length: 4\r\nContent-Length: 5',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked\r\nContent-Length: 3',
  'Connection: keep-alive, close, upgrade',
  'Connection: Upgrade\r\nUpgrade: websocket',
  'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x',
  'Expect: 200-ok',
  'Expect: 100-continue',
  'Expect:',
  'TE: trailers',
  'Trailer: X',
  'X: a\r\n folded',
  ' X: leading',
  'X',
  ': none',
  'X\0: a',
  'X: \0',
  'X: \x7f',
  'X: ä€',
  'X\x20Y: a',
  'X: a\rb',
  'X: a\nY: b',
  `X: ${LONG}`,
  `${LONG}: x`,
  Array.from({ length: 500 }, (_, i) => `X${i}: y`).join('\r\n'),
  Array.from({ length: 3000 }, () => 'X: y').join('\r\n'),
  'X-Request-ID: a b',
  'X-Request-ID: a\r\nX-Request-ID: b',
  `X-Request-ID: ${LONG.slice(0, 9000)}`,
  'X-Request-ID: $' + '{jndi:ldap://x}',
  'X-Request-ID: \xff\xfe',
  'X-Request-ID: "',
  'X-Request-ID:',
  'Authorization: Bearer',
  'Authorization: Bearer  ',
  'Authorization: Bearer x.y.z',
  'Authorization: Basic YTpi',
  'Authorization: Bearer rt_x',
  `Authorization: Bearer ${LONG.slice(0, 9000)}`,
  'Authorization: Bearer eyJhbGciOiJub25lIn0.e30.',
  'Authorization: Bearer a\r\nAuthorization: Bearer b',
  'Authorization: \xff',
  'traceparent: 00-0-0-0',
  'traceparent: ff',
  'Origin: null',
  'Origin: \xff',
  'Origin: https://a\r\nOrigin: https://b',
  'If-Match: *',
  'If-Match: W/"',
  'If-None-Match: ,,,',
  'Idempotency-Key: ',
  `Idempotency-Key: ${LONG.slice(0, 300)}`,
  'Idempotency-Key: \xe4',
  'Range: bytes=0-1',
  'Accept: */*;q=x',
  'Accept: text/html',
  'Accept-Encoding: gzip',
  'Content-Encoding: br',
  'Content-Type: ',
  'Content-Type: application/json; charset=utf-7',
  'Content-Type: application/json;;;',
  'Content-Type: multipart/form-data',
  'Content-Type: multipart/form-data; boundary=x',
  'Content-Type: text/plain',
  'Content-Type: application/x-www-form-urlencoded',
  'Content-Type: application/vnd.api+json',
  'Content-Type: \xff',
  'Content-Type: application/json, application/json',
  'X-Forwarded-For: \xff',
  'X-Forwarded-Host: evil',
  'Forwarded: for="[::1',
  'Cookie: a=b; __proto__=c',
  '__proto__: x',
  'constructor: x'
]
const URLS = [
  '*',
  '//',
  '///',
  '/%',
  '/%2',
  '/%00',
  '/%zz',
  '/%E0%A4%A',
  '/%c0%af',
  '/..',
  '/../../etc/passwd',
  '/%2e%2e/',
  '/api/v1/plans/',
  '/api//v1/plans',
  '/API/v1/plans',
  '/api/v1/plans/%00',
  '/api/v1/plans/..',
  '/api/v1/plans/null',
  '/api/v1/plans/urn:uuid:0190163d-8694-739b-aea5-966c26f8ad91',
  `/api/v1/plans/${'a'.repeat(5000)}`,
  `/${'a'.repeat(8192)}`,
  `/${'/'.repeat(4000)}`,
  `/?${'a=b&'.repeat(2500)}`,
  'http://x/health/live',
  'http://',
  'https://x:99999/',
  'x',
  '?',
  '#',
  '/#',
  '/health/live#x',
  '/health/live?',
  '/health/live?a[b]=c',
  '/api/v1/plans?limit',
  '/;a=b',
  '/\\',
  '/ä',
  '/\x7f',
  '/ /',
  '/docs/..%2f..%2fpackage.json',
  '/docs/static/../../x',
  '/docs/%2e%2e',
  '/:plan_id',
  '/api/v1/plans/:plan_id',
  '/__proto__',
  '/constructor'
]
const QUERIES = [
  'limit=0',
  'limit=201',
  'limit=-1',
  'limit=1e2',
  'limit=0x10',
  'limit=%20',
  'limit=',
  'limit=1&limit=2',
  'limit[]=1',
  'limit=99999999999999999999',
  'limit=NaN',
  'limit=1.0',
  'limit=%00',
  'limit=\xff',
  'cursor=',
  'cursor=x',
  `cursor=${LONG.slice(0, 5000)}`,
  'cursor=W10',
  'cursor=bnVsbA',
  'cursor=WzFd',
  'cursor=WyJhIl0',
  'status=',
  'status=nope',
  'status=draft&status=active',
  'from=2024-02-30',
  'from=0000-01-01',
  'from=2024-1-1',
  'from=2024-01-01T00:00:00Z',
  'from=infinity',
  'from=-infinity',
  'from=9999-12-31',
  'from=%',
  "from='",
  'nope=1',
  '__proto__=1',
  'toString=1',
  'a=b',
  '=',
  '&&&',
  '%=%',
  'from=2024-01-01&to=2023-01-01',
  '+',
  'limit=+1',
  'limit=１'
]
const VALUES = [
  'null',
  'true',
  '0',
  '-0',
  '-1',
  '1e999',
  '9007199254740993',
  '99999999999999999999',
  '0.1e-400',
  '[]',
  '{}',
  '""',
  '" "',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"2024-02-30"',
  '"2024-13-01"',
  '"0000-01-01"',
  '"infinity"',
  '"2024-01-01T00:00:00Z"',
  '"23:59:60Z"',
  '"99999-01-01"',
  '"\ufeff"',
  '"\u202e"',
  `"${'x'.repeat(5000)}"`,
  '[[[[[[[[[[]]]]]]]]]]',
  '{"__proto__":1}',
  '{"constructor":{"prototype":1}}',
  '{"date":"2026-03-29","distance_m":1e400}',
  '{"date":"2026-03-29","distance_m":"5"}',
  '{"date":null}',
  '["a"]',
  '"\'; drop table plans; --"',
  '1.7976931348623157e308',
  '5e-324',
  '{"date":"2026-03-29","distance_m":0.0000001}',
  'NaN',
  'Infinity',
  'undefined',
  '"\\x41"',
  '01',
  '.5',
  '"a',
  "'a'",
  '/* */1',
  '"\t"',
  '"\n"'
]
const BODIES = [
  '',
  ' ',
  '{',
  '}',
  '[',
  'null',
  '1',
  '"x"',
  '[]',
  '{}',
  '{}{}',
  '{"a":1,}',
  '{a:1}',
  '\ufeff{}',
  '{"name":"a","name":"b"}',
  `${'['.repeat(50_000)}`,
  `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  `{"name":"${'a'.repeat(900_000)}"}`,
  `{"name":"${'a'.repeat(1_200_000)}"}`,
  `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":1`).join()}}`,
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":{}}}',
  '\0',
  '{"\\u0000":1}',
  '{"\\ud800":1}'
]
const CHUNKS = [
  '0\r\n',
  '0\r\n\r\nX',
  '1\r\n',
  'FFFFFFFFFFFFFFFFF\r\n',
  '-1\r\n',
  '1;ext="\r\n"\r\na\r\n0\r\n\r\n',
  '1;a=b\r\n{\r\n0\r\n\r\n',
  '0x1\r\na\r\n0\r\n\r\n',
  '1\r\nab\r\n0\r\n\r\n',
  '1\na\n0\n\n',
  ' 1\r\na\r\n0\r\n\r\n',
  '1 \r\na\r\n0\r\n\r\n',
  `1;${LONG}\r\na\r\n0\r\n\r\n`,
  '0\r\nTrailer: x\r\n\r\n',
  `0\r\n${'X: y\r\n'.repeat(2000)}\r\n`,
  '00000000000000001\r\n{\r\n0\r\n\r\n',
  '2\r\n{}\r\n0\r\n\r\n',
  'g\r\n',
  '\r\n',
  '1\r\n\xff\r\n0\r\n\r\n'
]
const BANNERS = [
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'SSH-2.0-x\r\n',
  'EHLO x\r\n',
  '\r\n\r\n\r\n',
  '\n',
  '\0'.repeat(100),
  'GET /\r\n\r\n',
  'GET / HTTP/0.9\r\n\r\n',
  'GET / HTTP/1.0\r\n\r\n',
  'GET / HTTP/2.0\r\n\r\n',
  'GET / HTTP/9.9\r\n\r\n',
  'GET / HTTP/1.1',
  'GET  / HTTP/1.1\r\nHost: x\r\n\r\n',
  'get / HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n',
  'GET / http/1.1\r\nHost: x\r\n\r\n',
  'GET / HTTP/1.1\nHost: x\n\n',
  '\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\n',
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n'
]

/** Inputs that a client might send, by kind; deterministic for a seed. */
export function corpus (rng: Random, caller: Caller): Array<{ kind: string, bytes: Buffer }> {
  const { below, pick, bytes } = rng
  const good = valid(caller)
  const who = `Authorization: Bearer ${caller.token}`
  const some = (kind: string, count: number, make: (index: number) => Buffer) =>
    Array.from({ length: count }, (_, index) => ({ kind, bytes: make(index) }))
  const each = <T>(from: readonly T[], index: number) => from[index % from.length] as T
  const fields = Object.keys(PLAN) as Array<keyof typeof PLAN>
  return [
    ...some('a valid request', good.length, (i) => each(good, i)),
    ...some('a mutated request', 900, () => mutated(rng, pick(good))),
    ...some('bytes', 120, () => bytes(1 + below(400))),
    ...some('another protocol', BANNERS.length, (i) => Buffer.from(each(BANNERS, i), 'latin1')),
    ...some('headers', HEADERS.length * 2, (i) =>
      request(
        i < HEADERS.length ? 'GET' : 'POST',
        pick(PATHS),
        [who, each(HEADERS, i)],
        i < HEADERS.length ? undefined : '{}'
      )
    ),
    ...some('chunks', CHUNKS.length * 4, (i) =>
      Buffer.concat([
        chunked([who, json], [], ''),
        Buffer.from(each(CHUNKS, i), 'latin1'),
        i < CHUNKS.length ? Buffer.alloc(0) : bytes(below(10))
      ])
    ),
    ...some('a pipeline', 150, () =>
      Buffer.concat(
        Array.from({ length: 2 + below(8) }, () => (below(4) === 0 ? mutated(rng, pick(good)) : pick(good)))
      )
    ),
    ...some('a method', METHODS.length * 3, (i) => request(each(METHODS, i), pick(PATHS), [who])),
    ...some('no method', 40, () => request(pick(['GE T', 'GÉT', '', 'G', 'PURGEX', 'get', '\0', LONG]), pick(PATHS))),
    ...some('a URL', URLS.length * 4, (i) =>
      request(pick(['GET', 'POST', 'HEAD', 'DELETE', 'OPTIONS']), each(URLS, i), [who])
    ),
    ...some('a query', QUERIES.length * 3, (i) =>
      request(
        'GET',
        `${pick(['/api/v1/plans', '/api/v1/activities', '/health'])}?${each(QUERIES, i)}${below(2) === 0 ? '' : `&${pick(QUERIES)}`}`,
        [who]
      )
    ),
    ...some('a value', VALUES.length * fields.length, (i) => {
      const field = each(fields, Math.floor(i / VALUES.length))
      const body = JSON.stringify({ ...PLAN, [field]: '@@' }).replace('"@@"', each(VALUES, i))
      return i % 2 === 0
        ? request('POST', '/api/v1/plans', [who, json], body)
        : request('PATCH', `/api/v1/plans/${caller.planId}`, [who, json], `{"${field}":${each(VALUES, i)}}`)
    }),
    ...some('a body', BODIES.length * 3, (i) =>
      request(
        'POST',
        pick(['/api/v1/plans', '/api/v1/auth/login', '/api/v1/auth/register', '/api/v1/activities/import']),
        [who, json],
        each(BODIES, i)
      )
    ),
    ...some('bytes in a body', 100, () =>
      request(
        'POST',
        pick(['/api/v1/plans', '/api/v1/activities/import']),
        [who, pick([json, 'Content-Type: application/octet-stream', 'Content-Type: multipart/form-data; boundary=x'])],
        bytes(below(300))
      )
    )
  ]
}

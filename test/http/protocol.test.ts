import { connect } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { ERROR_CATALOGUE } from '../../src/error-catalogue.ts'
import { openBooks } from '../harness/books.ts'
import { answersIn, exchange, type RawAnswer } from '../harness/raw-http.ts'
import { startService } from '../harness/service.ts'
import { lockTable } from '../harness/table-lock.ts'

const SECURITY = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1; mode=block',
  'content-security-policy': "default-src 'self'"
}
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const service = await startService(t, { env: { REQUEST_TIMEOUT: '1' } })
await service.app.listen({ port: 0, host: '127.0.0.1' })
const { port } = service.app.server.address() as { port: number }

/** Requests and errors counted so far, the look itself not included. */
async function counts (): Promise<{ requests: number, errors: number }> {
  const { body } = await service.app.inject('/metrics')
  const sum = (name: string) =>
    body
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
  return { requests: sum('http_request_duration_seconds_count'), errors: sum('http_errors_total') }
}

function completions (): number {
  return service.lines.filter(({ message }) => message === 'request completed').length
}

async function checkEnvelope (t: Test, answer: RawAnswer | undefined, status: number, code: string): Promise<void> {
  t.equal(answer?.status, status)
  t.match(answer?.headers, {
    ...SECURITY,
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store'
  })
  t.match(answer?.headers['x-request-id'], /^[A-Za-z0-9._:-]{1,128}$/)
  const body = JSON.parse(answer?.body ?? '{}')
  t.same(Object.keys(body).filter((key) => key !== 'details'), ['error_id', 'error_code', 'message', 'timestamp'])
  t.match(body.error_id, UUID)
  t.equal(body.error_code, code)
  t.ok(code in ERROR_CATALOGUE)
  const line = await until(() => service.lines.find((line) => line.error_id === body.error_id))
  t.match(
    line,
    {
      message: 'request completed',
      status_code: status,
      error_code: code,
      request_id: answer?.headers['x-request-id']
    },
    'the log has the error'
  )
  t.equal(line.level, status >= 500 ? 'ERROR' : 'WARNING')
  t.notMatch(line, { method: '_OTHER' })
  t.notMatch(line, { path: '' })
}

const H = 'Host: x\r\nConnection: close\r\n'
const JSON_BODY = 'Content-Type: application/json\r\n'
const cases: Array<[name: string, bytes: string | Buffer, status: number, code: string]> = [
  ['an unknown path', `GET /nope HTTP/1.1\r\n${H}\r\n`, 404, 'NOT_FOUND'],
  ['an unknown path below the API', `POST /api/v1/nope HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`, 404, 'NOT_FOUND'],
  [
    'a known path with another method',
    `PUT /api/v1/plans HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`,
    405,
    'METHOD_NOT_ALLOWED'
  ],
  ['TRACE', `TRACE /api/v1/plans HTTP/1.1\r\n${H}\r\n`, 405, 'METHOD_NOT_ALLOWED'],
  ['PROPFIND', `PROPFIND /api/v1/plans HTTP/1.1\r\n${H}\r\n`, 405, 'METHOD_NOT_ALLOWED'],
  ['CONNECT', `CONNECT example.org:443 HTTP/1.1\r\n${H}\r\n`, 405, 'METHOD_NOT_ALLOWED'],
  ['a method of another protocol', `PURGEX / HTTP/1.1\r\n${H}\r\n`, 400, 'BAD_REQUEST'],
  ['a URL that cannot be decoded', `GET /%zz HTTP/1.1\r\n${H}\r\n`, 400, 'BAD_REQUEST'],
  ['a parameter that cannot be decoded', `GET /api/v1/plans/%E0%A4%A HTTP/1.1\r\n${H}\r\n`, 400, 'BAD_REQUEST'],
  ['a long URL', `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${H}\r\n`, 414, 'URI_TOO_LONG'],
  ['two Hosts', `GET / HTTP/1.1\r\n${H}HOST: y\r\n\r\n`, 400, 'BAD_REQUEST'],
  ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'BAD_REQUEST'],
  ['headers that are too large', `GET / HTTP/1.1\r\n${H}X: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
  [
    'an expectation that cannot be met',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}Expect: banana\r\nContent-Length: 0\r\n\r\n`,
    417,
    'EXPECTATION_FAILED'
  ],
  [
    'a transfer encoding that is not implemented',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    501,
    'BAD_REQUEST'
  ],
  ['a probe with two Hosts', `GET /health/live HTTP/1.1\r\n${H}HOST: y\r\n\r\n`, 400, 'BAD_REQUEST'],
  ['a probe without Host', 'GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'BAD_REQUEST'],
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'BAD_REQUEST'],
  ['half a request and no more', 'GET / HTTP/1.1\r\nHost', 400, 'BAD_REQUEST'],
  ['a length that is none', `POST /api/v1/auth/login HTTP/1.1\r\n${H}Content-Length: -5\r\n\r\n`, 400, 'BAD_REQUEST'],
  [
    'a length and chunks',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'BAD_REQUEST'
  ],
  [
    'a chunk that is none',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    400,
    'BAD_REQUEST'
  ],
  [
    'JSON that is none',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 2\r\n\r\n{x`,
    400,
    'MALFORMED_JSON'
  ],
  [
    'JSON that is none, at a path that is none',
    `POST /nope HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 2\r\n\r\n{x`,
    404,
    'NOT_FOUND'
  ],
  [
    'JSON that is none, with another method',
    `PUT /api/v1/me HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 2\r\n\r\n{x`,
    405,
    'METHOD_NOT_ALLOWED'
  ],
  [
    'another method of a path that a parameter covers',
    `GET /api/v1/activities/import HTTP/1.1\r\n${H}\r\n`,
    405,
    'METHOD_NOT_ALLOWED'
  ],
  [
    'a query that nobody reads',
    `POST /api/v1/auth/login?x=1 HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 36\r\n\r\n{"email":"a@b.example","password":1}`,
    422,
    'REQUEST_VALIDATION_ERROR'
  ],
  [
    'no JSON where some is due',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 0\r\n\r\n`,
    400,
    'MALFORMED_JSON'
  ],
  [
    'no body at all',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n`,
    422,
    'REQUEST_VALIDATION_ERROR'
  ],
  [
    'bytes that are no UTF-8',
    Buffer.from(
      `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 14\r\n\r\n{"email":"\xff\xfe"}`,
      'latin1'
    ),
    400,
    'MALFORMED_JSON'
  ],
  [
    'NUL in a text',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 18\r\n\r\n{"email":"\\u0000"}`,
    400,
    'MALFORMED_JSON'
  ],
  [
    'half a surrogate pair',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 18\r\n\r\n{"email":"\\ud800"}`,
    400,
    'MALFORMED_JSON'
  ],
  [
    'brackets in brackets without end',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 20000\r\n\r\n${'['.repeat(20_000)}`,
    400,
    'MALFORMED_JSON'
  ],
  [
    'a key that would reach the prototype',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 16\r\n\r\n{"__proto__":{}}`,
    400,
    'MALFORMED_JSON'
  ],
  [
    'a body of another type',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}Content-Type: text/xml\r\nContent-Length: 4\r\n\r\n<a/>`,
    415,
    'UNSUPPORTED_MEDIA_TYPE'
  ],
  [
    'a compressed body',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}`,
    415,
    'UNSUPPORTED_MEDIA_TYPE'
  ],
  [
    'a body in UTF-16',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}Content-Type: application/json; charset=utf-16\r\nContent-Length: 2\r\n\r\n{}`,
    415,
    'UNSUPPORTED_MEDIA_TYPE'
  ],
  [
    'a body that is too large',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 2097152\r\n\r\n${' '.repeat(1000)}`,
    413,
    'PAYLOAD_TOO_LARGE'
  ],
  ['nobody where somebody is due', `GET /api/v1/plans HTTP/1.1\r\n${H}\r\n`, 401, 'UNAUTHENTICATED'],
  [
    'a body that never comes',
    `POST /api/v1/auth/login HTTP/1.1\r\n${H}${JSON_BODY}Content-Length: 20\r\n\r\n{"em`,
    408,
    'REQUEST_TIMEOUT'
  ],
  ['headers that never end', `GET / HTTP/1.1\r\n${H}X-Slow: `, 408, 'REQUEST_TIMEOUT']
]

for (const [name, bytes, status, code] of cases) {
  t.test(`${name}: ${status} ${code} in the envelope, with id, headers, one log line and one count`, async (t) => {
    const before = await counts()
    const lines = completions()
    const answers = await exchange(port, bytes, { end: name === 'half a request and no more' })
    t.equal(answers.length, 1)
    await checkEnvelope(t, answers[0], status, code)
    if (status === 405) t.ok(answers[0]?.headers.allow)
    if (status === 401) t.match(answers[0]?.headers['www-authenticate'], /^Bearer/)
    t.equal(completions() - lines, 1)
    const after = await counts()
    const own = 1 // The look before was itself a request.
    t.equal(after.requests - before.requests, 1 + own)
    t.equal(after.errors - before.errors, 1)
  })
}

/**
 * Sends pieces, each when the service has read the one before, as long as the connection is there. Reads the answers
 * after the last, or from the beginning.
 */
async function exchangeInPieces (pieces: Iterable<string>, { late = false } = {}): Promise<RawAnswer[]> {
  const client = connect(port, '127.0.0.1')
  let text = ''
  client.on('data', (chunk) => { text += chunk.toString('latin1') }).on('error', () => {})
  if (late) client.pause()
  const closed = once(client, 'close')
  await once(client, 'connect')
  const server = await until(() =>
    [...service.app.connections].find(({ remotePort }) => remotePort === client.localPort)
  )
  for (const piece of pieces) {
    if (!client.writable || server.destroyed) break
    client.write(piece)
    await until(() => client.destroyed || server.destroyed || server.bytesRead === client.bytesWritten || undefined)
  }
  client.resume()
  await closed
  return answersIn(text)
}

t.test('a client that goes on sending malformed bytes can still read the whole error response', async (t) => {
  const chunked = `POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\n${JSON_BODY}Transfer-Encoding: chunked\r\n\r\nzz\r\n`
  const large = `GET / HTTP/1.1\r\nHost: x\r\n${'X-A: y\r\n'.repeat(3000)}`
  for (const [name, first, more, status] of [
    ['a chunk that is none', chunked, 'more of it\r\n', 400],
    ['no HTTP at all', 'garbage\r\n\r\n', 'more of it\r\n', 400],
    ['headers that are too large', large, 'X-A: y\r\n'.repeat(300), 431]
  ] as const) {
    for (const late of [false, true]) {
      const books = await openBooks(service)
      const answers = await exchangeInPieces([first, ...Array.from({ length: 20 }, () => more)], { late })
      t.same(
        answers.map(({ status, body }) => [status, body.length]),
        [[status, Number(answers[0]?.headers['content-length'])]],
        name
      )
      await books.balance(t, 1)
    }
  }
})

t.test('an answer under way is whole before the next request on its connection is refused', async (t) => {
  const answers = await exchange(port, 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nNONSENSE\r\n\r\n')
  t.match(answers.map(({ status }) => status), [200, 400])
  t.same(JSON.parse(answers[0]?.body ?? ''), { status: 'alive' })
})

t.test(
  'a request whose body breaks is refused after the answers before it on its connection, which are whole',
  async (t) => {
    const ann = await service.runner()
    const broken = `POST /api/v1/plans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.access_token}\r\n${JSON_BODY}Transfer-Encoding: chunked\r\n\r\nzz\r\n`
    const answers = await exchange(
      port,
      `GET /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.access_token}\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n${broken}`
    )
    t.same(
      answers.map(({ status }) => status),
      [200, 404, 400]
    )
    t.equal(JSON.parse(answers[0]?.body ?? '').id, ann.id)
    t.equal(JSON.parse(answers[2]?.body ?? '').error_code, 'BAD_REQUEST')
  }
)

t.test(
  'requests in line behind the last answer of a connection are not in flight for ever, and count as those of a client that is gone',
  async (t) => {
    const ann = await service.runner()
    const lock = await lockTable(t, service.databaseUrl, 'plans')
    const books = await openBooks(service)
    const socket = connect(port, '127.0.0.1')
    socket.write(
      `GET /api/v1/plans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.access_token}\r\n\r\n`.repeat(20)
    )
    await lock.awaited()
    await until(() => service.app.inFlight.size === 20 || undefined)
    socket.resetAndDestroy()
    await books.balance(t, 0)
  }
)

t.test(
  'an upgrade that nobody takes is the last request on its connection, as what follows it is never read',
  async (t) => {
    const upgrade = (line: string, ...headers: string[]) =>
      `${line} HTTP/1.1\r\n${['Host: x', 'Connection: Upgrade', 'Upgrade: websocket', ...headers].join('\r\n')}\r\n\r\n`
    // Node loses the head of the second, and would take its body for a request.
    const smuggled = 'GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-ID: smuggled\r\n\r\n'
    const second = `POST /api/v1/plans HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length}\r\n\r\n`
    for (const [first, status] of [
      [upgrade('GET /health/live'), 200],
      [upgrade('GET /nope'), 404],
      [upgrade('GET /%zz'), 400],
      [upgrade('GET /', 'Expect: a miracle'), 417],
      [upgrade('OPTIONS /api/v1/plans', 'Origin: https://a.example', 'Access-Control-Request-Method: GET'), 204]
    ] as const) {
      for (const follows of [smuggled, 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 'nonsense\r\n\r\n']) {
        const [answer, ...others] = await exchangeInPieces([first + second, follows])
        t.match(answer, { status, headers: { connection: 'close' } }, first)
        t.same(others, [])
      }
    }
    // Not even while the first is at work.
    const ann = await service.runner()
    const lock = await lockTable(t, service.databaseUrl, 'plans')
    const slow = upgrade('GET /api/v1/plans', `Authorization: Bearer ${ann.access_token}`)
    const answers = Promise.all([
      exchangeInPieces([slow + second, smuggled, smuggled]),
      exchangeInPieces([slow, 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n']),
      exchangeInPieces([slow, 'nonsense\r\n\r\n']),
      exchangeInPieces([slow, smuggled.replace('\r\n\r\n', '\r\nExpect: tea\r\n\r\n')]),
      exchangeInPieces([slow, smuggled.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n')])
    ])
    await lock.awaited()
    await until(() => service.app.inFlight.size === 5 || undefined)
    await exchange(port, smuggled.replace('smuggled', 'later').replace('Host: x', 'Host: x\r\nConnection: close'))
    await lock.release()
    for (const each of await answers) {
      t.match(each, [{ status: 200, headers: { connection: 'close' } }])
      t.equal(each.length, 1)
    }
    t.notOk(service.lines.some(({ request_id }) => request_id === 'smuggled'))
    // But all of it is read.
    const body = JSON.stringify({ email: 'nobody@example.org', password: 'correct horse battery' })
    const login = upgrade('POST /api/v1/auth/login', 'Content-Type: application/json', `Content-Length: ${body.length}`)
    t.match(await exchangeInPieces([login + body.slice(0, 9), body.slice(9)]), [
      { status: 401, headers: { connection: 'close' } }
    ])
  }
)

/** All that comes back on a connection, the interim answers too. */
async function textOf (bytes: string, more?: { after: string, send: string }): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('error', () => {}).setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    if (more !== undefined && text === more.after) socket.write(more.send)
  })
  const closed = once(socket, 'close')
  socket.write(bytes)
  await closed
  return text
}

t.test('a client that asks before it sends a body is told to go on, or is refused, but not both', async (t) => {
  const ann = await service.runner()
  const post = (path: string, ...headers: string[]) =>
    `POST ${path} HTTP/1.1\r\n${['Host: x', `Authorization: Bearer ${ann.access_token}`, 'Expect: 100-continue', ...headers].join('\r\n')}\r\n\r\n`
  const json = 'Content-Type: application/json'
  const mebibytes = (n: number) => `Content-Length: ${n * 1024 * 1024 + 1}`
  const books = await openBooks(service)
  for (const [head, status] of [
    [post('/api/v1/plans', json, mebibytes(1)), 413],
    [post('/api/v1/activities/import', 'Content-Type: application/octet-stream', mebibytes(32)), 413],
    [post('/api/v1/activities/import', 'Content-Type: multipart/form-data; boundary=x', mebibytes(33)), 413],
    [post('/api/v1/nope', json, mebibytes(1)), 404],
    [post('/api/v1/plans', json, 'Content-Length: 2').replace(/Authorization: .*\r\n/, ''), 401]
  ] as const) {
    const text = await textOf(head)
    t.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), head)
    t.match(answersIn(text), [{ status, headers: { connection: 'close' } }])
    t.notMatch(text, /HTTP\/1\.1 100/)
  }
  const body = JSON.stringify({ name: 'Expected', start_date: '2026-03-02', end_date: '2026-05-31' })
  const text = await textOf(post('/api/v1/plans', json, 'Connection: close', `Content-Length: ${body.length}`), {
    after: 'HTTP/1.1 100 Continue\r\n\r\n',
    send: body
  })
  t.match(answersIn(text), [{ status: 201 }])
  await books.balance(t, 6)
})

t.test('a slash at the end of a collection makes no other path of it', async (t) => {
  const ann = await service.runner()
  for (const path of ['/api/v1/plans', '/api/v1/plans/']) {
    t.equal((await service.app.inject(path)).statusCode, 401, path)
    t.equal(
      (await service.app.inject({ url: path, headers: { authorization: `Bearer ${ann.access_token}` } })).statusCode,
      200,
      path
    )
    t.match(
      await service.app.inject({ url: path, method: 'DELETE' }),
      { statusCode: 405, headers: { allow: 'GET, HEAD, OPTIONS, POST' } },
      path
    )
  }
  t.match(await service.app.inject({ url: '/docs/', method: 'DELETE' }), {
    statusCode: 405,
    headers: { allow: 'GET, HEAD, OPTIONS' }
  })
  t.equal((await service.app.inject('/')).statusCode, 200)
  t.match(await service.app.inject({ url: '/', method: 'DELETE' }), {
    statusCode: 405,
    headers: { allow: 'GET, HEAD, OPTIONS' }
  })
  t.equal((await service.app.inject('/health/')).statusCode, 404)
})

t.test('files of the documentation are sent whole, whatever part or state of them is asked for', async (t) => {
  const whole = await service.app.inject('/docs/static/swagger-ui.css')
  for (const headers of [
    { range: 'bytes=99999999-' },
    { range: 'bytes=zz' },
    { range: 'bytes=0-9' },
    { 'if-match': '"zz"' },
    { 'if-unmodified-since': 'Sat, 28 Nov 1999 11:52:37 GMT' }
  ]) {
    const { statusCode, body } = await service.app.inject({ url: '/docs/static/swagger-ui.css', headers })
    t.same([statusCode, body.length], [200, whole.body.length], JSON.stringify(headers))
  }
  t.equal(
    (await service.app.inject({ url: '/docs/static/swagger-ui.css', headers: { 'if-none-match': whole.headers.etag } }))
      .statusCode,
    304
  )
  for (const [path, location] of [
    ['/docs/static/', '../../docs'],
    ['/docs/static/index.html', '../../docs'],
    ['/docs?a=b', 'docs'],
    ['/docs/?a=b', '../docs']
  ] as const) t.match(await service.app.inject(path), { statusCode: 302, headers: { location } }, path)
})

t.test('the page of the documentation alone, with its files, has a wider content security policy', async (t) => {
  for (const path of ['/docs', '/docs/', '/docs/static/swagger-ui.css', '/docs/static/swagger-initializer.js']) {
    const { headers } = await service.app.inject(path)
    t.match(headers['content-security-policy'], /^default-src 'self'; img-src 'self' data:;/, path)
  }
  for (const path of ['/docs/json', '/docs/yaml', '/', '/docs/nowhere']) {
    t.equal((await service.app.inject(path)).headers['content-security-policy'], "default-src 'self'", path)
  }
})

t.test('where there is no documentation nothing links to it', async (t) => {
  const { app } = await startService(t, { env: { DOCS_ENABLED: 'false' } })
  const { links } = (await app.inject('/')).json()
  t.same(Object.keys(links), ['health', 'metrics', 'api'])
  t.equal((await app.inject('/docs')).statusCode, 404)
})

t.test('a connection on which nothing is ever said ends without an answer or a count', async (t) => {
  const before = await counts()
  const socket = connect(port, '127.0.0.1')
  socket.resume()
  await once(socket, 'connect')
  await once(socket, 'close')
  t.equal(socket.bytesRead, 0)
  t.equal((await counts()).requests - before.requests, 1)
})

t.test('an id is kept where there is no route to ask for it', async (t) => {
  for (const first of ['CONNECT example.org:443', 'GET /']) {
    const [answer] = await exchange(port, `${first} HTTP/1.1\r\n${H}Expect: banana\r\nX-Request-ID: kept-1\r\n\r\n`)
    t.equal(answer?.headers['x-request-id'], 'kept-1')
  }
})

t.test('a recording that is too large is told so, and counted as that', async (t) => {
  // Patient: a slow machine takes more than the second that the others have.
  const service = await startService(t)
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = service.app.server.address() as { port: number }
  const ann = await service.runner()
  const piece = Buffer.alloc(1024 * 1024)
  const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
  const head = `POST /api/v1/activities/import HTTP/1.1\r\nHost: x\r\nX-Request-ID: too-large\r\nAuthorization: Bearer ${ann.access_token}\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n`
  const [answer] = await exchange(port, Buffer.concat([Buffer.from(head), ...Array.from({ length: 33 }, () => chunk)]))
  t.equal(answer?.status, 413)
  t.match(
    await until(() =>
      service.lines.find(({ request_id, message }) => request_id === 'too-large' && message === 'request completed')
    ),
    { status_code: 413, error_code: 'PAYLOAD_TOO_LARGE' }
  )
})

t.test('a connection is not left with half a body that nobody will read', async (t) => {
  const ann = await service.runner()
  const body = Buffer.alloc(300_000, 'no gzip')
  const head = `POST /api/v1/activities/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.access_token}\r\nContent-Type: application/octet-stream\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`
  const answers = await exchange(
    port,
    Buffer.concat([Buffer.from(head), body, Buffer.from(`GET /health/live HTTP/1.1\r\n${H}\r\n`)])
  )
  t.match(answers[0], { status: 422 })
  t.ok(answers[0]?.headers.connection === 'close' || answers.length === 2)
})

t.test(
  'a request that was answered before all of its body had come is not answered again when the rest never comes',
  async (t) => {
    const books = await openBooks(service)
    const answers = await exchange(
      port,
      `POST /api/v1/plans HTTP/1.1\r\nHost: x\r\n${JSON_BODY}Content-Length: 50\r\n\r\n{"na`
    )
    t.same(
      answers.map(({ status }) => status),
      [401]
    )
    await books.balance(t, 1)
  }
)

t.test('an answer that is ready goes out before its connection is ended for what follows', async (t) => {
  for (const [head, status] of [
    ['GET /nope HTTP/1.1\r\nHost: x', 404],
    ['GET / HTTP/1.1', 400],
    ['POST / HTTP/1.1\r\nHost: x\r\nExpect: tea', 417]
  ] as const) {
    const [answer] = await exchange(port, `${head}\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n`)
    t.equal(answer?.status, status)
  }
})

t.test('the id of a request is the caller’s where it is one, else a new one', async (t) => {
  for (const [sent, kept] of [
    ['abc.DEF_1:2-3', true],
    ['a'.repeat(128), true],
    ['a'.repeat(129), false],
    ['a b', false],
    ['$(jndi:x)', false],
    ['', false]
  ] as const) {
    const [answer] = await exchange(port, `GET /health/live HTTP/1.1\r\n${H}X-Request-ID: ${sent}\r\n\r\n`)
    t.equal(answer?.headers['x-request-id'] === sent, kept, sent)
    if (!kept) t.match(answer?.headers['x-request-id'], UUID)
  }
})

t.test('a client that goes away is counted and logged once, as 499, and its query ends', async (t) => {
  const ann = await service.runner()
  const socket = connect(port, '127.0.0.1')
  const id = 'goes-away'
  socket.write(
    `POST /api/v1/plans HTTP/1.1\r\nHost: x\r\nX-Request-ID: ${id}\r\nAuthorization: Bearer ${ann.access_token}\r\n${JSON_BODY}Content-Length: 50\r\n\r\n{"na`
  )
  await once(service.app.server, 'request')
  socket.destroy()
  const line = await until(() =>
    service.lines.find(({ request_id, message }) => request_id === id && message === 'request completed')
  )
  t.match(line, { level: 'INFO', status_code: 499, user_id: ann.id, extra: { aborted: true } })
  t.equal(
    service.lines.filter(({ request_id, message }) => request_id === id && message === 'request completed').length,
    1
  )
})

t.test('a client that goes away in the middle of a large answer has not had it', async (t) => {
  const { app, lines } = await startService(t, {
    boot: (app) => {
      app.get('/large', async () => 'x'.repeat(50_000_000))
    }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as { port: number }).port, '127.0.0.1')
  socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'data')
  socket.destroy()
  t.match(await until(() => lines.find(({ path, message }) => path === '/large' && message === 'request completed')), {
    status_code: 499,
    extra: { aborted: true }
  })
})

/** Waits, a turn of the event loop at a time, until there is something. */
async function until<T> (look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => { setImmediate(resolve) })
  }
}

t.test('every line of all this is one of ours', async (t) => {
  for (const line of service.lines) {
    t.ok(
      line.timestamp !== undefined &&
        line.level !== undefined &&
        line.logger_name !== undefined &&
        line.message !== undefined
    )
  }
})

import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { AdmissionLimit } from '../../src/transport/admission.ts'
import { plainRequest } from '../../src/transport/plain-request.ts'
import { flawOf, openBooks } from '../harness/books.ts'
import { FullHouse } from '../harness/full-house.ts'
import { answersIn, type RawAnswer } from '../harness/raw-http.ts'
import { startService, type Service } from '../harness/service.ts'
import { lockTable } from '../harness/table-lock.ts'

t.test('the bound on requests shrinks only by a delay that lasts, and comes back', async (t) => {
  const admission = new AdmissionLimit(20)
  const first = admission.limit
  for (let look = 0; look < 4; look++) admission.adapt(200, first)
  t.equal(admission.limit, first, 'a pause is no overload')
  admission.adapt(10, first)
  for (let look = 0; look < 4; look++) admission.adapt(200, first)
  t.equal(admission.limit, first, 'nor are two')
  for (let look = 0; look < 50; look++) admission.adapt(200, first)
  t.ok(admission.limit < first)
  const least = admission.limit
  t.ok(least >= 32, 'some are always let in')
  for (let look = 0; look < 50; look++) admission.adapt(0, 1)
  t.equal(admission.limit, first)
})

t.test('the bound goes by how many connections to the database there are', async (t) => {
  t.equal(new AdmissionLimit(100).limit, 5 * new AdmissionLimit(20).limit)
  t.ok(new AdmissionLimit(1).limit >= 32)
})

t.test('with more to do than can be done, some are refused at once, in the envelope, and probes are not', async (t) => {
  const service = await startService(t, { env: { MAX_POOL_SIZE: '20' } })
  const runner = await service.runner()
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = service.app.server.address() as { port: number }
  const url = `http://127.0.0.1:${port}`
  const headers = { authorization: `Bearer ${runner.access_token}`, origin: 'https://elsewhere.example' }
  const lock = await lockTable(t, service.databaseUrl, 'plans')
  const asked: Array<Promise<Response>> = []
  const refused = new Promise<Response>((resolve) => {
    for (let n = 0; n < 200; n++) {
      const answer = fetch(`${url}/api/v1/plans`, { headers: { ...headers, 'x-request-id': `flood-${n}` } })
      asked.push(answer)
      answer.then((response) => { if (response.status === 503) resolve(response) }, () => {})
    }
  })
  const answer = await refused
  const envelope = await answer.json() as Record<string, string>
  t.same(Object.keys(envelope), ['error_id', 'error_code', 'message', 'timestamp'])
  t.equal(envelope.error_code, 'SERVICE_UNAVAILABLE')
  t.match(envelope.timestamp, /^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/)
  t.match(Number(answer.headers.get('retry-after')), Number)
  t.ok(Number(answer.headers.get('retry-after')) >= 1)
  t.equal(answer.headers.get('x-frame-options'), 'DENY')
  t.equal(answer.headers.get('access-control-allow-origin'), '*')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  const id = answer.headers.get('x-request-id')
  t.match(id, /^flood-\d+$/)
  for (const probe of ['/health/live', '/']) t.equal((await fetch(url + probe)).status, 200)
  await lock.release()
  const statuses = await Promise.all(asked.map(async (response) => (await response).status))
  t.same([...new Set(statuses)].sort(), [200, 503])
  t.ok(statuses.filter((status) => status === 200).length >= 32, 'those let in are done')
  const lines = service.lines.filter(({ request_id, message }) => request_id === id && message === 'request completed')
  t.equal(lines[0]?.error_id, envelope.error_id)
  t.match(lines, [
    {
      level: 'ERROR',
      status_code: 503,
      error_code: 'SERVICE_UNAVAILABLE',
      path: '/api/v1/plans',
      exception: /^AppError: The service has more to do/
    }
  ])
  const { body } = await service.app.inject('/metrics')
  t.match(body, /http_errors_total\{error_code="SERVICE_UNAVAILABLE",route="\/api\/v1\/plans\/?"\} \d/)
  t.equal((await fetch(`${url}/api/v1/plans`, { headers })).status, 200, 'and all is as before')
})

t.test('those who never read the answer they asked for keep out nobody', async (t) => {
  const service = await startService(t, {
    boot (app) {
      app.get(
        '/endless',
        { config: { sheddable: true } },
        async (_request, reply) =>
          await reply.send(
            Readable.from(
              (function * () {
                for (;;) yield Buffer.alloc(65_536)
              })()
            )
          )
      )
    }
  })
  const runner = await service.runner()
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = service.app.server.address() as { port: number }
  const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1').pause().on('error', () => {}))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  for (const socket of sockets) socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n')
  await Promise.all(sockets.map(async (socket) => await once(socket, 'readable')))
  t.equal(service.app.inFlight.size, 200)
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/plans`, {
    headers: { authorization: `Bearer ${runner.access_token}` }
  })
  t.equal(answer.status, 200)
})

/** A service all of whose places are taken, and how many requests Node has read since. */
async function fullService (
  t: Test
): Promise<{ service: Service; port: number; read(): number; empty(): Promise<number> }> {
  const house = new FullHouse()
  const service = await startService(t, { boot: (app) => house.boot(app) })
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = service.app.server.address() as { port: number }
  await house.fill(service)
  let read = 0
  service.app.server.on('request', () => {
    read++
  })
  const before = house.answered
  // How many answers those had since who had the places.
  const empty = async () => {
    await house.empty()
    return house.answered - before
  }
  return { service, port, read: () => read, empty }
}

/** As on a Node that keeps elsewhere what this takes. */
function hideSharedRead (t: Test): void {
  const server = createServer().listen(0) as Server & { _handle: object }
  let holder = server._handle
  while (!Object.hasOwn(holder, 'useUserBuffer')) holder = Object.getPrototypeOf(holder) as object
  t.intercept(holder as Record<string, unknown>, 'useUserBuffer', { value: undefined })
  server.close()
}

/** Sends pieces, each when the one before is on its way and the service had its turn; then reads so many answers. */
async function converse (socket: Socket, pieces: Array<string | Buffer>, answers: number): Promise<RawAnswer[]> {
  let text = ''
  const { promise, resolve, reject } = withResolvers<RawAnswer[]>()
  const read = (chunk: Buffer) => {
    text += chunk.toString('latin1')
    const heads = [...text.matchAll(/HTTP\/1\.1 [^]*?content-length: (\d+)[^]*?\r\n\r\n/gi)]
    const last = heads.at(-1)
    // An answer that is not there whole yet is none.
    if (heads.length >= answers && last !== undefined && text.length >= last.index + last[0].length + Number(last[1])) {
      resolve(answersIn(text))
    }
  }
  const fail = () => { reject(new Error(`closed after ${JSON.stringify(text)}`)) }
  socket.on('data', read).on('close', fail).on('error', fail)
  for (const piece of pieces) {
    await new Promise<void>((resolve) => { socket.write(piece, () => resolve()) })
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => { setImmediate(resolve) })
  }
  const found = await promise
  socket.off('data', read).off('close', fail).off('error', fail)
  return found
}

function withResolvers<T> () {
  let [resolve, reject] = [(_value: T) => {}, (_error: Error) => {}]
  const promise = new Promise<T>((...both) => { [resolve, reject] = both })
  promise.catch(() => {})
  return { promise, resolve, reject }
}

const get = (path: string, ...headers: string[]) =>
  `GET ${path} HTTP/1.1\r\n${['Host: x', ...headers].join('\r\n')}\r\n\r\n`
const post = (path: string, body: string, ...headers: string[]) =>
  `POST ${path} HTTP/1.1\r\n${['Host: x', 'Content-Type: application/json', ...headers, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`

/**
 * A connection whose requests may be refused unread is read in another way than others, but only where this Node has
 * it.
 */
for (const [way, prepare] of [
  ['into one buffer for all', () => {}],
  ['into a buffer for each read', hideSharedRead]
] as const) {
  t.test(`what is refused is read ${way}`, async (t) => {
    prepare(t)
    await t.test('where there is no place, a request is refused before it was read, as it is after', async (t) => {
      const { service, port, read, empty } = await fullService(t)
      const books = await openBooks(service)
      const asked = (id: string) =>
        get(
          '/api/v1/plans?limit=3',
          `X-Request-ID: ${id}`,
          'Origin: https://elsewhere.example',
          'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
        )
      const late = connect(port, '127.0.0.1')
      t.teardown(() => late.destroy())
      await converse(late, [get('/health/live')], 1)
      const before = read()
      const [unread] = await converse(late, [asked('unread')], 1)
      t.equal(read(), before, 'Node has read no request')
      const inPieces = asked('read')
      const [after] = await converse(late, [inPieces.slice(0, -2), inPieces.slice(-2)], 1)
      t.equal(read(), before + 1)
      t.equal(unread?.status, 503)
      t.equal(flawOf(unread as RawAnswer), undefined)
      const { date: _date, ...headers } = unread?.headers ?? {}
      const { date: _later, ...same } = after?.headers ?? {}
      t.ok(headers['retry-after'])
      t.same(headers, { ...same, 'x-request-id': 'unread' })
      const body = (answer?: RawAnswer) => ({
        ...(JSON.parse(answer?.body ?? '') as Record<string, string>),
        error_id: '',
        timestamp: ''
      })
      t.same(body(unread), body(after))
      const [one, two] = ['unread', 'read'].map((id) =>
        service.lines.filter(({ request_id: of, message }) => of === id && message === 'request completed')
      )
      t.equal(one?.length, 1)
      t.equal(one?.[0]?.error_id, (JSON.parse(unread?.body ?? '') as Record<string, string>).error_id)
      const alike = (line: Record<string, unknown> = {}) => ({
        ...line,
        timestamp: '',
        request_id: '',
        error_id: '',
        duration_ms: 0,
        extra: { ...(line.extra as object), span_id: '' }
      })
      t.same(alike(one?.[0]), alike(two?.[0]))
      t.match(one?.[0], { path: '/api/v1/plans', extra: { trace_id: '0af7651916cd43dd8448eb211c80319c' } })

      await t.test('probes, unknown paths and wrong methods are answered as ever', async (t) => {
        const answers = await converse(
          late,
          [
            get('/health/live'),
            get('/'),
            get('/api/v1/nope'),
            post('/api/v1/plans/0190163d-8694-739b-aea5-966c26f8ad91', '{}')
          ],
          4
        )
        t.same(
          answers.map(({ status }) => status),
          [200, 200, 404, 405]
        )
      })
      const others = await empty()
      const [served] = await converse(late, [get('/api/v1/plans')], 1)
      t.equal(served?.status, 401, 'and with a place it is let in')
      await books.balance(t, 8 + others)
    })

    await t.test('a connection whose requests were all refused unread stays open as after any answer', async (t) => {
      const {
        service: { app },
        port,
        read,
        empty
      } = await fullService(t)
      const { server } = app
      server.headersTimeout = 100
      const before = read()
      const refused = async () => {
        const socket = connect(port, '127.0.0.1')
        t.teardown(() => socket.destroy())
        const givenUp = once(server, 'clientError')
        t.equal((await converse(socket, [get('/api/v1/plans')], 1))[0]?.status, 503)
        const [{ code }] = (await givenUp) as [NodeJS.ErrnoException]
        t.equal(code, 'ERR_HTTP_REQUEST_TIMEOUT')
        return socket
      }
      const asking = await refused()
      t.equal(read(), before, 'Node has read no request')
      server.once('request', ({ socket }: { socket: Socket }) => {
        t.equal(socket.timeout, 0, 'an answer may take its time')
      })
      t.equal((await converse(asking, [get('/health/live')], 1))[0]?.status, 200)
      t.equal(read(), before + 1)
      server.keepAliveTimeout = 100
      await once((await refused()).resume(), 'close')
      // Before a request there may be empty lines, with which none has begun.
      const silent = await refused()
      silent.write('\r\n')
      await once(silent.resume(), 'close')
      await empty()
    })

    await t.test('and ends with the service', async (t) => {
      const {
        service: { app },
        port,
        read,
        empty
      } = await fullService(t)
      const before = read()
      const socket = connect(port, '127.0.0.1')
      t.teardown(() => socket.destroy())
      t.equal((await converse(socket, [get('/api/v1/plans')], 1))[0]?.status, 503)
      t.equal(read(), before)
      await empty()
      await Promise.all([once(socket.resume(), 'close'), app.close()])
    })

    await t.test(
      'what only looks like a request is none, after a head that ended with the first byte of what was read',
      async (t) => {
        const { port, empty } = await fullService(t)
        // The head of the third has begun, and what comes next is the value of a header. The body of the first ends
        // like a head, as far before that as it is long.
        const begun = 'GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-ID: b\r\nX-A: '
        const body = `${'z'.repeat(begun.length - 4)}\r\n\r\n`
        const head = `POST /health/live HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\r\nContent-Length: ${body.length}\r\n\r\n`
        for (const cut of [1, 2, 3]) {
          const socket = connect(port, '127.0.0.1').setNoDelay(true)
          const pieces = [
            head.slice(0, -cut),
            head.slice(-cut) + body + begun,
            get('/api/v1/plans').replace('Host', 'X-Inner'),
            get('/health/live', 'X-Request-ID: c')
          ]
          const answers = await converse(socket, pieces, 3)
          socket.destroy()
          t.same(
            answers.map(({ status, headers }) => [headers['x-request-id'], status]),
            [
              ['a', 405],
              ['b', 200],
              ['c', 200]
            ]
          )
        }
        await empty()
      }
    )

    await t.test('an upgrade that is refused is the last request on its connection, too', async (t) => {
      const { service, port, empty } = await fullService(t)
      const smuggled = get('/health/live', 'X-Request-ID: smuggled')
      const second = `POST /api/v1/plans HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length}\r\n\r\n`
      const socket = connect(port, '127.0.0.1').setNoDelay(true)
      const closed = once(socket, 'close')
      const [answer] = await converse(
        socket,
        [get('/api/v1/plans', 'Connection: Upgrade', 'Upgrade: h2c') + second, smuggled],
        1
      )
      t.match(answer, { status: 503, headers: { connection: 'close' } })
      await closed
      t.notOk(service.lines.some(({ request_id: id }) => id === 'smuggled'))
      await empty()
    })

    await t.test('whatever comes on a connection, in whatever pieces, is answered in order', async (t) => {
      const { service, port, read, empty } = await fullService(t)
      // How many are still being sent is counted now and then: until the next time, somebody may be let in.
      const kinds: Array<[text: (id: string) => string, ...statuses: number[]]> = [
        [(id) => get('/api/v1/plans', `X-Request-ID: ${id}`), 503, 401],
        [(id) => get('/api/v1/me', `x-request-id:${id}`, 'connection: Keep-Alive'), 503, 401],
        [(id) => post('/api/v1/plans', '{"a":"\\r\\n"}', `X-Request-ID: ${id}`), 503, 401],
        [(id) => post('/api/v1/auth/login', '{\r\n\r\n"email":1}', `X-Request-ID: ${id}`), 503, 422],
        [(id) => `\r\n${get('/health/live', `X-Request-ID: ${id}`)}`, 200],
        [(id) => get('/nope', `X-Request-ID: ${id}`, `X-Padding: ${'x'.repeat(300)}`), 404],
        [(id) => get('/%zz', `X-Request-ID: ${id}`), 400],
        [
          (id) =>
            `POST /api/v1/plans HTTP/1.1\r\nHost: x\r\nX-Request-ID: ${id}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n`,
          503,
          401
        ]
      ]
      let [answered, unread] = [0, 0]
      const books = await openBooks(service)
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              kind: fc.nat({ max: kinds.length - 1 }),
              cut: fc.oneof(
                { weight: 3, arbitrary: fc.constant(0) },
                { weight: 1, arbitrary: fc.double({ min: 0.01, max: 0.99, noNaN: true }) }
              ),
              joined: fc.nat(3).map((n) => n === 0)
            }),
            { minLength: 1, maxLength: 12 }
          ),
          async (sent) => {
            const pieces: string[] = []
            let rest = ''
            for (const [i, { kind, cut, joined }] of sent.entries()) {
              const text = (kinds[kind] as (typeof kinds)[number])[0](`r${i}`)
              const at = Math.floor(text.length * cut)
              if (at > 0) pieces.push(rest + text.slice(0, at))
              rest = at > 0 ? text.slice(at) : rest + text
              if (!joined || i === sent.length - 1) {
                pieces.push(rest)
                rest = ''
              }
            }
            const socket = connect(port, '127.0.0.1').setNoDelay(true)
            const before = read()
            const answers = await converse(socket, pieces, sent.length)
            socket.destroy()
            unread += sent.length - (read() - before)
            answered += answers.length
            for (const [i, { kind }] of sent.entries()) {
              const { headers, status } = answers[i] as RawAnswer
              if (
                headers['x-request-id'] !== `r${i}` ||
                !(kinds[kind] as (typeof kinds)[number]).slice(1).includes(status)
              ) { throw new Error(`${headers['x-request-id']} ${status} as ${i}`) }
            }
            const flaw = answers.map(flawOf).find((each) => each !== undefined)
            if (flaw !== undefined) throw new Error(flaw)
          }
        ),
        { numRuns: 150 }
      )
      t.ok(unread > 50, `${unread} of ${answered} were refused unread`)
      await books.balance(t, answered + (await empty()))
    })

    await t.test('a body in pieces is what was sent, whatever others send in between', async (t) => {
      const service = await startService(t)
      const { access_token: token } = await service.runner()
      await service.app.listen({ port: 0, host: '127.0.0.1' })
      const { port } = service.app.server.address() as { port: number }
      const body = JSON.stringify({
        name: 'In pieces',
        start_date: '2026-03-02',
        end_date: '2026-05-31',
        notes: 'abcdefghij'.repeat(20)
      })
      const text = post('/api/v1/plans', body, `Authorization: Bearer ${token}`)
      const sockets = Array.from({ length: 3 }, () => connect(port, '127.0.0.1').setNoDelay(true))
      t.teardown(() => {
        for (const socket of sockets) socket.destroy()
      })
      const [first, second, other] = sockets as [Socket, Socket, Socket]
      const answers = [first, second].map(async (socket) => await converse(socket, [], 1))
      const head = text.length - body.length
      for (let at = 0; at < text.length; at = Math.max(head + 20, at + 60)) {
        for (const socket of [first, second]) socket.write(text.slice(at, Math.max(head + 20, at + 60)))
        t.equal((await converse(other, [get('/health/live')], 1))[0]?.status, 200)
      }
      for (const [answer] of await Promise.all(answers)) {
        t.equal(answer?.status, 201)
        t.match(JSON.parse(answer?.body ?? ''), JSON.parse(body))
      }
    })

    await t.test('who is gone before the refusal is sent is told nothing, and counts as gone', async (t) => {
      const { service, port, read, empty } = await fullService(t)
      const books = await openBooks(service)
      const before = read()
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      socket.write(get('/api/v1/plans', 'X-Request-ID: gone'), () => socket.resetAndDestroy())
      const lines = () => service.lines.filter(({ request_id: id }) => id === 'gone')
      while (lines().length === 0) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      }
      t.match(lines(), [{ level: 'INFO', status_code: 499, path: '/api/v1/plans' }])
      t.equal(read(), before)
      await books.balance(t, await empty())
    })

    await t.test('what reads like a request, but is part of another, is no request', async (t) => {
      const { port, read, empty } = await fullService(t)
      const inner = get('/api/v1/plans', 'X-Request-ID: inner')
      for (const [name, ...pieces] of [
        ['body', post('/api/v1/plans', inner, 'X-Request-ID: outer').slice(0, -inner.length), inner],
        [
          'header',
          'GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Request-ID: outer\r\nX-Odd: ',
          inner.replace('Host: x\r\nX-Request-ID: inner\r\n', '')
        ],
        ['end of a body', post('/api/v1/plans', `1234${inner}`, 'X-Request-ID: outer').slice(0, -inner.length), inner]
      ] as const) {
        const socket = connect(port, '127.0.0.1')
        const before = read()
        const answers = await converse(
          socket,
          [get('/health/live', 'X-Request-ID: first'), ...pieces, get('/health/live', 'X-Request-ID: last')],
          3
        )
        t.same(
          answers.map(({ headers }) => headers['x-request-id']),
          ['first', 'outer', 'last'],
          name
        )
        t.equal(read() - before, 3)
        socket.destroy()
      }
      await empty()
    })

    await t.test(
      'what Node lets go of, or refuses to read, ends as ever on a connection that was refused before',
      async (t) => {
        const { port, empty } = await fullService(t)
        for (const [bytes, status] of [
          ['CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
          ['nonsense\r\n\r\n', 400],
          [get('/', `X-Large: ${'x'.repeat(20_000)}`), 431],
          [get('/api/v1/plans', 'Connection: close'), 503]
        ] as const) {
          const socket = connect(port, '127.0.0.1')
          const refused = await converse(socket, [get('/api/v1/plans'), get('/api/v1/plans')], 2)
          t.same(
            refused.map(({ status }) => status),
            [503, 503]
          )
          const closed = once(socket, 'close')
          const [last] = await converse(socket, [bytes], 1)
          t.equal(last?.status, status)
          t.equal(last?.headers.connection, 'close')
          // Bytes after the end harm nobody.
          socket
            .on('error', () => {})
            .resume()
            .write('\x16\x03\x01')
          await closed
        }
        await empty()
      }
    )
  })
}

t.test(
  'refusals that wait for each other are sent whatever comes first: the rest of them, the time or the end',
  async (t) => {
    const {
      service: { app },
      port,
      read,
      empty
    } = await fullService(t)
    const sockets = Array.from({ length: 150 }, () => connect(port, '127.0.0.1'))
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
    })
    const statuses = async () =>
      (await Promise.all(sockets.map(async (socket) => await converse(socket, [get('/api/v1/plans')], 1)))).map(
        ([answer]) => answer?.status
      )
    const all = sockets.map(() => 503)
    const before = read()
    t.same(await statuses(), all)
    t.same(await statuses(), all)
    t.equal(read(), before, 'none was read by Node')
    const [last, ended] = sockets as [Socket, Socket]
    const whole = converse(ended, [get('/api/v1/plans')], 1)
    ended.end()
    t.equal((await whole)[0]?.status, 503, 'and to who has said that this was all')
    t.equal(read(), before)
    const { requestIdOf } = app
    app.requestIdOf = (request) => {
      app.close()
      return requestIdOf(request)
    }
    const [answer] = await converse(last, [get('/api/v1/plans')], 1)
    t.equal(answer?.status, 503, 'and where it closes meanwhile')
    t.equal(read(), before)
    await empty()
  }
)

t.test('only what is plainly one whole request is taken for one', async (t) => {
  const plain = (text: string) => plainRequest(Buffer.from(text, 'latin1'))
  t.same(plain(get('/a?b', 'X-Request-Id:  me ', 'Origin: https://a.example', 'Accept: */*')), {
    method: 'GET',
    url: '/a?b',
    headers: { 'x-request-id': 'me', origin: 'https://a.example' }
  })
  t.match(plain(get('/a', 'X-Request-ID: \t me\xa0\t', 'Content-Length: \t0')), {
    headers: { 'x-request-id': 'me\xa0' }
  })
  t.match(
    plainRequest(Buffer.from(get('/a') + get('/b')), get('/a').length),
    { url: '/a' },
    'what was in the buffer before is no part of it'
  )
  t.match(plain(post('/a', '{"origin":"\r\norigin: b\r\n"}')), {
    method: 'POST',
    url: '/a',
    headers: { origin: undefined }
  })
  for (const text of [
    '',
    'GET / HTTP/1.1\r\n',
    get('/').slice(0, -1),
    get('/') + 'G',
    get('/') + get('/'),
    post('/', 'four').slice(0, -1),
    post('/', 'four') + '5',
    get('/').replace('1.1', '1.0'),
    get('/').replaceAll('\r\n', '\n'),
    get('a'),
    get('/a b'),
    get('*'),
    get('/', ' folded: yes'),
    get('/', 'no colon'),
    get('/', 'a : b'),
    get('/', 'a: \0'),
    get('/', 'Proxy-Connection: close'),
    get('/', 'Content-Length: 0\t'),
    get('/', 'Content-Length: 0\xa0'),
    get('/', 'Content-Length: \xa00'),
    get('/', 'Content-Length: 0', 'Content-Length: 0'),
    get('/', 'Content-Length: +0'),
    get('/', 'Content-Length: 1e1'),
    get('/', 'Content-Length: 0, 0'),
    get('/', 'Transfer-Encoding: chunked'),
    get('/', 'Upgrade: h2c'),
    get('/', 'Expect: 100-continue'),
    get('/', 'Connection: close'),
    get('/', 'Connection: keep-alive, upgrade'),
    get('/', 'X-Request-ID: a', 'X-Request-ID: b'),
    get('/').replace('GET', 'HEAD'),
    get('/').replace('GET', 'CONNECT'),
    get('/').replace('GET', 'get'),
    get('/', `a: ${'x'.repeat(20_000)}`)
  ]) { t.equal(plain(text), undefined, JSON.stringify(text.slice(0, 80))) }
})

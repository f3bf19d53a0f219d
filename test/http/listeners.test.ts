import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import t from 'tap'
import { drain } from '../../src/process/drain.ts'
import { Availability } from '../../src/health/availability.ts'
import { openBooks } from '../harness/books.ts'
import { answersIn, type RawAnswer } from '../harness/raw-http.ts'
import { startService } from '../harness/service.ts'

t.setTimeout(480_000)

/** A second address of this machine: that of IPv6, where there is one. */
async function secondAddress (): Promise<string> {
  const probe = createServer().listen(0, '::1')
  try {
    await once(probe, 'listening')
    return '::1'
  } catch {
    return '127.0.0.2'
  } finally {
    probe.close()
  }
}

async function exchange (host: string, port: number, bytes: string): Promise<RawAnswer[]> {
  const socket = connect(port, host)
  let text = ''
  socket.on('error', () => {}).setEncoding('latin1').on('data', (chunk: string) => { text += chunk })
  const closed = once(socket, 'close')
  socket.write(bytes)
  await closed
  return answersIn(text)
}

const HOSTS = ['127.0.0.1', await secondAddress()]
const lookup = (async () => HOSTS.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))) as never

t.test('all addresses of localhost are listened on, and answered alike', async (t) => {
  const service = await startService(t, { env: { REQUEST_TIMEOUT: '1' } })
  await service.app.listenOn({ host: 'localhost', port: 0, lookup })
  const { port } = service.app.server.address() as { port: number }
  const smuggled = 'GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-ID: smuggled\r\n\r\n'
  const h = 'Host: x\r\nConnection: close\r\n'
  for (const [name, bytes, status] of [
    ['served', `GET /health/live HTTP/1.1\r\n${h}\r\n`, 200],
    ['417', `GET / HTTP/1.1\r\n${h}Expect: tea\r\n\r\n`, 417],
    ['408', `GET / HTTP/1.1\r\n${h}X-Slow: `, 408],
    ['CONNECT', `CONNECT a:1 HTTP/1.1\r\n${h}\r\n`, 405],
    ['431', `GET / HTTP/1.1\r\n${h}X: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['malformed', 'nonsense\r\n\r\n', 400],
    ['414', `GET /${'x'.repeat(9000)} HTTP/1.1\r\n${h}\r\n`, 414],
    ['100-continue', `POST /api/v1/plans HTTP/1.1\r\n${h}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`, 401],
    ['upgrade', `GET /nope HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n${smuggled}${smuggled}`, 404]
  ] as const) {
    const [first, second] = await Promise.all(HOSTS.map(async (host) => {
      const books = await openBooks(service)
      const answers = await exchange(host, port, bytes)
      return { books, answers }
    }))
    const shape = ({ answers }: { answers: RawAnswer[] }) => answers.map(({ status, headers }) => ({
      status,
      headers: { ...headers, date: '', 'x-request-id': '' }
    }))
    t.match(first?.answers, [{ status }], name)
    t.same(shape(second!), shape(first!), name)
  }
  t.notOk(service.lines.some(({ request_id: id }) => id === 'smuggled'))
})

t.test('requests that are half sent when the service stops are no work in flight, on any address', async (t) => {
  const service = await startService(t)
  const { app } = service
  await app.listenOn({ host: 'localhost', port: 0, lookup })
  const { port } = app.server.address() as { port: number }
  const half = await Promise.all(HOSTS.flatMap((host) => [
    'GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ',
    'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"em',
    'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n'
  ].map(async (bytes) => {
    const socket = connect(port, host).on('error', () => {}).resume()
    await once(socket, 'connect')
    socket.write(bytes)
    return { host, closed: once(socket, 'close') }
  })))
  while ([...app.connections].filter(({ bytesRead }) => bytesRead > 0).length < half.length) {
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  const logger = service.app.logger
  const done = await drain(app, { logger, availability: new Availability(), drainDelayMs: 0, deadlineMs: 500 })
  t.equal(done, true)
  await Promise.all(half.map(async ({ closed }) => await closed))
  while ([...app.connections].length > 0) await new Promise((resolve) => { setImmediate(resolve) })
  for (const host of HOSTS) {
    const [error] = await once(connect(port, host), 'error').catch((error: unknown) => [error])
    t.match(error, { code: 'ECONNREFUSED' }, 'nothing listens any more')
  }
})

t.test('an answer under way on a further address is finished before the service is closed', async (t) => {
  let proceed = () => {}
  const gate = new Promise<void>((resolve) => { proceed = resolve })
  const service = await startService(t, {
    boot (app) {
      app.get('/gated', async ({ sql }) => {
        await gate
        const [row] = await sql<Array<{ done: number }>>`/* gated */ select 1 as done`
        return row
      })
    }
  })
  const { app } = service
  await app.listenOn({ host: 'localhost', port: 0, lookup })
  const { port } = app.server.address() as { port: number }
  const answer = exchange(HOSTS[1] as string, port, 'GET /gated HTTP/1.1\r\nHost: x\r\n\r\n')
  while (app.inFlight.size === 0) await new Promise((resolve) => { setImmediate(resolve) })
  const logger = service.app.logger
  const availability = app.availability
  const done = drain(app, { logger, availability, drainDelayMs: 0, deadlineMs: 20_000 })
  while (app.server.listening) await new Promise((resolve) => { setImmediate(resolve) })
  proceed()
  t.equal(await done, true)
  t.match(await answer, [{ status: 200, body: '{"done":1}', headers: { connection: 'close' } }])
})

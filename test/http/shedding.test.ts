import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { StandingQueue } from '../../src/transport/standing-queue.ts'
import { openBooks } from '../harness/books.ts'
import { holdQueue, PATIENT } from '../harness/held-queue.ts'
import { ask, newPlan, type HttpAnswer, type HttpCall } from '../harness/http-client.ts'
import { fitRun } from '../harness/fixtures/recordings.ts'
import { exchange } from '../harness/raw-http.ts'
import { inject, startService } from '../harness/service.ts'

t.setTimeout(480_000)

interface Load { fromMs: number, toMs: number, delayMs: number, perLook?: number }

/** Observes a delay every 10 ms, with so many requests each time; answers when the queue first stood. */
function observe (queue: StandingQueue, { fromMs, toMs, delayMs, perLook = 20 }: Load): number | undefined {
  let stoodMs: number | undefined
  for (let nowMs = fromMs; nowMs < toMs; nowMs += 10) {
    let stands = queue.observe(delayMs, nowMs)
    for (let n = 0; n < perLook; n++) stands = !queue.admits(delayMs, nowMs)
    if (stands) stoodMs ??= nowMs
  }
  return stoodMs
}

t.test('a delay that falls under the target is a burst, however long the delay', async (t) => {
  const queue = new StandingQueue()
  for (let fromMs = 0; fromMs < 20_000; fromMs += 600) {
    t.equal(observe(queue, { fromMs, toMs: fromMs + 590, delayMs: 1200 }), undefined)
    t.equal(queue.observe(0, fromMs + 595), false)
  }
})

t.test('with more requests than a burst has a queue stands, until the delay is under the target', async (t) => {
  const queue = new StandingQueue()
  t.equal(observe(queue, { fromMs: 0, toMs: 5000, delayMs: 60 }), 600)
  t.equal(queue.observe(60, 5000), true)
  t.equal(queue.observe(49, 5010), false)
})

t.test('a burst is admitted whole on a slow machine, and a queue of few requests stands after 3 s', async (t) => {
  t.equal(observe(new StandingQueue(), { fromMs: 0, toMs: 2990, delayMs: 900, perLook: 4 }), undefined)
  t.equal(observe(new StandingQueue(), { fromMs: 0, toMs: 9000, delayMs: 900, perLook: 0 }), 3000)
})

t.test('a pause of the whole process is not a queue: the delay has to be seen for an interval', async (t) => {
  const queue = new StandingQueue()
  queue.observe(0, 0)
  t.equal(queue.observe(9000, 9000), false)
  t.equal(queue.observe(0, 9010), false)
})

t.test('after a queue stood the interval is short, and grows back while all is well', async (t) => {
  const queue = new StandingQueue()
  observe(queue, { fromMs: 0, toMs: 5000, delayMs: 60 })
  queue.observe(0, 5000)
  t.equal(observe(queue, { fromMs: 5010, toMs: 6000, delayMs: 60 }), 5030, 'with 40 requests')
  queue.observe(0, 6000)
  t.equal(observe(queue, { fromMs: 6010, toMs: 7000, delayMs: 60, perLook: 0 }), 6110, 'or after 0.1 s')
  queue.observe(0, 7000)
  observe(queue, { fromMs: 7000, toMs: 8000, delayMs: 0 })
  t.equal(observe(queue, { fromMs: 8500, toMs: 9000, delayMs: 60 }), 8800, 'with half as many after half the time')
  queue.observe(0, 9000)
  t.equal(observe(queue, { fromMs: 19_000, toMs: 29_000, delayMs: 60 }), 19_600)
})

t.test('while a queue stands new work is refused at once, in the envelope, and probes are not', async (t) => {
  const service = await startService(t, { env: PATIENT })
  const runner = await service.runner()
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = service.app.server.address() as { port: number }
  const url = `http://127.0.0.1:${port}`
  const headers = {
    authorization: `Bearer ${runner.access_token}`,
    origin: 'https://elsewhere.example',
    'x-request-id': 'refused-1'
  }
  const { release } = await holdQueue(service)
  const books = await openBooks(service)
  const answer = await fetch(`${url}/api/v1/plans`, { headers })
  t.equal(answer.status, 503)
  const envelope = await answer.json() as Record<string, string>
  t.same(Object.keys(envelope), ['error_id', 'error_code', 'message', 'timestamp'])
  t.equal(envelope.error_code, 'SERVICE_UNAVAILABLE')
  t.ok(Number(answer.headers.get('retry-after')) >= 1)
  t.equal(answer.headers.get('x-frame-options'), 'DENY')
  t.equal(answer.headers.get('access-control-allow-origin'), '*')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.equal(answer.headers.get('x-request-id'), 'refused-1')
  for (const probe of ['/health/live', '/health/ready', '/']) t.equal((await fetch(url + probe)).status, 200, probe)
  t.equal((await fetch(`${url}/api/v1/nope`)).status, 404)
  const lines = service.lines.filter(({ request_id: id, message }) => id === 'refused-1' && message === 'request completed')
  t.match(lines, [
    {
      level: 'ERROR',
      status_code: 503,
      error_id: envelope.error_id as string,
      error_code: 'SERVICE_UNAVAILABLE',
      path: '/api/v1/plans',
      exception: 'AppError: The service has more to do than it can: try again in a moment'
    }
  ])
  await books.balance(t, 5)
  const { body } = await service.app.inject('/metrics')
  t.match(body, /http_errors_total\{error_code="SERVICE_UNAVAILABLE",route="\/api\/v1\/plans\/?"\} \d/)
  await release()
  t.equal((await fetch(`${url}/api/v1/plans`, { headers })).status, 200, 'and then all is as before')
})

t.test('a client that is answered before its body has come is answered once', async (t) => {
  const service = await startService(t, { env: { ...PATIENT, REQUEST_TIMEOUT: '1' } })
  await service.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = service.app.server.address() as { port: number }
  const { release } = await holdQueue(service)
  const books = await openBooks(service)
  const answers = await exchange(
    port,
    'POST /api/v1/plans HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"na'
  )
  t.match(answers, [{ status: 503 }])
  t.equal(answers.length, 1)
  await books.balance(t, 1)
  await release()
})

t.test('clients that never read the answer they asked for keep out nobody', async (t) => {
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
  const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1').pause().on('error', () => {}))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  for (const socket of sockets) socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n')
  await Promise.all(sockets.map(async (socket) => await once(socket, 'readable')))
  t.equal(service.app.inFlight.size, 20)
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/plans`, {
    headers: { authorization: `Bearer ${runner.access_token}` }
  })
  t.equal(answer.status, 200)
})

t.test('requests in line on one connection are refused where there are more than memory should hold', async (t) => {
  const service = await startService(t, { env: { REQUEST_TIMEOUT: '600' } })
  const { app } = service
  t.equal((await inject(app, { url: '/api/v1/plans' })).status, 401)
  const entries = app.inFlight
  const { size } = entries
  t.teardown(() => { entries.size = size })
  entries.size += 2 * app.connections.limit
  t.equal((await inject(app, { url: '/api/v1/plans' })).status, 503)
  t.equal((await inject(app, { url: '/health/live' })).status, 200)
  entries.size -= 2 * app.connections.limit
  t.equal((await inject(app, { url: '/api/v1/plans' })).status, 401)
})

/** Asks so often at once, each over a connection of its own; answers how many there were of each status. */
async function burst (port: number, count: number, path: string, call: (n: number) => HttpCall): Promise<object> {
  const agent = new Agent({ keepAlive: false, maxSockets: Infinity })
  const asked: Array<Promise<HttpAnswer>> = []
  for (let n = 0; n < count; n++) asked.push(ask(port, path, { ...call(n), agent, patienceMs: 60_000 }))
  const statuses: Record<string, number> = {}
  for (const answer of await Promise.allSettled(asked)) {
    const status = answer.status === 'fulfilled' ? answer.value.status : String(answer.reason)
    statuses[status] = (statuses[status] ?? 0) + 1
  }
  return statuses
}

t.test('a burst at an idle service is served whole', async (t) => {
  const service = await startService(t, { env: { MAX_POOL_SIZE: '20', LOG_LEVEL: 'INFO' } })
  const runner = await service.runner()
  await service.app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  const { port } = service.app.server.address() as { port: number }
  const headers = { authorization: `Bearer ${runner.access_token}` }
  await runner.call('POST', '/plans', newPlan('one to be read'))
  const recordings = Array.from({ length: 50 }, (_, n) =>
    Buffer.from(fitRun({ count: 3600, records: [{ heartRate: 100 + n }] })))
  t.same(await burst(port, 1000, '/api/v1/plans?limit=20', () => ({ headers })), { 200: 1000 })
  t.same(
    await burst(port, 200, '/api/v1/plans', (n) => ({ method: 'POST', headers, body: newPlan(`plan ${n}`) })),
    { 201: 200 }
  )
  t.same(
    await burst(port, 50, '/api/v1/activities/import?allow_duplicate=true', (n) => ({
      method: 'POST',
      headers,
      bytes: recordings[n] as Buffer,
      type: 'application/octet-stream'
    })),
    { 201: 50 }
  )
})

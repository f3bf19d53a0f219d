import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { AdmissionLimit } from '../../src/http/admission.ts'
import { startService } from '../service.ts'
import { lockTable } from '../table-lock.ts'

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
  t.match(lines, [{ level: 'ERROR', status_code: 503, error_code: 'SERVICE_UNAVAILABLE', path: '/api/v1/plans', exception: /^AppError: The service has more to do/ }])
  const { body } = await service.app.inject('/metrics')
  t.match(body, /http_errors_total\{error_code="SERVICE_UNAVAILABLE",route="\/api\/v1\/plans\/?"\} \d/)
  t.equal((await fetch(`${url}/api/v1/plans`, { headers })).status, 200, 'and all is as before')
})

t.test('those who never read the answer they asked for keep out nobody', async (t) => {
  const service = await startService(t, {
    boot (app) {
      app.get('/endless', { config: { sheddable: true } }, async (_request, reply) => await reply.send(Readable.from((function * () { for (;;) yield Buffer.alloc(65_536) })())))
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
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/plans`, { headers: { authorization: `Bearer ${runner.access_token}` } })
  t.equal(answer.status, 200)
})

import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { sendAll } from '../harness/bulk-imports.ts'
import { exchange } from '../harness/raw-http.ts'
import { inject, startService } from '../harness/service.ts'

const service = await startService(t)
const { app, runner } = service
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo

const RUN = { sport: 'running', start_time: '2026-01-05T07:00:00Z', elapsed_s: 1800 }
const WORKOUT = { date: '2026-01-06', kind: 'easy', name: 'Easy run' }
const GOAL = { metric: 'distance', period: 'week', target: 50_000 }
const PLAN = { name: 'Spring', start_date: '2026-01-05', end_date: '2026-04-26' }

t.test('a DELETE without a body is accepted with any content type', async (t) => {
  const ann = await runner()
  const workout = async (): Promise<string> => {
    const plan = await ann.call('POST', '/plans', PLAN)
    return (await ann.call('POST', `/plans/${plan.body.id}/workouts`, WORKOUT)).body.id
  }
  const make: Record<string, () => Promise<string>> = {
    '/api/v1/plans/': async () => (await ann.call('POST', '/plans', PLAN)).body.id,
    '/api/v1/api-keys/': async () => (await ann.call('POST', '/api-keys', { name: 'Key', scopes: ['read'] })).body.id,
    '/api/v1/me/calendar-feed': async () => '',
    '/api/v1/me/physiology/': async () =>
      (await ann.call('POST', '/me/physiology', { valid_from: '2026-01-05', max_heart_rate_bpm: 190 })).body.id,
    '/api/v1/workouts/': workout,
    '/api/v1/workouts/{workout_id}/activity': async () => `${await workout()}/activity`,
    '/api/v1/activities/': async () => (await ann.call('POST', '/activities', RUN)).body.id,
    '/api/v1/activities/{activity_id}/crop': async () => `${(await ann.call('POST', '/activities', RUN)).body.id}/crop`,
    '/api/v1/gear/': async () => (await ann.call('POST', '/gear', { name: 'Shoes' })).body.id,
    '/api/v1/goals/': async () => (await ann.call('POST', '/goals', GOAL)).body.id,
    '/api/v1/imports/': async () =>
      (await sendAll(ann, [{ name: 'a.fit', bytes: Buffer.from('no recording') }])).body.import.id
  }
  const deletes = Object.entries(app.swagger().paths ?? {}).filter(([, operations]) =>
    operations !== undefined && 'delete' in operations && !('requestBody' in (operations.delete as object)))
  t.same(deletes.map(([path]) => path.replace(/\{\w+\}$/, '')).sort(), Object.keys(make).sort())
  for (const [pattern, thing] of Object.entries(make)) {
    const path = pattern.replace(/\{.*$/, '')
    // Of what is deleted nothing is left to answer; of a crop, the activity is.
    const status = pattern.endsWith('/crop') ? 200 : 204
    for (const type of ['application/json', 'application/json; charset=utf-8', 'application/x-www-form-urlencoded']) {
      for (const framing of ['', 'Content-Length: 0\r\n']) {
        const [answer] = await exchange(port, `DELETE ${path}${await thing()} HTTP/1.1\r\nHost: x\r\n` +
          `Authorization: Bearer ${ann.access_token}\r\nContent-Type: ${type}\r\n${framing}Connection: close\r\n\r\n`)
        t.equal(answer?.status, status, `${path} ${type} ${framing}`)
      }
    }
    const [chunked] = await exchange(port, `DELETE ${path}${await thing()} HTTP/1.1\r\nHost: x\r\n` +
      `Authorization: Bearer ${ann.access_token}\r\nContent-Type: application/json\r\n` +
      'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n')
    t.equal(chunked?.status, status, `${path} chunked`)
    const broken = await ann.call('DELETE', `${path}${await thing()}`, '{', { 'content-type': 'application/json' })
    t.same([broken.status, broken.body.error_code], [400, 'MALFORMED_JSON'], 'a body there is has to be JSON')
  }
})

t.test('a route that needs a body refuses an empty one', async (t) => {
  const ann = await runner()
  for (const [method, url] of [['POST', '/plans'], ['PATCH', '/me'], ['DELETE', '/me']] as const) {
    const answer = await ann.call(method, url, '', { 'content-type': 'application/json' })
    t.same([answer.status, answer.body.error_code], [400, 'MALFORMED_JSON'], `${method} ${url}`)
  }
})

t.test('the refusal of a compressed body names the accepted encodings', async (t) => {
  const ann = await runner()
  for (const encoding of ['gzip', 'br', 'deflate', 'gzip, gzip']) {
    const answer = await ann.call('POST', '/plans', gzipSync(JSON.stringify(PLAN)), {
      'content-type': 'application/json', 'content-encoding': encoding
    })
    t.same([answer.status, answer.headers['accept-encoding']], [415, 'identity'], encoding)
  }
  for (const encoding of ['br', 'deflate', 'gzip, gzip']) {
    const answer = await ann.call('POST', '/activities/import', Buffer.from('x'), {
      'content-type': 'application/octet-stream', 'content-encoding': encoding
    })
    t.same([answer.status, answer.headers['accept-encoding']], [415, 'gzip, identity'], encoding)
  }
  const plain = await ann.call('POST', '/plans', PLAN, { 'content-encoding': 'Identity' })
  t.equal(plain.status, 201)
  const recording = gzipSync(readFileSync(new URL('../../../examples/easy-run.fit', import.meta.url)))
  t.equal((await ann.call('POST', '/activities/import', recording, {
    'content-type': 'application/octet-stream', 'content-encoding': 'GZIP'
  })).status, 201)
  const type = await ann.call('POST', '/plans', '<a/>', { 'content-type': 'text/xml' })
  t.same([type.status, type.headers['accept-encoding']], [415, undefined], 'where the type is refused, no encoding helps')
})

t.test('the document says so', async (t) => {
  const { body } = await inject(app, { method: 'GET', url: '/docs/json' })
  t.ok('Accept-Encoding' in body.components.responses.UnsupportedMediaType.headers)
})

t.test('of a body with very many unknown fields the first is named', async (t) => {
  const ann = await runner()
  const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`unknown_${i}`, 1]))
  const few = await ann.call('POST', '/plans', { ...PLAN, ...fields(3) })
  t.match(few, { status: 422, body: { details: { errors: { length: 3 } } } })
  const many = await ann.call('POST', '/plans', { ...PLAN, ...fields(50_000) })
  t.match(many, { status: 422, body: { details: { field: 'unknown_0', errors: { length: 1 } } } })
})

t.test('an expectation beside 100-continue, and a transfer encoding in HTTP/1.0, are refused', async (t) => {
  const path = 'POST /api/v1/auth/login HTTP'
  for (const [head, status] of [
    [`${path}/1.1\r\nHost: x\r\nExpect: 100-continue, other\r\nContent-Length: 2\r\n`, 417],
    [`${path}/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n`, 400]
  ] as const) {
    const [answer] = await exchange(port, `${head}Content-Type: application/json\r\n\r\n`)
    t.match(answer, { status, headers: { connection: 'close' } })
  }
})

import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { sendAll } from '../harness/bulk-imports.ts'
import { parseLong } from '../../src/http/long-json.ts'
import { mapInTurns } from '../../src/http/turns.ts'
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

t.test('a route without a body refuses fields in one, and changes nothing', async (t) => {
  const ann = await runner()
  const plan = (await ann.call('POST', '/plans', PLAN)).body.id
  const feed = await ann.call('POST', '/me/calendar-feed', { name: 'Mine' })
  t.match([feed.status, feed.body.details], [422, { field: 'name', errors: [{ field: 'name', location: 'body' }] }])
  t.equal((await ann.call('DELETE', `/plans/${plan}`, { force: true })).status, 422)
  t.equal((await ann.call('GET', `/plans/${plan}`)).status, 200)
  t.equal((await ann.call('POST', '/me/calendar-feed', {})).status, 201, 'an empty object has none')
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

/** 500 workouts of 18 steps each: 1.3 MB. */
const STEP = { type: 'step', intensity: 'active', end: { type: 'distance', value: 1000 }, target: { type: 'pace', low: 250, high: 260 } }
const MANY = Array.from({ length: 500 }, (_, i) => ({
  ...WORKOUT, external_id: `w-${i}`, name: `Run "${i}" [é] \\`, steps: Array.from({ length: 18 }, () => STEP)
}))

t.test('500 workouts of many steps are stored at once, in a body that is too large for other routes', async (t) => {
  const ann = await runner()
  const plan = (await ann.call('POST', '/plans', PLAN)).body.id
  const put = async (body: unknown) =>
    await ann.call('PUT', `/plans/${plan}/workouts`, body, { 'content-type': 'application/json' })
  const text = JSON.stringify({ workouts: MANY }, null, 1)
  t.ok(text.length > 1024 * 1024)
  const { status, body } = await put(text)
  t.match([status, body.created], [200, 500])
  t.same(body.items.map(({ name }: { name: string }) => name), MANY.map(({ name }) => name))
  t.match(body.items[499].steps[17], STEP)
  const read = await ann.call('GET', `/workouts/${body.items[499].id}`)
  t.same(read.body, body.items[499], 'as it is read')
  const again = await put(text)
  t.match(again.body, { created: 0, updated: 500 })
  t.same(again.body.items[0].updated_at, body.items[0].updated_at, 'nothing was changed')

  const moved = MANY.map((workout, i) => i === 499 ? { ...workout, date: '2030-01-01', name: 'Moved' } : { ...workout, name: 'Moved' })
  const outside = await put({ workouts: moved })
  t.match([outside.status, outside.body.details], [400, { field: 'workouts.499.date' }])
  t.same((await ann.call('GET', `/workouts/${body.items[0].id}`)).body, again.body.items[0], 'all or nothing')
  const wrong = await put({ workouts: MANY.map((workout, i) => i === 400 ? { ...workout, kind: 'jog' } : workout) })
  t.match([wrong.status, wrong.body.details.field], [422, 'workouts.400.kind'])
  const last = JSON.stringify({ workouts: [{ ...MANY[0], name: '-' }, ...MANY.slice(1)] })
  for (const [changed, status, code] of [
    [last.replace('"-"', '"\\u0000"'), 400, 'MALFORMED_JSON'],
    [last.replace('"-"', '"\\ud800"'), 400, 'MALFORMED_JSON'],
    [last.replace('"-"', `${'['.repeat(40)}${']'.repeat(40)}`), 400, 'MALFORMED_JSON'],
    [last.replace('"-"', '{"__proto__":{}}'), 400, 'MALFORMED_JSON'],
    [last.slice(0, -2), 400, 'MALFORMED_JSON'],
    [`{"workouts":[${JSON.stringify(['-'.repeat(1024 * 1024)])}]}`, 413, 'PAYLOAD_TOO_LARGE'],
    [`{"workouts":[${'1,'.repeat(2_000_000)}1]}`, 413, 'PAYLOAD_TOO_LARGE'],
    [`{"workouts":[${'[[],[]],'.repeat(400_000)}1]}`, 413, 'PAYLOAD_TOO_LARGE'],
    [`{${Array.from({ length: 50_000 }, (_, i) => `"${i}":[]`).join(',')}}`, 413, 'PAYLOAD_TOO_LARGE'],
    [last.padEnd(4 * 1024 * 1024 + 1), 413, 'PAYLOAD_TOO_LARGE']
  ] as const) {
    const answer = await put(changed)
    t.same([answer.status, answer.body.error_code], [status, code])
  }
  const other = await ann.call('POST', '/plans', { ...PLAN, notes: 'x'.repeat(1024 * 1024) })
  t.match([other.status, other.body.error_code], [413, 'PAYLOAD_TOO_LARGE'])
})

t.test('a long text of JSON is parsed in parts to the same value, and is refused where it is none', async (t) => {
  const parse = async (text: string): Promise<unknown> => JSON.parse(text)
  const list = MANY.slice(0, 100)
  const values: unknown[] = [
    { list }, { list, empty: [], blank: [[]], also: list, nested: { list } }, { list: [...list, null, '],[', '\\"', 1e9] },
    list, {}, { 'a,[b': ['x'], b: [] }, Array.from({ length: 50_000 }, (_, i) => i), { numbers: Array.from({ length: 50_000 }, (_, i) => i) }
  ]
  for (const value of values) {
    for (const space of [undefined, 2]) t.same(await parseLong(JSON.stringify(value, null, space), parse), value)
  }
  const text = JSON.stringify({ list })
  t.same(await parseLong(`{"list":[1],${text.slice(1)}`, parse), { list }, 'of a repeated field, the last counts')
  const comma = text.indexOf('},{') + 1
  const middle = text.indexOf('},{', text.length / 2) + 1
  for (const broken of [
    text.slice(0, -1), text.slice(0, -2), `${text}]`, `${text}${text}`, text.replace(/\]\}$/, ',]}'), text.replace('[', '[,'),
    text.replace(/\]\}$/, '}]'), `${text.slice(0, comma)},${text.slice(comma)}`, `${text.slice(0, middle)},${text.slice(middle)}`,
    `${text.slice(0, middle)}]${text.slice(middle)}`, `${text.slice(0, middle)}],[${text.slice(middle + 1)}`,
    text.slice(0, middle) + text.slice(middle + 1), '', '"', '{"list":[' + '1,'.repeat(50_000) + ']}'
  ]) await t.rejects(parseLong(broken, parse), SyntaxError)
})

t.test('long work lets others have the event loop in between', async (t) => {
  const others: number[] = []
  let done = 0
  const other = (): void => { if (others.push(done) < 1000 && done < 3) setImmediate(other) }
  setImmediate(other)
  const results = await mapInTurns([1, 2, 3], (item) => {
    const until = performance.now() + 10
    while (performance.now() < until);
    done++
    return item * 2
  })
  t.same(results, [2, 4, 6])
  t.ok(others.includes(1) && others.includes(2), 'after each item that took long')
})

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fc from '../harness/fast-check.ts'
import ICAL from 'ical.js'
import t from 'tap'
import { feedEvents, feedOf, type FeedEvent } from '../../src/views/calendar-feed.ts'
import { inject, PASSWORD, startService, type Answer, type Runner } from '../harness/service.ts'

const service = await startService(t)
const { app, database, lines, runner } = service
const PLAN = { name: 'Spring', start_date: '2026-01-01', end_date: '2026-12-31' }
const WORKOUT = { date: '2026-03-29', kind: 'easy', name: 'Easy', planned_distance_m: 8000 }
const EVENT: FeedEvent = {
  id: '018d0c2e-5b1f-7e0e-9d55-2f3e0c9a4b11',
  date: '2026-10-25',
  name: 'Easy',
  distanceM: 8000,
  durationS: 5400,
  description: null,
  stepsText: null,
  sequence: 3,
  createdAt: null,
  changedAt: '2026-10-01T12:00:00.000Z',
  cancelled: false
}
const secrets = new Set<string>()

/** Makes a feed, and returns the path of its address. */
async function feedOfRunner (ann: Runner): Promise<string> {
  const { status, body } = await ann.call('POST', '/me/calendar-feed')
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`)
  const path = new URL(body.url).pathname
  secrets.add(path.slice(path.lastIndexOf('/') + 1, -'.ics'.length))
  return path
}

async function read (url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return await inject(app, { method: 'GET', url, headers })
}

/** The events of a calendar, by their name, as an independent parser reads them. */
function eventsIn (text: string) {
  const calendar = new ICAL.Component(ICAL.parse(text))
  return new Map(calendar.getAllSubcomponents('vevent').map((component) => {
    const event = new ICAL.Event(component)
    const { uid, summary, description, sequence } = event
    const stringOf = (name: string) => component.getFirstPropertyValue(name)?.toString()
    return [summary, {
      uid,
      description,
      sequence,
      start: event.startDate.toString(),
      end: event.endDate.toString(),
      isDay: event.startDate.isDate,
      status: stringOf('status'),
      transparency: stringOf('transp'),
      stamp: stringOf('dtstamp')
    }]
  }))
}

/** Problems of the file that a tolerant parser would not see (RFC 5545, 3.1). */
function problemsOf (text: string): string[] {
  if (!text.endsWith('END:VCALENDAR\r\n')) return ['The last line does not end']
  const long = text.split('\r\n').filter((line) => Buffer.byteLength(line) > 75)
  const rest = text.replaceAll('\r\n', '')
  return [
    ...long.map((line) => `too long: ${line}`),
    ...(/[^\P{Cc}\t]|[\u2028\u2029\ufffd]/u.test(rest) ? ['A control character, or half a character'] : [])
  ]
}

t.test('a calendar that subscribes has each workout as an event of its day', async (t) => {
  const ann = await runner()
  const path = await feedOfRunner(ann)
  const { body: plan } = await ann.call('POST', '/plans', PLAN)
  const interval = {
    date: '2026-10-25',
    kind: 'interval',
    name: '6 × 1 km; hard, "even" \\ fast\r\nby the river 🏃',
    description: 'Warm up well.\tThen go, as “Läufer” do; '.repeat(10),
    steps_text: '- 2km @z2\n- 6x\n  - 1km 4:10-4:20/km\n  - 90s rest'
  }
  for (const workout of [WORKOUT, interval, { date: '2026-12-31', kind: 'rest', name: 'Rest' }]) {
    t.equal((await ann.call('POST', `/plans/${plan.id}/workouts`, workout)).status, 201)
  }
  const { items: workouts } = (await ann.call('GET', `/plans/${plan.id}/workouts`)).body
  const { status, headers, body } = await read(path)
  t.match({ status, headers }, {
    status: 200,
    headers: { 'content-type': 'text/calendar; charset=utf-8', 'cache-control': 'private, no-cache', etag: /^"[\w-]{22}"$/ }
  })
  t.same(problemsOf(body), [])
  const events = eventsIn(body)
  t.match(events.get('Easy'), {
    uid: workouts[0].id,
    sequence: 0,
    start: '2026-03-29',
    end: '2026-03-30',
    isDay: true,
    description: '8.0 km',
    status: 'CONFIRMED',
    transparency: 'TRANSPARENT',
    stamp: workouts[0].updated_at.replace(/\.\d+/, '')
  })
  const read6 = events.get('6 × 1 km; hard, "even" \\ fast\nby the river 🏃')
  t.equal(read6?.description, `8.0 km\n\n${interval.description}\n\n${interval.steps_text}`)
  t.match(read6, { start: '2026-10-25', end: '2026-10-26' })
  t.match(events.get('Rest'), { start: '2026-12-31', end: '2027-01-01', description: null })
  const calendar = new ICAL.Component(ICAL.parse(body))
  t.same(['version', 'x-wr-calname', 'x-published-ttl'].map((name) => calendar.getFirstPropertyValue(name)?.toString()),
    ['2.0', 'Running Trainer', 'PT1H'])
  await ann.call('PATCH', '/me', { units: 'imperial' })
  t.equal(eventsIn((await read(path)).body).get('Easy')?.description, '5.0 mi', 'in the units of the account')
})

t.test('a changed workout keeps its UID, and a deleted one is cancelled', async (t) => {
  const ann = await runner()
  const path = await feedOfRunner(ann)
  const { body: plan } = await ann.call('POST', '/plans', PLAN)
  const put = async (...names: string[]) => (await ann.call('PUT', `/plans/${plan.id}/workouts`, {
    workouts: names.map((name, i) => ({ ...WORKOUT, name, external_id: `w-${i}` }))
  })).body.items
  const [first, second, third] = await put('One', 'Two', 'Three')
  const before = (await read(path)).headers.etag
  await put('One', 'Two', 'Three')
  t.equal((await read(path)).headers.etag, before, 'the same upsert again changes nothing')
  await put('Uno')
  await ann.call('PATCH', `/workouts/${second.id}`, { date: '2026-04-01' })
  await ann.call('PATCH', `/workouts/${second.id}`, { date: '2026-04-02' })
  t.equal((await ann.call('DELETE', `/workouts/${third.id}`)).status, 204)
  const events = eventsIn((await read(path)).body)
  t.match(events.get('Uno'), { uid: first.id, sequence: 1, status: 'CONFIRMED' })
  t.match(events.get('Two'), { uid: second.id, sequence: 2, start: '2026-04-02', status: 'CONFIRMED' })
  t.match(events.get('Three'), { uid: third.id, sequence: 1, start: WORKOUT.date, status: 'CANCELLED' })
  t.equal(events.size, 3)
  t.equal((await ann.call('DELETE', `/plans/${plan.id}`)).status, 204)
  const cancelled = eventsIn((await read(path)).body)
  t.same([...cancelled.values()].map(({ uid, sequence, status }) => [uid, sequence, status]).sort(), [
    [first.id, 2, 'CANCELLED'], [second.id, 3, 'CANCELLED'], [third.id, 1, 'CANCELLED']
  ].sort())
})

t.test('a calendar that has the feed already gets 304 until something changes', async (t) => {
  const ann = await runner()
  const path = await feedOfRunner(ann)
  const empty = await read(path)
  t.equal(eventsIn(empty.body).size, 0)
  t.same(problemsOf(empty.body), [])
  t.match(empty.body, 'BEGIN:VTIMEZONE', 'RFC 5545 asks for at least one component')
  const { body: plan } = await ann.call('POST', '/plans', PLAN)
  const steps = { kind: 'easy', date: '2026-05-01', name: 'Zone', steps_text: '- 30min @z2 pace' }
  await ann.call('POST', `/plans/${plan.id}/workouts`, steps)
  const { headers: { etag }, body } = await read(path)
  t.not(etag, empty.headers.etag)
  for (const known of [etag, `W/${String(etag)}`, `"other", ${String(etag)}`, '*']) {
    const { status, raw, headers } = await read(path, { 'if-none-match': String(known) })
    t.match({ status, size: raw.length, headers }, { status: 304, size: 0, headers: { etag, 'cache-control': 'private, no-cache' } })
  }
  t.equal((await read(path, { 'if-none-match': String(empty.headers.etag) })).status, 200)
  const head = await inject(app, { method: 'HEAD', url: path })
  t.match(head, { status: 200, headers: { etag, 'content-length': String(Buffer.byteLength(body)) } })
  t.equal(head.raw.length, 0)
  await ann.call('POST', '/me/physiology', { valid_from: '2026-01-01', threshold_pace_s_per_km: 270 })
  const after = await read(path, { 'if-none-match': String(etag) })
  t.equal(after.status, 200, 'the planned distance follows from the settings of the day')
  t.match(eventsIn(after.body).get('Zone')?.description, /^\d\.\d km, 30 min\n/)
})

t.test('an address that is unknown, revoked or replaced is not found, and all are alike', async (t) => {
  const [ann, bob, eve] = await Promise.all([runner(), runner(), runner()])
  const [first, bobs] = [await feedOfRunner(ann), await feedOfRunner(bob)]
  const { body: plan } = await bob.call('POST', '/plans', PLAN)
  await bob.call('POST', `/plans/${plan.id}/workouts`, WORKOUT)
  t.equal(eventsIn((await read(first)).body).size, 0, 'nothing of another runner')
  const second = await feedOfRunner(ann)
  t.equal((await read(second)).status, 200)
  const tokenOf = (id: string, secret: Buffer) =>
    `rtc_${Buffer.concat([Buffer.from(id.replaceAll('-', ''), 'hex'), secret]).toString('base64url')}`
  const secretOf = (path: string) => Buffer.from(path.slice(path.indexOf('rtc_') + 4, -4), 'base64url').subarray(16)
  const unknown = [
    first,
    ...[
      tokenOf(ann.id, randomBytes(32)),
      tokenOf(ann.id, secretOf(bobs)),
      tokenOf(eve.id, randomBytes(32)),
      tokenOf(eve.id, Buffer.alloc(32)),
      tokenOf('018d0c2e-5b1f-7e0e-9d55-2f3e0c9a4b11', randomBytes(32)),
      tokenOf(ann.id, randomBytes(31)),
      tokenOf('ffffffff-ffff-ffff-ffff-ffffffffffff', randomBytes(32)),
      `${second.slice(second.indexOf('rtc_'), -4)}=`,
      'rtc_',
      'x',
      '%F0%9F%8F%83',
      'a'.repeat(4000)
    ].map((token) => `/api/v1/calendar/${token}.ics`)
  ]
  const answers = await Promise.all(unknown.map((path) => read(path)))
  for (const [i, { status, body, headers }] of answers.entries()) {
    t.match({ status, code: body.error_code, message: body.message, cached: headers['cache-control'] },
      { status: 404, code: 'NOT_FOUND', message: 'No such calendar feed', cached: 'no-store' }, unknown[i] as string)
  }
  t.equal((await ann.call('DELETE', '/me/calendar-feed')).status, 204)
  t.equal((await read(second)).status, 404)
  t.equal((await ann.call('DELETE', '/me/calendar-feed')).status, 204, 'again, too')
  t.equal((await read(bobs)).status, 200)
  t.equal((await bob.call('DELETE', '/me', { password: PASSWORD })).status, 204)
  t.equal((await read(bobs)).status, 404, 'it ends with the account')
  t.equal((await inject(app, { method: 'POST', url: '/api/v1/me/calendar-feed' })).status, 401)
})

t.test('the address is shown once, made with a login only, and kept as a hash', async (t) => {
  const ann = await runner()
  const key = { 'idempotency-key': 'feed-1' }
  const made = await ann.call('POST', '/me/calendar-feed', undefined, { ...key, host: 'trainer.example.org:8443' })
  t.match(made.body.url, /^http:\/\/trainer\.example\.org:8443\/api\/v1\/calendar\/rtc_[\w-]{64}\.ics$/)
  const again = await ann.call('POST', '/me/calendar-feed', undefined, { ...key, host: 'trainer.example.org:8443' })
  t.equal(again.body.url, made.body.url, 'a repeated request gets the same address')
  t.equal((await read(new URL(made.body.url).pathname)).status, 200)
  const secret = String(/rtc_[\w-]+/.exec(made.body.url))
  secrets.add(secret)
  const rows = await database.sql`/* test */ select row_to_json(calendar_feeds)::text as row from calendar_feeds`
  t.notMatch(JSON.stringify(rows), secret.slice(-30))
  const { body: { key: apiKey } } = await ann.call('POST', '/api-keys', { name: 'Watch', scopes: ['read', 'write'] })
  for (const method of ['POST', 'DELETE'] as const) {
    const { status } = await ann.call(method, '/me/calendar-feed', undefined, { authorization: `Bearer ${apiKey}` })
    t.equal(status, 403, method)
  }
})

t.test('cancelled workouts are told for 30 days, and then swept', async (t) => {
  const ann = await runner()
  const path = await feedOfRunner(ann)
  await database.sql`/* test */
    insert into cancelled_workouts (user_id, workout_id, date, name, revision, cancelled_at)
    select ${ann.id}, gen_random_uuid(), '2026-01-01', n::text, 2, now() - make_interval(days => n, mins => 1)
    from generate_series(28, 32) n
  `
  t.same([...eventsIn((await read(path)).body).keys()].sort(), ['28', '29'])
  await app.jobs.run('sweep-cancelled-workouts')
  const left = await database.sql<{ name: string }>`/* test */
    select name from cancelled_workouts where user_id = ${ann.id} order by name
  `
  t.same(left.map(({ name }) => name), ['28', '29'])
  t.equal(app.jobs.problem(), undefined)
})

t.test('guesses are limited by address, and a feed is limited apart from its runner', async (t) => {
  const { app, runner } = await startService(t, { env: { RATE_LIMIT_MAX: '5', TRUST_PROXY: '1' } })
  const ann = await runner()
  const { body: { url } } = await ann.call('POST', '/me/calendar-feed', undefined, {
    'x-forwarded-proto': 'https', 'x-forwarded-host': 'trainer.example.org'
  })
  t.match(url, /^https:\/\/trainer\.example\.org\//, 'as the client knows the service, behind a proxy')
  const ask = async (path: string, from: string) =>
    (await inject(app, { method: 'GET', url: path, headers: { 'x-forwarded-for': from } })).status
  const { pathname } = new URL(url)
  const guesses = Array.from({ length: 6 }, () => `/api/v1/calendar/rtc_${randomBytes(48).toString('base64url')}.ics`)
  for (const guess of guesses.slice(0, 5)) t.equal(await ask(guess, '192.0.2.1'), 404)
  t.equal(await ask(guesses[5]!, '192.0.2.1'), 429)
  t.equal(await ask(pathname, '192.0.2.1'), 429, 'an address that guesses is not served')
  for (let i = 0; i < 5; i++) t.equal(await ask(pathname, `192.0.2.${10 + i}`), 200)
  t.equal(await ask(pathname, '192.0.2.20'), 429)
  t.equal((await ann.call('GET', '/me')).status, 200)
})

t.test('log and metrics have the pattern of an address and never its secret', async (t) => {
  const ann = await runner()
  const path = await feedOfRunner(ann)
  await read(path)
  for (const method of ['POST', 'DELETE', 'OPTIONS'] as const) await inject(app, { method, url: path })
  for (const url of [path.slice(0, -4), `${path}/x`, `/x/${path}`, `${path}?a=1`]) await read(url)
  const { body: metrics } = await inject(app, { method: 'GET', url: '/metrics' })
  t.match(metrics, 'route="/api/v1/calendar/:token.ics",status_code="200"')
  const told = `${JSON.stringify(lines)}${metrics}`
  t.match(told, '"path":"/api/v1/calendar/:token.ics"')
  for (const secret of secrets) t.notOk(told.includes(secret.slice(-30)))
})

t.test('any text of a workout is one event of valid lines', async (t) => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 })
    .map((words) => words.replaceAll('\0', '')).filter((words) => words !== '')
  const event = (name: string, description: string) => ({ ...EVENT, name, description })
  const plain = (words: string) => words.replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n').replace(/[^\P{Cc}\t\n]/gu, '')
  fc.assert(fc.property(text, text, (name, description) => {
    const calendar = feedOf([feedEvents([event(name, description)], 'metric')])
    const [summary, read] = [...eventsIn(calendar)][0]!
    assert.deepEqual(problemsOf(calendar), [])
    assert.equal(summary, plain(name))
    assert.equal(read.description, `8.0 km, 1 h 30 min\n\n${plain(description)}`)
  }), { numRuns: 100 })
  const long = feedOf([feedEvents([event('x', '🏃'.repeat(10_000))], 'metric')])
  t.ok(eventsIn(long).get('x')?.description === `8.0 km, 1 h 30 min\n\n${'🏃'.repeat(2000)}…`, 'a long one is cut')
})

t.test('the day of an event does not depend on the time zone of the server', async (t) => {
  const { TZ } = process.env
  t.teardown(() => {
    if (TZ === undefined) delete process.env.TZ
    else process.env.TZ = TZ
  })
  const days = ['2026-03-29', '2026-10-25', '2028-02-29', '1900-01-01', '2199-12-31']
  for (const zone of ['UTC', 'Pacific/Kiritimati', 'Pacific/Niue', 'America/Sao_Paulo', 'Europe/Berlin']) {
    process.env.TZ = zone
    const text = feedEvents(days.map((date) => ({ ...EVENT, date })), 'metric')
    const read = [...text.matchAll(/DTSTART;VALUE=DATE:(\d+)\r\nDTEND;VALUE=DATE:(\d+)\r\n/g)]
    t.same(read.map(([, start, end]) => [start, end]), [
      ['20260329', '20260330'], ['20261025', '20261026'], ['20280229', '20280301'], ['19000101', '19000102'],
      ['21991231', '22000101']
    ], zone)
    t.equal([...text.matchAll(/DTSTAMP:20261001T120000Z/g)].length, days.length)
  }
})

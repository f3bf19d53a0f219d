import t from 'tap'
import { localDate } from '../../src/domain/local-day.ts'
import { startService, type Answer, type Runner } from '../harness/service.ts'

const { runner, lines } = await startService(t)

/** A zone in which it is about noon, so that no test runs over midnight. */
const hour = new Date().getUTCHours()
const ZONE = hour === 12 ? 'UTC' : `Etc/GMT${hour > 12 ? '+' : '-'}${Math.abs(hour - 12)}`
const TODAY = localDate(Date.now(), ZONE)
/** ISO, 1 = Monday … 7. */
const WEEKDAY = new Date(TODAY).getUTCDay() || 7
const dayAfter = (days: number) => new Date(Date.parse(TODAY) + days * 86_400_000).toISOString().slice(0, 10)

async function make (ann: Runner, path: string, body: object): Promise<Answer['body']> {
  const answer = await ann.call('POST', path, body)
  if (answer.status !== 201) throw new Error(`${path} ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** Enters a run of ten kilometres at noon of a day, so many days from today. */
async function run (ann: Runner, days: number, more: object = {}): Promise<Answer['body']> {
  const start = new Date(Date.now() + days * 86_400_000).toISOString()
  const body = { sport: 'running', start_time: start, distance_m: 10_000, elapsed_s: 3000, ...more }
  return await make(ann, '/activities', body)
}

async function athlete (firstWeekday = 1): Promise<Runner> {
  const ann = await runner()
  await ann.call('PATCH', '/me', { timezone: ZONE, first_weekday: firstWeekday })
  return ann
}

const GOAL = { metric: 'distance', period: 'week', target: 50_000 }

t.test('a goal is created, listed, read, changed and deleted by its owner', async (t) => {
  const ann = await athlete()
  const body = { ...GOAL, period: 'custom', from: dayAfter(-3), to: dayAfter(6), name: '🎯 Ten days' }
  const made = await ann.call('POST', '/goals', body)
  t.equal(made.status, 201)
  t.equal(made.headers.location, `/api/v1/goals/${made.body.id}`)
  const { id, created_at, updated_at, ...rest } = made.body
  t.same(rest, {
    ...body,
    sport: 'running',
    progress: {
      start_date: dayAfter(-3),
      end_date: dayAfter(6),
      done: 0,
      target: 50_000,
      ratio: 0,
      expected_today: 20_000,
      on_track: false
    }
  })
  const read = await ann.call('GET', `/goals/${id}`)
  t.same(read.body, made.body)
  t.equal(read.headers.etag, made.headers.etag)
  const other = await make(ann, '/goals', GOAL)
  t.match(other, { from: null, to: null, name: null })
  t.same((await ann.call('GET', '/goals')).body.items, [other, made.body])
  const first = await ann.call('GET', '/goals?limit=1')
  t.same((await ann.call('GET', `/goals?limit=1&cursor=${first.body.next_cursor}`)).body.items, [made.body])
  const changed = await ann.call('PATCH', `/goals/${id}`, { name: null, target: 25_000 })
  t.match(changed.body, { name: null, progress: { target: 25_000, expected_today: 10_000 } })
  t.equal((await ann.call('DELETE', `/goals/${id}`)).status, 204)
  t.equal((await ann.call('GET', `/goals/${id}`)).status, 404)
})

t.test('the progress of a goal follows the activities of its days and its sport', async (t) => {
  const ann = await athlete()
  const days = { period: 'custom', from: dayAfter(-2), to: dayAfter(1) }
  const goal = async (more: object) => (await make(ann, '/goals', { ...GOAL, ...days, ...more })).id
  const ids = {
    distance: await goal({ target: 40_000 }),
    duration: await goal({ metric: 'duration', target: 6000 }),
    count: await goal({ metric: 'count', target: 4 }),
    all: await goal({ metric: 'count', target: 4, sport: null }),
    climb: await goal({ metric: 'elevation_gain', target: 100 })
  }
  const progress = async (id: string) => (await ann.call('GET', `/goals/${id}`)).body.progress
  await run(ann, -3)
  const first = await run(ann, -2, { moving_s: 2900 })
  await run(ann, 1)
  await run(ann, 2)
  await run(ann, 0, { sport: 'cycling' })
  t.match(await progress(ids.distance), { done: 20_000, ratio: 0.5, expected_today: 30_000, on_track: false })
  t.match(await progress(ids.duration), { done: 5900, ratio: 0.9833, expected_today: 4500, on_track: true })
  t.match(await progress(ids.count), { done: 2 })
  t.match(await progress(ids.all), { done: 3, on_track: true })
  t.match(await progress(ids.climb), { done: 0 })
  const { body: { items } } = await ann.call('GET', '/goals')
  t.same(items.map((each: Answer['body']) => each.progress.done), [0, 3, 2, 5900, 20_000])
  await ann.call('DELETE', `/activities/${first.id}`)
  t.match(await progress(ids.distance), { done: 10_000 })
})

t.test('a week begins on the first weekday of the runner, in the zone of the runner', async (t) => {
  // The week began today, or yesterday.
  for (const [first, done] of [[WEEKDAY, 10_000], [WEEKDAY === 1 ? 7 : WEEKDAY - 1, 20_000]] as const) {
    const ann = await athlete(first)
    const { id } = await make(ann, '/goals', GOAL)
    for (const days of [-7, -1, 0]) await run(ann, days)
    const { body: { progress } } = await ann.call('GET', `/goals/${id}`)
    const begun = done / 10_000
    t.match(progress, { done, start_date: dayAfter(1 - begun), end_date: dayAfter(7 - begun) })
    t.equal(progress.expected_today, Math.round(50_000 * begun / 7 * 100) / 100)
  }
})

t.test('a run counts for the day on which it began where the runner is', async (t) => {
  const ann = await runner()
  await ann.call('PATCH', '/me', { timezone: 'America/New_York' })
  const goal = async (from: string, to: string) =>
    (await make(ann, '/goals', { ...GOAL, period: 'custom', from, to })).id
  const ids = [await goal('2026-03-07', '2026-03-07'), await goal('2026-03-08', '2026-03-08'), await goal('2026-03-09', '2026-03-09')]
  const at = async (start_time: string, distance_m: number) =>
    await make(ann, '/activities', { sport: 'running', start_time, distance_m, elapsed_s: 3600 })
  // The clocks go forward on the 8th: it begins at 05:00 and ends at 04:00 UTC.
  await at('2026-03-08T04:59:59Z', 1)
  await at('2026-03-08T05:00:00Z', 20)
  await at('2026-03-09T03:59:59Z', 300)
  await at('2026-03-09T04:00:00Z', 4000)
  const done = await Promise.all(ids.map(async (id) => (await ann.call('GET', `/goals/${id}`)).body.progress.done))
  t.same(done, [1, 320, 4000])
})

t.test('the version of a goal changes with its progress, and a change of an older version is refused', async (t) => {
  const ann = await athlete()
  const { body: { id }, headers: { etag } } = await ann.call('POST', '/goals', GOAL)
  t.equal((await ann.call('GET', `/goals/${id}`, undefined, { 'if-none-match': String(etag) })).status, 304)
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, i) => ann.call('PATCH', `/goals/${id}`, { target: 1000 + i }, { 'if-match': String(etag) }))
  )
  t.same(answers.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412])
  const { headers: { etag: before } } = await ann.call('GET', `/goals/${id}`)
  await run(ann, 0)
  t.equal((await ann.call('GET', `/goals/${id}`, undefined, { 'if-none-match': String(before) })).status, 200)
  t.equal((await ann.call('DELETE', `/goals/${id}`, undefined, { 'if-match': String(before) })).status, 412)
  const all = await Promise.all([{ name: 'A' }, { target: 5 }, { sport: null }].map((change) => ann.call('PATCH', `/goals/${id}`, change)))
  t.same(all.map(({ status }) => status), [200, 200, 200])
  t.match((await ann.call('GET', `/goals/${id}`)).body, { name: 'A', target: 5, sport: null })
})

t.test('a goal is its owner’s alone, and so are the activities that count', async (t) => {
  const [ann, bob] = [await athlete(), await athlete()]
  const { id } = await make(ann, '/goals', GOAL)
  await run(bob, 0)
  for (const [method, payload] of [['GET'], ['PATCH', { target: 1 }], ['DELETE']] as const) {
    t.equal((await bob.call(method, `/goals/${id}`, payload)).status, 404, method)
    t.equal((await ann.call(method, `/goals/${id}`, payload, { authorization: '' })).status, 401, method)
  }
  t.same((await bob.call('GET', '/goals')).body.items, [])
  t.match((await ann.call('GET', `/goals/${id}`)).body, { target: 50_000, progress: { done: 0 } })
})

t.test('bad goals are refused, and the field is named', async (t) => {
  const ann = await runner()
  const schema: Array<[string, unknown]> = [
    ['metric', 'glory'], ['metric', undefined], ['period', 'decade'], ['target', 0], ['target', -1], ['target', 1e9],
    ['target', '5'], ['target', null], ['name', ''], ['name', 'x'.repeat(201)], ['from', '2026-02-30'], ['sport', 'quidditch'],
    ['progress', 1]
  ]
  for (const [field, value] of schema) {
    const { status, body } = await ann.call('POST', '/goals', { ...GOAL, [field]: value })
    t.match([status, body.details?.field], [422, field], `${field} ${String(value).slice(0, 20)}`)
  }
  t.equal((await ann.call('POST', '/goals', '{"metric":"distance","period":"week","target":NaN}', { 'content-type': 'application/json' })).status, 400)
  const custom = { ...GOAL, period: 'custom', from: '2026-01-01', to: '2026-12-31' }
  const rules: Array<[string, object]> = [
    ['from', { ...GOAL, period: 'custom' }],
    ['from', { ...custom, from: undefined }],
    ['to', { ...custom, to: undefined }],
    ['to', { ...custom, to: '2025-12-31' }],
    ['to', { ...custom, to: '2199-12-31' }],
    ['to', { ...GOAL, from: '2026-02-01', to: '2026-01-01' }],
    ['target', { ...GOAL, metric: 'count', target: 2.5 }]
  ]
  for (const [field, body] of rules) {
    const answer = await ann.call('POST', '/goals', body)
    t.match([answer.status, answer.body.error_code, answer.body.details?.field], [400, 'VALIDATION_ERROR', field], JSON.stringify(body))
  }
  const { id } = await make(ann, '/goals', custom)
  for (const change of [{ from: null }, { to: null }, { from: '2027-01-01' }, { metric: 'count', target: 0.5 }]) {
    t.equal((await ann.call('PATCH', `/goals/${id}`, change)).status, 400, JSON.stringify(change))
  }
  t.equal((await ann.call('PATCH', `/goals/${id}`, { period: 'week', from: null, to: null })).status, 200)
})

t.test('there was no server error', async (t) => {
  t.same(lines.filter(({ level }) => level === 'ERROR' || level === 'CRITICAL'), [])
})

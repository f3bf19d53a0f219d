import t from 'tap'
import { bind } from '../../db/driver/bind.ts'
import { listActivities } from '../../db/activities.ts'
import type { Sql } from '../../db/sql.ts'
import { STREAM_FIELDS } from '../../src/domain/streams/fields.ts'
import { FORMULA_VERSIONS } from '../../src/domain/training/formula-versions.ts'
import { RECOMPUTE_FIGURES } from '../../src/workflows/recompute-due.ts'
import { fitRun, tcxActivity, tcxOf } from '../harness/fixtures/recordings.ts'
import { EXAMPLES, example, send } from '../harness/imports.ts'
import { startService, type Runner } from '../harness/service.ts'

const { runner, app, database, lines } = await startService(t)
const { sql } = database

const PARTS = ['streams', 'laps', 'splits', 'best-efforts', 'zones', 'chart.svg']

async function imported (ann: Runner, bytes: Buffer) {
  const { status, body } = await send(ann, bytes)
  t.equal(status, 201, JSON.stringify(body))
  return body.activity
}

/** A run of so many seconds at 3 m/s. */
const run = (count: number, records: Array<Record<string, unknown>> = []) => Buffer.from(fitRun({ count, records }))
const total = (items: Array<Record<string, number>>, field: string) =>
  items.reduce((sum, item) => sum + item[field]!, 0)

for (const name of EXAMPLES) {
  t.test(`${name} has streams, laps, splits and best efforts that fit its activity`, async (t) => {
    const ann = await runner()
    const activity = await imported(ann, example(name))
    const read = async (part: string) => (await ann.call('GET', `/activities/${activity.id}/${part}`)).body
    const { points, streams } = await read('streams')
    t.same(Object.keys(streams), STREAM_FIELDS)
    for (const field of STREAM_FIELDS) t.equal(streams[field].length, points, field)
    t.ok(points > 50)
    t.ok(Math.abs(streams.distance_m.at(-1) - activity.distance_m) < 0.02)
    t.ok(streams.speed_m_per_s.every((speed: number) => speed > 1 && speed < 6))
    t.equal(Math.max(...streams.heart_rate_bpm), activity.max_heart_rate_bpm)
    t.equal((await read('laps')).items.length, activity.laps_count)
    for (const unit of ['km', 'mi']) {
      const { items } = await read(`splits?unit=${unit}`)
      for (const field of ['distance_m', 'elapsed_s', 'moving_s', 'elevation_gain_m']) {
        t.ok(Math.abs(total(items, field) - activity[field]) < 0.02, `${unit} ${field}`)
      }
    }
    t.same(await read('splits'), await read('splits?unit=km'))
    const { items: efforts } = await read('best-efforts')
    t.equal(efforts.length, [400, 800, 1000, 1609, 3218, 5000].filter((metres) => metres < activity.distance_m).length)
    t.same(Object.keys(efforts[0]), ['distance_m', 'name', 'elapsed_s', 'start_s', 'pace_s_per_km'])
    t.same(await read('zones'), { heart_rate: null, pace: null }, 'no zones without settings')
  })
}

t.test('zones follow the settings of the day, also those that come later', async (t) => {
  const ann = await runner()
  const { id, local_date } = await imported(ann, run(600))
  const zones = async () => (await ann.call('GET', `/activities/${id}/zones`)).body
  const settings = { valid_from: '2020-01-01', max_heart_rate_bpm: 190, resting_heart_rate_bpm: 50 }
  t.equal((await ann.call('POST', '/me/physiology', settings)).status, 201)
  const { heart_rate, pace } = await zones()
  t.equal(heart_rate.model, 'karvonen')
  t.same(heart_rate.zones.map(({ low, time_s }: Record<string, number>) => [low, time_s]),
    [[120, 0], [134, 0], [148, 599], [162, 0], [176, 0]])
  t.equal(pace, null)
  await ann.call('POST', '/me/physiology', { valid_from: local_date, threshold_pace_s_per_km: 330 })
  const tagged = await ann.call('GET', `/activities/${id}/zones`)
  t.match(tagged.body.pace.zones[4], { zone: 5, low: 320.1, high: 333.3, time_s: 0 })
  t.equal(total(tagged.body.pace.zones, 'time_s'), 599)
  const later = await ann.call('POST', '/me/physiology', { valid_from: '2030-01-01', max_heart_rate_bpm: 200 })
  t.equal(later.status, 201)
  t.same(await zones(), tagged.body, 'settings of a later day change nothing')
})

t.test('fields and points are as the client asks', async (t) => {
  const ann = await runner()
  const { id } = await imported(ann, run(500, [{}, {}, { heartRate: 190 }]))
  const read = async (query: string) => await ann.call('GET', `/activities/${id}/streams?${query}`)
  const { body } = await read('fields=heart_rate_bpm,time_s&points=20')
  t.same(Object.keys(body.streams), ['time_s', 'heart_rate_bpm'])
  t.ok(body.points <= 20 && body.points > 12)
  t.same([body.streams.time_s[0], body.streams.time_s.at(-1)], [0, 499])
  t.ok(body.streams.heart_rate_bpm.includes(190), 'the extreme survives')
  t.same((await read('fields=time_s&points=20')).body.streams.time_s, body.streams.time_s, 'the same rows')
  const { body: fewest } = await read('fields=power_w&points=10')
  t.ok(fewest.points > 4 && fewest.points <= 10)
  t.same(fewest.streams.power_w, Array(fewest.points).fill(null))
  for (const query of [
    'fields=pace', 'fields=', 'fields=time_s,', 'fields=time_s,toString', 'points=9', 'points=10001', 'points=x',
    'resolution=high'
  ]) t.equal((await read(query)).status, 422, query)
  t.equal((await ann.call('GET', `/activities/${id}/splits?unit=yd`)).status, 422)
})

t.test('a recording that takes longer is sampled on another thread, to the same answer', async (t) => {
  const ann = await runner()
  const { id } = await imported(ann, run(12_000))
  const { status, body } = await ann.call('GET', `/activities/${id}/streams?points=10000`)
  t.equal(status, 200)
  t.ok(body.points > 9900 && body.points <= 10_000)
  t.equal(body.streams.time_s.at(-1), 11_999)
  const both = await Promise.all([1, 2].map(() => ann.call('GET', `/activities/${id}/streams?points=50`)))
  t.same(both[0]!.body, both[1]!.body)
})

t.test('an activity has a chart, by its path or by what is accepted', async (t) => {
  const ann = await runner()
  // The longer one is drawn on another thread.
  for (const count of [600, 12_000]) {
    const { id } = await imported(ann, run(count))
    const url = `/activities/${id}/chart.svg`
    const { status, headers, raw } = await ann.call('GET', url)
    t.equal(status, 200)
    t.match(headers, { 'content-type': /^image\/svg\+xml/, 'content-security-policy': /^default-src 'none'; style-src/ })
    t.match(raw.toString(), /^<svg .*Pace, min\/km.*Heart rate, bpm.*Altitude, m.*<\/svg>$/s)
    const accepted = await ann.call('GET', `/activities/${id}/streams`, undefined, { accept: 'image/svg+xml' })
    t.same([accepted.raw, accepted.headers.vary], [raw, 'Accept'])
    const figures = await ann.call('GET', `/activities/${id}/streams`)
    t.same([figures.headers.vary, figures.body.points > 0], ['Accept', true])
    t.not(figures.headers.etag, headers.etag)
    const known = { 'if-none-match': String(headers.etag) }
    t.equal((await ann.call('GET', url, undefined, known)).status, 304)
    await ann.call('PATCH', '/me', { units: 'imperial' })
    t.match((await ann.call('GET', url, undefined, known)).raw.toString(), /Pace, min\/mi/)
    await ann.call('PATCH', '/me', { units: 'metric' })
    await ann.call('DELETE', `/activities/${id}`)
  }
  const { body } = await ann.call('POST', '/activities', { sport: 'running', start_time: '2025-01-01T08:00:00Z', elapsed_s: 600 })
  t.match((await ann.call('GET', `/activities/${body.id}/chart.svg`)).raw.toString(), /No recording to draw/)
})

t.test('each activity of a file has streams of its own', async (t) => {
  const ann = await runner()
  const two = tcxOf(`<Activities>${tcxActivity({ count: 90 })}${tcxActivity({ count: 60, from: 500 })}</Activities>`)
  const { body } = await send(ann, Buffer.from(two))
  const lengths = await Promise.all(body.activities.map(async ({ id }: { id: string }) =>
    (await ann.call('GET', `/activities/${id}/streams?fields=time_s`)).body.points))
  t.same(lengths, [90, 60])
})

t.test('an activity entered by hand has nothing in each part', async (t) => {
  const ann = await runner()
  const { body: { id } } = await ann.call('POST', '/activities', {
    sport: 'running', start_time: '2024-03-01T06:30:00Z', distance_m: 5000, elapsed_s: 1500
  })
  const read = async (part: string) => (await ann.call('GET', `/activities/${id}/${part}`)).body
  t.same(await read('streams?fields=time_s,power_w'), { points: 0, streams: { time_s: [], power_w: [] } })
  for (const part of ['laps', 'splits', 'best-efforts']) t.same(await read(part), { items: [] }, part)
  t.same(await read('zones'), { heart_rate: null, pace: null })
})

t.test('the parts of an activity are its owner\'s alone', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const { id } = await imported(ann, run(60))
  for (const part of PARTS) {
    t.equal((await bob.call('GET', `/activities/${id}/${part}`)).status, 404, part)
    t.equal((await app.inject(`/api/v1/activities/${id}/${part}`)).statusCode, 401, part)
    t.equal((await ann.call('HEAD', `/activities/${id}/${part}`)).status, 200, part)
  }
  t.equal((await bob.call('PUT', `/activities/${id}/crop`, { from_s: 0, to_s: 20 })).status, 404)
  t.equal((await bob.call('DELETE', `/activities/${id}/crop`)).status, 404)
})

t.test('each part has an entity tag that a change of the activity replaces', async (t) => {
  const ann = await runner()
  const { id } = await imported(ann, run(120))
  for (const part of PARTS) {
    const url = `/activities/${id}/${part}`
    const { headers: { etag } } = await ann.call('GET', url)
    const again = await ann.call('GET', url, undefined, { 'if-none-match': String(etag) })
    t.same([again.status, again.raw.length], [304, 0], part)
    t.equal((await ann.call('PUT', `/activities/${id}/crop`, { from_s: 0, to_s: 60 })).status, 200)
    t.equal((await ann.call('GET', url, undefined, { 'if-none-match': String(etag) })).status, 200, part)
    await ann.call('DELETE', `/activities/${id}/crop`)
  }
})

t.test('a crop changes everything that is computed, and taking it back restores it', async (t) => {
  const ann = await runner()
  await ann.call('POST', '/me/physiology', { valid_from: '2020-01-01', threshold_pace_s_per_km: 300 })
  const bytes = run(1201)
  const { id } = await imported(ann, bytes)
  const url = `/activities/${id}`
  const everything = async () => Object.fromEntries(await Promise.all(
    ['', ...PARTS.map((part) => `/${part}`)].map(async (part) => {
      const { revision, updated_at, ...body } = (await ann.call('GET', url + part)).body
      return [part, body]
    })
  ))
  const before = await everything()
  const cropped = await ann.call('PUT', `${url}/crop`, { from_s: 100.5, to_s: 700.5 })
  t.equal(cropped.status, 200)
  t.match(cropped.body, {
    crop: { from_s: 100.5, to_s: 700.5 }, distance_m: 1800, elapsed_s: 600, start_time: '2024-01-15T10:31:40.500Z'
  })
  t.same(cropped.body.device, before['']!.device, 'what the watch said is of the whole')
  t.ok(Math.abs(cropped.body.load - before['']!.load / 2) < 0.5)
  t.same((await ann.call('GET', url)).body, cropped.body)
  const part = await everything()
  t.same(part['/splits'].items.map(({ distance_m }: Record<string, number>) => distance_m), [1000, 800])
  t.equal(part['/streams'].streams.time_s.at(-1), 600)
  t.equal(part['/best-efforts'].items.at(-1).name, '1 mile')
  const second = await ann.call('PUT', `${url}/crop`, { from_s: 0, to_s: 1200 })
  t.match(second.body, { distance_m: 3600, elapsed_s: 1200, crop: { to_s: 1200 } }, 'seconds of the whole recording')
  t.ok((await ann.call('GET', `${url}/file`)).raw.equals(bytes), 'the original is as it was')
  const whole = await ann.call('DELETE', `${url}/crop`)
  t.equal(whole.status, 200)
  t.same(await everything(), before)
  t.equal((await ann.call('DELETE', `${url}/crop`)).headers.etag, whole.headers.etag, 'twice changes nothing')
})

t.test('a crop outside of the recording, or too short, or of no recording, is refused', async (t) => {
  const ann = await runner()
  const { id } = await imported(ann, run(301))
  const crop = async (body: object) => (await ann.call('PUT', `/activities/${id}/crop`, body)).status
  for (const [from_s, to_s] of [[-1, 60], [0, 300.5], [100, 109.9], [200, 100], [0, 1e300], [400, 500]]) {
    t.equal(await crop({ from_s, to_s }), 400, `${from_s} to ${to_s}`)
  }
  for (const body of [{}, { from_s: 0 }, { from_s: '0', to_s: 60 }, { from_s: 0, to_s: 60, by: 1 }, { from_s: null, to_s: 60 }]) {
    t.equal(await crop(body), 422, JSON.stringify(body))
  }
  t.equal(await crop({ from_s: 0, to_s: 300 }), 200)
  const { body: manual } = await ann.call('POST', '/activities', {
    sport: 'running', start_time: '2024-03-01T06:30:00Z', elapsed_s: 1500
  })
  t.equal((await ann.call('PUT', `/activities/${manual.id}/crop`, { from_s: 0, to_s: 60 })).status, 400)
  t.equal((await ann.call('DELETE', `/activities/${manual.id}/crop`)).status, 200)
})

t.test('a crop is conditional, and of two at once each is applied whole', async (t) => {
  const ann = await runner()
  const { id } = await imported(ann, run(301))
  const { headers: { etag } } = await ann.call('GET', `/activities/${id}`)
  const crop = async (to_s: number, tag?: unknown) => await ann.call(
    'PUT', `/activities/${id}/crop`, { from_s: 0, to_s }, tag === undefined ? {} : { 'if-match': String(tag) }
  )
  t.equal((await crop(60, '"another"')).status, 412)
  const first = await crop(60, etag)
  t.equal(first.status, 200)
  t.equal((await crop(70, etag)).status, 412)
  t.equal((await crop(70, first.headers.etag)).status, 200)
  const both = await Promise.all([crop(100), crop(200)])
  t.same(both.map(({ status, body }) => [status, body.distance_m]), [[200, 300], [200, 600]])
  const { body } = await ann.call('GET', `/activities/${id}`)
  const { body: streams } = await ann.call('GET', `/activities/${id}/streams?fields=time_s`)
  t.equal(streams.streams.time_s.at(-1), body.crop.to_s)
})

t.test('what was imported before is computed in the background, the newest first', async (t) => {
  const ann = await runner()
  const old = await imported(ann, example('easy-run.fit'))
  const { id } = await imported(ann, example('track-session.tcx'))
  const read = async (part: string) => await ann.call('GET', `/activities/${id}/${part}`)
  const before = await Promise.all(PARTS.map(async (part) => (await read(part)).body))
  const activity = (await ann.call('GET', `/activities/${id}`)).body
  for (const table of ['activity_streams', 'activity_figures', 'best_efforts']) {
    await sql.executor.run(Object.assign([`/* test */ delete from ${table}`], { raw: [] }) as never, [])
  }
  await sql`/* test */ update activities set distance_m = 1 where user_id = ${ann.id} and activity_id = ${id}`
  await sql`/* test */ insert into recomputations (user_id, activity_id, start_time) values (${ann.id}, ${old.id}, ${old.start_time}::timestamptz)`
  const early = await read('splits')
  t.equal(early.status, 503)
  t.ok(Number(early.headers['retry-after']) > 0)
  const [first] = await sql`/* test */ select activity_id from recomputations order by start_time desc limit 1`
  t.equal(first?.activity_id, id)
  await app.jobs.run(RECOMPUTE_FIGURES)
  t.same(await Promise.all(PARTS.map(async (part) => (await read(part)).body)), before)
  const { updated_at, ...figures } = (await ann.call('GET', `/activities/${id}`)).body
  t.same({ ...figures, updated_at: activity.updated_at }, activity, 'the figures of the activity too')
  t.equal((await ann.call('GET', `/activities/${old.id}/splits`)).status, 200)
  t.same(await sql`/* test */ select from recomputations where user_id = ${ann.id}`, [])
})

t.test('figures of an earlier formula are answered, and computed again', async (t) => {
  const ann = await runner()
  const { id } = await imported(ann, run(600))
  const read = async () => await ann.call('GET', `/activities/${id}/splits`)
  const { body, headers } = await read()
  await sql`/* test */ update activity_figures set formula_version = 0, splits_km = '[]' where user_id = ${ann.id}`
  t.same((await read()).body, { items: [] })
  await app.jobs.run(RECOMPUTE_FIGURES)
  const again = await read()
  t.same(again.body, body)
  t.not(again.headers.etag, headers.etag)
  const [row] = await sql`/* test */ select formula_version from activity_figures where user_id = ${ann.id}`
  t.equal(row?.formula_version, FORMULA_VERSIONS.recording)
})

t.test('work that a process left undone is taken up when its time is over', async (t) => {
  const ann = await runner()
  const { id, start_time } = await imported(ann, run(60))
  await sql`/* test */ delete from activity_figures where user_id = ${ann.id}`
  await sql`/* test */ insert into recomputations (user_id, activity_id, start_time, due_at, attempts) values (${ann.id}, ${id}, ${start_time}::timestamptz, now() + interval '1 minute', 1)`
  await app.jobs.run(RECOMPUTE_FIGURES)
  t.equal((await ann.call('GET', `/activities/${id}/laps`)).status, 503, 'not before')
  await sql`/* test */ update recomputations set due_at = now() where user_id = ${ann.id}`
  await app.jobs.run(RECOMPUTE_FIGURES)
  t.equal((await ann.call('GET', `/activities/${id}/laps`)).status, 200)
})

t.test('an original that cannot be read any more is not tried for ever', async (t) => {
  const ann = await runner()
  const { id } = await imported(ann, run(60))
  await sql`/* test */ delete from activity_figures where user_id = ${ann.id}`
  await sql`/* test */ delete from activity_streams where user_id = ${ann.id}`
  await ann.call('GET', `/activities/${id}/laps`)
  await sql`/* test */ update recomputations set attempts = 5 where user_id = ${ann.id}`
  await app.jobs.run(RECOMPUTE_FIGURES)
  t.same((await ann.call('GET', `/activities/${id}/splits`)).body, { items: [] })
  t.equal((await ann.call('GET', `/activities/${id}/streams?fields=time_s`)).body.points, 0)
})

t.test('loads follow new and deleted settings, of recordings and of what was entered by hand', async (t) => {
  const ann = await runner()
  const recorded = await imported(ann, run(1201))
  const { body: manual } = await ann.call('POST', '/activities', {
    sport: 'running', start_time: '2024-03-01T06:30:00Z', distance_m: 3600, elapsed_s: 1200
  })
  const loads = async () => {
    await app.jobs.run(RECOMPUTE_FIGURES)
    return await Promise.all([recorded.id, manual.id].map(async (id) => {
      const { body: { load, load_model } } = await ann.call('GET', `/activities/${id}`)
      return [load === null ? null : Math.round(load), load_model]
    }))
  }
  t.same(await loads(), [[null, null], [null, null]])
  const { body } = await ann.call('POST', '/me/physiology', { valid_from: '2020-01-01', threshold_pace_s_per_km: 300 })
  t.same(await loads(), [[27, 'rtss'], [27, 'rtss']])
  await ann.call('POST', '/me/physiology', { valid_from: '2024-02-01', threshold_pace_s_per_km: 333.33 })
  t.same(await loads(), [[27, 'rtss'], [33, 'rtss']], 'from their day on')
  await ann.call('DELETE', `/me/physiology/${body.id}`)
  t.same(await loads(), [[null, null], [33, 'rtss']])
})

t.test('best efforts follow a change of the sport', async (t) => {
  const ann = await runner()
  const { id } = await imported(ann, run(600))
  const efforts = async () => {
    await app.jobs.run(RECOMPUTE_FIGURES)
    return (await ann.call('GET', `/activities/${id}/best-efforts`)).body.items.length
  }
  t.equal(await efforts(), 4)
  await ann.call('PATCH', `/activities/${id}`, { sport: 'hiking' })
  t.equal(await efforts(), 0)
  await ann.call('PATCH', `/activities/${id}`, { sport: 'running', name: 'Home' })
  t.equal(await efforts(), 4)
  t.match((await ann.call('GET', `/activities/${id}`)).body, { sport: 'running', name: 'Home', distance_m: 1797 })
})

t.test('a list of activities reads neither streams nor figures', async (t) => {
  const ann = await runner()
  const plans: unknown[] = []
  const explained: Sql = bind({
    run: async (strings, values) => {
      const [first, ...rest] = strings
      const text = [first!.replace('*/', '*/ explain (format json)'), ...rest]
      const rows = await sql.executor.run(Object.assign(text, { raw: text }) as never, values)
      plans.push(...rows)
      return []
    },
    transaction: () => { throw new Error('a list needs none') }
  })
  await listActivities(explained, ann.id, { limit: 50 })
  const relations = new Set([...JSON.stringify(plans).matchAll(/"Relation Name":"(\w+)"/g)].map(([, name]) => name))
  t.ok(relations.has('activities'))
  t.same([...relations].filter((name) => /streams|figures|efforts|chunks/.test(name!)), [])
})

t.test('there was no error but those of work to be done yet', async (t) => {
  t.same(lines.filter(({ level, status_code }) =>
    (level === 'ERROR' || level === 'CRITICAL') && status_code !== 503), [])
})

import t from 'tap'
import { startService } from '../harness/service.ts'
import type { Runner } from '../harness/service.ts'
import { localDate } from '../../src/domain/local-day.ts'
import { addDays } from '../../src/domain/days.ts'
import { moment, tcxOf } from '../harness/fixtures/recordings.ts'
import { send } from '../harness/imports.ts'
import { RECOMPUTE_FIGURES } from '../../src/workflows/recompute-due.ts'

const { app, runner, database } = await startService(t)

/** A run by hand: of an hour at an effort of 7, whose load is 100, unless it says otherwise. */
async function run (ann: Runner, start_time: string, more: object = {}): Promise<string> {
  const { status, body } = await ann.call('POST', '/activities', {
    sport: 'running', start_time, elapsed_s: 3600, distance_m: 10_000, perceived_effort: 7, ...more
  })
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body.id
}

const items = async (ann: Runner, query: string) => (await ann.call('GET', `/analytics/volume?${query}`)).body.items
const days = async (ann: Runner, query: string) => (await ann.call('GET', `/analytics/load?${query}`)).body.days

t.test('volume is summed by local period, empty periods included', async (t) => {
  const ann = await runner()
  await ann.call('PATCH', '/me', { timezone: 'America/New_York' })
  // 23:30 on the Saturday before the clocks go forward, and 04:30 on the Sunday.
  await run(ann, '2025-03-09T04:30:00Z')
  await run(ann, '2025-03-09T08:30:00Z', { distance_m: 5000, elapsed_s: 1800 })
  await run(ann, '2025-03-25T12:00:00Z', { sport: 'cycling', distance_m: 40_000 })

  const zero = { distance_m: 0, duration_s: 0, count: 0, elevation_gain_m: 0 }
  t.same(await items(ann, 'by=day&from=2025-03-08&to=2025-03-10'), [
    { ...zero, start_date: '2025-03-08', distance_m: 10_000, duration_s: 3600, count: 1 },
    { ...zero, start_date: '2025-03-09', distance_m: 5000, duration_s: 1800, count: 1 },
    { ...zero, start_date: '2025-03-10' }
  ])
  const weeks = await items(ann, 'by=week&from=2025-03-03&to=2025-03-30')
  t.same(weeks.map(({ start_date, count }: { start_date: string, count: number }) => [start_date, count]),
    [['2025-03-03', 2], ['2025-03-10', 0], ['2025-03-17', 0], ['2025-03-24', 1]])
  await ann.call('PATCH', '/me', { first_weekday: 7 })
  t.same((await items(ann, 'by=week&from=2025-03-03&to=2025-03-15'))
    .map(({ start_date, count }: { start_date: string, count: number }) => [start_date, count]),
  [['2025-03-02', 1], ['2025-03-09', 1]])
  t.match(await items(ann, 'by=month&from=2025-02-01&to=2025-04-30&sport=running'),
    [{ start_date: '2025-02-01', count: 0 }, { start_date: '2025-03-01', count: 2, distance_m: 15_000 }, { count: 0 }])
  t.match(await items(ann, 'by=year&from=2024-01-01&to=2025-12-31'), [{ count: 0 }, { distance_m: 55_000, count: 3 }])
  t.equal((await items(ann, '')).length, 12, 'by default the last twelve weeks')
  t.same((await items(await runner(), 'by=year&from=2025-01-01&to=2025-12-31')), [{ ...zero, start_date: '2025-01-01' }])
})

t.test('load has the figures of the model, the same in every range, and follows an edit at once', async (t) => {
  const ann = await runner()
  const ids = []
  for (let day = 0; day < 42; day++) ids.push(await run(ann, `${addDays('2024-01-01', day)}T10:00:00Z`))
  const all = await days(ann, 'from=2023-12-30&to=2024-02-12')
  t.equal(all.length, 45)
  t.match(all[0], { date: '2023-12-30', load: 0, ctl: 0, atl: 0, acwr: { rolling: null, ewma: null, uncoupled: null } })
  t.match(all[2], { date: '2024-01-01', load: 100, ctl: 2.3528, atl: 13.3122, form_prior_day: 0, form_same_day: -10.9594 })
  t.match(all[43], {
    date: '2024-02-11',
    load: 100,
    ctl: 63.2121,
    atl: 99.7521,
    planned_load: null,
    forecast: false,
    acwr: { rolling: 1, ewma: 1, uncoupled: 1 },
    monotony: null,
    strain: null
  })
  t.match(all[28], { date: '2024-01-27', acwr: { rolling: null } }, 'not yet 28 days')
  t.match(all[29], { date: '2024-01-28', acwr: { rolling: 1 } })
  t.equal(all[44].load, 0, 'a day of rest is a zero')
  t.ok(all[44].ctl < all[43].ctl && all[44].monotony > 0)
  t.same(await days(ann, 'from=2024-02-11&to=2024-02-12'), all.slice(43), 'a part is as in the whole')

  await ann.call('DELETE', `/activities/${ids[0]}`)
  await ann.call('PATCH', `/activities/${ids[1]}`, { perceived_effort: 3.5 })
  const after = await days(ann, 'from=2024-01-01&to=2024-02-12')
  t.match(after[0], { load: 0, ctl: 0 })
  t.match(after[1], { load: 50 })
  t.ok(after.slice(1).every(({ ctl }: { ctl: number }, i: number) => ctl < all[i + 3].ctl), 'every later day changes')
  t.equal((await days(ann, '')).length, 90)
  t.ok((await days(await runner(), '')).every(({ ctl, load }: { ctl: number, load: number }) => ctl === 0 && load === 0))
})

t.test('a forecast goes on with what is planned and still to be done', async (t) => {
  const ann = await runner()
  const today = localDate(Date.now(), 'UTC')
  const [yesterday, tomorrow] = [addDays(today, -1), addDays(today, 1)]
  await ann.call('POST', '/me/physiology', { valid_from: '2020-01-01', threshold_pace_s_per_km: 240 })
  const plan = (await ann.call('POST', '/plans', {
    name: 'Spring', start_date: yesterday, end_date: addDays(today, 60), status: 'active'
  })).body
  for (const date of [yesterday, today, tomorrow]) {
    const { status } = await ann.call('POST', `/plans/${plan.id}/workouts`, {
      date, kind: 'tempo', name: 'Tempo', planned_distance_m: 10_000, planned_duration_s: 2400
    })
    t.equal(status, 201)
  }
  const query = `from=${yesterday}&to=${addDays(today, 30)}`
  const plain = await days(ann, query)
  t.ok(plain.every((day: { planned_load: null, forecast: boolean }) => day.planned_load === null && !day.forecast))
  const forecast = await days(ann, `${query}&forecast=true`)
  t.match(forecast[0], { date: yesterday, planned_load: null, forecast: false, ctl: 0 }, 'a missed one does not count')
  t.ok(forecast[1].planned_load > 60 && forecast[1].forecast, 'today')
  t.ok(forecast[2].planned_load > 60 && forecast[2].ctl > forecast[1].ctl, 'tomorrow')
  t.match(forecast[3], { planned_load: null, forecast: false })
  t.ok(forecast[31].ctl > 0 && forecast[31].ctl < forecast[2].ctl, 'fitness fades after it')
  await ann.call('PATCH', `/plans/${plan.id}`, { status: 'draft' })
  t.same(await days(ann, `${query}&forecast=true`), plain, 'a draft is not carried out')
})

/** A recorded run of ten minutes at 3 m/s and a heart rate, `day` days after 2024-01-15. */
async function recorded (ann: Runner, day: number, heartRate: number | null, sport = 'Running'): Promise<string> {
  const at = (t: number) => moment(day * 86_400 + t).toISOString()
  const points = Array.from({ length: 601 }, (_, t) => `<Trackpoint><Time>${at(t)}</Time>` +
    `<DistanceMeters>${t * 3}</DistanceMeters>` +
    (heartRate === null ? '' : `<HeartRateBpm><Value>${heartRate}</Value></HeartRateBpm>`) + '</Trackpoint>')
  const { status, body } = await send(ann, Buffer.from(tcxOf(`<Activities><Activity Sport="${sport}"><Id>${at(0)}</Id>` +
    `<Lap StartTime="${at(0)}"><TotalTimeSeconds>600</TotalTimeSeconds><DistanceMeters>1800</DistanceMeters>` +
    `<Track>${points.join('')}</Track></Lap></Activity></Activities>`)))
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body.activity.id
}

const zones = async (ann: Runner, query = 'from=2024-01-01&to=2024-03-31') =>
  (await ann.call('GET', `/analytics/zones?${query}`)).body
/** Resolves when nothing of the runner waits to be computed again. */
async function settled (ann: Runner): Promise<void> {
  await app.jobs.run(RECOMPUTE_FIGURES)
  if ((await zones(ann)).pending !== null) throw new Error('Figures still wait to be computed again')
}
const timesOf = ({ zones }: { zones: Array<{ zone: number, time_s: number }> }) =>
  zones.filter(({ time_s }) => time_s > 0).map(({ zone, time_s }) => [zone, time_s])

t.test('time in zones is added up, each activity by the settings of its day', async (t) => {
  const ann = await runner()
  t.match(await zones(ann), { heart_rate: null, pace: null, reason: /no activity/, pending: null, from: '2024-01-01' })
  await recorded(ann, 0, 150)
  t.match(await zones(ann), { heart_rate: null, pace: null, reason: /no maximum .*\. There is no threshold pace/ })

  // 333 s/km are zone 4 of a threshold of 330, and zone 2 of one of 280.
  await ann.call('POST', '/me/physiology', {
    valid_from: '2024-01-01', max_heart_rate_bpm: 190, resting_heart_rate_bpm: 50, threshold_pace_s_per_km: 330
  })
  await settled(ann)
  const first = await zones(ann)
  t.match(first, { heart_rate: { model: 'karvonen', limits_on: '2024-03-31', other_models_s: 0 }, reason: null })
  t.same(first.heart_rate.zones.map(({ low, high }: Record<string, number>) => [low, high]),
    [[120, 134], [134, 148], [148, 162], [162, 176], [176, null]])
  t.same([timesOf(first.heart_rate), timesOf(first.pace)], [[[3, 600]], [[4, 600]]])

  await ann.call('POST', '/me/physiology', { valid_from: '2024-02-01', max_heart_rate_bpm: 170, threshold_pace_s_per_km: 280 })
  const fast = await recorded(ann, 20, 175)
  await settled(ann)
  const both = await zones(ann)
  t.same([timesOf(both.heart_rate), timesOf(both.pace)], [[[3, 600], [5, 600]], [[2, 600], [4, 600]]])
  t.equal(both.heart_rate.zones[4].low, 158, 'above the maximum is in the highest zone, and the limits are the newest')
  t.same(timesOf((await zones(ann, 'from=2024-02-01&to=2024-02-29')).heart_rate), [[5, 600]])
  t.same((await zones(ann, 'from=1900-01-01&to=2199-12-31')).pace.zones, both.pace.zones, 'of 300 years')

  await recorded(ann, 30, 120, 'Biking')
  await recorded(ann, 31, null)
  await run(ann, '2024-02-20T10:00:00Z', { average_heart_rate_bpm: 150 })
  const mixed = await zones(ann)
  t.same([timesOf(mixed.heart_rate), timesOf(mixed.pace)],
    [[[1, 600], [3, 600], [5, 600]], [[2, 1200], [4, 600]]], 'what was not recorded has no zones')
  t.match(await zones(ann, 'from=2024-01-01&to=2024-03-31&sport=cycling'), { pace: null, reason: /No run/ })

  await ann.call('POST', '/me/physiology', { valid_from: '2024-02-02', threshold_heart_rate_bpm: 160 })
  await settled(ann)
  t.match((await zones(ann)).heart_rate, { model: 'karvonen', other_models_s: 600 }, 'runs of Friel are told apart')
  t.same(timesOf((await zones(ann, 'from=2024-02-02&to=2024-03-31&sport=running')).heart_rate), [[7, 600]])

  t.equal((await ann.call('PUT', `/activities/${fast}/crop`, { from_s: 0, to_s: 240 })).status, 200)
  t.same(timesOf((await zones(ann)).pace), [[2, 840], [4, 600]], 'what is cropped away does not count')
  await ann.call('DELETE', `/activities/${fast}/crop`)
  t.same(timesOf((await zones(ann)).pace), [[2, 1200], [4, 600]])
  await ann.call('PATCH', `/activities/${fast}`, { sport: 'cycling' })
  t.same(timesOf((await zones(ann)).pace), [[2, 600], [4, 600]], 'a ride has no pace zones')
  await ann.call('DELETE', `/activities/${fast}`)
  t.same(timesOf((await zones(ann)).heart_rate), [[1, 600], [3, 600]])
  t.equal((await zones(await runner())).heart_rate, null, 'another runner has none of them')
})

t.test('figures that are being computed again are said to be pending', async (t) => {
  const ann = await runner()
  await recorded(ann, 0, 150)
  await recorded(ann, 40, 150)
  const load = async (query: string) => (await ann.call('GET', `/analytics/load?${query}`)).body.pending
  // It is not due, so that no process takes it meanwhile.
  const queue = async (doneFrom: string | null) => await database.sql`/* queue */
    insert into recomputations (user_id, from_day, after_start_time, due_at)
    values (${ann.id}, '2024-02-01', ${doneFrom}::timestamptz, now() + interval '1 day')
    on conflict (user_id) where activity_id is null do update set after_start_time = excluded.after_start_time
  `
  t.equal(await load('from=2024-01-01&to=2024-03-31'), null)
  await queue(null)
  t.same(await load('from=2024-01-01&to=2024-03-31'), { from: '2024-02-01', until: '2024-03-31' })
  t.same(await load('from=2024-03-01&to=2024-03-31'), { from: '2024-03-01', until: '2024-03-31' }, 'fitness remembers')
  t.equal(await load('from=2024-01-01&to=2024-01-31'), null, 'earlier days do not change')
  t.same((await zones(ann)).pending, { from: '2024-02-01', until: '2024-03-31' })
  await queue('2024-02-20T12:00:00Z')
  t.same((await zones(ann)).pending, { from: '2024-02-01', until: '2024-02-21' }, 'the newest are done first')
  t.equal((await zones(ann, 'from=2024-03-01&to=2024-03-31')).pending, null)
  t.equal((await load('from=2024-03-01&to=2024-03-31')).until, '2024-03-31')
})

t.test('what an earlier version did not store is computed when it is asked for', async (t) => {
  const ann = await runner()
  await ann.call('POST', '/me/physiology', { valid_from: '2024-01-01', threshold_pace_s_per_km: 330 })
  await recorded(ann, 0, 150)
  await settled(ann)
  const before = await zones(ann)
  await database.sql`/* forget */
    update activities set pace_zone_s = null, load_version = 1 where user_id = ${ann.id}
  `
  await database.sql`/* forget */ update best_efforts set year = null where user_id = ${ann.id}`
  t.match(await zones(ann), { pace: null, pending: { from: '2024-01-15', until: '2024-03-31' } })
  await settled(ann)
  t.same(await zones(ann), before)
  const years = await database.sql`/* years */ select distinct year from best_efforts where user_id = ${ann.id}`
  t.same(years, [{ year: 2024 }], 'and the years of best efforts')
})

t.test('ranges that are reversed, too long or no days are refused, and so is what is unknown', async (t) => {
  const ann = await runner()
  for (const path of [
    'volume?from=2025-02-01&to=2025-01-01', 'volume?by=day&from=2000-01-01&to=2025-01-01', 'volume?by=hour',
    'volume?from=2025-02-30', 'volume?from=1899-01-01&to=2025-01-01', 'volume?sport=chess', 'volume?x=1',
    'load?from=2025-02-01&to=2025-01-01', 'load?from=2000-01-01&to=2025-01-01', 'load?forecast=maybe', 'load?from=0',
    'load?from=2022-01-01&to=2025-01-05', 'zones?from=2025-02-01&to=2025-01-01', 'zones?from=1899-01-01',
    'zones?sport=chess', 'zones?by=day'
  ]) {
    const { status, body } = await ann.call('GET', `/analytics/${path}`)
    t.same([path, status, body.error_code], [path, 422, 'REQUEST_VALIDATION_ERROR'])
  }
  for (const path of [
    'volume?by=year&from=1900-01-01&to=2199-12-31', 'load?from=2022-01-01&to=2025-01-04', 'load?from=1900-01-01&to=1901-01-01',
    'load?from=2198-01-01&to=2199-12-31&forecast=true'
  ]) t.same([path, (await ann.call('GET', `/analytics/${path}`)).status], [path, 200])
})

t.test('what cannot be computed is null with the reason, never 0', async (t) => {
  const load = async (ann: Runner, query = 'from=2025-01-01&to=2025-02-28') =>
    (await ann.call('GET', `/analytics/load?${query}`)).body
  const nothing = await runner()
  const rest = await load(nothing)
  t.ok(rest.days.every((day: { load: number, acwr: { rolling: null }, monotony: null, strain: null }) =>
    day.load === 0 && day.acwr.rolling === null && day.monotony === null && day.strain === null), 'rest alone')
  t.match(rest.reason, /workload ratio needs 28 days.*Monotony and strain need seven days/)
  t.match(await zones(nothing), { heart_rate: null, pace: null, reason: /no activity/ })
  t.match((await nothing.call('GET', '/analytics/fitness')).body, { vdot: null, critical_speed: null, reason: /no race/ })
  t.same((await nothing.call('GET', '/analytics/records')).body.items, [])

  const ann = await runner()
  await run(ann, '2025-01-10T10:00:00Z', { perceived_effort: undefined })
  const unknown = await load(ann)
  t.match(unknown.days[9], { date: '2025-01-10', load: null, ctl: 0, atl: 0 }, 'one activity without settings')
  t.match(unknown.reason, /load of one day is unknown/)
  await ann.call('POST', '/me/physiology', { valid_from: '2025-01-01', threshold_pace_s_per_km: 360 })
  await settled(ann)
  const known = await load(ann)
  t.equal(known.days[9].load, 100)
  t.ok(known.days.slice(16, 30).every(({ strain }: { strain: number | null }) => strain === null), 'all seven alike')
  t.equal((await load(ann, 'from=2025-02-07&to=2025-02-07')).reason?.includes('workload ratio') ?? false, true, 'the 29th day')
  for (const day of [11, 16, 20, 25]) await run(ann, `2025-01-${day}T10:00:00Z`)
  await run(ann, '2025-02-06T10:00:00Z')
  t.match(await load(ann, 'from=2025-02-06&to=2025-02-07'), { reason: null, days: [{ acwr: { rolling: Number } }, {}] })

  // A heart rate above the maximum counts as the maximum.
  const bob = await runner()
  await bob.call('POST', '/me/physiology', {
    valid_from: '2024-01-01', max_heart_rate_bpm: 160, resting_heart_rate_bpm: 50, threshold_heart_rate_bpm: 150
  })
  const [above, at] = [await recorded(bob, 0, 200), await recorded(bob, 3, 160)]
  const loadOf = async (id: string) => (await bob.call('GET', `/activities/${id}`)).body.load
  t.ok(await loadOf(at) > 0)
  t.equal(await loadOf(above), await loadOf(at))
})

t.test('load, volume and records are pictures, too, by path or by what is accepted', async (t) => {
  const ann = await runner()
  await run(ann, '2025-03-09T08:30:00Z')
  for (const name of ['load', 'volume']) {
    const query = 'from=2025-03-01&to=2025-03-31'
    const picture = await ann.call('GET', `/analytics/${name}.svg?${query}`)
    t.equal(picture.status, 200)
    t.match(picture.headers, { 'content-type': /^image\/svg\+xml/, 'content-security-policy': /^default-src 'none'; style-src/ })
    t.match(picture.raw.toString(), /^<svg .*<\/svg>$/s)
    const accepted = await ann.call('GET', `/analytics/${name}?${query}`, undefined, { accept: 'image/svg+xml' })
    t.same([accepted.raw.toString(), accepted.headers.vary], [picture.raw.toString(), 'Accept'])
    const figures = await ann.call('GET', `/analytics/${name}?${query}`, undefined, { accept: 'image/*;q=0.5, application/json' })
    t.same([figures.headers['content-type'], figures.headers.vary], ['application/json; charset=utf-8', 'Accept'])
    t.equal((await ann.call('GET', `/analytics/${name}.svg?from=2025-02-01&to=2025-01-01`)).status, 422)
  }
  await recorded(ann, 0, 150)
  const records = await ann.call('GET', '/analytics/records.svg?period=all')
  t.match(records.raw.toString(), /Best efforts of all time, min\/km.*>1 mile</s)
  const accepted = await ann.call('GET', '/analytics/records', undefined, { accept: 'image/svg+xml' })
  t.same([accepted.raw.toString(), accepted.headers.vary], [records.raw.toString(), 'Accept'])
  await ann.call('PATCH', '/me', { units: 'imperial' })
  t.match((await ann.call('GET', '/analytics/records.svg')).raw.toString(), /min\/mi/)
  t.match((await ann.call('GET', '/analytics/records.svg?period=90d')).raw.toString(), /No best efforts in these days/)
  t.equal((await ann.call('GET', '/analytics/records.svg?period=month')).status, 422)
  t.same(Object.keys((await ann.call('GET', '/analytics/records')).body), ['period', 'items'])
})

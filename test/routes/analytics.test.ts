import t from 'tap'
import { startService } from '../harness/service.ts'
import type { Runner } from '../harness/service.ts'
import { localDate } from '../../src/domain/local-day.ts'
import { addDays } from '../../src/domain/days.ts'

const { runner } = await startService(t)

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

t.test('ranges that are reversed, too long or no days are refused, and so is what is unknown', async (t) => {
  const ann = await runner()
  for (const path of [
    'volume?from=2025-02-01&to=2025-01-01', 'volume?by=day&from=2000-01-01&to=2025-01-01', 'volume?by=hour',
    'volume?from=2025-02-30', 'volume?from=1899-01-01&to=2025-01-01', 'volume?sport=chess', 'volume?x=1',
    'load?from=2025-02-01&to=2025-01-01', 'load?from=2000-01-01&to=2025-01-01', 'load?forecast=maybe', 'load?from=0',
    'load?from=2022-01-01&to=2025-01-05'
  ]) {
    const { status, body } = await ann.call('GET', `/analytics/${path}`)
    t.same([path, status, body.error_code], [path, 422, 'REQUEST_VALIDATION_ERROR'])
  }
  for (const path of [
    'volume?by=year&from=1900-01-01&to=2199-12-31', 'load?from=2022-01-01&to=2025-01-04', 'load?from=1900-01-01&to=1901-01-01',
    'load?from=2198-01-01&to=2199-12-31&forecast=true'
  ]) t.same([path, (await ann.call('GET', `/analytics/${path}`)).status], [path, 200])
})

t.test('load and volume are pictures, too, by path or by what is accepted', async (t) => {
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
})

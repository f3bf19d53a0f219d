import t from 'tap'
import { inject, startService } from '../harness/service.ts'

const { app } = await startService(t)
const RACE = '/api/v1/calculators/race'
const LOADS = '/api/v1/calculators/load-model'

async function get (url: string, headers: Record<string, string> = {}) {
  return await inject(app, { method: 'GET', url, headers })
}

t.test('a race result is answered with VDOT, paces and equivalents, without an account', async (t) => {
  const { status, headers, body } = await get(`${RACE}?distance_m=10000&time_s=2400`)
  t.equal(status, 200)
  t.equal(body.vdot, 51.9441)
  t.equal(body.extrapolated, false)
  t.same(body.equivalents.map(({ distance_m }: { distance_m: number }) => distance_m),
    [1500, 1609.344, 3000, 5000, 10_000, 15_000, 21_097.5, 42_195])
  t.match(body.equivalents.at(-1), { name: 'Marathon', riegel_s: 11_040.5, cameron_s: 11_244.5, riegel_extrapolated: true })
  t.match(body.training_paces, { easy: { fast_s_per_km: Number, slow_s_per_km: Number }, threshold: Number })
  t.same(Object.keys(body.models), ['daniels', 'riegel', 'cameron'])
  t.match(headers['cache-control'], /^public, max-age=\d+$/)

  const again = await get(`${RACE}?distance_m=10000&time_s=2400`, { 'if-none-match': String(headers.etag) })
  t.same([again.status, again.body, again.headers.etag], [304, '', headers.etag])
  const other = await get(`${RACE}?distance_m=10000&time_s=2401`, { 'if-none-match': String(headers.etag) })
  t.equal(other.status, 200)
})

t.test('times that the formula was not made for are marked, and those that cannot be are refused', async (t) => {
  for (const [query, extrapolated] of [
    ['distance_m=1000&time_s=209.9', true], ['distance_m=1000&time_s=210', false],
    ['distance_m=42195&time_s=14400', false], ['distance_m=42195&time_s=14401', true],
    ['distance_m=42195&time_s=21600', true], ['distance_m=400&time_s=60', true]
  ] as const) t.same([(await get(`${RACE}?${query}`)).body.extrapolated, query], [extrapolated, query])
  for (const query of [
    'distance_m=5000&time_s=59.9', 'distance_m=42195&time_s=21601', 'distance_m=5000&time_s=-5',
    'distance_m=5000&time_s=700', 'distance_m=1000000000&time_s=3600', 'distance_m=1&time_s=3600',
    `distance_m=${'9'.repeat(400)}&time_s=3600`, `distance_m=5000&time_s=${'9'.repeat(400)}`
  ]) {
    const { status, body } = await get(`${RACE}?${query}`)
    t.same([status, body.error_code, body.details?.field, query.slice(0, 60)], [400, 'VALIDATION_ERROR', 'time_s', query.slice(0, 60)])
  }
  for (const query of ['', 'distance_m=5000', 'distance_m=0&time_s=1200', 'distance_m=-5&time_s=1200',
    'distance_m=NaN&time_s=1200', 'distance_m=5000&time_s=1200&time_s=1300', 'distance_m=5000&time_s=1200&x=1']) {
    t.same([(await get(`${RACE}?${query}`)).status, query], [422, query])
  }
})

t.test('daily loads are answered with the load model of each day and the ratios of the last', async (t) => {
  const { status, headers, body } = await get(`${LOADS}?loads=${new Array(42).fill(100).join(',')}`)
  t.equal(status, 200)
  t.equal(body.days.length, 42)
  t.same(body.days[0], { ctl: 2.3528, atl: 13.3122, form_same_day: -10.9594, form_prior_day: 0 })
  t.match(body.days[41], { ctl: 63.2121, atl: 99.7521 })
  t.same([body.acwr, body.monotony, body.strain], [{ rolling: 1, ewma: 1, uncoupled: 1 }, null, null])
  t.match(headers['cache-control'], /^public/)
  t.equal((await get(`${LOADS}?loads=${new Array(42).fill(100).join(',')}`, { 'if-none-match': '*' })).status, 304)

  const ratios = (await get(`${LOADS}?loads=${[...new Array(21).fill(30), ...new Array(7).fill(50)].join(',')}`)).body
  t.same(ratios.acwr, { rolling: 1.4286, ewma: 1.2497, uncoupled: 1.6667 })
  const week = (await get(`${LOADS}?loads=0,20,10,10,10,10,10`)).body
  t.same([week.monotony, week.strain, week.acwr.rolling], [1.8708, 130.958, null])
  const six = (await get(`${LOADS}?loads=0,20,10,10,10,10`)).body
  t.same([six.monotony, six.strain], [null, null])
})

t.test('loads that are no numbers, or too many, are refused with the place', async (t) => {
  for (const [loads, message] of [
    ['', /loads/], ['10,,10', /number 2/], ['a', /number 1/], ['1,2,-3', /number 3/], ['1,Infinity', /number 2/],
    ['1e3', /number 1/], ['10001', /number 1/], ['%20', /number 1/], [new Array(401).fill(1).join(','), /at most 400/],
    ['9'.repeat(7000), /loads/]
  ] as const) {
    const { status, body } = await get(`${LOADS}?loads=${loads}`)
    t.equal(status, 422, loads.slice(0, 40))
    t.match(JSON.stringify(body), message)
  }
  t.equal((await get(LOADS)).status, 422)
  t.equal((await get(`${LOADS}?loads=${new Array(400).fill(99.5).join(',')}`)).status, 200)
})

t.test('a token is not read: a bad one is no error', async (t) => {
  t.equal((await get(`${RACE}?distance_m=5000&time_s=1200`, { authorization: 'Bearer nonsense' })).status, 200)
})

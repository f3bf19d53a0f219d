import t from 'tap'
import { raceTimeS, vdotOf } from '../../src/domain/training/vdot.ts'
import { send } from '../harness/imports.ts'
import { startService, type Runner } from '../harness/service.ts'

const { runner, database } = await startService(t)
const METRES_PER_DEGREE = 111_195.0802
const DAY_MS = 86_400_000

/** A run due north at a constant speed, a point every 5 s. */
function gpx (startMs: number, speedMPerS: number, seconds: number): Buffer {
  const points = Array.from({ length: seconds / 5 + 1 }, (_, i) => {
    const latitude = 45 + i * 5 * speedMPerS / METRES_PER_DEGREE
    return `<trkpt lat="${latitude.toFixed(8)}" lon="7"><time>${new Date(startMs + i * 5000).toISOString()}</time></trkpt>`
  })
  return Buffer.from('<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1"><trk><type>running</type>' +
    `<trkseg>${points.join('')}</trkseg></trk></gpx>`)
}

async function imported (ann: Runner, startMs: number, speedMPerS: number, seconds: number): Promise<string> {
  const { status, body } = await send(ann, gpx(startMs, speedMPerS, seconds))
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body.activity.id
}

const recordsOf = async (ann: Runner, query = '') => (await ann.call('GET', `/analytics/records${query}`)).body.items
const fiveKm = (items: Array<{ distance_m: number }>) => items.find(({ distance_m }) => distance_m === 5000) as any

t.test('records are the fastest over each distance, with the ten fastest and those before them', async (t) => {
  const ann = await runner()
  t.same(await recordsOf(ann), [])
  const first = await imported(ann, Date.UTC(2025, 0, 1, 8), 4, 1800)
  const slower = await imported(ann, Date.UTC(2025, 1, 1, 8), 3.5, 1800)
  const best = await imported(ann, Date.UTC(2025, 2, 1, 8), 4.5, 1200)
  const items = await recordsOf(ann)
  t.same(items.map(({ name }: { name: string }) => name), ['400 m', '800 m', '1 km', '1 mile', '2 miles', '5 km'])
  const { top, history, best: fastest } = fiveKm(items)
  t.ok(Math.abs(fastest.elapsed_s - 5000 / 4.5) < 0.5)
  t.same(fastest, { elapsed_s: fastest.elapsed_s, activity_id: best, date: '2025-03-01' })
  t.same(top.map(({ activity_id }: { activity_id: string }) => activity_id), [best, first, slower])
  t.same(history.map(({ activity_id }: { activity_id: string }) => activity_id), [first, best], 'the slower one was none')

  await ann.call('PATCH', `/activities/${best}`, { sport: 'cycling' })
  t.equal(fiveKm(await recordsOf(ann)).best.activity_id, first, 'a ride makes no record')
  await ann.call('PUT', `/activities/${first}/crop`, { from_s: 0, to_s: 600 })
  t.equal(fiveKm(await recordsOf(ann)).best.activity_id, slower, 'what is cropped away makes none either')
  await ann.call('DELETE', `/activities/${slower}`)
  t.equal(fiveKm(await recordsOf(ann)), undefined)
  t.same(await recordsOf(await runner()), [], 'another runner has none of them')
})

t.test('the history of records over years is what a look at every run gives', async (t) => {
  const ann = await runner()
  const speeds = [3, 3.4, 3.2, 3.1, 3.5, 3.4, 3.45, 3.6, 3.6, 3.3]
  const ids: string[] = []
  for (const [i, speed] of speeds.entries()) {
    ids.push(await imported(ann, Date.UTC(2016 + Math.floor(i / 2), i % 2 * 6 + 1, 1, 8), speed, 1800))
  }
  const expected = ids.filter((_, i) => speeds.slice(0, i).every((before) => before < speeds[i]!))
  const history = async () =>
    fiveKm(await recordsOf(ann)).history.map(({ activity_id }: { activity_id: string }) => activity_id)
  t.same(await history(), expected)
  await database.sql`/* forget */
    update best_efforts set year = null where user_id = ${ann.id} and activity_id = any(${ids.slice(3, 8)}::uuid[])
  `
  t.same(await history(), expected, 'also where an earlier version stored no year')
  await ann.call('DELETE', `/activities/${ids[1]}`)
  t.same(await history(), [ids[0], ids[2], ids[4], ids[7]], 'what was behind the deleted one comes forward')
  await ann.call('PATCH', `/activities/${ids[4]}`, { sport: 'cycling' })
  t.same(await history(), [ids[0], ids[2], ids[5], ids[6], ids[7]], 'and what was behind a ride')
})

t.test('records of the year and of the last 90 days leave out what is older', async (t) => {
  const ann = await runner()
  const now = Date.now()
  const old = await imported(ann, now - 800 * DAY_MS, 5, 1200)
  const recent = await imported(ann, now - 20 * DAY_MS, 4, 1500)
  t.equal(fiveKm(await recordsOf(ann)).best.activity_id, old)
  for (const { activity_id } of fiveKm(await recordsOf(ann, '?period=90d')).top) t.equal(activity_id, recent)
  t.notOk(JSON.stringify(await recordsOf(ann, '?period=year')).includes(old))
  t.equal((await ann.call('GET', '/analytics/records?period=month')).status, 422)
})

t.test('fitness is of the best effort of the last 90 days, and of a race before all others', async (t) => {
  const ann = await runner()
  const none = (await ann.call('GET', '/analytics/fitness')).body
  t.match(none, { vdot: null, effort: null, predictions: [], training_paces: null, critical_speed: null, reason: /90 days/ })
  const now = Date.now()
  await imported(ann, now - 400 * DAY_MS, 5, 1800)
  t.equal((await ann.call('GET', '/analytics/fitness')).body.vdot, null, 'what is older tells nothing of today')

  const hard = await imported(ann, now - 5 * DAY_MS, 4, 2400)
  const { body } = await ann.call('GET', '/analytics/fitness')
  t.match(body.effort, { activity_id: hard, distance_m: 5000, why: /No race/ })
  t.ok(Math.abs(body.vdot - vdotOf(5000, 1250)) < 0.05)
  const marathon = body.predictions.find(({ name }: { name: string }) => name === 'Marathon')
  t.ok(Math.abs(marathon.daniels_s - raceTimeS(body.vdot, 42_195)) < 0.2)
  t.ok(body.training_paces.easy.slow_s_per_km > body.training_paces.easy.fast_s_per_km)
  t.ok(body.critical_speed !== null || body.reason !== null, 'either, or why there is none')

  const race = await ann.call('POST', '/activities', {
    sport: 'running', start_time: new Date(now - 30 * DAY_MS).toISOString(), elapsed_s: 2700, distance_m: 10_000, is_race: true
  })
  const raced = (await ann.call('GET', '/analytics/fitness')).body
  t.match(raced.effort, { activity_id: race.body.id, distance_m: 10_000, elapsed_s: 2700, why: /race/i })
  t.ok(Math.abs(raced.vdot - vdotOf(10_000, 2700)) < 0.0001, 'as it was run')
})

// What plans cost: `node bench/plans.mjs`. 500 workouts stored at once, new and changed; a plan generated for a half
// marathon; and of a year with a structured workout and a run each day, the calendar, the compliance and the feed. Each
// is to take less than 50 ms of the service's processor time, 500 workouts of 18 steps as a tree less than 100; beside
// it, the time until the answer is there, which includes that of the database, and the longest hold of the event loop
// meanwhile: in a usual request (the median), and in any, which includes pauses of the garbage collector and of the
// machine.
import { readArguments } from './parts/arguments.mjs'
import { CORES, moveTo } from './parts/cores.mjs'
import { fixed, median, quantile } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'

const LIMIT_MS = 50
const DAY_MS = 86_400_000
const { times } = readArguments({ times: 60 })
const WATCH = `import { monitorEventLoopDelay } from 'node:perf_hooks'
const delay = monitorEventLoopDelay({ resolution: 1 }); delay.enable()
process.on('message', () => { process.send({ holdMs: delay.max / 1e6 }); delay.reset() })`
const STEP = {
  type: 'step', intensity: 'active', end: { type: 'distance', value: 1000 }, target: { type: 'pace', low: 250, high: 260 }
}
const STEPS = '- 2km @z2\n- 6x\n  - 1km 4:10-4:20/km\n  - 90s rest\n- 10min cooldown'

moveTo(CORES.load, process.pid)
const fixture = await openFixture({
  runners: 1,
  plans: 1,
  signedIn: 1,
  node: ['--import', `data:text/javascript,${encodeURIComponent(WATCH)}`]
})
const { service, given: { runners: [runner] } } = fixture
await send('POST', '/me/physiology', { valid_from: '2020-01-01', threshold_pace_s_per_km: 270, threshold_heart_rate_bpm: 170 })

const year = dayAfterToday(-364)
const plan = await planOf(year, dayAfterToday(1))
await send('PUT', `/plans/${plan}/workouts`, { workouts: workoutsFrom(year, 365, 'Intervals') })
for (let day = 0; day < 365; day++) {
  await send('POST', '/activities', {
    sport: 'running', start_time: `${dayAfter(year, day)}T00:00:00Z`, elapsed_s: 3000, distance_m: 11_000
  })
}
const { body: { url } } = await send('POST', '/me/calendar-feed')
// As autovacuum does within a minute.
await fixture.database.sql`analyze`

let made = 0
await measure('500 new workouts', async () => {
  // Apart from all others, so that no run finds them.
  const start = dayAfterToday(1000 + 600 * made++)
  const path = `/plans/${await planOf(start, dayAfter(start, 500))}/workouts`
  return () => send('PUT', path, { workouts: workoutsFrom(start, 500, 'Intervals') })
}, { limit: Math.min(times, 60) })
const start = dayAfterToday(400)
const changed = `/plans/${await planOf(start, dayAfter(start, 500))}/workouts`
await send('PUT', changed, { workouts: workoutsFrom(start, 500, 'Intervals') })
await measure('500 changed workouts', async () => () => (
  send('PUT', changed, { workouts: workoutsFrom(start, 500, `Intervals ${made++}`) })
))
await measure('500 workouts as they were', async () => {
  const workouts = workoutsFrom(start, 500, 'Intervals')
  await send('PUT', changed, { workouts })
  return () => send('PUT', changed, { workouts })
})
await measure('500 workouts of 18 steps as a tree', async () => {
  const workouts = workoutsFrom(start, 500, `Tree ${made++}`)
    .map(({ steps_text: _text, ...workout }) => ({ ...workout, steps: Array.from({ length: 18 }, () => STEP) }))
  return () => send('PUT', changed, { workouts })
}, { cpuLimitMs: 2 * LIMIT_MS })
await measure('a generated plan of 14 weeks', async () => () => send('POST', '/plans/generate', {
  race: { date: dayAfterToday(98), distance_m: 21_097.5 },
  recent_result: { distance_m: 10_000, time_s: 3000 },
  current_weekly_distance_m: 30_000,
  runs_per_week: 4
}))
await measure('the calendar of a year', async () => () => send('GET', `/calendar?from=${year}&to=${dayAfterToday(0)}`))
await measure('the compliance of a year', async () => () => send('GET', `/plans/${plan}/compliance`))
await measure('the feed of 1,000 workouts', async () => () => send('GET', new URL(url).pathname.slice('/api/v1'.length)))
await fixture.close()

function workoutsFrom (first, count, name) {
  return Array.from({ length: count }, (_, i) => ({
    date: dayAfter(first, i), kind: 'interval', name, steps_text: STEPS, external_id: `w-${i}`
  }))
}

async function planOf (start, end) {
  const { body } = await send('POST', '/plans', { name: 'Bench', start_date: start, end_date: end, status: 'active' })
  return body.id
}

function dayAfter (day, days) {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10)
}

function dayAfterToday (days) {
  return dayAfter(new Date().toISOString().slice(0, 10), days)
}

async function send (method, path, body) {
  const answer = await fetch(`${service.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${runner.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body)
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`)
  return { body: text.startsWith('{') ? JSON.parse(text) : text, size: Buffer.byteLength(text) }
}

/** `prepare` returns the request that is measured. */
async function measure (name, prepare, { limit = times, cpuLimitMs = LIMIT_MS } = {}) {
  const took = []
  const used = []
  const held = []
  let size = 0
  // The first third is to warm up.
  const warm = Math.floor(limit / 2)
  for (let n = 0; n < limit + warm; n++) {
    const request = await prepare()
    if (n >= warm) await service.ask('reset')
    const [since, cpuUs] = [performance.now(), service.cpuUs()]
    const answer = await request()
    if (n >= warm) {
      took.push(performance.now() - since)
      used.push((service.cpuUs() - cpuUs) / 1000)
      held.push((await service.ask('look')).holdMs)
    }
    size = answer.size
  }
  const cpuMs = used.reduce((sum, ms) => sum + ms, 0) / used.length
  const isWithin = cpuMs < cpuLimitMs
  console.log(`${isWithin ? 'ok    ' : 'missed'}  ${name}: ${fixed(cpuMs)} ms of the processor (${cpuLimitMs} ms), answered in ${fixed(median(took))} ms, 95 % in ${fixed(quantile(took, 0.95))} ms, ${fixed(size / 1000, 0)} kB, loop held ${fixed(median(held))} ms, ${fixed(Math.max(...held))} ms at most`)
}

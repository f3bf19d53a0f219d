import { v7 as uuidv7 } from 'uuid'
import t from 'tap'
import { addDays } from '../../src/domain/days.ts'
import { startService, type Runner } from '../harness/service.ts'

const { runner } = await startService(t)

function inDays (days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
}

const PLAN = { name: 'Plan', start_date: inDays(-30), end_date: inDays(30), status: 'active' }

async function planOf ({ call }: Runner, fields: object = {}): Promise<string> {
  return (await call('POST', '/plans', { ...PLAN, ...fields })).body.id
}

async function workoutOn ({ call }: Runner, plan: string, day: number, fields: object = {}): Promise<string> {
  const { status, body } = await call('POST', `/plans/${plan}/workouts`, {
    date: inDays(day), kind: 'easy', name: 'Run', planned_duration_s: 1800, ...fields
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body.id
}

async function runOn ({ call }: Runner, day: number, fields: object = {}): Promise<any> {
  const { status, body } = await call('POST', '/activities', {
    sport: 'running', start_time: `${inDays(day)}T07:00:00Z`, elapsed_s: 1800, distance_m: 5000, ...fields
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body
}

async function linkOf ({ call }: Runner, workoutId: string): Promise<any> {
  const { body: { activity_id, match } } = await call('GET', `/workouts/${workoutId}`)
  return { activity_id, match }
}

/** As long after its start as the given seconds, one point a second at 2.8 m/s. */
function gpx (day: number, seconds: number): string {
  const start = Date.parse(`${inDays(day)}T07:00:00Z`)
  const points = Array.from({ length: seconds + 1 }, (_, i) =>
    `<trkpt lat="${48 + i * 2.5e-5}" lon="2"><time>${new Date(start + i * 1000).toISOString()}</time></trkpt>`)
  return `<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1"><trk><type>running</type><trkseg>${points.join('')}</trkseg></trk></gpx>`
}

t.test('a run that is entered or imported finds its workout, and says why', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const [first, second] = [await workoutOn(ann, plan, -3), await workoutOn(ann, plan, -1)]
  const entered = await runOn(ann, -3)
  t.match(entered, { workout_id: first, match: { by: 'rule', reason: 'On the planned day, 100 % of the planned duration' } })
  t.match(await linkOf(ann, first), { activity_id: entered.id, match: { by: 'rule' } })
  const { status, body } = await ann.call('POST', '/activities/import', gpx(-1, 900), { 'content-type': 'application/gpx+xml' })
  t.equal(status, 201)
  t.match(body.activity, { workout_id: second, match: { by: 'rule', reason: /^On the planned day, 50 %/ } })
  const read = await ann.call('GET', `/activities/${entered.id}`)
  t.equal(read.body.workout_id, first)
})

t.test('a run that is cropped is matched again', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const long = await workoutOn(ann, plan, -3)
  const short = await workoutOn(ann, plan, -3, { planned_duration_s: 400 })
  const { body: { activity } } = await ann.call('POST', '/activities/import', gpx(-3, 1800), {
    'content-type': 'application/gpx+xml'
  })
  t.equal(activity.workout_id, long)
  const { body: cropped } = await ann.call('PUT', `/activities/${activity.id}/crop`, { from_s: 0, to_s: 400 })
  t.match(cropped, { workout_id: short, match: { reason: 'On the planned day, 100 % of the planned duration' } })
  t.equal((await linkOf(ann, long)).activity_id, null)
  await ann.call('DELETE', `/activities/${activity.id}/crop`)
  t.equal((await linkOf(ann, long)).activity_id, activity.id)
})

t.test('a workout that is added finds a run that was done', async (t) => {
  const ann = await runner()
  const done = await runOn(ann, -2)
  const before = await ann.call('GET', `/activities/${done.id}`)
  const plan = await planOf(ann)
  const workout = await workoutOn(ann, plan, -2)
  t.equal((await linkOf(ann, workout)).activity_id, done.id)
  const after = await ann.call('GET', `/activities/${done.id}`)
  t.equal(after.body.workout_id, workout)
  t.not(after.headers.etag, before.headers.etag, 'the entity tag changes with the match')
  await ann.call('PATCH', `/workouts/${workout}`, { date: inDays(-20) })
  t.equal((await linkOf(ann, workout)).activity_id, null, 'a workout that is moved away is matched no longer')
  t.equal((await ann.call('GET', `/activities/${done.id}`)).body.workout_id, null)
  await ann.call('PUT', `/plans/${plan}/workouts`, {
    workouts: [{ date: inDays(-1), kind: 'easy', name: 'Bulk', external_id: 'b' }]
  })
  t.equal((await ann.call('GET', `/activities/${done.id}`)).body.match.reason, 'A day early, of the same sport')
})

t.test('a run of a neighbouring day gives its workout up when the right one arrives, unless a person linked it', async (t) => {
  for (const byHand of [false, true]) {
    const ann = await runner()
    const plan = await planOf(ann)
    const workout = await workoutOn(ann, plan, -5)
    const early = await runOn(ann, -6)
    t.match(await linkOf(ann, workout), { activity_id: early.id, match: { by: 'rule', reason: /^A day early/ } })
    if (byHand) {
      const linked = await ann.call('PUT', `/workouts/${workout}/activity`, { activity_id: early.id })
      t.match([linked.status, linked.body.match], [200, { by: 'person', reason: 'Linked by hand' }])
    }
    const right = await runOn(ann, -5)
    t.equal((await linkOf(ann, workout)).activity_id, byHand ? early.id : right.id)
    t.equal((await ann.call('GET', `/activities/${byHand ? right.id : early.id}`)).body.workout_id, null)
  }
})

t.test('what a person decided is not overruled', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const workout = await workoutOn(ann, plan, -5)
  const done = await runOn(ann, -5)
  t.equal((await ann.call('DELETE', `/workouts/${workout}/activity`)).status, 204)
  t.match(await linkOf(ann, workout), { activity_id: null, match: { by: 'person', reason: 'Unlinked by hand' } })
  const other = await workoutOn(ann, plan, -5)
  await ann.call('PATCH', `/workouts/${workout}`, { planned_duration_s: 1799, date: inDays(-4) })
  await runOn(ann, -4, { start_time: `${inDays(-4)}T18:00:00Z` })
  t.equal((await linkOf(ann, workout)).activity_id, null)
  t.not((await linkOf(ann, other)).activity_id, done.id, 'nor is the activity matched again')
  t.equal((await ann.call('GET', `/activities/${done.id}`)).body.workout_id, null)

  const again = await ann.call('PUT', `/workouts/${workout}/activity`, { activity_id: done.id })
  t.match([again.status, again.body.activity_id], [200, done.id])
  const elsewhere = await ann.call('PUT', `/workouts/${other}/activity`, { activity_id: done.id })
  t.match([elsewhere.status, elsewhere.body.error_code, elsewhere.body.details], [409, 'CONFLICT', { workout_id: workout }])
  t.equal((await ann.call('PUT', `/workouts/${workout}/activity`, { activity_id: uuidv7() })).status, 404)
  await ann.call('DELETE', `/activities/${done.id}`)
  t.match(await linkOf(ann, workout), { activity_id: /./ }, 'with the activity, the decision about it is gone')
})

t.test('links are their owner’s alone', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const workout = await workoutOn(ann, await planOf(ann), -5)
  const theirs = await runOn(bob, -5)
  t.equal(theirs.workout_id, null)
  t.equal((await ann.call('PUT', `/workouts/${workout}/activity`, { activity_id: theirs.id })).status, 404)
  t.equal((await bob.call('PUT', `/workouts/${workout}/activity`, { activity_id: theirs.id })).status, 404)
  t.equal((await bob.call('DELETE', `/workouts/${workout}/activity`)).status, 404)
})

t.test('the workouts of a draft are matched with nothing, until it is one no longer', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann, { status: 'draft' })
  const workout = await workoutOn(ann, plan, -5)
  const done = await runOn(ann, -5)
  t.equal(done.workout_id, null)
  await ann.call('PATCH', `/plans/${plan}`, { status: 'active' })
  t.equal((await linkOf(ann, workout)).activity_id, done.id)
  await ann.call('PATCH', `/plans/${plan}`, { status: 'archived' })
  t.equal((await linkOf(ann, workout)).activity_id, done.id)
  await ann.call('PATCH', `/plans/${plan}`, { status: 'draft' })
  t.equal((await linkOf(ann, workout)).activity_id, null)
})

t.test('an archived plan keeps its runs, and takes no more until it is active again', async (t) => {
  const ann = await runner()
  const old = await planOf(ann)
  const [done, open] = [await workoutOn(ann, old, -8), await workoutOn(ann, old, -5)]
  const run = await runOn(ann, -8)
  await ann.call('PATCH', `/plans/${old}`, { status: 'archived' })
  const late = await runOn(ann, -5)
  t.equal(late.workout_id, null)
  const better = await runOn(ann, -8, { start_time: `${inDays(-8)}T17:00:00Z` })
  t.equal(better.workout_id, null)
  t.equal((await linkOf(ann, done)).activity_id, run.id)
  const next = await planOf(ann)
  const taken = await workoutOn(ann, next, -5)
  t.equal((await linkOf(ann, taken)).activity_id, late.id)
  t.equal((await ann.call('DELETE', `/plans/${next}`)).status, 204)
  t.equal((await linkOf(ann, open)).activity_id, null)

  await ann.call('PATCH', `/workouts/${done}`, { date: inDays(-7) })
  t.match(await linkOf(ann, done), { activity_id: run.id, match: { by: 'rule', reason: /^A day early/ } })
  await ann.call('PATCH', `/workouts/${done}`, { date: inDays(-20) })
  t.equal((await linkOf(ann, done)).activity_id, null, 'no longer near its run')
  t.equal((await ann.call('PUT', `/workouts/${done}/activity`, { activity_id: run.id })).status, 200, 'by hand')

  await ann.call('PATCH', `/plans/${old}`, { status: 'completed' })
  t.equal((await linkOf(ann, open)).activity_id, late.id)
  t.equal((await linkOf(ann, done)).activity_id, run.id)
})

t.test('more workouts than are matched at once find their runs, those at the seams too', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann, { start_date: inDays(-400), end_date: inDays(400), status: 'draft' })
  const days = Array.from({ length: 700 }, (_, i) => i - 360)
  for (const part of [days.slice(0, 400), days.slice(400)]) {
    const workouts = part.map((day) => (
      { external_id: `w${day}`, date: inDays(day), kind: 'easy', name: 'Run', planned_duration_s: 1800 }
    ))
    t.equal((await ann.call('PUT', `/plans/${plan}/workouts`, { workouts })).status, 200)
  }
  // The 600th workout, and those around it.
  const near = [236, 237, 238, 239, 240, 241]
  const runs = []
  for (const day of [-360, ...near, 339]) runs.push({ day, run: await runOn(ann, day) })
  t.equal((await ann.call('PATCH', `/plans/${plan}`, { status: 'active' })).status, 200)
  for (const { day, run } of runs) {
    const { body } = await ann.call('GET', `/activities/${run.id}`)
    t.match(body.match, { reason: /^On the planned day/ }, String(day))
  }
})

t.test('activities stay where a plan is deleted, and serve the next one', async (t) => {
  const ann = await runner()
  const [one, two] = [await planOf(ann), await planOf(ann)]
  const near = await workoutOn(ann, one, -5)
  const far = await workoutOn(ann, two, -5, { planned_duration_s: 5400 })
  const done = await runOn(ann, -5)
  t.equal(done.workout_id, near, 'of overlapping plans, the nearest in duration')
  t.equal((await ann.call('DELETE', `/plans/${one}`)).status, 204)
  const kept = await ann.call('GET', `/activities/${done.id}`)
  t.match([kept.status, kept.body.workout_id], [200, far])
  await ann.call('DELETE', `/workouts/${far}`)
  t.equal((await ann.call('GET', `/activities/${done.id}`)).body.workout_id, null)
})

t.test('of plans that overlap, a run takes the workout of the nearest duration', async (t) => {
  const ann = await runner()
  const [first, second] = [await planOf(ann), await planOf(ann, { name: 'Other' })]
  const short = await workoutOn(ann, first, -3, { planned_duration_s: 1500 })
  const long = await workoutOn(ann, second, -3, { planned_duration_s: 5400 })
  const near = await workoutOn(ann, second, -3, { planned_duration_s: 2000 })
  const run = await runOn(ann, -3, { elapsed_s: 1900 })
  t.match(run, { workout_id: near, match: { by: 'rule', reason: 'On the planned day, 95 % of the planned duration' } })
  const other = await runOn(ann, -3, { elapsed_s: 5000, start_time: `${inDays(-3)}T15:00:00Z` })
  t.equal(other.workout_id, long)
  t.equal((await linkOf(ann, short)).activity_id, null)
  const totalsOf = async (plan: string) => (await ann.call('GET', `/plans/${plan}/compliance`)).body.totals
  t.match(await totalsOf(first), { missed: 1, on_time: 0, unplanned: 0 }, 'a run counts once')
  t.match(await totalsOf(second), { missed: 0, on_time: 2, unplanned: 0 })
})

t.test('compliance counts what was planned, done, missed and not planned', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const [on, early, missed, next] = [
    await workoutOn(ann, plan, -10), await workoutOn(ann, plan, -6), await workoutOn(ann, plan, -3),
    await workoutOn(ann, plan, 5)
  ]
  await runOn(ann, -10, { elapsed_s: 1500 })
  await runOn(ann, -7)
  const unplanned = await runOn(ann, -13)
  const { status, body } = await ann.call('GET', `/plans/${plan}/compliance`)
  t.equal(status, 200)
  t.match(body.totals, { planned: 4, on_time: 1, shifted: 1, mean_shift_days: 1, missed: 1, unplanned: 1, upcoming: 1 })
  t.equal(body.totals.done_distance_m, 15_000)
  const of = (id: string): any => body.workouts.find(({ workout_id }: { workout_id: string }) => workout_id === id)
  t.match(of(on), { status: 'on_time', shift_days: 0, ratio: { duration: 0.8333 }, band: 'green' })
  t.match(of(early), { status: 'shifted', shift_days: -1, band: 'green' })
  t.match(of(missed), { status: 'missed', activity_id: null, band: 'red' })
  t.match(of(next), { status: 'upcoming', band: null })
  t.equal(unplanned.workout_id, null)
  for (const week of body.weeks) t.equal(new Date(week.start_date).getUTCDay(), 1)
})

t.test('the calendar has every day, with what is planned and done on it', async (t) => {
  const ann = await runner()
  await ann.call('PATCH', '/me', { timezone: 'Pacific/Auckland' })
  const workout = await workoutOn(ann, await planOf(ann), -5)
  const done = await runOn(ann, -6, { start_time: `${inDays(-6)}T18:00:00Z` })
  t.equal(done.local_date, inDays(-5), 'the runner’s day, not that of UTC')
  const { status, body } = await ann.call('GET', `/calendar?from=${inDays(-7)}&to=${inDays(-4)}`)
  t.equal(status, 200)
  t.same(body.days.map(({ date }: { date: string }) => date), [-7, -6, -5, -4].map(inDays))
  t.match(body.days[2].workouts, [{ id: workout, activity_id: done.id }])
  t.match(body.days[2].activities, [{ id: done.id, workout_id: workout }])
  t.match(body.days[1], { workouts: [], activities: [] })
  for (const [query, expected] of [
    ['from=2026-01-01', 422], ['from=2026-01-02&to=2026-01-01', 422], ['from=2026-01-01&to=2027-01-02', 422],
    ['from=2026-01-01&to=2027-01-01', 200], ['from=2026-01-01&to=x', 422]
  ] as const) t.equal((await ann.call('GET', `/calendar?${query}`)).status, expected, query)
})

/** Days on which a zone changes its clocks, each with runs just after its midnight and just before the next one. */
const CLOCK_CHANGES: Array<[zone: string, date: string, first: string, last: string]> = [
  ['Europe/Berlin', '2026-03-29', '2026-03-28T23:05:00Z', '2026-03-29T21:20:00Z'],
  ['Europe/Berlin', '2026-10-25', '2026-10-24T22:05:00Z', '2026-10-25T22:20:00Z'],
  ['America/New_York', '2026-03-08', '2026-03-08T05:05:00Z', '2026-03-09T03:20:00Z'],
  ['America/New_York', '2026-11-01', '2026-11-01T04:05:00Z', '2026-11-02T04:20:00Z'],
  // At midnight: the day begins at 1:00, and the day before has the hour from 23:00 twice.
  ['America/Santiago', '2026-09-06', '2026-09-06T04:05:00Z', '2026-09-07T02:20:00Z'],
  ['America/Santiago', '2026-04-04', '2026-04-04T03:05:00Z', '2026-04-05T03:20:00Z'],
  // By half an hour.
  ['Australia/Lord_Howe', '2026-04-05', '2026-04-04T13:05:00Z', '2026-04-05T13:00:00Z'],
  ['Pacific/Kiritimati', '2026-01-01', '2025-12-31T10:05:00Z', '2026-01-01T09:20:00Z'],
  ['Pacific/Niue', '2026-01-01', '2026-01-01T11:05:00Z', '2026-01-02T10:20:00Z']
]

t.test('days of 23 and 25 hours and at the date line are days of the calendar as others', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann, { start_date: '2025-12-01', end_date: '2026-12-31' })
  for (const [timezone, date, first, last] of CLOCK_CHANGES) {
    await ann.call('PATCH', '/me', { timezone })
    const workout = (await ann.call('POST', `/plans/${plan}/workouts`, {
      date, kind: 'easy', name: 'Run', planned_duration_s: 1800
    })).body.id
    const activities = []
    for (const start_time of [first, last]) {
      activities.push((await ann.call('POST', '/activities', { sport: 'running', start_time, elapsed_s: 1800 })).body)
    }
    const { body: { days } } = await ann.call('GET', `/calendar?from=${addDays(date, -1)}&to=${addDays(date, 1)}`)
    const seen = days.map((day: any) => [day.date, day.workouts.length, day.activities.map((done: any) => done.id)])
    t.same(seen, [
      [addDays(date, -1), 0, []], [date, 1, activities.map(({ id }) => id)], [addDays(date, 1), 0, []]
    ], `${timezone} ${date}`)
    t.equal(days[1].workouts[0].activity_id, activities[0].id, 'of equals, the first')
    await ann.call('DELETE', `/workouts/${workout}`)
    for (const { id } of activities) await ann.call('DELETE', `/activities/${id}`)
  }
})

t.test('a leap year of days is answered whole, across the changes of the clocks', async (t) => {
  const ann = await runner()
  await ann.call('PATCH', '/me', { timezone: 'Europe/Berlin' })
  const { body: { days } } = await ann.call('GET', '/calendar?from=2028-01-01&to=2028-12-31')
  const dates = days.map(({ date }: { date: string }) => date)
  t.equal(dates.length, 366)
  t.equal(new Set(dates).size, 366)
  t.same([dates[0], dates[59], dates.at(-1)], ['2028-01-01', '2028-02-29', '2028-12-31'])
})

t.test('weeks of compliance begin on the first weekday of the runner, across the changes of the clocks', async (t) => {
  const ann = await runner()
  await ann.call('PATCH', '/me', { timezone: 'Europe/Berlin' })
  const plan = await planOf(ann, { start_date: '2026-03-23', end_date: '2026-04-05' })
  // A Sunday of 23 hours, and the Monday after it.
  for (const date of ['2026-03-29', '2026-03-30']) {
    await ann.call('POST', `/plans/${plan}/workouts`, { date, kind: 'easy', name: 'Run', planned_distance_m: 5000 })
  }
  for (const [first_weekday, expected] of [
    [1, [['2026-03-23', 1], ['2026-03-30', 1]]], [7, [['2026-03-29', 2]]], [6, [['2026-03-28', 2]]]
  ] as const) {
    await ann.call('PATCH', '/me', { first_weekday })
    const { body: { weeks } } = await ann.call('GET', `/plans/${plan}/compliance`)
    const planned = weeks.filter((week: any) => week.planned > 0).map((week: any) => [week.start_date, week.planned])
    t.same(planned, expected, String(first_weekday))
  }
})

t.test('the steps of a workout are compared with the recording that fulfilled it', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const steps = { planned_duration_s: undefined, kind: 'tempo', steps_text: '- 5min warmup\n- 5min 5:50-6:10/km\n- 5min cooldown' }
  const compliance = async (id: string): Promise<any> => {
    const { status, body } = await ann.call('GET', `/workouts/${id}/compliance`)
    t.equal(status, 200, JSON.stringify(body))
    return body
  }
  const send = async (day: number, seconds: number): Promise<any> =>
    await ann.call('POST', '/activities/import', gpx(day, seconds), { 'content-type': 'application/gpx+xml' })

  const done = await workoutOn(ann, plan, -6, steps)
  await send(-6, 900)
  const body = await compliance(done)
  t.match(body, { workout_id: done, status: 'on_time', band: 'green', reason: null })
  t.equal(body.steps.length, 3)
  t.match(body.steps[1], {
    index: 2,
    target: { type: 'pace', low: 350, high: 370 },
    done: { start_s: 300, elapsed_s: 300, laps: null },
    in_target_share: 1
  })
  t.same((await ann.call('GET', `/plans/${plan}/compliance`)).body.workouts[0].steps, undefined, 'not in lists')

  const long = await workoutOn(ann, plan, -12, { ...steps, steps_text: '- 10min warmup\n- 90min 5:50-6:10/km' })
  await send(-12, 6000)
  t.match((await compliance(long)).steps[1], { done: { elapsed_s: 5400 }, in_target_share: 1 }, 'on another thread')

  const byHand = await workoutOn(ann, plan, -16, steps)
  await runOn(ann, -16)
  const open = await workoutOn(ann, plan, 5, steps)
  const plain = await workoutOn(ann, plan, -20)
  await send(-20, 1800)
  for (const [id, reason] of [[byHand, /no recording/], [open, /^No activity/], [plain, /no steps/]] as const) {
    t.match(await compliance(id), { steps: null, reason })
  }
})

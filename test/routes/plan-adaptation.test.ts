import t from 'tap'
import { addDays, weekdayOf } from '../../src/domain/days.ts'
import { startService, type Runner } from '../harness/service.ts'
import { brokenRules } from '../harness/plan-rules.ts'
import { factsOf, HALF_M } from '../harness/plan-requests.ts'

const { runner } = await startService(t)

const TODAY = new Date().toISOString().slice(0, 10)
const RESULT = { distance_m: 10_000, time_s: 3000 }
const inDays = (days: number): string => addDays(TODAY, days)

/** A runner whose weeks begin on the weekday of today, so that a week of the plan begins today. */
async function follower (): Promise<Runner> {
  const ann = await runner()
  await ann.call('PATCH', '/me', { first_weekday: weekdayOf(TODAY) })
  return ann
}

/** A plan that began so many days ago, with a race in so many. */
async function planOf (ann: Runner, { ago = 21, ahead = 76 } = {}): Promise<any> {
  const { status, body } = await ann.call('POST', '/plans/generate', {
    race: { date: inDays(ahead), distance_m: HALF_M },
    recent_result: RESULT,
    start_date: inDays(-ago),
    current_weekly_distance_m: 30_000,
    runs_per_week: 4,
    long_run_weekday: (weekdayOf(TODAY) + 5) % 7 + 1
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body
}

async function workoutsOf (ann: Runner, planId: string): Promise<any[]> {
  return (await ann.call('GET', `/plans/${planId}/workouts?limit=200`)).body.items
}

/** Enters a run for each workout before a day. */
async function follow (ann: Runner, planId: string, before: string): Promise<void> {
  for (const { date, planned_distance_m: metres } of await workoutsOf(ann, planId)) {
    if (date >= before) continue
    const { status } = await ann.call('POST', '/activities', {
      sport: 'running', start_time: `${date}T07:00:00Z`, distance_m: metres, elapsed_s: Math.round(metres * 0.36)
    })
    if (status !== 201) throw new Error(`A run on ${date}: ${status}`)
  }
}

function factsToday (currentWeeklyM: number, raceDate: string, result = RESULT) {
  return factsOf({
    race: { date: raceDate, distanceM: HALF_M, targetTimeS: null },
    result: { distanceM: result.distance_m, timeS: result.time_s },
    startDate: TODAY,
    currentWeeklyM,
    runsPerWeek: 4,
    longRunWeekday: 7,
    firstWeekday: weekdayOf(TODAY)
  })
}

t.test('after a missed week the rest begins with less, and is stored only when it is accepted', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann)
  await follow(ann, plan.id, inDays(-7))
  const before = await workoutsOf(ann, plan.id)

  const proposal = await ann.call('POST', `/plans/${plan.id}/adapt`, {})
  t.equal(proposal.status, 200)
  const { changes, weeks, reasons } = proposal.body
  t.ok(changes.length > 5, `${changes.length} changes`)
  t.match(reasons[0], /^No run on the \d+ days from .*: from .* on the plan begins with less/)
  t.ok(changes.every((one: any) => (one.after ?? one.before).date >= TODAY), 'what is past stays')
  t.equal(proposal.headers.etag, (await ann.call('GET', `/plans/${plan.id}`)).headers.etag)
  t.same(await workoutsOf(ann, plan.id), before, 'nothing is written')
  const now = weeks.find(({ start_date: start }: any) => start === TODAY)
  t.ok(now.distance_m < plan.weeks[2].distance_m * 0.85, `${now.distance_m} m this week`)
  t.equal(now.quality_sessions, 0)
  t.match(now.focus, /^Coming back/)

  const headers = { 'if-match': String(proposal.headers.etag) }
  const accepted = await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes }, headers)
  t.equal(accepted.status, 200, JSON.stringify(accepted.body))
  t.same(accepted.body.weeks, weeks)
  t.not(accepted.headers.etag, proposal.headers.etag)
  t.same((await ann.call('GET', `/plans/${plan.id}`)).body, accepted.body)
  const after = await workoutsOf(ann, plan.id)
  t.same(after.filter(({ date }) => date < TODAY), before.filter(({ date }) => date < TODAY))
  const rest = after.filter(({ date }) => date >= TODAY)
  t.same(brokenRules(rest.map((workout) => ({ ...workout, distanceM: workout.planned_distance_m })), {
    ...factsToday(now.distance_m, inDays(76)), before: { fullWeeks: 3, peakM: 0, isBreak: true }
  }), [])

  t.equal((await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes }, headers)).status, 412)
  const again = await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes })
  t.match([again.status, again.body.error_code], [409, 'CONFLICT'], 'without If-Match, what was there before counts')
  t.match(await ann.call('POST', `/plans/${plan.id}/adapt`, {}), { status: 200, body: { changes: [] } }, 'there is no more to change')
})

t.test('a plan that was followed stays, and a new result changes its paces', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann)
  await follow(ann, plan.id, TODAY)
  t.match(await ann.call('POST', `/plans/${plan.id}/adapt`, {}), {
    status: 200, body: { changes: [], weeks: plan.weeks, reasons: ['The plan fits what was run: nothing has to change'] }
  })
  const result = { distance_m: 10_000, time_s: 2880 }
  const { body, headers } = await ann.call('POST', `/plans/${plan.id}/adapt`, { recent_result: result })
  t.match(body.reasons, ['The new result stands for a VDOT of 41.97: the paces follow from it'])
  t.ok(body.changes.every(({ action }: any) => action === 'change'))
  t.equal((await ann.call('PUT', `/plans/${plan.id}/adapt`, body, {})).status, 422, 'a body has changes and nothing else')
  const accepted = await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes: body.changes }, { 'if-match': String(headers.etag) })
  t.equal(accepted.status, 200)
  t.same(accepted.body.weeks, plan.weeks, 'the distances are the same')
  const rest = (await workoutsOf(ann, plan.id)).filter(({ date }) => date >= TODAY)
  t.same(brokenRules(rest.map((workout) => ({ ...workout, distanceM: workout.planned_distance_m })), {
    ...factsToday(40_000, inDays(76), result), before: { fullWeeks: 3, peakM: 0, isBreak: false }
  }), [])
  const next = await ann.call('POST', `/plans/${plan.id}/adapt`, { unavailable: [{ from: inDays(8), to: inDays(9) }] })
  for (const { after } of next.body.changes.filter((one: any) => one.after?.kind === 'easy')) {
    t.ok(Math.abs(after.steps[0].target.low - rest.find(({ kind }) => kind === 'easy').steps[0].target.low) <= 1,
      'later proposals keep the new paces')
  }
})

t.test('days without running stay free, and the race is never among them', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann, { ago: 0, ahead: 97 })
  const unavailable = [{ from: inDays(15), to: inDays(16) }, { from: inDays(30), to: inDays(38) }]
  const { body: { changes, reasons } } = await ann.call('POST', `/plans/${plan.id}/adapt`, { unavailable })
  t.match(reasons, [/^No run on the 9 days from/, /^No running from/, /^No running from/, /^What was missed/])
  t.equal((await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes })).status, 200)
  const workouts = await workoutsOf(ann, plan.id)
  for (const { from, to } of unavailable) {
    t.same(workouts.filter(({ date }) => date >= from && date <= to).map(({ date }) => date), [])
  }
  const back = workouts.filter(({ date }) => date > inDays(38) && date <= inDays(47))
  t.ok(back.length > 0 && back.every(({ kind }) => ['easy', 'recovery', 'long'].includes(kind)), 'then easy for as long')
  const inRace = await ann.call('POST', `/plans/${plan.id}/adapt`, { unavailable: [{ from: inDays(90), to: inDays(100) }] })
  t.match([inRace.status, inRace.body.error_code, inRace.body.details.field], [400, 'PLAN_NOT_FEASIBLE', 'unavailable'])
})

t.test('what the runner did, linked, edited or added stays', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann)
  await follow(ann, plan.id, inDays(-7))
  const [first, second, third] = (await workoutsOf(ann, plan.id)).filter(({ date }) => date >= TODAY)
  await ann.call('PATCH', `/workouts/${first.id}`, { name: 'With a friend' })
  await ann.call('DELETE', `/workouts/${second.id}/activity`)
  const { body: added } = await ann.call('POST', `/plans/${plan.id}/workouts`, {
    date: inDays(9), kind: 'interval', name: 'Club night', planned_distance_m: 8000
  })
  const { body: { changes, reasons } } = await ann.call('POST', `/plans/${plan.id}/adapt`, {})
  t.match(reasons.at(-1), /^3 workouts stay/)
  for (const { id } of [first, second, added]) {
    t.notOk(changes.some(({ workout_id }: any) => workout_id === id))
  }
  t.ok(changes.some(({ workout_id }: any) => workout_id === third.id))
  await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes })
  const workouts = await workoutsOf(ann, plan.id)
  t.equal(workouts.filter(({ date }) => date === inDays(9)).length, 1, 'in the place of the run of its day')
  const beside = workouts.filter(({ date }) => date === inDays(8) || date === inDays(10))
  t.notOk(beside.some(({ kind }) => ['tempo', 'interval', 'repetition', 'hills'].includes(kind)))
})

t.test('changes are carried out all or none, and only as they were proposed', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann)
  await follow(ann, plan.id, inDays(-7))
  const { body: { changes } } = await ann.call('POST', `/plans/${plan.id}/adapt`, {})
  const last = changes.findLast(({ action }: any) => action === 'change')
  await ann.call('PATCH', `/workouts/${last.workout_id}`, { description: 'Mine' })
  const before = await workoutsOf(ann, plan.id)
  const { status, body } = await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes })
  t.match([status, body.error_code, body.details.workout_id], [409, 'CONFLICT', last.workout_id])
  t.same(await workoutsOf(ann, plan.id), before)

  const race = before.at(-1)
  const { before: was, after } = last
  const record = ({ date, kind, name, description, steps, planned_distance_m, planned_duration_s }: any) => ({
    date,
    kind,
    name,
    description,
    steps: steps.map(({ resolved: _, ...step }: any) => step),
    planned_distance_m,
    planned_duration_s
  })
  const cases: Array<[change: object, status: number, field: string]> = [
    [{ action: 'add' }, 422, 'changes.0'],
    [{ action: 'add', after, before: was }, 422, 'changes.0'],
    [{ action: 'change', workout_id: last.workout_id, after }, 422, 'changes.0'],
    [{ action: 'remove', before: was }, 422, 'changes.0'],
    [{ action: 'add', after: { ...after, date: inDays(-1) } }, 400, 'changes.0.after.date'],
    [{ action: 'add', after: { ...after, date: inDays(500) } }, 400, 'changes.0.after.date'],
    [{ action: 'remove', workout_id: race.id, before: record(race) }, 400, 'changes.0']
  ]
  for (const [change, expected, field] of cases) {
    const answer = await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes: [change] })
    t.equal(answer.status, expected)
    t.ok(answer.body.details.field.startsWith(field), JSON.stringify(change).slice(0, 80))
  }
  const twice = await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes: [changes[0], changes[0]] })
  t.match([twice.status, twice.body.details.field], [400, 'changes.1.workout_id'])
  t.same(await workoutsOf(ann, plan.id), before)
})

t.test('of several requests that accept the same proposal at once, one succeeds and the others fail their precondition', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann)
  await follow(ann, plan.id, inDays(-7))
  const { body: { changes }, headers } = await ann.call('POST', `/plans/${plan.id}/adapt`, {})
  const answers = await Promise.all(Array.from({ length: 6 }, () =>
    ann.call('PUT', `/plans/${plan.id}/adapt`, { changes }, { 'if-match': String(headers.etag) })))
  t.same(answers.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412])
})

t.test('what cannot be adapted is refused with the reason', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann)
  const ask = async (body: object, id = plan.id) => {
    const { status, body: { error_code: code, details, message } } = await ann.call('POST', `/plans/${id}/adapt`, body)
    return [status, code, details?.field, message]
  }
  t.match(await ask({ from: inDays(-1) }), [400, 'VALIDATION_ERROR', 'from'])
  t.match(await ask({ from: inDays(200) }), [400, 'VALIDATION_ERROR', 'from'])
  t.match(await ask({ unavailable: [{ from: inDays(3), to: inDays(2) }] }), [400, 'VALIDATION_ERROR', 'unavailable.0.to'])
  t.match(await ask({ recent_result: { distance_m: 5000, time_s: 600 } }), [400, 'PLAN_NOT_FEASIBLE', 'recent_result.time_s'])
  t.match(await ask({ unknown: 1 }), [422, 'REQUEST_VALIDATION_ERROR'])
  t.match(await ask({ from: inDays(73) }), [400, 'PLAN_NOT_FEASIBLE', 'from', /^The race is in 3 days/])
  t.match(await ask({ unavailable: [{ from: TODAY, to: inDays(60) }] }), [400, 'PLAN_NOT_FEASIBLE'])

  await ann.call('PATCH', `/plans/${plan.id}`, { race: { date: inDays(70), distance_m: HALF_M } })
  t.match(await ask({}), [409, 'CONFLICT', undefined, /generate/])
  await ann.call('PATCH', `/plans/${plan.id}`, { status: 'completed' })
  t.match(await ask({}), [409, 'CONFLICT', undefined, /completed/])
})

t.test('days away that were accepted stay free until they are replaced', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann, { ago: 0, ahead: 97 })
  const before = await workoutsOf(ann, plan.id)
  const daysAndKinds = (workouts: any[]): string[] => workouts.map(({ date, kind }) => `${date} ${kind}`)
  // No run is planned on the first one, and nothing of its week changes.
  const unavailable = [{ from: inDays(3), to: inDays(3) }, { from: inDays(15), to: inDays(18) }]
  const adapt = async (body: object) => (await ann.call('POST', `/plans/${plan.id}/adapt`, body)).body
  const proposal = await adapt({ unavailable })
  t.same(proposal.unavailable, unavailable)
  const named = proposal.changes.filter(({ before }: any) => before?.date >= inDays(15) && before.date <= inDays(18))
  t.ok(named.length > 0)
  t.same(named.map((change: any) => change.unavailable), named.map(() => [unavailable[1]]), 'a change names the days away of its week')

  t.equal((await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes: proposal.changes })).status, 200)
  const again = await adapt({})
  t.match(again, { changes: [], reasons: [/nothing has to change/, /^No running from/] })
  t.same(again.unavailable, [unavailable[1]], 'they follow from the changes')
  const whole = await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes: [], unavailable })
  t.equal(whole.status, 200)
  const { headers: { etag } } = await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes: [], unavailable })
  t.equal(etag, whole.headers.etag, 'the same again writes nothing')
  t.same((await adapt({})).unavailable, unavailable, 'or are sent beside them')
  t.same((await adapt({ unavailable })).changes, [], 'the same days again shorten nothing')

  const back = await adapt({ unavailable: [] })
  t.same(back.unavailable, [])
  t.match(back.reasons, [/^Days can be run on again/])
  t.same(back.weeks.map((week: any) => week.distance_m), plan.weeks.map((week: any) => week.distance_m))
  t.equal((await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes: back.changes, unavailable: [] })).status, 200)
  t.same((await adapt({})).unavailable, [])
  t.same(daysAndKinds(await workoutsOf(ann, plan.id)), daysAndKinds(before))
})

t.test('days away are refused where a plan cannot have them', async (t) => {
  const ann = await follower()
  const plan = await planOf(ann, { ago: 0, ahead: 97 })
  const put = async (body: object) => {
    const { status, body: { error_code: code, details } } = await ann.call('PUT', `/plans/${plan.id}/adapt`, body)
    return [status, code, details?.field]
  }
  const stretch = (from: number, to: number) => [{ from: inDays(from), to: inDays(to) }]
  t.same(await put({ changes: [], unavailable: stretch(3, 2) }), [400, 'VALIDATION_ERROR', 'unavailable.0.to'])
  t.same(await put({ changes: [], unavailable: stretch(90, 97) }), [400, 'VALIDATION_ERROR', 'unavailable'])
  t.match(await put({ changes: [], unavailable: [{ from: inDays(3) }] }), [422, 'REQUEST_VALIDATION_ERROR'])
  t.match(await put({ changes: [], unavailable: Array(201).fill(stretch(3, 3)[0]) }), [422])
  t.same(await put({ changes: [], unavailable: [{ from: inDays(-900), to: inDays(2) }] }), [200, undefined, undefined])
  t.match(await ann.call('POST', `/plans/${plan.id}/adapt`, {}), { body: { unavailable: stretch(0, 2) } }, 'only days of the plan')
})

t.test('a plan that was just made adapts to no change', async (t) => {
  const ann = await follower()
  const { body: { items } } = await ann.call('GET', '/plan-templates')
  for (const { id } of items) {
    const { body: plan } = await ann.call('POST', '/plans/from-template', { template_id: id, start_date: inDays(3) })
    t.match(await ann.call('POST', `/plans/${plan.id}/adapt`, {}), { status: 200, body: { changes: [], weeks: plan.weeks } }, id)
  }
})

t.test('of a plan made by hand, workouts on days without running fall away', async (t) => {
  const ann = await follower()
  const { body: plan } = await ann.call('POST', '/plans', { name: 'Mine', start_date: TODAY, end_date: inDays(30) })
  for (const day of [2, 5]) {
    await ann.call('POST', `/plans/${plan.id}/workouts`, { date: inDays(day), kind: 'easy', name: 'Run', planned_duration_s: 1800 })
  }
  const { status, body } = await ann.call('POST', `/plans/${plan.id}/adapt`, { unavailable: [{ from: inDays(4), to: inDays(6) }] })
  t.match([status, body.reasons, body.weeks], [200, [/made by hand/], []])
  t.match(body.changes, [{ action: 'remove', before: { date: inDays(5) } }])
  t.equal((await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes: body.changes })).status, 200)
  t.same((await workoutsOf(ann, plan.id)).map(({ date }) => date), [inDays(2)])
})

t.test('a plan from a template adapts, too', async (t) => {
  const ann = await follower()
  const { body: plan } = await ann.call('POST', '/plans/from-template', { template_id: 'half-beginner', start_date: inDays(-21) })
  await follow(ann, plan.id, inDays(-8))
  const { body: { changes }, headers } = await ann.call('POST', `/plans/${plan.id}/adapt`, {})
  t.ok(changes.length > 0)
  t.equal((await ann.call('PUT', `/plans/${plan.id}/adapt`, { changes }, { 'if-match': String(headers.etag) })).status, 200)
  for (const { kind, steps } of (await workoutsOf(ann, plan.id)).filter(({ date }) => date >= TODAY)) {
    if (kind === 'easy') t.match(steps[0].target, { type: 'pace', zone: 2 })
  }
})

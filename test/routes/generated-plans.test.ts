import t from 'tap'
import { startService, type Runner } from '../harness/service.ts'
import { brokenRules } from '../harness/plan-rules.ts'
import { HALF_M, REQUEST as HALF_IN_16_WEEKS, factsOf } from '../harness/plan-requests.ts'

const { runner } = await startService(t)

function inDays (days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
}

const REQUEST = {
  race: { name: 'City half', date: inDays(98), distance_m: HALF_M },
  recent_result: { distance_m: HALF_IN_16_WEEKS.result.distanceM, time_s: HALF_IN_16_WEEKS.result.timeS },
  current_weekly_distance_m: HALF_IN_16_WEEKS.currentWeeklyM,
  runs_per_week: HALF_IN_16_WEEKS.runsPerWeek,
  long_run_weekday: 6
}

async function workoutsOf ({ call }: Runner, planId: string): Promise<any[]> {
  const workouts: any[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const url: string = `/plans/${planId}/workouts?limit=50${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { body } = await call('GET', url)
    workouts.push(...body.items)
    cursor = body.next_cursor
  }
  return workouts
}

t.test('a generated plan keeps the rules as it is answered, in the runner’s weeks', async (t) => {
  for (const first_weekday of [1, 7]) {
    const ann = await runner()
    await ann.call('PATCH', '/me', { first_weekday })
    const { status, body: plan, headers } = await ann.call('POST', '/plans/generate', REQUEST)
    t.equal(status, 201)
    t.match(plan, { status: 'active', end_date: REQUEST.race.date, race: REQUEST.race, name: /^Half marathon/ })
    t.equal(plan.phases.at(-1).end_date, REQUEST.race.date)
    const read = await ann.call('GET', `/plans/${plan.id}`)
    const { workouts_count, ...rest } = plan
    t.same(read.body, rest)
    t.equal(read.headers.etag, headers.etag)
    const workouts = await workoutsOf(ann, plan.id)
    t.equal(workouts.length, workouts_count)
    const facts = factsOf({
      ...HALF_IN_16_WEEKS,
      race: { date: REQUEST.race.date, distanceM: HALF_M, targetTimeS: null },
      startDate: plan.start_date,
      firstWeekday: first_weekday
    })
    t.same(brokenRules(workouts.map((workout) => ({ ...workout, distanceM: workout.planned_distance_m })), facts), [])
    const timed = workouts.filter(({ kind }) => kind !== 'hills')
    t.ok(timed.every(({ planned_duration_s: seconds }) => seconds > 0), 'durations are known from the paces')
    t.ok(plan.weeks.every(({ focus }: { focus: string }) => focus.length > 15))
    t.same((await ann.call('GET', '/plans')).body.items.map(({ id }: { id: string }) => id), [plan.id])
  }
})

t.test('what cannot be met is refused with the reason, and nothing is stored', async (t) => {
  const ann = await runner()
  const cases: Array<[change: object, field: string]> = [
    [{ race: { date: inDays(10), distance_m: 42_195 }, current_weekly_distance_m: 10_000 }, 'race.date'],
    [{ race: { ...REQUEST.race, date: inDays(-2) } }, 'race.date'],
    [{ start_date: inDays(-200), race: { ...REQUEST.race, date: inDays(-2) } }, 'race.date'],
    [{ race: { ...REQUEST.race, target_time_s: 3000 } }, 'race.target_time_s'],
    [{ current_weekly_distance_m: 0 }, 'current_weekly_distance_m']
  ]
  for (const [change, field] of cases) {
    const { status, body } = await ann.call('POST', '/plans/generate', { ...REQUEST, ...change })
    t.match([status, body.error_code, body.details], [400, 'PLAN_NOT_FEASIBLE', { field }], JSON.stringify(change))
    t.ok(body.message.length > 20)
  }
  for (const change of [{ runs_per_week: 2 }, { runs_per_week: 8 }, { long_run_weekday: 0 }, { unknown: 1 }]) {
    t.equal((await ann.call('POST', '/plans/generate', { ...REQUEST, ...change })).status, 422)
  }
  t.same((await ann.call('GET', '/plans')).body.items, [])
})

t.test('the same request with an Idempotency-Key makes one plan', async (t) => {
  const ann = await runner()
  const headers = { 'idempotency-key': 'one' }
  const first = await ann.call('POST', '/plans/generate', REQUEST, headers)
  const again = await ann.call('POST', '/plans/generate', REQUEST, headers)
  t.same(again.body, first.body)
  t.equal((await ann.call('GET', '/plans')).body.items.length, 1)
})

t.test('a template becomes a plan, from a start or back from a race', async (t) => {
  const ann = await runner()
  const { status, body: { items } } = await ann.call('GET', '/plan-templates')
  t.equal(status, 200)
  t.ok(items.length >= 8)
  for (const template of items) {
    const { body: plan } = await ann.call('POST', '/plans/from-template', { template_id: template.id, start_date: '2099-01-07' })
    t.match(plan, { status: 'active', name: template.name, start_date: '2099-01-07', race: { distance_m: template.distance_m } })
    const workouts = await workoutsOf(ann, plan.id)
    t.equal(workouts.length, plan.workouts_count)
    t.match(workouts.at(-1), { kind: 'race', date: plan.race.date, planned_distance_m: Math.round(template.distance_m * 10) / 10 })
  }
  const { body: plan } = await ann.call('POST', '/plans/from-template', { template_id: '5k-beginner', race_date: '2099-06-06' })
  t.match(plan, { end_date: '2099-06-06', start_date: '2099-04-13' })
  const [first] = await workoutsOf(ann, plan.id)
  await ann.call('PATCH', `/workouts/${first.id}`, { name: 'Mine' })
  const { body: other } = await ann.call('POST', '/plans/from-template', { template_id: '5k-beginner', race_date: '2099-06-06' })
  t.not((await workoutsOf(ann, other.id))[0].name, 'Mine', 'a workout is a copy')
})

t.test('a template must exist, and have one date', async (t) => {
  const ann = await runner()
  const cases: Array<[body: object, status: number]> = [
    [{ template_id: 'none', start_date: '2099-01-05' }, 404],
    [{ template_id: '5k-beginner' }, 400],
    [{ template_id: '5k-beginner', start_date: '2099-01-05', race_date: '2099-06-06' }, 400],
    [{ template_id: '5k-beginner', start_date: '2099-02-30' }, 422]
  ]
  for (const [body, status] of cases) {
    t.equal((await ann.call('POST', '/plans/from-template', body)).status, status, JSON.stringify(body))
  }
})

t.test('a template whose race would be over, or after all days, is refused by either date', async (t) => {
  const ann = await runner()
  const choices: Array<[dates: object, field: string]> = [
    [{ race_date: inDays(-2) }, 'race_date'], [{ start_date: '2020-01-01' }, 'start_date'],
    [{ start_date: '2199-12-30' }, 'start_date']
  ]
  for (const [dates, field] of choices) {
    const { status, body } = await ann.call('POST', '/plans/from-template', { template_id: '5k-beginner', ...dates })
    t.match([status, body.error_code, body.details], [400, 'PLAN_NOT_FEASIBLE', { field }])
  }
  t.same((await ann.call('GET', '/plans')).body.items, [])
  // A plan may have begun, as long as its race is to come.
  const late = await ann.call('POST', '/plans/from-template', { template_id: '5k-beginner', race_date: inDays(7) })
  t.equal(late.status, 201)
})

import t from 'tap'
import { startService, type Runner } from '../harness/service.ts'
import { brokenRules } from '../harness/plan-rules.ts'
import { trainingPaces } from '../../src/domain/training/training-paces.ts'
import { vdotOf } from '../../src/domain/training/vdot.ts'

const { runner } = await startService(t)

function inDays (days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
}

const REQUEST = {
  race: { name: 'City half', date: inDays(98), distance_m: 21_097.5 },
  recent_result: { distance_m: 10_000, time_s: 3000 },
  current_weekly_distance_m: 30_000,
  runs_per_week: 4,
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
    const paces = trainingPaces(vdotOf(10_000, 3000))
    t.same(brokenRules(workouts.map((workout) => ({ ...workout, distanceM: workout.planned_distance_m })), {
      startDate: plan.start_date,
      raceDate: REQUEST.race.date,
      raceM: 21_097.5,
      currentWeeklyM: 30_000,
      runsPerWeek: 4,
      firstWeekday: first_weekday,
      paces: {
        easyFast: paces.easy.fast_s_per_km,
        easySlow: paces.easy.slow_s_per_km,
        threshold: paces.threshold,
        interval: paces.interval,
        repetition: paces.repetition
      }
    }), [])
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
    const { body: plan } = await ann.call('POST', '/plans/from-template', { template_id: template.id, start_date: '2027-01-06' })
    t.match(plan, { status: 'active', name: template.name, start_date: '2027-01-06', race: { distance_m: template.distance_m } })
    const workouts = await workoutsOf(ann, plan.id)
    t.equal(workouts.length, plan.workouts_count)
    t.match(workouts.at(-1), { kind: 'race', date: plan.race.date, planned_distance_m: Math.round(template.distance_m * 10) / 10 })
  }
  const { body: plan } = await ann.call('POST', '/plans/from-template', { template_id: '5k-beginner', race_date: '2027-06-05' })
  t.match(plan, { end_date: '2027-06-05', start_date: '2027-04-12' })
  const [first] = await workoutsOf(ann, plan.id)
  await ann.call('PATCH', `/workouts/${first.id}`, { name: 'Mine' })
  const { body: other } = await ann.call('POST', '/plans/from-template', { template_id: '5k-beginner', race_date: '2027-06-05' })
  t.not((await workoutsOf(ann, other.id))[0].name, 'Mine', 'a workout is a copy')
})

t.test('a template must exist, and have one date', async (t) => {
  const ann = await runner()
  const cases: Array<[body: object, status: number]> = [
    [{ template_id: 'none', start_date: '2027-01-04' }, 404],
    [{ template_id: '5k-beginner' }, 400],
    [{ template_id: '5k-beginner', start_date: '2027-01-04', race_date: '2027-06-05' }, 400],
    [{ template_id: '5k-beginner', start_date: '2027-02-30' }, 422]
  ]
  for (const [body, status] of cases) {
    t.equal((await ann.call('POST', '/plans/from-template', body)).status, status, JSON.stringify(body))
  }
})

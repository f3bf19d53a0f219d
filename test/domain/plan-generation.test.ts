import assert from 'node:assert/strict'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { addDays, daysBetween, weekStart, weekdayOf } from '../../src/domain/days.ts'
import { generatePlan, type GeneratedPlan } from '../../src/domain/plans/generate.ts'
import { NotFeasible, type PlanRequest } from '../../src/domain/plans/request.ts'
import { recordTimeS } from '../../src/domain/training/world-records.ts'
import { stepProblem, stepsWithCount } from '../../src/domain/workouts/steps.ts'
import { brokenRules } from '../harness/plan-rules.ts'
import { HALF_M, MARATHON_M, REQUEST, factsOf, requests } from '../harness/plan-requests.ts'

function attempt (request: PlanRequest): GeneratedPlan | NotFeasible {
  try {
    return generatePlan(request)
  } catch (error) {
    if (error instanceof NotFeasible) return error
    throw error
  }
}

t.test('every plan keeps every rule, for every request that is accepted', async (t) => {
  let accepted = 0
  let refused = 0
  fc.assert(fc.property(requests, (request) => {
    const plan = attempt(request)
    if (plan instanceof NotFeasible) {
      refused++
      assert.match(plan.message, /^[A-Z].{20,}/)
      return
    }
    accepted++
    assert.deepEqual(brokenRules(plan.workouts, factsOf(request)), [])
    for (const { steps } of plan.workouts) assert.equal(stepProblem(steps), undefined)
  }), { numRuns: 10_000 })
  t.ok(accepted > 2000, `${accepted} accepted`)
  t.ok(refused > 500, `${refused} refused`)
})

t.test('the outline says what the workouts are', async () => {
  fc.assert(fc.property(requests, (request) => {
    const plan = attempt(request)
    if (plan instanceof NotFeasible) return
    const { outline: { weeks, phases }, workouts } = plan
    for (const week of weeks) {
      const own = workouts.filter(({ date, kind }) =>
        weekStart(date, request.firstWeekday) === week.start_date && kind !== 'race')
      assert.equal(week.distance_m, own.reduce((sum, { distanceM }) => sum + distanceM, 0))
      assert.equal(week.long_run_distance_m, own.find(({ kind }) => kind === 'long')?.distanceM ?? 0)
      const hard = own.filter(({ kind }) => ['tempo', 'interval', 'repetition', 'hills'].includes(kind))
      assert.equal(week.quality_sessions, hard.length)
    }
    assert.equal(weeks.reduce((sum, { distance_m }) => sum + distance_m, 0) + request.race.distanceM,
      workouts.reduce((sum, { distanceM }) => sum + distanceM, 0))
    assert.equal(phases[0]!.start_date, request.startDate)
    assert.equal(phases.at(-1)!.end_date, request.race.date)
    assert.equal(phases.at(-1)!.name, 'taper')
    for (let i = 1; i < phases.length; i++) assert.equal(daysBetween(phases[i - 1]!.end_date, phases[i]!.start_date), 1)
    const order = ['base', 'build', 'peak', 'taper']
    const names = phases.map(({ name }) => order.indexOf(name))
    assert.deepEqual(names, [...new Set(names)].sort((a, b) => a - b))
  }), { numRuns: 1000 })
})

t.test('a coach finds purpose, variety, smooth growth and rest between hard days', async () => {
  fc.assert(fc.property(requests, (request) => {
    const plan = attempt(request)
    if (plan instanceof NotFeasible) return
    const { outline: { weeks }, workouts } = plan
    const of = (start: string) => workouts.filter(({ date }) => weekStart(date, request.firstWeekday) === start)
    for (const [index, week] of weeks.entries()) {
      assert.match(week.focus, /^[A-Z].{15,}/)
      const alike = (start: string): string =>
        of(start).map(({ date, kind, name }) => `${weekdayOf(date)} ${kind} ${name}`).join('; ')
      if (index > 0) assert.notEqual(alike(week.start_date), alike(weeks[index - 1]!.start_date))
    }
    const demanding = workouts.filter(({ kind }) => !['easy', 'recovery'].includes(kind)).map(({ date }) => date)
    for (let i = 1; i < demanding.length; i++) {
      assert.ok(daysBetween(demanding[i - 1]!, demanding[i]!) > 1, `${demanding[i - 1]} and ${demanding[i]}`)
    }
    let longest = 0
    for (const { long_run_distance_m: long } of weeks) {
      if (longest > 0) assert.ok(long <= longest * 1.1 + 200, `${longest} m to ${long} m`)
      longest = Math.max(longest, long)
    }
  }), { numRuns: 2000 })
})

t.test('weeks that are there to rest have plain long runs, and the week of the race short ones', async () => {
  fc.assert(fc.property(requests, (request) => {
    const plan = attempt(request)
    if (plan instanceof NotFeasible) return
    const { outline: { weeks, phases }, workouts, form } = plan
    const taper = phases.at(-1)!.start_date
    for (const { start_date: start, focus } of weeks) {
      if (start < taper && !focus.startsWith('Recovery')) continue
      const long = workouts.find(({ date, kind }) =>
        kind === 'long' && weekStart(date, request.firstWeekday) === start)
      assert.ok(long === undefined || long.name === 'Long run', `${start}: ${long?.name}`)
    }
    const race = weekStart(request.race.date, request.firstWeekday)
    const before = workouts.filter(({ date, kind }) => kind !== 'race' && date >= race)
    for (const { date, distanceM } of before) {
      const minutes = distanceM / 1000 * form.paces.easy.fast_s_per_km / 60
      const isQuiet = daysBetween(date, request.race.date) <= 2
      // A unit of rounding is 100 m.
      assert.ok(minutes <= (isQuiet ? 35 : 50) + 2, `${date}: ${minutes} min`)
    }
  }), { seed: 24, numRuns: 1500 })
})

t.test('work at the pace of the race comes nearer the race', async (t) => {
  for (const distanceM of [5000, 10_000, HALF_M, MARATHON_M]) {
    const request = { ...REQUEST, race: { ...REQUEST.race, distanceM }, currentWeeklyM: 50_000, runsPerWeek: 5 }
    const { workouts, form } = generatePlan(request)
    const middle = addDays(request.startDate, daysBetween(request.startDate, request.race.date) / 2)
    let [early, late] = [0, 0]
    for (const { date, kind, steps } of workouts) {
      if (kind === 'race') continue
      for (const [{ end, target, intensity }, count] of stepsWithCount(steps)) {
        const pace = target?.low === undefined ? 0 : (target.low + target.high!) / 2
        if (intensity !== 'active' || Math.abs(pace - form.racePaceSPerKm) > form.racePaceSPerKm * 0.04) continue
        if (date < middle) early += end.value! * count
        else late += end.value! * count
      }
    }
    t.ok(late > early * 1.5, `${distanceM} m: ${early} m, then ${late} m`)
  }
})

t.test('what cannot be done safely is refused with the field and the reason', async (t) => {
  const cases: Array<[change: Partial<PlanRequest>, field: string, reason: RegExp]> = [
    [{ race: { date: '2026-01-15', distanceM: MARATHON_M, targetTimeS: null } }, 'race.date', /full weeks/],
    [{ race: { ...REQUEST.race, distanceM: MARATHON_M }, currentWeeklyM: 10_000 }, 'current_weekly_distance_m', /km/],
    [{ race: { ...REQUEST.race, date: '2026-01-04' } }, 'race.date', /after/],
    [{ race: { ...REQUEST.race, date: '2026-01-05' } }, 'race.date', /after/],
    [{ race: { ...REQUEST.race, date: '2027-02-01' } }, 'race.date', /a year/],
    [{ race: { ...REQUEST.race, targetTimeS: recordTimeS(HALF_M) - 1 } }, 'race.target_time_s', /world record/],
    [{ race: { ...REQUEST.race, targetTimeS: 4800 } }, 'race.target_time_s', /out of reach/],
    [{ race: { ...REQUEST.race, distanceM: 100_000 } }, 'race.distance_m', /marathon/],
    [{ race: { ...REQUEST.race, distanceM: 100 } }, 'race.distance_m', /1 km/],
    [{ result: { distanceM: 5000, timeS: 700 } }, 'recent_result.time_s', /world record/],
    [{ result: { distanceM: 400, timeS: 60 } }, 'recent_result.time_s', /minutes/],
    [{ result: { distanceM: 5000, timeS: 5000 } }, 'recent_result.time_s', /walking/],
    [{ currentWeeklyM: 0 }, 'current_weekly_distance_m', /too short/],
    [{ currentWeeklyM: 8000, runsPerWeek: 7 }, 'current_weekly_distance_m', /fewer runs/]
  ]
  for (const [change, field, reason] of cases) {
    const plan = attempt({ ...REQUEST, ...change })
    if (!(plan instanceof NotFeasible)) {
      t.fail(`accepted: ${JSON.stringify(change)}`)
      continue
    }
    t.equal(plan.field, field)
    t.match(plan.message, reason)
  }
})

t.test('requests of ordinary runners are accepted', async (t) => {
  const cases: Array<[raceM: number, weeks: number, currentKm: number, runs: number, result: [number, number]]> = [
    [5000, 8, 12, 3, [5000, 1800]],
    [5000, 5, 20, 3, [5000, 1500]],
    [10_000, 8, 20, 3, [5000, 1500]],
    [10_000, 10, 40, 5, [10_000, 2400]],
    [HALF_M, 12, 25, 4, [10_000, 3300]],
    [HALF_M, 16, 30, 4, [10_000, 3000]],
    [MARATHON_M, 16, 40, 4, [HALF_M, 6600]],
    [MARATHON_M, 18, 30, 4, [10_000, 3000]],
    [MARATHON_M, 20, 80, 7, [MARATHON_M, 10_800]]
  ]
  for (const [distanceM, weeks, km, runsPerWeek, [resultM, timeS]] of cases) {
    const plan = attempt({
      ...REQUEST,
      race: { date: addDays('2026-01-05', weeks * 7 - 1), distanceM, targetTimeS: null },
      currentWeeklyM: km * 1000,
      runsPerWeek,
      result: { distanceM: resultM, timeS }
    })
    t.notOk(plan instanceof NotFeasible, `${distanceM} m in ${weeks} weeks: ${plan instanceof NotFeasible ? plan.message : ''}`)
  }
})

t.test('days and weeks of the calendar', async (t) => {
  t.equal(weekdayOf('2026-01-05'), 1)
  t.equal(weekdayOf('2026-01-04'), 7)
  t.equal(weekdayOf('1969-12-28'), 7)
  t.equal(addDays('2024-02-28', 2), '2024-03-01')
  t.equal(daysBetween('2026-03-28', '2026-03-30'), 2)
  t.equal(weekStart('2026-01-07', 1), '2026-01-05')
  t.equal(weekStart('2026-01-07', 7), '2026-01-04')
})

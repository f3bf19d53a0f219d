import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { addDays, daysBetween, weekStart } from '../../src/domain/days.ts'
import { adaptPlan, type Adaptation, type PlanSoFar, type Wish } from '../../src/domain/plans/adapt.ts'
import { editsOf, withEdits, type ExistingWorkout } from '../../src/domain/plans/changes.ts'
import { generatePlan, type GeneratedPlan } from '../../src/domain/plans/generate.ts'
import { NotFeasible, type PlanRequest } from '../../src/domain/plans/request.ts'
import { raceTimeS } from '../../src/domain/training/vdot.ts'
import { brokenRules } from '../harness/plan-rules.ts'
import { factsOf, requests } from '../harness/plan-requests.ts'

/** What a runner did of a plan: a share of each week, in the order of its weeks; and the days off at its end. */
interface Past {
  day: number
  shares: number[]
  daysOff: number
}

const pasts: fc.Arbitrary<Past> = fc.record({
  day: fc.double({ min: 0, max: 1, noNaN: true }),
  shares: fc.oneof(
    fc.constant<number[]>([1]),
    fc.array(fc.oneof(
      { weight: 4, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1.3, noNaN: true })
    ), { minLength: 6, maxLength: 6 })
  ),
  daysOff: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 40 }))
})

function soFar (plan: GeneratedPlan, request: PlanRequest, from: string, { shares, daysOff }: Past): PlanSoFar {
  const lastDay = addDays(from, -daysOff)
  const runDays = new Set<string>()
  const doneM = new Map<string, number>()
  for (const { date, distanceM } of plan.workouts) {
    if (date >= from || date >= lastDay) continue
    const week = weekStart(date, request.firstWeekday)
    const share = shares[Math.floor(daysBetween(request.startDate, date) / 7) % shares.length]!
    if (share === 0) continue
    runDays.add(date)
    doneM.set(week, (doneM.get(week) ?? 0) + distanceM * share)
  }
  return { startDate: request.startDate, outline: plan.outline, runDays, doneM }
}

function attempt<Made> (make: () => Made): Made | undefined {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof NotFeasible)) throw error
    assert.match(error.message, /^[A-Z].{20,}/)
    return undefined
  }
}

function existingOf (plan: GeneratedPlan): ExistingWorkout[] {
  return plan.workouts.map(({ distanceM, ...workout }, index) => (
    { ...workout, id: String(index), planned_distance_m: distanceM, planned_duration_s: null, isKept: false }
  ))
}

function after (plan: GeneratedPlan, adaptation: Adaptation) {
  const existing = existingOf(plan)
  return withEdits(existing, editsOf(existing, adaptation))
    .map((workout) => ({ ...workout, steps: workout.steps!, distanceM: workout.planned_distance_m! }))
    .sort((a, b) => a.date < b.date ? -1 : 1)
}

const AS_WISHED = { result: null, targetTimeS: null, away: [] } satisfies Partial<Wish>

t.test('a plan that was followed stays as it is', async (t) => {
  let plans = 0
  fc.assert(fc.property(requests, fc.double({ min: 0, max: 1, noNaN: true }), (request, day) => {
    const plan = attempt(() => generatePlan(request))
    if (plan === undefined) return
    const from = addDays(request.startDate, Math.floor(day * daysBetween(request.startDate, request.race.date)))
    const past = soFar(plan, request, from, { day, shares: [1], daysOff: 0 })
    const adaptation = attempt(() => adaptPlan(past, { ...AS_WISHED, from, targetTimeS: request.race.targetTimeS }))
    if (adaptation === undefined) return
    plans++
    assert.deepEqual(adaptation.spans, [])
    assert.match(adaptation.reasons.join(), /^The plan was followed/)
  }), { seed: 24, numRuns: 1500 })
  t.ok(plans > 200, `${plans} plans`)
})

t.test('the rest of a plan keeps every rule, whatever was missed', async (t) => {
  let changed = 0
  const forms = fc.option(fc.double({ min: 0.9, max: 1.08, noNaN: true }))
  fc.assert(fc.property(requests, pasts, forms, (request, past, form) => {
    const plan = attempt(() => generatePlan(request))
    if (plan === undefined) return
    const { startDate, firstWeekday, race } = request
    const day = addDays(startDate, Math.floor(past.day * daysBetween(startDate, race.date)))
    // The rest of the plan is checked as a plan of its own, which begins where the adapted weeks do: in the middle of a
    // week only where what is left of it is planned anew.
    const week = weekStart(day, firstWeekday)
    const from = form === null ? day : week < startDate ? startDate : week
    const result = form === null
      ? null
      : { distanceM: 10_000, timeS: raceTimeS(plan.form.vdot * form, 10_000) }
    const adaptation = attempt(() => adaptPlan(
      soFar(plan, request, from, past), { ...AS_WISHED, from, result, targetTimeS: race.targetTimeS }
    ))
    if (adaptation === undefined || adaptation.spans.length === 0) return
    if (from > week && from > startDate && adaptation.spans[0]!.from !== from) return
    changed++
    const facts = factsOf({ ...request, result: result ?? request.result })
    const all = after(plan, adaptation)
    const own = all.filter(({ date }) => date >= from)
    const isBreak = adaptation.reasons.some((reason) => reason.startsWith('No run on'))
    const broken = brokenRules(own, {
      ...facts,
      startDate: from,
      currentWeeklyM: adaptation.currentWeeklyM,
      before: { fullWeeks: fullWeeksBefore(request, from), peakM: peakBefore(plan, from), isBreak }
    })
    assert.deepEqual(broken, [])
    if (result === null && (from === week || from === startDate)) {
      assert.deepEqual(brokenRules(all, facts), [], 'as a whole')
    }
  }), { seed: 24, numRuns: 2000 })
  t.ok(changed > 150, `${changed} adapted`)
})

function fullWeeksBefore ({ startDate, firstWeekday }: PlanRequest, from: string): number {
  const first = weekStart(startDate, firstWeekday)
  const full = first === startDate ? first : addDays(first, 7)
  return Math.max(0, daysBetween(full, weekStart(from, firstWeekday)) / 7)
}

function peakBefore ({ outline: { weeks, phases } }: GeneratedPlan, from: string): number {
  const taper = phases.at(-1)!.start_date
  const before = weeks.filter(({ start_date: start }) => start < from && start < taper)
  return Math.max(0, ...before.map(({ distance_m: metres }) => metres))
}

import assert from 'node:assert/strict'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { addDays, daysBetween, weekStart } from '../../src/domain/days.ts'
import { generatePlan, type GeneratedPlan } from '../../src/domain/plans/generate.ts'
import { returnShare } from '../../src/domain/plans/breaks.ts'
import { dateTemplate } from '../../src/domain/plans/from-template.ts'
import { NotFeasible, type PlanRequest } from '../../src/domain/plans/request.ts'
import { TEMPLATES } from '../../src/domain/plans/templates.ts'
import { raceTimeS } from '../../src/domain/training/vdot.ts'
import { brokenRules } from '../harness/plan-rules.ts'
import { factsOf, requests } from '../harness/plan-requests.ts'
import { dayAt, follow, propose, seasonOf, workoutsAfter, type Season } from '../harness/plan-season.ts'

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

function generated (request: PlanRequest): GeneratedPlan | undefined {
  try {
    return generatePlan(request)
  } catch (error) {
    if (!(error instanceof NotFeasible)) throw error
    assert.match(error.message, /^[A-Z].{20,}/)
    return undefined
  }
}

function soFar (plan: GeneratedPlan, { startDate }: PlanRequest, from: string, { shares, daysOff }: Past): Season {
  const lastDay = addDays(from, -daysOff)
  return follow(seasonOf(startDate, plan), from, (day) =>
    day >= lastDay ? 0 : shares[Math.floor(daysBetween(startDate, day) / 7) % shares.length]!)
}

t.test('a plan that was followed stays as it is', async (t) => {
  let plans = 0
  fc.assert(fc.property(requests, fc.double({ min: 0, max: 1, noNaN: true }), (request, day) => {
    const plan = generated(request)
    if (plan === undefined) return
    const from = dayAt(request, day)
    const adaptation = propose(soFar(plan, request, from, { day, shares: [1], daysOff: 0 }), from)
    if (adaptation === undefined) return
    plans++
    assert.deepEqual([adaptation.edits, adaptation.spans], [[], []])
    assert.match(adaptation.reasons.join(), /^The plan fits what was run/)
  }), { seed: 24, numRuns: 1500 })
  t.ok(plans > 200, `${plans} plans`)
})

t.test('a plan from a template stays as it is, from any day on that it was followed up to', async (t) => {
  for (const template of TEMPLATES) {
    for (let day = 0; day < 7; day++) {
      for (const anchor of [{ startDate: addDays('2026-01-05', day) }, { raceDate: addDays('2026-10-05', day) }]) {
        const dated = dateTemplate(template, anchor, [1, 7, 6][day % 3]!)
        const season = seasonOf(dated.startDate, dated)
        for (const days of [0, 3, 10, 24, 38]) {
          const from = addDays(dated.startDate, days)
          const adaptation = propose(follow(season, from), from)
          t.same(adaptation?.edits, [], `${template.id}, ${JSON.stringify(anchor)}, ${days} days later`)
        }
      }
    }
  }
})

t.test('the rest of a plan keeps every rule, whatever was missed', async (t) => {
  let changed = 0
  const forms = fc.option(fc.double({ min: 0.9, max: 1.08, noNaN: true }))
  fc.assert(fc.property(requests, pasts, forms, (request, past, form) => {
    const plan = generated(request)
    if (plan === undefined) return
    const { startDate, firstWeekday } = request
    const day = dayAt(request, past.day)
    // The rest of the plan is checked as a plan of its own, which begins where the adapted weeks do: in the middle of a
    // week only where what is left of it is planned anew.
    const week = weekStart(day, firstWeekday)
    const from = form === null ? day : week < startDate ? startDate : week
    const result = form === null
      ? null
      : { distanceM: 10_000, timeS: raceTimeS(plan.form.vdot * form, 10_000) }
    const season = soFar(plan, request, from, past)
    const adaptation = propose(season, from, { result })
    if (adaptation === undefined || adaptation.edits.length === 0) return
    const isBegun = from > week && from > startDate
    if (isBegun && adaptation.spans[0]!.from !== from) return
    changed++
    const facts = factsOf({ ...request, result: result ?? request.result })
    const all = workoutsAfter(season, adaptation)
    const isBreak = adaptation.reasons.some((reason) => reason.startsWith('No run on'))
    const broken = brokenRules(all.filter(({ date }) => date >= from), {
      ...facts,
      startDate: from,
      currentWeeklyM: adaptation.currentWeeklyM,
      tolerance: 1 / 0.98 - 1,
      before: {
        fullWeeks: fullWeeksBefore(request, from),
        peakM: peakBefore(plan, from),
        isBreak,
        ...isBegun ? { week: weekSoFar(season, week, from) } : {}
      }
    })
    assert.deepEqual(broken, [])
    if (result === null && !isBegun) assert.deepEqual(brokenRules(all, facts), [], 'as a whole')
  }), { seed: 24, numRuns: 2000 })
  t.ok(changed > 150, `${changed} adapted`)
})

/** What was run of a week before a day, and its days in the plan. */
function weekSoFar (
  { runs, request: { startDate } }: Season,
  week: string,
  from: string
): { doneM: number, days: number } {
  const doneM = [...runs].filter(([date]) => date >= week && date < from).reduce((sum, [, metres]) => sum + metres, 0)
  return { doneM, days: 7 - Math.max(0, daysBetween(week, startDate)) }
}

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

/** The share of the load with which Daniels' table 9.2 has a runner come back, on a day after a break. */
function danielsShare (breakDays: number, day: number): number {
  if (day >= breakDays) return 1
  if (breakDays <= 28) return day < breakDays / 2 ? 0.5 : 0.75
  return day < breakDays / 3 ? 0.33 : day < breakDays * 2 / 3 ? 0.5 : 0.75
}

t.test('after a break no more is run, over the whole way back, than by the steps of Daniels', async (t) => {
  for (let days = 6; days <= 56; days++) {
    let ahead = 0
    let most = 0
    for (let day = 0; day < 140; day++) {
      ahead += Math.min(1, returnShare({ days }) * 1.1 ** Math.floor(day / 7)) - danielsShare(days, day)
      most = Math.max(most, ahead)
    }
    t.ok(ahead <= 0, `${days} days off: ${ahead} days' worth more in the end`)
    t.ok(most < 3, `${days} days off: ${most} days' worth more at most`)
  }
})

import { addDays, daysBetween } from '../days.ts'
import { trainingPaces } from '../training/training-paces.ts'
import { METRES_PER_KM } from '../units.ts'
import { breaksBetween, type Break } from './breaks.ts'
import { byZone } from './from-template.ts'
import type { Origin, Outline } from './outline.ts'
import { NotFeasible, checkRequest, formOf, requestBehind, type Form, type PlanRequest } from './request.ts'
import { adaptVolumes, shapeOf, type AdaptedWeek } from './adapt-volume.ts'
import { UNIT_M, longestRunUnits } from './volume.ts'
import { planWeek, type PlannedWorkout } from './weeks.ts'

/** A plan and what was made of it so far. */
export interface PlanSoFar {
  startDate: string
  outline: Outline
  /** Days before the first one to be adapted on which the runner ran, or is still to run as planned. */
  runDays: ReadonlySet<string>
  /** Metres run in the weeks before it, or still to be run, by the first day of the week. */
  doneM: ReadonlyMap<string, number>
}

/** What the rest of a plan is to be adapted to. */
export interface Wish {
  /** The first day that may change. */
  from: string
  result: PlanRequest['result'] | null
  /** The race as the runner wants it now. */
  targetTimeS: number | null
  /** Stretches of days without running. */
  away: ReadonlyArray<{ from: string, to: string }>
}

export interface Adaptation {
  /** The weeks, or parts of weeks, that are planned anew. */
  spans: Array<{ from: string, to: string }>
  /** Their workouts. */
  workouts: PlannedWorkout[]
  /** The weekly distance that they build on. */
  currentWeeklyM: number
  reasons: string[]
}

/** With less time there is nothing to be gained but rest. */
const LEAST_DAYS_BEFORE_RACE = 7

/**
 * The rest of a plan by what was done of it so far. Weeks stay as they are unless
 *
 * - less was run in the last four weeks than they build on: none has over a tenth more than the highest of these four;
 * - there was a break of six days or more, or there will be one: the runner comes back as in breaks.ts;
 * - the runner cannot run on some of their days: the runs move to other days, or fall away;
 * - the paces change by a new result, or a new target.
 *
 * They never get longer than they were: what was missed is not made up for. The weeks of recovery, the taper and the
 * race stay where they are, and every rule of {@link generatePlan} holds for what is planned anew.
 * @throws NotFeasible where that cannot be done
 */
export function adaptPlan (plan: PlanSoFar, wish: Wish): Adaptation {
  const { origin } = plan.outline
  const before = requestBehind(origin, plan.startDate)
  const request: PlanRequest = {
    ...before,
    result: wish.result ?? before.result,
    race: { ...before.race, targetTimeS: wish.targetTimeS }
  }
  checkRequest(request)
  checkTime(request, wish)
  const form = formOf(request, trainingPaces)
  const away = daysAway(wish.away)
  const isRunOn = (day: string): boolean => day < wish.from ? plan.runDays.has(day) : !away.has(day)
  const breaks = breaksBetween(plan.startDate, request.race.date, isRunOn)
  const shape = shapeOf(request, plan.outline, longestRunUnits(request, form))
  const { weeks, currentUnits } = adaptVolumes(shape, { request, from: wish.from, doneM: plan.doneM, breaks, away })
  const isPacedAnew = origin.targets === 'pace' && !isSameForm(form, formOf(before, trainingPaces))
  const planned = weeks.filter(({ isChanged, lastDay }) => lastDay >= wish.from && (isChanged || isPacedAnew))
  return {
    spans: planned.map(({ firstDay, lastDay }) => ({ from: later(firstDay, wish.from), to: lastDay })),
    workouts: planned.flatMap((week) => workoutsOf(request, form, week, origin.targets))
      .filter(({ date }) => date >= wish.from),
    currentWeeklyM: currentUnits * UNIT_M,
    reasons: reasonsOf({ weeks, breaks, currentUnits, form: isPacedAnew ? form : null }, wish, origin)
  }
}

function checkTime ({ race, startDate }: PlanRequest, { from, away }: Wish): void {
  const days = daysBetween(from, race.date)
  if (days < LEAST_DAYS_BEFORE_RACE) {
    throw new NotFeasible('from', days < 0
      ? 'The race is over'
      : `The race is in ${days} days: training changes nothing by then, rest does. Keep the plan, or run less of it`)
  }
  for (const { from: first, to } of away) {
    if (first <= race.date && to >= race.date) {
      throw new NotFeasible('unavailable', 'The day of the race is among the days without running')
    }
  }
  if (from < startDate) throw new NotFeasible('from', 'The plan has not begun on that day')
}

function daysAway (stretches: Wish['away']): Set<string> {
  const days = new Set<string>()
  for (const { from, to } of stretches) for (let day = from; day <= to; day = addDays(day, 1)) days.add(day)
  return days
}

function isSameForm (a: Form, b: Form): boolean {
  return a.vdot === b.vdot && a.racePaceSPerKm === b.racePaceSPerKm
}

function later (a: string, b: string): string {
  return a > b ? a : b
}

function workoutsOf (
  request: PlanRequest,
  form: Form,
  week: AdaptedWeek,
  targets: Origin['targets']
): PlannedWorkout[] {
  const { workouts } = planWeek(request, form, week, week.index)
  if (targets === 'pace') return workouts
  return workouts.map((workout) => ({ ...workout, steps: byZone(workout.steps, workout.kind, form) }))
}

interface Findings {
  weeks: AdaptedWeek[]
  breaks: Break[]
  currentUnits: number
  /** Null: the paces stay. */
  form: Form | null
}

/** Why the rest of the plan changes, a sentence each. */
function reasonsOf (
  { weeks, breaks, currentUnits, form }: Findings,
  { from, away, result }: Wish,
  origin: Origin
): string[] {
  const reasons: string[] = []
  const changed = weeks.filter(({ isChanged, lastDay }) => isChanged && lastDay >= from)
  const relevant = breaks.filter(({ back }) => changed.length > 0 && back >= addDays(from, -28))
  for (const { start, days, back } of relevant) {
    reasons.push(`No run on the ${days} days from ${start}: from ${back} on the plan begins with less, all of it easy, ` +
      'and grows by at most 10 % a week')
  }
  if (relevant.length === 0 && changed.some(({ isCapped }) => isCapped)) {
    reasons.push(`Less was run than planned: about ${km(currentUnits)} km a week is what the next weeks build on`)
  }
  for (const stretch of away) reasons.push(`No running from ${stretch.from} to ${stretch.to}`)
  if (form !== null) {
    reasons.push(result === null
      ? 'The target time of the race was changed: the paces follow from it'
      : `The new result stands for a VDOT of ${form.vdot}: the paces follow from it`)
  } else if (result !== null) {
    reasons.push(origin.targets === 'zone'
      ? 'The targets are zones: they follow the threshold pace of the physiology settings, not a result'
      : 'The new result stands for the same form: the paces stay')
  }
  if (changed.some(({ isCapped }) => isCapped)) {
    reasons.push('What was missed is not made up for: it would be too much at once')
  }
  if (reasons.length === 0) reasons.push('The plan was followed: nothing has to change')
  return reasons
}

function km (units: number): string {
  return (units * UNIT_M / METRES_PER_KM).toFixed(1)
}

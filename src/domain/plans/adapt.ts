import { daysBetween } from '../days.ts'
import { trainingPaces } from '../training/training-paces.ts'
import { weeksSoFar, type Course } from './adapt-limits.ts'
import { reasonsOf } from './adapt-reasons.ts'
import { adaptVolumes, type AdaptedWeek } from './adapt-volume.ts'
import { daysWithin, replacedFrom, stretchesOf, type Stretch } from './away.ts'
import { breaksBetween } from './breaks.ts'
import { dayOfEdit, editsOf, isRun, type ExistingWorkout, type PlanEdit } from './changes.ts'
import { byZone } from './from-template.ts'
import type { Outline } from './outline.ts'
import { NotFeasible, checkRequest, formOf, requestBehind, type Form, type PlanRequest } from './request.ts'
import { easySession, recoverySession } from './sessions.ts'
import { UNIT_M, longestRunUnits } from './volume.ts'
import { planWeek, type PlannedWorkout } from './weeks.ts'

/** A plan and what was made of it so far. */
export interface PlanSoFar {
  startDate: string
  outline: Outline
  /** Metres by day before the first one to be adapted: run, or still to be run as planned. */
  runs: ReadonlyMap<string, number>
  /** All workouts of the plan. */
  workouts: readonly ExistingWorkout[]
}

/** What the rest of a plan is to be adapted to. */
export interface Wish {
  /** The first day that may change. */
  from: string
  result: PlanRequest['result'] | null
  /** The race as the runner wants it now. */
  targetTimeS: number | null
  /** Stretches of days without running, in place of those accepted before; undefined: these stay. */
  unavailable?: readonly Stretch[] | undefined
}

export interface Adaptation {
  edits: PlanEdit[]
  /** The weeks, or parts of weeks, that are planned anew. */
  spans: Stretch[]
  /** The days without running, accepted before and new. */
  unavailable: Stretch[]
  /** The weekly distance that the edits build on. */
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
 * - they have runs on days on which the runner cannot run: these move to other days, or fall away;
 * - days away are taken back: weeks that were shortened return to their distance, as far as they can grow;
 * - the paces change by a new result, or a new target.
 *
 * A change by less than 2 % of a week is not made. No week gets longer than it was generated, and none gets longer than
 * it is unless days away are taken back: what was missed is not made up for. The weeks of recovery, the taper and the
 * race stay where they are, and every rule of {@link generatePlan} holds for what is planned anew. The distances are
 * always derived from those that were generated and from what was run, never from the result of an earlier adaptation:
 * an adaptation that was accepted is followed by none.
 * @throws NotFeasible where that cannot be done
 */
export function adaptPlan (plan: PlanSoFar, wish: Wish): Adaptation {
  const { origin } = plan.outline
  const { from } = wish
  const before = requestBehind(origin, plan.startDate)
  const request: PlanRequest = {
    ...before,
    result: wish.result ?? before.result,
    race: { ...before.race, targetTimeS: wish.targetTimeS }
  }
  checkRequest(request)
  checkTime(request, from)
  const form = formOf(request, trainingPaces)
  const course = courseOf(plan, wish, request)
  const soFar = weeksSoFar(request, plan.outline, longestRunUnits(request, form))
  const { weeks, currentUnits, peakUnits } = adaptVolumes(soFar, course)
  const isPacedAnew = origin.targets === 'pace' && !isSameForm(form, formOf(before, trainingPaces))
  const planned = weeks.filter(({ isChanged, lastDay }) => lastDay >= from && (isChanged || isPacedAnew))
  const spans = planned.map(({ firstDay, lastDay }) => ({ from: later(firstDay, from), to: lastDay }))
  const workouts = planned.flatMap((week) => workoutsOf(week, { request, form, course, targets: origin.targets }))
  const edits = editsOf(plan.workouts.filter(({ date }) => date >= from), { spans, workouts })
  const changed = weeks.filter(({ isChanged, firstDay, lastDay }) =>
    isChanged && edits.some((edit) => dayOfEdit(edit) >= firstDay && dayOfEdit(edit) <= lastDay))
  return {
    edits: withStretches(edits, weeks, course),
    spans,
    unavailable: stretchesOf(course.away),
    currentWeeklyM: currentUnits * UNIT_M,
    reasons: reasonsOf(
      { weeks, changed, peakUnits, form: isPacedAnew ? form : null },
      { course, result: wish.result, targets: origin.targets, isWithout: edits.length === 0 }
    )
  }
}

function checkTime ({ race, startDate }: PlanRequest, from: string): void {
  const days = daysBetween(from, race.date)
  if (days < LEAST_DAYS_BEFORE_RACE) {
    throw new NotFeasible('from', days < 0
      ? 'The race is over'
      : `The race is in ${days} days: training changes nothing by then, rest does. Keep the plan, or run less of it`)
  }
  if (from < startDate) throw new NotFeasible('from', 'The plan has not begun on that day')
}

function courseOf (
  { startDate, outline, runs, workouts }: PlanSoFar,
  { from, unavailable }: Wish,
  request: PlanRequest
): Course {
  const { date: raceDay } = request.race
  const accepted = daysWithin(outline.origin.unavailable ?? [], startDate, raceDay)
  const given = unavailable === undefined ? undefined : daysWithin(unavailable, from, raceDay)
  const away = replacedFrom(accepted, given, from)
  if (away.has(raceDay)) {
    throw new NotFeasible('unavailable', 'The day of the race is among the days without running')
  }
  const back = new Set([...accepted].filter((day) => !away.has(day)))
  const planned = new Set(workouts.filter((workout) => workout.date < from && isRun(workout)).map(({ date }) => date))
  return {
    request,
    from,
    runs,
    workouts,
    breaks: breaksBetween(startDate, raceDay, {
      isRunOn: (day) => day < from ? runs.has(day) : !away.has(day),
      isMissed: (day) => away.has(day) || planned.has(day)
    }),
    away,
    back,
    mayGrow: back.size > 0 || given?.size === 0
  }
}

function isSameForm (a: Form, b: Form): boolean {
  return a.vdot === b.vdot && a.racePaceSPerKm === b.racePaceSPerKm
}

function later (a: string, b: string): string {
  return a > b ? a : b
}

interface Ground {
  request: PlanRequest
  form: Form
  course: Course
  targets: Outline['origin']['targets']
}

/** The workouts of a week from the first day on that may change. */
function workoutsOf (week: AdaptedWeek, { request, form, course, targets }: Ground): PlannedWorkout[] {
  const planned = planWeek(request, form, week, week.index).workouts.filter(({ date }) => date >= course.from)
  const workouts = week.firstDay >= course.from ? planned : atNewPaces(planned, week, course, form)
  if (targets === 'pace') return workouts
  return workouts.map((workout) => ({ ...workout, steps: byZone(workout.steps, workout.kind, form) }))
}

/** The rest of a week of which only the paces change: the runs that are left, `planned` or easy. */
function atNewPaces (
  planned: readonly PlannedWorkout[],
  { lastDay }: AdaptedWeek,
  { from, workouts }: Course,
  form: Form
): PlannedWorkout[] {
  return workouts
    .filter((workout) => workout.date >= from && workout.date <= lastDay && isRun(workout))
    .map(({ date, kind, name, description, steps, planned_distance_m: metres }) => {
      const distanceM = metres ?? 0
      const same = planned.find((one) => one.date === date && one.kind === kind && one.distanceM === distanceM)
      const isEasy = kind === 'easy' || kind === 'recovery' || (kind === 'long' && steps?.length === 1)
      if (same !== undefined && !isEasy) return same
      const easy = (kind === 'recovery' ? recoverySession : easySession)(form, distanceM / UNIT_M, 0)
      return { date, kind, name, description: description ?? '', steps: isEasy ? easy.steps : steps ?? [], distanceM }
    })
}

/** Edits with the days away of their weeks, where these have any or had: so an edit that is accepted tells them. */
function withStretches (
  edits: readonly PlanEdit[],
  weeks: readonly AdaptedWeek[],
  { from, away, back }: Course
): PlanEdit[] {
  const ahead = stretchesOf([...away].filter((day) => day >= from))
  const taken = stretchesOf(back)
  const byWeek = weeks.map(({ startDate, lastDay }) => {
    const isWithin = (one: Stretch): boolean => one.to >= startDate && one.from <= lastDay
    const unavailable = ahead.filter(isWithin)
    return { lastDay, unavailable: unavailable.length > 0 || taken.some(isWithin) ? unavailable : undefined }
  })
  return edits.map((edit) => {
    const day = dayOfEdit(edit)
    const unavailable = byWeek.find(({ lastDay }) => lastDay >= day)?.unavailable
    return unavailable === undefined ? edit : { ...edit, unavailable }
  })
}

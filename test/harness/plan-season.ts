import { addDays, daysBetween, weekStart } from '../../src/domain/days.ts'
import { outlineAfter } from '../../src/domain/plans/accept.ts'
import { adaptPlan, type Adaptation, type Wish } from '../../src/domain/plans/adapt.ts'
import { withEdits, type ExistingWorkout } from '../../src/domain/plans/changes.ts'
import { NotFeasible, requestBehind, type PlanRequest } from '../../src/domain/plans/request.ts'
import type { Outline } from '../../src/domain/plans/outline.ts'
import type { PlannedWorkout } from '../../src/domain/plans/weeks.ts'
import type { CheckedWorkout } from './plan-rules.ts'

/** A plan that is followed, and what was run of it: as the database has it, without one. */
export interface Season {
  request: PlanRequest
  outline: Outline
  workouts: ExistingWorkout[]
  runs: Map<string, number>
}

export function seasonOf (
  startDate: string,
  { outline, workouts }: { outline: Outline, workouts: PlannedWorkout[] }
): Season {
  return {
    request: requestBehind(outline.origin, startDate),
    outline,
    workouts: workouts.map(({ distanceM, ...workout }, index) => (
      { ...workout, id: String(index), planned_distance_m: distanceM, planned_duration_s: null, isKept: false }
    )),
    runs: new Map()
  }
}

/** Runs of a plan the share of each workout before a day that `shareOn` says. */
export function follow (season: Season, before: string, shareOn: (day: string) => number = () => 1): Season {
  const runs = new Map(season.runs)
  for (const { date, planned_distance_m: metres } of season.workouts) {
    const share = shareOn(date)
    if (date < before && !runs.has(date) && share > 0) runs.set(date, metres! * share)
  }
  return { ...season, runs }
}

/** What is proposed on a day; undefined where it is refused. */
export function propose (season: Season, from: string, wish: Partial<Wish> = {}): Adaptation | undefined {
  const { request, outline, workouts, runs } = season
  try {
    return adaptPlan(
      { startDate: request.startDate, outline, runs, workouts },
      { from, result: null, targetTimeS: outline.origin.race.target_time_s, ...wish }
    )
  } catch (error) {
    if (error instanceof NotFeasible) return undefined
    throw error
  }
}

/** The plan after a proposal was accepted: as a whole, or with nothing but its changes. */
export function accept (season: Season, { edits, unavailable }: Adaptation, today: string, isWhole = true): Season {
  const { request, outline, workouts } = season
  const stay = new Map(workouts.map((workout) => [workout.id, workout]))
  const added = edits.filter(({ action }) => action === 'add')
  for (const { workout_id: id, action, after } of edits) {
    if (id === undefined) continue
    if (action === 'remove') stay.delete(id)
    else stay.set(id, { ...stay.get(id)!, ...after! })
  }
  const next = outlineAfter(outline, workouts, {
    edits,
    unavailable: isWhole ? unavailable : undefined,
    today,
    startDate: request.startDate,
    endDate: request.race.date,
    targetTimeS: outline.origin.race.target_time_s
  })
  const last = Math.max(-1, ...workouts.map(({ id }) => Number(id)))
  return {
    ...season,
    outline: { ...outline, ...next },
    workouts: [...stay.values(), ...added.map(({ after }, index) => (
      { ...after!, id: String(last + 1 + index), isKept: false }
    ))]
  }
}

/** The workouts of a plan once a proposal is accepted, in their order, to be checked. */
export function workoutsAfter ({ workouts }: Season, { edits }: Adaptation): CheckedWorkout[] {
  return withEdits(workouts, edits)
    .map(({ date, kind, steps, planned_distance_m: metres }) => ({ date, kind, steps: steps!, distanceM: metres! }))
    .sort((a, b) => a.date < b.date ? -1 : 1)
}

/** Planned metres by the first day of the week, without the race. */
export function metresByWeek (
  { firstWeekday }: PlanRequest,
  workouts: ReadonlyArray<{ date: string, kind: string, distanceM: number }>
): Map<string, number> {
  const weeks = new Map<string, number>()
  for (const { date, kind, distanceM } of workouts) {
    if (kind === 'race') continue
    const week = weekStart(date, firstWeekday)
    weeks.set(week, (weeks.get(week) ?? 0) + distanceM)
  }
  return weeks
}

export function checked ({ workouts }: Season): CheckedWorkout[] {
  return workouts.map(({ date, kind, steps, planned_distance_m: metres }) => (
    { date, kind, steps: steps!, distanceM: metres! }
  ))
}

/** The day of a plan at a share of its length. */
export function dayAt ({ startDate, race }: PlanRequest, share: number): string {
  return addDays(startDate, Math.floor(share * daysBetween(startDate, race.date)))
}

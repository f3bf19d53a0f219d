import { sumDays } from '../../db/analytics.ts'
import { findOrigin, type PlanRow } from '../../db/plans.ts'
import type { Sql } from '../../db/sql.ts'
import { listWorkouts, type WorkoutRow } from '../../db/workouts.ts'
import type { AdaptationRequest, ProposedAdaptation } from '../../schemas/adaptation.ts'
import { addDays } from '../domain/days.ts'
import { localDate } from '../domain/local-day.ts'
import { adaptPlan, type Adaptation, type PlanSoFar, type Wish } from '../domain/plans/adapt.ts'
import { daysWithin, stretchesOf, type Stretch } from '../domain/plans/away.ts'
import { isRun, recordOf, weeksWith, withEdits, type ExistingWorkout } from '../domain/plans/changes.ts'
import type { Origin, Outline } from '../domain/plans/outline.ts'
import { NotFeasible } from '../domain/plans/request.ts'
import { trainingPaces } from '../domain/training/training-paces.ts'
import { vdotOf } from '../domain/training/vdot.ts'
import { METRES_PER_KM } from '../domain/units.ts'
import { AppError, invalid } from '../errors.ts'
import { calendarOf } from './calendar.ts'
import { viewWorkouts } from './workouts.ts'

/** More than a plan of years has; what is read for one request is bounded. */
const MOST_WORKOUTS = 5000

/**
 * What would change in the rest of a plan by what was done of it; nothing is written.
 * @throws AppError VALIDATION_ERROR for days that cannot be, CONFLICT for a plan that is over or was changed too far,
 * PLAN_NOT_FEASIBLE with the reason where no change is safe
 */
export async function proposeAdaptation (
  sql: Sql,
  userId: string,
  plan: PlanRow,
  body: AdaptationRequest
): Promise<ProposedAdaptation> {
  if (plan.status === 'completed' || plan.status === 'archived') {
    throw new AppError('CONFLICT', `The plan is ${plan.status}: only a plan that is followed can be adapted`)
  }
  const { timezone } = await calendarOf(sql, userId)
  const today = localDate(Date.now(), timezone)
  const from = firstDayOf(plan, body, today)
  checkStretches(body.unavailable ?? [])
  const [origin, workouts] = await Promise.all([
    findOrigin(sql, userId, plan.id), existingWorkouts(sql, userId, plan.id)
  ])
  if (origin === null) return withoutGenerator(plan, workouts, from, body.unavailable ?? [])
  requireSameRace(plan, origin)
  const outline = { phases: plan.phases ?? [], weeks: plan.weeks ?? [], origin }
  const wish = {
    from,
    result: body.recent_result === undefined
      ? null
      : { distanceM: body.recent_result.distance_m, timeS: body.recent_result.time_s },
    targetTimeS: plan.race?.target_time_s ?? null,
    unavailable: body.unavailable
  }
  const soFar = await progressOf(sql, userId, { plan, outline, workouts, today, from })
  const adaptation = feasible(soFar, wish)
  const { edits: changes } = adaptation
  const unavailable = stretchesOf(daysWithin(adaptation.unavailable, today, plan.end_date))
  return {
    changes,
    weeks: weeksWith({ ...outline, edits: changes, workouts: withEdits(workouts, changes), unavailable }),
    unavailable,
    reasons: [...adaptation.reasons, ...keptReasons(workouts, adaptation)]
  }
}

/** @throws AppError VALIDATION_ERROR for a stretch that ends before it begins */
export function checkStretches (stretches: readonly Stretch[]): void {
  for (const [index, { from, to }] of stretches.entries()) {
    if (to < from) throw invalid(`unavailable.${index}.to`, 'A stretch of days must not end before it begins')
  }
}

function firstDayOf (plan: PlanRow, { from }: AdaptationRequest, today: string): string {
  if (from !== undefined && from < today) throw invalid('from', 'from must not be before today: what is past stays as it is')
  if (from !== undefined && from > plan.end_date) throw invalid('from', `The plan ends on ${plan.end_date}`)
  const day = from ?? today
  return day < plan.start_date ? plan.start_date : day
}

/** The race that the plan was made for, on its day. @throws AppError CONFLICT for another one */
function requireSameRace ({ race, start_date: startDate }: PlanRow, origin: Origin): void {
  if (race?.date === origin.race.date && race.distance_m === origin.race.distance_m && startDate <= race.date) return
  throw new AppError('CONFLICT', 'The race is another one than the plan was made for: generate a plan for it')
}

/** The workouts of a plan with their distances, and whether they stay as they are. */
export async function existingWorkouts (sql: Sql, userId: string, planId: string): Promise<StoredState[]> {
  const rows = await listWorkouts(sql, userId, planId, { limit: MOST_WORKOUTS })
  const views = await viewWorkouts(sql, userId, rows)
  return views.map(({ row, planned_distance_m, planned_duration_s }) => ({
    id: row.id,
    date: row.date,
    kind: row.kind,
    name: row.name,
    description: row.description,
    steps: row.steps,
    planned_distance_m,
    planned_duration_s,
    isKept: isKept(row),
    isDone: row.activity_id !== null
  }))
}

/** A workout as it is stored, and whether it was done. */
export interface StoredState extends ExistingWorkout {
  isDone: boolean
}

/** What was done, decided by hand, added or edited by the runner stays as it is. */
function isKept ({ activity_id, match, is_generated }: WorkoutRow): boolean {
  return activity_id !== null || match?.by === 'person' || !is_generated
}

interface Situation {
  plan: PlanRow
  outline: Outline
  workouts: ExistingWorkout[]
  today: string
  from: string
}

/** What was run before a day; from today on, what is planned counts as run. */
async function progressOf (
  sql: Sql,
  userId: string,
  { plan, outline, workouts, today, from }: Situation
): Promise<PlanSoFar> {
  const days = await sumDays(sql, userId, { from: plan.start_date, to: addDays(from, -1), sport: 'running' })
  const runs = new Map<string, number>()
  for (const { date, distance_m: metres, duration_s: seconds } of days) {
    runs.set(date, metres > 0 ? metres : seconds / easyPace(outline.origin) * METRES_PER_KM)
  }
  for (const workout of workouts) {
    const { date, planned_distance_m: metres } = workout
    const isToCome = date >= today && date < from && isRun(workout)
    if (isToCome && !runs.has(date)) runs.set(date, metres ?? 0)
  }
  return { startDate: plan.start_date, outline, runs, workouts }
}

/** The middle of easy, in s/km: of a run whose distance is not known. */
function easyPace ({ recent_result: { distance_m: metres, time_s: seconds } }: Origin): number {
  const { easy } = trainingPaces(vdotOf(metres, seconds))
  return (easy.fast_s_per_km + easy.slow_s_per_km) / 2
}

function feasible (soFar: PlanSoFar, wish: Wish): Adaptation {
  try {
    return adaptPlan(soFar, wish)
  } catch (error) {
    if (!(error instanceof NotFeasible)) throw error
    throw new AppError('PLAN_NOT_FEASIBLE', error.message, { details: { field: error.field } })
  }
}

function keptReasons (workouts: ExistingWorkout[], { edits, spans }: Adaptation): string[] {
  if (edits.length === 0) return []
  const kept = workouts.filter(({ date, isKept }) => isKept && spans.some(({ from, to }) => date >= from && date <= to))
  if (kept.length === 0) return []
  const stay = kept.length === 1 ? '1 workout stays as it is' : `${kept.length} workouts stay as they are`
  return [`${stay}: done, linked, added or edited by hand`]
}

/** Of a plan made by hand nothing is known but its workouts: those on days without running fall away. */
function withoutGenerator (
  { end_date: end }: PlanRow,
  workouts: StoredState[],
  from: string,
  stretches: readonly Stretch[]
): ProposedAdaptation {
  const away = daysWithin(stretches, from, end)
  const gone = workouts.filter((one) => away.has(one.date) && !one.isDone && one.kind !== 'rest' && one.kind !== 'race')
  return {
    unavailable: stretchesOf(away),
    changes: gone.map(({ id, ...workout }) => ({ action: 'remove', workout_id: id, before: recordOf(workout) })),
    weeks: [],
    reasons: [
      'The plan was made by hand: what its distances and paces follow from is not known, so only workouts on days ' +
      'without running fall away. A plan that was generated or made from a template adapts in full'
    ]
  }
}

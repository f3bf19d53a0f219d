import { isDeepStrictEqual } from 'node:util'
import { findOrigin, findPlan, updateWeeks, type PlanRow } from '../../db/plans.ts'
import type { Sql } from '../../db/sql.ts'
import { deleteWorkouts, updateGenerated, upsertWorkouts, type StoredWorkout } from '../../db/workouts.ts'
import { localDate } from '../domain/local-day.ts'
import { outlineAfter } from '../domain/plans/accept.ts'
import { daysWithin, type Stretch } from '../domain/plans/away.ts'
import { isSameWorkout, type PlanEdit, type ProposedWorkout } from '../domain/plans/changes.ts'
import type { Origin, Outline } from '../domain/plans/outline.ts'
import { settingsOn } from '../domain/physiology.ts'
import { stepProblem } from '../domain/workouts/steps.ts'
import { totalsOf } from '../domain/workouts/totals.ts'
import { AppError, invalid } from '../errors.ts'
import { newId } from '../ids.ts'
import { calendarOf } from './calendar.ts'
import { withMatching } from './matching.ts'
import { checkStretches, existingWorkouts, type StoredState } from './plan-adaptation.ts'

/** What a runner accepts of a proposal. */
export interface Acceptance {
  changes: PlanEdit[]
  /** The days without running from today on; absent: those that follow from the changes. */
  unavailable?: Stretch[]
}

/**
 * Carries out changes of a plan, all or none; undefined where the plan was changed since it was read.
 * @throws AppError VALIDATION_ERROR for a change that must not be, CONFLICT where a workout is no longer as the change
 * says that it was
 */
export async function acceptAdaptation (
  sql: Sql,
  userId: string,
  plan: PlanRow,
  acceptance: Acceptance
): Promise<PlanRow | undefined> {
  const { changes, unavailable } = acceptance
  const { timezone } = await calendarOf(sql, userId)
  const today = localDate(Date.now(), timezone)
  requireOnce(changes)
  checkDays(changes, plan, today)
  checkStretches(unavailable ?? [])
  if (changes.length === 0 && unavailable === undefined) return plan
  return await withMatching(sql, userId, {
    write: (sql) => writeChanges(sql, userId, plan, acceptance, today),
    daysOf: () => changes.flatMap(({ before, after }) => [before, after].flatMap((one) => one?.date ?? [])),
    read: async (_sql, changed) => changed
  })
}

async function writeChanges (
  sql: Sql,
  userId: string,
  plan: PlanRow,
  acceptance: Acceptance,
  today: string
): Promise<PlanRow | undefined> {
  const { changes } = acceptance
  // With the account locked, before the workouts are compared: a plan that another request changed while this one
  // waited is decided by its entity tag (412), not by its workouts (409).
  const locked = await findPlan(sql, userId, plan.id)
  if (locked?.revision !== plan.revision) return undefined
  const workouts = await existingWorkouts(sql, userId, plan.id)
  requireAsBefore(changes, new Map(workouts.map((workout) => [workout.id, workout])))
  const origin = await findOrigin(sql, userId, plan.id)
  const next = origin === null ? null : nextOutline(plan, origin, workouts, acceptance, today)
  if (changes.length === 0 && isDeepStrictEqual(next?.origin.unavailable ?? [], origin?.unavailable ?? [])) return plan
  const changed = await updateWeeks(sql, userId, plan, next)
  if (changed === undefined) return undefined
  const gone = changes.flatMap(({ action, workout_id: id }) => action === 'remove' && id !== undefined ? [id] : [])
  if (gone.length > 0) await deleteWorkouts(sql, userId, plan.id, gone)
  const edited = changes.flatMap(({ action, workout_id: id, after }) =>
    action === 'change' && after !== undefined ? [storedOf(after, id)] : [])
  if (edited.length > 0) await updateGenerated(sql, userId, plan.id, edited)
  const added = changes.flatMap(({ action, after }) => action === 'add' && after !== undefined ? [storedOf(after)] : [])
  if (added.length > 0) await upsertWorkouts(sql, userId, plan.id, added)
  return changed
}

/** @throws AppError VALIDATION_ERROR where the day of the race is among the days without running */
function nextOutline (
  { weeks, race, start_date: startDate, end_date: endDate }: PlanRow,
  origin: Origin,
  workouts: StoredState[],
  { changes, unavailable }: Acceptance,
  today: string
): Pick<Outline, 'weeks' | 'origin'> {
  const next = outlineAfter({ weeks: weeks ?? [], origin }, workouts, {
    edits: changes, unavailable, today, startDate, endDate, targetTimeS: race?.target_time_s ?? null
  })
  if (daysWithin(next.origin.unavailable ?? [], origin.race.date, origin.race.date).size > 0) {
    throw invalid('unavailable', 'The day of the race is among the days without running')
  }
  return next
}

/** Figures that follow from the steps are not kept beside them. */
function storedOf (
  { date, kind, name, description, steps, planned_distance_m, planned_duration_s }: ProposedWorkout,
  id = newId()
): StoredWorkout {
  const known = totalsOf({ kind, steps, planned_distance_m: null, planned_duration_s: null }, settingsOn(date, []))
  return {
    id,
    date,
    kind,
    name,
    description,
    steps,
    planned_distance_m: known.distanceM === null ? planned_distance_m : null,
    planned_duration_s: known.durationS === null ? planned_duration_s : null,
    external_id: null,
    is_generated: true
  }
}

function requireOnce (changes: PlanEdit[]): void {
  const seen = new Set<string>()
  for (const [index, { workout_id: id }] of changes.entries()) {
    if (id === undefined) continue
    if (seen.has(id)) throw invalid(`changes.${index}.workout_id`, 'The workout is changed twice')
    seen.add(id)
  }
}

/** What is past stays, every day is within the plan, and the race stays on its day. */
function checkDays (changes: PlanEdit[], { start_date: start, end_date: end }: PlanRow, today: string): void {
  for (const [index, { before, after }] of changes.entries()) {
    const path = `changes.${index}`
    if (before !== undefined && before.date < today) throw invalid(`${path}.before.date`, 'What is past stays as it is')
    if (before?.kind === 'race' && (after?.kind !== 'race' || after.date !== before.date)) {
      throw invalid(path, 'The race stays on its day')
    }
    if (after === undefined) continue
    if (after.date < today) throw invalid(`${path}.after.date`, 'What is past stays as it is')
    if (after.date < start || after.date > end) {
      throw invalid(`${path}.after.date`, `The day must be within the plan, from ${start} to ${end}`)
    }
    const problem = after.steps === null ? undefined : stepProblem(after.steps)
    if (problem !== undefined) throw invalid(`${path}.after.${problem.path}`, `${problem.path} ${problem.message}`)
  }
}

/** @throws AppError CONFLICT for the first workout that was changed, done or deleted since the changes were proposed */
function requireAsBefore (changes: PlanEdit[], workouts: ReadonlyMap<string, StoredState>): void {
  for (const [index, { workout_id: id, before }] of changes.entries()) {
    if (id === undefined || before === undefined) continue
    const now = workouts.get(id)
    const problem = now === undefined
      ? 'is no longer in the plan'
      : now.isDone
        ? 'was done in between'
        : isSameWorkout(now, before) ? undefined : 'was changed in between'
    if (problem === undefined) continue
    throw new AppError('CONFLICT', `A workout ${problem}: ask for the changes again`, {
      details: { field: `changes.${index}`, workout_id: id }
    })
  }
}

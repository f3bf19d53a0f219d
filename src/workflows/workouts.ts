import { createHash } from 'node:crypto'
import { listPhysiologyUntil } from '../../db/physiology.ts'
import { findPlan, type PlanRow } from '../../db/plans.ts'
import type { Sql } from '../../db/sql.ts'
import {
  daysOf, deleteWorkout, findWorkout, insertWorkout, listStates, updateWorkout, upsertWorkouts, type StoredWorkout,
  type WorkoutRow, type WorkoutState
} from '../../db/workouts.ts'
import type { NewWorkout, Workout, WorkoutChange, WorkoutUpserts } from '../../schemas/workouts.ts'
import { settingsOn, type BodySettings, type DatedSettings } from '../domain/physiology.ts'
import { stepProblem, type WorkoutStep } from '../domain/workouts/steps.ts'
import { StepTextError, formatSteps, parseSteps } from '../domain/workouts/step-text.ts'
import { resolveSteps } from '../domain/workouts/target.ts'
import { totalsOf } from '../domain/workouts/totals.ts'
import { rounded } from '../domain/units.ts'
import { AppError, invalid, notFound, unfit } from '../errors.ts'
import { mapInTurns } from '../http/turns.ts'
import { newId } from '../ids.ts'
import { withMatching } from './matching.ts'

/** Writing the steps of so many workouts as one value takes 3 ms of the event loop. */
const UPSERTED_AT_ONCE = 100

/** A workout with what it means for the runner, and the row it comes from. */
export interface ListedWorkout extends Workout {
  row: WorkoutRow
}

/** Such a workout by itself. */
export interface WorkoutView extends ListedWorkout {
  /** Changes with the settings of its day and its activity, too. */
  revision: string
}

/** What a workout means with the settings of its day. Each field is named: copying the others took half of the time. */
function listed (row: WorkoutRow, body: BodySettings): ListedWorkout {
  const { distanceM, durationS, load } = totalsOf(row, body)
  return {
    id: row.id,
    plan_id: row.plan_id,
    date: row.date,
    kind: row.kind,
    name: row.name,
    description: row.description,
    steps: row.steps === null ? null : resolveSteps(row.steps, body),
    steps_text: row.steps === null ? null : formatSteps(row.steps),
    planned_distance_m: rounded(distanceM, 1),
    planned_duration_s: rounded(durationS, 1),
    planned_load: rounded(load, 2),
    external_id: row.external_id,
    activity_id: row.activity_id,
    match: row.match,
    created_at: row.created_at,
    updated_at: row.updated_at,
    row
  }
}

/** Stands for what a representation depends on beside its own row. */
function fingerprint ({ activity_id, match }: WorkoutRow, body: BodySettings): string {
  const parts = JSON.stringify([activity_id, match, Object.values(body)])
  return createHash('sha256').update(parts).digest('base64url').slice(0, 12)
}

/** The workouts with what they mean for the runner on their days. */
export async function viewWorkouts (sql: Sql, userId: string, rows: WorkoutRow[]): Promise<ListedWorkout[]> {
  const settings = await settingsFor(sql, userId, rows)
  return await mapInTurns(rows, (row) => listed(row, settingsOn(row.date, settings)))
}

/** The settings of the runner up to the last day of some workouts. */
export async function settingsFor (
  sql: Sql,
  userId: string,
  rows: ReadonlyArray<Pick<WorkoutRow, 'date'>>
): Promise<readonly DatedSettings[]> {
  if (rows.length === 0) return []
  return await listPhysiologyUntil(sql, userId, rows.reduce((day, { date }) => date > day ? date : day, ''))
}

async function viewWorkout (sql: Sql, userId: string, row: WorkoutRow): Promise<WorkoutView> {
  const body = settingsOn(row.date, await settingsFor(sql, userId, [row]))
  return { ...listed(row, body), revision: `${row.revision}-${fingerprint(row, body)}` }
}

/** @throws AppError NOT_FOUND */
export async function readWorkout (sql: Sql, userId: string, workoutId: string): Promise<WorkoutView> {
  const row = await findWorkout(sql, userId, workoutId)
  if (row === undefined) throw notFound('workout')
  return await viewWorkout(sql, userId, row)
}

/**
 * Adds a workout to a plan.
 * @throws AppError NOT_FOUND for the plan, VALIDATION_ERROR for a day outside of it or steps that break their rules,
 * REQUEST_VALIDATION_ERROR for a text that is none of steps, CONFLICT for an external id that the plan has
 */
export async function addWorkout (
  sql: Sql,
  userId: string,
  planId: string,
  body: NewWorkout
): Promise<WorkoutView> {
  const workout = storedOf(body, '')
  const view = await withMatching(sql, userId, {
    write: (sql) => insertWorkout(sql, userId, planId, workout),
    daysOf: ({ date }) => [date],
    read: (sql, { id }) => readWorkout(sql, userId, id)
  })
  if (view !== undefined) return view
  await requireDays(sql, userId, planId, [[body.date, 'date']])
  throw new AppError('CONFLICT', 'The plan has a workout with this external_id')
}

/**
 * Adds workouts to a plan or changes them, by their external ids, all or none.
 * @throws AppError as `addWorkout`, naming the first workout that is wrong
 */
export async function putWorkouts (
  sql: Sql,
  userId: string,
  planId: string,
  { workouts }: WorkoutUpserts
): Promise<{ created: number, updated: number, items: ListedWorkout[] }> {
  const known = new Set<string>()
  for (const [index, { external_id }] of workouts.entries()) {
    if (known.has(external_id)) throw unfit(`workouts.${index}.external_id`, 'body', 'is there twice')
    known.add(external_id)
  }
  const stored = await mapInTurns(workouts, (workout, index) => storedOf(workout, `workouts.${index}.`))
  const rows = await withMatching(sql, userId, {
    write: (sql) => upsertInPlan(sql, userId, planId, stored),
    // A workout that was moved leaves its former day, which may be any of the plan.
    daysOf: ({ plan }) => [plan.start_date, plan.end_date],
    read: (sql, { ids }) => listStates(sql, userId, ids)
  })
  if (rows === undefined) {
    await requireDays(sql, userId, planId, workouts.map(({ date }, index) => [date, `workouts.${index}.date`]))
    throw new AppError('CONFLICT', 'The plan was changed in between: send the workouts again')
  }
  const states = new Map(rows.map((row) => [row.external_id, row]))
  const items = stored.map((workout) => rowOf(workout, states.get(workout.external_id)!))
  const created = items.filter(({ id }, index) => id === stored[index]!.id).length
  return { created, updated: items.length - created, items: await viewWorkouts(sql, userId, items) }
}

function rowOf (written: StoredWorkout, state: WorkoutState): WorkoutRow {
  const { date, kind, name, description, steps, planned_distance_m, planned_duration_s } = written
  return { date, kind, name, description, steps, planned_distance_m, planned_duration_s, ...state }
}

async function upsertInPlan (
  sql: Sql,
  userId: string,
  planId: string,
  workouts: StoredWorkout[]
): Promise<{ plan: PlanRow, ids: string[] } | undefined> {
  const plan = await findPlan(sql, userId, planId)
  if (plan === undefined) return undefined
  const days = daysOf(workouts)
  const ids: string[] = []
  for (let from = 0; from < workouts.length; from += UPSERTED_AT_ONCE) {
    const batch = workouts.slice(from, from + UPSERTED_AT_ONCE)
    const rows = await upsertWorkouts(sql, userId, planId, batch, days)
    // The first batch keeps the plan, with all the days, as it is.
    if (rows.length === 0) return undefined
    ids.push(...rows.map(({ id }) => id))
  }
  return { plan, ids }
}

/**
 * Changes a workout as it was read; undefined if it was changed in between.
 * @throws AppError as `addWorkout`
 */
export async function changeWorkout (
  sql: Sql,
  userId: string,
  { row }: WorkoutView,
  change: WorkoutChange
): Promise<WorkoutView | undefined> {
  const { steps: _steps, steps_text: _text, ...fields } = change
  const steps = stepsOf(change, '')
  const next: WorkoutRow = { ...row, ...fields, ...(steps === undefined ? {} : { steps }) }
  if (change.date !== undefined) await requireDays(sql, userId, row.plan_id, [[change.date, 'date']])
  return await withMatching(sql, userId, {
    write: (sql) => updateWorkout(sql, userId, next),
    daysOf: ({ date }) => [row.date, date],
    read: (sql, { id }) => readWorkout(sql, userId, id)
  })
}

/** Deletes a workout as it was read; undefined if it was changed in between. */
export async function removeWorkout (sql: Sql, userId: string, { row }: WorkoutView): Promise<true | undefined> {
  return await withMatching(sql, userId, {
    write: (sql) => deleteWorkout(sql, userId, row),
    daysOf: () => [row.date],
    read: async () => true as const
  })
}

/** `path`: of the workout in the body. */
function storedOf (body: NewWorkout, path: string): StoredWorkout {
  return {
    id: newId(),
    date: body.date,
    kind: body.kind,
    name: body.name,
    description: body.description ?? null,
    steps: stepsOf(body, path) ?? null,
    planned_distance_m: body.planned_distance_m ?? null,
    planned_duration_s: body.planned_duration_s ?? null,
    external_id: body.external_id ?? null
  }
}

/** The steps of a body that has them as a tree or as text; undefined where it has neither. */
function stepsOf (
  { steps, steps_text }: Pick<WorkoutChange, 'steps' | 'steps_text'>,
  path: string
): WorkoutStep[] | null | undefined {
  if (steps !== undefined && steps_text !== undefined) {
    throw invalid(`${path}steps_text`, 'Send either steps or steps_text')
  }
  if (steps_text !== undefined) return steps_text === null ? null : stepsOfText(steps_text, `${path}steps_text`)
  const problem = steps === undefined || steps === null ? undefined : stepProblem(steps)
  if (problem !== undefined) throw invalid(path + problem.path, `${path}${problem.path} ${problem.message}`)
  return steps
}

function stepsOfText (text: string, field: string): WorkoutStep[] {
  try {
    return parseSteps(text)
  } catch (error) {
    if (!(error instanceof StepTextError)) throw error
    const { line, column } = error
    const message = `is not readable at line ${line}, column ${column}: ${error.message}`
    throw new AppError('REQUEST_VALIDATION_ERROR', `${field} ${message}`, {
      details: { field, line, column, errors: [{ field, location: 'body', message }] }
    })
  }
}

/** @throws AppError NOT_FOUND for the plan, VALIDATION_ERROR for the first day outside of it */
async function requireDays (
  sql: Sql,
  userId: string,
  planId: string,
  days: Array<[day: string, field: string]>
): Promise<void> {
  const plan = await findPlan(sql, userId, planId)
  if (plan === undefined) throw notFound('plan')
  for (const [day, field] of days) {
    if (day < plan.start_date || day > plan.end_date) {
      throw invalid(field, `The day must be within the plan, from ${plan.start_date} to ${plan.end_date}`)
    }
  }
}

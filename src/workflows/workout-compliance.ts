import { findActivity } from '../../db/activities.ts'
import { findLaps, findStreams } from '../../db/figures.ts'
import { listPhysiologyUntil } from '../../db/physiology.ts'
import type { Sql } from '../../db/sql.ts'
import { localDate } from '../domain/local-day.ts'
import { settingsOn } from '../domain/physiology.ts'
import { complianceOf, type WorkoutCompliance } from '../domain/workouts/compliance.ts'
import { runSteps, type TargetedStep } from '../domain/workouts/run-steps.ts'
import type { StepsAnswer } from '../domain/workouts/step-compliance.ts'
import { resolveTarget } from '../domain/workouts/target.ts'
import type { StepsTask } from '../workers/steps.ts'
import { calendarOf } from './calendar.ts'
import { current } from './figures.ts'
import { readWorkout, type WorkoutView } from './workouts.ts'

export type WorkoutDone = WorkoutCompliance & StepsAnswer

/** Compares steps with packed streams, on another thread where it takes long. */
export type CompareSteps = (task: StepsTask) => Promise<StepsAnswer>

/**
 * How a workout was done, and each of its steps.
 * @throws AppError NOT_FOUND; SERVICE_UNAVAILABLE where the figures of its activity are still to be computed
 */
export async function workoutCompliance (
  sql: Sql,
  userId: string,
  workoutId: string,
  compareSteps: CompareSteps
): Promise<WorkoutDone> {
  const workout = await readWorkout(sql, userId, workoutId)
  const [{ timezone, firstWeekday }, activity] = await Promise.all([
    calendarOf(sql, userId),
    workout.activity_id === null ? undefined : findActivity(sql, userId, workout.activity_id)
  ])
  const planned = {
    id: workout.id,
    date: workout.date,
    kind: workout.kind,
    distanceM: workout.planned_distance_m,
    durationS: workout.planned_duration_s,
    load: workout.planned_load
  }
  const done = activity === undefined
    ? []
    : [{
        id: activity.id,
        workoutId: workout.id,
        date: activity.local_date,
        distanceM: activity.distance_m,
        durationS: activity.moving_s,
        load: activity.load
      }]
  const { workouts: [compliance] } = complianceOf([planned], done, localDate(Date.now(), timezone), firstWeekday)
  const steps = activity === undefined
    ? none('No activity belongs to the workout')
    : await stepsDone(sql, userId, { workout, activityId: activity.id, compareSteps })
  return { ...compliance as WorkoutCompliance, ...steps }
}

async function stepsDone (
  sql: Sql,
  userId: string,
  { workout, activityId, compareSteps }: { workout: WorkoutView, activityId: string, compareSteps: CompareSteps }
): Promise<StepsAnswer> {
  const { steps, date } = workout.row
  if (steps === null || steps.length === 0) return none('The workout has no steps')
  const run = await targetedSteps(sql, userId, steps, date)
  if (run === undefined) return none('The workout has too many steps to be compared one by one')
  const { part: packed } = await current(sql, userId, await findStreams(sql, userId, activityId))
  if (packed === null) return none('The activity has no recording')
  const { part: laps } = await current(sql, userId, await findLaps(sql, userId, activityId))
  return await compareSteps({ packed, steps: run, laps: laps ?? [] })
}

async function targetedSteps (
  sql: Sql,
  userId: string,
  steps: NonNullable<WorkoutView['row']['steps']>,
  date: string
): Promise<TargetedStep[] | undefined> {
  const settings = settingsOn(date, await listPhysiologyUntil(sql, userId, date))
  return runSteps(steps, (step) => resolveTarget(step.target, settings))
}

function none (reason: string): StepsAnswer {
  return { steps: null, reason }
}

import type { Sql } from '../../db/sql.ts'
import type { WorkoutJson } from '../../schemas/workouts.ts'
import type { StepEnd } from '../domain/workouts/steps.ts'
import type { WatchWorkout } from '../domain/workouts/write-fit.ts'
import { readWorkout, type WorkoutView } from './workouts.ts'

/** A workout with its steps for a watch; one without steps is a single step. */
export async function readWatchWorkout (
  sql: Sql,
  userId: string,
  workoutId: string
): Promise<{ workout: WorkoutView, watch: WatchWorkout }> {
  const workout = await readWorkout(sql, userId, workoutId)
  return {
    workout,
    watch: {
      id: workout.id,
      name: workout.name,
      sport: workout.kind === 'cross' ? 'generic' : 'running',
      steps: workout.steps ?? [{ type: 'step', intensity: 'active', end: wholeOf(workout), resolved: null }],
      changedAt: new Date(workout.updated_at)
    }
  }
}

/** The same as JSON, beside the description and the text of the steps, which a watch does not get. */
export function workoutJson (workout: WorkoutView, { id, name, sport, steps }: WatchWorkout): WorkoutJson {
  const { description, steps_text, updated_at } = workout
  return { id, name, sport, description, steps, steps_text, updated_at }
}

function wholeOf ({ planned_distance_m: metres, planned_duration_s: seconds }: WorkoutView): StepEnd {
  if (metres !== null) return { type: 'distance', value: metres }
  return seconds !== null ? { type: 'time', value: seconds } : { type: 'lap_button' }
}

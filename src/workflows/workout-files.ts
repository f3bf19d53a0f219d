import type { Sql } from '../../db/sql.ts'
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

function wholeOf ({ planned_distance_m: metres, planned_duration_s: seconds }: WorkoutView): StepEnd {
  if (metres !== null) return { type: 'distance', value: metres }
  return seconds !== null ? { type: 'time', value: seconds } : { type: 'lap_button' }
}

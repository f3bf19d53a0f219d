import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { errors } from '../schemas/error.ts'
import { WorkoutDone } from '../schemas/compliance.ts'
import { WorkoutParams } from '../schemas/workouts.ts'
import { workoutCompliance, type CompareSteps } from '../src/workflows/workout-compliance.ts'

export interface WorkoutComplianceOptions {
  compareSteps: CompareSteps
}

/** How single workouts were done. */
export const workoutComplianceRoutes: FastifyPluginAsyncTypebox<WorkoutComplianceOptions> = async (
  app,
  { compareSteps }
) => {
  app.get('/:workout_id/compliance', {
    schema: {
      operationId: 'getWorkoutCompliance',
      summary: 'Compare a workout with what was done',
      description:
        'The compliance of one workout, as in that of its plan, and how each of its steps was run: by the laps of the ' +
        'activity where they are those of the steps, else by its stream. docs/WORKOUTS.md has the rules. `steps` is null ' +
        'where that cannot be told; `reason` says why.',
      tags: ['Workouts'],
      params: WorkoutParams,
      response: { 200: WorkoutDone, ...errors(401, 404, 422, 429) }
    }
  }, async ({ sql, user, params: { workout_id } }) => await workoutCompliance(sql, user.id, workout_id, compareSteps))
}

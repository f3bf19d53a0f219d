import type { Kind, WorkoutStep } from './steps.ts'

/** What a workout asks for and when; a record of the API and of the database. */
export interface WorkoutFields {
  date: string
  kind: Kind
  name: string
  description: string | null
  steps: WorkoutStep[] | null
  planned_distance_m: number | null
  planned_duration_s: number | null
}

/** A workout, as far as its totals depend on it. */
export type PlannedFields = Pick<WorkoutFields, 'date' | 'kind' | 'steps' | 'planned_distance_m' | 'planned_duration_s'>

import { lockUser } from '../../db/accounts.ts'
import { insertPlan, type PlanRow } from '../../db/plans.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { upsertWorkouts, type StoredWorkout } from '../../db/workouts.ts'
import type { NewPlan } from '../../schemas/plans.ts'
import type { Outline } from '../domain/plans/outline.ts'
import type { PlannedWorkout } from '../domain/plans/weeks.ts'
import { newId } from '../ids.ts'
import { matchDays } from './matching.ts'

/** A plan with its workouts, as it was stored. */
export interface StoredPlan extends PlanRow {
  workouts_count: number
}

/** Stores a plan with its workouts, all or nothing. */
export async function storePlan (
  sql: Sql,
  userId: string,
  plan: NewPlan,
  outline: Outline,
  workouts: PlannedWorkout[]
): Promise<StoredPlan> {
  return await transaction(sql, async (sql) => {
    await lockUser(sql, userId)
    const row = await insertPlan(sql, userId, newId(), plan, outline)
    await upsertWorkouts(sql, userId, row.id, workouts.map(storedOf))
    await matchDays(sql, userId, [plan.start_date, plan.end_date])
    return { ...row, workouts_count: workouts.length }
  })
}

/** The distance of the workout follows from its steps. */
function storedOf ({ date, kind, name, description, steps }: PlannedWorkout): StoredWorkout {
  return {
    id: newId(),
    date,
    kind,
    name,
    description,
    steps,
    planned_distance_m: null,
    planned_duration_s: null,
    external_id: null,
    is_generated: true
  }
}

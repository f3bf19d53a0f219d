import { dropMatchesOfPlan } from '../../db/matches.ts'
import { deletePlan, findWorkoutDays, updatePlan, type PlanRow } from '../../db/plans.ts'
import type { Sql } from '../../db/sql.ts'
import type { NewPlan, PlanChange } from '../../schemas/plans.ts'
import { invalid } from '../errors.ts'
import { withMatching } from './matching.ts'

/** Checks the rules of a plan that its schema cannot express. */
export function checkPlan ({ start_date, end_date }: Pick<NewPlan, 'start_date' | 'end_date'>): void {
  if (end_date <= start_date) throw invalid('end_date', 'Plan end_date must be after start_date')
}

/**
 * Changes a plan in the revision that was read; undefined where it was changed in between.
 * @throws AppError VALIDATION_ERROR for days that leave a workout outside
 */
export async function changePlan (
  sql: Sql,
  userId: string,
  plan: PlanRow,
  change: PlanChange
): Promise<PlanRow | undefined> {
  const next = { ...plan, ...change }
  checkPlan(next)
  const changed = await updateMatched(sql, userId, plan, change)
  if (changed !== undefined) return changed
  const days = await findWorkoutDays(sql, userId, plan.id)
  if (days === undefined) return undefined
  if (days.first < next.start_date) throw invalid('start_date', `The plan has a workout on ${days.first}: move it first`)
  if (days.last > next.end_date) throw invalid('end_date', `The plan has a workout on ${days.last}: move it first`)
  return undefined
}

/** The status of a plan says whether its workouts take runs, and whether they keep those that they have. */
async function updateMatched (
  sql: Sql,
  userId: string,
  plan: PlanRow,
  change: PlanChange
): Promise<PlanRow | undefined> {
  if (change.status === undefined || change.status === plan.status) return await updatePlan(sql, userId, plan, change)
  return await withMatching(sql, userId, {
    write: async (sql) => {
      const changed = await updatePlan(sql, userId, plan, change)
      if (changed?.status === 'draft') await dropMatchesOfPlan(sql, userId, plan.id)
      return changed
    },
    daysOf: ({ start_date, end_date }) => [start_date, end_date],
    read: async (_sql, changed) => changed
  })
}

/** Deletes a plan as it was read, with its workouts; undefined if it was changed in between. */
export async function removePlan (sql: Sql, userId: string, plan: PlanRow): Promise<true | undefined> {
  return await withMatching(sql, userId, {
    write: (sql) => deletePlan(sql, userId, plan),
    daysOf: () => [plan.start_date, plan.end_date],
    read: async () => true as const
  })
}

import { updatePlan, type PlanRow } from '../../db/plans.ts'
import type { Sql } from '../../db/sql.ts'
import type { NewPlan, PlanChange } from '../../schemas/plans.ts'
import { invalid } from '../errors.ts'

/** Checks the rules of a plan that its schema cannot express. */
export function checkPlan ({ start_date, end_date }: Pick<NewPlan, 'start_date' | 'end_date'>): void {
  if (end_date <= start_date) throw invalid('end_date', 'Plan end_date must be after start_date')
}

/** Changes a plan in the revision that was read; undefined where it was changed in between. */
export async function changePlan (
  sql: Sql,
  userId: string,
  plan: PlanRow,
  change: PlanChange
): Promise<PlanRow | undefined> {
  checkPlan({ ...plan, ...change })
  return await updatePlan(sql, userId, plan, change)
}

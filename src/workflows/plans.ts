import { updatePlan, type PlanRow } from '../../db/plans.ts'
import type { Sql } from '../../db/sql.ts'
import type { NewPlan, PlanChange } from '../../schemas/plans.ts'
import { invalid } from '../errors.ts'

/** What a plan must obey beyond its schema. */
export function checkPlan ({ start_date, end_date }: Pick<NewPlan, 'start_date' | 'end_date'>): void {
  if (end_date <= start_date) throw invalid('end_date', 'Plan end_date must be after start_date')
}

/** Changes a plan as it was read; undefined where somebody was faster in between, who is not overwritten. */
export async function changePlan (
  sql: Sql,
  userId: string,
  plan: PlanRow,
  change: PlanChange
): Promise<PlanRow | undefined> {
  checkPlan({ ...plan, ...change })
  return await updatePlan(sql, userId, plan, change)
}

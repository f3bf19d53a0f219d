import { updatePlan, type PlanRow } from '../../db/plans.ts'
import type { Sql } from '../../db/sql.ts'
import type { NewPlan, PlanChange } from '../../schemas/plans.ts'
import { invalid } from '../errors.ts'
import { preconditionFailed } from '../http/etag.ts'

/** What a plan must obey beyond its schema. */
export function checkPlan ({ start_date, end_date }: Pick<NewPlan, 'start_date' | 'end_date'>): void {
  if (end_date <= start_date) throw invalid('end_date', 'Plan end_date must be after start_date')
}

/** Changes a plan as it was read; whoever was faster in between is not overwritten. */
export async function changePlan (sql: Sql, userId: string, plan: PlanRow, change: PlanChange): Promise<PlanRow> {
  checkPlan({ ...plan, ...change })
  const changed = await updatePlan(sql, userId, plan, change)
  if (changed === undefined) throw preconditionFailed()
  return changed
}

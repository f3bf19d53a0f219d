import type { Sql } from '../db/sql.ts'
import type { Job } from '../src/jobs/runner.ts'
import { RECOMPUTE_FIGURES, recomputeBatch, type RecomputationContext } from '../src/workflows/recompute-due.ts'

/** A look at an index where there is nothing to do. */
const INTERVAL_MS = 5000

/** Computes the figures of activities again where what they depend on has changed. */
export function recomputeFigures (sql: Sql, context: RecomputationContext): Job {
  return { name: RECOMPUTE_FIGURES, intervalMs: INTERVAL_MS, batch: () => recomputeBatch(sql, context) }
}

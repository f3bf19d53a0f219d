import { deleteExpiredAnswers } from '../db/idempotency.ts'
import type { Sql } from '../db/sql.ts'
import type { Job } from '../src/jobs/runner.ts'
import { SWEEP_INTERVAL_MS, sweepBatch } from '../src/workflows/sweep.ts'

/** Deletes idempotency keys whose answers have expired. */
export function sweepIdempotencyKeys (sql: Sql): Job {
  const name = 'sweep-idempotency-keys'
  return { name, intervalMs: SWEEP_INTERVAL_MS, batch: () => sweepBatch(sql, name, deleteExpiredAnswers) }
}

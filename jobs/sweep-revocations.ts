import { deleteExpiredRevocations } from '../db/revocations.ts'
import type { Sql } from '../db/sql.ts'
import type { Job } from '../src/jobs/runner.ts'
import { SWEEP_INTERVAL_MS, sweepBatch } from '../src/workflows/sweep.ts'

/** Deletes revocations of tokens that have expired by themselves. */
export function sweepRevocations (sql: Sql): Job {
  const name = 'sweep-revocations'
  return { name, intervalMs: SWEEP_INTERVAL_MS, batch: () => sweepBatch(sql, name, deleteExpiredRevocations) }
}

import { deleteExpiredRefreshTokens } from '../db/sessions.ts'
import type { Sql } from '../db/sql.ts'
import type { Job } from '../src/jobs/runner.ts'
import { SWEEP_INTERVAL_MS, sweepBatch } from '../src/workflows/sweep.ts'

/** Deletes expired refresh tokens. */
export function sweepRefreshTokens (sql: Sql): Job {
  const name = 'sweep-refresh-tokens'
  return { name, intervalMs: SWEEP_INTERVAL_MS, batch: () => sweepBatch(sql, name, deleteExpiredRefreshTokens) }
}

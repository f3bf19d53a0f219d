import { deleteExpiredCancellations } from '../db/calendar-feeds.ts'
import type { Sql } from '../db/sql.ts'
import type { Job } from '../src/jobs/runner.ts'
import { SWEEP_INTERVAL_MS, sweepBatch } from '../src/workflows/sweep.ts'

/** Deletes what was kept of deleted workouts so that calendars show them as cancelled. */
export function sweepCancelledWorkouts (sql: Sql): Job {
  const name = 'sweep-cancelled-workouts'
  return { name, intervalMs: SWEEP_INTERVAL_MS, batch: () => sweepBatch(sql, name, deleteExpiredCancellations) }
}

import { tryLockJob } from '../../db/jobs.ts'
import { transaction, type Sql } from '../../db/sql.ts'

/** Rows deleted in one transaction: it takes some milliseconds, however many have expired. */
const BATCH_ROWS = 1000
export const SWEEP_INTERVAL_MS = 3_600_000

/**
 * Deletes one batch of expired rows under the lock of the job `name`. The lock is held by the batch's transaction, so
 * that nothing of it outlives a process that dies, and a transaction pooler may stand in between.
 * @returns whether there is more to delete; `elsewhere` where another process runs this job
 */
export async function sweepBatch (
  sql: Sql,
  name: string,
  deleteExpired: (sql: Sql, limit: number) => Promise<number>
): Promise<'more' | 'done' | 'elsewhere'> {
  return await transaction(sql, async (sql) => {
    if (!await tryLockJob(sql, name)) return 'elsewhere'
    return await deleteExpired(sql, BATCH_ROWS) === BATCH_ROWS ? 'more' : 'done'
  })
}

import { deleteExpiredAnswers } from '../db/idempotency.ts'
import { deleteExpiredRefreshTokens, tryLockJob } from '../db/jobs.ts'
import { deleteExpiredSessions } from '../db/sessions.ts'
import { deleteExpiredRevocations } from '../db/revocations.ts'
import { transaction, type Sql } from '../db/sql.ts'
import type { Job } from '../src/jobs/runner.ts'

/** So many rows are deleted in one transaction: it is over in some milliseconds, whatever has piled up. */
const BATCH_ROWS = 1000
const HOUR_MS = 3_600_000

/** What clears away rows whose time is over. */
export function sweeps (sql: Sql): Job[] {
  return [
    sweep(sql, 'sweep-idempotency-keys', deleteExpiredAnswers),
    sweep(sql, 'sweep-refresh-tokens', deleteExpiredRefreshTokens),
    sweep(sql, 'sweep-sessions', deleteExpiredSessions),
    sweep(sql, 'sweep-revocations', deleteExpiredRevocations)
  ]
}

/**
 * The lock is held for a batch, in its transaction: nothing is left of a process that dies, and a pooler in between
 * does no harm.
 */
function sweep (sql: Sql, name: string, deleteExpired: (sql: Sql, limit: number) => Promise<number>): Job {
  return {
    name,
    intervalMs: HOUR_MS,
    batch: () => transaction(sql, async (sql) => {
      if (!await tryLockJob(sql, name)) return 'elsewhere'
      return await deleteExpired(sql, BATCH_ROWS) === BATCH_ROWS ? 'more' : 'done'
    })
  }
}

import type { Sql } from './sql.ts'

/** Takes the lock of a job until the transaction ends; false at once where another process has it. */
export async function tryLockJob (sql: Sql, name: string): Promise<boolean> {
  const [row] = await sql<{ locked: boolean }>`/* tryLockJob */
    select pg_try_advisory_xact_lock(hashtextextended(${name}, 7236517)) as locked
  `
  return row?.locked === true
}

/** Deletes so many at the most of the refresh tokens that are of no use any more, and answers how many it were. */
export async function deleteExpiredRefreshTokens (sql: Sql, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteExpiredRefreshTokens */
    with gone as (
      delete from refresh_tokens
      where (user_id, token_id) in (
        select user_id, token_id from refresh_tokens where expires_at <= now() order by expires_at limit ${limit} for update skip locked
      )
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

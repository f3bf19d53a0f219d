import type { Sql } from './sql.ts'

/** Locks a job until the transaction ends; false at once where another process has the lock. */
export async function tryLockJob (sql: Sql, name: string): Promise<boolean> {
  const [row] = await sql<{ locked: boolean }>`/* tryLockJob */
    select pg_try_advisory_xact_lock(hashtextextended(${name}, 7236517)) as locked
  `
  return row?.locked === true
}

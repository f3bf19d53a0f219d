import type { Sql } from './sql.ts'

export interface KeptAnswer {
  fingerprint: Buffer
  /** Encrypted. */
  answer: Buffer
}

/**
 * The time after which the server ends an idle transaction whose process has disappeared, which releases its lock.
 */
const ORPHANED_MS = 10_000

/**
 * Takes the lock until the transaction ends; false at once if another transaction holds it. The lock belongs to one
 * server: it saves the work that `keepAnswer` would refuse, and promises nothing.
 */
export async function tryLock (sql: Sql, lock: bigint): Promise<boolean> {
  const [row] = await sql<{ locked: boolean }>`/* tryLock */
    select pg_try_advisory_xact_lock(${lock}::bigint) as locked, set_config('idle_in_transaction_session_timeout', ${String(ORPHANED_MS)}, true)
  `
  return row?.locked === true
}

export async function findAnswer (sql: Sql, userId: string, keyHash: Buffer): Promise<KeptAnswer | undefined> {
  const [row] = await sql<KeptAnswer>`/* findAnswer */
    select fingerprint, answer from idempotency_keys
    where user_id = ${userId} and key_hash = ${keyHash} and expires_at > now()
  `
  return row
}

/**
 * Stores the response for a number of hours; it replaces an expired one. False where another transaction has stored a
 * response: the unique key decides between them, on whichever servers they run. The caller then rolls back.
 */
export async function keepAnswer (
  sql: Sql,
  userId: string,
  keyHash: Buffer,
  { fingerprint, answer }: KeptAnswer,
  hours: number
): Promise<boolean> {
  const rows = await sql`/* keepAnswer */
    insert into idempotency_keys (user_id, key_hash, fingerprint, answer, expires_at)
    values (${userId}, ${keyHash}, ${fingerprint}, ${answer}, now() + make_interval(hours => ${hours}::integer))
    on conflict (user_id, key_hash) do update
    set fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at
    where idempotency_keys.expires_at <= excluded.created_at
    returning user_id
  `
  return rows.length === 1
}

/** Deletes at most `limit` expired responses, the oldest first; returns the number of deleted ones. */
export async function deleteExpiredAnswers (sql: Sql, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteExpiredAnswers */
    with gone as (
      delete from idempotency_keys
      where (user_id, key_hash) in (select user_id, key_hash from idempotency_keys where expires_at <= now() order by expires_at limit ${limit})
        and expires_at <= now()
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

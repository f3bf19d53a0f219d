import type { Sql } from './sql.ts'

export interface KeptAnswer {
  fingerprint: Buffer
  /** Encrypted. */
  answer: Buffer
}

/** An answer that is there, though it may be on this server alone. */
export interface FoundAnswer extends KeptAnswer {
  /** Whether commits wait for a synchronous standby. */
  is_synchronous: boolean
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

export async function findAnswer (sql: Sql, userId: string, keyHash: Buffer): Promise<FoundAnswer | undefined> {
  const [row] = await sql<FoundAnswer>`/* findAnswer */
    select fingerprint, answer, current_setting('synchronous_standby_names') <> '' as is_synchronous
    from idempotency_keys
    where user_id = ${userId} and key_hash = ${keyHash} and expires_at > now()
  `
  return row
}

/**
 * Resolves when the synchronous standby has the answer. The commit that stored it may have been cancelled while it
 * waited for the standby; the row is then visible, and lost in a failover. A lock is written to the log of the server
 * after the answer, so that its own commit waits for both.
 */
export async function confirmAnswer (sql: Sql, userId: string, keyHash: Buffer): Promise<void> {
  await sql`/* confirmAnswer */
    select 1 from idempotency_keys where user_id = ${userId} and key_hash = ${keyHash} for update
  `
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

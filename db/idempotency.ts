import type { Sql } from './sql.ts'

export interface KeptAnswer {
  fingerprint: Buffer
  /** Sealed. */
  answer: Buffer
}

/**
 * How long the server lets a transaction stand still whose process is gone without a word: then its lock is free again.
 */
const ORPHANED_MS = 10_000

/** Takes the lock until the transaction ends; false at once where another one has it. */
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

/** Keeps the answer for so many hours; one whose time is over gives way. */
export async function keepAnswer (
  sql: Sql,
  userId: string,
  keyHash: Buffer,
  { fingerprint, answer }: KeptAnswer,
  hours: number
): Promise<void> {
  await sql`/* keepAnswer */
    insert into idempotency_keys (user_id, key_hash, fingerprint, answer, expires_at)
    values (${userId}, ${keyHash}, ${fingerprint}, ${answer}, now() + make_interval(hours => ${hours}::integer))
    on conflict (user_id, key_hash) do update
    set fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at
  `
}

/** Deletes so many at the most of those whose time is over, the oldest first, and answers how many it were. */
export async function deleteExpiredAnswers (sql: Sql, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteExpiredAnswers */
    with gone as (
      delete from idempotency_keys
      where (user_id, key_hash) in (
        select user_id, key_hash from idempotency_keys where expires_at <= now() order by expires_at limit ${limit} for update skip locked
      )
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

import type { Sql } from './sql.ts'

export interface NewRefreshToken {
  user_id: string
  token_id: string
  /** The login it comes from, by rotation. */
  session_id: string
  secret_hash: Buffer
  expires_at: string
}

export interface RefreshTokenRow {
  session_id: string
  secret_hash: Buffer
  expired: boolean
}

/**
 * Creates a session if the account's password hash is still the one that was checked: false where it is not, also where
 * a concurrent transaction changes it. Null is for accounts without a password.
 */
export async function insertSession (
  sql: Sql,
  userId: string,
  sessionId: string,
  passwordHash: string | null,
  expiresAt: string
): Promise<boolean> {
  const rows = await sql`/* insertSession */
    insert into sessions as made (user_id, session_id, expires_at)
    select user_id, ${sessionId}::uuid, ${expiresAt}::timestamptz from users
    where user_id = ${userId} and password_hash is not distinct from ${passwordHash}::text
    for share
    returning made.session_id
  `
  return rows.length === 1
}

/** Locks the session until the transaction ends, and extends it; false where it has ended. */
export async function extendSession (sql: Sql, userId: string, sessionId: string, expiresAt: string): Promise<boolean> {
  const rows = await sql`/* extendSession */
    update sessions set expires_at = ${expiresAt}::timestamptz where user_id = ${userId} and session_id = ${sessionId}
    returning session_id
  `
  return rows.length === 1
}

/** Deletes a session with all its refresh tokens. */
export async function deleteSession (sql: Sql, userId: string, sessionId: string): Promise<void> {
  await sql`/* deleteSession */
    delete from sessions where user_id = ${userId} and session_id = ${sessionId}
  `
}

/** Ends all sessions of an account but one; returns their ids. */
export async function deleteOtherSessions (sql: Sql, userId: string, spared: string | undefined): Promise<string[]> {
  const rows = await sql<{ session_id: string }>`/* deleteOtherSessions */
    delete from sessions where user_id = ${userId} and session_id is distinct from ${spared ?? null}::uuid
    returning session_id
  `
  return rows.map(({ session_id }) => session_id)
}

export async function insertRefreshToken (sql: Sql, token: NewRefreshToken): Promise<void> {
  await sql`/* insertRefreshToken */
    insert into refresh_tokens (user_id, token_id, session_id, secret_hash, expires_at)
    values (${token.user_id}, ${token.token_id}, ${token.session_id}, ${token.secret_hash}, ${token.expires_at}::timestamptz)
  `
}

export async function findRefreshToken (
  sql: Sql,
  userId: string,
  tokenId: string
): Promise<RefreshTokenRow | undefined> {
  const [row] = await sql<RefreshTokenRow>`/* findRefreshToken */
    select session_id, secret_hash, expires_at <= now() as expired
    from refresh_tokens where user_id = ${userId} and token_id = ${tokenId}
  `
  return row
}

/** Marks a token as used; false where it was used before. */
export async function useRefreshToken (sql: Sql, userId: string, tokenId: string): Promise<boolean> {
  const rows = await sql`/* useRefreshToken */
    update refresh_tokens set used_at = now() where user_id = ${userId} and token_id = ${tokenId} and used_at is null
    returning token_id
  `
  return rows.length === 1
}

/** Deletes at most `limit` expired sessions, the oldest first; returns how many. */
export async function deleteExpiredSessions (sql: Sql, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteExpiredSessions */
    with gone as (
      delete from sessions
      where (user_id, session_id) in (select user_id, session_id from sessions where expires_at <= now() order by expires_at limit ${limit})
        and expires_at <= now()
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

/** Deletes at most `limit` expired refresh tokens, the oldest first; returns how many. */
export async function deleteExpiredRefreshTokens (sql: Sql, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteExpiredRefreshTokens */
    with gone as (
      delete from refresh_tokens
      where (user_id, token_id) in (select user_id, token_id from refresh_tokens where expires_at <= now() order by expires_at limit ${limit})
        and expires_at <= now()
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

import type { Sql } from './sql.ts'

export interface NewRevocation {
  /** Hexadecimal SHA-256 of the revoked session or account. */
  subject: string
  /** Whether only tokens issued until now are revoked. */
  pastOnly: boolean
  /** The remaining lifetime of a revoked token, at most. */
  livesS: number
}

export interface RevocationRow {
  subject: string
  /** Null: all tokens. */
  issued_until: string | null
  /** The time for which it is still needed, by the clock of the database. */
  lives_ms: number
}

export interface RevocationPage {
  rows: RevocationRow[]
  /** The database's time of reading. */
  readAt: string
}

export async function insertRevocations (sql: Sql, revocations: NewRevocation[]): Promise<void> {
  if (revocations.length === 0) return
  await sql`/* insertRevocations */
    insert into revocations (subject, issued_until, expires_at)
    select subject, case when past_only then now() end, now() + lives_s * interval '1 second'
    from unnest(
      ${revocations.map(({ subject }) => subject)}::text[],
      ${revocations.map(({ pastOnly }) => pastOnly)}::boolean[],
      ${revocations.map(({ livesS }) => livesS)}::integer[]
    ) as revoked (subject, past_only, lives_s)
    on conflict (subject) do update
    set issued_until = excluded.issued_until, expires_at = excluded.expires_at, written_at = excluded.written_at
  `
}

/**
 * The revocations since the last read, or all that are still needed. Revocations written up to a minute before are read
 * again: a transaction becomes visible only when it commits.
 */
export async function listRevocations (sql: Sql, since: string | undefined): Promise<RevocationPage> {
  const rows = await sql<RevocationRow & { read_at: string }>`/* listRevocations */
    select read_at, subject, issued_until, (extract(epoch from expires_at - read_at) * 1000)::float8 as lives_ms
    from (select now() as read_at) as clock
    left join revocations on expires_at > read_at and written_at > coalesce(${since ?? null}::timestamptz - interval '1 minute', '-infinity')
  `
  const readAt = (rows[0] as { read_at: string }).read_at
  return { rows: rows.filter(({ subject }) => subject !== null), readAt }
}

/**
 * Whether a token issued at that time (ms since 1970, as stated by the token) is revoked, according to the database.
 */
export async function isRevokedSince (sql: Sql, subject: string, issuedAtMs: number): Promise<boolean> {
  // Compared as numbers: a token may state a time that the database cannot represent.
  const rows = await sql`/* isRevokedSince */
    select 1 from revocations
    where subject = ${subject} and expires_at > now()
      and (issued_until is null or (extract(epoch from issued_until) * 1000)::float8 >= ${issuedAtMs}::float8)
  `
  return rows.length > 0
}

/** Deletes at most `limit` revocations that no unexpired token needs; returns the number of deleted ones. */
export async function deleteExpiredRevocations (sql: Sql, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteExpiredRevocations */
    with gone as (
      delete from revocations
      where subject in (select subject from revocations where expires_at <= now() order by expires_at limit ${limit})
        and expires_at <= now()
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

import type { Sql } from './sql.ts'

export interface NewRevocation {
  /** Hexadecimal SHA-256 of what is revoked. */
  subject: string
  /** Whether only tokens issued up to now are meant. */
  pastOnly: boolean
  /** How long a token that says otherwise may live on. */
  livesS: number
}

export interface RevocationRow {
  subject: string
  /** Null: whatever the token. */
  issued_until: string | null
  /** How long it is still of use, by the clock of the database. */
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
 * What was revoked since somebody read last, and all that is still of use where nobody has. What was written up to a
 * minute before is read again: a transaction is seen by others only when it commits.
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
 * Whether something issued at that time (ms since 1970, whatever a token says) is revoked, as all instances together
 * know it.
 */
export async function isRevokedSince (sql: Sql, subject: string, issuedAtMs: number): Promise<boolean> {
  // Compared as numbers: a token may name a time that is none to the database.
  const rows = await sql`/* isRevokedSince */
    select 1 from revocations
    where subject = ${subject} and expires_at > now()
      and (issued_until is null or (extract(epoch from issued_until) * 1000)::float8 >= ${issuedAtMs}::float8)
  `
  return rows.length > 0
}

/** Deletes so many at the most of those that no living token can contradict any more, and answers how many it were. */
export async function deleteExpiredRevocations (sql: Sql, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteExpiredRevocations */
    with gone as (
      delete from revocations
      where subject in (select subject from revocations where expires_at <= now() order by expires_at limit ${limit} for update skip locked)
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

import type { User, UserChange } from '../schemas/accounts.ts'
import { fragment, type Sql } from './sql.ts'

/** A stored account: the fields that its owner sees, and the internal ones. */
export interface UserRow extends User {
  password_hash: string | null
  revision: number
}

const columns = fragment`
  user_id as id, email, name, timezone, first_weekday, units, created_at, password_hash, revision
`

export interface NewUser {
  id: string
  /** As the user wrote it; null without a verified address. */
  email: string | null
  password_hash: string | null
  name: string | undefined
  timezone: string | undefined
}

/** Reserves the address for a new account; false if it is already in use, also with concurrent requests. */
export async function claimAddress (sql: Sql, address: string, userId: string): Promise<boolean> {
  const rows = await sql`/* claimAddress */
    insert into emails (address, user_id)
    values (${address}, ${userId})
    on conflict do nothing
    returning user_id
  `
  return rows.length === 1
}

export async function insertUser (sql: Sql, user: NewUser): Promise<UserRow> {
  const [row] = await sql<UserRow>`/* insertUser */
    insert into users (user_id, email, password_hash, name, timezone)
    values (${user.id}, ${user.email}, ${user.password_hash}, ${user.name ?? null}, ${user.timezone ?? 'UTC'})
    returning ${columns}
  `
  return row as UserRow
}

export async function findUser (sql: Sql, userId: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow>`/* findUser */
    select ${columns} from users where user_id = ${userId}
  `
  return row
}

/** An id that no account has. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

/**
 * The account of an address. There are two statements, because the second one goes to a single node of a cluster only
 * when it has the id as a value. An unknown address runs both as well, and takes as long.
 */
export async function findUserByAddress (sql: Sql, address: string): Promise<UserRow | undefined> {
  const [claimed] = await sql<{ user_id: string }>`/* findAddress */
    select user_id from emails where address = ${address}
  `
  return await findUser(sql, claimed?.user_id ?? NOBODY)
}

/**
 * Applies `change` to the account as it was read; undefined if it was changed in between or does not exist.
 */
export async function updateUser (sql: Sql, user: UserRow, change: UserChange): Promise<UserRow | undefined> {
  const next = { ...user, ...change }
  const [row] = await sql<UserRow>`/* updateUser */
    update users
    set name = ${next.name}, timezone = ${next.timezone}, first_weekday = ${next.first_weekday}, units = ${next.units},
      revision = revision + 1, updated_at = now()
    where user_id = ${user.id} and revision = ${user.revision}
    returning ${columns}
  `
  return row
}

/** Replaces the password hash that was checked; false if the account has a different one by now. */
export async function replacePasswordHash (
  sql: Sql,
  userId: string,
  checked: string,
  passwordHash: string
): Promise<boolean> {
  const rows = await sql`/* replacePasswordHash */
    update users set password_hash = ${passwordHash} where user_id = ${userId} and password_hash = ${checked}
    returning user_id
  `
  return rows.length === 1
}

/** The identity of a user at an identity provider. */
export interface Identity {
  issuer: string
  subject: string
}

/** Reserves an identity for a new account; false if it is already in use, also with concurrent requests. */
export async function claimIdentity (sql: Sql, { issuer, subject }: Identity, userId: string): Promise<boolean> {
  const rows = await sql`/* claimIdentity */
    insert into identities (issuer, subject, user_id)
    values (${issuer}, ${subject}, ${userId})
    on conflict do nothing
    returning user_id
  `
  return rows.length === 1
}

export async function findUserIdByIdentity (sql: Sql, { issuer, subject }: Identity): Promise<string | undefined> {
  const [row] = await sql<{ user_id: string }>`/* findUserIdByIdentity */
    select user_id from identities where issuer = ${issuer} and subject = ${subject}
  `
  return row?.user_id
}

/**
 * Locks an account and all its rows until the transaction ends; false if it does not exist, has a different password
 * than when it was read or, if a revision is given, a different revision.
 */
export async function lockUnchangedUser (
  sql: Sql,
  user: UserRow,
  wantedRevision: number | undefined
): Promise<boolean> {
  const rows = await sql`/* lockUnchangedUser */
    select 1 from users
    where user_id = ${user.id} and password_hash is not distinct from ${user.password_hash}::text
      and revision = coalesce(${wantedRevision ?? null}::integer, revision)
    for update
  `
  return rows.length === 1
}

/** Deletes at most `limit` chunks of a runner's originals; returns the number of deleted ones. */
export async function deleteSomeOriginals (sql: Sql, userId: string, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteSomeOriginals */
    with gone as (
      delete from recording_chunks
      where user_id = ${userId}
        and (recording_id, position) in (select recording_id, position from recording_chunks where user_id = ${userId} limit ${limit})
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

/** Deletes at most `limit` chunks of what a runner has uploaded for imports; returns the number of deleted ones. */
export async function deleteSomeUploads (sql: Sql, userId: string, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteSomeUploads */
    with gone as (
      delete from import_chunks
      where user_id = ${userId}
        and (import_id, position) in (select import_id, position from import_chunks where user_id = ${userId} limit ${limit})
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

/**
 * Deletes an account with all its rows, its address and its identities; returns the identities. The look-ups are locked
 * in the order in which a new account claims them: identities, e-mail address, user.
 */
export async function deleteUser (sql: Sql, userId: string): Promise<Identity[]> {
  const identities = await sql<{ issuer: string, subject: string }>`/* releaseIdentities */
    delete from identities where user_id = ${userId} returning issuer, subject
  `
  await sql`/* releaseAddress */
    delete from emails where user_id = ${userId}
  `
  await sql`/* forgetRecomputations */
    delete from recomputations where user_id = ${userId}
  `
  await sql`/* forgetJobs */
    delete from pgboss_job where data ->> 'user_id' = ${userId}
  `
  await sql`/* deleteUser */
    delete from users where user_id = ${userId}
  `
  return identities
}

/**
 * Locks the account against other changes to this runner's data until the transaction ends; undefined if the account no
 * longer exists.
 */
export async function lockUser (sql: Sql, userId: string): Promise<{ timezone: string } | undefined> {
  const [row] = await sql<{ timezone: string }>`/* lockUser */
    select timezone from users where user_id = ${userId} for no key update
  `
  return row
}

/** What the days, weeks and units of a runner depend on. */
export interface Calendar {
  timezone: string
  /** ISO, 1 = Monday … 7. */
  first_weekday: number
  /** `metric` or `imperial`. */
  units: string
}

/** Undefined if the account no longer exists. */
export async function findCalendar (sql: Sql, userId: string): Promise<Calendar | undefined> {
  const [row] = await sql<Calendar>`/* findCalendar */
    select timezone, first_weekday, units from users where user_id = ${userId}
  `
  return row
}

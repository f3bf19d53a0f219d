import type { User, UserChange } from '../schemas/accounts.ts'
import { fragment, type Sql } from './sql.ts'

/** An account as it is kept: what its owner sees, and what only the service does. */
export interface UserRow extends User {
  password_hash: string | null
  revision: number
}

const columns = fragment`
  user_id as id, email, name, timezone, first_weekday, units, created_at, password_hash, revision
`

export interface NewUser {
  id: string
  /** As it was written; null where no address is known to be this person's. */
  email: string | null
  password_hash: string | null
  name: string | undefined
  timezone: string | undefined
}

/** Takes the address for a new account; false where it is taken already, also when two ask at once. */
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

export async function findUserByAddress (sql: Sql, address: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow>`/* findUserByAddress */
    select ${columns} from users where user_id = (select user_id from emails where address = ${address})
  `
  return row
}

/**
 * Writes what `change` has over the account as it was read; undefined where somebody else was faster, or it is gone.
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

/** Puts another hash in the place of the one that was checked; false where that is not the account's any more. */
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

/** What somebody is known by outside of this service. */
export interface Identity {
  issuer: string
  subject: string
}

/** Takes an identity for a new account; false where it is taken already, also when two ask at once. */
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
 * Keeps everybody else from an account and all that is its own until the transaction ends; false where it is gone, or
 * has another password than when it was read, or, where a revision is wanted, is of another.
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

/** Deletes so many pieces of a runner's originals at the most, and answers how many it were. */
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

/** Deletes an account with all that is its own, and what it was found by; answers the identities it had. */
export async function deleteUser (sql: Sql, userId: string): Promise<Identity[]> {
  await sql`/* deleteUser */
    delete from users where user_id = ${userId}
  `
  await sql`/* releaseAddress */
    delete from emails where user_id = ${userId}
  `
  return await sql<{ issuer: string, subject: string }>`/* releaseIdentities */
    delete from identities where user_id = ${userId} returning issuer, subject
  `
}

/**
 * Makes others who would change this runner's things wait their turn until the transaction ends; undefined where there
 * is no such account any more.
 */
export async function lockUser (sql: Sql, userId: string): Promise<{ timezone: string } | undefined> {
  const [row] = await sql<{ timezone: string }>`/* lockUser */
    select timezone from users where user_id = ${userId} for no key update
  `
  return row
}

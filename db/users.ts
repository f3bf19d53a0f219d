import type { User } from '../schemas/me.ts'
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
  email: string
  /** The address in the one form under which two spellings are the same. */
  address: string
  password_hash: string | null
  name: string | undefined
  timezone: string | undefined
}

/** Takes the address for a new account; undefined where it is taken already, also when two ask at once. */
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

/** Makes others who would change this runner's things wait their turn until the transaction ends; undefined where there is no such account any more. */
export async function lockUser (sql: Sql, userId: string): Promise<{ timezone: string } | undefined> {
  const [row] = await sql<{ timezone: string }>`/* lockUser */
    select timezone from users where user_id = ${userId} for no key update
  `
  return row
}

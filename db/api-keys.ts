import type { ApiKey } from '../schemas/api-keys.ts'
import { fragment, type Sql } from './sql.ts'

export interface NewApiKeyRow {
  key_id: string
  name: string
  can_write: boolean
  secret_hash: Buffer
  expires_at: string | undefined
}

/** The fields that decide whether a key is accepted. */
export interface ApiKeyAccess {
  can_write: boolean
  secret_hash: Buffer
  expired: boolean
  /** Whether its last use was recorded within the past minute. */
  used_lately: boolean
}

const columns = fragment`
  key_id as id, name, case when can_write then '["read","write"]'::jsonb else '["read"]'::jsonb end as scopes,
  created_at, expires_at, last_used_at
`

/** Undefined if the account has reached its limit of keys. Call it under `lockUser`. */
export async function insertApiKey (
  sql: Sql,
  userId: string,
  key: NewApiKeyRow,
  most: number
): Promise<ApiKey | undefined> {
  const [row] = await sql<ApiKey>`/* insertApiKey */
    insert into api_keys as k (user_id, key_id, name, can_write, secret_hash, expires_at)
    select user_id, ${key.key_id}::uuid, ${key.name}::text, ${key.can_write}::boolean, ${key.secret_hash}::bytea, ${key.expires_at ?? null}::timestamptz
    from users
    where user_id = ${userId} and (select count(*) from api_keys where user_id = ${userId}) < ${most}
    returning ${columns}
  `
  return row
}

/** Newest first, one more than `limit` if there is more. */
export async function listApiKeys (
  sql: Sql,
  userId: string,
  limit: number,
  after: string | undefined
): Promise<ApiKey[]> {
  return await sql<ApiKey>`/* listApiKeys */
    select ${columns} from api_keys
    where user_id = ${userId} ${after === undefined ? fragment`` : fragment`and key_id < ${after}`}
    order by key_id desc
    limit ${limit + 1}
  `
}

export async function findApiKeyAccess (sql: Sql, userId: string, keyId: string): Promise<ApiKeyAccess | undefined> {
  const [row] = await sql<ApiKeyAccess>`/* findApiKeyAccess */
    select can_write, secret_hash, coalesce(expires_at <= now(), false) as expired,
      coalesce(last_used_at > now() - interval '1 minute', false) as used_lately
    from api_keys where user_id = ${userId} and key_id = ${keyId}
  `
  return row
}

/** Records the use of a key, once a minute. */
export async function touchApiKey (sql: Sql, userId: string, keyId: string): Promise<void> {
  await sql`/* touchApiKey */
    update api_keys set last_used_at = now()
    where user_id = ${userId} and key_id = ${keyId} and (last_used_at is null or last_used_at <= now() - interval '1 minute')
  `
}

/** Returns whether the key existed. */
export async function deleteApiKey (sql: Sql, userId: string, keyId: string): Promise<boolean> {
  const rows = await sql`/* deleteApiKey */
    delete from api_keys where user_id = ${userId} and key_id = ${keyId} returning key_id
  `
  return rows.length === 1
}

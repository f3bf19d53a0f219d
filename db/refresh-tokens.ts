import type { Sql } from './sql.ts'

export interface NewRefreshToken {
  user_id: string
  token_id: string
  /** All that come from one login, by rotation. */
  family_id: string
  secret_hash: Buffer
  expires_at: string
}

export async function insertRefreshToken (sql: Sql, token: NewRefreshToken): Promise<void> {
  await sql`/* insertRefreshToken */
    insert into refresh_tokens (user_id, token_id, family_id, secret_hash, expires_at)
    values (${token.user_id}, ${token.token_id}, ${token.family_id}, ${token.secret_hash}, ${token.expires_at}::timestamptz)
  `
}

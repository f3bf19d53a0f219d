import { v7 as uuidv7 } from 'uuid'
import { insertRefreshToken } from '../../db/refresh-tokens.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { claimAddress, findUserByAddress, insertUser, type UserRow } from '../../db/users.ts'
import type { Login, Registration, Session } from '../../schemas/auth.ts'
import { ACCESS_TOKEN_S, type AccessTokens } from '../auth/access-tokens.ts'
import { canonicalAddress } from '../auth/addresses.ts'
import type { Passwords } from '../auth/passwords.ts'
import { REFRESH_TOKEN_MS, makeRefreshToken } from '../auth/refresh-tokens.ts'
import { AppError } from '../errors.ts'

export interface Keys {
  passwords: Passwords
  accessTokens: AccessTokens
}

/** Makes the account and its first session. Of twenty who ask for one address at once, one gets it. */
export async function signUp (sql: Sql, keys: Keys, { email, password, name, timezone }: Registration): Promise<Session> {
  const passwordHash = await keys.passwords.hash(password)
  const id = uuidv7()
  const address = canonicalAddress(email)
  return await transaction(sql, async (sql) => {
    if (!await claimAddress(sql, address, id)) throw new AppError('CONFLICT', 'There is an account with this e-mail address already', { details: { field: 'email' } })
    const user = await insertUser(sql, { id, email, address, password_hash: passwordHash, name, timezone })
    return await openSession(sql, keys, user)
  })
}

/** A new session for whoever knows the password; the same answer, after the same time, whether the address is known or not. */
export async function logIn (sql: Sql, keys: Keys, { email, password }: Login): Promise<Session> {
  const user = await findUserByAddress(sql, canonicalAddress(email))
  if (!await keys.passwords.verify(user?.password_hash, password) || user === undefined) {
    throw new AppError('INVALID_CREDENTIALS', 'E-mail address and password do not belong together')
  }
  return await openSession(sql, keys, user)
}

async function openSession (sql: Sql, { accessTokens }: Keys, user: UserRow): Promise<Session> {
  const tokenId = uuidv7()
  const { token, secretHash } = makeRefreshToken(user.id, tokenId)
  await insertRefreshToken(sql, {
    user_id: user.id,
    token_id: tokenId,
    family_id: tokenId,
    secret_hash: secretHash,
    expires_at: new Date(Date.now() + REFRESH_TOKEN_MS).toISOString()
  })
  return { user, access_token: await accessTokens.issue(user.id), token_type: 'Bearer', expires_in: ACCESS_TOKEN_S, refresh_token: token }
}

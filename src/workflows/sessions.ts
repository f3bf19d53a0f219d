import {
  deleteSession,
  extendSession,
  findRefreshToken,
  insertRefreshToken,
  insertSession,
  useRefreshToken,
  type RefreshTokenRow
} from '../../db/sessions.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { findUser, findUserByAddress, replacePasswordHash, type UserRow } from '../../db/accounts.ts'
import type { Login, Session } from '../../schemas/sessions.ts'
import { ACCESS_TOKEN_S, type AccessTokens } from '../auth/access-tokens.ts'
import { canonicalAddress } from '../auth/addresses.ts'
import type { Passwords } from '../auth/passwords.ts'
import {
  REFRESH_TOKEN_MS,
  makeRefreshToken,
  readRefreshToken,
  sameSecret,
  type KeyedToken
} from '../auth/refresh-tokens.ts'
import { sessionSubject, type Revocations } from '../auth/revocations.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import { revoke } from './revocations.ts'

export interface Keys {
  passwords: Passwords
  accessTokens: AccessTokens
  revocations: Revocations
}

/**
 * Opens a session with e-mail address and password. The refusal is the same, and takes the same time, whether the
 * address is known or not.
 */
export async function logIn (sql: Sql, keys: Keys, { email, password }: Login): Promise<Session> {
  const address = canonicalAddress(email)
  // Retried once where the hash was replaced meanwhile: a concurrent login may have rehashed the same password.
  for (let attempt = 1; attempt <= 2; attempt++) {
    const user = await findUserByAddress(sql, address)
    if (!await keys.passwords.verify(user?.password_hash, password) || user === undefined) break
    const current = await strengthen(sql, keys, user, password)
    const session = await transaction(sql, async (sql) => await openSession(sql, keys, current))
    if (session !== undefined) return session
  }
  throw wrongPassword()
}

/** Rehashes a password whose hash is cheaper than hashes are today. */
async function strengthen (sql: Sql, { passwords }: Keys, user: UserRow, password: string): Promise<UserRow> {
  const checked = user.password_hash as string
  if (!passwords.isWeak(checked)) return user
  const passwordHash = await passwords.hash(password)
  return (await replacePasswordHash(sql, user.id, checked, passwordHash))
    ? { ...user, password_hash: passwordHash }
    : user
}

/** Undefined where the account was deleted, or its password changed after it was checked. */
export async function openSession (sql: Sql, keys: Keys, user: UserRow): Promise<Session | undefined> {
  const sessionId = newId()
  if (!await insertSession(sql, user.id, sessionId, user.password_hash, nextExpiry())) return undefined
  return await giveTokens(sql, keys, user, sessionId)
}

/**
 * Exchanges a refresh token, which is used up, for a new pair of tokens. A token that is used twice is known to two
 * parties, and which of them is the owner cannot be told: the session ends, with all its tokens. The same holds for
 * the second of two concurrent uses.
 */
export async function refresh (sql: Sql, keys: Keys, token: string): Promise<Session> {
  const outcome = await transaction(sql, async (sql) => {
    const found = await findSession(sql, token)
    if (found === undefined || found.expired) return undefined
    const { userId, tokenId, session_id: sessionId } = found
    // Locks the session: concurrent refreshes, logouts and revocations wait from here on.
    if (!await extendSession(sql, userId, sessionId, nextExpiry())) return undefined
    if (!await useRefreshToken(sql, userId, tokenId)) {
      await deleteSession(sql, userId, sessionId)
      return { ended: await revoke(sql, [sessionSubject(sessionId)], ACCESS_TOKEN_S) }
    }
    const user = await findUser(sql, userId)
    return user === undefined ? undefined : { session: await giveTokens(sql, keys, user, sessionId) }
  })
  if (outcome?.ended !== undefined) keys.revocations.add(outcome.ended)
  if (outcome?.session === undefined) {
    throw new AppError('UNAUTHENTICATED', 'The refresh token is invalid or has expired', {
      headers: { 'www-authenticate': 'Bearer realm="running-trainer", error="invalid_token"' }
    })
  }
  return outcome.session
}

/** Ends the session of a refresh token, used or not; an invalid token ends nothing. */
export async function logOut (sql: Sql, { revocations }: Keys, token: string): Promise<void> {
  const ended = await transaction(sql, async (sql) => {
    const found = await findSession(sql, token)
    if (found === undefined) return []
    await deleteSession(sql, found.userId, found.session_id)
    return await revoke(sql, [sessionSubject(found.session_id)], ACCESS_TOKEN_S)
  })
  revocations.add(ended)
}

async function findSession (sql: Sql, token: string): Promise<(KeyedToken & RefreshTokenRow) | undefined> {
  const read = readRefreshToken(token)
  const row = read === undefined ? undefined : await findRefreshToken(sql, read.userId, read.tokenId)
  return read !== undefined && row !== undefined && sameSecret(row.secret_hash, read.secretHash)
    ? { ...read, ...row }
    : undefined
}

async function giveTokens (sql: Sql, { accessTokens }: Keys, user: UserRow, sessionId: string): Promise<Session> {
  const tokenId = newId()
  const { token, secretHash } = makeRefreshToken(user.id, tokenId)
  await insertRefreshToken(sql, {
    user_id: user.id,
    token_id: tokenId,
    session_id: sessionId,
    secret_hash: secretHash,
    expires_at: nextExpiry()
  })
  return {
    user,
    access_token: await accessTokens.issue(user.id, sessionId),
    token_type: 'Bearer',
    expires_in: ACCESS_TOKEN_S,
    refresh_token: token
  }
}

function nextExpiry (): string {
  return new Date(Date.now() + REFRESH_TOKEN_MS).toISOString()
}

export function wrongPassword (message = 'Incorrect e-mail address or password'): AppError {
  return new AppError('INVALID_CREDENTIALS', message)
}

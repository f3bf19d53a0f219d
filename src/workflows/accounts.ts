import { deleteOtherSessions } from '../../db/sessions.ts'
import { isRevokedSince } from '../../db/revocations.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import {
  claimAddress,
  claimIdentity,
  deleteSomeOriginals,
  deleteSomeUploads,
  deleteUser,
  findUserIdByIdentity,
  insertUser,
  lockUnchangedUser,
  replacePasswordHash,
  type UserRow
} from '../../db/accounts.ts'
import type { Session } from '../../schemas/sessions.ts'
import { isEmailAddress, isTimeZone } from '../../schemas/formats.ts'
import type { Farewell, PasswordChange, Registration } from '../../schemas/accounts.ts'
import { ACCESS_TOKEN_S } from '../auth/access-tokens.ts'
import { canonicalAddress } from '../auth/addresses.ts'
import type { IdentityToken } from '../auth/oidc.ts'
import { identitySubject, sessionSubject, userSubject } from '../auth/revocations.ts'
import { AppError, unfit } from '../errors.ts'
import { preconditionFailed } from '../http/etag.ts'
import { newId } from '../ids.ts'
import { revoke } from './revocations.ts'
import { openSession, wrongPassword, type Keys } from './sessions.ts'

/** The assumed maximum lifetime of an identity provider's tokens, in seconds. */
const IDENTITY_TOKEN_S = 24 * 3600
/** Chunks of originals deleted by one statement: 50 MiB, well within the statement timeout. */
const ORIGINALS_AT_ONCE = 200

/** Creates an account and its first session. Of concurrent registrations of one address, one succeeds. */
export async function signUp (
  sql: Sql,
  keys: Keys,
  { email, password, name, timezone }: Registration
): Promise<Session> {
  const passwordHash = await keys.passwords.hash(password)
  const id = newId()
  const address = canonicalAddress(email)
  return await transaction(sql, async (sql) => {
    if (!(await claimAddress(sql, address, id))) {
      throw new AppError('CONFLICT', 'An account with this e-mail address already exists', {
        details: { field: 'email' }
      })
    }
    const user = await insertUser(sql, { id, email, password_hash: passwordHash, name, timezone })
    return (await openSession(sql, keys, user)) as Session
  })
}

/**
 * Changes the password, and ends all sessions but the one it is changed from (`sessionId`). API keys stay valid: they
 * are listed, and deleted, one by one.
 */
export async function changePassword (
  sql: Sql,
  keys: Keys,
  user: UserRow,
  sessionId: string | undefined,
  change: PasswordChange
): Promise<void> {
  if (!(await keys.passwords.verify(user.password_hash, change.current_password))) { throw wrongPassword('Incorrect password') }
  const passwordHash = await keys.passwords.hash(change.new_password)
  const ended = await transaction(sql, async (sql) => {
    // First, as it locks the account: the session of a concurrent login with the old password is either ended here, or
    // never created.
    if (!(await replacePasswordHash(sql, user.id, user.password_hash as string, passwordHash))) { throw wrongPassword('Incorrect password') }
    const sessions = await deleteOtherSessions(sql, user.id, sessionId)
    return await revoke(sql, sessions.map(sessionSubject), ACCESS_TOKEN_S)
  })
  keys.revocations.add(ended)
}

/**
 * Deletes the account and all its data. An account with a password needs it; one without was created by a token of an
 * identity provider, and the token is enough. An earlier token creates no new account. The account is deleted only if
 * it is unchanged: with the password that was checked and, where `wantedRevision` is given, in that revision.
 */
export async function closeAccount (
  sql: Sql,
  keys: Keys,
  user: UserRow,
  { password }: Farewell,
  wantedRevision: number | undefined
): Promise<void> {
  if (user.password_hash !== null) {
    if (password === undefined) throw unfit('password', 'body', 'is required')
    if (!(await keys.passwords.verify(user.password_hash, password))) { throw wrongPassword('Incorrect password') }
  }
  const ended = await transaction(sql, async (sql) => {
    if (!(await lockUnchangedUser(sql, user, wantedRevision))) {
      throw wantedRevision === undefined
        ? wrongPassword('Incorrect password')
        : preconditionFailed()
    }
    // Before the rest and in batches: all of them may exceed the statement timeout. They are restored where the rest
    // fails.
    while ((await deleteSomeOriginals(sql, user.id, ORIGINALS_AT_ONCE)) === ORIGINALS_AT_ONCE);
    while ((await deleteSomeUploads(sql, user.id, ORIGINALS_AT_ONCE)) === ORIGINALS_AT_ONCE);
    const identities = await deleteUser(sql, user.id)
    return [
      ...(await revoke(sql, [userSubject(user.id)], IDENTITY_TOKEN_S)),
      ...(await revoke(
        sql,
        identities.map(({ issuer, subject }) => identitySubject(issuer, subject)),
        IDENTITY_TOKEN_S,
        { pastOnly: true }
      ))
    ]
  })
  keys.revocations.add(ended)
}

/**
 * The account of an identity provider's subject, created on first use. It is never an existing account: an e-mail
 * address is taken from the token only where the provider has verified it and no account has it.
 * @throws AppError UNAUTHENTICATED where the account was deleted after the token was issued
 */
export async function accountOf (sql: Sql, identity: IdentityToken): Promise<string> {
  const known = await findUserIdByIdentity(sql, identity)
  if (known !== undefined) return known
  return await transaction(sql, async (sql) => {
    const id = newId()
    if (!await claimIdentity(sql, identity, id)) return await findUserIdByIdentity(sql, identity) ?? gone()
    // This instance may not have read the revocation. Checked after the claim, which waits for a running deletion.
    if (await isRevokedSince(sql, identitySubject(identity.issuer, identity.subject), identity.issuedAtMs)) gone()
    const { email, name, timezone } = identity
    const isOwn = email !== undefined && isEmailAddress(email) && await claimAddress(sql, canonicalAddress(email), id)
    await insertUser(sql, {
      id,
      email: isOwn ? email : null,
      password_hash: null,
      name: name === undefined || name === '' || name.length > 100 || name.includes('\0') ? undefined : name,
      timezone: timezone !== undefined && isTimeZone(timezone) ? timezone : undefined
    })
    return id
  })
}

function gone (): never {
  throw new AppError('UNAUTHENTICATED', 'The account of this token was deleted')
}

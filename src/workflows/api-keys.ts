import { insertApiKey } from '../../db/api-keys.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { lockUser } from '../../db/accounts.ts'
import type { CreatedApiKey, NewApiKey } from '../../schemas/api-keys.ts'
import { makeApiKey } from '../auth/api-keys.ts'
import { AppError, invalid } from '../errors.ts'
import { newId } from '../ids.ts'

/** The maximum number of keys of a runner. */
const MOST_KEYS = 100

/** Creates a key. The answer contains the key itself, which is stored nowhere. */
export async function createApiKey (
  sql: Sql,
  userId: string,
  { name, scopes, expires_at: expiresAt }: NewApiKey
): Promise<CreatedApiKey> {
  if (typeof expiresAt === 'string' && Date.parse(expiresAt) <= Date.now()) { throw invalid('expires_at', 'expires_at must be in the future') }
  const keyId = newId()
  const { token, secretHash } = makeApiKey(userId, keyId)
  const row = {
    key_id: keyId,
    name,
    can_write: scopes.includes('write'),
    secret_hash: secretHash,
    expires_at: expiresAt ?? undefined
  }
  const made = await transaction(sql, async (sql) => {
    // Concurrent requests are counted one after the other.
    await lockUser(sql, userId)
    return await insertApiKey(sql, userId, row, MOST_KEYS)
  })
  if (made === undefined) throw new AppError('CONFLICT', `There are ${MOST_KEYS} API keys already: delete one first`)
  return { ...made, key: token }
}

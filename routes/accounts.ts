import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { findUser, updateUser, type UserRow } from '../db/accounts.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { Farewell, PasswordChange, Registration, User, UserChange } from '../schemas/accounts.ts'
import { Session } from '../schemas/sessions.ts'
import { AppError } from '../src/errors.ts'
import { answering, created, noContent, ok } from '../src/http/answer.ts'
import { representation, requireMatch, validators, writeOptimistically } from '../src/http/etag.ts'
import { changePassword, closeAccount, signUp } from '../src/workflows/accounts.ts'
import type { Keys } from '../src/workflows/sessions.ts'

/** Registration: creates an account with a password. */
export const registrationRoutes: FastifyPluginAsyncTypebox<{ keys: Omit<Keys, 'revocations'> }> = async (app, options) => {
  const keys: Keys = { ...options.keys, revocations: app.revocations.known }

  app.post('/register', {
    schema: {
      summary: 'Make an account',
      tags: ['Accounts'],
      security: [],
      body: Registration,
      response: { 201: Session, ...errors(400, 409, 413, 415, 422, 429) }
    }
  }, answering(async ({ sql, body }) => created(await signUp(sql, keys, body))))
}

/** The runner's own account. */
export const accountRoutes: FastifyPluginAsyncTypebox<{ keys: Omit<Keys, 'revocations'> }> = async (app, options) => {
  const keys: Keys = { ...options.keys, revocations: app.revocations.known }

  app.get('/', {
    schema: {
      summary: 'My account',
      tags: ['Accounts'],
      response: { 200: User, ...errors(401, 429) }
    }
  }, answering(async (request) => representation(request, await account(request))))

  app.patch('/', {
    schema: {
      summary: 'Change my account',
      tags: ['Accounts'],
      body: UserChange,
      response: { 200: User, ...errors(400, 401, 403, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, body } = request
    const changed = await writeOptimistically(request, () => account(request), (user) => updateUser(sql, user, body))
    return ok(changed, validators(changed))
  }))

  app.put('/password', {
    config: { personal: true },
    preHandler: app.limitPasswordByUser,
    schema: {
      summary: 'Change my password',
      description: 'Ends all other sessions. API keys stay as they are.',
      tags: ['Accounts'],
      body: PasswordChange,
      response: { 204: NoContent, ...errors(400, 401, 403, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, body } = request
    await changePassword(sql, keys, await account(request), user.sessionId, body)
    return noContent()
  }))

  app.delete('/', {
    config: { personal: true },
    preHandler: app.limitPasswordByUser,
    schema: {
      summary: 'Delete my account and everything in it, for good',
      tags: ['Accounts'],
      body: Farewell,
      response: { 204: NoContent, ...errors(400, 401, 403, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, headers, body } = request
    const user = await account(request)
    requireMatch(request, user)
    await closeAccount(sql, keys, user, body, headers['if-match'] === undefined ? undefined : user.revision)
    return noContent()
  }))
}

/**
 * The account of the request's user.
 * @throws AppError UNAUTHENTICATED where it was deleted and this instance has not been told yet
 */
async function account ({ sql, user }: Pick<FastifyRequest, 'sql' | 'user'>): Promise<UserRow> {
  const row = await findUser(sql, user.id)
  if (row === undefined) {
    throw new AppError('UNAUTHENTICATED', 'This account no longer exists', {
      headers: { 'www-authenticate': 'Bearer realm="running-trainer", error="invalid_token"' }
    })
  }
  return row
}

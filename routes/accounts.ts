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
export const registrationRoutes: FastifyPluginAsyncTypebox<{ keys: Keys }> = async (app, { keys }) => {
  app.post('/register', {
    schema: {
      operationId: 'registerAccount',
      summary: 'Register an account',
      description:
        'Creates an account and its first session, and responds with the tokens of the session. An e-mail address ' +
        'can have one account, in whatever spelling; a second registration is 409.',
      tags: ['Accounts'],
      security: [],
      body: Registration,
      response: { 201: Session, ...errors(400, 409, 413, 415, 422, 429) }
    }
  }, answering(async ({ sql, body }) => created(await signUp(sql, keys, body))))
}

/** The runner's own account. */
export const accountRoutes: FastifyPluginAsyncTypebox<{ keys: Keys }> = async (app, { keys }) => {
  app.get('/', {
    schema: {
      operationId: 'getAccount',
      summary: 'Get my account',
      description: 'The account of the caller: e-mail address, name, time zone and preferences.',
      tags: ['Accounts'],
      response: { 200: User, ...errors(401, 429) }
    }
  }, answering(async (request) => representation(request, await account(request))))

  app.patch('/', {
    schema: {
      operationId: 'updateAccount',
      summary: 'Update my account',
      description: 'Changes the given fields and leaves the others as they are. The e-mail address cannot be changed.',
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
      operationId: 'changePassword',
      summary: 'Change my password',
      description: 'Needs the current password. Ends all other sessions; API keys stay valid.',
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
      operationId: 'deleteAccount',
      summary: 'Delete my account',
      description:
        'Deletes the account with everything in it: plans, activities and their files, settings, sessions and API ' +
        'keys. This cannot be undone. Needs the password, unless the account has none because it was created by a ' +
        'token of an identity provider.',
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

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Login, RefreshToken, Session } from '../schemas/sessions.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { answering, noContent } from '../src/http/answer.ts'
import { logIn, logOut, refresh, type Keys } from '../src/workflows/sessions.ts'

/** Sessions: logging in, refreshing, logging out. */
export const sessionRoutes: FastifyPluginAsyncTypebox<{ keys: Keys }> = async (app, { keys }) => {
  app.post('/login', {
    schema: {
      operationId: 'logIn',
      summary: 'Log in',
      description:
        'Creates a session for an e-mail address and its password. An unknown address and a wrong password get the' +
        ' same response, after the same time.',
      tags: ['Accounts'],
      security: [],
      body: Login,
      response: { 200: Session, ...errors(400, 401, 413, 415, 422, 429) }
    }
  }, async ({ sql, body }) => await logIn(sql, keys, body))

  app.post(
    '/refresh',
    {
      schema: {
        operationId: 'refreshSession',
        summary: 'Refresh a session',
        description:
          'Responds with a new access token and a new refresh token, and invalidates the refresh token that was ' +
          'sent. If a refresh token is sent a second time, its session ends with all its tokens, because someone ' +
          'else may have a copy.',
        tags: ['Accounts'],
        security: [],
        body: RefreshToken,
        response: { 200: Session, ...errors(400, 401, 413, 415, 422, 429) }
      }
    },
    async ({ sql, body }) => await refresh(sql, keys, body.refresh_token)
  )

  app.post(
    '/logout',
    {
      schema: {
        operationId: 'logOut',
        summary: 'Log out',
        description:
          'Ends the session of the refresh token. Its access tokens are rejected too: at once by this instance, ' +
          'within a minute by every other. A refresh token that is not valid is 204 as well.',
        tags: ['Accounts'],
        security: [],
        body: RefreshToken,
        response: { 204: NoContent, ...errors(400, 413, 415, 422, 429) }
      }
    },
    answering(async ({ sql, body }) => {
      await logOut(sql, keys, body.refresh_token)
      return noContent()
    })
  )
}

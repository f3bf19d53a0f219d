import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Login, RefreshToken, Session } from '../schemas/sessions.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { answering, noContent } from '../src/http/answer.ts'
import { logIn, logOut, refresh, type Keys } from '../src/workflows/sessions.ts'

/** Sessions: logging in, refreshing, logging out. */
export const sessionRoutes: FastifyPluginAsyncTypebox<{ keys: Omit<Keys, 'revocations'> }> = async (app, options) => {
  const keys: Keys = { ...options.keys, revocations: app.revocations.known }

  app.post('/login', {
    schema: {
      summary: 'Log in',
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
        summary: 'Go on with a session',
        description:
          'Answers new tokens; the refresh token sent is used up. One that is sent again ends its session: somebody else may have it.',
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
        summary: 'End a session',
        description:
          'Its access token is refused from then on, too: at once here, within a minute at every other instance.',
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

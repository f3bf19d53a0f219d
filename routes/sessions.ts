import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Login, RefreshToken, Registration, Session } from '../schemas/sessions.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { signUp } from '../src/workflows/accounts.ts'
import { logIn, logOut, refresh, type Keys } from '../src/workflows/sessions.ts'

/** Accounts and sessions: for whoever is not signed in yet. */
export const authRoutes: FastifyPluginAsyncTypebox<{ keys: Omit<Keys, 'revocations'> }> = async (app, options) => {
  const keys: Keys = { ...options.keys, revocations: app.revocations.known }
  app.addHook('onRequest', function keepOutOfCaches (_request, reply, done) {
    reply.header('cache-control', 'no-store')
    done()
  })
  app.addHook('onRequest', app.limitSignInByAddress)
  app.addHook('preHandler', app.limitSignInByEmail)

  app.post('/register', {
    schema: {
      summary: 'Make an account',
      tags: ['Accounts'],
      security: [],
      body: Registration,
      response: { 201: Session, ...errors(400, 409, 413, 415, 422, 429) }
    }
  }, async ({ sql, body }, reply) => {
    return reply.code(201).send(await signUp(sql, keys, body))
  })

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
    async ({ sql, body }, reply) => {
      await logOut(sql, keys, body.refresh_token)
      return reply.code(204).send(null)
    }
  )
}

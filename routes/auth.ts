import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Login, Registration, Session } from '../schemas/auth.ts'
import { errors } from '../schemas/error.ts'
import { logIn, signUp, type Keys } from '../src/workflows/sessions.ts'

/** Accounts and sessions: for whoever is not signed in yet. */
export const authRoutes: FastifyPluginAsyncTypebox<{ keys: Keys }> = async (app, { keys }) => {
  app.post('/register', {
    schema: {
      summary: 'Make an account',
      tags: ['Accounts'],
      security: [],
      body: Registration,
      response: { 201: Session, ...errors(400, 409, 413, 415, 422, 429) }
    }
  }, async ({ sql, body }, reply) => {
    const session = await signUp(sql, keys, body)
    return reply.code(201).header('cache-control', 'no-store').send(session)
  })

  app.post('/login', {
    schema: {
      summary: 'Log in',
      tags: ['Accounts'],
      security: [],
      body: Login,
      response: { 200: Session, ...errors(400, 401, 413, 415, 422, 429) }
    }
  }, async ({ sql, body }, reply) => {
    const session = await logIn(sql, keys, body)
    return reply.header('cache-control', 'no-store').send(session)
  })
}

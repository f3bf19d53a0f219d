import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findUser } from '../db/users.ts'
import { errors } from '../schemas/error.ts'
import { User } from '../schemas/me.ts'
import { notFound } from '../src/errors.ts'
import { sendTagged } from '../src/http/etag.ts'

/** The runner's own account. */
export const meRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: {
      summary: 'My account',
      tags: ['Accounts'],
      response: { 200: User, ...errors(401, 404) }
    }
  }, async (request, reply) => {
    const user = await findUser(request.sql, request.user.id)
    if (user === undefined) throw notFound('account')
    return sendTagged(request, reply, user)
  })
}

import { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findAccount } from '../db/export.ts'
import { errors } from '../schemas/error.ts'
import { notFound } from '../src/errors.ts'
import { exportAll } from '../src/workflows/export.ts'

/** All that is kept of a runner, to take along. */
export const exportRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/',
    {
      schema: {
        operationId: 'exportAccount',
        summary: 'Export all my data',
        description:
          'A ZIP archive with all data as JSON and, in `originals/`, every imported file, byte for byte. An ' +
          'interrupted export is not a valid ZIP archive.',
        tags: ['Accounts'],
        produces: ['application/zip'],
        response: {
          200: Type.Unsafe<Readable>({ type: 'string', format: 'binary', description: 'The ZIP' }),
          ...errors(401, 404, 429)
        }
      }
    },
    async (request, reply) => {
      const { sql, user, log } = request
      const account = await findAccount(sql, user.id)
      if (account === undefined) throw notFound('account')
      reply
        .type('application/zip')
        .header('cache-control', 'no-store')
        .header(
          'content-disposition',
          `attachment; filename="running-trainer-${new Date().toISOString().slice(0, 10)}.zip"`
        )
      // Fastify reads a stream to its end to answer HEAD.
      if (request.method === 'HEAD') return reply.send(Readable.from([]))
      const zip = exportAll(sql, user.id, account)
      zip.on('error', (error) => {
        if (!request.exchange.aborted) log.error({ error, error_code: 'EXPORT_BROKE_OFF' }, 'export broke off')
      })
      return reply.send(zip)
    }
  )
}

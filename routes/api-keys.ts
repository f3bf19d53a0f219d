import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { deleteApiKey, findApiKeyAccess, listApiKeys } from '../db/api-keys.ts'
import { ApiKeyPage, ApiKeyParams, ApiKeyQuery, CreatedApiKey, NewApiKey } from '../schemas/api-keys.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { notFound } from '../src/errors.ts'
import { answering, created, noContent } from '../src/http/answer.ts'
import { UUID, cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { requireMatch } from '../src/http/etag.ts'
import { createApiKey } from '../src/workflows/api-keys.ts'

/** The list that the cursors belong to. */
const LIST = 'api-keys'

/**
 * API keys: programs act for a runner with them, but cannot create or delete keys. They have no ETag, as the one
 * answer that contains the key must not be stored.
 */
export const apiKeyRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/',
    {
      config: { personal: true },
      schema: {
        operationId: 'createApiKey',
        summary: 'Create an API key',
        description:
          'The response is the only one that contains the secret key. A key with only the scope `read` cannot ' +
          'write. No key can create or delete keys, change the password or delete the account. An account can have' +
          ' 100 keys.',
        tags: ['Accounts'],
        body: NewApiKey,
        response: { 201: CreatedApiKey, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
      }
    },
    app.once(async (sql, { user, body, log }) => {
      const made = await createApiKey(sql, user.id, body)
      log.info({ api_key_id: made.id }, 'API key made')
      return created(made)
    })
  )

  app.get('/', {
    schema: {
      operationId: 'listApiKeys',
      summary: 'List my API keys',
      description: 'Pages of API keys, newest first, without the secret keys.',
      tags: ['Accounts'],
      querystring: ApiKeyQuery,
      response: { 200: ApiKeyPage, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query: { cursor, limit } }) => {
    const [after] = cursor === undefined ? [] : readCursor(cursor, LIST, UUID)
    return pageOf(await listApiKeys(sql, user.id, limit, after), limit, ({ id }) => cursorOf(LIST, id))
  })

  app.delete('/:key_id', {
    config: { personal: true },
    schema: {
      operationId: 'deleteApiKey',
      summary: 'Delete an API key',
      description: 'Every instance rejects the key from then on.',
      tags: ['Accounts'],
      params: ApiKeyParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { key_id } } = request
    if (await findApiKeyAccess(sql, user.id, key_id) === undefined) throw notFound('API key')
    requireMatch(request)
    if (!await deleteApiKey(sql, user.id, key_id)) throw notFound('API key')
    return noContent()
  }))
}

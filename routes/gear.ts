import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { deleteGear, findGear, listGear, type GearRow } from '../db/gear.ts'
import type { Sql } from '../db/sql.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { Gear, GearChange, GearPage, GearParams, GearQuery, NewGear } from '../schemas/gear.ts'
import { notFound } from '../src/errors.ts'
import { answering, created, noContent, ok } from '../src/http/answer.ts'
import { UUID, cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { representation, validators, writeOptimistically } from '../src/http/etag.ts'
import { addGear, changeGear } from '../src/workflows/gear.ts'

/** The list that the cursors belong to. */
const LIST = 'gear'

/** Gear: shoes and whatever else wears out. */
export const gearRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/', {
    schema: {
      operationId: 'createGear',
      summary: 'Create gear',
      description:
        'Adds a pair of shoes or other gear. As the default of its sport it takes the place of the one before, and is ' +
        'given to new activities, imported or entered by hand, that name no gear.',
      tags: ['Gear'],
      body: NewGear,
      response: { 201: Gear, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, { user, body }) => {
    const gear = await addGear(sql, user.id, body)
    return created(gear, { location: `/api/v1/gear/${gear.id}`, ...validators(gear) })
  }))

  app.get('/', {
    schema: {
      operationId: 'listGear',
      summary: 'List my gear',
      description: 'Pages of gear with the distance covered so far, newest first.',
      tags: ['Gear'],
      querystring: GearQuery,
      response: { 200: GearPage, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }) => {
    const [after] = query.cursor === undefined ? [] : readCursor(query.cursor, LIST, UUID)
    const rows = await listGear(sql, user.id, query, after)
    return pageOf(rows, query.limit, ({ id }) => cursorOf(LIST, id))
  })

  app.get('/:gear_id', {
    schema: {
      operationId: 'getGear',
      summary: 'Get gear',
      description: 'One piece of gear. Its `ETag` changes with the distance covered, too.',
      tags: ['Gear'],
      params: GearParams,
      response: { 200: Gear, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { gear_id } } = request
    return representation(request, await existing(sql, user.id, gear_id))
  }))

  app.patch('/:gear_id', {
    schema: {
      operationId: 'updateGear',
      summary: 'Update gear',
      description:
        'Changes the given fields and leaves the others as they are; null clears an optional field. Gear that is ' +
        'retired is no longer the default. With `If-Match`, only the given version is changed.',
      tags: ['Gear'],
      params: GearParams,
      body: GearChange,
      response: { 200: Gear, ...errors(400, 401, 403, 404, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { gear_id }, body } = request
    const changed = await writeOptimistically(
      request,
      () => existing(sql, user.id, gear_id),
      (gear) => changeGear(sql, user.id, gear, body)
    )
    return ok(changed, validators(changed))
  }))

  app.delete('/:gear_id', {
    schema: {
      operationId: 'deleteGear',
      summary: 'Delete gear',
      description: 'Deletes the gear; its activities stay, without gear. With `If-Match`, only the given version is deleted.',
      tags: ['Gear'],
      params: GearParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { gear_id } } = request
    await writeOptimistically(request, () => existing(sql, user.id, gear_id), (gear) => deleteGear(sql, user.id, gear))
    return noContent()
  }))
}

async function existing (sql: Sql, userId: string, gearId: string): Promise<GearRow> {
  const gear = await findGear(sql, userId, gearId)
  if (gear === undefined) throw notFound('gear')
  return gear
}

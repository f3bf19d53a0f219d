import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findPhysiology, listPhysiology } from '../db/physiology.ts'
import { RECOMPUTE_FIGURES } from '../src/workflows/recompute-due.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { NewPhysiology, Physiology, PhysiologyPage, PhysiologyParams, PhysiologyQuery } from '../schemas/physiology.ts'
import { contradiction } from '../src/domain/physiology.ts'
import { AppError, invalid, notFound } from '../src/errors.ts'
import { answering, created, noContent } from '../src/http/answer.ts'
import { cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { requireMatch, validators } from '../src/http/etag.ts'
import { addSettings, removeSettings } from '../src/workflows/physiology.ts'

/** The list that the cursors belong to. */
const LIST = 'physiology'
const DAY = /^\d{4}-\d\d-\d\d$/

/** A runner's physiology: settings, each valid from a day on. */
export const physiologyRoutes: FastifyPluginAsyncTypebox = async (app) => {
  // Committed by now: the job finds it.
  app.addHook('onResponse', async ({ method }, { statusCode }) => {
    if (statusCode < 300 && (method === 'POST' || method === 'DELETE')) app.jobs.run(RECOMPUTE_FIGURES)
  })

  app.get('/', {
    schema: {
      operationId: 'listPhysiology',
      summary: 'List my physiology settings',
      description: 'Pages of settings, the latest `valid_from` first.',
      tags: ['Accounts'],
      querystring: PhysiologyQuery,
      response: { 200: PhysiologyPage, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query: { cursor, limit } }) => {
    const [after] = cursor === undefined ? [] : readCursor(cursor, LIST, DAY)
    return pageOf(await listPhysiology(sql, user.id, { limit, after }), limit, ({ valid_from }) =>
      cursorOf(LIST, valid_from)
    )
  })

  app.post(
    '/',
    {
      schema: {
        operationId: 'createPhysiology',
        summary: 'Create physiology settings',
        description:
          'Sets values that apply from a day on. The figures of an activity are computed with the values that ' +
          'apply on its day: each value is taken from the latest settings, up to that day, that include it. The ' +
          'loads of activities that exist already follow within seconds. There is one set of settings per day; a second is 409.',
        tags: ['Accounts'],
        body: NewPhysiology,
        response: { 201: Physiology, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
      }
    },
    app.once(async (sql, { user, body }) => {
      const problem = contradiction(body)
      if (problem !== undefined) throw invalid(problem.field, problem.message)
      const made = await addSettings(sql, user.id, body)
      if (made === undefined) { throw new AppError('CONFLICT', 'Settings for this day already exist: delete them first') }
      return created(made, validators(revised(made)))
    })
  )

  app.delete('/:physiology_id', {
    schema: {
      operationId: 'deletePhysiology',
      summary: 'Delete physiology settings',
      description: 'Deletes these settings. Activities of their day and later use the settings before them, and their load follows.',
      tags: ['Accounts'],
      params: PhysiologyParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { physiology_id } } = request
    const settings = await findPhysiology(sql, user.id, physiology_id)
    if (settings === undefined) throw notFound('settings')
    requireMatch(request, revised(settings))
    if (!await removeSettings(sql, user.id, settings)) throw notFound('settings')
    return noContent()
  }))
}

/** Settings are never changed, only deleted: they stay in their first revision. */
function revised (settings: Physiology) {
  return { ...settings, revision: 1 }
}

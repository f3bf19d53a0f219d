import { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findActivity, listActivities } from '../db/activities.ts'
import { findOriginal, readRecording } from '../db/recordings.ts'
import { Activity, ActivityPage, ActivityParams, ActivityQuery } from '../schemas/activities.ts'
import { NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { notFound } from '../src/errors.ts'
import { answering } from '../src/http/answer.ts'
import { UUID, cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { isNotModified, representation } from '../src/http/etag.ts'

const MEDIA_TYPES = {
  fit: 'application/vnd.ant.fit',
  gpx: 'application/gpx+xml',
  tcx: 'application/vnd.garmin.tcx+xml'
} as const
/** The list that the cursors belong to. */
const LIST = 'activities'
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Recorded runs. */
export const activityRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: {
      operationId: 'listActivities',
      summary: 'List my activities',
      description: 'Pages of activities, newest first. An activity is listed if it matches all given filters.',
      tags: ['Activities'],
      querystring: ActivityQuery,
      response: { 200: ActivityPage, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }) => {
    const [startTime, id] = query.cursor === undefined ? [] : readCursor(query.cursor, LIST, MOMENT, UUID)
    const after = startTime === undefined || id === undefined ? undefined : { start_time: startTime, id }
    const rows = await listActivities(sql, user.id, query, after)
    return pageOf(rows, query.limit, (row) => cursorOf(LIST, row.start_time, row.id))
  })

  app.get('/:activity_id', {
    schema: {
      operationId: 'getActivity',
      summary: 'Get an activity',
      description: 'One activity with its computed figures. A figure that cannot be computed is null, never 0.',
      tags: ['Activities'],
      params: ActivityParams,
      response: { 200: Activity, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const activity = await findActivity(request.sql, request.user.id, request.params.activity_id)
    if (activity === undefined) throw notFound('activity')
    return representation(request, activity)
  }))

  app.get(
    '/:activity_id/file',
    {
      schema: {
        operationId: 'downloadActivityFile',
        summary: 'Download the file of an activity',
        description: 'The imported file, byte for byte, under its original name.',
        tags: ['Activities'],
        produces: Object.values(MEDIA_TYPES),
        params: ActivityParams,
        response: {
          200: Type.Unsafe<Readable>({ type: 'string', format: 'binary', description: 'The bytes' }),
          304: NotModified,
          ...errors(401, 404, 422, 429)
        }
      }
    },
    async (request, reply) => {
      const {
        sql,
        user,
        params: { activity_id }
      } = request
      const original = await findOriginal(sql, user.id, activity_id)
      if (original === undefined) throw notFound('file')
      const name = original.file_name ?? `${activity_id}.${original.format}`
      const etag = `"${original.sha256}"`
      reply.header('etag', etag).header('cache-control', 'private, no-cache')
      if (isNotModified(request, etag)) return reply.code(304).send(undefined as never)
      return reply
        .type(MEDIA_TYPES[original.format as keyof typeof MEDIA_TYPES])
        .header('content-length', original.size_bytes)
        .header(
          'content-disposition',
          `attachment; filename="${name.replace(/[^\x20-\x7e]|["\\]/g, '_')}"; filename*=UTF-8''${encodeURIComponent(name)}`
        )
        .send(Readable.from(request.method === 'HEAD' ? [] : readRecording(sql, user.id, original)))
    }
  )
}

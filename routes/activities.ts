import { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findActivity, listActivities, type ActivityRow } from '../db/activities.ts'
import { findOriginal, readRecording } from '../db/recordings.ts'
import type { Sql } from '../db/sql.ts'
import {
  Activity, ActivityChange, ActivityPage, ActivityParams, ActivityQuery, ManualActivity
} from '../schemas/activities.ts'
import { NoContent, NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { notFound } from '../src/errors.ts'
import { attachment } from '../src/http/attachment.ts'
import { answering, created, noContent, ok } from '../src/http/answer.ts'
import { UUID, cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { isNotModified, representation, validators, writeOptimistically } from '../src/http/etag.ts'
import { activityToChange, addActivity, changeActivity, removeActivity } from '../src/workflows/activities.ts'

const MEDIA_TYPES = {
  fit: 'application/vnd.ant.fit',
  gpx: 'application/gpx+xml',
  tcx: 'application/vnd.garmin.tcx+xml'
} as const
/** The list that the cursors belong to. */
const LIST = 'activities'
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Activities, recorded or entered by hand. */
export const activityRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/', {
    schema: {
      operationId: 'createActivity',
      summary: 'Enter an activity by hand',
      description:
        'Creates an activity that was not recorded. Its load is computed from the distance and the time, the mean ' +
        'heart rate or the perceived effort, with the settings of its day. Without `gear_id` it gets the default gear ' +
        'of its sport; null is no gear.',
      tags: ['Activities'],
      body: ManualActivity,
      response: { 201: Activity, ...errors(400, 401, 403, 404, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, { user, body, log }) => {
    const activity = await addActivity(sql, user.id, body)
    log.info({ activity_id: activity.id }, 'activity created')
    return created(activity, { location: `/api/v1/activities/${activity.id}`, ...validators(activity) })
  }))

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
    const { sql, user, params: { activity_id } } = request
    return representation(request, await existing(sql, user.id, activity_id))
  }))

  app.patch('/:activity_id', {
    schema: {
      operationId: 'updateActivity',
      summary: 'Update an activity',
      description:
        'Changes the given fields and leaves the others as they are; null clears an optional field. The load follows a ' +
        'change of the sport or the perceived effort. What was recorded cannot be changed: `start_time` only of an ' +
        'activity entered by hand. With `If-Match`, only the given version is changed.',
      tags: ['Activities'],
      params: ActivityParams,
      body: ActivityChange,
      response: { 200: Activity, ...errors(400, 401, 403, 404, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { activity_id }, body } = request
    const changed = await writeOptimistically(
      request,
      () => activityToChange(sql, user.id, activity_id, body),
      (activity) => changeActivity(sql, user.id, activity, body)
    )
    return ok(changed, validators(changed))
  }))

  app.delete('/:activity_id', {
    schema: {
      operationId: 'deleteActivity',
      summary: 'Delete an activity',
      description:
        'Deletes the activity, and its file unless another activity is made of it: the same file can be imported again. ' +
        'With `If-Match`, only the given version is deleted.',
      tags: ['Activities'],
      params: ActivityParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { activity_id } } = request
    await writeOptimistically(
      request,
      () => existing(sql, user.id, activity_id),
      (activity) => removeActivity(sql, user.id, activity)
    )
    return noContent()
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
        .header('content-disposition', attachment(name))
        .send(Readable.from(request.method === 'HEAD' ? [] : readRecording(sql, user.id, original)))
    }
  )
}

async function existing (sql: Sql, userId: string, activityId: string): Promise<ActivityRow> {
  const activity = await findActivity(sql, userId, activityId)
  if (activity === undefined) throw notFound('activity')
  return activity
}

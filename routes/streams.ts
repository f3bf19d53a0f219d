import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findStreams, findStreamsRevision } from '../db/figures.ts'
import { ActivityParams } from '../schemas/activities.ts'
import { NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { Streams, StreamsQuery } from '../schemas/streams.ts'
import { isStreamField, STREAM_FIELDS } from '../src/domain/streams/fields.ts'
import { noStreams, type Wanted } from '../src/domain/streams/sampled.ts'
import { isNotModified, validators } from '../src/http/etag.ts'
import { current } from '../src/workflows/figures.ts'

export interface StreamOptions {
  /** Makes the response body of packed streams, on another thread where it takes long. */
  sample (packed: Uint8Array, wanted: Wanted): Promise<Uint8Array>
}

/** The records of an activity. */
export const streamRoutes: FastifyPluginAsyncTypebox<StreamOptions> = async (app, { sample }) => {
  app.get('/:activity_id/streams', {
    schema: {
      operationId: 'getActivityStreams',
      summary: 'Get the streams of an activity',
      description:
        'The records as columns of one length; null is a gap. Of more than `points` records those are answered that ' +
        'keep the shape of the curves: the first, the last and the extremes of altitude, heart rate and speed are ' +
        'always among them. An activity without records, as one entered by hand, has empty streams.',
      tags: ['Activities'],
      params: ActivityParams,
      querystring: StreamsQuery,
      response: { 200: Streams, 304: NotModified, ...errors(401, 404, 422, 429) }
    }
  }, async (request, reply) => {
    const { sql, user, params: { activity_id }, query } = request
    if (request.headers['if-none-match'] !== undefined) {
      const headers = validators(await current(sql, user.id, await findStreamsRevision(sql, user.id, activity_id)))
      if (isNotModified(request, headers.etag)) return reply.code(304).headers(headers).send(undefined as never)
    }
    const row = await current(sql, user.id, await findStreams(sql, user.id, activity_id))
    const fields = query.fields?.split(',').filter(isStreamField) ?? STREAM_FIELDS
    const body = row.part === null ? noStreams(fields) : await sample(row.part, { fields, points: query.points })
    return reply.headers(validators(row)).type('application/json; charset=utf-8').send(body as never)
  })
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findStreams, findStreamsRevision } from '../db/figures.ts'
import { ActivityParams } from '../schemas/activities.ts'
import { NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { Streams, StreamsQuery } from '../schemas/streams.ts'
import { isStreamField, STREAM_FIELDS } from '../src/domain/streams/fields.ts'
import { packStreams } from '../src/domain/streams/pack.ts'
import { noStreams } from '../src/domain/streams/sampled.ts'
import { Chart, prefersChart, sendChart, SVG } from '../src/http/chart.ts'
import { isNotModified, validators } from '../src/http/etag.ts'
import type { Answered } from '../src/workers/answers.ts'
import { calendarOf } from '../src/workflows/calendar.ts'
import { current } from '../src/workflows/figures.ts'

export interface StreamOptions {
  /** Makes the response body of packed streams, on another thread where it takes long. */
  sample (packed: Uint8Array, wanted: Answered): Promise<Uint8Array>
}

const NO_STREAMS = packStreams({ records: 0, columns: {} })

/** The records of an activity, as figures and as a picture. */
export const streamRoutes: FastifyPluginAsyncTypebox<StreamOptions> = async (app, { sample }) => {
  app.get('/:activity_id/streams', {
    schema: {
      operationId: 'getActivityStreams',
      summary: 'Get the streams of an activity',
      description:
        'The records as columns of one length; null is a gap. Of more than `points` records those are answered that ' +
        'keep the shape of the curves: the first, the last and the extremes of altitude, heart rate and speed are ' +
        'always among them. An activity without records, as one entered by hand, has empty streams. ' +
        '`Accept: image/svg+xml` gets the chart.',
      tags: ['Activities'],
      params: ActivityParams,
      querystring: StreamsQuery,
      response: { 200: Streams, 304: NotModified, ...errors(401, 404, 422, 429) }
    }
  }, async (request, reply) => {
    const { sql, user, params: { activity_id }, query, headers } = request
    if (prefersChart(headers.accept, reply)) return await chart(request, reply, activity_id)
    if (headers['if-none-match'] !== undefined) {
      const headers = validators(await current(sql, user.id, await findStreamsRevision(sql, user.id, activity_id)))
      if (isNotModified(request, headers.etag)) return reply.code(304).headers(headers).send(undefined as never)
    }
    const row = await current(sql, user.id, await findStreams(sql, user.id, activity_id))
    const fields = query.fields?.split(',').filter(isStreamField) ?? STREAM_FIELDS
    const body = row.part === null ? noStreams(fields) : await sample(row.part, { fields, points: query.points })
    return reply.headers(validators(row)).type('application/json; charset=utf-8').send(body as never)
  })

  app.get('/:activity_id/chart.svg', {
    schema: {
      operationId: 'getActivityChart',
      summary: 'Get a chart of an activity',
      description:
        'Pace, heart rate and altitude over the distance as a picture, in the units of the account, light and dark. ' +
        'Pauses divide the curves. Sports that are not measured by pace show the speed.',
      tags: ['Activities'],
      produces: [SVG],
      params: ActivityParams,
      response: { 200: Chart, 304: NotModified, ...errors(401, 404, 422, 429) }
    }
  }, async (request, reply) => await chart(request, reply, request.params.activity_id))

  async function chart (request: FastifyRequest, reply: FastifyReply, activityId: string): Promise<never> {
    const { sql, user } = request
    const { units } = await calendarOf(sql, user.id)
    // The tag is another one than that of the figures: the picture also depends on what its axes say.
    const tagged = <Row extends { id: string, revision: number, sport: string }> (row: Row) =>
      validators({ id: row.id, revision: `${row.revision}-${row.sport}-${units}` })
    if (request.headers['if-none-match'] !== undefined) {
      const headers = tagged(await current(sql, user.id, await findStreamsRevision(sql, user.id, activityId)))
      if (isNotModified(request, headers.etag)) return reply.code(304).headers(headers).send(undefined) as never
    }
    const row = await current(sql, user.id, await findStreams(sql, user.id, activityId))
    const { sport, local_date } = row
    const body = await sample(row.part ?? NO_STREAMS, { chart: { sport, local_date, units } })
    return sendChart(reply.headers(tagged(row)), body)
  }
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { LoadAnswer, LoadQuery, VolumeAnswer, VolumeQuery } from '../schemas/analytics.ts'
import { errors } from '../schemas/error.ts'
import { load, volume } from '../src/workflows/analytics.ts'

/** What a runner's activities add up to. */
export const analyticsRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const tags = ['Analytics']

  app.get('/volume', {
    schema: {
      operationId: 'getVolume',
      summary: 'Get my volume by period',
      description:
        'Distance, moving time, number of activities and elevation gain by day, week, month or year, in the ' +
        'calendar of the runner: an activity belongs to the day on which it began where it began, and weeks begin ' +
        'on the first weekday of the account. Periods without activities are listed. Only days from `from` to `to` count.',
      tags,
      querystring: VolumeQuery,
      response: { 200: VolumeAnswer, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }) => await volume(sql, user.id, query))

  app.get('/load', {
    schema: {
      operationId: 'getLoad',
      summary: 'Get my training load by day',
      description:
        'Load, fitness (CTL), fatigue (ATL), form, acute:chronic workload ratio, monotony and strain of each day. ' +
        'With `forecast=true` the days from today on include the load of the planned workouts that are still to be ' +
        'done, of plans that are neither drafts nor archived.',
      tags,
      querystring: LoadQuery,
      response: { 200: LoadAnswer, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }) => await load(sql, user.id, query))
}

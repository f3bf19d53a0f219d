import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { LoadAnswer, LoadQuery, VolumeAnswer, VolumeQuery, ZonesQuery } from '../schemas/analytics.ts'
import { errors } from '../schemas/error.ts'
import { ZonesAnswer } from '../schemas/figures.ts'
import { FitnessAnswer, RecordsAnswer, RecordsQuery } from '../schemas/records.ts'
import type { Period } from '../src/domain/periods.ts'
import { Chart, prefersChart, sendChart, SVG } from '../src/http/chart.ts'
import { loadChart } from '../src/views/charts/load-chart.ts'
import { recordsChart } from '../src/views/charts/records-chart.ts'
import { volumeChart } from '../src/views/charts/volume-chart.ts'
import { load, volume, type Volume } from '../src/workflows/analytics.ts'
import { fitness, records } from '../src/workflows/records.ts'
import { zones } from '../src/workflows/zones.ts'

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
        'on the first weekday of the account. Periods without activities are listed. Only days from ' +
        '`from` to `to` count. `Accept: image/svg+xml` gets the chart.',
      tags,
      querystring: VolumeQuery,
      response: { 200: VolumeAnswer, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query, headers: { accept } }, reply) => {
    const answer = await volume(sql, user.id, query)
    return prefersChart(accept, reply) ? sendChart(reply, volumeChartOf(answer)) : answer
  })

  app.get('/volume.svg', {
    schema: {
      operationId: 'getVolumeChart',
      summary: 'Get a chart of my volume',
      description: 'The distance of each period as a picture, in the units of the account, light and dark.',
      tags,
      produces: [SVG],
      querystring: VolumeQuery,
      response: { 200: Chart, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }, reply) => sendChart(reply, volumeChartOf(await volume(sql, user.id, query))))

  app.get('/load', {
    schema: {
      operationId: 'getLoad',
      summary: 'Get my training load by day',
      description:
        'Load, fitness (CTL), fatigue (ATL), form, acute:chronic workload ratio, monotony and strain of each day. ' +
        'With `forecast=true` the days from today on include the load of the planned workouts that are still to be ' +
        'done, of plans that are neither drafts nor archived. `Accept: image/svg+xml` gets the chart.',
      tags,
      querystring: LoadQuery,
      response: { 200: LoadAnswer, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query, headers: { accept } }, reply) => {
    const answer = await load(sql, user.id, query)
    return prefersChart(accept, reply) ? sendChart(reply, loadChart(answer.days, answer.today)) : answer
  })

  app.get('/load.svg', {
    schema: {
      operationId: 'getLoadChart',
      summary: 'Get a chart of my training load',
      description:
        'Fitness, fatigue and form over the load of each day as a picture, light and dark; what is forecast is dashed.',
      tags,
      produces: [SVG],
      querystring: LoadQuery,
      response: { 200: Chart, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }, reply) => {
    const { days, today } = await load(sql, user.id, query)
    return sendChart(reply, loadChart(days, today))
  })

  app.get('/zones', {
    schema: {
      operationId: 'getZones',
      summary: 'Get my time in zones',
      description:
        'Seconds in heart-rate and pace zones over some days: each activity is counted by the physiology settings of ' +
        'its own day, with the models that `GET /activities/{activity_id}/zones` names. A figure that cannot be ' +
        'computed is null, and `reason` says why.',
      tags,
      querystring: ZonesQuery,
      response: { 200: ZonesAnswer, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }) => await zones(sql, user.id, query))

  app.get('/records', {
    schema: {
      operationId: 'getRecords',
      summary: 'Get my best efforts by distance',
      description:
        'The fastest stretches of my runs over each distance: the best, the ten fastest, and those that were the ' +
        'fastest when they were run. What is cropped away, and what is no run, does not count. ' +
        '`Accept: image/svg+xml` gets the chart.',
      tags,
      querystring: RecordsQuery,
      response: { 200: RecordsAnswer, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query, headers: { accept } }, reply) => {
    const { units, ...answer } = await records(sql, user.id, query.period)
    return prefersChart(accept, reply) ? sendChart(reply, recordsChart(answer.items, answer.period, units)) : answer
  })

  app.get('/records.svg', {
    schema: {
      operationId: 'getRecordsChart',
      summary: 'Get a chart of my best efforts',
      description:
        'The pace of the best effort over each distance among the ten fastest as a picture, in the units of the ' +
        'account, light and dark.',
      tags,
      produces: [SVG],
      querystring: RecordsQuery,
      response: { 200: Chart, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }, reply) => {
    const { items, period, units } = await records(sql, user.id, query.period)
    return sendChart(reply, recordsChart(items, period, units))
  })

  app.get('/fitness', {
    schema: {
      operationId: 'getFitness',
      summary: 'Get my fitness',
      description:
        'VDOT of the best effort of the last 90 days, a race before all others, with predicted race times, training ' +
        'paces and critical speed. A figure that cannot be computed is null, and `reason` says why.',
      tags,
      response: { 200: FitnessAnswer, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user }) => await fitness(sql, user.id))
}

function volumeChartOf ({ items, by, units }: Volume): string {
  return volumeChart(items, by as Period, units)
}

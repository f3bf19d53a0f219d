import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findBestEfforts, findLaps, findSplits } from '../db/figures.ts'
import { ActivityParams } from '../schemas/activities.ts'
import { NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { BestEfforts, Sections, SplitsQuery, ZoneTimes } from '../schemas/figures.ts'
import { namedEffort } from '../src/domain/training/best-efforts.ts'
import { answering } from '../src/http/answer.ts'
import { representation } from '../src/http/etag.ts'
import { current, zonesOf } from '../src/workflows/figures.ts'

const WITHOUT_RECORDS = 'Empty for an activity without records, as one entered by hand.'

/** The parts of an activity: laps, splits, best efforts, zones. */
export const lapRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/:activity_id/laps', {
    schema: {
      operationId: 'listActivityLaps',
      summary: 'List the laps of an activity',
      description: `The laps as the device wrote them; what it left out is computed from the records. ${WITHOUT_RECORDS}`,
      tags: ['Activities'],
      params: ActivityParams,
      response: { 200: Sections, 304: NotModified, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { activity_id } } = request
    const { id, revision, part } = await current(sql, user.id, await findLaps(sql, user.id, activity_id))
    return representation(request, { id, revision, items: part ?? [] })
  }))

  app.get('/:activity_id/splits', {
    schema: {
      operationId: 'listActivitySplits',
      summary: 'List the splits of an activity',
      description:
        'Kilometres or miles; the last split is what remains. Their distance, times and elevation gain add up to those ' +
        `of the activity. ${WITHOUT_RECORDS}`,
      tags: ['Activities'],
      params: ActivityParams,
      querystring: SplitsQuery,
      response: { 200: Sections, 304: NotModified, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { activity_id }, query } = request
    const unit = query.unit === 'mi' ? 'mi' : 'km'
    const { id, revision, part } = await current(sql, user.id, await findSplits(sql, user.id, activity_id, unit))
    return representation(request, { id, revision, items: part ?? [] })
  }))

  app.get('/:activity_id/best-efforts', {
    schema: {
      operationId: 'listActivityBestEfforts',
      summary: 'List the best efforts of an activity',
      description:
        'The shortest elapsed time over each distance from 400 m to the marathon that is in a run. Stretches faster ' +
        `than the world record are errors of the positions, and left out. ${WITHOUT_RECORDS}`,
      tags: ['Activities'],
      params: ActivityParams,
      response: { 200: BestEfforts, 304: NotModified, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { activity_id } } = request
    const { id, revision, part } = await current(sql, user.id, await findBestEfforts(sql, user.id, activity_id))
    return representation(request, { id, revision, items: (part ?? []).map(namedEffort) })
  }))

  app.get('/:activity_id/zones', {
    schema: {
      operationId: 'getActivityZones',
      summary: 'Get the time in zones of an activity',
      description:
        'Seconds in heart-rate and pace zones, by the physiology settings of the day of the activity. Heart-rate zones ' +
        'are those of Friel if there is a threshold heart rate (running), else of Karvonen if there is a resting ' +
        'heart rate, else shares of the maximum; pace zones are those of Friel by threshold pace.',
      tags: ['Activities'],
      params: ActivityParams,
      response: { 200: ZoneTimes, 304: NotModified, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { activity_id } } = request
    return representation(request, await zonesOf(sql, user.id, activity_id))
  }))
}

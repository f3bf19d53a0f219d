import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { deleteCalendarFeed } from '../db/calendar-feeds.ts'
import { CalendarFeed, FeedParams } from '../schemas/calendar-feeds.ts'
import { NoContent, NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { notFound } from '../src/errors.ts'
import { answering, created, noContent } from '../src/http/answer.ts'
import { isNotModified } from '../src/http/etag.ts'
import { ownerOfFeed, readCalendarFeed, renewCalendarFeed } from '../src/workflows/calendar-feeds.ts'

const ICAL = 'text/calendar'

/** The address of a runner's calendar feed. As a credential, it is neither made nor revoked with an API key. */
export const feedAddressRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/', {
    config: { personal: true },
    schema: {
      operationId: 'createCalendarFeed',
      summary: 'Make a secret calendar address',
      description:
        'Makes an address that calendars subscribe to: whoever knows it can read the planned workouts, without logging ' +
        'in. The response is the only one that contains it. The address before it is no longer valid.',
      tags: ['Accounts'],
      response: { 201: CalendarFeed, ...errors(401, 403, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, request) => {
    const token = await renewCalendarFeed(sql, request.user.id)
    request.log.info('calendar feed made')
    return created({ url: `${originOf(request)}/api/v1/calendar/${token}.ics` })
  }))

  app.delete('/', {
    config: { personal: true },
    schema: {
      operationId: 'deleteCalendarFeed',
      summary: 'Revoke the secret calendar address',
      description: 'The address is no longer valid; 204 also if there is none.',
      tags: ['Accounts'],
      response: { 204: NoContent, ...errors(401, 403, 422, 429) }
    }
  }, answering(async ({ sql, user, log }) => {
    await deleteCalendarFeed(sql, user.id)
    log.info('calendar feed revoked')
    return noContent()
  }))
}

/** Calendar feeds, to whoever knows the address. */
export const calendarFeedRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/:token.ics', {
    config: { secretPath: true },
    schema: {
      operationId: 'getCalendarFeed',
      summary: 'Get a calendar feed',
      description:
        'The workouts of all plans as all-day events, by iCalendar (RFC 5545): at most the 1,000 latest, and for 30 days ' +
        'those that were deleted, as cancelled. The address is the credential. An address that is unknown or revoked is ' +
        '404. Send its `ETag` as `If-None-Match` to get 304 while nothing has changed.',
      tags: ['Workouts'],
      security: [],
      produces: [ICAL],
      params: FeedParams,
      response: {
        200: Type.String({ description: 'The calendar' }),
        304: NotModified,
        ...errors(404, 422, 429)
      }
    }
  }, async (request, reply) => {
    const { sql, params: { token } } = request
    reply.header('cache-control', 'no-store')
    app.refuseStranger(request, reply)
    const owner = await ownerOfFeed(sql, token)
    if (owner === undefined) {
      app.countStranger(request, reply)
      throw notFound('calendar feed')
    }
    request.exchange.user_id = owner.id
    // Apart from the runner's own requests: a feed that is read too often does not lock the runner out.
    app.countUser(`feed:${owner.id}`, reply)
    const { etag, write } = await readCalendarFeed(sql, owner)
    reply.headers({ etag, 'cache-control': 'private, no-cache' })
    if (isNotModified(request, etag)) return reply.code(304).send(undefined as never)
    return reply.type(`${ICAL}; charset=utf-8`).send(await write())
  })
}

/** Where the client reached the service; empty, so that the address is relative, where it did not say. */
function originOf ({ protocol, host }: Pick<FastifyRequest, 'protocol' | 'host'>): string {
  return host === '' ? '' : `${protocol}://${host}`
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Calendar, CalendarDay, CalendarQuery } from '../schemas/compliance.ts'
import { errors } from '../schemas/error.ts'
import { listText, sendJson } from '../src/http/answer.ts'
import { calendarDays } from '../src/workflows/compliance.ts'

/** What is planned and done, day by day. */
export const calendarRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: {
      operationId: 'getCalendar',
      summary: 'Get my calendar',
      description:
        'The workouts of all plans and the activities of each day from `from` to `to`, both included, at most 366 days, ' +
        'by the runner’s local days.',
      tags: ['Workouts'],
      querystring: CalendarQuery,
      response: { 200: Calendar, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query: { from, to } }, reply) => {
    const days = await calendarDays(sql, user.id, from, to)
    return sendJson(reply, `{"days":${await listText(reply, CalendarDay, days)}}`) as never
  })
}

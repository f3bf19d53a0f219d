import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { deletePlan, findPlan, insertPlan, listPlans, type PlanRow } from '../db/plans.ts'
import type { Sql } from '../db/sql.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { NewPlan, Plan, PlanChange, PlanPage, PlanParams, PlanQuery } from '../schemas/plans.ts'
import { notFound } from '../src/errors.ts'
import { UUID, cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { asItIs, sendTagged, tag } from '../src/http/etag.ts'
import { newId } from '../src/ids.ts'
import { changePlan, checkPlan } from '../src/workflows/plans.ts'

/** Whose cursors these are. */
const LIST = 'plans'

/** Training plans. */
export const planRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/', {
    schema: {
      summary: 'Make a plan',
      tags: ['Plans'],
      body: NewPlan,
      response: { 201: Plan, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
    }
  }, async ({ sql, user, body, log }, reply) => {
    checkPlan(body)
    const plan = await insertPlan(sql, user.id, newId(), body)
    log.info({ plan_id: plan.id }, 'plan created')
    return reply.code(201).header('location', `/api/v1/plans/${plan.id}`).send(tag(reply, plan))
  })

  app.get('/', {
    schema: {
      summary: 'My plans, newest first',
      description: '`from` and `to` ask for plans that overlap those days.',
      tags: ['Plans'],
      querystring: PlanQuery,
      response: { 200: PlanPage, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }) => {
    const [after] = query.cursor === undefined ? [] : readCursor(query.cursor, LIST, UUID)
    const rows = await listPlans(sql, user.id, query, after)
    return pageOf(rows, query.limit, ({ id }) => cursorOf(LIST, id))
  })

  app.get('/:plan_id', {
    schema: {
      summary: 'A plan',
      tags: ['Plans'],
      params: PlanParams,
      response: { 200: Plan, ...errors(401, 404, 422, 429) }
    }
  }, async (request, reply) => {
    const plan = await existing(request.sql, request.user.id, request.params.plan_id)
    return sendTagged(request, reply, plan)
  })

  app.patch('/:plan_id', {
    schema: {
      summary: 'Change a plan',
      tags: ['Plans'],
      params: PlanParams,
      body: PlanChange,
      response: { 200: Plan, ...errors(400, 401, 403, 404, 412, 413, 415, 422, 429) }
    }
  }, async (request, reply) => {
    const { sql, user, params, body } = request
    const changed = await asItIs(
      request,
      () => existing(sql, user.id, params.plan_id),
      (plan) => changePlan(sql, user.id, plan, body)
    )
    return tag(reply, changed)
  })

  app.delete('/:plan_id', {
    schema: {
      summary: 'Delete a plan',
      tags: ['Plans'],
      params: PlanParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, async (request, reply) => {
    const { sql, user, params: { plan_id } } = request
    await asItIs(request, () => existing(sql, user.id, plan_id), (plan) => deletePlan(sql, user.id, plan))
    return reply.code(204).send(null)
  })
}

async function existing (sql: Sql, userId: string, planId: string): Promise<PlanRow> {
  const plan = await findPlan(sql, userId, planId)
  if (plan === undefined) throw notFound('plan')
  return plan
}

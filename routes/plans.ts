import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findPlan, insertPlan, listPlans, type PlanRow } from '../db/plans.ts'
import type { Sql } from '../db/sql.ts'
import { NoContent } from '../schemas/common.ts'
import { Compliance } from '../schemas/compliance.ts'
import { errors } from '../schemas/error.ts'
import {
  GeneratedPlan, NewPlan, PlanChange, PlanDetail, PlanPage, PlanParams, PlanQuery, PlanRequestBody, PlanTemplateList,
  TemplateChoice
} from '../schemas/plans.ts'
import { overlapsAmong } from '../src/domain/plans/overlaps.ts'
import { notFound } from '../src/errors.ts'
import { answering, created, noContent, ok } from '../src/http/answer.ts'
import { UUID, cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { representation, validators, writeOptimistically } from '../src/http/etag.ts'
import { newId } from '../src/ids.ts'
import { planCompliance } from '../src/workflows/compliance.ts'
import { addGeneratedPlan } from '../src/workflows/plan-generation.ts'
import { addPlanFromTemplate, listTemplates } from '../src/workflows/plan-templates.ts'
import { changePlan, checkPlan, removePlan } from '../src/workflows/plans.ts'

/** The list that the cursors belong to. */
const LIST = 'plans'

/** Training plans. */
export const planRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/', {
    schema: {
      operationId: 'createPlan',
      summary: 'Create a plan',
      description:
        'Creates a training plan. It must end after the day it starts on. Send an `Idempotency-Key` to be able to ' +
        'repeat the request safely.',
      tags: ['Plans'],
      body: NewPlan,
      response: { 201: PlanDetail, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, { user, body, log }) => {
    checkPlan(body)
    const plan = await insertPlan(sql, user.id, newId(), body)
    log.info({ plan_id: plan.id }, 'plan created')
    return created(plan, { location: `/api/v1/plans/${plan.id}`, ...validators(plan) })
  }))

  app.post('/generate', {
    schema: {
      operationId: 'generatePlan',
      summary: 'Generate a plan for a race',
      description:
        'Makes an active plan with dated workouts from a race, a recent result, the current weekly distance and the ' +
        'number of runs a week; docs/PLANS.md has its rules. What cannot be trained for safely is refused with the reason.',
      tags: ['Plans'],
      body: PlanRequestBody,
      response: { 201: GeneratedPlan, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, { user, body, log }) => {
    const plan = await addGeneratedPlan(sql, user.id, body)
    log.info({ plan_id: plan.id, workouts: plan.workouts_count }, 'plan generated')
    return created(plan, { location: `/api/v1/plans/${plan.id}`, ...validators(plan) })
  }))

  app.post('/from-template', {
    schema: {
      operationId: 'createPlanFromTemplate',
      summary: 'Make a plan from a template',
      description:
        'Makes an active plan of a template, dated from `start_date` or back from `race_date`. Its workouts are copies: ' +
        'they may be changed, and do not change with the template.',
      tags: ['Plans'],
      body: TemplateChoice,
      response: { 201: GeneratedPlan, ...errors(400, 401, 403, 404, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, { user, body, log }) => {
    const plan = await addPlanFromTemplate(sql, user.id, body)
    log.info({ plan_id: plan.id, workouts: plan.workouts_count }, 'plan made from a template')
    return created(plan, { location: `/api/v1/plans/${plan.id}`, ...validators(plan) })
  }))

  app.get('/', {
    schema: {
      operationId: 'listPlans',
      summary: 'List my plans',
      description:
        'Pages of plans, newest first. `from` and `to` select the plans that overlap these days. `warnings` names plans ' +
        'of the page that overlap each other.',
      tags: ['Plans'],
      querystring: PlanQuery,
      response: { 200: PlanPage, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }) => {
    const [after] = query.cursor === undefined ? [] : readCursor(query.cursor, LIST, UUID)
    const rows = await listPlans(sql, user.id, query, after)
    const page = pageOf(rows, query.limit, ({ id }) => cursorOf(LIST, id))
    return { ...page, warnings: overlapsAmong(page.items) }
  })

  app.get('/:plan_id', {
    schema: {
      operationId: 'getPlan',
      summary: 'Get a plan',
      description: 'One plan. Send its `ETag` as `If-None-Match` to get 304 while the plan is unchanged.',
      tags: ['Plans'],
      params: PlanParams,
      response: { 200: PlanDetail, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { plan_id } } = request
    return representation(request, await existing(sql, user.id, plan_id))
  }))

  app.patch('/:plan_id', {
    schema: {
      operationId: 'updatePlan',
      summary: 'Update a plan',
      description:
        'Changes the given fields and leaves the others as they are; null clears an optional field. With `If-' +
        'Match`, only the given version is changed.',
      tags: ['Plans'],
      params: PlanParams,
      body: PlanChange,
      response: { 200: PlanDetail, ...errors(400, 401, 403, 404, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { plan_id }, body } = request
    const changed = await writeOptimistically(
      request,
      () => existing(sql, user.id, plan_id),
      (plan) => changePlan(sql, user.id, plan, body)
    )
    return ok(changed, validators(changed))
  }))

  app.delete('/:plan_id', {
    schema: {
      operationId: 'deletePlan',
      summary: 'Delete a plan',
      description: 'Deletes the plan with its workouts; activities stay. With `If-Match`, only the given version is deleted.',
      tags: ['Plans'],
      params: PlanParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { plan_id } } = request
    await writeOptimistically(request, () => existing(sql, user.id, plan_id), (plan) => removePlan(sql, user.id, plan))
    return noContent()
  }))
}

/** How plans were followed. */
export const complianceRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/:plan_id/compliance', {
    schema: {
      operationId: 'getPlanCompliance',
      summary: 'Compare a plan with what was done',
      description:
        'By workout, by week and in all, up to the runner’s today. Ratios are done over planned; the band is that of the ' +
        'duration where one was planned, else of the distance, else of the load. docs/PLANS.md has the rules.',
      tags: ['Plans'],
      params: PlanParams,
      response: { 200: Compliance, ...errors(401, 404, 422, 429) }
    }
  }, async ({ sql, user, params: { plan_id } }) => await planCompliance(sql, user.id, plan_id))
}

/** Plans to choose from. */
export const planTemplateRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: {
      operationId: 'listPlanTemplates',
      summary: 'List the plan templates',
      description: 'Plans without dates, from 5 km to the marathon, for beginners and advanced runners.',
      tags: ['Plans'],
      response: { 200: PlanTemplateList, ...errors(401, 422, 429) }
    }
  }, async () => ({ items: listTemplates(), next_cursor: null }))
}

async function existing (sql: Sql, userId: string, planId: string): Promise<PlanRow> {
  const plan = await findPlan(sql, userId, planId)
  if (plan === undefined) throw notFound('plan')
  return plan
}

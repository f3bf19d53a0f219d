import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findPlan, type PlanRow } from '../db/plans.ts'
import type { Sql } from '../db/sql.ts'
import { AcceptedAdaptation, AdaptationRequest, ProposedAdaptation } from '../schemas/adaptation.ts'
import { errors } from '../schemas/error.ts'
import { PlanDetail, PlanParams } from '../schemas/plans.ts'
import { notFound } from '../src/errors.ts'
import { answering, ok } from '../src/http/answer.ts'
import { validators, writeOptimistically } from '../src/http/etag.ts'
import { acceptAdaptation } from '../src/workflows/adaptation-accepting.ts'
import { proposeAdaptation } from '../src/workflows/plan-adaptation.ts'

/** Changes of the rest of a plan, proposed and accepted. */
export const adaptationRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/:plan_id/adapt', {
    schema: {
      operationId: 'proposeAdaptation',
      summary: 'Propose changes of the rest of a plan',
      description:
        'Compares what was done with what was planned, and proposes the rest of the plan anew where that is needed: ' +
        'after missed days, for days without running to come, by a new result. Nothing is written; the `ETag` is that of ' +
        'the plan. Days without running that were accepted stay free until `unavailable` replaces them. docs/PLANS.md has ' +
        'the rules. What cannot be done safely is refused with the reason.',
      tags: ['Plans'],
      params: PlanParams,
      body: AdaptationRequest,
      response: { 200: ProposedAdaptation, ...errors(400, 401, 403, 404, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, { user, params: { plan_id }, body }) => {
    const plan = await existing(sql, user.id, plan_id)
    return ok(await proposeAdaptation(sql, user.id, plan, body), validators(plan))
  }))

  app.put('/:plan_id/adapt', {
    schema: {
      operationId: 'acceptAdaptation',
      summary: 'Accept changes of the rest of a plan',
      description:
        'Carries out proposed changes, or some of them, all or none. With `If-Match` (the `ETag` of the proposal), only ' +
        'the plan in that version is changed. A workout that is no longer as `before` says is 409 `CONFLICT`. Send the ' +
        '`unavailable` of the proposal with them; without it, the days without running follow from the changes.',
      tags: ['Plans'],
      params: PlanParams,
      body: AcceptedAdaptation,
      response: { 200: PlanDetail, ...errors(400, 401, 403, 404, 409, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { plan_id }, body } = request
    const changed = await writeOptimistically(
      request,
      () => existing(sql, user.id, plan_id),
      (plan) => acceptAdaptation(sql, user.id, plan, body)
    )
    return ok(changed, validators(changed))
  }))
}

async function existing (sql: Sql, userId: string, planId: string): Promise<PlanRow> {
  const plan = await findPlan(sql, userId, planId)
  if (plan === undefined) throw notFound('plan')
  return plan
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { listGoals } from '../db/goals.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { Goal, GoalChange, GoalPage, GoalParams, GoalQuery, NewGoal } from '../schemas/goals.ts'
import { answering, created, noContent, ok } from '../src/http/answer.ts'
import { UUID, cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { representation, validators, writeOptimistically } from '../src/http/etag.ts'
import { addGoal, changeGoal, goalWithProgress, removeGoal, withProgress } from '../src/workflows/goals.ts'

/** The list that the cursors belong to. */
const LIST = 'goals'

/** Goals: what a runner wants to reach in a period. */
export const goalRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/', {
    schema: {
      operationId: 'createGoal',
      summary: 'Create a goal',
      description:
        'Sets a target for each week, month or year, or for the days from `from` to `to`. Runs count, unless another ' +
        'sport, or null for all of them, is given.',
      tags: ['Goals'],
      body: NewGoal,
      response: { 201: Goal, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, { user, body }) => {
    const goal = await addGoal(sql, user.id, body)
    return created(goal, { location: `/api/v1/goals/${goal.id}`, ...validators(goal) })
  }))

  app.get('/', {
    schema: {
      operationId: 'listGoals',
      summary: 'List my goals',
      description: 'Pages of goals with their progress, newest first.',
      tags: ['Goals'],
      querystring: GoalQuery,
      response: { 200: GoalPage, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query: { cursor, limit } }) => {
    const [after] = cursor === undefined ? [] : readCursor(cursor, LIST, UUID)
    const rows = await listGoals(sql, user.id, limit, after)
    const { items, next_cursor } = pageOf(rows, limit, ({ id }) => cursorOf(LIST, id))
    return { items: await withProgress(sql, user.id, items), next_cursor }
  })

  app.get('/:goal_id', {
    schema: {
      operationId: 'getGoal',
      summary: 'Get a goal',
      description: 'One goal with its progress. Its `ETag` changes with the progress and with the day, too.',
      tags: ['Goals'],
      params: GoalParams,
      response: { 200: Goal, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { goal_id } } = request
    return representation(request, await goalWithProgress(sql, user.id, goal_id))
  }))

  app.patch('/:goal_id', {
    schema: {
      operationId: 'updateGoal',
      summary: 'Update a goal',
      description:
        'Changes the given fields and leaves the others as they are; null clears an optional field. With `If-Match`, ' +
        'only the given version of the goal and its progress is changed.',
      tags: ['Goals'],
      params: GoalParams,
      body: GoalChange,
      response: { 200: Goal, ...errors(400, 401, 403, 404, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { goal_id }, body } = request
    const changed = await writeOptimistically(
      request,
      () => goalWithProgress(sql, user.id, goal_id),
      (goal) => changeGoal(sql, user.id, goal, body)
    )
    return ok(changed, validators(changed))
  }))

  app.delete('/:goal_id', {
    schema: {
      operationId: 'deleteGoal',
      summary: 'Delete a goal',
      description: 'Deletes the goal. With `If-Match`, only the given version of the goal and its progress is deleted.',
      tags: ['Goals'],
      params: GoalParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { goal_id } } = request
    await writeOptimistically(
      request,
      () => goalWithProgress(sql, user.id, goal_id),
      (goal) => removeGoal(sql, user.id, goal)
    )
    return noContent()
  }))
}

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findPlan } from '../db/plans.ts'
import { listWorkouts } from '../db/workouts.ts'
import { NoContent, NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { PlanParams } from '../schemas/plans.ts'
import {
  ActivityLink, MAX_BULK_BYTES, NewWorkout, UpsertedWorkouts, Workout, WorkoutChange, WorkoutFile, WorkoutFileQuery,
  WorkoutPage, WorkoutParams, WorkoutQuery, WorkoutUpserts
} from '../schemas/workouts.ts'
import { notFound } from '../src/errors.ts'
import { answering, created, listText, noContent, ok, sendJson } from '../src/http/answer.ts'
import { UUID, cursorOf, pageOf, readCursor } from '../src/http/cursor.ts'
import { isNotModified, representation, requireMatch, validators, writeOptimistically } from '../src/http/etag.ts'
import { writeWorkoutFit } from '../src/domain/workouts/write-fit.ts'
import { readWatchWorkout, workoutJson } from '../src/workflows/workout-files.ts'
import { linkActivity, unlinkActivity } from '../src/workflows/matching.ts'
import {
  addWorkout, changeWorkout, putWorkouts, readWorkout, removeWorkout, viewWorkouts
} from '../src/workflows/workouts.ts'

/** The list that the cursors belong to. */
const LIST = 'workouts'
const DAY = /^\d{4}-\d\d-\d\d$/

/** The workouts of a plan. */
export const planWorkoutRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/:plan_id/workouts', {
    schema: {
      operationId: 'createWorkout',
      summary: 'Add a workout to a plan',
      description:
        'Adds a workout on a day of the plan. Its steps are a tree (`steps`) or text (`steps_text`). Distance, duration ' +
        'and load come from the steps where they tell, with the runner’s settings of that day.',
      tags: ['Workouts'],
      params: PlanParams,
      body: NewWorkout,
      response: { 201: Workout, ...errors(400, 401, 403, 404, 409, 413, 415, 422, 429) }
    }
  }, app.once(async (sql, { user, params: { plan_id }, body }) => {
    const workout = await addWorkout(sql, user.id, plan_id, body)
    return created(workout, { location: `/api/v1/workouts/${workout.id}`, ...validators(workout) })
  }))

  app.get('/:plan_id/workouts', {
    schema: {
      operationId: 'listWorkouts',
      summary: 'List the workouts of a plan',
      description: 'Pages of workouts by day, the earliest first.',
      tags: ['Workouts'],
      params: PlanParams,
      querystring: WorkoutQuery,
      response: { 200: WorkoutPage, ...errors(401, 404, 422, 429) }
    }
  }, async ({ sql, user, params: { plan_id }, query }) => {
    const [date, id] = query.cursor === undefined ? [] : readCursor(query.cursor, LIST, DAY, UUID)
    const after = date === undefined || id === undefined ? undefined : { date, id }
    const rows = await listWorkouts(sql, user.id, plan_id, query, after)
    if (rows.length === 0 && await findPlan(sql, user.id, plan_id) === undefined) throw notFound('plan')
    const views = await viewWorkouts(sql, user.id, rows)
    return pageOf(views, query.limit, (workout) => cursorOf(LIST, workout.date, workout.id))
  })

  app.put('/:plan_id/workouts', {
    bodyLimit: MAX_BULK_BYTES,
    schema: {
      operationId: 'putWorkouts',
      summary: 'Add or change many workouts',
      description:
        'Stores up to 500 workouts by their `external_id`, all or none: those that the plan has are replaced by what is ' +
        'sent, the others are added. Workouts that are not mentioned stay. The body may have 4 MiB, enough for 50 steps ' +
        'each.',
      tags: ['Workouts'],
      params: PlanParams,
      body: WorkoutUpserts,
      response: { 200: UpsertedWorkouts, ...errors(400, 401, 403, 404, 409, 413, 415, 422, 429) }
    }
  }, async ({ sql, user, params: { plan_id }, body }, reply) => {
    const { created, updated, items } = await putWorkouts(sql, user.id, plan_id, body)
    const list = await listText(reply, Workout, items)
    return sendJson(reply, `{"created":${created},"updated":${updated},"items":${list}}`) as never
  })
}

/** Single workouts. */
export const workoutRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/:workout_id', {
    schema: {
      operationId: 'getWorkout',
      summary: 'Get a workout',
      description:
        'One workout, with what its targets and totals mean for the runner on its day. Its `ETag` changes with these ' +
        'and with its activity, too.',
      tags: ['Workouts'],
      params: WorkoutParams,
      response: { 200: Workout, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { workout_id } } = request
    return representation(request, await readWorkout(sql, user.id, workout_id))
  }))

  app.patch('/:workout_id', {
    schema: {
      operationId: 'updateWorkout',
      summary: 'Update a workout',
      description:
        'Changes the given fields of the workout and leaves the others as they are; null clears an optional field, and ' +
        '`steps_text` replaces the steps. With `If-Match`, only the given version is changed.',
      tags: ['Workouts'],
      params: WorkoutParams,
      body: WorkoutChange,
      response: { 200: Workout, ...errors(400, 401, 403, 404, 409, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { workout_id }, body } = request
    const changed = await writeOptimistically(
      request,
      () => readWorkout(sql, user.id, workout_id),
      (workout) => changeWorkout(sql, user.id, workout, body)
    )
    return ok(changed, validators(changed))
  }))

  app.delete('/:workout_id', {
    schema: {
      operationId: 'deleteWorkout',
      summary: 'Delete a workout',
      description: 'Deletes the workout; its activity stays. With `If-Match`, only the given version is deleted.',
      tags: ['Workouts'],
      params: WorkoutParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { workout_id } } = request
    await writeOptimistically(
      request,
      () => readWorkout(sql, user.id, workout_id),
      (workout) => removeWorkout(sql, user.id, workout)
    )
    return noContent()
  }))

  app.get('/:workout_id/file', {
    schema: {
      operationId: 'downloadWorkoutFile',
      summary: 'Download a workout for a watch',
      description:
        'The workout as a FIT workout file, or as JSON, with the ranges that its targets mean on its day. A workout ' +
        'without steps is one step.',
      tags: ['Workouts'],
      params: WorkoutParams,
      querystring: WorkoutFileQuery,
      response: {
        200: WorkoutFile,
        304: NotModified,
        ...errors(401, 404, 422, 429)
      }
    }
  }, async (request, reply) => {
    const { sql, user, params: { workout_id }, query: { format } } = request
    const { workout, watch } = await readWatchWorkout(sql, user.id, workout_id)
    const headers = validators({ id: workout.id, revision: `${workout.revision}-${format}` })
    reply.headers(headers)
    if (isNotModified(request, headers.etag)) return reply.code(304).send(undefined as never)
    const bytes = Buffer.from(format === 'fit' ? writeWorkoutFit(watch) : JSON.stringify(workoutJson(workout, watch)))
    return reply
      .type(format === 'fit' ? 'application/vnd.ant.fit' : 'application/json; charset=utf-8')
      .header('content-disposition', `attachment; filename="${workout.date}-${workout.kind}.${format}"`)
      .send(bytes)
  })

  app.put('/:workout_id/activity', {
    schema: {
      operationId: 'linkActivity',
      summary: 'Say which activity fulfilled a workout',
      description: 'Links an activity to the workout. Rules never overrule it. An activity fulfils one workout at most.',
      tags: ['Workouts'],
      params: WorkoutParams,
      body: ActivityLink,
      response: { 200: Workout, ...errors(401, 403, 404, 409, 412, 413, 415, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { workout_id }, body: { activity_id } } = request
    const workout = await readWorkout(sql, user.id, workout_id)
    requireMatch(request, workout)
    await linkActivity(sql, user.id, workout, activity_id)
    const linked = await readWorkout(sql, user.id, workout_id)
    return ok(linked, validators(linked))
  }))

  app.delete('/:workout_id/activity', {
    schema: {
      operationId: 'unlinkActivity',
      summary: 'Say that no activity fulfilled a workout',
      description:
        'Takes the activity away from the workout, or says that there is none. Rules never overrule it: neither the ' +
        'workout nor the activity is matched again but by hand.',
      tags: ['Workouts'],
      params: WorkoutParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { workout_id } } = request
    const workout = await readWorkout(sql, user.id, workout_id)
    requireMatch(request, workout)
    await unlinkActivity(sql, user.id, workout)
    return noContent()
  }))
}

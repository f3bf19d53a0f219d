import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findActivity, type ActivityRow } from '../db/activities.ts'
import { Activity, ActivityParams } from '../schemas/activities.ts'
import { errors } from '../schemas/error.ts'
import { Crop } from '../schemas/figures.ts'
import { notFound } from '../src/errors.ts'
import { earlyEndOf } from '../src/http/early-end.ts'
import { validators, writeOptimistically } from '../src/http/etag.ts'
import type { Spool } from '../src/uploads/spool.ts'
import { cropActivity } from '../src/workflows/crop.ts'
import type { Decode } from '../src/workflows/imports.ts'

export interface CropOptions {
  spool: Spool
  decode: Decode
}

/** Which part of its recording an activity is. */
export const cropRoutes: FastifyPluginAsyncTypebox<CropOptions> = async (app, { spool, decode }) => {
  app.put('/:activity_id/crop', {
    schema: {
      operationId: 'cropActivity',
      summary: 'Crop an activity',
      description:
        'Computes the activity from a part of its recording, in seconds since the start of the recording, at least 10 ' +
        's of it: its figures, streams, laps, splits, best efforts, zones and load follow. The original is kept as it ' +
        'is; a second crop takes the place of the first. With `If-Match`, only the given version is changed.',
      tags: ['Activities'],
      params: ActivityParams,
      body: Crop,
      response: { 200: Activity, ...errors(400, 401, 403, 404, 412, 413, 415, 422, 429) }
    }
  }, async (request, reply) => await cropped(request, reply, request.params.activity_id, request.body))

  app.delete('/:activity_id/crop', {
    schema: {
      operationId: 'uncropActivity',
      summary: 'Take back the crop of an activity',
      description:
        'Computes the activity from its whole recording again, and answers it; of an activity that is not cropped it ' +
        'changes nothing. With `If-Match`, only the given version is changed.',
      tags: ['Activities'],
      params: ActivityParams,
      response: { 200: Activity, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, async (request, reply) => await cropped(request, reply, request.params.activity_id, null))

  async function cropped (
    request: FastifyRequest,
    reply: FastifyReply,
    activityId: string,
    crop: Crop | null
  ): Promise<ActivityRow> {
    const { sql, user } = request
    const { signal, release } = earlyEndOf(request, reply)
    try {
      const changed = await writeOptimistically(
        request,
        async () => {
          const activity = await findActivity(sql, user.id, activityId)
          if (activity === undefined) throw notFound('activity')
          return activity
        },
        (activity) => cropActivity(sql, user.id, activity, crop, { spool, decode, signal })
      )
      reply.headers(validators(changed))
      return changed
    } finally {
      release()
    }
  }
}

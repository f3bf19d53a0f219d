import { Readable } from 'node:stream'
import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findActivity, type ActivityRow } from '../db/activities.ts'
import { findRecorded } from '../db/figures.ts'
import { ActivityParams, ExportQuery } from '../schemas/activities.ts'
import { NotModified } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import type { FileFormat } from '../src/domain/files/decode.ts'
import { AppError, notFound } from '../src/errors.ts'
import { attachment } from '../src/http/attachment.ts'
import { earlyEndOf } from '../src/http/early-end.ts'
import { isNotModified, validators } from '../src/http/etag.ts'
import { UploadBudget } from '../src/uploads/budget.ts'
import type { Spool } from '../src/uploads/spool.ts'
import { convertActivity, type Convert } from '../src/workflows/conversion.ts'

const MEDIA_TYPES: Record<FileFormat, string> = {
  fit: 'application/vnd.ant.fit',
  gpx: 'application/gpx+xml',
  tcx: 'application/vnd.garmin.tcx+xml'
}

export interface ActivityExportOptions {
  spool: Spool
  convert: Convert
}

/** Activities as files of another format. */
export const activityExportRoutes: FastifyPluginAsyncTypebox<ActivityExportOptions> = async (
  app,
  { spool, convert }
) => {
  // Exports to slow clients must not take the room of uploads.
  const budget = new UploadBudget()
  app.get(
    '/:activity_id/export',
    {
      schema: {
        operationId: 'exportActivity',
        summary: 'Export an activity',
        description:
          'The recording of the activity as a FIT, GPX or TCX file, under its current name and sport. FIT and TCX have a ' +
          'lap at least; GPX has no laps. An activity entered by hand has no recording, which is 404; a recording ' +
          'without positions cannot be GPX, which is 409.',
        tags: ['Activities'],
        produces: Object.values(MEDIA_TYPES),
        params: ActivityParams,
        querystring: ExportQuery,
        response: {
          200: Type.Unsafe<Readable>({ type: 'string', format: 'binary', description: 'The file' }),
          304: NotModified,
          ...errors(401, 404, 409, 422, 429)
        }
      }
    },
    async (request, reply) => {
      const { sql, user, params: { activity_id }, query: { format } } = request
      const activity = await findActivity(sql, user.id, activity_id)
      if (activity === undefined) throw notFound('activity')
      const recorded = await findRecorded(sql, user.id, activity_id)
      if (recorded === undefined) {
        throw new AppError('NOT_FOUND', 'The activity was entered by hand: there is no recording to export')
      }
      const headers = validators({ id: activity.id, revision: `${activity.revision}-${format}` })
      reply.headers(headers)
      if (isNotModified(request, headers.etag)) return reply.code(304).send(undefined as never)
      const { signal, release } = earlyEndOf(request, reply)
      const file = spool.file(budget)
      try {
        const what = { recorded, name: activity.name, format }
        const converted = await convertActivity(sql, user.id, what, { file, convert, signal })
        const content = Readable.from(request.method === 'HEAD' ? [] : converted.read())
        content.once('close', () => {
          file.close().catch((error: unknown) => request.log.warn({ error }, 'a file of the spool could not be closed'))
        })
        return reply
          .type(MEDIA_TYPES[format])
          .header('content-length', converted.sizeBytes)
          .header('content-disposition', attachment(fileNameOf(activity, format)))
          .send(content)
      } catch (error) {
        await file.close()
        throw error
      } finally {
        release()
      }
    }
  )
}

function fileNameOf ({ local_date, name, sport }: ActivityRow, format: FileFormat): string {
  return `${local_date} ${(name ?? sport).replaceAll(/[/\\\p{Cc}]/gu, '-')}.${format}`
}

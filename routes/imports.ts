import multipart from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ImportQuery, ImportedActivity } from '../schemas/activities.ts'
import { errors } from '../schemas/error.ts'
import { created, ok } from '../src/http/answer.ts'
import { earlyEndOf } from '../src/http/early-end.ts'
import { MAX_RECORDING_BYTES, receiveUpload } from '../src/uploads/receive.ts'
import type { Spool, SpooledFile } from '../src/uploads/spool.ts'
import { importRecording, type Decode, type Import, type ObserveImport } from '../src/workflows/imports.ts'

const RECORDINGS = [
  'application/octet-stream',
  'application/vnd.ant.fit',
  'application/gpx+xml',
  'application/vnd.garmin.tcx+xml',
  'application/gzip',
  'application/zip'
]

export interface ImportOptions {
  spool: Spool
  decode: Decode
  observe: ObserveImport
}

/** Imports of recordings: each becomes one activity or several. */
export const importRoutes: FastifyPluginAsyncTypebox<ImportOptions> = async (app, { spool, decode, observe }) => {
  await app.register(multipart, {
    limits: { files: 1, fields: 10, fieldSize: 1024, parts: 11, fileSize: MAX_RECORDING_BYTES, headerPairs: 50 }
  })
  // The handler reads the bytes itself, and knows when to stop.
  app.addContentTypeParser(RECORDINGS, (_request, payload, done) => done(null, payload))

  app.post(
    '/import',
    {
      bodyLimit: MAX_RECORDING_BYTES,
      config: { idempotency: 'by_handler' },
      schema: {
        operationId: 'importActivity',
        summary: 'Import an activity',
        description:
          'Imports one recording in FIT, GPX or TCX; the format is detected from the content. Send the file as the' +
          ' body, plain or with `Content-Encoding: gzip`, or as the only file of a multipart form. A recording in a `.gz`' +
          ' or alone in a `.zip` is taken as itself. If the same ' +
          'file was imported before, the response is 200 with the existing activity. The same activity in a ' +
          'different file is 409, with the id of that activity and the `share` of this recording that it has in ' +
          '`details`, unless `allow_duplicate` is set, or `replace`: then this recording takes the place of that one, ' +
          'with 200, and what was changed by hand stays.',
        tags: ['Activities'],
        consumes: [...RECORDINGS, 'multipart/form-data'],
        querystring: ImportQuery,
        response: { 200: ImportedActivity, 201: ImportedActivity, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
      }
    },
    async (request, reply) => {
      const { user, log, query: { allow_duplicate: allowDuplicate, replace } } = request
      const { signal, release } = earlyEndOf(request, reply)
      const files: SpooledFile[] = []
      const newFile = (): SpooledFile => {
        const file = spool.file()
        files.push(file)
        return file
      }
      try {
        return await importRecording(
          { userId: user.id, allowDuplicate, replace, signal, decode, observe, log },
          () => receiveUpload(request, newFile, signal),
          (upload, { prepare, work }) => app.idempotently(request, reply, {
            fingerprint: () => [upload.sha256, upload.fileName ?? ''],
            prepare,
            work: async (sql, read) => answerOf(await work(sql, read))
          })
        )
      } finally {
        release()
        for (const file of files) await file.close()
      }
    }
  )
}

function answerOf ({ outcome, answer }: Import) {
  return (outcome === 'new' ? created : ok)(answer, { location: `/api/v1/activities/${answer.activity.id}` })
}

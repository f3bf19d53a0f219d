import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import multipart, { type Multipart, type MultipartFile } from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { ImportQuery, ImportedActivity } from '../schemas/activities.ts'
import { errors } from '../schemas/error.ts'
import { AppError, unfit } from '../src/errors.ts'
import { created, ok } from '../src/http/answer.ts'
import { earlyEndOf, unlessAborted } from '../src/http/early-end.ts'
import { MAX_RECORDING_BYTES, readAll, refuseForm, safeFileName, type ReadOptions } from '../src/uploads/receive.ts'
import type { UploadBudget } from '../src/uploads/budget.ts'
import { ParkedBytes } from '../src/workers/parked-bytes.ts'
import { readImport, storeImport, type Decode, type Import, type Upload } from '../src/workflows/imports.ts'

const RECORDINGS = [
  'application/octet-stream',
  'application/vnd.ant.fit',
  'application/gpx+xml',
  'application/vnd.garmin.tcx+xml'
]

export interface ImportOptions {
  decode: Decode
  /** What all uploads of the process take from. */
  budget: UploadBudget
  /** Told of each import: what format, how it ended and how many seconds it took. */
  imported (format: string, outcome: string, seconds: number): void
}

/** Imports of recordings: each becomes one activity or several. */
export const importRoutes: FastifyPluginAsyncTypebox<ImportOptions> = async (app, { decode, budget, imported }) => {
  await app.register(multipart, {
    limits: { files: 1, fields: 10, fieldSize: 1024, parts: 11, fileSize: MAX_RECORDING_BYTES, headerPairs: 50 }
  })
  // The bytes are read by the handler, which knows when to stop.
  app.addContentTypeParser(RECORDINGS, (_request, payload, done) => done(null, payload))

  app.post(
    '/import',
    {
      bodyLimit: MAX_RECORDING_BYTES,
      config: { idempotency: 'by_handler' },
      schema: {
        summary: 'Import one recording',
        description:
          'FIT, GPX or TCX: the format is told from the bytes. The raw body, gzip by Content-Encoding, or one file as multipart/form-data.',
        tags: ['Activities'],
        consumes: [...RECORDINGS, 'multipart/form-data'],
        querystring: ImportQuery,
        response: { 200: ImportedActivity, 201: ImportedActivity, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
      }
    },
    async (request, reply) => {
      const started = performance.now()
      const {
        user,
        query: { allow_duplicate }
      } = request
      const { signal, release } = earlyEndOf(request, reply)
      const loan = budget.loan()
      const file = new ParkedBytes()
      let stored: Import | undefined
      let failure: unknown
      let ended: [format: string, outcome: string] | undefined
      const step = async <T>(work: () => Promise<T>): Promise<T> => {
        failure = undefined
        try {
          return await work()
        } catch (error) {
          failure = error
          throw error
        }
      }
      try {
        const upload = {
          ...(await step(() => receive(request, { signal, loan, file }))),
          allowDuplicate: allow_duplicate
        }
        signal.throwIfAborted()
        await app.idempotently(request, reply, {
          fingerprint: () => [upload.sha256, upload.fileName ?? ''],
          prepare: (sql) => step(() => readImport(sql, user.id, decode, upload, signal)),
          work: async (sql, read) => {
            stored = await step(() => storeImport(sql, user.id, read, upload))
            const { isNew, answer } = stored
            const headers = { location: `/api/v1/activities/${answer.activity.id}` }
            return isNew ? created(answer, headers) : ok(answer, headers)
          }
        })
        // Only now it is committed. A refusal that is kept comes here too, and so does an answer given again, of which
        // nothing is told.
        if (failure !== undefined) {
          ended = ['unknown', outcomeOf(failure)]
        } else if (stored !== undefined) {
          const { format, isNew, answer } = stored
          ended = [format, isNew ? 'imported' : 'duplicate']
          if (isNew) request.log.info({ activity_id: answer.activity.id, format }, 'activity imported')
        }
      } catch (error) {
        if (signal.aborted || isReset(error)) ended = ['unknown', 'aborted']
        else if (failure !== undefined || stored !== undefined) ended = ['unknown', outcomeOf(failure ?? error)]
        throw error
      } finally {
        release()
        file.close()
        loan.giveBack()
        if (ended !== undefined) imported(...ended, (performance.now() - started) / 1000)
      }
    }
  )
}

/** How an import ended that was refused. */
function outcomeOf (error: unknown): string {
  return error instanceof AppError && error.code === 'DUPLICATE_ACTIVITY' ? 'duplicate' : 'failed'
}

/** Whether the connection broke off: the body knows it a moment before the answer does. */
function isReset (error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET'
}

/** The file of a request: its raw body, or the one file of a form. */
async function receive (
  request: FastifyRequest,
  options: Omit<ReadOptions, 'encoding' | 'areOwn'>
): Promise<Omit<Upload, 'allowDuplicate'>> {
  const { 'content-encoding': encoding } = request.headers
  if (!request.isMultipart()) {
    if (request.body === undefined) throw new AppError('UNREADABLE_FILE', 'The body is empty')
    // JSON, which the rest of the API speaks, has been read already.
    if (!(request.body instanceof Readable)) { throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'A recording is sent as its bytes, or as a file in a form') }
    // Node copies what it gives of a connection's body; what is injected is still the caller's.
    const areOwn = request.raw.socket instanceof Socket
    return named(options.file, await readAll(request.body, { ...options, encoding, areOwn }), null)
  }
  const parts = request.parts()
  const part = await nextFile(parts, options.signal)
  if (part === undefined) throw new AppError('UNREADABLE_FILE', 'The form has no file')
  const sha256 = await readAll(part.file, options).catch(refuseForm)
  if (part.file.truncated) throw new AppError('PAYLOAD_TOO_LARGE', 'A recording is 32 MiB at the most')
  if ((await nextFile(parts, options.signal)) !== undefined) throw severalFiles()
  return named(options.file, sha256, safeFileName(part.filename))
}

/** The next file of a form, which has nothing else: what it means by a field would be lost. */
async function nextFile (
  parts: AsyncIterableIterator<Multipart>,
  signal: AbortSignal
): Promise<MultipartFile | undefined> {
  const { done, value } = await unlessAborted(signal, parts.next()).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException | undefined)?.code === 'FST_FILES_LIMIT' ? severalFiles() : refuseForm(error)
  })
  if (done === true) return undefined
  if (value.type === 'file') return value
  throw unfit(value.fieldname, 'body', 'is not a known field')
}

function severalFiles (): AppError {
  return unfit('file', 'body', 'must be one, and there are several: import one at a time')
}

function named (file: ParkedBytes, sha256: Buffer, fileName: string | null): Omit<Upload, 'allowDuplicate'> {
  if (file.sizeBytes === 0) throw new AppError('UNREADABLE_FILE', 'The file is empty')
  return { file, sha256, fileName }
}

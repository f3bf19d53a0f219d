import { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findImport, listImportedFiles, listImports, type BulkImportRow } from '../db/bulk-imports.ts'
import type { JobQueue } from '../db/job-queue.ts'
import type { Sql } from '../db/sql.ts'
import {
  AcceptedImport, BulkImport, BulkImportQuery, ImportedFilePage, ImportListQuery, ImportPage, ImportParams, LastEventId
} from '../schemas/bulk-imports.ts'
import { NoContent } from '../schemas/common.ts'
import { errors } from '../schemas/error.ts'
import { AppError, notFound } from '../src/errors.ts'
import { accepted, answering, noContent } from '../src/http/answer.ts'
import { cursorOf, pageOf, readCursor, UUID } from '../src/http/cursor.ts'
import { earlyEndOf } from '../src/http/early-end.ts'
import { eventStream } from '../src/http/event-stream.ts'
import { representation, writeOptimistically } from '../src/http/etag.ts'
import { UploadBudget } from '../src/uploads/budget.ts'
import { MAX_IMPORT_FILES, receiveImport } from '../src/uploads/receive-import.ts'
import type { Spool } from '../src/uploads/spool.ts'
import { acceptImport, revertImport, storeUpload } from '../src/workflows/bulk-imports.ts'
import { importEvents } from '../src/workflows/import-events.ts'

/** The lists that the cursors belong to. */
const LIST = 'imports'
const FILES = 'import-files'
const POSITION = /^\d{1,9}$/
/** So many of the largest imports may be received at once. */
const AT_ONCE = 2
/** Connections on which a runner may watch imports. */
const MOST_WATCHERS = 6
/** Shorter than proxies and `REQUEST_TIMEOUT` let a connection stand still. */
const HEARTBEAT_MS = 10_000
/** A client has so long to read the last events during a shutdown. */
const LAST_EVENTS_MS = 1000

export interface BulkImportOptions {
  spool: Spool
  queue: JobQueue
  /** The largest import. */
  maxBytes: number
  /** Work on imports may begin in this process. */
  begin: () => void
  /** Aborts when the process shuts down. */
  closing: AbortSignal
}

/** Bulk imports: the recordings of many files and archives, in the background. */
export const bulkImportRoutes: FastifyPluginAsyncTypebox<BulkImportOptions> = async (app, options) => {
  const { spool, queue, maxBytes, begin, closing } = options
  const budget = new UploadBudget(AT_ONCE * maxBytes)
  const watchers = new Watchers(MOST_WATCHERS)
  await app.register(multipart, {
    limits: {
      files: MAX_IMPORT_FILES,
      fields: 10,
      fieldSize: 1024,
      parts: MAX_IMPORT_FILES + 10,
      fileSize: maxBytes,
      headerPairs: 50
    }
  })

  app.post(
    '/',
    {
      bodyLimit: maxBytes + 64 * 1024 * 1024,
      config: { idempotency: 'by_handler', upload: true, mayTakeLong: true },
      schema: {
        operationId: 'createImport',
        summary: 'Import many files',
        description:
          'Imports the recordings of files and ZIP archives, such as the exports of Strava and Garmin, in the ' +
          'background: send them in the field `files` of a multipart form. A ZIP archive inside a ZIP archive is opened ' +
          'once, `.gz` files are unpacked, and names, notes, gear and races of an export are kept. Duplicates are found ' +
          'as in single imports, within the upload too: of two recordings of one activity the better one is kept. The ' +
          'response is sent when the upload is stored; `GET /imports/{import_id}` shows the progress.',
        tags: ['Imports'],
        consumes: ['multipart/form-data'],
        querystring: BulkImportQuery,
        response: { 202: AcceptedImport, ...errors(400, 401, 403, 409, 413, 415, 422, 429) }
      }
    },
    async (request, reply) => {
      const { user, log, query: { allow_duplicate: allowDuplicate } } = request
      const { signal, release } = earlyEndOf(request, reply)
      const file = spool.file(budget)
      try {
        const received = await receiveImport(request, file, { maxBytes, signal })
        const answer = await app.idempotently(request, reply, {
          fingerprint: () => [received.sha256, JSON.stringify(received.uploads)],
          prepare: async (sql) => await storeUpload(sql, user.id, received, allowDuplicate),
          async work (sql, importId) {
            const row = await acceptImport(sql, queue, user.id, importId, received)
            log.info({ import_id: row.id, files: received.uploads.length, size_bytes: file.sizeBytes }, 'import accepted')
            return accepted({ import: row }, { location: `/api/v1/imports/${row.id}` })
          }
        })
        begin()
        return answer
      } finally {
        release()
        await file.close()
      }
    }
  )

  app.get('/', {
    schema: {
      operationId: 'listImports',
      summary: 'List my imports',
      description: 'Pages of imports of many files, newest first.',
      tags: ['Imports'],
      querystring: ImportListQuery,
      response: { 200: ImportPage, ...errors(401, 422, 429) }
    }
  }, async ({ sql, user, query }) => {
    const [after] = query.cursor === undefined ? [] : readCursor(query.cursor, LIST, UUID)
    const rows = await listImports(sql, user.id, query.limit, after)
    return pageOf(rows, query.limit, ({ id }) => cursorOf(LIST, id))
  })

  app.get('/:import_id', {
    schema: {
      operationId: 'getImport',
      summary: 'Get an import',
      description: 'How far an import is: the files read so far are those `imported`, `duplicates`, `skipped` and `failed`.',
      tags: ['Imports'],
      params: ImportParams,
      response: { 200: BulkImport, ...errors(401, 404, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, params: { import_id } } = request
    return representation(request, await existing(sql, user.id, import_id))
  }))

  app.get('/:import_id/files', {
    schema: {
      operationId: 'listImportedFiles',
      summary: 'List the files of an import',
      description: 'What became of each file that was read so far, in the order of the upload.',
      tags: ['Imports'],
      params: ImportParams,
      querystring: ImportListQuery,
      response: { 200: ImportedFilePage, ...errors(401, 404, 422, 429) }
    }
  }, async ({ sql, user, params: { import_id }, query }) => {
    const [after] = query.cursor === undefined ? [] : readCursor(query.cursor, FILES, POSITION)
    await existing(sql, user.id, import_id)
    const rows = await listImportedFiles(sql, user.id, import_id, query.limit, after && Number(after))
    return pageOf(rows, query.limit, ({ position }) => cursorOf(FILES, String(position)))
  })

  app.get('/:import_id/events', {
    config: { mayTakeLong: true },
    schema: {
      operationId: 'watchImport',
      summary: 'Watch an import',
      description:
        'The progress of an import as server-sent events: `file` for each file that was read, with its place in the ' +
        'report as the id; `progress` with the import when it has changed; `done` with the import when it has ended, and ' +
        'nothing more. With `Last-Event-ID`, the files after that one are told. A runner may have six of these open.',
      tags: ['Imports'],
      produces: ['text/event-stream'],
      params: ImportParams,
      headers: LastEventId,
      response: {
        200: Type.Unsafe<Readable>({ type: 'string', description: 'Events, until the import ends' }),
        ...errors(401, 404, 422, 429)
      }
    }
  }, async (request, reply) => {
    const { sql, user, params: { import_id }, headers } = request
    await existing(sql, user.id, import_id)
    const leave = request.method === 'HEAD' ? () => {} : watchers.enter(user.id)
    reply.type('text/event-stream').header('cache-control', 'no-store').header('x-accel-buffering', 'no')
    if (request.method === 'HEAD') return reply.send(Readable.from([]))
    const { signal, release } = earlyEndOf(request, reply)
    let late: NodeJS.Timeout | undefined
    // A client that does not read what it asked for must not hold up a shutdown.
    const cutOff = (): void => { late = setTimeout(() => reply.raw.destroy(), LAST_EVENTS_MS) }
    closing.addEventListener('abort', cutOff, { once: true })
    reply.raw.once('close', () => {
      closing.removeEventListener('abort', cutOff)
      clearTimeout(late)
      release()
      leave()
    })
    const events = importEvents(sql, user.id, import_id, {
      after: Number(headers['last-event-id'] ?? -1), signal: AbortSignal.any([signal, closing])
    })
    return reply.send(Readable.from(eventStream(events, { heartbeatMs: HEARTBEAT_MS }), { objectMode: false }))
  })

  app.delete('/:import_id', {
    schema: {
      operationId: 'revertImport',
      summary: 'Take an import back',
      description:
        'Deletes the activities that files of the import became, and the gear that it has made unless other activities ' +
        'have it; an import that is running stops. Its report stays, with the status `reverted`. With `If-Match`, only ' +
        'the given version is taken back.',
      tags: ['Imports'],
      params: ImportParams,
      response: { 204: NoContent, ...errors(401, 403, 404, 412, 422, 429) }
    }
  }, answering(async (request) => {
    const { sql, user, log, params: { import_id } } = request
    await writeOptimistically(
      request,
      () => existing(sql, user.id, import_id),
      // An import that is running changes with each file: without If-Match, any version of it is taken back.
      ({ id, revision }) => revertImport(sql, queue, user.id, {
        id, revision: request.headers['if-match'] === undefined ? undefined : revision
      })
    )
    log.info({ import_id }, 'import reverted')
    begin()
    return noContent()
  }))
}

async function existing (sql: Sql, userId: string, importId: string): Promise<BulkImportRow> {
  const row = await findImport(sql, userId, importId)
  if (row === undefined) throw notFound('import')
  return row
}

/** How many connections each runner watches imports on. */
class Watchers {
  readonly #most: number
  readonly #counts = new Map<string, number>()

  constructor (most: number) {
    this.#most = most
  }

  /** @throws AppError RATE_LIMITED for one too many */
  enter (userId: string): () => void {
    const count = this.#counts.get(userId) ?? 0
    if (count >= this.#most) {
      throw new AppError('RATE_LIMITED', `Imports are watched on ${this.#most} connections at the most: close one`, {
        headers: { 'retry-after': '5' }
      })
    }
    this.#counts.set(userId, count + 1)
    return () => {
      const left = (this.#counts.get(userId) ?? 1) - 1
      if (left === 0) this.#counts.delete(userId)
      else this.#counts.set(userId, left)
    }
  }
}

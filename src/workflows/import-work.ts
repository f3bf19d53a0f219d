import { findImportChunk, IMPORT_CHUNK_BYTES } from '../../db/bulk-imports.ts'
import {
  beginUpload, deleteImportChunks, endImport, finishImport, hasOpenImport, keepImport, listUploads, releaseImport,
  takeImport, type StoredUpload, type TakenImport
} from '../../db/import-work.ts'
import type { JobQueue, TakenJob } from '../../db/job-queue.ts'
import { DatabaseError, transaction, type Sql } from '../../db/sql.ts'
import { refusal } from '../domain/import-reasons.ts'
import { AppError } from '../errors.ts'
import { openArchive, type Archive, type ArchiveFile, type ArchiveSource } from '../uploads/bulk-archive.ts'
import { UploadBudget } from '../uploads/budget.ts'
import type { Spool, SpooledFile } from '../uploads/spool.ts'
import type { Unpack } from '../uploads/unpacking.ts'
import { refusalOf } from '../uploads/zip-directory.ts'
import type { Decode, ObserveImport } from './imports.ts'
import { ImportLost, readFile, storeFile, type FileContext, type ReadFile } from './import-files.ts'
import { undoImport } from './import-undo.ts'

/** What a job of the queue `imports` says: whose turn it is. */
export interface ImportJob {
  user_id: string
}

/** What work on imports takes. */
export interface ImportWork {
  sql: Sql
  queue: JobQueue
  spool: Spool
  unpack: Unpack
  decode: Decode
  observe: ObserveImport
  /** Notes how a job has ended. */
  ended (queue: 'imports' | 'imports-failed', outcome: 'done' | 'again' | 'failed' | 'given_up'): void
  /** The time in milliseconds, from any start; another clock only in tests. */
  nowMs (): number
  /** Aborts when the process shuts down. */
  signal: AbortSignal
  log: {
    info (message: string, fields: Record<string, unknown>): void
    warning (message: string, fields: Record<string, unknown>): void
    error (message: string, fields: Record<string, unknown>): void
  }
}

/** A job keeps its runner's turn for so long while others wait. */
const TURN_MS = 3000
/** How often a job says that it is still at work: several times within the 15 s after which it is taken for dead. */
const KEEP_MS = 4000
/** Files read ahead of the one that is stored: the decoding thread never waits for the database. */
const AHEAD = 3
/** A file whose reading has ended the process, or failed for another reason than itself, so often fails alone. */
const MOST_ATTEMPTS = 3
/** An import that does not even get to its next file is given up. */
const MOST_BEGINNINGS = 8
/** Where there is no thread or no disk to spare, work goes on after so many seconds. */
const BUSY_S = 30
/** Chunks deleted at once: a statement of some milliseconds. */
const DELETED_CHUNKS = 64
/** ZIP archives inside of others, of 2 GiB at most, one for each of two imports: uploads have a budget of their own. */
const NESTED_BUDGET = new UploadBudget(4 * 1024 ** 3)

/**
 * Works on the oldest open import of a runner: for a turn while other runners wait, else until it is read. Where more
 * is left, another job goes to the end of the queue.
 * @throws DatabaseError where the database is in trouble: the job is taken again when it has not been heard of
 */
export async function workOnImports (work: ImportWork, job: TakenJob<ImportJob>): Promise<void> {
  const { sql, queue, signal } = work
  const { user_id: userId } = job.data
  const taken = await takeImport(sql, userId, job.id)
  if (taken === undefined) return await queue.finish(sql, 'imports', job.id)
  const keeping = setInterval(() => { keep(work, job, taken.id) }, KEEP_MS)
  try {
    await proceed(work, job, taken)
    await next(work, job, taken.id, { counts: true })
  } catch (error) {
    if (error instanceof DatabaseError) throw error
    const isBusy = error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE'
    if (signal.aborted || error instanceof ImportLost) await next(work, job, taken.id, { counts: false })
    else if (isBusy) await next(work, job, taken.id, { counts: false, afterS: BUSY_S })
    else await fail(work, job, taken.id, error)
  } finally {
    clearInterval(keeping)
  }
}

/** It does not matter where one of these fails. */
function keep ({ sql, queue }: ImportWork, { id, data }: TakenJob<ImportJob>, importId: string): void {
  Promise.all([queue.keep('imports', id), keepImport(sql, data.user_id, importId, id)]).catch(() => {})
}

/** Ends the job, and lets the next one of the runner take its turn if there is something left to be done. */
async function next (
  { sql, queue, ended }: ImportWork,
  { id, data: { user_id: userId } }: TakenJob<ImportJob>,
  importId: string,
  { counts, afterS }: { counts: boolean, afterS?: number }
): Promise<void> {
  await releaseImport(sql, userId, importId, id, { counts })
  // Asked after the release: a job that found the import taken has left it to this one.
  const isMore = await transaction(sql, async (sql) => {
    await queue.finish(sql, 'imports', id)
    if (!await hasOpenImport(sql, userId)) return false
    await queue.send(sql, 'imports', userId, { user_id: userId }, afterS)
    return true
  })
  ended('imports', isMore ? 'again' : 'done')
}

async function fail (work: ImportWork, job: TakenJob<ImportJob>, importId: string, error: unknown): Promise<void> {
  const { sql, queue, log, ended } = work
  const { user_id } = job.data
  log.error('work on an import failed', { user_id, import_id: importId, error, error_code: 'JOB_FAILED' })
  await releaseImport(sql, user_id, importId, job.id, { counts: true })
  await queue.fail('imports', job.id, error instanceof Error ? error.name : 'error')
  ended('imports', 'failed')
}

/** The tries of a job are used up: its import is given up. What was imported stays. */
export async function giveUpImport ({ sql, queue, ended }: ImportWork, job: TakenJob<ImportJob>): Promise<void> {
  const { user_id: userId } = job.data
  const taken = await takeImport(sql, userId, job.id)
  if (taken === undefined) return await queue.finish(sql, 'imports-failed', job.id)
  await finishImport(sql, userId, taken.id, { status: 'failed', reason: 'It has failed repeatedly; the log has the reason' })
  await releaseImport(sql, userId, taken.id, job.id, { counts: true })
  await transaction(sql, async (sql) => {
    await queue.finish(sql, 'imports-failed', job.id)
    await queue.send(sql, 'imports', userId, { user_id: userId })
  })
  ended('imports-failed', 'given_up')
}

async function proceed (work: ImportWork, { id: jobId, data }: TakenJob<ImportJob>, taken: TakenImport): Promise<void> {
  const { sql, log } = work
  const { user_id: userId } = data
  let { status } = taken
  if (status === 'running' && taken.attempts > MOST_BEGINNINGS) {
    await finishImport(sql, userId, taken.id, { status: 'failed', reason: 'Its files could not be read, repeatedly' })
    status = 'failed'
  } else if (status === 'running') {
    if (!await readUploads(work, { userId, jobId, import: taken }, taken)) return
    await finishImport(sql, userId, taken.id, { status: 'done' })
    log.info('import finished', { user_id: userId, import_id: taken.id })
    status = 'done'
  }
  if (status === 'reverted') await undoImport(sql, userId, taken.id)
  while (await deleteImportChunks(sql, userId, taken.id, DELETED_CHUNKS)) work.signal.throwIfAborted()
  await endImport(sql, userId, taken.id, status)
}

/** Whether all files are read; false at the end of the turn. */
async function readUploads (work: ImportWork, context: FileContext, taken: TakenImport): Promise<boolean> {
  const { sql } = work
  const { userId, import: { id } } = context
  const turn: Turn = {
    sinceMs: work.nowMs(),
    untilMs: undefined,
    position: taken.files_done,
    ahead: taken.attempts > 1 ? 0 : AHEAD,
    fails: taken.attempts > MOST_ATTEMPTS
  }
  let from = Math.max(taken.upload_at, 0)
  for (;;) {
    const uploads = await listUploads(sql, userId, id, from)
    for (const upload of uploads) {
      if (!await readUpload(work, context, upload, taken, turn)) return false
    }
    const last = uploads.at(-1)
    if (last === undefined) return true
    from = last.position + 1
  }
}

/** What one job does of an import. */
interface Turn {
  sinceMs: number
  /** Undefined: it has not come to its first file yet. */
  untilMs: number | undefined
  /** The place of the next file in the report. */
  position: number
  /** How many files are read ahead. */
  ahead: number
  /** Whether the next file fails, as it was tried too often. */
  fails: boolean
}

async function readUpload (
  work: ImportWork,
  context: FileContext,
  upload: StoredUpload,
  taken: TakenImport,
  turn: Turn
): Promise<boolean> {
  const { sql, spool, unpack, signal } = work
  const { userId, jobId, import: { id } } = context
  const files: SpooledFile[] = []
  const keptFile = (file: SpooledFile): SpooledFile => {
    files.push(file)
    return file
  }
  const newFile = (): SpooledFile => keptFile(spool.file())
  const newNested = (): SpooledFile => keptFile(spool.file(NESTED_BUDGET))
  const options = { name: upload.name, newFile: newNested, unpack, signal }
  const archive = await opened(sourceOf(sql, userId, id, upload), options)
  try {
    let skipped = turn.position - taken.upload_after
    if (upload.position > taken.upload_at) {
      skipped = 0
      const { position } = upload
      if (!await beginUpload(sql, userId, id, jobId, { position, files: archive.count })) throw new ImportLost()
    }
    return await readArchive(work, context, archive, turn, skipped, newFile)
  } finally {
    await archive.close()
    for (const file of files) await file.close()
  }
}

/** A file that is being unpacked and decoded, or is to be stored. */
interface Pending {
  reading: Promise<ReadFile>
  file: SpooledFile
  startedMs: number
}

async function readArchive (
  work: ImportWork,
  context: FileContext,
  archive: Archive,
  turn: Turn,
  skipped: number,
  newFile: () => SpooledFile
): Promise<boolean> {
  const { sql, decode, signal } = work
  const pending: Pending[] = []
  let passed = 0
  let isOver = false
  try {
    for await (const archived of archive.files()) {
      if (passed++ < skipped) continue
      signal.throwIfAborted()
      turn.untilMs ??= endOf(work, turn)
      if (turn.fails) {
        await storeNext(work, context, turn, givenUp(archived, newFile()))
        return false
      }
      const file = newFile()
      const startedMs = performance.now()
      pending.push({ file, startedMs, ...await readFile(sql, context.userId, archived, { file, decode, signal }) })
      if (pending.length > turn.ahead) await storeNext(work, context, turn, pending.shift()!)
      isOver = await isTurnOver(work, turn)
      if (isOver) break
    }
    while (pending.length > 0) await storeNext(work, context, turn, pending.shift()!)
    return !isOver
  } finally {
    // A file that a thread still has cannot be closed.
    await Promise.allSettled(pending.map(({ reading }) => reading))
  }
}

function givenUp (archived: ArchiveFile, file: SpooledFile): Pending {
  const refused = refusal('FAILED_REPEATEDLY')
  return { file, startedMs: performance.now(), reading: Promise.resolve({ archived, refused }) }
}

async function storeNext (
  { sql, observe, signal }: ImportWork,
  context: FileContext,
  turn: Turn,
  { reading, file, startedMs }: Pending
): Promise<void> {
  const read = await reading
  signal.throwIfAborted()
  const { format, outcome } = await storeFile(sql, context, turn.position, read)
  turn.position++
  if (outcome !== 'skipped') observe(format, outcome, (performance.now() - startedMs) / 1000)
  await file.close()
}

/**
 * When a turn ends that has come to its first file. A ZIP archive inside another one is unpacked in each turn: files
 * are read for as long as that took at least, so that it takes half of the time at most.
 */
function endOf ({ nowMs }: ImportWork, { sinceMs }: Turn): number {
  return nowMs() + Math.max(TURN_MS, nowMs() - sinceMs)
}

/** Whether it is another runner's turn. */
async function isTurnOver ({ queue, nowMs }: ImportWork, turn: Turn): Promise<boolean> {
  if (turn.untilMs === undefined || nowMs() < turn.untilMs) return false
  if (await queue.isWaiting('imports')) return true
  turn.untilMs = nowMs() + TURN_MS
  return false
}

/** The archive of an upload; one that cannot be used is a single file with the reason. */
async function opened (source: ArchiveSource, options: Parameters<typeof openArchive>[1]): Promise<Archive> {
  try {
    return await openArchive(source, options)
  } catch (error) {
    if (!(error instanceof AppError) || !['UNREADABLE_FILE', 'PAYLOAD_TOO_LARGE'].includes(error.code)) throw error
    const { name } = options
    const file: ArchiveFile = {
      path: name,
      fileName: name,
      sizeBytes: source.sizeBytes,
      refused: refusalOf(error) ?? refusal('ARCHIVE_DAMAGED', error.message),
      details: () => undefined,
      copy: async () => { throw error }
    }
    return { count: 1, async * files () { yield file }, async close () {} }
  }
}

/** So many chunks are kept in memory: an archive is read at its end, and then here and there. */
const KEPT_CHUNKS = 4

/** The bytes of an upload in the chunks of its import, read where they are needed. */
function sourceOf (
  sql: Sql,
  userId: string,
  importId: string,
  { offset_bytes, size_bytes }: StoredUpload
): ArchiveSource {
  const kept = new Map<number, Buffer>()
  async function chunkAt (position: number): Promise<Buffer> {
    const chunk = kept.get(position) ?? await findImportChunk(sql, userId, importId, position)
    // The import was taken back, and its bytes are gone.
    if (chunk === undefined) throw new ImportLost(`Chunk ${position} is not there`)
    kept.delete(position)
    kept.set(position, chunk)
    if (kept.size > KEPT_CHUNKS) kept.delete(kept.keys().next().value as number)
    return chunk
  }
  return {
    sizeBytes: size_bytes,
    async read ({ offset, length }) {
      const pieces: Buffer[] = []
      const end = offset_bytes + offset + length
      for (let at = offset_bytes + offset; at < end;) {
        const chunk = await chunkAt(Math.floor(at / IMPORT_CHUNK_BYTES))
        const start = at % IMPORT_CHUNK_BYTES
        const piece = chunk.subarray(start, start + end - at)
        if (piece.length === 0) throw new Error(`An upload ends ${end - at} bytes early`)
        pieces.push(piece)
        at += piece.length
      }
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length)
    }
  }
}

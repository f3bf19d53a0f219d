import {
  findOverlapping, listActivitiesOfRecording, listPlacesInRecording, type ActivityRow, type OverlappingActivity
} from '../../db/activities.ts'
import { findRecordingByBytes } from '../../db/recordings.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { lockUser } from '../../db/accounts.ts'
import type { ImportedActivity } from '../../schemas/activities.ts'
import { isWorseRecording } from '../domain/better-recording.ts'
import { accountGone, AppError } from '../errors.ts'
import type { Again, Decoded, DecodedActivity } from '../workers/decoding.ts'
import type { Upload } from '../uploads/receive.ts'
import type { SpooledFile } from '../uploads/spool.ts'
import { restoreActivities, storeRecording, type ReadRecording } from './store-recording.ts'

/**
 * Reads a recording on another thread, which puts into the file what is to be stored of it; with `again`, one activity
 * of it.
 */
export type Decode = (file: SpooledFile, signal: AbortSignal, again?: Again) => Promise<Decoded>

/** Notes how an import ended and how many seconds it took. */
export type ObserveImport = (format: string, outcome: ImportOutcome, seconds: number) => void

export type ImportOutcome = 'imported' | 'duplicate' | 'failed' | 'aborted'

export interface ImportContext {
  userId: string
  allowDuplicate: boolean
  /** Whether the recording is to take the place of that of the same activity. */
  replace: boolean
  signal: AbortSignal
  decode: Decode
  observe: ObserveImport
  log: { info (fields: object, message: string): void }
}

export interface Import {
  /** `replaced`: it took the place of another recording of an activity. */
  outcome: 'new' | 'replaced' | 'duplicate'
  format: string
  answer: ImportedActivity
}

/** A recording that is read and not stored yet; `before`: what came of the same bytes. */
type ReadImport = { before?: Import, decoded: Decoded } | { before: Import, decoded?: undefined }

/** What is done with an upload: read it before the transaction, store it in one. */
export interface ImportSteps {
  prepare (sql: Sql): Promise<ReadImport>
  work (sql: Sql, read: ReadImport): Promise<Import>
}

/**
 * Imports a recording: receives it, reads it, stores it, and notes how that ended. `once` carries out the steps, which
 * are committed when it resolves; it may do neither, where the request was answered before, or keep a refusal for an
 * answer.
 */
export async function importRecording<Result> (
  context: ImportContext,
  receive: () => Promise<Upload>,
  once: (upload: Upload, steps: ImportSteps) => Promise<Result>
): Promise<Result> {
  const { userId, signal, decode, observe, log } = context
  const startedMs = performance.now()
  const ended = (format: string, outcome: ImportOutcome): void =>
    observe(format, outcome, (performance.now() - startedMs) / 1000)
  let stored: Import | undefined
  let failure: unknown
  /** Steps may run again: the last run is what counts. */
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
    const upload = await step(receive)
    signal.throwIfAborted()
    const result = await once(upload, {
      prepare: (sql) => step(() => readImport(sql, userId, decode, upload, signal)),
      work: (sql, read) => step(async () => (stored = await storeImport(sql, context, read, upload)))
    })
    if (failure !== undefined) {
      ended('unknown', refusalOutcome(failure))
    } else if (stored !== undefined) {
      const { format, outcome, answer } = stored
      ended(format, outcome === 'duplicate' ? 'duplicate' : 'imported')
      if (outcome !== 'duplicate') log.info({ activity_id: answer.activity.id, format, outcome }, 'activity imported')
    }
    return result
  } catch (error) {
    if (signal.aborted || isReset(error)) ended('unknown', 'aborted')
    else if (failure !== undefined || stored !== undefined) ended('unknown', refusalOutcome(failure ?? error))
    throw error
  }
}

function refusalOutcome (error: unknown): ImportOutcome {
  return error instanceof AppError && error.code === 'DUPLICATE_ACTIVITY' ? 'duplicate' : 'failed'
}

/** Whether the connection broke off: the body is told a moment before the response is. */
function isReset (error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET'
}

/**
 * Looks whether the bytes were imported before, and decodes them, as activities of theirs may have been deleted since:
 * slow, and writes nothing.
 */
async function readImport (
  sql: Sql,
  userId: string,
  decode: Decode,
  { file, sha256 }: Upload,
  signal: AbortSignal
): Promise<ReadImport> {
  const before = await findBefore(sql, userId, sha256)
  signal.throwIfAborted()
  if (before === undefined) return { decoded: await decode(file, signal) }
  try {
    return { before, decoded: await decode(file, signal) }
  } catch (error) {
    // They were read once, and need not be read again.
    if (error instanceof AppError && error.code === 'UNREADABLE_FILE') return { before }
    throw error
  }
}

/**
 * Makes activities of a recording and keeps the original. The same bytes again change nothing; the same run from other
 * bytes is refused, unless duplicates are allowed or it is to replace a recording before that is not better.
 */
async function storeImport (
  sql: Sql,
  { userId, allowDuplicate, replace }: ImportContext,
  read: ReadImport,
  { file, sha256, fileName }: Upload
): Promise<Import> {
  const { before, decoded } = read
  if (decoded === undefined) return before
  const { format, activities, warnings } = decoded
  const isOne = activities.length === 1
  if (before !== undefined && isOne) return before
  return await transaction(sql, async (sql) => {
    const user = await lockUser(sql, userId)
    if (user === undefined) throw accountGone()
    // Another import of the same bytes has ended by now: this is the same import, not the same run from elsewhere.
    const meanwhile = await findBefore(sql, userId, sha256)
    if (meanwhile !== undefined) {
      if (isOne) return meanwhile
      return await restoreDeleted(sql, userId, user.timezone, { file, sha256, fileName, decoded }) ?? meanwhile
    }
    const replaced = replace ? await findReplaced(sql, userId, activities) : new Map<number, string>()
    if (!allowDuplicate && !replace) await refuseDuplicates(sql, userId, activities)
    const recordingId = await storeRecording(sql, userId, user.timezone, {
      file, sha256, fileName, decoded, replaced
    })
    const rows = await listActivitiesOfRecording(sql, userId, recordingId)
    return {
      outcome: replaced.size > 0 ? 'replaced' : 'new',
      format,
      answer: { ...answerOf(rows), warnings: warnings.map(({ message }) => message), warning_details: warnings }
    }
  })
}

/**
 * Makes those activities of a recording again that were deleted while others of it stayed, and answers with them; an
 * activity that is there from another file is no deleted one. Undefined if there is none.
 */
async function restoreDeleted (
  sql: Sql,
  userId: string,
  timezone: string,
  read: Omit<ReadRecording, 'replaced'>
): Promise<Import | undefined> {
  const recordingId = await findRecordingByBytes(sql, userId, read.sha256)
  if (recordingId === undefined) return undefined
  const there = await listPlacesInRecording(sql, userId, recordingId)
  const missing = new Set<number>()
  for (const { index, summary } of read.decoded.activities) {
    if (there.includes(index) || there.includes(null)) continue
    if (await findOverlapping(sql, userId, summary) === undefined) missing.add(index)
  }
  if (there.length === 0 || missing.size === 0) return undefined
  const before = await listActivitiesOfRecording(sql, userId, recordingId)
  await restoreActivities(sql, userId, timezone, recordingId, missing, { ...read, replaced: new Map() })
  const rows = await listActivitiesOfRecording(sql, userId, recordingId)
  const restored = rows.filter(({ id }) => !before.some((row) => row.id === id))
  const { format, warnings } = read.decoded
  return {
    outcome: 'new',
    format,
    answer: {
      ...answerOf(restored),
      activities: rows,
      warnings: warnings.map(({ message }) => message),
      warning_details: warnings
    }
  }
}

/** What came of the same bytes when they came before. */
async function findBefore (sql: Sql, userId: string, sha256: Buffer): Promise<Import | undefined> {
  const recordingId = await findRecordingByBytes(sql, userId, sha256)
  if (recordingId === undefined) return undefined
  const rows = await listActivitiesOfRecording(sql, userId, recordingId)
  return { outcome: 'duplicate', format: rows[0]?.source.format ?? 'fit', answer: { ...answerOf(rows), duplicate: true } }
}

/** The run stands for the file where there is one, else the first thing in it. */
function answerOf (rows: ActivityRow[]): { activity: ActivityRow, activities?: ActivityRow[] } {
  const activity = rows.find(({ sport }) => sport === 'running') ?? rows[0] as ActivityRow
  return rows.length > 1 ? { activity, activities: rows } : { activity }
}

/** @throws AppError DUPLICATE_ACTIVITY where one of the activities is there already, naming it */
export async function refuseDuplicates (sql: Sql, userId: string, activities: DecodedActivity[]): Promise<void> {
  for (const { summary: { sport, start_time, elapsed_s, distance_m } } of activities) {
    const found = await findOverlapping(sql, userId, { sport, start_time, elapsed_s, distance_m })
    if (found === undefined) continue
    const percent = Math.round(Math.min(1, found.share) * 100)
    throw duplicate(
      found,
      `The same activity is there already, with ${percent} % of this recording: with ?replace=true this takes its place`
    )
  }
}

function duplicate ({ id, share }: OverlappingActivity, message: string): AppError {
  return new AppError('DUPLICATE_ACTIVITY', message, { details: { activity_id: id, share } })
}

/**
 * The activities whose recordings are replaced, by the place of the new one in its file; each by one of them.
 *
 * @throws AppError DUPLICATE_ACTIVITY where one of them has the better recording, naming it
 */
async function findReplaced (
  sql: Sql,
  userId: string,
  activities: DecodedActivity[]
): Promise<Map<number, string>> {
  const replaced = new Map<number, string>()
  for (const [place, { summary }] of activities.entries()) {
    const { sport, start_time, elapsed_s, distance_m } = summary
    const found = await findOverlapping(sql, userId, { sport, start_time, elapsed_s, distance_m }, { orPart: true })
    if (found === undefined || [...replaced.values()].includes(found.id)) continue
    if (found.format !== 'manual' && isWorseRecording(summary, found)) {
      throw duplicate(found, 'The recording that is there is the better one, because it is longer or measured more: it stays')
    }
    replaced.set(place, found.id)
  }
  return replaced
}

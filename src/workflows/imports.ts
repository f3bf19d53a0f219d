import {
  findOverlapping,
  insertActivity,
  listActivitiesOfRecording,
  type ActivityRow,
  type NewActivity
} from '../../db/activities.ts'
import { listPhysiologyUntil } from '../../db/physiology.ts'
import { findRecordingByBytes, insertChunks, insertRecording } from '../../db/recordings.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { lockUser } from '../../db/accounts.ts'
import type { ImportedActivity } from '../../schemas/activities.ts'
import { localDate } from '../domain/local-day.ts'
import { settingsOn, type BodySettings } from '../domain/physiology.ts'
import { recordedExertion } from '../domain/training/exertion.ts'
import { loadOf, ratesOf, trainingImpulse } from '../domain/training/load.ts'
import { zoneSeconds, type ZoneSeconds } from '../domain/training/zones.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import { rounded } from '../domain/units.ts'
import { accountGone, AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Again, Decoded, DecodedActivity } from '../workers/decoding.ts'
import { matchDays } from './matching.ts'
import type { Upload } from '../uploads/receive.ts'
import type { Part, SpooledFile } from '../uploads/spool.ts'
import { replaceRecording } from './replacement.ts'
import { insertFigures, storedFigures } from './stored-figures.ts'

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

/** A recording that is read and not stored yet, or what came of the same bytes before. */
type ReadImport = { before: Import } | { decoded: Decoded }

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

/** Looks whether the bytes were imported before, and decodes them where they were not: slow, and writes nothing. */
async function readImport (
  sql: Sql,
  userId: string,
  decode: Decode,
  { file, sha256 }: Upload,
  signal: AbortSignal
): Promise<ReadImport> {
  const before = await findBefore(sql, userId, sha256)
  signal.throwIfAborted()
  return before === undefined ? { decoded: await decode(file, signal) } : { before }
}

/**
 * Makes activities of a recording and keeps the original. The same bytes again change nothing; the same run from other
 * bytes is refused, unless duplicates are allowed or it is to replace the recording before.
 */
async function storeImport (
  sql: Sql,
  { userId, allowDuplicate, replace }: ImportContext,
  read: ReadImport,
  { file, sha256, fileName }: Upload
): Promise<Import> {
  if ('before' in read) return read.before
  const { format, activities, warnings, parts } = read.decoded
  const recording = { recording_id: newId(), format, sha256, size_bytes: file.sizeBytes, file_name: fileName }
  return await transaction(sql, async (sql) => {
    const user = await lockUser(sql, userId)
    if (user === undefined) throw accountGone()
    // Another import of the same bytes has ended by now: this is the same import, not the same run from elsewhere.
    const meanwhile = await findBefore(sql, userId, sha256)
    if (meanwhile !== undefined) return meanwhile
    const replaced = replace ? await findReplaced(sql, userId, activities) : new Map<number, string>()
    if (!allowDuplicate && !replace) await refuseDuplicates(sql, userId, activities)
    await insertRecording(sql, userId, recording)
    await insertChunks(sql, userId, recording, chunksOf(file, parts))
    await storeActivities(sql, userId, user.timezone, read.decoded, { recording, file, replaced })
    const days = activities.map(({ summary }) => localDate(Date.parse(summary.start_time), user.timezone))
    await matchDays(sql, userId, days)
    const rows = await listActivitiesOfRecording(sql, userId, recording.recording_id)
    return {
      outcome: replaced.size > 0 ? 'replaced' : 'new',
      format,
      answer: { ...answerOf(rows), warnings: warnings.map(({ message }) => message), warning_details: warnings }
    }
  })
}

/** The chunks of the original, each read when it is asked for. */
async function * chunksOf (file: SpooledFile, parts: Part[]): AsyncGenerator<Buffer> {
  for (const part of parts) if (part.name === 'original') yield await file.read(part)
}

/** Stores the activities of a recording; those in `replaced`, by their place in the file, take the place of others. */
async function storeActivities (
  sql: Sql,
  userId: string,
  timezone: string,
  { activities, parts }: Decoded,
  { recording, file, replaced }: { recording: Original, file: SpooledFile, replaced: Map<number, string> }
): Promise<void> {
  const days = activities.map(({ summary }) => localDate(Date.parse(summary.start_time), timezone))
  const settings = await listPhysiologyUntil(sql, userId, days.toSorted().at(-1) as string)
  for (const [index, activity] of activities.entries()) {
    const day = days[index] as string
    const figures = await storedFigures(file, parts, index, activity)
    const before = replaced.get(index)
    if (before !== undefined) {
      await replaceRecording(sql, userId, before, { recording, decoded: activity, figures })
      continue
    }
    const id = newId()
    await insertActivity(sql, userId, {
      ...toStore(activity, recording),
      id,
      timezone,
      local_date: day,
      ...recordedLoad(activity, settingsOn(day, settings))
    }, FORMULA_VERSIONS.load)
    await insertFigures(sql, userId, { id, local_date: day }, figures)
  }
}

interface Original {
  recording_id: string
  format: string
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

async function refuseDuplicates (sql: Sql, userId: string, activities: DecodedActivity[]): Promise<void> {
  for (const { summary: { sport, start_time, elapsed_s, distance_m } } of activities) {
    const found = await findOverlapping(sql, userId, { sport, start_time, elapsed_s, distance_m })
    if (found === undefined) continue
    const percent = Math.round(Math.min(1, found.share) * 100)
    throw new AppError(
      'DUPLICATE_ACTIVITY',
      `The same activity is there already, with ${percent} % of this recording: with ?replace=true this takes its place`,
      { details: { activity_id: found.id, share: found.share } }
    )
  }
}

/** The activities whose recordings are replaced, by the place of the new one in its file; each by one of them. */
async function findReplaced (
  sql: Sql,
  userId: string,
  activities: DecodedActivity[]
): Promise<Map<number, string>> {
  const replaced = new Map<number, string>()
  for (const [place, { summary: { sport, start_time, elapsed_s, distance_m } }] of activities.entries()) {
    const found = await findOverlapping(sql, userId, { sport, start_time, elapsed_s, distance_m }, { orPart: true })
    if (found !== undefined && ![...replaced.values()].includes(found.id)) replaced.set(place, found.id)
  }
  return replaced
}

/** The load and the seconds in zones by what was recorded, for a body as it was on that day. */
function recordedLoad (activity: DecodedActivity, settings: BodySettings) {
  const { summary, activeS, gradedSpeedMPerS, heartRateTimes, speedTimes } = activity
  const { load, load_model } = loadOf(
    {
      sport: summary.sport,
      seconds: activeS,
      gradedSpeedMPerS,
      impulse: (range, sex) => trainingImpulse(heartRateTimes, range, sex),
      perceivedEffort: null
    },
    settings
  )
  return {
    load: rounded(load, 2),
    load_model,
    ...zoneSeconds(ratesOf(heartRateTimes), speedTimes, summary.sport, settings)
  }
}

function toStore (
  { summary, deviceName, activeS, gradedSpeedMPerS, heartRateTimes }: DecodedActivity,
  { recording_id, format }: Original
): Omit<NewActivity, 'id' | 'timezone' | 'local_date' | 'load' | 'load_model' | keyof ZoneSeconds> {
  return {
    ...summary,
    perceived_effort: null,
    is_race: false,
    notes: null,
    format,
    recording_id,
    device_name: deviceName,
    exertion: recordedExertion(activeS, gradedSpeedMPerS, heartRateTimes)
  }
}

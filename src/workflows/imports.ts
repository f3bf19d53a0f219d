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
import { loadOf, trainingImpulse } from '../domain/training/load.ts'
import { rounded } from '../domain/units.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Decoded, DecodedActivity } from '../workers/decoding.ts'
import type { ParkedBytes } from '../workers/parked-bytes.ts'

export interface Upload {
  file: ParkedBytes
  /** Of the plain bytes. */
  sha256: Buffer
  fileName: string | null
  allowDuplicate: boolean
}

/**
 * Reads a recording, on another thread; the file goes there, and comes back packed. Throws the signal's reason when it
 * aborts.
 */
export type Decode = (file: ParkedBytes, signal: AbortSignal) => Promise<Decoded>

export interface Import {
  isNew: boolean
  format: string
  answer: ImportedActivity
}

/** A recording that is read and not stored yet, or what came of the same bytes before. */
export type ReadImport = { before: Import } | { decoded: Decoded }

/**
 * Looks whether the bytes are here already, and reads them where they are not: slow, and nothing is written. Stops when
 * the signal aborts.
 */
export async function readImport (
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
 * bytes is refused, unless the caller wants it.
 */
export async function storeImport (
  sql: Sql,
  userId: string,
  read: ReadImport,
  { file, sha256, fileName, allowDuplicate }: Upload
): Promise<Import> {
  if ('before' in read) return read.before
  const { format, activities, warnings } = read.decoded
  const recording = { recording_id: newId(), format, sha256, size_bytes: file.sizeBytes, file_name: fileName }
  return await transaction(sql, async (sql) => {
    const user = await lockUser(sql, userId)
    if (user === undefined) throw new AppError('UNAUTHENTICATED', 'The account is gone')
    // Whoever brought the same bytes meanwhile is done by now: this is the same import, not the same run from
    // elsewhere.
    const meanwhile = await findBefore(sql, userId, sha256)
    if (meanwhile !== undefined) return meanwhile
    if (!allowDuplicate) await refuseDuplicates(sql, userId, activities)
    await insertRecording(sql, userId, recording)
    await insertChunks(sql, userId, recording, file.returned())
    for (const activity of activities) {
      const day = localDate(Date.parse(activity.summary.start_time), user.timezone)
      const settings = settingsOn(day, await listPhysiologyUntil(sql, userId, day))
      await insertActivity(sql, userId, {
        ...toStore(activity, recording),
        timezone: user.timezone,
        local_date: day,
        ...recordedLoad(activity, settings)
      })
    }
    const rows = await listActivitiesOfRecording(sql, userId, recording.recording_id)
    return { isNew: true, format, answer: { ...answerOf(rows), warnings } }
  })
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
  return { isNew: false, format: rows[0]?.source.format ?? 'fit', answer: { ...answerOf(rows), duplicate: true } }
}

/** The run stands for the file where there is one, else the first thing in it. */
function answerOf (rows: ActivityRow[]): { activity: ActivityRow, activities?: ActivityRow[] } {
  const activity = rows.find(({ sport }) => sport === 'running') ?? rows[0] as ActivityRow
  return rows.length > 1 ? { activity, activities: rows } : { activity }
}

async function refuseDuplicates (sql: Sql, userId: string, activities: DecodedActivity[]): Promise<void> {
  for (const { summary: { sport, start_time, elapsed_s } } of activities) {
    const activityId = await findOverlapping(sql, userId, { sport, start_time, elapsed_s })
    if (activityId !== undefined) {
      throw new AppError('DUPLICATE_ACTIVITY', 'The same activity is there already, from another file', {
        details: { activity_id: activityId }
      })
    }
  }
}

/** The load by what was recorded, for a body as it was on that day. */
function recordedLoad (activity: DecodedActivity, settings: BodySettings) {
  const { summary, activeS, gradedSpeedMPerS, heartRateTimes } = activity
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
  return { load: rounded(load, 2), load_model }
}

function toStore (
  { summary, deviceName }: DecodedActivity,
  { recording_id, format }: Original
): Omit<NewActivity, 'timezone' | 'local_date' | 'load' | 'load_model'> {
  return {
    ...summary,
    id: newId(),
    perceived_effort: null,
    is_race: false,
    notes: null,
    format,
    recording_id,
    device_name: deviceName
  }
}

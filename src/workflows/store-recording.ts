import { insertActivity, type NewActivity } from '../../db/activities.ts'
import { listPhysiologyUntil } from '../../db/physiology.ts'
import { queueActivity } from '../../db/recomputations.ts'
import { insertChunks, insertRecording } from '../../db/recordings.ts'
import type { Sql } from '../../db/sql.ts'
import { localDate } from '../domain/local-day.ts'
import { settingsOn, type BodySettings } from '../domain/physiology.ts'
import type { Sport } from '../domain/sports.ts'
import { recordedExertion } from '../domain/training/exertion.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import { loadOf, ratesOf, trainingImpulse } from '../domain/training/load.ts'
import { zoneSeconds, type ZoneSeconds } from '../domain/training/zones.ts'
import { rounded } from '../domain/units.ts'
import { newId } from '../ids.ts'
import type { Part, SpooledFile } from '../uploads/spool.ts'
import type { Decoded, DecodedActivity } from '../workers/decoding.ts'
import { matchDays } from './matching.ts'
import { replaceRecording } from './replacement.ts'
import { insertFigures, storedFigures } from './stored-figures.ts'

/** What is known of an activity beside its recording; what is absent or null is as if it had come alone. */
export interface Told {
  name?: string | null
  notes?: string | null
  /** Undefined: the default gear of its sport. */
  gear_id?: string | undefined
  is_race?: boolean
  sport?: Sport | null
}

/** A recording that is read and not stored yet. */
export interface ReadRecording {
  file: SpooledFile
  sha256: Buffer
  fileName: string | null
  decoded: Decoded
  /** The activities whose recordings it replaces, by the place in its file of those that do. */
  replaced: Map<number, string>
  /** By the place in the file. */
  told?: Array<Told | undefined>
}

/**
 * Stores a recording with the activities that it becomes, and matches them to workouts; answers its id. To be called in
 * a transaction with the account locked.
 */
export async function storeRecording (
  sql: Sql,
  userId: string,
  timezone: string,
  read: ReadRecording
): Promise<string> {
  const { file, sha256, fileName, decoded: { format, activities, parts } } = read
  const recording = { recording_id: newId(), format, sha256, size_bytes: file.sizeBytes, file_name: fileName }
  await insertRecording(sql, userId, recording)
  await insertChunks(sql, userId, recording, chunksOf(file, parts))
  const days = activities.map(({ summary }) => localDate(Date.parse(summary.start_time), timezone))
  await storeActivities(sql, userId, timezone, days, recording, read)
  await matchDays(sql, userId, days)
  return recording.recording_id
}

/** Makes those activities of a recording that are at these places of its file, and matches them to workouts. */
export async function restoreActivities (
  sql: Sql,
  userId: string,
  timezone: string,
  recordingId: string,
  places: ReadonlySet<number>,
  read: ReadRecording
): Promise<void> {
  const { format, activities } = read.decoded
  const days = activities.map(({ summary }) => localDate(Date.parse(summary.start_time), timezone))
  await storeActivities(sql, userId, timezone, days, { recording_id: recordingId, format }, read, places)
  await matchDays(sql, userId, days.filter((_, index) => places.has(activities[index]!.index)))
}

/** The chunks of the original, each read when it is asked for. */
async function * chunksOf (file: SpooledFile, parts: Part[]): AsyncGenerator<Buffer> {
  for (const part of parts) if (part.name === 'original') yield await file.read(part)
}

/** Stores the activities of a recording; those in `replaced` take the place of others. `places`: only these. */
async function storeActivities (
  sql: Sql,
  userId: string,
  timezone: string,
  days: string[],
  recording: Original,
  { file, decoded: { activities, parts }, replaced, told = [] }: ReadRecording,
  places?: ReadonlySet<number>
): Promise<void> {
  const settings = await listPhysiologyUntil(sql, userId, days.toSorted().at(-1) as string)
  for (const [index, activity] of activities.entries()) {
    if (places !== undefined && !places.has(activity.index)) continue
    const day = days[index] as string
    const figures = await storedFigures(file, parts, index, activity)
    const before = replaced.get(index)
    if (before !== undefined) {
      await replaceRecording(sql, userId, before, { recording, decoded: activity, figures })
      continue
    }
    const id = newId()
    await insertActivity(sql, userId, {
      ...toStore(activity, recording, told[index]),
      id,
      timezone,
      local_date: day,
      ...recordedLoad(activity, settingsOn(day, settings))
    }, FORMULA_VERSIONS.load)
    await insertFigures(sql, userId, { id, local_date: day }, figures)
    const sport = told[index]?.sport ?? activity.summary.sport
    // The figures were computed for the sport that the file names.
    if (sport === activity.summary.sport) continue
    await queueActivity(sql, userId, { id, start_time: activity.summary.start_time }, FORMULA_VERSIONS.recording)
  }
}

interface Original {
  recording_id: string
  format: string
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
  { recording_id, format }: Original,
  { name, notes, gear_id, is_race = false, sport }: Told = {}
): Omit<NewActivity, 'id' | 'timezone' | 'local_date' | 'load' | 'load_model' | keyof ZoneSeconds> {
  return {
    ...summary,
    name: name ?? summary.name,
    sport: sport ?? summary.sport,
    sub_sport: (sport ?? summary.sport) === summary.sport ? summary.sub_sport : null,
    perceived_effort: null,
    is_race,
    notes: notes ?? null,
    gear_id,
    format,
    recording_id,
    device_name: deviceName,
    exertion: recordedExertion(activeS, gradedSpeedMPerS, heartRateTimes)
  }
}

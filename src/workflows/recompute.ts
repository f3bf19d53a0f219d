import { lockUser } from '../../db/accounts.ts'
import { findDayAndBody } from '../../db/activities.ts'
import {
  deleteBestEfforts, findRecorded, updateComputed, type NewFigures, type RecordedActivity
} from '../../db/figures.ts'
import { readRecording } from '../../db/recordings.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import type { Crop } from '../domain/crop.ts'
import { localDate } from '../domain/local-day.ts'
import type { Sport, SubSport } from '../domain/sports.ts'
import { recordedExertion } from '../domain/training/exertion.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import type { Spool } from '../uploads/spool.ts'
import type { DecodedActivity } from '../workers/decoding.ts'
import { currentLoad } from './activities.ts'
import type { Decode } from './imports.ts'
import { matchDays } from './matching.ts'
import { insertFigures, storedFigures } from './stored-figures.ts'

/** What decoding an original again takes. */
export interface DecodingContext {
  spool: Spool
  decode: Decode
  signal: AbortSignal
}

/** An activity computed of its original, and not stored yet. */
export interface Recomputed {
  decoded: DecodedActivity
  figures: NewFigures
}

/**
 * Decodes the original of an activity, for all of it or for a part.
 * @throws AppError UNREADABLE_FILE where this version of the service cannot read it; SERVICE_UNAVAILABLE where there is
 *   no thread or no disk for it
 */
export async function decodeAgain (
  sql: Sql,
  userId: string,
  activity: RecordedActivity,
  crop: Crop | null,
  { spool, decode, signal }: DecodingContext
): Promise<Recomputed> {
  const file = spool.file()
  try {
    for await (const chunk of readRecording(sql, userId, activity)) await file.append(chunk)
    await file.finish()
    const { activities, parts } = await decode(file, signal, {
      index: activity.recording_index,
      startTime: activity.start_time,
      sport: activity.sport as Sport,
      subSport: activity.sub_sport as SubSport | null,
      crop
    })
    const decoded = activities[0]!
    return { decoded, figures: await storedFigures(file, parts, 0, decoded) }
  } finally {
    await file.close()
  }
}

/**
 * Stores what was computed again, all of it together: the figures of the activity, streams, laps, splits, best efforts
 * and the load, and the match to a workout where that may be another one now. False where the activity was changed
 * since it was read.
 */
export async function storeAgain (
  sql: Sql,
  userId: string,
  activity: RecordedActivity,
  crop: Crop | null,
  { decoded, figures }: Recomputed
): Promise<boolean> {
  const { summary, activeS, gradedSpeedMPerS, heartRateTimes, speedTimes } = decoded
  const exertion = recordedExertion(activeS, gradedSpeedMPerS, heartRateTimes)
  return await transaction(sql, async (sql) => {
    if (await lockUser(sql, userId) === undefined) return false
    const owner = await findDayAndBody(sql, userId)
    const local_date = localDate(Date.parse(summary.start_time), activity.timezone)
    const { perceived_effort } = activity
    const recorded = { exertion, speedTimes }
    const load = currentLoad({ ...summary, perceived_effort }, recorded, local_date, owner?.settings ?? [])
    const next = { ...summary, ...load, local_date, crop, exertion }
    if (!await updateComputed(sql, userId, activity, next, FORMULA_VERSIONS.load)) return false
    await deleteBestEfforts(sql, userId, activity.id)
    await insertFigures(sql, userId, { id: activity.id, local_date }, figures)
    if (isMatchedOtherwise(activity, next)) await matchDays(sql, userId, [activity.local_date, local_date])
    return true
  })
}

type Matched = Pick<RecordedActivity, 'local_date' | 'distance_m' | 'moving_s'>

/** Whether what matching goes by has changed. */
function isMatchedOtherwise (before: Matched, after: Matched): boolean {
  return before.local_date !== after.local_date || before.distance_m !== after.distance_m ||
    before.moving_s !== after.moving_s
}

/**
 * Computes an activity again from its original, as it is cropped; false where it was changed meanwhile.
 * @throws AppError as {@link decodeAgain}
 */
export async function recomputeActivity (
  sql: Sql,
  userId: string,
  activityId: string,
  context: DecodingContext
): Promise<boolean> {
  const activity = await findRecorded(sql, userId, activityId)
  if (activity === undefined) return true
  return await storeAgain(sql, userId, activity, activity.crop,
    await decodeAgain(sql, userId, activity, activity.crop, context))
}

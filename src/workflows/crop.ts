import { findActivity, type ActivityRow } from '../../db/activities.ts'
import { findRecorded } from '../../db/figures.ts'
import type { Sql } from '../../db/sql.ts'
import { SHORTEST_CROP_S, type Crop } from '../domain/crop.ts'
import { AppError, invalid } from '../errors.ts'
import { decodeAgain, storeAgain, type DecodingContext } from './recompute.ts'

/**
 * Computes an activity from a part of its recording, or from all of it (null). Answers the activity; undefined where it
 * was changed since `activity` was read.
 * @throws AppError VALIDATION_ERROR for a part that is not in the recording, or too short, and where there is none;
 *   what decoding throws
 */
export async function cropActivity (
  sql: Sql,
  userId: string,
  activity: ActivityRow,
  crop: Crop | null,
  context: DecodingContext
): Promise<ActivityRow | undefined> {
  if (isSame(activity.crop, crop)) return activity
  if (crop !== null) checkLength(crop)
  const recorded = await findRecorded(sql, userId, activity.id)
  if (recorded === undefined) throw invalid('from_s', 'There is no recording to crop: the activity was entered by hand')
  if (recorded.revision !== activity.revision) return undefined
  const again = await decodeAgain(sql, userId, recorded, crop, context)
  if (crop !== null && crop.to_s > again.decoded.wholeElapsedS) {
    throw invalid('to_s', 'to_s is after the end of the recording')
  }
  if (!await storeAgain(sql, userId, recorded, crop, again)) return undefined
  const changed = await findActivity(sql, userId, activity.id)
  if (changed === undefined) throw new AppError('NOT_FOUND', 'No such activity')
  return changed
}

function checkLength ({ from_s, to_s }: Crop): void {
  if (from_s < 0) throw invalid('from_s', 'from_s is before the start of the recording')
  if (to_s - from_s < SHORTEST_CROP_S) throw invalid('to_s', `to_s must be at least ${SHORTEST_CROP_S} s after from_s`)
}

function isSame (one: Crop | null, other: Crop | null): boolean {
  return one?.from_s === other?.from_s && one?.to_s === other?.to_s
}

import { findDayAndBody, replaceOriginal } from '../../db/activities.ts'
import { deleteBestEfforts, updateComputed, type NewFigures } from '../../db/figures.ts'
import { queueActivity } from '../../db/recomputations.ts'
import type { Sql } from '../../db/sql.ts'
import { localDate } from '../domain/local-day.ts'
import type { Sport } from '../domain/sports.ts'
import { recordedExertion } from '../domain/training/exertion.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import { notFound } from '../errors.ts'
import type { DecodedActivity } from '../workers/decoding.ts'
import { currentLoad } from './activities.ts'
import { insertFigures } from './stored-figures.ts'

/** A recording that is stored already, and what was computed of one activity in it. */
export interface Replacement {
  recording: { recording_id: string, format: string }
  decoded: DecodedActivity
  figures: NewFigures
}

/**
 * Makes an activity one of another recording: its figures follow, and what its owner has made of it stays: its name,
 * sport, gear, notes and the like. A crop is of the recording before, and goes. To be called in a transaction with the
 * account locked.
 */
export async function replaceRecording (
  sql: Sql,
  userId: string,
  activityId: string,
  { recording, decoded, figures }: Replacement
): Promise<void> {
  const { summary, deviceName, activeS, gradedSpeedMPerS, heartRateTimes, speedTimes } = decoded
  const kept = await replaceOriginal(sql, userId, activityId, {
    ...recording, device_name: deviceName, name: summary.name
  })
  const owner = await findDayAndBody(sql, userId)
  if (kept === undefined || owner === undefined) throw notFound('activity')
  const local_date = localDate(Date.parse(summary.start_time), kept.timezone)
  const exertion = recordedExertion(activeS, gradedSpeedMPerS, heartRateTimes)
  const edited = { ...summary, sport: kept.sport as Sport, perceived_effort: kept.perceived_effort }
  const load = currentLoad(edited, { exertion, speedTimes }, local_date, owner.settings)
  const computed = { ...summary, ...load, local_date, crop: null, exertion }
  await updateComputed(sql, userId, kept, computed, FORMULA_VERSIONS.load)
  await deleteBestEfforts(sql, userId, activityId)
  await insertFigures(sql, userId, { id: activityId, local_date }, figures)
  // The figures were computed for the sport that the file names.
  if (kept.sport === summary.sport && kept.sub_sport === summary.sub_sport) return
  await queueActivity(sql, userId, { id: activityId, start_time: summary.start_time }, FORMULA_VERSIONS.recording)
}

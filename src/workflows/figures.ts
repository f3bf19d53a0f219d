import { findDayAndBody } from '../../db/activities.ts'
import { findZoneTimes, type FiguresRow } from '../../db/figures.ts'
import { queueActivity } from '../../db/recomputations.ts'
import type { Sql } from '../../db/sql.ts'
import { settingsOn, type BodySettings } from '../domain/physiology.ts'
import type { Sport } from '../domain/sports.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import {
  heartRateZones, paceZones, type HeartRateModel, type ZoneTimes
} from '../domain/training/zones.ts'
import { AppError, notFound } from '../errors.ts'

/**
 * The figures that were read. Where an earlier formula made them, or none yet, they are queued to be computed.
 * @throws AppError NOT_FOUND for an activity that is not there; SERVICE_UNAVAILABLE where nothing is computed yet, as
 *   after an upgrade
 */
export async function current<Part> (
  sql: Sql,
  userId: string,
  row: FiguresRow<Part> | undefined
): Promise<FiguresRow<Part>> {
  if (row === undefined) throw notFound('activity')
  const version = FORMULA_VERSIONS.recording
  if (!row.is_recorded || (row.formula_version !== null && row.formula_version >= version)) return row
  await queueActivity(sql, userId, row, version)
  if (row.formula_version !== null) return row
  throw new AppError('SERVICE_UNAVAILABLE', 'This is being computed from the original: try again in a few seconds', {
    headers: { 'retry-after': '10' }
  })
}

export interface ActivityZones {
  id: string
  /** Of the figures and of the settings that the zones are made of. */
  revision: string
  heart_rate: ZoneTimes<HeartRateModel> | null
  pace: ZoneTimes<'friel'> | null
}

/**
 * The time in zones, by the settings of the activity's day: computed when they are read, so that they always are.
 * @throws AppError as {@link current}
 */
export async function zonesOf (sql: Sql, userId: string, activityId: string): Promise<ActivityZones> {
  const { id, revision, part, ...activity } = await current(sql, userId, await findZoneTimes(sql, userId, activityId))
  const owner = await findDayAndBody(sql, userId)
  const settings = settingsOn(activity.local_date, owner?.settings ?? [])
  const sport = activity.sport as Sport
  return {
    id,
    revision: [revision, sport, ...limits(settings)].join('-'),
    heart_rate: heartRateZones(part?.heart_rate ?? [], sport, settings),
    pace: paceZones(part?.speed ?? [], sport, settings)
  }
}

function limits (settings: BodySettings): Array<number | null> {
  return [
    settings.max_heart_rate_bpm, settings.resting_heart_rate_bpm,
    settings.threshold_heart_rate_bpm, settings.threshold_pace_s_per_km
  ]
}

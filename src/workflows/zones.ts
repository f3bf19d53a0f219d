import { sumZones, type ZoneSums } from '../../db/analytics.ts'
import { listPhysiologyUntil } from '../../db/physiology.ts'
import { findQueuedDays, queueLoads } from '../../db/recomputations.ts'
import type { Sql } from '../../db/sql.ts'
import type { ZonesQuery } from '../../schemas/analytics.ts'
import type { ZonesAnswer } from '../../schemas/figures.ts'
import { addDays } from '../domain/days.ts'
import { localDate } from '../domain/local-day.ts'
import { settingsOn, type BodySettings, type DatedSettings } from '../domain/physiology.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import { addedHeartRateZones, addedPaceZones, addZones } from '../domain/training/zones.ts'
import { reversed } from '../errors.ts'
import { calendarOf } from './calendar.ts'
import { pendingDays } from './pending.ts'

/** How many days an answer is of that is asked for none in particular. */
const USUAL_DAYS = 90

/**
 * The time in zones over some days, each activity by the settings of its own day. It is added up from what is stored
 * with each activity, so that a range of any length is one sum over an index.
 * @throws AppError REQUEST_VALIDATION_ERROR for a range that is reversed
 */
export async function zones (
  sql: Sql,
  userId: string,
  query: ZonesQuery,
  now = Date.now()
): Promise<ZonesAnswer> {
  const { timezone } = await calendarOf(sql, userId)
  const to = query.to ?? localDate(now, timezone)
  const from = query.from ?? addDays(to, 1 - USUAL_DAYS)
  if (from > to) throw reversed()
  const days = { from, to, sport: query.sport }
  const [sums, settings, queued] = await Promise.all([
    sumZones(sql, userId, days, FORMULA_VERSIONS.load),
    listPhysiologyUntil(sql, userId, to),
    findQueuedDays(sql, userId)
  ])
  const outdatedFrom = sums.flatMap(({ outdated_from }) => outdated_from ?? []).sort()[0]
  // As after an upgrade, when a process of the earlier version stored an activity.
  if (outdatedFrom !== undefined && queued === undefined) {
    await queueLoads(sql, userId, outdatedFrom, FORMULA_VERSIONS.load)
  }
  const waiting = queued ?? (outdatedFrom === undefined ? undefined : { from: outdatedFrom, done_from: null })
  const { heart_rate, pace } = zonesOf(sums, from, to, settings)
  return {
    from,
    to,
    heart_rate,
    pace,
    reason: heart_rate === null || pace === null ? reasonOf(sums, settings, { heart_rate, pace }) : null,
    pending: pendingDays(waiting, from, to)
  }
}

/** Of two models with the same time the more specific one is shown. */
const MODELS = ['friel', 'karvonen', 'percent_of_max']

type Times = Pick<ZonesAnswer, 'heart_rate' | 'pace'>

function zonesOf (sums: readonly ZoneSums[], from: string, to: string, settings: DatedSettings[]): Times {
  const byModel = sums
    .flatMap(({ heart_rate_model: model, heart_rate_s }) =>
      model === null ? [] : [{ model, seconds: addZones([heart_rate_s]) }])
    .map((each) => ({ ...each, total: each.seconds.reduce((sum, seconds) => sum + seconds, 0) }))
    .toSorted((one, other) => other.total - one.total || MODELS.indexOf(one.model) - MODELS.indexOf(other.model))
  const main = byModel[0]
  const pace = addZones(sums.map(({ pace_s }) => pace_s))
  const days = daysWithSettings(from, to, settings)
  return {
    heart_rate: main === undefined
      ? null
      : firstOf(days, settings, (settings) => addedHeartRateZones(main.model, main.seconds, settings), {
        other_models_s: byModel.slice(1).reduce((sum, { total }) => sum + total, 0)
      }),
    pace: pace.every((seconds) => seconds === 0)
      ? null
      : firstOf(days, settings, (settings) => addedPaceZones(pace, settings), {})
  }
}

/** The last day, and before it those from which other settings were valid. */
function daysWithSettings (from: string, to: string, settings: readonly DatedSettings[]): string[] {
  return [to, ...settings.map(({ valid_from }) => addDays(valid_from, -1)).filter((day) => day >= from && day < to)]
}

/** The zones with the limits of the last day that has any; null where none has, as just after settings were deleted. */
function firstOf<Found extends object, More extends object> (
  days: readonly string[],
  settings: readonly DatedSettings[],
  zonesWith: (settings: BodySettings) => Found | null,
  more: More
): Found & More & { limits_on: string } | null {
  for (const limits_on of days) {
    const found = zonesWith(settingsOn(limits_on, settings))
    if (found !== null) return { ...found, ...more, limits_on }
  }
  return null
}

function reasonOf (sums: readonly ZoneSums[], settings: readonly DatedSettings[], { heart_rate, pace }: Times): string {
  if (sums.length === 0) return 'There is no activity in these days'
  const has = (...names: Array<keyof BodySettings>) =>
    settings.some((dated) => names.some((name) => dated[name] !== null))
  const reasons: string[] = []
  if (heart_rate === null) {
    reasons.push(has('max_heart_rate_bpm', 'threshold_heart_rate_bpm')
      ? 'No activity of these days has a recorded heart rate and heart-rate settings for its day'
      : 'There is no maximum and no threshold heart rate in the physiology settings')
  }
  if (pace === null) {
    reasons.push(has('threshold_pace_s_per_km')
      ? 'No run of these days has a recorded pace and a threshold pace for its day'
      : 'There is no threshold pace in the physiology settings')
  }
  return reasons.join('. ')
}

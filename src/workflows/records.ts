import {
  listFastest, listFastestOf, listRaces, listRecordHistory, listRecordHistoryOf, type EffortRow
} from '../../db/records.ts'
import type { Sql } from '../../db/sql.ts'
import type { FitnessAnswer, RecordsAnswer } from '../../schemas/records.ts'
import { addDays } from '../domain/days.ts'
import { localDate } from '../domain/local-day.ts'
import { EFFORT_DISTANCES } from '../domain/training/best-efforts.ts'
import { criticalSpeed } from '../domain/training/critical-speed.ts'
import { equivalents, RACE_MODELS } from '../domain/training/race-prediction.ts'
import { RECENT_DAYS, recentEffort } from '../domain/training/recent-effort.ts'
import { trainingPaces } from '../domain/training/training-paces.ts'
import { rounded } from '../domain/units.ts'
import { calendarOf } from './calendar.ts'

/** How many of the fastest are listed for each distance. */
const TOP = 10
/** More races than anybody runs in the days that count. */
const MOST_RACES = 200

/** An answer with what only its picture needs. */
export interface Records extends RecordsAnswer {
  units: 'metric' | 'imperial'
}

/** Best efforts by distance, of all time, of the calendar year, or of the last 90 days. */
export async function records (
  sql: Sql,
  userId: string,
  period: string,
  now = Date.now()
): Promise<Records> {
  const { timezone, units } = await calendarOf(sql, userId)
  const today = localDate(now, timezone)
  const days = period === 'all'
    ? undefined
    : { from: period === 'year' ? `${today.slice(0, 4)}-01-01` : addDays(today, -RECENT_DAYS), to: today }
  const distances = EFFORT_DISTANCES.map(({ distance_m }) => distance_m)
  const [top, history] = await Promise.all([
    days === undefined ? listFastest(sql, userId, distances, TOP) : listFastestOf(sql, userId, days, TOP),
    days === undefined
      ? listRecordHistory(sql, userId, distances)
      : listRecordHistoryOf(sql, userId, days)
  ])
  const of = (rows: EffortRow[], distanceM: number) =>
    rows.filter((row) => row.distance_m === distanceM).map(({ distance_m, ...effort }) => effort)
  const items = EFFORT_DISTANCES.flatMap(({ distance_m, name }) => {
    const fastest = of(top, distance_m)
    const [best] = fastest
    return best === undefined ? [] : [{ distance_m, name, best, top: fastest, history: of(history, distance_m) }]
  })
  return { period, items, units }
}

/** What the recent efforts of a runner say about today. */
export async function fitness (sql: Sql, userId: string, now = Date.now()): Promise<FitnessAnswer> {
  const { timezone } = await calendarOf(sql, userId)
  const today = localDate(now, timezone)
  const days = { from: addDays(today, -RECENT_DAYS), to: today }
  const [races, efforts] = await Promise.all([
    listRaces(sql, userId, days, MOST_RACES),
    listFastestOf(sql, userId, days, TOP)
  ])
  const { found, reason } = criticalSpeed(fastestByDistance(efforts)
    .map(({ distance_m, elapsed_s }) => ({ distanceM: distance_m, timeS: elapsed_s })))
  const critical_speed = found === null
    ? null
    : {
        speed_m_per_s: rounded(found.speed_m_per_s, 5)!,
        d_prime_m: rounded(found.d_prime_m, 4)!,
        r_squared: rounded(found.r_squared, 4)!
      }
  const effort = recentEffort(races, efforts, today)
  if (effort === undefined) {
    return {
      vdot: null,
      effort: null,
      predictions: [],
      training_paces: null,
      critical_speed,
      reason: `There is no race and no best effort over 1,500 m or more in the last ${RECENT_DAYS} days`,
      models: RACE_MODELS
    }
  }
  const { vdot, ...taken } = effort
  return {
    vdot: rounded(vdot, 4),
    effort: taken,
    predictions: equivalents({ distanceM: effort.distance_m, timeS: effort.elapsed_s }),
    training_paces: trainingPaces(vdot),
    critical_speed,
    reason,
    models: RACE_MODELS
  }
}

function fastestByDistance (efforts: readonly EffortRow[]): EffortRow[] {
  return efforts.filter(({ distance_m }, i) => efforts.findIndex((other) => other.distance_m === distance_m) === i)
}

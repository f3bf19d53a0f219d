import type { DeviceFigures } from '../recording.ts'
import { hasSteps } from '../sports.ts'
import type { Sport, SubSport } from '../sports.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { shortestTimeS } from './limits.ts'
import type { HeightSource } from './elevation.ts'

/** How the heights of an activity were measured. A record of the API. */
export interface ElevationNote {
  /** The smallest rise or fall that counts, in metres. */
  threshold_m: number
  source: HeightSource
}

/** The figures of one activity, as in the API. A figure that cannot be computed is null, never 0. */
export interface ActivitySummary {
  sport: Sport
  sub_sport: SubSport | null
  name: string | null
  /** ISO 8601, UTC. */
  start_time: string
  distance_m: number | null
  elapsed_s: number
  /** At most `elapsed_s`. */
  moving_s: number
  elevation_gain_m: number | null
  elevation_loss_m: number | null
  average_heart_rate_bpm: number | null
  max_heart_rate_bpm: number | null
  average_cadence_spm: number | null
  /** Over moving time. */
  average_pace_s_per_km: number | null
  grade_adjusted_pace_s_per_km: number | null
  /** How the heights were measured; null if there are none. */
  elevation: ElevationNote | null
  device: DeviceFigures
  laps_count: number
}

/**
 * The steepest climb over a whole activity, as gain over distance: the steepest races of a vertical kilometre climb
 * 1,000 m in 1.9 km.
 */
const STEEPEST_CLIMB = 0.6
/** The steepest descent over a whole activity. */
const STEEPEST_DESCENT = 1
/** The fastest climb over a whole activity, in m/s: races up stairs of a minute; a vertical kilometre takes 0.6 m/s. */
const FASTEST_CLIMB_M_PER_S = 1.5
/** The fastest descent over a whole activity, in m/s. */
const FASTEST_DESCENT_M_PER_S = 3

/**
 * A last look at the figures before they are stored: one that cannot be becomes null, with a warning. That a distance
 * faster than the world record is not the result of weighing is looked at once more here, whatever happened before.
 */
export function lastLook (
  summary: ActivitySummary,
  before: readonly Warning[] = []
): { summary: ActivitySummary, warnings: Warning[] } {
  const warnings = [...before]
  const seen = { ...summary }
  seen.elapsed_s = Math.max(seen.elapsed_s, 0)
  seen.moving_s = Math.min(seen.moving_s, seen.elapsed_s)
  if (seen.distance_m !== null && !canBeCovered(seen.sport, seen.distance_m, seen.moving_s)) {
    seen.distance_m = null
    seen.average_pace_s_per_km = null
    warnings.push(warning('DISTANCE_IMPOSSIBLE', 'The distance is longer than anybody covers in that time: it is unknown'))
  }
  if (hasSteps(seen.sport) && !canBeClimbed(seen)) {
    seen.elevation_gain_m = null
    seen.elevation_loss_m = null
    seen.grade_adjusted_pace_s_per_km = null
    warnings.push(warning('ELEVATION_IMPOSSIBLE', 'The heights give a climb or descent that nobody makes: gain and loss are unknown'))
  }
  if (!canBeAdjusted(seen)) {
    seen.grade_adjusted_pace_s_per_km = null
    if (seen.distance_m !== null) {
      warnings.push(warning('GRADE_ADJUSTED_PACE_IMPOSSIBLE', 'The grade-adjusted pace is faster than the world record: it is unknown'))
    }
  }
  return { summary: seen, warnings }
}

/** Rounding to 0.01 m and 0.001 s may make a record faster by this share. */
const ROUNDING = 1.001

function canBeCovered (sport: Sport, distanceM: number, movingS: number): boolean {
  return distanceM >= 0 && shortestTimeS(sport, distanceM) <= movingS * ROUNDING
}

function canBeClimbed (summary: ActivitySummary): boolean {
  const { elevation_gain_m: gain, elevation_loss_m: loss, distance_m: distance, moving_s: seconds } = summary
  const metres = distance ?? Number.POSITIVE_INFINITY
  return (gain ?? 0) <= Math.min(STEEPEST_CLIMB * metres, FASTEST_CLIMB_M_PER_S * seconds) &&
    (loss ?? 0) <= Math.min(STEEPEST_DESCENT * metres, FASTEST_DESCENT_M_PER_S * seconds)
}

function canBeAdjusted ({ sport, distance_m: distance, grade_adjusted_pace_s_per_km: pace }: ActivitySummary): boolean {
  return pace === null || (distance !== null && pace * distance / 1000 * ROUNDING >= shortestTimeS(sport, distance))
}

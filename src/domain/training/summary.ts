import type { DeviceFigures, Recording } from '../recording.ts'
import { hasSteps, PLAUSIBLE_SPEED_M_PER_S } from '../sports.ts'
import type { Sport, SubSport } from '../sports.ts'
import { paceOf, rounded } from '../units.ts'
import { elevationOf } from './elevation.ts'
import { activeTimeS, meanOverTime, standingTimeS } from './moving.ts'
import type { TimedMean } from './moving.ts'
import { gradeAdjustedDistanceM } from './pace.ts'

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
  device: DeviceFigures
  laps_count: number
}

/**
 * A device is wrong if it reports less than half of the time that its own records span, or more than a fortnight.
 */
const LEAST_SHARE = 0.5
const LONGEST_S = 14 * 86_400

/**
 * The figures of a recording.
 *
 * - Distance and elapsed time are the device's own if it reports plausible ones, otherwise those of the records.
 * - Moving time is the time on the running timer minus the stops; see `standingTimeS`. In swimming a stop cannot be
 *   distinguished from a turn, so the timer counts.
 * - Heart rate and cadence are means over time without gaps; the device's own are used only if the samples cover less
 *   than half of the time. Cadence excludes standing.
 * - Grade-adjusted pace applies to running and walking: null for a sport without steps.
 * - Elevation is computed from the altitudes; the device's own is used only if there are none.
 */
export function summaryOf (recording: Recording): ActivitySummary {
  const { sport, columns, pauses, device, deviceMeans } = recording
  const activeS = activeTimeS(columns.timeS, pauses)
  const recordedS = columns.timeS.at(-1) ?? 0
  const elapsedS = elapsedOf(device, recordedS)
  const distanceM = distanceOf(recording, elapsedS)
  const movingS = movingOf(recording, elapsedS, activeS)
  const elevation = elevationOf(columns.timeS, columns.altitudeM)
  const adjusted = hasSteps(sport) ? gradeAdjustedDistanceM(columns) : null
  const recordedM = lastOf(columns.distanceM)
  // The distances of the records and of the device may differ: the grade adjustment is applied in proportion.
  const adjustedM =
    adjusted && distanceM !== null && recordedM !== null && recordedM > 0
      ? (distanceM * lastOf(adjusted)!) / recordedM
      : null
  const legs = hasSteps(sport) ? 2 : 1
  return {
    sport,
    sub_sport: recording.subSport,
    name: recording.name,
    start_time: new Date(recording.startTime).toISOString(),
    distance_m: rounded(distanceM, 2),
    elapsed_s: rounded(elapsedS, 3)!,
    moving_s: rounded(movingS, 3)!,
    elevation_gain_m: rounded(elevation ? elevation.gainM : device.elevation_gain_m, 1),
    elevation_loss_m: rounded(elevation && elevation.lossM, 1),
    average_heart_rate_bpm: rounded(
      meanOf(meanOverTime(activeS, columns.heartRateBpm), deviceMeans.averageHeartRateBpm, activeS),
      0
    ),
    max_heart_rate_bpm: rounded(highestOf(columns.heartRateBpm, deviceMeans.maxHeartRateBpm), 0),
    average_cadence_spm: rounded(
      meanOverTime(activeS, columns.cadenceSpm, { from: 1 }).mean ?? deviceCadence(deviceMeans.averageCadenceSpm, legs),
      1
    ),
    average_pace_s_per_km: rounded(paceOf(distanceM, movingS), 2),
    grade_adjusted_pace_s_per_km: rounded(paceOf(adjustedM, movingS), 2),
    device: {
      distance_m: rounded(device.distance_m, 2),
      elapsed_s: rounded(device.elapsed_s, 3),
      timer_s: rounded(device.timer_s, 3),
      elevation_gain_m: rounded(device.elevation_gain_m, 1)
    },
    laps_count: recording.laps.length
  }
}

function elapsedOf ({ elapsed_s: stated, timer_s: timer }: DeviceFigures, recordedS: number): number {
  const believed = (seconds: number | null): seconds is number =>
    seconds !== null && seconds >= recordedS * LEAST_SHARE && seconds <= LONGEST_S
  if (believed(stated)) return stated
  // The timer may have continued after the last record; the elapsed time cannot be shorter than the timer.
  return believed(timer) ? Math.max(recordedS, timer) : recordedS
}

function distanceOf ({ sport, columns, device }: Recording, elapsedS: number): number | null {
  const recordedM = lastOf(columns.distanceM)
  const stated = device.distance_m
  if (stated === null || stated > PLAUSIBLE_SPEED_M_PER_S[sport] * elapsedS) {
    return recordedM !== null && recordedM > 0 ? recordedM : null
  }
  return stated
}

function movingOf ({ sport, columns, pauses, device }: Recording, elapsedS: number, activeS: Float64Array): number {
  let pausedS = 0
  for (const { startS, endS } of pauses) pausedS += endS - startS
  const timerS = Math.min(elapsedS, device.timer_s ?? Math.max(0, elapsedS - pausedS))
  if (sport === 'swimming' || sport === 'strength') return timerS
  const standingS = standingTimeS(columns, activeS) ?? 0
  return standingS < timerS ? timerS - standingS : timerS
}

/**
 * The mean of the samples if they cover at least half of the time, otherwise the device's own, otherwise the mean of
 * the samples there are.
 */
function meanOf ({ mean, seconds }: TimedMean, stated: number | null, activeS: Float64Array): number | null {
  return stated !== null && seconds * 2 < (activeS.at(-1) ?? 0) ? stated : mean ?? stated
}

/** The last known value. */
function lastOf (column: Float64Array): number | null {
  for (let i = column.length - 1; i >= 0; i--) {
    if (!Number.isNaN(column[i]!)) return column[i]!
  }
  return null
}

function highestOf (column: Float64Array, stated: number | null): number | null {
  let highest = stated ?? Number.NEGATIVE_INFINITY
  for (const value of column) {
    if (value > highest) highest = value
  }
  return highest === Number.NEGATIVE_INFINITY ? null : highest
}

function deviceCadence (cadence: number | null, legs: number): number | null {
  return cadence === null ? null : cadence * (cadence < 120 ? legs : 1)
}

import type { DeviceMeans, Recording } from '../recording.ts'
import { hasSteps } from '../sports.ts'
import { paceOf, rounded } from '../units.ts'
import type { Warning } from '../warnings.ts'
import { basisOf } from './basis.ts'
import type { Basis } from './basis.ts'
import { elevationOf, thresholdOf } from './elevation.ts'
import { lastLook } from './last-look.ts'
import type { ActivitySummary } from './last-look.ts'
import { HEART_RATE_BPM } from './limits.ts'
import { meanOverTime } from './moving.ts'
import type { TimedMean } from './moving.ts'
import { lastOf, totalsOf } from './totals.ts'

export type { ActivitySummary }

/** Nobody takes more steps a minute. */
const MOST_STEPS_SPM = 240

/** The figures of a recording, and what was wrong with their sources. */
export interface Figures {
  summary: ActivitySummary
  warnings: Warning[]
}

/** The figures of a recording; see `figuresOf`. */
export function summaryOf (recording: Recording): ActivitySummary {
  return figuresOf(recording).summary
}

/**
 * The figures of a recording.
 *
 * - Distance, elapsed and moving time: see `totalsOf`, which weighs their sources.
 * - Heart rate and cadence are means over time without gaps; the device's own are used only if the samples cover less
 *   than half of the time. Cadence excludes standing.
 * - Grade-adjusted pace applies to running and walking: null for a sport without steps.
 * - Elevation is computed from the altitudes; the device's own is used only if there are none.
 * - A figure that cannot be is null: see `lastLook`.
 */
export function figuresOf (recording: Recording, basis: Basis = basisOf(recording)): Figures {
  const { sport, columns, device } = recording
  const { activeS, standing } = basis
  const deviceMeans = believableMeans(recording.deviceMeans)
  const { distanceM, elapsedS, movingS, warnings } = totalsOf(recording, standing)
  const source = recording.heightSource ?? 'unknown'
  const elevation = elevationOf(columns.timeS, columns.altitudeM, thresholdOf(columns.timeS, columns.altitudeM, source))
  const adjusted = hasSteps(sport) ? basis.adjustedM : null
  const recordedM = lastOf(columns.distanceM)
  // The distances of the records and of the device may differ: the grade adjustment is applied in proportion.
  const adjustedM =
    adjusted && distanceM !== null && recordedM !== null && recordedM > 0
      ? (distanceM * lastOf(adjusted)!) / recordedM
      : null
  const legs = hasSteps(sport) ? 2 : 1
  return lastLook({
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
    elevation: elevation && { threshold_m: elevation.thresholdM, source },
    device: {
      distance_m: rounded(device.distance_m, 2),
      elapsed_s: rounded(device.elapsed_s, 3),
      timer_s: rounded(device.timer_s, 3),
      elevation_gain_m: rounded(device.elevation_gain_m, 1)
    },
    laps_count: recording.laps.length
  }, warnings)
}

/** The means of the device without those that no body has. */
function believableMeans ({ averageHeartRateBpm, maxHeartRateBpm, averageCadenceSpm }: DeviceMeans): DeviceMeans {
  const within = (value: number | null, [lowest, highest]: readonly [number, number]): number | null =>
    value !== null && value >= lowest && value <= highest ? value : null
  return {
    averageHeartRateBpm: within(averageHeartRateBpm, HEART_RATE_BPM),
    maxHeartRateBpm: within(maxHeartRateBpm, HEART_RATE_BPM),
    averageCadenceSpm: within(averageCadenceSpm, [0, MOST_STEPS_SPM])
  }
}

/**
 * The mean of the samples if they cover at least half of the time, otherwise the device's own, otherwise the mean of
 * the samples there are.
 */
function meanOf ({ mean, seconds }: TimedMean, stated: number | null, activeS: Float64Array): number | null {
  return stated !== null && seconds * 2 < (activeS.at(-1) ?? 0) ? stated : mean ?? stated
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

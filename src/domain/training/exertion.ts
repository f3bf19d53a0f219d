import type { Sport } from '../sports.ts'
import { METRES_PER_KM, paceOf, rounded } from '../units.ts'
import { steadyImpulse, timesAtRates, ratesOf, trainingImpulse, type Exertion, type HeartRateTimes } from './load.ts'

/**
 * What the load of a recording depends on, stored beside the activity, so that it can be computed again for another
 * sport or other settings without the recording. A record of the database.
 */
export interface RecordedExertion {
  /** On the running timer. */
  seconds: number | null
  graded_speed_m_per_s: number | null
  /** Heart rates in beats per minute, each with the seconds spent at it. */
  heart_rate: Array<[bpm: number, seconds: number]>
}

/** The figures of an activity that its load can be computed from where nothing better is known. */
export interface ActivityFigures {
  sport: Sport
  distance_m: number | null
  elapsed_s: number | null
  moving_s: number | null
  average_heart_rate_bpm: number | null
  grade_adjusted_pace_s_per_km: number | null
  /** 0 to 10. */
  perceived_effort: number | null
}

export function recordedExertion (
  seconds: number | null,
  gradedSpeedMPerS: number | null,
  times: HeartRateTimes
): RecordedExertion {
  return {
    seconds: rounded(seconds, 3),
    graded_speed_m_per_s: rounded(gradedSpeedMPerS, 6),
    heart_rate: ratesOf(times)
  }
}

/**
 * The exertion of an activity: as it was recorded, or from its figures where it was not. Then the mean heart rate
 * stands for all of the time, and the grade-adjusted pace, or else the plain one, for the speed.
 */
export function exertionOf (figures: ActivityFigures, recorded: RecordedExertion | null): Exertion {
  const { sport, perceived_effort: perceivedEffort } = figures
  if (recorded !== null) {
    const times = timesAtRates(recorded.heart_rate)
    return {
      sport,
      seconds: recorded.seconds,
      gradedSpeedMPerS: recorded.graded_speed_m_per_s,
      impulse: (range, sex) => trainingImpulse(times, range, sex),
      perceivedEffort
    }
  }
  const { average_heart_rate_bpm: heartRate } = figures
  const seconds = figures.moving_s ?? figures.elapsed_s
  return {
    sport,
    seconds,
    gradedSpeedMPerS: speedOf(figures, seconds),
    impulse: (range, sex) =>
      heartRate === null || seconds === null ? null : steadyImpulse(seconds, heartRate, range, sex),
    perceivedEffort
  }
}

function speedOf (figures: ActivityFigures, seconds: number | null): number | null {
  const paceSPerKm = figures.grade_adjusted_pace_s_per_km ?? paceOf(figures.distance_m, seconds)
  return paceSPerKm === null ? null : METRES_PER_KM / paceSPerKm
}

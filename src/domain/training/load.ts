import type { BodySettings } from '../physiology.ts'
import type { Sport } from '../sports.ts'
import { METRES_PER_KM } from '../units.ts'

export type LoadModel = 'rtss' | 'hrtss' | 'session_rpe'

export interface HeartRateRange {
  resting: number
  max: number
}

/** a and b of Banister's weight; for an unknown sex, the mean of both. */
const WEIGHTS = { male: { a: 0.64, b: 1.92 }, female: { a: 0.86, b: 1.67 }, unknown: { a: 0.75, b: 1.795 } } as const

/** Values further apart than this, in seconds, have a gap between them. */
const LONGEST_GAP_S = 60
/**
 * Steps of half a beat: exact for means of the whole beats that watches record, and at most a quarter of a beat off for
 * any other value.
 */
const RATES_PER_BPM = 2
const HIGHEST_BPM = 250
/**
 * Our own convention: an hour at this effort (of 10) is a load of 100, like an hour at threshold in the other models.
 */
const EFFORT_OF_100 = 7

/**
 * The weight of a minute at `heartRateBpm`: x·a·e^(b·x), x = (hr − rest) / (max − rest) clamped to 0…1, so that one bad
 * reading cannot dominate the sum.
 */
function weight (heartRateBpm: number, { resting, max }: HeartRateRange, sex: string | null): number {
  const { a, b } = WEIGHTS[sex === 'male' || sex === 'female' ? sex : 'unknown']
  const x = Math.max(0, Math.min(1, (heartRateBpm - resting) / (max - resting)))
  return x * a * Math.exp(b * x)
}

/**
 * Seconds at each heart rate, in steps of half a beat per minute from 0 to 250: all that the training impulse of a
 * recording depends on.
 */
export type HeartRateTimes = Float64Array<ArrayBuffer>

/**
 * The time spent at each heart rate, by the running timer `activeS`. The heart rate between two values is their mean.
 * Gaps of over a minute are skipped; all zeros if no heart rate was measured.
 */
export function heartRateTimes (activeS: Float64Array, heartRateBpm: Float64Array): HeartRateTimes {
  const times = new Float64Array(HIGHEST_BPM * RATES_PER_BPM + 1)
  let last = -1
  for (let i = 0; i < heartRateBpm.length; i++) {
    if (!(heartRateBpm[i]! > 0)) continue
    if (last >= 0) {
      const stepS = activeS[i]! - activeS[last]!
      const rate = Math.round((heartRateBpm[i]! + heartRateBpm[last]!) / 2 * RATES_PER_BPM)
      if (stepS > 0 && stepS <= LONGEST_GAP_S) times[Math.min(rate, times.length - 1)]! += stepS
    }
    last = i
  }
  return times
}

/** The heart rates at which time was spent, in beats per minute, each with its seconds to the millisecond. */
export function ratesOf (times: HeartRateTimes): Array<[bpm: number, seconds: number]> {
  const rates: Array<[number, number]> = []
  for (const [rate, seconds] of times.entries()) {
    if (seconds > 0) rates.push([rate / RATES_PER_BPM, Math.round(seconds * 1000) / 1000])
  }
  return rates
}

/** The inverse of {@link ratesOf}. */
export function timesAtRates (rates: ReadonlyArray<readonly [bpm: number, seconds: number]>): HeartRateTimes {
  const times = new Float64Array(HIGHEST_BPM * RATES_PER_BPM + 1)
  for (const [bpm, seconds] of rates) times[Math.round(bpm * RATES_PER_BPM)] = seconds
  return times
}

/**
 * Training impulse (TRIMP) in Banister's arbitrary units: Σ Δt · x · a · e^(b·x), Δt in minutes at a heart rate; null
 * if no heart rate was measured.
 *
 * Banister, E. W. (1991), in: Physiological Testing of Elite Athletes.
 */
export function trainingImpulse (times: HeartRateTimes, range: HeartRateRange, sex: string | null): number | null {
  let impulse: number | null = null
  for (const [rate, seconds] of times.entries()) {
    if (seconds > 0) impulse = (impulse ?? 0) + steadyImpulse(seconds, rate / RATES_PER_BPM, range, sex)
  }
  return impulse
}

/** The training impulse of `seconds` at a constant heart rate: for activities with a mean but no samples. */
export function steadyImpulse (
  seconds: number,
  heartRateBpm: number,
  range: HeartRateRange,
  sex: string | null
): number {
  return (seconds / 60) * weight(heartRateBpm, range, sex)
}

/**
 * Heart-rate stress (hrTSS): 100 times the impulse divided by that of an hour at threshold heart rate.
 *
 * Allen, H., Coggan, A. (2010), Training and Racing with a Power Meter.
 */
export function heartRateStress (
  impulse: number,
  thresholdBpm: number,
  range: HeartRateRange,
  sex: string | null
): number {
  return (100 * impulse) / steadyImpulse(3600, thresholdBpm, range, sex)
}

/**
 * Running stress (rTSS): hours · IF² · 100, where IF is normalized graded speed over threshold speed, both in m/s.
 *
 * Allen, H., Coggan, A. (2010), as above.
 */
export function runningStress (seconds: number, gradedSpeedMPerS: number, thresholdSpeedMPerS: number): number {
  return seconds / 3600 * (gradedSpeedMPerS / thresholdSpeedMPerS) ** 2 * 100
}

/**
 * Foster's session RPE, effort · minutes, scaled so that an hour at 7 is 100. Effort 0 is a load of 0.
 *
 * Foster, C. (1998), Med. Sci. Sports Exerc. 30.
 */
export function sessionStress (seconds: number, effort: number): number {
  return effort * seconds / 60 / (EFFORT_OF_100 * 60) * 100
}

/** The data from which a load can be computed; unknown values are null. */
export interface Exertion {
  sport: Sport
  /** Time on the running timer; null if unknown. */
  seconds: number | null
  gradedSpeedMPerS: number | null
  /** The training impulse for a range and a sex, from samples or from a mean. */
  impulse (range: HeartRateRange, sex: string | null): number | null
  /** 0 to 10. */
  perceivedEffort: number | null
}

/**
 * The load of one activity and its model, with the physiological values valid on its day: running stress if speed and
 * threshold pace are known, otherwise heart-rate stress, otherwise session RPE, otherwise null. A threshold pace
 * applies to running only.
 */
export function loadOf (
  exertion: Exertion,
  settings: BodySettings
): { load: number | null; load_model: LoadModel | null } {
  const { sport, seconds, gradedSpeedMPerS, impulse, perceivedEffort } = exertion
  const {
    sex,
    max_heart_rate_bpm: max,
    resting_heart_rate_bpm: resting,
    threshold_heart_rate_bpm: threshold,
    threshold_pace_s_per_km: pace
  } = settings
  if (sport === 'running' && seconds !== null && gradedSpeedMPerS !== null && pace !== null) {
    return { load: runningStress(seconds, gradedSpeedMPerS, METRES_PER_KM / pace), load_model: 'rtss' }
  }
  // Values of different days may contradict each other: then they are not used.
  if (max !== null && resting !== null && threshold !== null && resting < max && resting < threshold) {
    const range = { resting, max }
    const sum = impulse(range, sex)
    if (sum !== null) return { load: heartRateStress(sum, threshold, range, sex), load_model: 'hrtss' }
  }
  if (seconds !== null && perceivedEffort !== null) {
    return { load: sessionStress(seconds, perceivedEffort), load_model: 'session_rpe' }
  }
  return { load: null, load_model: null }
}

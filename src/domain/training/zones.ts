import type { BodySettings } from '../physiology.ts'
import type { Sport } from '../sports.ts'
import { METRES_PER_KM, rounded } from '../units.ts'
import type { Curve } from './curve.ts'
import { STANDING_M_PER_S } from './moving.ts'

/** Shares of the maximum heart rate, or of the heart-rate reserve, at which the five zones begin. */
const SHARES = [0.5, 0.6, 0.7, 0.8, 0.9]
/**
 * Shares of the threshold heart rate that divide seven zones of running (5a, 5b and 5c are 5, 6 and 7 here).
 *
 * Friel, J. (2009), The Triathlete's Training Bible, 3rd ed.
 */
const FRIEL_HEART_RATE = [0.85, 0.9, 0.95, 1, 1.03, 1.06]
/** Shares of the threshold pace, in s/km, that divide the same seven zones, slowest first. Friel, as above. */
const FRIEL_PACE = [1.29, 1.14, 1.06, 1.01, 0.97, 0.9]

export type HeartRateModel = 'friel' | 'karvonen' | 'percent_of_max'

/** One zone and the time in it; half-open, `low` ≤ value < `high`. */
export interface Zone {
  zone: number
  low: number
  /** Null: no upper limit. */
  high: number | null
  time_s: number
}

export interface ZoneTimes<Model extends string> {
  model: Model
  zones: Zone[]
}

/** Seconds at each value, in pairs. */
export type Times = ReadonlyArray<readonly [value: number, seconds: number]>

/**
 * Time in heart-rate zones by the best model that the settings allow: the threshold heart rate (Friel, for running),
 * else resting and maximum heart rate (Karvonen), else the maximum alone. Null where there is no heart rate or none of
 * these settings. Time below zone 1 of the last two is listed as zone 0 where there is any.
 */
export function heartRateZones (times: Times, sport: Sport, settings: BodySettings): ZoneTimes<HeartRateModel> | null {
  if (times.length === 0) return null
  const {
    max_heart_rate_bpm: max,
    resting_heart_rate_bpm: resting,
    threshold_heart_rate_bpm: threshold
  } = settings
  if (threshold !== null && sport === 'running') {
    return { model: 'friel', zones: zonesBetween([0, ...FRIEL_HEART_RATE.map((share) => share * threshold)], 1, times) }
  }
  if (max === null) return null
  const [model, limits] = resting !== null && resting < max
    ? ['karvonen', SHARES.map((share) => resting + share * (max - resting))] as const
    : ['percent_of_max', SHARES.map((share) => share * max)] as const
  const [below, ...zones] = zonesBetween([0, ...limits], 0, times)
  return { model, zones: below!.time_s > 0 ? [below!, ...zones] : zones }
}

/**
 * Time in pace zones, in s/km, by the threshold pace: zone 1 is the slowest, with the highest figures. Null where there
 * is no pace or no threshold; it is a pace of running.
 */
export function paceZones (times: Times, sport: Sport, settings: BodySettings): ZoneTimes<'friel'> | null {
  const threshold = settings.threshold_pace_s_per_km
  if (threshold === null || sport !== 'running' || times.length === 0) return null
  const limits = [0, ...FRIEL_PACE.map((share) => share * threshold).reverse()]
  const paces = times.map(([speed, seconds]) => [METRES_PER_KM / speed, seconds] as const)
  const zones = zonesBetween(limits, 1, paces).reverse()
  return { model: 'friel', zones: zones.map((zone, i) => ({ ...zone, zone: i + 1 })) }
}

function zonesBetween (limits: readonly number[], first: number, times: Times): Zone[] {
  const seconds = new Float64Array(limits.length)
  for (const [value, time] of times) {
    let place = limits.length - 1
    while (place > 0 && value < limits[place]!) place--
    seconds[place]! += time
  }
  return limits.map((low, i) => ({
    zone: first + i,
    low: rounded(low, 1)!,
    high: rounded(limits[i + 1] ?? null, 1),
    time_s: rounded(seconds[i]!, 1)!
  }))
}

/** A step of the speeds that time is kept at, in m/s: 1 s/km at 5:00/km. */
const SPEED_STEP = 0.01
const HIGHEST_SPEED = 40
/** The speed at a moment is that over so many seconds around it: shorter, it would be the noise of the positions. */
const WINDOW_S = 10
/** Distances further apart than this, in seconds, have a gap between them. */
const LONGEST_GAP_S = 60

/** The time at each speed in m/s, by the distance over the running timer; standing is left out. */
export function speedTimes ({ timeS: activeS, values: distanceM }: Curve): Array<[number, number]> {
  const times = new Float64Array(HIGHEST_SPEED / SPEED_STEP + 1)
  let behind = 0
  let ahead = 0
  for (let i = 1; i < activeS.length; i++) {
    const stepS = activeS[i]! - activeS[i - 1]!
    if (stepS > LONGEST_GAP_S) continue
    const middle = (activeS[i]! + activeS[i - 1]!) / 2
    while (behind + 1 < i && activeS[behind + 1]! <= middle - WINDOW_S / 2) behind++
    while (ahead < activeS.length - 1 && (ahead < i || activeS[ahead]! < middle + WINDOW_S / 2)) ahead++
    const speed = (distanceM[ahead]! - distanceM[behind]!) / (activeS[ahead]! - activeS[behind]!)
    if (speed >= STANDING_M_PER_S) times[Math.min(times.length - 1, Math.round(speed / SPEED_STEP))]! += stepS
  }
  return pairsOf(times, 1 / SPEED_STEP)
}

/** The values that time was spent at, and the seconds. */
export function pairsOf (times: Float64Array, stepsPerUnit: number): Array<[number, number]> {
  const pairs: Array<[number, number]> = []
  for (const [step, seconds] of times.entries()) {
    if (seconds > 0) pairs.push([step / stepsPerUnit, rounded(seconds, 2)!])
  }
  return pairs
}

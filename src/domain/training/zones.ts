import type { BodySettings } from '../physiology.ts'
import type { Sport } from '../sports.ts'
import { METRES_PER_KM, rounded } from '../units.ts'
import type { Curve } from './curve.ts'
import { STANDING_M_PER_S } from './moving.ts'

/**
 * Shares of the maximum heart rate, or of the heart-rate reserve, at which the five zones begin.
 *
 * Karvonen, M. J. (1957), The effects of training on heart rate. Ann. Med. Exp. Biol. Fenn. 35.
 */
const SHARES = [0.5, 0.6, 0.7, 0.8, 0.9]
/**
 * Heart-rate zones by threshold: shares of the threshold heart rate that divide seven zones of running (5a, 5b and 5c
 * are 5, 6 and 7 here).
 *
 * Friel, J. (2009), The Triathlete's Training Bible, 3rd ed.
 */
const FRIEL_HEART_RATE = [0.85, 0.9, 0.95, 1, 1.03, 1.06]
/**
 * Pace zones: shares of the threshold pace, in s/km, that divide the same seven zones, slowest first.
 *
 * Friel, J. (2009), as above.
 */
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
 * these settings. Time below zone 1 of the last two is listed as zone 0 where there is any. A heart rate above the
 * maximum is in the highest zone.
 */
export function heartRateZones (times: Times, sport: Sport, settings: BodySettings): ZoneTimes<HeartRateModel> | null {
  const model = heartRateModel(sport, settings)
  const limits = model === null ? null : heartRateLimits(model, settings)
  if (times.length === 0 || model === null || limits === null) return null
  return heartRateZonesOf(model, limits, secondsBetween(limits, times))
}

/**
 * Time in pace zones, in s/km, by the threshold pace: zone 1 is the slowest, with the highest figures. Null where there
 * is no pace or no threshold; it is a pace of running.
 */
export function paceZones (times: Times, sport: Sport, settings: BodySettings): ZoneTimes<'friel'> | null {
  const limits = paceLimits(settings)
  if (limits === null || sport !== 'running' || times.length === 0) return null
  return paceZonesOf(limits, secondsBetween(limits, times.map(([speed, seconds]) => [METRES_PER_KM / speed, seconds])))
}

/** The seconds in each zone of an activity, from zone 0 on, as they are stored to be added up over activities. */
export interface ZoneSeconds {
  heart_rate_model: HeartRateModel | null
  heart_rate_zone_s: number[] | null
  pace_zone_s: number[] | null
}

export const NO_ZONES: ZoneSeconds = { heart_rate_model: null, heart_rate_zone_s: null, pace_zone_s: null }

/** The zones are 0 to 7 at most. */
const MOST_ZONES = 8

export function zoneSeconds (heartRate: Times, speed: Times, sport: Sport, settings: BodySettings): ZoneSeconds {
  const byHeartRate = heartRateZones(heartRate, sport, settings)
  const byPace = paceZones(speed, sport, settings)
  return {
    heart_rate_model: byHeartRate?.model ?? null,
    heart_rate_zone_s: byHeartRate === null ? null : secondsByZone(byHeartRate.zones),
    pace_zone_s: byPace === null ? null : secondsByZone(byPace.zones)
  }
}

function secondsByZone (zones: readonly Zone[]): number[] {
  const seconds = new Array<number>(MOST_ZONES).fill(0)
  for (const { zone, time_s } of zones) seconds[zone] = time_s
  return seconds
}

/** Adds up the seconds in each zone; null counts for nothing. */
export function addZones (each: ReadonlyArray<ReadonlyArray<number | null>>): number[] {
  const sums = new Array<number>(MOST_ZONES).fill(0)
  for (const seconds of each) for (const [zone, time] of seconds.entries()) sums[zone]! += time ?? 0
  return sums
}

/** Added-up seconds as zones of a model, with the limits of these settings; null where they do not define them. */
export function addedHeartRateZones (
  model: HeartRateModel,
  secondsFromZone0: readonly number[],
  settings: BodySettings
): ZoneTimes<HeartRateModel> | null {
  const limits = heartRateLimits(model, settings)
  if (limits === null) return null
  return heartRateZonesOf(model, limits, model === 'friel' ? secondsFromZone0.slice(1) : secondsFromZone0)
}

/** Added-up seconds as pace zones, with the limits of these settings; null without a threshold pace. */
export function addedPaceZones (
  secondsFromZone0: readonly number[],
  settings: BodySettings
): ZoneTimes<'friel'> | null {
  const limits = paceLimits(settings)
  return limits === null ? null : paceZonesOf(limits, secondsFromZone0.slice(1).reverse())
}

function heartRateModel (sport: Sport, settings: BodySettings): HeartRateModel | null {
  if (settings.threshold_heart_rate_bpm !== null && sport === 'running') return 'friel'
  return heartRateLimits('karvonen', settings) !== null
    ? 'karvonen'
    : heartRateLimits('percent_of_max', settings) !== null ? 'percent_of_max' : null
}

/** The lower limits of the zones in beats per minute; null where the settings do not define them. */
function heartRateLimits (model: HeartRateModel, settings: BodySettings): number[] | null {
  const {
    max_heart_rate_bpm: max,
    resting_heart_rate_bpm: resting,
    threshold_heart_rate_bpm: threshold
  } = settings
  if (model === 'friel') return threshold === null ? null : [0, ...FRIEL_HEART_RATE.map((share) => share * threshold)]
  if (max === null) return null
  if (model === 'percent_of_max') return [0, ...SHARES.map((share) => share * max)]
  if (resting === null || resting >= max) return null
  return [0, ...SHARES.map((share) => resting + share * (max - resting))]
}

/** The lower limits of the zones in s/km, the fastest first. */
function paceLimits ({ threshold_pace_s_per_km: threshold }: BodySettings): number[] | null {
  return threshold === null ? null : [0, ...FRIEL_PACE.map((share) => share * threshold).reverse()]
}

function heartRateZonesOf (
  model: HeartRateModel,
  limits: readonly number[],
  seconds: ArrayLike<number>
): ZoneTimes<HeartRateModel> {
  if (model === 'friel') return { model, zones: zonesBetween(limits, 1, seconds) }
  const [below, ...zones] = zonesBetween(limits, 0, seconds)
  return { model, zones: below!.time_s > 0 ? [below!, ...zones] : zones }
}

function paceZonesOf (limits: readonly number[], seconds: ArrayLike<number>): ZoneTimes<'friel'> {
  const zones = zonesBetween(limits, 1, seconds).reverse()
  return { model: 'friel', zones: zones.map((zone, i) => ({ ...zone, zone: i + 1 })) }
}

function secondsBetween (limits: readonly number[], times: Times): Float64Array {
  const seconds = new Float64Array(limits.length)
  for (const [value, time] of times) {
    let place = limits.length - 1
    while (place > 0 && value < limits[place]!) place--
    seconds[place]! += time
  }
  return seconds
}

function zonesBetween (limits: readonly number[], first: number, seconds: ArrayLike<number>): Zone[] {
  return limits.map((low, i) => ({
    zone: first + i,
    low: rounded(low, 1)!,
    high: rounded(limits[i + 1] ?? null, 1),
    time_s: rounded(seconds[i] ?? 0, 1)!
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

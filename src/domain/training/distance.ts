import { medianStep } from '../filled.ts'
import type { Pause } from '../recording.ts'

/** The mean radius of the Earth (IUGG), in metres. */
export const EARTH_RADIUS_M = 6_371_008.8

const RADIANS = Math.PI / 180

/**
 * The great-circle distance between two positions, in metres, by the haversine formula:
 *
 *     a = sin²(Δφ/2) + cos φ1 · cos φ2 · sin²(Δλ/2),   d = 2R · asin(√a)
 *
 * `a` is clamped to 1, so that antipodes give half the circumference and not NaN. The Earth is assumed to be a sphere,
 * which is up to 0.5 % off.
 */
export function haversineM (
  latitude1Deg: number,
  longitude1Deg: number,
  latitude2Deg: number,
  longitude2Deg: number
): number {
  const halfLatitude = Math.sin(((latitude2Deg - latitude1Deg) * RADIANS) / 2)
  const halfLongitude = Math.sin(((longitude2Deg - longitude1Deg) * RADIANS) / 2)
  const a =
    halfLatitude * halfLatitude +
    Math.cos(latitude1Deg * RADIANS) * Math.cos(latitude2Deg * RADIANS) * halfLongitude * halfLongitude
  return 2 * EARTH_RADIUS_M * Math.asin(Math.sqrt(Math.min(1, a)))
}

export interface Positions {
  timeS: Float64Array
  latitudeDeg: Float64Array
  longitudeDeg: Float64Array
}

/** After this many positions in a row that agree with each other, the last good one was the wrong one. */
const REFUSALS = 5

export interface Track {
  /** Metres since the first position, at each row with one; NaN at the others. */
  distanceM: Float64Array<ArrayBuffer>
  /** The rows whose position is out of reach of the others. */
  refused: number[]
}

export interface Interruptions {
  /** Seconds on the running timer at each row: what is covered while it stands does not count. */
  activeS: Float64Array
  /**
   * The rows after which the recording was interrupted, and for how many seconds of the interruption the last speed
   * counts; the rest of the gap was not run.
   */
  breaks: ReadonlyMap<number, number>
}

/**
 * The distance along the positions.
 *
 * A position out of reach of the last good one (faster than `limitMPerS`) is refused, and so is the good one, if those
 * after it agree with each other: after five of them, or at the end if they are more, the track continues with them,
 * and the leap does not count.
 */
export function trackOf (positions: Positions, limitMPerS: number, { activeS, breaks }: Interruptions): Track {
  const { timeS, latitudeDeg, longitudeDeg } = positions
  const distanceM = new Float64Array(timeS.length).fill(Number.NaN)
  const refused: number[] = []
  /** Positions out of reach of the last good one that agree with each other. */
  let rivals: number[] = []
  /** The good positions since the last leap. */
  let good: number[] = []
  let total = 0
  let speedMPerS = 0
  let countedS: number | undefined

  const between = (from: number, to: number): number =>
    haversineM(latitudeDeg[from]!, longitudeDeg[from]!, latitudeDeg[to]!, longitudeDeg[to]!)
  const reaches = (from: number, to: number, stepM: number): boolean =>
    stepM <= limitMPerS * (timeS[to]! - timeS[from]!)
  const adopt = (): void => {
    if (good.length < rivals.length && good.length < REFUSALS) refused.push(...good)
    for (const [k, row] of rivals.entries()) {
      if (k > 0) total += activeShare(rivals[k - 1]!, row) * between(rivals[k - 1]!, row)
      distanceM[row] = total
    }
    good = rivals
    rivals = []
  }
  const activeShare = (from: number, to: number): number => {
    const stepS = timeS[to]! - timeS[from]!
    return stepS > 0 ? Math.min(1, Math.max(0, (activeS[to]! - activeS[from]!) / stepS)) : 1
  }

  for (let i = 0; i < timeS.length; i++) {
    countedS = breaks.get(i - 1) ?? countedS
    if (Number.isNaN(latitudeDeg[i]!)) continue
    const last = good.at(-1)
    if (last === undefined) {
      distanceM[i] = total
      good.push(i)
      countedS = undefined
      continue
    }
    const stepM = between(last, i)
    if (countedS !== undefined) {
      total += Math.min(stepM, speedMPerS * countedS) * (activeShare(last, i) > 0 ? 1 : 0)
    } else if (reaches(last, i, stepM)) {
      const countedM = stepM * activeShare(last, i)
      total += countedM
      speedMPerS = stepM / (timeS[i]! - timeS[last]!)
    } else {
      const rival = rivals.at(-1)
      if (rival === undefined || !reaches(rival, i, between(rival, i))) {
        refused.push(...rivals)
        rivals = []
      }
      rivals.push(i)
      distanceM[i] = total
      if (rivals.length >= REFUSALS) adopt()
      continue
    }
    // Rivals that this position agrees with were only late: positions told every 12 s leap, and are right.
    const rival = rivals.at(-1)
    if (rival !== undefined && !reaches(rival, i, between(rival, i))) refused.push(...rivals)
    rivals = []
    distanceM[i] = total
    good.push(i)
    // Only their number up to the limit matters, and the last of them.
    if (good.length > 2 * REFUSALS) good.splice(0, REFUSALS)
    countedS = undefined
  }
  if (rivals.length > 1 && rivals.length > good.length) adopt()
  else refused.push(...rivals)
  return { distanceM, refused }
}

/**
 * The shortest way that the positions allow, in metres: along stretches without an interruption, from the first
 * position to the farthest from it.
 */
export function leastWayM (positions: Positions, pauses: readonly Pause[]): number {
  const pausesS = tidyPauses([...pauses, ...interruptions(positions.timeS).pauses])
  const { timeS, latitudeDeg, longitudeDeg } = positions
  let total = 0
  let farthest = 0
  let first = -1
  let next = 0
  for (let i = 0; i < timeS.length; i++) {
    if (Number.isNaN(latitudeDeg[i]!)) continue
    if (next < pausesS.length && timeS[i]! > pausesS[next]!.startS) {
      if (timeS[i]! < pausesS[next]!.endS) continue
      while (next < pausesS.length && timeS[i]! >= pausesS[next]!.endS) next++
      total += farthest
      farthest = 0
      first = i
    }
    if (first < 0) first = i
    const away = haversineM(latitudeDeg[first]!, longitudeDeg[first]!, latitudeDeg[i]!, longitudeDeg[i]!)
    farthest = Math.max(farthest, away)
  }
  return total + farthest
}

/** The pauses sorted, merged where they overlap, and without empty ones. */
export function tidyPauses (pauses: readonly Pause[]): Pause[] {
  const tidy: Pause[] = []
  const sorted = pauses
    .filter(({ startS, endS }) => Number.isFinite(startS) && Number.isFinite(endS) && endS > Math.max(0, startS))
    .sort((a, b) => a.startS - b.startS)
  for (const { startS, endS } of sorted) {
    const last = tidy.at(-1)
    if (last && startS <= last.endS) last.endS = Math.max(last.endS, endS)
    else tidy.push({ startS: Math.max(0, startS), endS })
  }
  return tidy
}

/** A device that records every second and then nothing for half a minute was not recording meanwhile. */
const INTERRUPTION_S = 30
const INTERRUPTION_STEPS = 10

/**
 * Pauses that the file does not state: gaps of at least 30 s and of ten times the usual step. If the distance comes
 * from positions, the straight line across the gap does not count, as it would not on the watch; only up to one step
 * after the last record and one before the next count.
 */
export function interruptions (timeS: Float64Array): { pauses: Pause[], breaks: Map<number, number> } {
  const usualS = medianStep(timeS.length, (i) => timeS[i + 1]! - timeS[i]!)
  const shortest = Math.max(INTERRUPTION_S, INTERRUPTION_STEPS * usualS)
  const pauses: Pause[] = []
  const breaks = new Map<number, number>()
  for (let i = 1; i < timeS.length; i++) {
    if (timeS[i]! - timeS[i - 1]! < shortest) continue
    pauses.push({ startS: timeS[i - 1]!, endS: timeS[i]! })
    breaks.set(i - 1, 2 * usualS)
  }
  return { pauses, breaks }
}

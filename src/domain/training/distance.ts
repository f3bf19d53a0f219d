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

/** Positions of one place are up to this far apart, in metres. */
export const POSITION_NOISE_M = 10

/**
 * The shortest way that the positions allow, in metres: along stretches without an interruption or a leap, from the
 * first position to the farthest from it, less their noise. A leap is a step faster than `limitMPerS` since the
 * position last changed.
 */
export function leastWayM (positions: Positions, pauses: readonly Pause[], limitMPerS: number): number {
  const pausesS = tidyPauses([...pauses, ...interruptions(positions.timeS).pauses])
  const { timeS, latitudeDeg, longitudeDeg } = positions
  let total = 0
  let farthest = 0
  let first = -1
  let next = 0
  let lastAwayM = 0
  let changedS = 0
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
    let awayM = haversineM(latitudeDeg[first]!, longitudeDeg[first]!, latitudeDeg[i]!, longitudeDeg[i]!)
    if (first === i) {
      changedS = timeS[i]!
    } else if (Math.abs(awayM - lastAwayM) > limitMPerS * (timeS[i]! - changedS)) {
      total += farthest
      farthest = awayM = 0
      first = i
    }
    if (awayM !== lastAwayM || first === i) changedS = timeS[i]!
    lastAwayM = awayM
    farthest = Math.max(farthest, awayM)
  }
  return Math.max(0, total + farthest - POSITION_NOISE_M)
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

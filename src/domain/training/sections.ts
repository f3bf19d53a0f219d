import { filled } from '../filled.ts'
import type { Columns, Pause, Recording } from '../recording.ts'
import type { Basis } from './basis.ts'
import { curveOf, valueAt, type Curve } from './curve.ts'
import { smoothAltitude } from './elevation.ts'
import { shortestTimeS } from './limits.ts'
import { activeTimeS } from './moving.ts'

/** A lap or a split, as the API shows it. */
export interface Section {
  /** From 1. */
  index: number
  /** Seconds since the start of the activity. */
  start_s: number
  distance_m: number | null
  elapsed_s: number
  /** At most `elapsed_s`. */
  moving_s: number
  elevation_gain_m: number | null
  average_heart_rate_bpm: number | null
}

/** The figures of the whole activity, which its sections add up to. */
export interface Totals {
  distance_m: number | null
  elapsed_s: number
  moving_s: number
  elevation_gain_m: number | null
}

/** What is needed to tell the figures of any section of a recording. */
export interface Course {
  totals: Totals
  /** Metres since the start, in proportion to the believed total. No moments where there is no distance. */
  distanceM: Curve
  /** Seconds in motion since the start. */
  movingS: Curve
  /** Metres climbed since the start, every rise of the smoothed altitude counted. */
  climbedM: Curve
  /** Heart beats · 60, and the seconds in which they were counted. */
  beats: Curve
  beatsS: Curve
}

/** Heart rates further apart than this, in seconds, have a gap between them. */
const LONGEST_GAP_S = 60

/** The course of a recording whose figures are these. */
export function courseOf (
  recording: Pick<Recording, 'columns' | 'pauses' | 'sport'>,
  totals: Totals,
  { activeS, standing }: Pick<Basis, 'activeS' | 'standing'>
): Course {
  const { columns, pauses } = recording
  const { timeS } = columns
  const { beats, beatsS } = heartBeats(columns, activeS)
  return {
    totals,
    distanceM: curveOf(timeS, scaledTo(recording, totals.distance_m)),
    movingS: movingCurve(timeS, [...pauses, ...standing.stretches]),
    climbedM: climbCurve(columns),
    beats,
    beatsS
  }
}

/**
 * The distances of the records in proportion to a total: the device's sum and its last record often differ a little.
 * As they are where the total cannot be covered in the time of the records: they tell of a part of the activity alone.
 */
export function scaledTo (
  { columns: { timeS, distanceM }, sport }: Pick<Recording, 'columns' | 'sport'>,
  totalM: number | null
): Float64Array<ArrayBuffer> {
  const last = distanceM.findLast((value) => !Number.isNaN(value))
  const isOfAll = totalM !== null && last !== undefined && last > 0 && shortestTimeS(sport, totalM) <= timeS.at(-1)!
  const scale = isOfAll ? totalM / last : 1
  return filled(distanceM.length, (row) => distanceM[row]! * scale)
}

/** Moving time: neither pauses nor stretches of standing. */
function movingCurve (timeS: Float64Array, stops: readonly Pause[]): Curve {
  return curveOf(timeS, activeTimeS(timeS, merged(stops)))
}

/** The same stretches in order, those that overlap as one. */
function merged (stretches: readonly Pause[]): Pause[] {
  const apart: Pause[] = []
  for (const { startS, endS } of stretches.toSorted((a, b) => a.startS - b.startS)) {
    const last = apart.at(-1)
    if (last !== undefined && startS <= last.endS) last.endS = Math.max(last.endS, endS)
    else apart.push({ startS, endS })
  }
  return apart
}

function climbCurve ({ timeS, altitudeM }: Columns): Curve {
  const climbed = smoothAltitude(timeS, altitudeM)
  let total = 0
  let before = Number.NaN
  for (let i = 0; i < climbed.length; i++) {
    const altitude = climbed[i]!
    if (Number.isNaN(altitude)) continue
    if (altitude > before) total += altitude - before
    before = altitude
    climbed[i] = total
  }
  return curveOf(timeS, climbed)
}

function heartBeats ({ timeS, heartRateBpm }: Columns, activeS: Float64Array): { beats: Curve, beatsS: Curve } {
  const beats = new Float64Array(timeS.length).fill(Number.NaN)
  const seconds = new Float64Array(timeS.length).fill(Number.NaN)
  let sum = 0
  let sumS = 0
  let last = -1
  for (let i = 0; i < timeS.length; i++) {
    const rate = heartRateBpm[i]!
    if (!(rate > 0)) continue
    const stepS = last < 0 ? 0 : activeS[i]! - activeS[last]!
    if (last >= 0 && stepS <= LONGEST_GAP_S) {
      sum += (rate + heartRateBpm[last]!) / 2 * stepS
      sumS += stepS
    }
    beats[i] = sum
    seconds[i] = sumS
    last = i
  }
  return { beats: curveOf(timeS, beats), beatsS: curveOf(timeS, seconds) }
}

/** The figures of one section by its records alone. */
export interface Measured {
  elapsedS: number
  distanceM: number
  /** At most `elapsedS`. */
  movingS: number
  climbedM: number
  heartRateBpm: number | null
}

export function measured (course: Course, fromS: number, toS: number): Measured {
  const over = (curve: Curve): number => Math.max(0, valueAt(curve, toS) - valueAt(curve, fromS))
  const beatsS = over(course.beatsS)
  const elapsedS = Math.max(0, toS - fromS)
  return {
    elapsedS,
    distanceM: over(course.distanceM),
    movingS: Math.min(elapsedS, over(course.movingS)),
    climbedM: over(course.climbedM),
    heartRateBpm: beatsS > 0 ? over(course.beats) / beatsS : null
  }
}

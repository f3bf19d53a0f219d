import type { Columns } from '../recording.ts'
import { smoothAltitude } from './elevation.ts'

/** The steepest grade that Minetti measured, up and down; beyond it the cost is that of ±45 %. */
const STEEPEST = 0.45
/** Joules per kilogram and metre on flat ground: C(0). */
const FLAT_COST = 3.6

/**
 * The energy cost of running on a grade of `grade` (rise over run), in J/kg/m:
 *
 *     C(i) = 155.4i⁵ − 30.4i⁴ − 43.3i³ + 46.3i² + 19.5i + 3.6,   i clamped to ±0.45
 *
 * Minetti et al. (2002), Energy cost of walking and running at extreme uphill and downhill slopes. J. Appl. Physiol.
 * 93.
 */
export function minettiCost (grade: number): number {
  const i = Math.max(-STEEPEST, Math.min(STEEPEST, grade))
  return ((((155.4 * i - 30.4) * i - 43.3) * i + 46.3) * i + 19.5) * i + FLAT_COST
}

/**
 * The factor by which the same effort is faster on flat ground: C(i)/3.6, so 1 on flat ground, 1.6578 at +10 %, 0.5977
 * at −10 %.
 */
export function gradeFactor (grade: number): number {
  return minettiCost(grade) / FLAT_COST
}

/**
 * The grade at a point is the rise of the smoothed altitude over this many metres around it. A shorter window would
 * measure the noise of the sensor.
 */
export const GRADE_WINDOW_M = 60

export interface Course {
  timeS: Float64Array
  distanceM: Float64Array
  altitudeM: Float64Array
}

/**
 * The distance since the start that could have been run on flat ground at the same energy cost, in metres, at each
 * record with a distance (NaN at the others). Where the altitude is unknown, the grade is assumed to be 0. Null if the
 * altitude is known at fewer than half of the records with a distance.
 */
export function gradeAdjustedDistanceM (
  course: Course,
  windowM: number = GRADE_WINDOW_M
): Float64Array<ArrayBuffer> | null {
  const { timeS, distanceM } = course
  const altitudeM = smoothAltitude(timeS, course.altitudeM)
  const placed: number[] = []
  const known: number[] = []
  for (let i = 0; i < distanceM.length; i++) {
    if (Number.isNaN(distanceM[i]!)) continue
    placed.push(i)
    if (!Number.isNaN(altitudeM[i]!)) known.push(i)
  }
  if (known.length < 2 || known.length * 2 < placed.length) return null

  const adjustedM = new Float64Array(distanceM.length).fill(Number.NaN)
  let total = 0
  let from = 0
  let to = 0
  let previous = -1
  for (const i of placed) {
    if (previous >= 0) {
      const stepM = distanceM[i]! - distanceM[previous]!
      const middleM = distanceM[previous]! + stepM / 2
      // The last known altitude before the window and the first one after it.
      while (from + 1 < known.length && distanceM[known[from + 1]!]! <= middleM - windowM / 2) from++
      while (to + 1 < known.length && distanceM[known[to]!]! < middleM + windowM / 2) to++
      total += stepM * gradeFactor(gradeBetween(distanceM, altitudeM, [known[from]!, known[to]!], windowM))
    }
    adjustedM[i] = total
    previous = i
  }
  return adjustedM
}

/**
 * Rise over run between two records; 0 if they are too close together to tell, or so far apart that altitudes are
 * missing between them.
 */
function gradeBetween (
  distanceM: Float64Array,
  altitudeM: Float64Array,
  [from, to]: [number, number],
  windowM: number
): number {
  const runM = distanceM[to]! - distanceM[from]!
  if (!(runM >= windowM / 4) || runM > windowM * 10) return 0
  return (altitudeM[to]! - altitudeM[from]!) / runM
}

/** Speed is averaged over this many seconds before it is raised to the fourth power: the body responds no faster. */
const ROLLING_S = 30

/**
 * Normalized graded speed in m/s: the 4th-power mean of the 30 s rolling grade-adjusted speed. Null if there is no
 * movement or no time.
 *
 * Allen, H., Coggan, A. (2010), Training and Racing with a Power Meter: their normalized power, of speed.
 *
 * `activeS` is the time on the running timer, so that pauses do not count, and `adjustedM` the grade-adjusted distance,
 * both at the same records and never decreasing. Records without a distance are ignored. The first 30 s have no full
 * window before them and share that of the 30th second.
 */
export function normalizedGradedSpeed (activeS: Float64Array, adjustedM: Float64Array): number | null {
  const times: number[] = []
  const places: number[] = []
  for (let i = 0; i < activeS.length; i++) {
    if (Number.isNaN(adjustedM[i]!) || (times.length > 0 && !(activeS[i]! > times.at(-1)!))) continue
    times.push(activeS[i]!)
    places.push(adjustedM[i]!)
  }
  if (times.length < 2) return null
  const startS = times[0]!
  const durationS = times.at(-1)! - startS
  if (durationS <= ROLLING_S) return (places.at(-1)! - places[0]!) / durationS || null

  let sum = 0
  let behind = 0
  let ahead = 0
  // Second by second, both ends of the window interpolated between the records around them.
  const count = Math.floor(durationS - ROLLING_S)
  for (let second = 0; second <= count; second++) {
    const fromS = startS + second
    while (times[behind + 1]! < fromS) behind++
    while (times[ahead + 1]! < fromS + ROLLING_S) ahead++
    const speed = (between(times, places, ahead, fromS + ROLLING_S) - between(times, places, behind, fromS)) / ROLLING_S
    sum += speed ** 4
  }
  return (sum / (count + 1)) ** (1 / 4) || null
}

/**
 * The normalized graded speed of a recording in m/s, by its grade-adjusted distance, or its plain one where the
 * altitude is unknown (`adjustedM` is null). Null if it has no distance.
 */
export function gradedSpeedOf (
  columns: Columns,
  activeS: Float64Array,
  adjustedM: Float64Array | null = gradeAdjustedDistanceM(columns)
): number | null {
  return normalizedGradedSpeed(activeS, adjustedM ?? columns.distanceM)
}

function between (times: number[], places: number[], i: number, timeS: number): number {
  const share = (timeS - times[i]!) / (times[i + 1]! - times[i]!)
  return places[i]! + (places[i + 1]! - places[i]!) * share
}

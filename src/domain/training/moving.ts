import { medianStep } from '../filled.ts'
import type { Columns, Pause } from '../recording.ts'
import { smoothAltitude } from './elevation.ts'

/** Slower than this, in m/s, counts as standing: 33 minutes per kilometre. */
export const STANDING_M_PER_S = 0.5
/** Only a stop of at least this many seconds counts, and speed is measured over as many. */
export const SHORTEST_STOP_S = 10
/** Where the distance changes seldom, speed is measured over as many changes: one may come late. */
const CHANGES = 3
/** No device that records a way tells of changes less often, in seconds. */
const LONGEST_CHANGE_S = 60
/** With steps like these, a minute, nobody stands. */
const STEPS_SPM = 30
/** Who climbs or descends faster than this, in m/s, is on the way. */
const CLIMBING_M_PER_S = 0.1
/** A rise or fall up to this, in metres, may be the noise of the heights. */
const LEAST_CLIMB_M = 2
/** A stretch is looked through for climbs in pieces of as many seconds. */
const CLIMB_PIECE_S = 60

/** Seconds on the running timer at each record: the time since the start minus the pauses until then. */
export function activeTimeS (timeS: Float64Array, pauses: readonly Pause[]): Float64Array<ArrayBuffer> {
  const activeS = new Float64Array(timeS.length)
  let pausedS = 0
  let next = 0
  for (let i = 0; i < timeS.length; i++) {
    const time = timeS[i]!
    while (next < pauses.length && pauses[next]!.endS <= time) {
      pausedS += pauses[next]!.endS - pauses[next]!.startS
      next++
    }
    const pause = pauses[next]
    activeS[i] = time - pausedS - (pause && pause.startS < time ? time - pause.startS : 0)
  }
  return activeS
}

/** The columns that tell of going. Those of steps, heights and speeds may be left out. */
export type Going = Pick<Columns, 'timeS' | 'distanceM'> & Partial<Pick<Columns, 'cadenceSpm' | 'altitudeM' | 'speedMPerS'>>

/**
 * Seconds of standing: the sum of the stretches of at least 10 s in which nothing tells of going. `timeS` may be
 * another time of the records. Null if the distance is known at fewer than two records or is never above 0.
 */
export function standingTimeS (going: Going, timeS: Float64Array = going.timeS): number | null {
  const stretches = standingStretches({ ...going, timeS: timeS as Columns['timeS'] })
  return stretches && stretches.reduce((sum, { startS, endS }) => sum + endS - startS, 0)
}

/**
 * The stretches of at least 10 s in which nothing tells of going: the speed over 10 s (over three changes of the
 * distance where they come seldom) is below 0.5 m/s, the steps are fewer than 30 a minute, the device's own speed is
 * below 0.5 m/s, and climbing or descending is below 0.1 m/s. Null if the distance is known at fewer than two records
 * or is never above 0.
 */
export function standingStretches (going: Going, slow: Slow | null = slowOf(going)): Pause[] | null {
  if (slow === null) return null
  const heights = going.altitudeM && smoothAltitude(going.timeS, going.altitudeM)
  const { stretches, speedMPerS } = slow
  return stretches.flatMap((stretch) => {
    const parts = stillParts(going, stretch, heights)
    // What was covered before or after standing within one long step took its time.
    const last = parts.at(-1)
    if (last) last.endS -= longStepsM(going, stretch) / speedMPerS
    return parts.filter(({ startS, endS }) => endS - startS >= SHORTEST_STOP_S)
  })
}

/** Where a recording stands. */
export interface Standing {
  stretches: Pause[]
  /** By the distance alone, whatever steps, heights and speeds tell. */
  byDistance: Pause[]
}

export function standingOf (columns: Columns): Standing {
  const { timeS, distanceM } = columns
  const isToldOnTheSpot = !columns.latitudeDeg.every(Number.isNaN) || !columns.speedMPerS.every(Number.isNaN)
  const slow = slowOf(columns, isToldOnTheSpot)
  return {
    stretches: standingStretches(columns, slow) ?? [],
    byDistance: standingStretches({ timeS, distanceM }, slow) ?? []
  }
}

/** The stretches in which hardly any distance is covered, whatever else tells of going. */
export interface Slow {
  stretches: Stretch[]
  /** The mean speed outside them, in m/s. */
  speedMPerS: number
}

/**
 * Null if the distance is known at fewer than two records, or is never above 0 and nothing but the distance tells that
 * the runner is on the spot: devices write 0 for a distance that they do not measure.
 */
export function slowOf (going: Pick<Going, 'timeS' | 'distanceM'>, isToldOnTheSpot = false): Slow | null {
  const { distanceM } = going
  const known: number[] = []
  for (let i = 0; i < distanceM.length; i++) if (!Number.isNaN(distanceM[i]!)) known.push(i)
  if (known.length === 0 || !(distanceM[known.at(-1)!]! > 0 || isToldOnTheSpot)) return null
  const { rows, windowS } = changesOf(going, known)
  const stretches = slowStretches(going, rows, windowS)
  return { stretches, speedMPerS: goingSpeedMPerS(going, rows, stretches) }
}

/** The mean speed, in m/s, outside the slow stretches. */
function goingSpeedMPerS ({ timeS, distanceM }: Going, rows: number[], slow: Stretch[]): number {
  const length = (from: number, to: number): number => timeS[rows[to]!]! - timeS[rows[from]!]!
  const slowS = slow.reduce((sum, { from, to }) => sum + length(from, to), 0)
  const goingS = length(0, rows.length - 1) - slowS
  return Math.max(STANDING_M_PER_S, goingS > 0 ? (distanceM[rows.at(-1)!]! - distanceM[rows[0]!]!) / goingS : 0)
}

/** The metres covered in steps that alone are long enough for a stop. */
function longStepsM ({ timeS, distanceM }: Going, { from, to, rows }: Stretch): number {
  let metres = 0
  for (let k = from; k < to; k++) {
    const [row, next] = [rows[k]!, rows[k + 1]!]
    if (timeS[next]! - timeS[row]! > SHORTEST_STOP_S) metres += distanceM[next]! - distanceM[row]!
  }
  return metres
}

/** A stretch between two places in `rows`. */
interface Stretch {
  from: number
  to: number
  rows: number[]
}

/**
 * The rows between which the speed is measured, and over how long. Where the distance changes seldom, only the rows at
 * which it changes tell the speed: it does not stand between them.
 */
function changesOf ({ timeS, distanceM }: Going, known: number[]): { rows: number[], windowS: number } {
  const changes = known.filter((row, k) => k === 0 || distanceM[row]! > distanceM[known[k - 1]!]!)
  const apartS = medianStep(changes.length, (k) => timeS[changes[k + 1]!]! - timeS[changes[k]!]!)
  const windowS = CHANGES * Math.min(apartS, LONGEST_CHANGE_S)
  if (windowS <= SHORTEST_STOP_S) return { rows: known, windowS: SHORTEST_STOP_S }
  // What follows the last change is a stop if it is longer than the changes are apart.
  const last = known.at(-1)!
  return { rows: changes.at(-1) === last ? changes : [...changes, last], windowS }
}

/** The stretches, as places in `rows`, that windows with a mean speed below that of standing cover. */
function slowStretches ({ timeS, distanceM }: Going, rows: number[], windowS: number): Stretch[] {
  const stretches: Stretch[] = []
  const time = (k: number): number => timeS[rows[k]!]!
  const way = (k: number): number => distanceM[rows[k]!]!
  let to = 0
  for (let from = 0; from + 1 < rows.length; from++) {
    to = Math.max(to, from + 1)
    while (to + 1 < rows.length && time(to) - time(from) < windowS) to++
    const lastsS = time(to) - time(from)
    if (lastsS < windowS || way(to) - way(from) >= STANDING_M_PER_S * lastsS) continue
    const last = stretches.at(-1)
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else stretches.push({ from, to, rows })
  }
  const isGoing = (k: number): boolean => way(k + 1) - way(k) >= STANDING_M_PER_S * (time(k + 1) - time(k))
  for (const stretch of stretches) {
    while (stretch.from < stretch.to && isGoing(stretch.from)) stretch.from++
    while (stretch.to > stretch.from && isGoing(stretch.to - 1)) stretch.to--
  }
  return stretches.filter(({ from, to }) => to > from)
}

/** The parts of a slow stretch in which neither steps, nor the device's speed, nor a climb tells of going. */
function stillParts (
  { timeS, cadenceSpm, speedMPerS }: Going,
  { from, to, rows }: Stretch,
  heights: Float64Array | undefined
): Pause[] {
  const parts: Pause[] = []
  const first = rows[from]!
  const last = rows[to]!
  for (let i = first; i < last; i++) {
    // Values on either side of a gap tell nothing of it.
    const goes = timeS[i + 1]! - timeS[i]! <= SHORTEST_STOP_S && (lower(cadenceSpm, i) >= STEPS_SPM ||
      lower(speedMPerS, i) >= STANDING_M_PER_S)
    if (goes) continue
    const part = parts.at(-1)
    if (part && part.endS === timeS[i]) part.endS = timeS[i + 1]!
    else parts.push({ startS: timeS[i]!, endS: timeS[i + 1]! })
  }
  return heights === undefined ? parts : parts.flatMap((part) => withoutClimbs(timeS, heights, part))
}

/** The lower of the values at a row and the next; NaN if one is unknown. */
function lower (column: Float64Array | undefined, row: number): number {
  return column === undefined ? Number.NaN : Math.min(column[row]!, column[row + 1]!)
}

/** What is left of a part without its pieces of a minute that climb or descend. */
function withoutClimbs (timeS: Float64Array, heights: Float64Array, { startS, endS }: Pause): Pause[] {
  const parts: Pause[] = []
  const pieces = Math.max(1, Math.round((endS - startS) / CLIMB_PIECE_S))
  const lengthS = (endS - startS) / pieces
  let row = firstFrom(timeS, startS)
  for (let piece = 0; piece < pieces; piece++) {
    const [from, to] = [startS + piece * lengthS, piece + 1 === pieces ? endS : startS + (piece + 1) * lengthS]
    let first = Number.NaN
    let last = Number.NaN
    for (; row < timeS.length && timeS[row]! <= to; row++) {
      if (Number.isNaN(heights[row]!)) continue
      if (Number.isNaN(first)) first = heights[row]!
      last = heights[row]!
    }
    row = Math.max(0, row - 1)
    if (Math.abs(last - first) >= Math.max(LEAST_CLIMB_M, CLIMBING_M_PER_S * lengthS)) continue
    const part = parts.at(-1)
    if (part && part.endS === from) part.endS = to
    else parts.push({ startS: from, endS: to })
  }
  return parts
}

/** The first row at or after a time. */
function firstFrom (timeS: Float64Array, fromS: number): number {
  let [low, high] = [0, timeS.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (timeS[middle]! < fromS) low = middle + 1
    else high = middle
  }
  return low
}

export interface TimedMean {
  /** Null if no value is known. */
  mean: number | null
  /** The time that it covers. */
  seconds: number
}

/**
 * The mean of a column, weighted by time on the running timer, over stretches between values at most `longestGapS`
 * apart. Gaps and values below `from` are skipped; they never count as zero.
 */
export function meanOverTime (
  activeS: Float64Array,
  column: Float64Array,
  { longestGapS = 60, from = Number.NEGATIVE_INFINITY } = {}
): TimedMean {
  let weighted = 0
  let seconds = 0
  let last = -1
  for (let i = 0; i < column.length; i++) {
    const value = column[i]!
    if (!(value >= from)) continue
    if (last >= 0) {
      const stepS = activeS[i]! - activeS[last]!
      if (stepS <= longestGapS) {
        weighted += ((value + column[last]!) / 2) * stepS
        seconds += stepS
      }
    }
    last = i
  }
  if (seconds > 0) return { mean: weighted / seconds, seconds }
  return { mean: last < 0 ? null : column[last]!, seconds }
}

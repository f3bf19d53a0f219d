/** Altitudes are averaged over this many seconds before and after. */
export const SMOOTHING_S = 10
/** What measured the heights, as far as the file tells. */
export const HEIGHT_SOURCES = ['barometer', 'gps', 'unknown'] as const
export type HeightSource = typeof HEIGHT_SOURCES[number]

/**
 * The smallest rise or fall that counts, in metres, where the heights are quiet. The figures of watches with a
 * barometer agree within 10 % at 2 m; heights of GPS drift slowly by more than that, which their noise does not show.
 */
export const LEAST_THRESHOLD_M: Record<HeightSource, number> = { barometer: 2, gps: 4, unknown: 2 }
/** The threshold is as many standard deviations of the noise that smoothing leaves: it turns seldom by more. */
const NOISE_DEVIATIONS = 6
/** Heights further apart in time than this do not tell the noise from the ground. */
const NOISE_REACH_S = 30
/** Noise of GPS that drifts is told by heights this far apart, in seconds: ground is straight over the shorter time. */
const DRIFT_S = 40
const ROUGH_S = 5
/** A drift grows with the root of the time: over eight times the time by so much, and with a margin. */
const DRIFT_GROWTH = 3.2
/** The threshold is as many times the drift over 40 s. */
const DRIFT_DEVIATIONS = 7

export interface Elevation {
  gainM: number
  lossM: number
  /** The smallest rise or fall that counted. */
  thresholdM: number
}

/**
 * Altitudes without the noise of the sensor: each is the mean of those within `SMOOTHING_S` on either side. The window
 * narrows towards both ends, so that the first and the last altitude stay unchanged and a climb stays a climb. Gaps
 * stay gaps.
 */
export function smoothAltitude (timeS: Float64Array, altitudeM: Float64Array): Float64Array<ArrayBuffer> {
  const known: number[] = []
  for (let i = 0; i < altitudeM.length; i++) {
    if (!Number.isNaN(altitudeM[i]!)) known.push(i)
  }
  const smooth = new Float64Array(altitudeM.length).fill(Number.NaN)
  const startS = known.length > 0 ? timeS[known[0]!]! : 0
  const endS = known.length > 0 ? timeS[known.at(-1)!]! : 0
  let from = 0
  let to = 0
  let sum = 0
  for (const i of known) {
    const reachS = Math.min(SMOOTHING_S, timeS[i]! - startS, endS - timeS[i]!)
    while (to < known.length && timeS[known[to]!]! <= timeS[i]! + reachS) sum += altitudeM[known[to++]!]!
    while (timeS[known[from]!]! < timeS[i]! - reachS) sum -= altitudeM[known[from++]!]!
    smooth[i] = sum / (to - from)
  }
  return smooth
}

/**
 * The smallest rise or fall that counts in these heights, in metres, rounded to 0.1: it follows their own noise.
 *
 *     σ² = mean(d²) · 2/3,   d = height − the mean of its neighbours by time
 *     threshold = max(2 m, or 4 m of GPS, 6 σ / √n, 7 drift of GPS)
 *
 * n is the number of heights that are averaged in smoothing. A steady climb has no d. Each d is held to ten times the
 * mean of their amounts, so that one spike does not carry the sum.
 */
export function thresholdOf (timeS: Float64Array, altitudeM: Float64Array, source: HeightSource = 'unknown'): number {
  const amounts: number[] = []
  let [before, middle] = [-1, -1]
  let firstS = Number.NaN
  let lastS = Number.NaN
  let known = 0
  for (let i = 0; i < altitudeM.length; i++) {
    if (Number.isNaN(altitudeM[i]!)) continue
    known++
    if (known === 1) firstS = timeS[i]!
    lastS = timeS[i]!
    const spanS = before < 0 ? 0 : timeS[i]! - timeS[before]!
    if (spanS > 0 && spanS <= NOISE_REACH_S) {
      const share = (timeS[middle]! - timeS[before]!) / spanS
      amounts.push(Math.abs(altitudeM[middle]! - altitudeM[before]! - (altitudeM[i]! - altitudeM[before]!) * share))
    }
    before = middle
    middle = i
  }
  const least = LEAST_THRESHOLD_M[source]
  if (amounts.length === 0) return least
  const highest = 10 * amounts.reduce((sum, amount) => sum + amount, 0) / amounts.length
  const squares = amounts.reduce((sum, amount) => sum + Math.min(amount, highest) ** 2, 0) / amounts.length
  const averaged = Math.max(1, 2 * SMOOTHING_S * (known - 1) / Math.max(1, lastS - firstS))
  const driftM = source === 'gps' ? driftOf(timeS, altitudeM, squares) : 0
  const noiseM = Math.max(NOISE_DEVIATIONS * Math.sqrt(squares * 2 / 3 / averaged), DRIFT_DEVIATIONS * driftM)
  return Math.round(Math.max(least, noiseM) * 10) / 10
}

/**
 * How far heights drift from the mean of those 40 s before and after, in metres, without their white noise, which
 * smoothing removes. What the ground does is not counted: hills are straight over 5 s, and a drift is not. So no more
 * than 3.2 times the drift over 5 s counts.
 */
function driftOf (timeS: Float64Array, altitudeM: Float64Array, whiteSquares: number): number {
  const rows: number[] = []
  for (let i = 0; i < altitudeM.length; i++) if (!Number.isNaN(altitudeM[i]!)) rows.push(i)
  const means = new Float64Array(rows.length)
  let [from, to, sum] = [0, 0, 0]
  for (let k = 0; k < rows.length; k++) {
    const at = timeS[rows[k]!]!
    while (to < rows.length && timeS[rows[to]!]! <= at + ROUGH_S / 2) sum += altitudeM[rows[to++]!]!
    while (timeS[rows[from]!]! < at - ROUGH_S / 2) sum -= altitudeM[rows[from++]!]!
    means[k] = sum / (to - from)
  }
  const spanS = rows.length < 2 ? 0 : timeS[rows.at(-1)!]! - timeS[rows[0]!]!
  const white = whiteSquares / Math.max(1, ROUGH_S * (rows.length - 1) / Math.max(1, spanS))
  const rough = Math.max(0, bendOf(timeS, rows, means, ROUGH_S) - white)
  const drift = Math.max(0, bendOf(timeS, rows, means, DRIFT_S) - white)
  return Math.min(Math.sqrt(drift), DRIFT_GROWTH * Math.sqrt(rough))
}

/** The mean square of a height's distance from the straight line between those a time before and after it. */
function bendOf (timeS: Float64Array, rows: number[], heightM: Float64Array, reachS: number): number {
  let [sum, count, before, after] = [0, 0, 0, 0]
  for (let k = 0; k < rows.length; k++) {
    const at = timeS[rows[k]!]!
    while (before + 1 < k && timeS[rows[before + 1]!]! <= at - reachS) before++
    while (after < rows.length && timeS[rows[after]!]! < at + reachS) after++
    if (after === rows.length) break
    const [startS, endS] = [timeS[rows[before]!]!, timeS[rows[after]!]!]
    if (startS > at - reachS || endS - startS > 3 * reachS) continue
    const share = (at - startS) / (endS - startS)
    sum += (heightM[k]! - heightM[before]! - (heightM[after]! - heightM[before]!) * share) ** 2
    count++
  }
  return count === 0 ? 0 : sum / count
}

/**
 * Metres climbed and descended; null if fewer than two altitudes are known.
 *
 * The smoothed altitudes are split at their turning points. A turning point counts only if the altitude then changes
 * back by at least the threshold: noise of ±0.3 m on flat ground gives 0, a pure climb gives its end minus its start,
 * and the reversed track swaps gain and loss. A part of a recording is measured with the threshold of the whole.
 */
export function elevationOf (
  timeS: Float64Array,
  altitudeM: Float64Array,
  thresholdM: number = thresholdOf(timeS, altitudeM)
): Elevation | null {
  let known = 0
  for (const altitude of altitudeM) {
    if (!Number.isNaN(altitude)) known++
  }
  if (known < 2) return null

  let gainM = 0
  let lossM = 0
  let lowest = Number.POSITIVE_INFINITY
  let highest = Number.NEGATIVE_INFINITY
  /** 1 while climbing, −1 while descending, 0 before the first real rise or fall. */
  let direction = 0
  for (const altitude of smoothAltitude(timeS, altitudeM)) {
    if (Number.isNaN(altitude)) continue
    if (direction >= 0 && highest - altitude >= thresholdM) {
      if (direction > 0) gainM += highest - lowest
      direction = -1
      lowest = altitude
    } else if (direction <= 0 && altitude - lowest >= thresholdM) {
      if (direction < 0) lossM += highest - lowest
      direction = 1
      highest = altitude
    }
    // While climbing only the highest altitude moves, while descending only the lowest; the other is the start.
    if (direction >= 0) highest = Math.max(highest, altitude)
    if (direction <= 0) lowest = Math.min(lowest, altitude)
  }
  if (direction > 0) gainM += highest - lowest
  if (direction < 0) lossM += highest - lowest
  return { gainM, lossM, thresholdM }
}

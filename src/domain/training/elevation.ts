/** Altitudes are averaged over this many seconds before and after. */
export const SMOOTHING_S = 10
/** The smallest rise or fall that counts; a smaller one is assumed to be noise of the sensor. */
export const HYSTERESIS_M = 2

export interface Elevation {
  gainM: number
  lossM: number
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
 * Metres climbed and descended; null if fewer than two altitudes are known.
 *
 * The smoothed altitudes are split at their turning points. A turning point counts only if the altitude then changes
 * back by at least `HYSTERESIS_M`: noise of ±0.3 m on flat ground gives 0, a pure climb gives its end minus its start,
 * and the reversed track swaps gain and loss.
 */
export function elevationOf (timeS: Float64Array, altitudeM: Float64Array): Elevation | null {
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
    if (direction >= 0 && highest - altitude >= HYSTERESIS_M) {
      if (direction > 0) gainM += highest - lowest
      direction = -1
      lowest = altitude
    } else if (direction <= 0 && altitude - lowest >= HYSTERESIS_M) {
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
  return { gainM, lossM }
}

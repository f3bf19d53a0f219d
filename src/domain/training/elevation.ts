/** Heights are averaged over what was recorded up to so many seconds before and after. */
export const SMOOTHING_S = 10
/** A rise or fall counts when it is at least so high; smaller ones are taken for the unrest of the sensor. */
export const HYSTERESIS_M = 2

export interface Elevation {
  gainM: number
  lossM: number
}

/**
 * Heights freed of the sensor's unrest: each the mean of those within `SMOOTHING_S` on either side, a window that
 * narrows towards both ends so that the first and last height stay what they were, and a climb stays a climb. Gaps stay
 * gaps.
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
 * Metres climbed and descended, null where fewer than two heights are known.
 *
 * The smoothed heights are cut at their turning points, and a turn is one only when the way back from it is at least
 * `HYSTERESIS_M`: noise of ±0.3 m on the flat gives 0, a climb without a descent its end less its start, and the way
 * back swaps gain and loss.
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
  /** 1 on the way up, −1 on the way down, 0 before the first real rise or fall. */
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
    // On the way up only the highest moves, on the way down only the lowest: the other is where the way began.
    if (direction >= 0) highest = Math.max(highest, altitude)
    if (direction <= 0) lowest = Math.min(lowest, altitude)
  }
  if (direction > 0) gainM += highest - lowest
  if (direction < 0) lossM += highest - lowest
  return { gainM, lossM }
}

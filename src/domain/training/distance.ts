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

/** After this many positions in a row out of reach of the last good one, the last good one was the wrong one. */
const REFUSALS = 5

/**
 * The distance since the first position, in metres, at each position; NaN where there is no position.
 *
 * A position out of reach of the last good one (faster than `limitMPerS`) is a spike and adds nothing; after five in a
 * row the track continues from there, and the leap does not count. `breaks` holds the rows after which the recording
 * was interrupted, and for how many seconds of the interruption the last speed counts; the rest of the gap was not run.
 */
export function trackDistanceM (
  positions: Positions,
  limitMPerS: number,
  breaks: ReadonlyMap<number, number>
): Float64Array<ArrayBuffer> {
  const { timeS, latitudeDeg, longitudeDeg } = positions
  const distanceM = new Float64Array(timeS.length).fill(Number.NaN)
  let total = 0
  let last = -1
  let refused = 0
  let speedMPerS = 0
  let countedS: number | undefined
  for (let i = 0; i < timeS.length; i++) {
    countedS = breaks.get(i - 1) ?? countedS
    const latitude = latitudeDeg[i]!
    if (Number.isNaN(latitude)) continue
    if (last >= 0) {
      const step = haversineM(latitudeDeg[last]!, longitudeDeg[last]!, latitude, longitudeDeg[i]!)
      const stepS = timeS[i]! - timeS[last]!
      if (countedS !== undefined) {
        total += Math.min(step, speedMPerS * countedS)
      } else if (step > limitMPerS * stepS) {
        if (++refused < REFUSALS) {
          distanceM[i] = total
          continue
        }
      } else {
        total += step
        speedMPerS = step / stepS
      }
    }
    distanceM[i] = total
    last = i
    refused = 0
    countedS = undefined
  }
  return distanceM
}

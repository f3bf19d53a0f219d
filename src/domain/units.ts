/** Named lengths, in metres. */
export const METRES_PER_KM = 1000
export const METRES_PER_MILE = 1609.344
export const HALF_MARATHON_M = 21_097.5
export const MARATHON_M = 42_195

/**
 * The pace, in seconds per kilometre, of `distanceM` covered in `durationS`; null if either is null or not positive.
 */
export function paceOf (distanceM: number | null, durationS: number | null): number | null {
  if (distanceM === null || durationS === null || !(distanceM > 0) || !(durationS > 0)) return null
  return durationS / distanceM * METRES_PER_KM
}

/**
 * `value` rounded to `decimals`, so that a figure does not pretend to more precision than was measured. Null stays
 * null, and a value that is not finite becomes null.
 */
export function rounded (value: number | null, decimals: number): number | null {
  if (value === null || !Number.isFinite(value)) return null
  const scale = 10 ** decimals
  return Math.round(value * scale) / scale + 0
}

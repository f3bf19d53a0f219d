/** Lengths that have names, in metres. */
export const METRES_PER_KM = 1000
export const METRES_PER_MILE = 1609.344
export const HALF_MARATHON_M = 21_097.5
export const MARATHON_M = 42_195

/**
 * Seconds per kilometre of `distanceM` covered in `durationS`, or null where either is missing or nothing: a pace of 0
 * is no pace.
 */
export function paceOf (distanceM: number | null, durationS: number | null): number | null {
  if (distanceM === null || durationS === null || !(distanceM > 0) || !(durationS > 0)) return null
  return durationS / distanceM * METRES_PER_KM
}

/**
 * `value` with so many decimals: what is told should not pretend to more than was measured. Null stays null, and what
 * is not finite is null.
 */
export function rounded (value: number | null, decimals: number): number | null {
  if (value === null || !Number.isFinite(value)) return null
  const scale = 10 ** decimals
  return Math.round(value * scale) / scale + 0
}

import { hasSteps, PLAUSIBLE_SPEED_M_PER_S } from '../sports.ts'
import type { Sport } from '../sports.ts'
import { recordTimeS } from './world-records.ts'

/** The lowest and highest heart rate that a device can have measured. */
export const HEART_RATE_BPM = [20, 250] as const

/**
 * The shortest time, in seconds, in which a distance can be covered: for sports with steps the world record of running,
 * for the others the time at the highest plausible speed of the sport.
 */
export function shortestTimeS (sport: Sport, distanceM: number): number {
  if (!(distanceM > 0)) return 0
  return hasSteps(sport) ? recordTimeS(distanceM) : distanceM / PLAUSIBLE_SPEED_M_PER_S[sport]
}

import { HALF_MARATHON_M, MARATHON_M, METRES_PER_MILE, rounded } from '../units.ts'
import { raceTimeS, vdotOf } from './vdot.ts'
import { recordTimeS } from './world-records.ts'

/** The distances that races are predicted for, in metres. */
export const RACE_DISTANCES: ReadonlyArray<{ distance_m: number, name: string }> = [
  { distance_m: 1500, name: '1,500 m' },
  { distance_m: METRES_PER_MILE, name: '1 mile' },
  { distance_m: 3000, name: '3 km' },
  { distance_m: 5000, name: '5 km' },
  { distance_m: 10_000, name: '10 km' },
  { distance_m: 15_000, name: '15 km' },
  { distance_m: HALF_MARATHON_M, name: 'Half marathon' },
  { distance_m: MARATHON_M, name: 'Marathon' }
]

/** The models by name, as answers name them. */
export const RACE_MODELS = {
  daniels: 'Daniels–Gilbert VDOT (1979)',
  riegel: 'Riegel (1981), exponent 1.06',
  cameron: 'Cameron (1998)'
} as const

/** Riegel's law holds for distances that are near: beyond this ratio of them it is told that it extrapolates. */
export const RIEGEL_RATIO = 4
const RIEGEL_EXPONENT = 1.06

/** A race result. */
export interface Result {
  distanceM: number
  timeS: number
}

/** The time of an equal performance over another distance, in seconds by each model. */
export interface Equivalent {
  distance_m: number
  name: string
  daniels_s: number
  riegel_s: number
  cameron_s: number
  /** Whether the distances are too far apart for Riegel's law. */
  riegel_extrapolated: boolean
}

/**
 * Riegel's law: T₂ = T₁·(D₂/D₁)^1.06. Riegel, P. S. (1981), Athletic Records and Human Endurance, Am. Scientist 69.
 */
export function riegelTimeS ({ distanceM, timeS }: Result, overM: number): number {
  return timeS * (overM / distanceM) ** RIEGEL_EXPONENT
}

/**
 * Cameron's model: T₂ = (T₁/D₁)·D₂·f(D₁)/f(D₂), f(x) = 13.49681 − 0.000030363·x + 835.7114/x^0.7905, x in metres.
 * Cameron, D. F. (1998), Time-equivalence model.
 */
export function cameronTimeS ({ distanceM, timeS }: Result, overM: number): number {
  return timeS / distanceM * overM * speedFactor(distanceM) / speedFactor(overM)
}

function speedFactor (distanceM: number): number {
  return 13.49681 - 0.000030363 * distanceM + 835.7114 / distanceM ** 0.7905
}

/** What a result is worth over the usual distances, times to a tenth of a second. */
export function equivalents (result: Result): Equivalent[] {
  const vdot = vdotOf(result.distanceM, result.timeS)
  return RACE_DISTANCES.map(({ distance_m, name }) => ({
    distance_m,
    name,
    daniels_s: rounded(raceTimeS(vdot, distance_m), 1)!,
    riegel_s: rounded(riegelTimeS(result, distance_m), 1)!,
    cameron_s: rounded(cameronTimeS(result, distance_m), 1)!,
    riegel_extrapolated: Math.max(distance_m / result.distanceM, result.distanceM / distance_m) > RIEGEL_RATIO
  }))
}

/** Whether nobody has ever run so fast: less than the world record's time over the distance. */
export function isBeyondRecord ({ distanceM, timeS }: Result): boolean {
  return timeS < recordTimeS(distanceM)
}

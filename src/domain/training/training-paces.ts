import { MARATHON_M, METRES_PER_KM, METRES_PER_MILE, rounded } from '../units.ts'
import { raceTimeS, velocityAt } from './vdot.ts'

/**
 * Shares of VO₂max at which the kinds of training are run. Daniels, J. (2014), Daniels' Running Formula, 3rd edition:
 * easy 59 to 74 %, threshold 88 %, interval 97.5 %.
 */
export const TRAINING_INTENSITY = { easySlow: 0.59, easyFast: 0.74, threshold: 0.88, interval: 0.975 } as const

/** Paces in seconds per kilometre, to a tenth. */
export interface TrainingPaces {
  easy: { fast_s_per_km: number, slow_s_per_km: number }
  marathon: number
  threshold: number
  interval: number
  repetition: number
}

/**
 * The training paces at a VDOT: easy, threshold and interval by their share of VO₂max; marathon at the pace of a
 * marathon, repetition at that of a mile.
 */
export function trainingPaces (vdot: number): TrainingPaces {
  return {
    easy: {
      fast_s_per_km: atShare(vdot, TRAINING_INTENSITY.easyFast),
      slow_s_per_km: atShare(vdot, TRAINING_INTENSITY.easySlow)
    },
    marathon: atRace(vdot, MARATHON_M),
    threshold: atShare(vdot, TRAINING_INTENSITY.threshold),
    interval: atShare(vdot, TRAINING_INTENSITY.interval),
    repetition: atRace(vdot, METRES_PER_MILE)
  }
}

function atShare (vdot: number, share: number): number {
  return rounded(METRES_PER_KM / velocityAt(vdot * share), 1)!
}

function atRace (vdot: number, distanceM: number): number {
  return rounded(raceTimeS(vdot, distanceM) / distanceM * METRES_PER_KM, 1)!
}

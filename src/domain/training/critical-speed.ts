/** A maximal effort. */
export interface Effort {
  distanceM: number
  timeS: number
}

export interface CriticalSpeed {
  speed_m_per_s: number
  /** The distance that can be run above critical speed, in metres. */
  d_prime_m: number
  /** The share of the efforts' variance that the line explains, 0 to 1. */
  r_squared: number
}

/** Efforts of this length, in seconds, are what the model describes: 2 to 15 minutes. */
export const CRITICAL_SPEED_EFFORT_S = { least: 120, most: 900 } as const
/** Speeds, in m/s, that a runner can sustain. */
const PLAUSIBLE = { least: 2, most: 6.5 } as const

/**
 * Critical speed (CS) and D′ of the line d = CS·t + D′ through maximal efforts of 2 to 15 minutes, by least squares; or
 * the reason why there is none.
 *
 * Monod, H., Scherrer, J. (1965), Ergonomics 8; for running Hughson, R. L. et al. (1984), Int. J. Sports Med. 5.
 */
export function criticalSpeed (
  efforts: readonly Effort[]
): { found: CriticalSpeed, reason: null } | { found: null, reason: string } {
  const { least, most } = CRITICAL_SPEED_EFFORT_S
  const fit = efforts.filter(({ timeS }) => timeS >= least && timeS <= most)
  const times = fit.map(({ timeS }) => timeS)
  if (new Set(times).size < 2) {
    return none('Two best efforts of different length, of 2 to 15 minutes each, are needed')
  }
  const distances = fit.map(({ distanceM }) => distanceM)
  const [meanS, meanM] = [mean(times), mean(distances)]
  const speed = sumOf(fit, ({ timeS, distanceM }) => (timeS - meanS) * (distanceM - meanM)) /
    sumOf(fit, ({ timeS }) => (timeS - meanS) ** 2)
  const dPrime = meanM - speed * meanS
  if (!(speed >= PLAUSIBLE.least && speed <= PLAUSIBLE.most)) {
    return none(`The efforts give a critical speed of ${speed.toFixed(2)} m/s, outside 2.0 to 6.5`)
  }
  if (dPrime < 0) return none('The efforts give a negative D′: the shorter ones were not maximal')
  const left = sumOf(fit, ({ timeS, distanceM }) => (distanceM - speed * timeS - dPrime) ** 2)
  const all = sumOf(fit, ({ distanceM }) => (distanceM - meanM) ** 2)
  return { found: { speed_m_per_s: speed, d_prime_m: dPrime, r_squared: 1 - left / all }, reason: null }
}

function none (reason: string): { found: null, reason: string } {
  return { found: null, reason }
}

function sumOf<T> (items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0)
}

function mean (values: readonly number[]): number {
  return sumOf(values, (value) => value) / values.length
}

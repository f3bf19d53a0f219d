// What a row of daily loads says of fitness, fatigue and strain. A day without training is a load of 0 in the row.

/** The time constants of fitness (CTL) and fatigue (ATL), in days. */
export const FITNESS_DAYS = 42
export const FATIGUE_DAYS = 7

/** The windows of the acute and the chronic load, in days. */
const ACUTE_DAYS = 7
const CHRONIC_DAYS = 28

export const LOAD_MODELS = {
  fitness: 'CTL and ATL: exponentially weighted, 42 and 7 days (Coggan)',
  acwr: 'Acute:chronic workload ratio, 7 to 28 days: rolling (Hulin 2014), EWMA (Williams 2017), uncoupled (Windt 2019)',
  strain: 'Monotony and strain of seven days (Foster 1998)'
} as const

/** Fitness and fatigue at the end of a day. */
export interface Fitness {
  /** Chronic training load: fitness. */
  ctl: number
  /** Acute training load: fatigue. */
  atl: number
}

export interface FormDay extends Fitness {
  /** CTL − ATL of the same day. */
  form_same_day: number
  /** CTL − ATL of the day before (Coggan's TSB). */
  form_prior_day: number
}

/**
 * The acute:chronic workload ratio, three ways; null until there are 28 days, or where the chronic load is 0.
 *
 * Hulin, B. T. (2014), Br. J. Sports Med. 48: rolling; Williams, S. (2017), Br. J. Sports Med. 51: exponential means;
 * Windt, J. (2019), Br. J. Sports Med. 53: uncoupled.
 */
export interface WorkloadRatio {
  rolling: number | null
  ewma: number | null
  uncoupled: number | null
}

export interface DayOfModel extends FormDay {
  acwr: WorkloadRatio
  /** Foster's monotony of the seven days up to this one; null of fewer days, or where all are equal. */
  monotony: number | null
  strain: number | null
}

const UNTRAINED: Fitness = { ctl: 0, atl: 0 }

/**
 * Fitness, fatigue and form of each day: CTL_d = CTL_{d−1} + (load_d − CTL_{d−1})·(1 − e^(−1/42)), ATL with 7 days;
 * `seed` is their state before the first day.
 *
 * Banister, E. W. (1991); Allen, H., Coggan, A. (2010), Training and Racing with a Power Meter.
 */
export function fitnessOf (loads: readonly number[], seed: Fitness = UNTRAINED): FormDay[] {
  const [slow, fast] = [gain(FITNESS_DAYS), gain(FATIGUE_DAYS)]
  let { ctl, atl } = seed
  return loads.map((load) => {
    const prior = ctl - atl
    ctl += (load - ctl) * slow
    atl += (load - atl) * fast
    return { ctl, atl, form_same_day: ctl - atl, form_prior_day: prior }
  })
}

function gain (days: number): number {
  return 1 - Math.exp(-1 / days)
}

/**
 * Every figure of each day from the place `from` on, in one pass over the loads. The means weighted exponentially
 * (λ = 2/(N + 1), N = 7 and 28) start at the first day's load.
 */
export function loadModel (loads: readonly number[], seed: Fitness = UNTRAINED, from = 0): DayOfModel[] {
  const [acute, chronic] = [ACUTE_DAYS, CHRONIC_DAYS].map((days) => exponentialMeans(loads, 2 / (days + 1)))
  return fitnessOf(loads, seed).slice(from).map((day, place) => {
    const i = from + place
    return {
      ...day,
      acwr: workloadRatio(loads.slice(Math.max(0, i + 1 - CHRONIC_DAYS), i + 1), acute![i]!, chronic![i]!),
      ...strainOf(loads.slice(Math.max(0, i + 1 - ACUTE_DAYS), i + 1))
    }
  })
}

function exponentialMeans (loads: readonly number[], lambda: number): number[] {
  let average = loads[0] ?? 0
  return loads.map((load) => (average += lambda * (load - average)))
}

/** `recent` are the last 28 days, the latest last; the ratio by exponential means is of `acute` over `chronic`. */
function workloadRatio (recent: readonly number[], acute: number, chronic: number): WorkloadRatio {
  if (recent.length < CHRONIC_DAYS) return { rolling: null, ewma: null, uncoupled: null }
  const week = mean(recent.slice(-ACUTE_DAYS))
  return {
    rolling: ratio(week, mean(recent)),
    ewma: ratio(acute, chronic),
    uncoupled: ratio(week, mean(recent.slice(0, -ACUTE_DAYS)))
  }
}

/**
 * Foster's monotony, the mean over the population standard deviation of seven daily loads, and strain, their sum times
 * the monotony. Null of fewer days, or where all are equal.
 *
 * Foster, C. (1998), Med. Sci. Sports Exerc. 30.
 */
export function strainOf (week: readonly number[]): { monotony: number | null, strain: number | null } {
  const average = mean(week)
  const deviation = Math.sqrt(mean(week.map((load) => (load - average) ** 2)))
  // Equal loads may deviate by the last digit of their mean.
  if (week.length < ACUTE_DAYS || deviation <= average * 1e-12) return { monotony: null, strain: null }
  const monotony = average / deviation
  return { monotony, strain: average * week.length * monotony }
}

function ratio (acute: number, chronic: number): number | null {
  return chronic > 0 ? acute / chronic : null
}

function mean (values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

import { addDays, dayNumber, dayOf, daysBetween } from '../days.ts'
import { rounded } from '../units.ts'
import { loadModel, type DayOfModel, type WorkloadRatio } from './load-model.ts'

/** A day of the load model, as the API shows it. */
export interface LoadDay {
  date: string
  /** Null where something was done that no load is known of; it counts as 0 in the model. */
  load: number | null
  /** The load of the workouts planned for this day that are still to be done; null where none is. */
  planned_load: number | null
  ctl: number
  atl: number
  form_prior_day: number
  form_same_day: number
  acwr: WorkloadRatio
  monotony: number | null
  strain: number | null
  /** Whether planned load is in the figures of this day. */
  forecast: boolean
}

/**
 * How many days before the first one asked for the model starts at least: of what was done earlier, fitness has
 * forgotten all but e^(−1100/42), one part in 200 billion, and the averages more.
 */
export const REMEMBERED_DAYS = 1100

const BEFORE_TRAINING: DayOfModel = {
  ctl: 0,
  atl: 0,
  form_prior_day: 0,
  form_same_day: 0,
  acwr: { rolling: null, ewma: null, uncoupled: null },
  monotony: null,
  strain: null
}

export interface LoadHistory {
  /** The load done by day; null where it is unknown. */
  done: ReadonlyMap<string, number | null>
  /** The load planned and still to be done by day; empty without a forecast. */
  planned: ReadonlyMap<string, number>
  /** The first day of training, from which on a day without is a load of 0; undefined: there is none. */
  first: string | undefined
}

/** The first day whose load matters for a range that begins on `from`. */
export function firstRemembered (from: string, first: string | undefined): string {
  const remembered = addDays(from, -REMEMBERED_DAYS)
  return first !== undefined && first > remembered ? first : remembered
}

/** Why figures of these days are null; null where none is. */
export function whyNull (days: readonly LoadDay[]): string | null {
  const unknown = days.filter(({ load }) => load === null).length
  const reasons: string[] = []
  if (unknown > 0) {
    reasons.push(`The load of ${unknown === 1 ? 'one day' : `${unknown} days`} is unknown and counts as 0: the activities ` +
      'have no perceived effort, and there is no threshold pace or no heart-rate setting that fits them')
  }
  if (days.some(({ acwr }) => acwr.rolling === null)) {
    reasons.push('The workload ratio needs 28 days since the first activity, and a load in them')
  }
  if (days.some(({ monotony }) => monotony === null)) {
    reasons.push('Monotony and strain need seven days since the first activity whose loads are not all equal')
  }
  return reasons.length === 0 ? null : reasons.join('. ')
}

/** Every day from `from` to `to`, in order, with the figures of the load model. */
export function loadDays (from: string, to: string, { done, planned, first }: LoadHistory): LoadDay[] {
  const start = first === undefined ? undefined : firstRemembered(from, first)
  // The place of `from` among the remembered days, which are fewer than those asked for where training began later.
  const place = start === undefined ? 0 : daysBetween(start, from)
  const days = start === undefined || start > to
    ? []
    : loadModel(loadsFrom(start, to, [done, planned]), undefined, Math.max(0, place))
  return daysFrom(from, to).map((date, i) => {
    const { ctl, atl, form_prior_day, form_same_day, acwr, monotony, strain } =
      days[i + Math.min(0, place)] ?? BEFORE_TRAINING
    return {
      date,
      load: done.has(date) ? rounded(done.get(date)!, 2) : 0,
      planned_load: rounded(planned.get(date) ?? null, 2),
      ctl: rounded(ctl, 4)!,
      atl: rounded(atl, 4)!,
      form_prior_day: rounded(form_prior_day, 4)!,
      form_same_day: rounded(form_same_day, 4)!,
      acwr: { rolling: rounded(acwr.rolling, 4), ewma: rounded(acwr.ewma, 4), uncoupled: rounded(acwr.uncoupled, 4) },
      monotony: rounded(monotony, 4),
      strain: rounded(strain, 2),
      forecast: planned.has(date)
    }
  })
}

/** The sum of the loads of each day, 0 for a day without. */
function loadsFrom (from: string, to: string, histories: ReadonlyArray<ReadonlyMap<string, number | null>>): number[] {
  const first = dayNumber(from)
  const loads = new Array<number>(daysBetween(from, to) + 1).fill(0)
  for (const history of histories) {
    for (const [day, load] of history) {
      const i = dayNumber(day) - first
      if (i >= 0 && i < loads.length) loads[i]! += load ?? 0
    }
  }
  return loads
}

function daysFrom (from: string, to: string): string[] {
  const first = dayNumber(from)
  return Array.from({ length: daysBetween(from, to) + 1 }, (_, i) => dayOf(first + i))
}

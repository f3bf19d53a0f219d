import { addDays, daysBetween } from '../days.ts'

/** A stretch of days without a run that is long enough to lose form. */
export interface Break {
  /** Its first day. */
  start: string
  /** Up to the last day on which a run was missed: days of rest after it do not make it longer. */
  days: number
  /** The day after them: the first one on which the runner can run again. */
  back: string
}

/** Up to five days off cost nothing (Daniels 2014, table 9.2, category I). */
const LEAST_DAYS = 6
/**
 * The share of the distance run before with which a runner comes back after so many days, interpolated in between.
 *
 * These shares are our own. Daniels' Running Formula (2014), table 9.2, as others quote it, has steps for a time as
 * long as the break: after 6 to 28 days half of the load for the first half of that time and three quarters for the
 * second; after longer ones a third, a half and three quarters, for a third of it each; then all of it. Its steps up
 * are by a third to a half, while no week of a plan has over a tenth more than the one before. So the runner begins
 * with more than Daniels' first step here, and grows by a tenth a week. By the end of the way back the runner has run
 * less than by Daniels' steps, and at no time as much as three days' worth more: a test compares them.
 */
const RETURN_SHARES: ReadonlyArray<readonly [days: number, share: number]> = [
  [6, 0.8], [14, 0.67], [28, 0.5], [56, 0.33]
]
/** After more than eight weeks what was run before says nothing about what can be run. */
export const LONGEST_BREAK_DAYS = 56
/** Only easy running for as long as the break was (Daniels), at most three weeks, which is ours. */
const MOST_EASY_DAYS = 21

/** What is known of the days of a plan. */
interface Days {
  isRunOn (day: string): boolean
  /** Whether a run was planned, or was impossible. */
  isMissed (day: string): boolean
}

/** The breaks between two days. */
export function breaksBetween (from: string, to: string, { isRunOn, isMissed }: Days): Break[] {
  const breaks: Break[] = []
  let start = from
  let missed = 0
  for (let day = from; day <= to; day = addDays(day, 1)) {
    if (!isRunOn(day)) {
      if (isMissed(day)) missed = daysBetween(start, day) + 1
      continue
    }
    // Where nothing was planned at all, all of it counts.
    const days = missed === 0 ? daysBetween(start, day) : missed
    if (days >= LEAST_DAYS) breaks.push({ start, days, back: addDays(start, days) })
    start = addDays(day, 1)
    missed = 0
  }
  return breaks
}

/** The share of what was run before the break with which to come back. */
export function returnShare ({ days }: Pick<Break, 'days'>): number {
  for (const [place, [most, share]] of RETURN_SHARES.entries()) {
    if (days > most) continue
    const before = RETURN_SHARES[place - 1]
    if (before === undefined) return share
    return before[1] + (share - before[1]) * (days - before[0]) / (most - before[0])
  }
  return RETURN_SHARES.at(-1)![1]
}

/** Whether hard runs on a day would come too soon after the break. */
export function isComingBack ({ back, days }: Break, day: string): boolean {
  const since = daysBetween(back, day)
  return since >= 0 && since < Math.min(days, MOST_EASY_DAYS)
}

import { addDays, daysBetween } from '../days.ts'

/** A stretch of days without a run that is long enough to lose form. */
export interface Break {
  /** Its first day. */
  start: string
  days: number
  /** The first day on which the runner can run again. */
  back: string
}

/** Up to five days off cost nothing (Daniels 2014, "Breaks from running"). */
const LEAST_DAYS = 6
/**
 * The share of the distance run before with which a runner comes back after so many days. Daniels has half of it for
 * half of the length of the break, then three quarters: about 62 % in the mean after one to four weeks, a third to
 * begin with after eight. These begin with a little more after short breaks, easy running only, and grow by a tenth a
 * week at most.
 */
const RETURN_SHARES: ReadonlyArray<readonly [days: number, share: number]> = [
  [6, 0.8], [14, 0.67], [28, 0.5], [56, 0.33]
]
/** After more than eight weeks what was run before says nothing about what can be run. */
export const LONGEST_BREAK_DAYS = 56
/** Only easy running for as long as the break was, at most three weeks. */
const MOST_EASY_DAYS = 21

/** The breaks between two days, of which those are run on for which `isRunOn` says so. */
export function breaksBetween (from: string, to: string, isRunOn: (day: string) => boolean): Break[] {
  const breaks: Break[] = []
  let days = 0
  for (let day = from; day <= to; day = addDays(day, 1)) {
    if (!isRunOn(day)) {
      days++
      continue
    }
    if (days >= LEAST_DAYS) breaks.push({ start: addDays(day, -days), days, back: day })
    days = 0
  }
  return breaks
}

/** The share of what was run before the break with which to come back. */
export function returnShare ({ days }: Break): number {
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

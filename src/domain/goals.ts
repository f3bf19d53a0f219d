import { addDays, daysBetween } from './days.ts'
import { laterPeriod, periodStart } from './periods.ts'
import { rounded } from './units.ts'

export type GoalPeriod = 'week' | 'month' | 'year' | 'custom'

/** Days of a runner's calendar, `YYYY-MM-DD`, both included. */
export interface DayRange {
  from: string
  to: string
}

/** When a goal applies: a period that recurs, as long as the days it is bounded by; or the days themselves. */
export interface GoalTime {
  period: GoalPeriod
  from: string | null
  to: string | null
}

export interface Progress {
  start_date: string
  end_date: string
  done: number
  target: number
  ratio: number
  expected_today: number
  on_track: boolean
}

/**
 * The days that the progress of a goal is about: those of a custom goal, otherwise the week, month or year of `today`,
 * or, before or after the days the goal is bounded by, of the first or the last of them.
 *
 * @param firstWeekday ISO, 1 = Monday … 7
 */
export function daysOf ({ period, from, to }: GoalTime, today: string, firstWeekday: number): DayRange {
  if (period === 'custom') return { from: from ?? today, to: to ?? today }
  const day = from !== null && today < from ? from : to !== null && today > to ? to : today
  const start = periodStart(day, period, firstWeekday)
  return { from: start, to: addDays(laterPeriod(start, period), -1) }
}

/**
 * How far a goal is. The even-pace line rises by the same amount each day and includes today: `expected_today` is what
 * should be done when the day ends. It counts days of the calendar, of which one with a change of the clock is one.
 */
export function progressOf (target: number, done: number, { from, to }: DayRange, today: string): Progress {
  const days = daysBetween(from, to) + 1
  const begun = Math.max(0, Math.min(days, daysBetween(from, today) + 1))
  const expected = rounded(target * begun / days, 2)!
  return {
    start_date: from,
    end_date: to,
    done: rounded(done, 2)!,
    target,
    ratio: rounded(done / target, 4)!,
    expected_today: expected,
    on_track: done >= expected
  }
}

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

const DAY_MS = 86_400_000

/**
 * The days that the progress of a goal is about: those of a custom goal, otherwise the week, month or year of `today`,
 * or, before or after the days the goal is bounded by, of the first or the last of them.
 *
 * @param firstWeekday ISO, 1 = Monday … 7
 */
export function daysOf ({ period, from, to }: GoalTime, today: string, firstWeekday: number): DayRange {
  if (period === 'custom') return { from: from ?? today, to: to ?? today }
  const day = from !== null && today < from ? from : to !== null && today > to ? to : today
  const [year, month] = [Number(day.slice(0, 4)), Number(day.slice(5, 7))]
  switch (period) {
    case 'year':
      return { from: `${day.slice(0, 4)}-01-01`, to: `${day.slice(0, 4)}-12-31` }
    case 'month':
      return { from: `${day.slice(0, 7)}-01`, to: dayOf(Date.UTC(year, month, 0)) }
    case 'week': {
      const at = Date.parse(day)
      // getUTCDay counts from Sunday = 0, and Sunday is 7 as an ISO weekday: the same modulo 7.
      const start = at - (new Date(at).getUTCDay() - firstWeekday + 7) % 7 * DAY_MS
      return { from: dayOf(start), to: dayOf(start + 6 * DAY_MS) }
    }
  }
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

/** How many days `to` is after `from`; days have no time and no zone, so each is 24 hours of UTC. */
export function daysBetween (from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS)
}

function dayOf (epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 10)
}

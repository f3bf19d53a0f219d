import { addDays, daysBetween, weekStart } from './days.ts'

export type Period = 'day' | 'week' | 'month' | 'year'

/**
 * The first day of the period that a day is in. Days are `YYYY-MM-DD`.
 *
 * @param firstWeekday ISO, 1 = Monday … 7
 */
export function periodStart (day: string, period: Period, firstWeekday: number): string {
  switch (period) {
    case 'day': return day
    case 'week': return weekStart(day, firstWeekday)
    case 'month': return `${day.slice(0, 7)}-01`
    case 'year': return `${day.slice(0, 4)}-01-01`
  }
}

/** The first day of the period that is `count` periods after the one that begins on `start`. */
export function laterPeriod (start: string, period: Period, count = 1): string {
  if (period === 'day' || period === 'week') return addDays(start, period === 'week' ? count * 7 : count)
  const months = Number(start.slice(0, 4)) * 12 + Number(start.slice(5, 7)) - 1 + count * (period === 'year' ? 12 : 1)
  return `${String(Math.floor(months / 12)).padStart(4, '0')}-${String(months % 12 + 1).padStart(2, '0')}-01`
}

/** At least as many periods as there are from one day to another. */
export function periodsAtMost (from: string, to: string, period: Period): number {
  const shortest = { day: 1, week: 7, month: 28, year: 365 }[period]
  return Math.floor(daysBetween(from, to) / shortest) + 2
}

/** The first days of all periods that have days from `from` to `to`, in order. */
export function periodStarts (from: string, to: string, period: Period, firstWeekday: number): string[] {
  const starts = [periodStart(from, period, firstWeekday)]
  for (;;) {
    const next = laterPeriod(starts.at(-1)!, period)
    if (next > to) return starts
    starts.push(next)
  }
}

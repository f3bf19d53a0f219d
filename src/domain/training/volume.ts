import { rounded } from '../units.ts'
import { periodStart, periodStarts, type Period } from '../periods.ts'

/** What was done on a day, or in a period. */
export interface Totals {
  distance_m: number
  /** Moving time. */
  duration_s: number
  count: number
  elevation_gain_m: number
}

/**
 * The totals of every period that has days from `from` to `to`, in order; a period in which nothing was done has zeros.
 * Of a period that begins before or ends after, only these days count, which are the days that `days` has.
 */
export function volumeOf (
  days: ReadonlyArray<Totals & { date: string }>,
  { from, to, by, firstWeekday }: { from: string, to: string, by: Period, firstWeekday: number }
): Array<Totals & { start_date: string }> {
  const periods = new Map(periodStarts(from, to, by, firstWeekday).map((start_date) => [
    start_date, { start_date, distance_m: 0, duration_s: 0, count: 0, elevation_gain_m: 0 }
  ]))
  for (const day of days) {
    const period = periods.get(periodStart(day.date, by, firstWeekday))
    if (period === undefined) continue
    period.distance_m += day.distance_m
    period.duration_s += day.duration_s
    period.count += day.count
    period.elevation_gain_m += day.elevation_gain_m
  }
  return [...periods.values()].map((period) => ({
    ...period,
    distance_m: rounded(period.distance_m, 2)!,
    duration_s: rounded(period.duration_s, 2)!,
    elevation_gain_m: rounded(period.elevation_gain_m, 1)!
  }))
}

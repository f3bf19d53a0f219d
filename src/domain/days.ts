// Days of a calendar, `YYYY-MM-DD`. They have no time and no zone, so each is 24 hours of UTC.

const DAY_MS = 86_400_000

/** Days since 1970-01-01 of a day `YYYY-MM-DD`. */
export function dayNumber (day: string): number {
  return Date.parse(day) / DAY_MS
}

/** The inverse of {@link dayNumber}. */
export function dayOf (number: number): string {
  return new Date(number * DAY_MS).toISOString().slice(0, 10)
}

export function addDays (day: string, days: number): string {
  return dayOf(dayNumber(day) + days)
}

/** How many days `to` is after `from`. */
export function daysBetween (from: string, to: string): number {
  return dayNumber(to) - dayNumber(from)
}

/** ISO: 1 = Monday … 7 = Sunday. */
export function weekdayOf (day: string): number {
  // 1970-01-01 was a Thursday.
  return ((dayNumber(day) + 3) % 7 + 7) % 7 + 1
}

/** The first day of the week that a day is in. `firstWeekday` is ISO. */
export function weekStart (day: string, firstWeekday: number): string {
  return addDays(day, -((weekdayOf(day) - firstWeekday + 7) % 7))
}

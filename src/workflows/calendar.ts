import { findCalendar } from '../../db/analytics.ts'
import type { Sql } from '../../db/sql.ts'
import { AppError } from '../errors.ts'

/** What determines the days and the units of a runner. */
export interface RunnersCalendar {
  timezone: string
  /** ISO, 1 = Monday … 7. */
  firstWeekday: number
  /** The first day with an activity; undefined: there is none. */
  firstDay: string | undefined
  units: 'metric' | 'imperial'
}

/** @throws AppError UNAUTHENTICATED where the account no longer exists */
export async function calendarOf (sql: Sql, userId: string): Promise<RunnersCalendar> {
  const calendar = await findCalendar(sql, userId)
  if (calendar === undefined) throw new AppError('UNAUTHENTICATED', 'The account is gone')
  return {
    timezone: calendar.timezone,
    firstWeekday: calendar.first_weekday,
    firstDay: calendar.first_day ?? undefined,
    units: calendar.units === 'imperial' ? 'imperial' : 'metric'
  }
}

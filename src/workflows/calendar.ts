import { findCalendar } from '../../db/accounts.ts'
import type { Sql } from '../../db/sql.ts'
import { accountGone } from '../errors.ts'

/** What determines the days, the weeks and the units of a runner. */
export interface RunnersCalendar {
  timezone: string
  /** ISO, 1 = Monday … 7. */
  firstWeekday: number
  units: 'metric' | 'imperial'
}

/** @throws AppError UNAUTHENTICATED where the account no longer exists */
export async function calendarOf (sql: Sql, userId: string): Promise<RunnersCalendar> {
  const calendar = await findCalendar(sql, userId)
  if (calendar === undefined) throw accountGone()
  return {
    timezone: calendar.timezone,
    firstWeekday: calendar.first_weekday,
    units: calendar.units === 'imperial' ? 'imperial' : 'metric'
  }
}

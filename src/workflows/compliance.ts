import { listActivities, type ActivityRow } from '../../db/activities.ts'
import { findCalendar } from '../../db/accounts.ts'
import { listPlanActivities } from '../../db/matches.ts'
import { findPlan } from '../../db/plans.ts'
import type { Sql } from '../../db/sql.ts'
import { listWorkouts, listWorkoutsOfDays } from '../../db/workouts.ts'
import { localDate } from '../domain/local-day.ts'
import { addDays, daysBetween } from '../domain/days.ts'
import { settingsOn } from '../domain/physiology.ts'
import { rounded } from '../domain/units.ts'
import { complianceOf, type Compliance } from '../domain/workouts/compliance.ts'
import { totalsOf } from '../domain/workouts/totals.ts'
import { notFound, tooLong } from '../errors.ts'
import { mapInTurns } from '../http/turns.ts'
import { settingsFor, viewWorkouts, type ListedWorkout } from './workouts.ts'

/** More than a plan of years has; what is read for one request is bounded. */
const MOST_WORKOUTS = 5000
/** A leap year. */
const LONGEST_CALENDAR_DAYS = 366

/**
 * How a plan was followed up to the runner's today.
 * @throws AppError NOT_FOUND
 */
export async function planCompliance (sql: Sql, userId: string, planId: string): Promise<Compliance> {
  const [plan, calendar] = await Promise.all([findPlan(sql, userId, planId), findCalendar(sql, userId)])
  if (plan === undefined || calendar === undefined) throw notFound('plan')
  const [rows, activities] = await Promise.all([
    listWorkouts(sql, userId, planId, { limit: MOST_WORKOUTS }),
    listPlanActivities(sql, userId, plan, MOST_WORKOUTS)
  ])
  const settings = await settingsFor(sql, userId, rows)
  return complianceOf(
    await mapInTurns(rows, (row) => {
      const { distanceM, durationS, load } = totalsOf(row, settingsOn(row.date, settings))
      return {
        id: row.id,
        date: row.date,
        kind: row.kind,
        distanceM: rounded(distanceM, 1),
        durationS: rounded(durationS, 1),
        load: rounded(load, 2)
      }
    }),
    activities.map(({ id, workout_id, local_date, distance_m, moving_s, load }) => ({
      id, workoutId: workout_id, date: local_date, distanceM: distance_m, durationS: moving_s, load
    })),
    localDate(Date.now(), calendar.timezone),
    calendar.first_weekday
  )
}

export interface CalendarDay {
  date: string
  workouts: ListedWorkout[]
  activities: ActivityRow[]
}

/**
 * What is planned and done on each day of a range, by the runner's local days.
 * @throws AppError REQUEST_VALIDATION_ERROR for a range that is longer than a year
 */
export async function calendarDays (sql: Sql, userId: string, from: string, to: string): Promise<CalendarDay[]> {
  const count = daysBetween(from, to) + 1
  if (count > LONGEST_CALENDAR_DAYS) throw tooLong(`${LONGEST_CALENDAR_DAYS} days`)
  const [rows, activities] = await Promise.all([
    listWorkoutsOfDays(sql, userId, from, to, MOST_WORKOUTS),
    listActivities(sql, userId, { from, to, limit: MOST_WORKOUTS })
  ])
  const workouts = await viewWorkouts(sql, userId, rows)
  const days = new Map<string, CalendarDay>()
  for (let i = 0; i < count; i++) {
    const date = addDays(from, i)
    days.set(date, { date, workouts: [], activities: [] })
  }
  for (const workout of workouts) days.get(workout.date)?.workouts.push(workout)
  for (const activity of activities.toReversed()) days.get(activity.local_date)?.activities.push(activity)
  return [...days.values()]
}

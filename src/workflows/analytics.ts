import { findFirstDay, listPlanned, sumDays, sumLoads } from '../../db/analytics.ts'
import { listPhysiologyUntil } from '../../db/physiology.ts'
import { findQueuedDays } from '../../db/recomputations.ts'
import type { Sql } from '../../db/sql.ts'
import type { LoadAnswer, LoadQuery, VolumeAnswer, VolumeQuery } from '../../schemas/analytics.ts'
import { addDays, daysBetween } from '../domain/days.ts'
import { localDate } from '../domain/local-day.ts'
import { settingsOn } from '../domain/physiology.ts'
import { firstRemembered, loadDays, whyNull } from '../domain/training/load-days.ts'
import { LOAD_MODELS } from '../domain/training/load-model.ts'
import { laterPeriod, periodsAtMost, periodStart, type Period } from '../domain/periods.ts'
import { volumeOf } from '../domain/training/volume.ts'
import { totalsOf } from '../domain/workouts/totals.ts'
import { reversed, tooLong } from '../errors.ts'
import { calendarOf } from './calendar.ts'
import { pendingDays } from './pending.ts'

/** The most days, or periods, that one answer has. */
export const MOST_DAYS = 1100
/** How many days, or periods, an answer has that is asked for none in particular. */
const USUAL_DAYS = 90
const USUAL_PERIODS = 12
/** More workouts than anybody plans in the days of one answer. */
const MOST_PLANNED = 20_000

/** An answer with what only its picture needs. */
export interface Volume extends VolumeAnswer {
  units: 'metric' | 'imperial'
}

export interface Load extends LoadAnswer {
  today: string
}

/**
 * What was done by period, in the calendar of the runner; by default in the last twelve periods.
 * @throws AppError REQUEST_VALIDATION_ERROR for a range that is reversed, or has too many periods
 */
export async function volume (sql: Sql, userId: string, query: VolumeQuery, now = Date.now()): Promise<Volume> {
  const { firstWeekday, timezone, units } = await calendarOf(sql, userId)
  const by = query.by as Period
  const to = query.to ?? localDate(now, timezone)
  const from = query.from ?? laterPeriod(periodStart(to, by, firstWeekday), by, 1 - USUAL_PERIODS)
  if (from > to) throw reversed()
  if (periodsAtMost(from, to, by) > MOST_DAYS + 2) throw tooLong(`${MOST_DAYS} periods`)
  const days = await sumDays(sql, userId, { from, to, sport: query.sport })
  return {
    by,
    from,
    to,
    items: volumeOf(days, { from, to, by, firstWeekday }),
    units
  }
}

/**
 * Load, fitness, fatigue and strain by day; by default of the last 90 days. A forecast goes on from today with the load
 * of the workouts that are still to be done.
 * @throws AppError REQUEST_VALIDATION_ERROR for a range that is reversed, or has too many days
 */
export async function load (sql: Sql, userId: string, query: LoadQuery, now = Date.now()): Promise<Load> {
  const [{ timezone }, first, queued] = await Promise.all([
    calendarOf(sql, userId), findFirstDay(sql, userId), findQueuedDays(sql, userId)
  ])
  const today = localDate(now, timezone)
  const to = query.to ?? (query.forecast ? addDays(today, USUAL_DAYS) : today)
  const from = query.from ?? addDays(to < today ? to : today, 1 - USUAL_DAYS)
  if (from > to) throw reversed()
  if (daysBetween(from, to) >= MOST_DAYS) throw tooLong(`${MOST_DAYS} days`)
  const done = await sumLoads(sql, userId, firstRemembered(from, first), to)
  const planned = query.forecast && to >= today ? await plannedLoads(sql, userId, today, to) : new Map<string, number>()
  const days = loadDays(from, to, {
    done: new Map(done.map(({ date, load }) => [date, load])),
    planned,
    first: first ?? [...planned.keys()][0]
  })
  // Fitness and fatigue remember: every day after one that waits may change.
  const pending = queued === undefined ? null : pendingDays({ ...queued, done_from: null }, from, to)
  return { days, models: LOAD_MODELS, reason: whyNull(days), pending, today }
}

/** The load of the workouts still to be done, by day in order; of the days that have any. */
async function plannedLoads (sql: Sql, userId: string, from: string, to: string): Promise<Map<string, number>> {
  const workouts = await listPlanned(sql, userId, { from, to, limit: MOST_PLANNED })
  const loads = new Map<string, number>()
  if (workouts.length === 0) return loads
  const settings = await listPhysiologyUntil(sql, userId, to)
  for (const workout of workouts) {
    const { load } = totalsOf(workout, settingsOn(workout.date, settings))
    if (load !== null) loads.set(workout.date, (loads.get(workout.date) ?? 0) + load)
  }
  return loads
}

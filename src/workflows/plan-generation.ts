import type { Sql } from '../../db/sql.ts'
import type { PlanRequestBody } from '../../schemas/plans.ts'
import { localDate } from '../domain/local-day.ts'
import { generatePlan, type GeneratedPlan } from '../domain/plans/generate.ts'
import { NotFeasible, type PlanRequest } from '../domain/plans/request.ts'
import { HALF_MARATHON_M, MARATHON_M, METRES_PER_KM } from '../domain/units.ts'
import { AppError } from '../errors.ts'
import { calendarOf } from './calendar.ts'
import { storePlan, type StoredPlan } from './plan-storing.ts'

/** The long run is on Sunday unless the runner says otherwise. */
const SUNDAY = 7

/**
 * Generates a plan for a race and stores it with its workouts. It is active: the runner asked for a plan to run by.
 * @throws AppError PLAN_NOT_FEASIBLE with the reason where no plan can be made
 */
export async function addGeneratedPlan (sql: Sql, userId: string, body: PlanRequestBody): Promise<StoredPlan> {
  const { timezone, firstWeekday } = await calendarOf(sql, userId)
  const today = localDate(Date.now(), timezone)
  const request = requestOf(body, today, firstWeekday)
  const { outline, workouts } = feasible(request, today)
  return await storePlan(sql, userId, {
    name: body.name ?? `${raceName(request.race.distanceM)}, ${request.race.date}`,
    status: 'active',
    start_date: request.startDate,
    end_date: request.race.date,
    race: body.race
  }, outline, workouts)
}

function requestOf (body: PlanRequestBody, today: string, firstWeekday: number): PlanRequest {
  const { race, recent_result: result } = body
  return {
    race: { date: race.date, distanceM: race.distance_m, targetTimeS: race.target_time_s ?? null },
    result: { distanceM: result.distance_m, timeS: result.time_s },
    startDate: body.start_date ?? today,
    currentWeeklyM: body.current_weekly_distance_m,
    runsPerWeek: body.runs_per_week,
    longRunWeekday: body.long_run_weekday ?? SUNDAY,
    firstWeekday
  }
}

function feasible (request: PlanRequest, today: string): GeneratedPlan {
  try {
    if (request.race.date < today) throw new NotFeasible('race.date', 'The race is over: it was before today')
    return generatePlan(request)
  } catch (error) {
    if (!(error instanceof NotFeasible)) throw error
    throw new AppError('PLAN_NOT_FEASIBLE', error.message, { details: { field: error.field } })
  }
}

function raceName (distanceM: number): string {
  if (Math.abs(distanceM - MARATHON_M) < 100) return 'Marathon'
  if (Math.abs(distanceM - HALF_MARATHON_M) < 100) return 'Half marathon'
  return `${Number((distanceM / METRES_PER_KM).toFixed(1))} km race`
}

import type { Sql } from '../../db/sql.ts'
import { isDay } from '../../schemas/formats.ts'
import type { PlanTemplate, TemplateChoice } from '../../schemas/plans.ts'
import { localDate } from '../domain/local-day.ts'
import { dateTemplate, type Anchor } from '../domain/plans/from-template.ts'
import { TEMPLATES, weeksOf } from '../domain/plans/templates.ts'
import { AppError, invalid, notFound } from '../errors.ts'
import { calendarOf } from './calendar.ts'
import { storePlan, type StoredPlan } from './plan-storing.ts'

/** The templates, by distance and level. */
export function listTemplates (): PlanTemplate[] {
  return TEMPLATES.map((template) => {
    const { id, name, description, level, distanceM, runsPerWeek } = template
    const metres = weeksOf(template).map((week) => week.metres)
    return {
      id,
      name,
      description,
      level,
      distance_m: distanceM,
      runs_per_week: runsPerWeek,
      weeks_count: metres.length,
      first_week_distance_m: metres[0] as number,
      peak_week_distance_m: Math.max(...metres)
    }
  })
}

/**
 * Stores a plan with the workouts of a template, which do not change with it afterwards. It is active at once.
 * @throws AppError NOT_FOUND for the template, VALIDATION_ERROR unless there is one of the two dates, PLAN_NOT_FEASIBLE
 * where the race would be before today, or after the last day of the calendar
 */
export async function addPlanFromTemplate (sql: Sql, userId: string, body: TemplateChoice): Promise<StoredPlan> {
  const template = TEMPLATES.find(({ id }) => id === body.template_id)
  if (template === undefined) throw notFound('plan template')
  const anchor = anchorOf(body)
  const { firstWeekday, timezone } = await calendarOf(sql, userId)
  const { startDate, raceDate, outline, workouts } = dateTemplate(template, anchor, firstWeekday)
  if (raceDate < localDate(Date.now(), timezone)) {
    throw notFeasible(anchor, `The race is over: it would be on ${raceDate}, before today`)
  }
  if (!isDay(raceDate)) throw notFeasible(anchor, `The race would be on ${raceDate}, after the last day of the calendar`)
  return await storePlan(sql, userId, {
    name: body.name ?? template.name,
    status: 'active',
    start_date: startDate,
    end_date: raceDate,
    race: { date: raceDate, distance_m: template.distanceM },
    notes: template.description
  }, outline, workouts)
}

function notFeasible (anchor: Anchor, reason: string): AppError {
  return new AppError('PLAN_NOT_FEASIBLE', reason, {
    details: { field: 'raceDate' in anchor ? 'race_date' : 'start_date' }
  })
}

function anchorOf ({ start_date: startDate, race_date: raceDate }: TemplateChoice): Anchor {
  if (startDate !== undefined && raceDate === undefined) return { startDate }
  if (raceDate !== undefined && startDate === undefined) return { raceDate }
  throw invalid('start_date', 'Send either start_date or race_date')
}

import {
  deleteGoal, findGoal, insertGoal, sumGoals, updateGoal, type DatedGoalRow, type StoredGoal
} from '../../db/goals.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import type { Goal, GoalChange, NewGoal } from '../../schemas/goals.ts'
import { daysBetween } from '../domain/days.ts'
import { daysOf, progressOf, type GoalPeriod } from '../domain/goals.ts'
import { localDate } from '../domain/local-day.ts'
import { accountGone, invalid, notFound } from '../errors.ts'
import { newId } from '../ids.ts'

/** A goal with its progress; its revision changes with that too. */
export interface GoalWithProgress extends Goal {
  revision: string
  row: DatedGoalRow
}

/** The longest custom goal: what is summed for one request is bounded. */
const LONGEST_DAYS = 3660

/** The goals with their progress now: one more statement, however many there are. */
export async function withProgress (sql: Sql, userId: string, rows: DatedGoalRow[]): Promise<GoalWithProgress[]> {
  if (rows.length === 0) return []
  const now = Date.now()
  const dated = rows.map((row) => {
    const today = localDate(now, row.timezone)
    const days = daysOf({ period: row.period as GoalPeriod, from: row.from, to: row.to }, today, row.first_weekday)
    return { row, today, days }
  })
  const sums = await sumGoals(sql, userId, dated.map(({ row: { id }, days }) => ({ id, ...days })))
  return dated.map(({ row, today, days }) => {
    const progress = progressOf(row.target, sums.get(row.id) ?? 0, days, today)
    const { start_date, done, expected_today } = progress
    return { ...row, progress, revision: [row.revision, start_date, done, expected_today].join('/'), row }
  })
}

/** @throws AppError NOT_FOUND */
export async function goalWithProgress (sql: Sql, userId: string, goalId: string): Promise<GoalWithProgress> {
  const row = await findGoal(sql, userId, goalId)
  if (row === undefined) throw notFound('goal')
  return await onlyOne(sql, userId, row)
}

/** @throws AppError VALIDATION_ERROR for days or a target that break a rule */
export async function addGoal (sql: Sql, userId: string, body: NewGoal): Promise<GoalWithProgress> {
  const { name = null, metric, period, target, sport = 'running', from = null, to = null } = body
  const goal = { id: newId(), name, metric, period, target, sport, from, to }
  checkGoal(goal)
  const row = await transaction(sql, async (sql) => await insertGoal(sql, userId, goal))
  if (row === undefined) throw accountGone()
  return await onlyOne(sql, userId, row)
}

/**
 * Changes a goal as it was read; undefined if it was changed in between.
 * @throws AppError VALIDATION_ERROR for days or a target that break a rule
 */
export async function changeGoal (
  sql: Sql,
  userId: string,
  { row }: GoalWithProgress,
  change: GoalChange
): Promise<GoalWithProgress | undefined> {
  const next = { ...row, ...change }
  checkGoal(next)
  const changed = await updateGoal(sql, userId, next)
  return changed === undefined ? undefined : await onlyOne(sql, userId, changed)
}

/** Deletes a goal as it was read; undefined if it was changed in between. */
export async function removeGoal (sql: Sql, userId: string, { row }: GoalWithProgress): Promise<true | undefined> {
  return await deleteGoal(sql, userId, row)
}

async function onlyOne (sql: Sql, userId: string, row: DatedGoalRow): Promise<GoalWithProgress> {
  const [goal] = await withProgress(sql, userId, [row])
  return goal as GoalWithProgress
}

function checkGoal ({ metric, period, target, from, to }: StoredGoal): void {
  if (metric === 'count' && !Number.isInteger(target)) throw invalid('target', 'The target of a count must be a whole number')
  if (period === 'custom' && from === null) throw invalid('from', 'A custom goal needs the day from which it applies')
  if (period === 'custom' && to === null) throw invalid('to', 'A custom goal needs the day until which it applies')
  if (from === null || to === null) return
  if (to < from) throw invalid('to', 'to must not be before from')
  if (period === 'custom' && daysBetween(from, to) >= LONGEST_DAYS) {
    throw invalid('to', `A custom goal must not be longer than ${LONGEST_DAYS} days`)
  }
}

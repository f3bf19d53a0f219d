import type { Goal } from '../schemas/goals.ts'
import { LAST_ID } from '../src/ids.ts'
import { fragment, type Sql } from './sql.ts'

export interface GoalRow extends Omit<Goal, 'progress'> {
  revision: number
}

/** A goal with what determines the days of its owner's calendar. */
export interface DatedGoalRow extends GoalRow {
  timezone: string
  first_weekday: number
}

/** A goal and the days that its progress is about. */
export interface GoalDays {
  id: string
  from: string
  to: string
}

const columns = fragment`
  g.goal_id as id, g.name, g.metric, g.period, g.target, g.sport, g.from_date as "from", g.to_date as "to", g.created_at, g.updated_at,
  g.revision, u.timezone, u.first_weekday
`

/** Newest first, one more than `limit` if there is more; `after`: the id of the last item of the page before. */
export async function listGoals (
  sql: Sql,
  userId: string,
  limit: number,
  after = LAST_ID
): Promise<DatedGoalRow[]> {
  return await sql<DatedGoalRow>`/* listGoals */
    select ${columns}
    from goals g join users u on u.user_id = g.user_id
    where g.user_id = ${userId} and g.goal_id < ${after}
    order by g.goal_id desc
    limit ${limit + 1}
  `
}

export async function findGoal (sql: Sql, userId: string, goalId: string): Promise<DatedGoalRow | undefined> {
  const [goal] = await sql<DatedGoalRow>`/* findGoal */
    select ${columns} from goals g join users u on u.user_id = g.user_id where g.user_id = ${userId} and g.goal_id = ${goalId}
  `
  return goal
}

export type StoredGoal = Omit<GoalRow, 'created_at' | 'updated_at' | 'revision'>

/** Undefined if the account no longer exists. To be called in a transaction. */
export async function insertGoal (sql: Sql, userId: string, goal: StoredGoal): Promise<DatedGoalRow | undefined> {
  await sql`/* insertGoal */
    insert into goals (user_id, goal_id, name, metric, period, target, sport, from_date, to_date)
    values (
      ${userId}, ${goal.id}, ${goal.name}, ${goal.metric}, ${goal.period}, ${goal.target}, ${goal.sport},
      ${goal.from}::date, ${goal.to}::date
    )
  `
  return await findGoal(sql, userId, goal.id)
}

/** Stores a goal that was changed; undefined if another request changed or deleted it since it was read. */
export async function updateGoal (sql: Sql, userId: string, next: GoalRow): Promise<DatedGoalRow | undefined> {
  const [row] = await sql<DatedGoalRow>`/* updateGoal */
    with g as (
      update goals
      set name = ${next.name}, metric = ${next.metric}, period = ${next.period}, target = ${next.target}, sport = ${next.sport},
        from_date = ${next.from}::date, to_date = ${next.to}::date, revision = revision + 1, updated_at = now()
      where user_id = ${userId} and goal_id = ${next.id} and revision = ${next.revision}
      returning *
    )
    select ${columns} from g join users u on u.user_id = ${userId}
  `
  return row
}

/** Deletes a goal as it was read; undefined if it was changed or deleted in between. */
export async function deleteGoal (
  sql: Sql,
  userId: string,
  { id, revision }: Pick<GoalRow, 'id' | 'revision'>
): Promise<true | undefined> {
  const rows = await sql`/* deleteGoal */
    delete from goals where user_id = ${userId} and goal_id = ${id} and revision = ${revision} returning goal_id
  `
  return rows.length === 1 ? true : undefined
}

/** What was done of each goal in its days, in the unit of its metric: one statement for all of them. */
export async function sumGoals (sql: Sql, userId: string, goals: GoalDays[]): Promise<Map<string, number>> {
  const rows = await sql<{ id: string, done: number }>`/* sumGoals */
    select g.goal_id as id, sums.done
    from unnest(
      ${goals.map(({ id }) => id)}::uuid[], ${goals.map(({ from }) => from)}::date[], ${goals.map(({ to }) => to)}::date[]
    ) as days (goal_id, from_date, to_date)
    join goals g on g.user_id = ${userId} and g.goal_id = days.goal_id
    cross join lateral (
      select coalesce(sum(
        case g.metric
          when 'distance' then a.distance_m
          when 'duration' then a.moving_s
          when 'elevation_gain' then a.elevation_gain_m
          else 1
        end
      ), 0)::float8 as done
      from activities a
      where a.user_id = ${userId} and a.local_date between days.from_date and days.to_date
        and (g.sport is null or a.sport = g.sport)
    ) as sums
  `
  return new Map(rows.map(({ id, done }) => [id, done]))
}

import type { NewPlan, Plan, PlanChange, PlanDetail } from '../schemas/plans.ts'
import type { Origin, Outline, PlanWeek } from '../src/domain/plans/outline.ts'
import { LAST_ID } from '../src/ids.ts'
import { fragment, json, type Sql } from './sql.ts'

export interface PlanRow extends PlanDetail {
  revision: number
}

/** A plan in a list: without its phases and weeks. */
export interface ListedPlanRow extends Plan {
  revision: number
}

export interface PlanFilter {
  status?: string | undefined
  from?: string | undefined
  to?: string | undefined
  limit: number
}

const columns = fragment`
  plan_id as id, name, goal, status, start_date, end_date, race, notes, created_at, updated_at, revision
`
const detailed = fragment`${columns}, outline->'phases' as phases, outline->'weeks' as weeks`

/**
 * Newest first, one more than `limit` if there is more. There are two constant statements: assembling a statement per
 * call cost 20 µs of 80, and a single statement with null for unused filters is planned again each time by Postgres,
 * which takes 75 of its 190 µs.
 */
export async function listPlans (
  sql: Sql,
  userId: string,
  { status, from, to, limit }: PlanFilter,
  after = LAST_ID
): Promise<ListedPlanRow[]> {
  if (status === undefined && from === undefined && to === undefined) {
    return await sql<ListedPlanRow>`/* listPlans */
      select ${columns} from plans where user_id = ${userId} and plan_id < ${after} order by plan_id desc limit ${limit + 1}
    `
  }
  return await sql<ListedPlanRow>`/* listPlans */
    select ${columns}
    from plans
    where user_id = ${userId} and plan_id < ${after}
      and (${status ?? null}::text is null or status = ${status ?? null})
      and (${from ?? null}::date is null or end_date >= ${from ?? null}::date)
      and (${to ?? null}::date is null or start_date <= ${to ?? null}::date)
    order by plan_id desc
    limit ${limit + 1}
  `
}

export async function findPlan (sql: Sql, userId: string, planId: string): Promise<PlanRow | undefined> {
  const [plan] = await sql<PlanRow>`/* findPlan */
    select ${detailed} from plans where user_id = ${userId} and plan_id = ${planId}
  `
  return plan
}

/** `outline`: of a plan that was not made by hand. */
export async function insertPlan (
  sql: Sql,
  userId: string,
  planId: string,
  plan: NewPlan,
  outline: Outline | null = null
): Promise<PlanRow> {
  const [row] = await sql<PlanRow>`/* insertPlan */
    insert into plans (user_id, plan_id, name, goal, status, start_date, end_date, race, notes, outline)
    values (
      ${userId}, ${planId}, ${plan.name}, ${plan.goal ?? null}, ${plan.status ?? 'draft'},
      ${plan.start_date}::date, ${plan.end_date}::date, ${json(plan.race ?? null)}, ${plan.notes ?? null}, ${json(outline)}
    )
    returning ${detailed}
  `
  return row as PlanRow
}

/**
 * Applies `change` to `plan` as it was read; undefined if it was changed in between or does not exist, or if a workout
 * would be outside of it.
 */
export async function updatePlan (
  sql: Sql,
  userId: string,
  plan: PlanRow,
  change: PlanChange
): Promise<PlanRow | undefined> {
  const next = { ...plan, ...change }
  const [row] = await sql<PlanRow>`/* updatePlan */
    update plans
    set name = ${next.name}, goal = ${next.goal}, status = ${next.status},
      start_date = ${next.start_date}::date, end_date = ${next.end_date}::date, race = ${json(next.race)}, notes = ${next.notes},
      revision = revision + 1, updated_at = now()
    where user_id = ${userId} and plan_id = ${plan.id} and revision = ${plan.revision}
      and not exists (
        select from workouts w
        where w.user_id = ${userId} and w.plan_id = ${plan.id}
          and (w.date < ${next.start_date}::date or w.date > ${next.end_date}::date)
      )
    returning ${detailed}
  `
  return row
}

/** What a plan was made from; null: it was made by hand. */
export async function findOrigin (sql: Sql, userId: string, planId: string): Promise<Origin | null> {
  const [row] = await sql<{ origin: Origin | null }>`/* findOrigin */
    select outline->'origin' as origin from plans where user_id = ${userId} and plan_id = ${planId}
  `
  return row?.origin ?? null
}

/** Puts a plan that was read into its next revision, with other weeks; undefined if it was changed in between. */
export async function updateWeeks (
  sql: Sql,
  userId: string,
  { id, revision }: PlanRow,
  next: { weeks: PlanWeek[], origin: Origin } | null
): Promise<PlanRow | undefined> {
  const [row] = await sql<PlanRow>`/* updateWeeks */
    update plans
    set outline = outline || coalesce(${json(next)}::jsonb, '{}'::jsonb), revision = revision + 1, updated_at = now()
    where user_id = ${userId} and plan_id = ${id} and revision = ${revision}
    returning ${detailed}
  `
  return row
}

/** The first and the last day with a workout of a plan; undefined if it has none. */
export async function findWorkoutDays (
  sql: Sql,
  userId: string,
  planId: string
): Promise<{ first: string, last: string } | undefined> {
  const [row] = await sql<{ first: string | null, last: string | null }>`/* findWorkoutDays */
    select min(date) as first, max(date) as last from workouts where user_id = ${userId} and plan_id = ${planId}
  `
  return row === undefined || row.first === null || row.last === null ? undefined : { first: row.first, last: row.last }
}

/**
 * Deletes a plan as it was read, with its workouts, and notes that these are cancelled; their activities stay.
 * Undefined if it was changed or deleted in between. To be called in a transaction.
 */
export async function deletePlan (sql: Sql, userId: string, { id, revision }: PlanRow): Promise<true | undefined> {
  // Locks the plan where it has workouts: what is noted here is deleted below.
  await sql`/* cancelWorkouts */
    insert into cancelled_workouts (user_id, workout_id, date, name, revision)
    select w.user_id, w.workout_id, w.date, w.name, w.revision + 1
    from plans p join workouts w on w.user_id = p.user_id and w.plan_id = p.plan_id
    where p.user_id = ${userId} and p.plan_id = ${id} and p.revision = ${revision}
    for update of p
  `
  const rows = await sql`/* deletePlan */
    with gone as (
      delete from plans where user_id = ${userId} and plan_id = ${id} and revision = ${revision} returning plan_id
    ),
    unlinked as (
      update activities a
      set revision = a.revision + 1, updated_at = now()
      from gone
        join workouts w on w.user_id = ${userId} and w.plan_id = gone.plan_id
        join workout_activities m on m.user_id = ${userId} and m.workout_id = w.workout_id
      where a.user_id = ${userId} and a.activity_id = m.activity_id
    )
    select plan_id from gone
  `
  return rows.length === 1 ? true : undefined
}

import type { WorkoutFields } from '../src/domain/workouts/fields.ts'
import { fragment, json, type Sql } from './sql.ts'

/** A workout as it is stored; what its targets and totals mean depends on the settings of the day. */
export interface WorkoutRow extends WorkoutFields {
  id: string
  plan_id: string
  external_id: string | null
  activity_id: string | null
  match: { by: string, reason: string } | null
  /** Whether it is as the generator wrote it, and not edited since. */
  is_generated: boolean
  created_at: string
  updated_at: string
  revision: number
}

/** What a workout has beside what it asks for. */
export type WorkoutState = Omit<WorkoutRow, keyof WorkoutFields>

/** The fields that are written. */
export interface StoredWorkout extends Omit<
  WorkoutRow, 'plan_id' | 'activity_id' | 'match' | 'is_generated' | 'created_at' | 'updated_at' | 'revision'
> {
  /** Whether the generator writes it. */
  is_generated?: boolean
}

export interface WorkoutFilter {
  from?: string | undefined
  to?: string | undefined
  limit: number
}

const state = fragment`
  w.workout_id as id, w.plan_id, w.external_id, m.activity_id,
  case when m.workout_id is not null then jsonb_build_object('by', m.matched_by, 'reason', m.reason) end as match,
  w.generated_revision is not distinct from w.revision as is_generated, w.created_at, w.updated_at, w.revision
`
const columns = fragment`
  ${state}, w.date, w.kind, w.name, w.description, w.steps, w.planned_distance_m, w.planned_duration_s
`
/** The rows `w`, each with its activity. */
const matched = (userId: string) => fragment`
  w left join workout_activities m on m.user_id = ${userId} and m.workout_id = w.workout_id
`

/** The workouts of a plan by day, one more than `limit` if there is more; `after`: day and id of the last before. */
export async function listWorkouts (
  sql: Sql,
  userId: string,
  planId: string,
  { from, to, limit }: WorkoutFilter,
  after?: { date: string, id: string }
): Promise<WorkoutRow[]> {
  return await sql<WorkoutRow>`/* listWorkouts */
    select ${columns}
    from workouts ${matched(userId)}
    where w.user_id = ${userId} and w.plan_id = ${planId}
      ${after === undefined ? fragment`` : fragment`and (w.date, w.workout_id) > (${after.date}::date, ${after.id}::uuid)`}
      ${from === undefined ? fragment`` : fragment`and w.date >= ${from}::date`}
      ${to === undefined ? fragment`` : fragment`and w.date <= ${to}::date`}
    order by w.date, w.workout_id
    limit ${limit + 1}
  `
}

/** The workouts of every plan on some days, by day. */
export async function listWorkoutsOfDays (
  sql: Sql,
  userId: string,
  from: string,
  to: string,
  limit: number
): Promise<WorkoutRow[]> {
  return await sql<WorkoutRow>`/* listWorkoutsOfDays */
    select ${columns}
    from workouts ${matched(userId)}
    where w.user_id = ${userId} and w.date between ${from}::date and ${to}::date
    order by w.date, w.workout_id
    limit ${limit}
  `
}

export async function listStates (
  sql: Sql,
  userId: string,
  ids: string[]
): Promise<WorkoutState[]> {
  return await sql<WorkoutState>`/* listStates */
    select ${state} from workouts ${matched(userId)} where w.user_id = ${userId} and w.workout_id = any(${ids}::uuid[])
  `
}

export async function findWorkout (sql: Sql, userId: string, workoutId: string): Promise<WorkoutRow | undefined> {
  const [workout] = await sql<WorkoutRow>`/* findWorkout */
    select ${columns} from workouts ${matched(userId)} where w.user_id = ${userId} and w.workout_id = ${workoutId}
  `
  return workout
}

/**
 * Stores a workout. Undefined if its plan does not exist or does not cover its day, or if the plan has a workout of the
 * same external id.
 */
export async function insertWorkout (
  sql: Sql,
  userId: string,
  planId: string,
  workout: StoredWorkout
): Promise<{ id: string, date: string } | undefined> {
  const { id, date, kind, name, description, steps, planned_distance_m, planned_duration_s, external_id } = workout
  const [row] = await sql<{ id: string, date: string }>`/* insertWorkout */
    insert into workouts as w (
      user_id, workout_id, plan_id, date, kind, name, description, steps, planned_distance_m, planned_duration_s, external_id
    )
    select user_id, ${id}, plan_id, ${date}::date, ${kind}, ${name}, ${description}, ${json(steps)}::jsonb,
      ${planned_distance_m}, ${planned_duration_s}, ${external_id}
    from plans
    where user_id = ${userId} and plan_id = ${planId} and ${date}::date between start_date and end_date
    for share
    on conflict on constraint workouts_external do nothing
    returning w.workout_id as id, w.date
  `
  return row
}

/** The first and the last day of some workouts. */
export function daysOf (
  workouts: ReadonlyArray<Pick<WorkoutFields, 'date'>>
): { first: string | null, last: string | null } {
  const days = workouts.map(({ date }) => date).toSorted()
  return { first: days[0] ?? null, last: days.at(-1) ?? null }
}

/**
 * Stores workouts by their external ids, all or none of them: none if the plan does not exist or does not cover the
 * days from `first` to `last`. A workout that is as it was keeps its revision. `excluded.updated_at` is the column's
 * default, the time of the transaction: on several nodes, an update on conflict may call no function.
 */
export async function upsertWorkouts (
  sql: Sql,
  userId: string,
  planId: string,
  workouts: StoredWorkout[],
  { first, last } = daysOf(workouts)
): Promise<Array<{ id: string }>> {
  return await sql<{ id: string }>`/* upsertWorkouts */
    insert into workouts as kept (
      user_id, workout_id, plan_id, date, kind, name, description, steps, planned_distance_m, planned_duration_s, external_id,
      generated_revision
    )
    select p.user_id, g.id, p.plan_id, g.date, g.kind, g.name, g.description, g.steps, g.planned_distance_m,
      g.planned_duration_s, g.external_id, case when g.is_generated then 1 end
    from plans p
      cross join jsonb_to_recordset(${json(workouts)}::jsonb) as g (
        id uuid, date date, kind text, name text, description text, steps jsonb,
        planned_distance_m double precision, planned_duration_s double precision, external_id text, is_generated boolean
      )
    where p.user_id = ${userId} and p.plan_id = ${planId}
      and p.start_date <= ${first}::date and p.end_date >= ${last}::date
    order by g.external_id
    for share of p
    on conflict on constraint workouts_external do update
    set date = excluded.date, kind = excluded.kind, name = excluded.name, description = excluded.description,
      steps = excluded.steps, planned_distance_m = excluded.planned_distance_m,
      planned_duration_s = excluded.planned_duration_s,
      revision = kept.revision + case when ${isChanged} then 1 else 0 end,
      updated_at = case when ${isChanged} then excluded.updated_at else kept.updated_at end
    returning kept.workout_id as id
  `
}

const isChanged = fragment`
  (kept.date, kept.kind, kept.name, kept.description, kept.steps, kept.planned_distance_m, kept.planned_duration_s)
    is distinct from (
      excluded.date, excluded.kind, excluded.name, excluded.description, excluded.steps, excluded.planned_distance_m,
      excluded.planned_duration_s
    )
`

/**
 * Stores a workout that was changed; undefined if another request changed it since it was read, or if its plan does not
 * cover its day.
 */
export async function updateWorkout (sql: Sql, userId: string, next: WorkoutRow): Promise<WorkoutRow | undefined> {
  const [row] = await sql<WorkoutRow>`/* updateWorkout */
    with covering as (
      select plan_id from plans
      where user_id = ${userId} and plan_id = ${next.plan_id} and ${next.date}::date between start_date and end_date
      for share
    ),
    w as (
      update workouts
      set date = ${next.date}::date, kind = ${next.kind}, name = ${next.name}, description = ${next.description},
        steps = ${json(next.steps)}::jsonb, planned_distance_m = ${next.planned_distance_m},
        planned_duration_s = ${next.planned_duration_s}, external_id = ${next.external_id},
        revision = revision + 1, updated_at = now()
      where user_id = ${userId} and workout_id = ${next.id} and revision = ${next.revision}
        and exists (select from covering)
      returning *
    )
    select ${columns} from ${matched(userId)}
  `
  return row
}

/**
 * Deletes a workout as it was read, and notes that it is cancelled; its activity stays. Undefined if it was changed in
 * between. To be called in a transaction.
 */
export async function deleteWorkout (
  sql: Sql,
  userId: string,
  { id, revision }: Pick<WorkoutRow, 'id' | 'revision'>
): Promise<true | undefined> {
  const rows = await sql`/* cancelWorkout */
    insert into cancelled_workouts as c (user_id, workout_id, date, name, revision)
    select user_id, workout_id, date, name, revision + 1
    from workouts
    where user_id = ${userId} and workout_id = ${id} and revision = ${revision}
    for update
    returning c.workout_id
  `
  if (rows.length === 0) return undefined
  await sql`/* deleteWorkout */
    with gone as (
      delete from workouts where user_id = ${userId} and workout_id = ${id} returning workout_id
    )
    update activities a
    set revision = a.revision + 1, updated_at = now()
    from gone join workout_activities m on m.user_id = ${userId} and m.workout_id = gone.workout_id
    where a.user_id = ${userId} and a.activity_id = m.activity_id
  `
  return true
}

/** Stores workouts of a plan as the generator changed them. */
export async function updateGenerated (
  sql: Sql,
  userId: string,
  planId: string,
  workouts: StoredWorkout[]
): Promise<void> {
  await sql`/* updateGenerated */
    update workouts w
    set date = g.date, kind = g.kind, name = g.name, description = g.description, steps = g.steps,
      planned_distance_m = g.planned_distance_m, planned_duration_s = g.planned_duration_s,
      revision = w.revision + 1, generated_revision = w.revision + 1, updated_at = now()
    from jsonb_to_recordset(${json(workouts)}::jsonb) as g (
      id uuid, date date, kind text, name text, description text, steps jsonb,
      planned_distance_m double precision, planned_duration_s double precision
    )
    where w.user_id = ${userId} and w.plan_id = ${planId} and w.workout_id = g.id
  `
}

/** Deletes workouts without activities, and notes that they are cancelled. To be called in a transaction. */
export async function deleteWorkouts (sql: Sql, userId: string, planId: string, ids: string[]): Promise<void> {
  await sql`/* cancelWorkouts */
    insert into cancelled_workouts as c (user_id, workout_id, date, name, revision)
    select user_id, workout_id, date, name, revision + 1
    from workouts
    where user_id = ${userId} and plan_id = ${planId} and workout_id = any(${ids}::uuid[])
    for update
  `
  await sql`/* deleteWorkouts */
    delete from workouts where user_id = ${userId} and plan_id = ${planId} and workout_id = any(${ids}::uuid[])
  `
}

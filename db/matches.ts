import type { PlannedFields } from '../src/domain/workouts/fields.ts'
import { fragment, json, type Sql } from './sql.ts'

/** A workout of a plan that is no draft, as far as matching depends on it. */
export interface MatchableWorkout extends PlannedFields {
  id: string
  /** Whether its plan is archived: it may keep the activity that it has, and takes no other. */
  is_archived: boolean
  /** Null: none. */
  activity_id: string | null
  /** Null: neither a rule nor a person has decided. */
  matched_by: 'rule' | 'person' | null
  reason: string | null
}

export interface MatchableActivity {
  id: string
  local_date: string
  sport: string
  distance_m: number | null
  moving_s: number | null
  /** The workout that it belongs to, whichever plan and day that is of. */
  workout_id: string | null
  /** Whether a person took it away from a workout. */
  is_declined: boolean
}

export interface Match {
  workout_id: string
  activity_id: string
  reason: string
}

/**
 * Workouts of any plan but a draft by day, at most `limit`: of each day the first `perDay`, and those that a rule gave
 * an activity.
 */
export async function listMatchableWorkouts (
  sql: Sql,
  userId: string,
  { from, to, perDay, limit }: { from: string, to: string, perDay: number, limit: number }
): Promise<MatchableWorkout[]> {
  return await sql<MatchableWorkout>`/* listMatchableWorkouts */
    select id, date, kind, steps, planned_distance_m, planned_duration_s, is_archived, activity_id, matched_by, reason
    from (
      select w.workout_id as id, w.date, w.kind, w.steps, w.planned_distance_m, w.planned_duration_s,
        p.status = 'archived' as is_archived, m.activity_id, m.matched_by, m.reason,
        row_number() over (partition by w.date order by w.workout_id) as place
      from workouts w
        join plans p on p.user_id = w.user_id and p.plan_id = w.plan_id
        left join workout_activities m on m.user_id = w.user_id and m.workout_id = w.workout_id
      where w.user_id = ${userId} and w.date between ${from}::date and ${to}::date and p.status <> 'draft'
    ) of_days
    where place <= ${perDay} or matched_by = 'rule'
    order by date, id
    limit ${limit}
  `
}

/** Activities of some days by the time they started at: of each day the first `perDay`. */
export async function listMatchableActivities (
  sql: Sql,
  userId: string,
  days: string[],
  perDay: number
): Promise<MatchableActivity[]> {
  return await sql<MatchableActivity>`/* listMatchableActivities */
    select id, local_date, sport, distance_m, moving_s, workout_id, is_declined
    from (
      select a.activity_id as id, a.local_date, a.sport, a.distance_m, a.moving_s, a.start_time, m.workout_id,
        exists (
          select from declined_activities d where d.user_id = ${userId} and d.activity_id = a.activity_id
        ) as is_declined,
        row_number() over (partition by a.local_date order by a.start_time, a.activity_id) as place
      from activities a
        left join workout_activities m on m.user_id = a.user_id and m.activity_id = a.activity_id
      where a.user_id = ${userId} and a.local_date = any(${days}::date[])
    ) of_days
    where place <= ${perDay}
    order by start_time, id
  `
}

/** Takes back matches that rules made. */
export async function dropMatches (sql: Sql, userId: string, workoutIds: string[]): Promise<void> {
  await sql`/* dropMatches */
    with gone as (
      delete from workout_activities
      where user_id = ${userId} and workout_id = any(${workoutIds}::uuid[]) and matched_by = 'rule'
      returning activity_id
    )
    update activities a
    set revision = a.revision + 1, updated_at = now()
    from gone
    where a.user_id = ${userId} and a.activity_id = gone.activity_id
  `
}

/** Takes back the matches that rules made with the workouts of a plan. */
export async function dropMatchesOfPlan (sql: Sql, userId: string, planId: string): Promise<void> {
  await sql`/* dropMatchesOfPlan */
    with gone as (
      delete from workout_activities m
      using workouts w
      where m.user_id = ${userId} and m.matched_by = 'rule'
        and w.user_id = m.user_id and w.workout_id = m.workout_id and w.plan_id = ${planId}
      returning m.activity_id
    )
    update activities a
    set revision = a.revision + 1, updated_at = now()
    from gone
    where a.user_id = ${userId} and a.activity_id = gone.activity_id
  `
}

/** Notes matches that rules made. */
export async function addMatches (sql: Sql, userId: string, matches: Match[]): Promise<void> {
  await sql`/* addMatches */
    insert into workout_activities (user_id, workout_id, activity_id, matched_by, reason)
    select ${userId}::uuid, g.workout_id, g.activity_id, 'rule', g.reason
    from jsonb_to_recordset(${json(matches)}::jsonb) as g (workout_id uuid, activity_id uuid, reason text)
  `
  await sql`/* touchMatched */
    update activities
    set revision = revision + 1, updated_at = now()
    where user_id = ${userId} and activity_id = any(${matches.map(({ activity_id }) => activity_id)}::uuid[])
  `
}

/** The workout that an activity belongs to; null: none. Undefined: there is no such activity. */
export async function findLink (
  sql: Sql,
  userId: string,
  activityId: string
): Promise<{ workout_id: string | null, local_date: string } | undefined> {
  const [row] = await sql<{ workout_id: string | null, local_date: string }>`/* findLink */
    select m.workout_id, a.local_date
    from activities a
      left join workout_activities m on m.user_id = a.user_id and m.activity_id = a.activity_id
    where a.user_id = ${userId} and a.activity_id = ${activityId}
  `
  return row
}

/**
 * Notes what a person decided for a workout: the activity that fulfilled it, or null for none. What it had before is
 * declined: no rule gives it to a workout again.
 */
export async function decideMatch (
  sql: Sql,
  userId: string,
  workoutId: string,
  activityId: string | null,
  reason: string
): Promise<void> {
  await sql`/* declineMatch */
    insert into declined_activities (user_id, activity_id)
    select user_id, activity_id
    from workout_activities
    where user_id = ${userId} and workout_id = ${workoutId} and activity_id is not null
      and activity_id is distinct from ${activityId}::uuid
    on conflict do nothing
  `
  await sql`/* touchDecided */
    with linked as (
      delete from declined_activities where user_id = ${userId} and activity_id = ${activityId}::uuid
    )
    update activities
    set revision = revision + 1, updated_at = now()
    where user_id = ${userId} and activity_id = any(array(
      select m.activity_id from workout_activities m where m.user_id = ${userId} and m.workout_id = ${workoutId}
      union all
      select ${activityId}::uuid
    ))
  `
  await sql`/* decideMatch */
    insert into workout_activities (user_id, workout_id, activity_id, matched_by, reason)
    values (${userId}, ${workoutId}, ${activityId}::uuid, 'person', ${reason})
    on conflict (user_id, workout_id) do update
    set activity_id = excluded.activity_id, matched_by = excluded.matched_by, reason = excluded.reason
  `
}

/** An activity that fulfilled a workout of a plan, or none while the plan went on. */
export interface PlanActivity {
  id: string
  workout_id: string | null
  local_date: string
  distance_m: number | null
  moving_s: number | null
  load: number | null
}

/** The workout of the activity `a`; null: it belongs to none. */
const workoutOf = (userId: string) => fragment`(
  select m.workout_id from workout_activities m where m.user_id = ${userId} and m.activity_id = a.activity_id
)`

/**
 * The activities that belong to a plan's workouts, and the runs on its days that belong to no workout of any plan, by
 * day. Nothing is joined: without statistics, as of tables that are new, Postgres took the workouts of a runner to be
 * few, and compared each with each activity, which took 450 ms.
 */
export async function listPlanActivities (
  sql: Sql,
  userId: string,
  { id, start_date, end_date }: { id: string, start_date: string, end_date: string },
  limit: number
): Promise<PlanActivity[]> {
  return await sql<PlanActivity>`/* listPlanActivities */
    select a.activity_id as id, ${workoutOf(userId)} as workout_id, a.local_date, a.distance_m, a.moving_s, a.load
    from activities a
    where a.user_id = ${userId} and a.activity_id = any(array(
      select m.activity_id from workout_activities m
      where m.user_id = ${userId} and m.workout_id = any(array(
        select w.workout_id from workouts w where w.user_id = ${userId} and w.plan_id = ${id}
      ))
    ))
    union all
    select a.activity_id, null, a.local_date, a.distance_m, a.moving_s, a.load
    from activities a
    where a.user_id = ${userId} and a.local_date between ${start_date}::date and ${end_date}::date
      and a.sport = 'running' and ${workoutOf(userId)} is null
    order by local_date, id
    limit ${limit}
  `
}

import type { WorkoutFields } from '../src/domain/workouts/fields.ts'
import type { Sql } from './sql.ts'

/** How long a deleted workout stays in the feed as a cancelled event. */
export const CANCELLED_KEPT_DAYS = 30

/** What is known of a feed before its secret is checked. */
export interface FeedAccess {
  secret_hash: Buffer
  units: string
}

export interface FeedWorkout extends WorkoutFields {
  id: string
  revision: number
  created_at: string
  updated_at: string
}

export interface CancelledWorkout {
  id: string
  date: string
  name: string
  revision: number
  cancelled_at: string
}

/** Gives the runner's feed another secret; the one before is no longer accepted. False where the account is gone. */
export async function upsertCalendarFeed (sql: Sql, userId: string, secretHash: Buffer): Promise<boolean> {
  const rows = await sql`/* upsertCalendarFeed */
    insert into calendar_feeds (user_id, secret_hash)
    select user_id, ${secretHash}::bytea from users where user_id = ${userId}
    on conflict (user_id) do update set secret_hash = excluded.secret_hash, created_at = excluded.created_at
    returning user_id
  `
  return rows.length === 1
}

export async function deleteCalendarFeed (sql: Sql, userId: string): Promise<void> {
  await sql`/* deleteCalendarFeed */
    delete from calendar_feeds where user_id = ${userId}
  `
}

export async function findCalendarFeed (sql: Sql, userId: string): Promise<FeedAccess | undefined> {
  const [row] = await sql<FeedAccess>`/* findCalendarFeed */
    select f.secret_hash, u.units
    from calendar_feeds f join users u on u.user_id = f.user_id
    where f.user_id = ${userId}
  `
  return row
}

/** The workouts of every plan, the latest day first. */
export async function listFeedWorkouts (sql: Sql, userId: string, limit: number): Promise<FeedWorkout[]> {
  return await sql<FeedWorkout>`/* listFeedWorkouts */
    select workout_id as id, date, kind, name, description, steps, planned_distance_m, planned_duration_s, revision,
      created_at, updated_at
    from workouts
    where user_id = ${userId}
    order by date desc, workout_id desc
    limit ${limit}
  `
}

/** Workouts that were deleted within the last days, those that were created last first. */
export async function listCancelledWorkouts (sql: Sql, userId: string, limit: number): Promise<CancelledWorkout[]> {
  return await sql<CancelledWorkout>`/* listCancelledWorkouts */
    select workout_id as id, date, name, revision, cancelled_at
    from cancelled_workouts
    where user_id = ${userId} and cancelled_at > now() - make_interval(days => ${CANCELLED_KEPT_DAYS})
    order by workout_id desc
    limit ${limit}
  `
}

/** Deletes at most `limit` rows of workouts whose cancellation is told no more, the oldest first; returns how many. */
export async function deleteExpiredCancellations (sql: Sql, limit: number): Promise<number> {
  const [row] = await sql<{ count: number }>`/* deleteExpiredCancellations */
    with gone as (
      delete from cancelled_workouts
      where (user_id, workout_id) in (
          select user_id, workout_id from cancelled_workouts
          where cancelled_at <= now() - make_interval(days => ${CANCELLED_KEPT_DAYS})
          order by cancelled_at
          limit ${limit}
        )
        and cancelled_at <= now() - make_interval(days => ${CANCELLED_KEPT_DAYS})
      returning 1
    )
    select count(*) as count from gone
  `
  return row?.count ?? 0
}

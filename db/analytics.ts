import type { HeartRateModel } from '../src/domain/training/zones.ts'
import type { PlannedFields } from '../src/domain/workouts/fields.ts'
import { fragment, type Sql } from './sql.ts'

/** What was done on one day. */
export interface DayTotals {
  date: string
  distance_m: number
  duration_s: number
  count: number
  elevation_gain_m: number
}

export interface DayLoad {
  date: string
  /** Null where no activity of the day has a load. */
  load: number | null
}

/** The first day with an activity; undefined if there is none. */
export async function findFirstDay (sql: Sql, userId: string): Promise<string | undefined> {
  const [row] = await sql<{ day: string | null }>`/* findFirstDay */
    select min(local_date) as day from activities where user_id = ${userId}
  `
  return row?.day ?? undefined
}

/** The totals of each day from `from` to `to` on which something was done, of one sport or of all. */
export async function sumDays (
  sql: Sql,
  userId: string,
  { from, to, sport }: { from: string, to: string, sport?: string | undefined }
): Promise<DayTotals[]> {
  return await sql<DayTotals>`/* sumDays */
    select local_date as date, coalesce(sum(distance_m), 0)::float8 as distance_m, coalesce(sum(moving_s), 0)::float8 as duration_s,
      count(*)::int as count, coalesce(sum(elevation_gain_m), 0)::float8 as elevation_gain_m
    from activities
    where user_id = ${userId} and local_date between ${from}::date and ${to}::date
      ${sport === undefined ? fragment`` : fragment`and sport = ${sport}`}
    group by local_date
    order by local_date
  `
}

/** The load of each day from `from` to `to` on which something was done. */
export async function sumLoads (sql: Sql, userId: string, from: string, to: string): Promise<DayLoad[]> {
  return await sql<DayLoad>`/* sumLoads */
    select local_date as date, sum(load)::float8 as load
    from activities
    where user_id = ${userId} and local_date between ${from}::date and ${to}::date
    group by local_date
    order by local_date
  `
}

/** The seconds in each zone, from zone 0 on, of the activities of some days with one model of heart-rate zones. */
export interface ZoneSums {
  /** Null: without heart-rate zones. */
  heart_rate_model: HeartRateModel | null
  count: number
  heart_rate_s: Array<number | null>
  pace_s: Array<number | null>
  /** The first day of an activity whose zones an earlier version has not computed; null: there is none. */
  outdated_from: string | null
}

const heartRateSums = fragment`jsonb_build_array(
  sum(heart_rate_zone_s[1]), sum(heart_rate_zone_s[2]), sum(heart_rate_zone_s[3]), sum(heart_rate_zone_s[4]),
  sum(heart_rate_zone_s[5]), sum(heart_rate_zone_s[6]), sum(heart_rate_zone_s[7]), sum(heart_rate_zone_s[8])
)`
const paceSums = fragment`jsonb_build_array(
  sum(pace_zone_s[1]), sum(pace_zone_s[2]), sum(pace_zone_s[3]), sum(pace_zone_s[4]),
  sum(pace_zone_s[5]), sum(pace_zone_s[6]), sum(pace_zone_s[7]), sum(pace_zone_s[8])
)`

/** Adds up the time in zones from `from` to `to`, of one sport or of all; `version`: of the load. */
export async function sumZones (
  sql: Sql,
  userId: string,
  { from, to, sport }: { from: string, to: string, sport?: string | undefined },
  version: number
): Promise<ZoneSums[]> {
  return await sql<ZoneSums>`/* sumZones */
    select heart_rate_model, count(*)::int as count, ${heartRateSums} as heart_rate_s,
      ${paceSums} as pace_s, min(local_date) filter (where load_version < ${version}) as outdated_from
    from activities
    where user_id = ${userId} and local_date between ${from}::date and ${to}::date
      ${sport === undefined ? fragment`` : fragment`and sport = ${sport}`}
    group by heart_rate_model
  `
}

/**
 * The workouts from `from` to `to` that are still to be done: of plans that are carried out, without an activity, and
 * without a person's word that there will be none.
 */
export async function listPlanned (
  sql: Sql,
  userId: string,
  { from, to, limit }: { from: string, to: string, limit: number }
): Promise<PlannedFields[]> {
  return await sql<PlannedFields>`/* listPlanned */
    select w.date, w.kind, w.steps, w.planned_distance_m, w.planned_duration_s
    from workouts w
    join plans p on p.user_id = w.user_id and p.plan_id = w.plan_id
    where w.user_id = ${userId} and w.date between ${from}::date and ${to}::date
      and p.status not in ('draft', 'archived')
      and not exists (
        select from workout_activities m where m.user_id = ${userId} and m.workout_id = w.workout_id
      )
    order by w.date, w.workout_id
    limit ${limit}
  `
}

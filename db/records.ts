import { fragment, type Fragment, type Sql } from './sql.ts'

/** A best effort and the activity it was run in. */
export interface EffortRow {
  distance_m: number
  elapsed_s: number
  activity_id: string
  date: string
}

/** A race that was run. */
export interface RaceRow {
  activity_id: string
  distance_m: number
  elapsed_s: number
  date: string
}

/** Days, both included. */
interface Days {
  from: string
  to: string
}

/** The fastest runs over each distance, `limit` of each, fastest first. */
export async function listFastest (
  sql: Sql,
  userId: string,
  distances: readonly number[],
  limit: number
): Promise<EffortRow[]> {
  return await sql<EffortRow>`/* listFastest */
    select d.distance_m, e.elapsed_s, e.activity_id, e.date
    from unnest(${[...distances]}::float8[]) d (distance_m)
    cross join lateral (
      select b.elapsed_s, b.activity_id, a.local_date as date
      from best_efforts b cross join ${runOf(userId, fragment`b.activity_id`)}
      where b.user_id = ${userId} and b.distance_m = d.distance_m
      order by b.elapsed_s, b.activity_id
      limit ${limit}
    ) e
    order by d.distance_m, e.elapsed_s, e.activity_id
  `
}

/** The fastest runs over each distance in some days, `limit` of each, fastest first. */
export async function listFastestOf (
  sql: Sql,
  userId: string,
  { from, to }: Days,
  limit: number
): Promise<EffortRow[]> {
  return await sql<EffortRow>`/* listFastestOf */
    select distance_m, elapsed_s, activity_id, date
    from (
      select ${efforts}, row_number() over (partition by b.distance_m order by b.elapsed_s, b.activity_id) as place
      from ${effortsOfRuns(userId)}
      where a.user_id = ${userId} and a.sport = 'running' and a.local_date between ${from}::date and ${to}::date
    ) placed
    where place <= ${limit}
    order by distance_m, place
  `
}

/**
 * The runs that were the fastest over their distance when they were run, of all time, oldest first. A year whose best
 * is slower than that of an earlier one has none of them, and of another year only what is faster than all years before
 * can be one: so it takes the bests of the years, and few runs, however many there are. Efforts whose year an earlier
 * version did not store are all looked at.
 */
export async function listRecordHistory (
  sql: Sql,
  userId: string,
  distances: readonly number[]
): Promise<EffortRow[]> {
  return await sql<EffortRow>`/* listRecordHistory */
    with bests as materialized (
      select d.distance_m, y.year, (
        select min(b.elapsed_s) from best_efforts b
        where b.user_id = ${userId} and b.distance_m = d.distance_m and b.year = y.year
      ) as elapsed_s
      from unnest(${[...distances]}::float8[]) d (distance_m)
      cross join generate_series(
        (select extract(year from min(a.local_date))::int from activities a where a.user_id = ${userId}),
        (select extract(year from max(a.local_date))::int from activities a where a.user_id = ${userId})
      ) y (year)
    ),
    years as (
      select distance_m, year, elapsed_s, min(elapsed_s) over (
        partition by distance_m order by year rows between unbounded preceding and 1 preceding
      ) as before_s
      from bests
    ),
    candidates as (
      select y.distance_m, e.elapsed_s, e.activity_id
      from years y
      cross join lateral (
        select b.elapsed_s, b.activity_id from best_efforts b
        where b.user_id = ${userId} and b.distance_m = y.distance_m and b.year = y.year
          and b.elapsed_s < coalesce(y.before_s, 'infinity')
        offset 0
      ) e
      where y.elapsed_s < coalesce(y.before_s, 'infinity')
      union all
      select b.distance_m, b.elapsed_s, b.activity_id from best_efforts b
      where b.user_id = ${userId} and b.distance_m = any(${[...distances]}::float8[]) and b.year is null
    )
    select distance_m, elapsed_s, activity_id, date
    from (
      select c.distance_m, c.elapsed_s, c.activity_id, a.local_date as date, a.start_time, min(c.elapsed_s) over (
        partition by c.distance_m order by a.start_time, c.activity_id rows between unbounded preceding and 1 preceding
      ) as before_s
      from candidates c cross join ${runOf(userId, fragment`c.activity_id`)}
    ) run
    where before_s is null or elapsed_s < before_s
    order by distance_m, start_time, activity_id
  `
}

/** The runs of some days that were the fastest of these days over their distance when they were run, oldest first. */
export async function listRecordHistoryOf (sql: Sql, userId: string, { from, to }: Days): Promise<EffortRow[]> {
  return await sql<EffortRow>`/* listRecordHistoryOf */
    select distance_m, elapsed_s, activity_id, date
    from (
      select ${efforts}, a.start_time, min(b.elapsed_s) over (
        partition by b.distance_m order by a.start_time, b.activity_id rows between unbounded preceding and 1 preceding
      ) as before_s
      from ${effortsOfRuns(userId)}
      where a.user_id = ${userId} and a.sport = 'running' and a.local_date between ${from}::date and ${to}::date
    ) run
    where before_s is null or elapsed_s < before_s
    order by distance_m, start_time, activity_id
  `
}

/** Races of running in some days whose distance and time are known, newest first. */
export async function listRaces (sql: Sql, userId: string, { from, to }: Days, limit: number): Promise<RaceRow[]> {
  return await sql<RaceRow>`/* listRaces */
    select activity_id, distance_m, elapsed_s, local_date as date
    from activities
    where user_id = ${userId} and sport = 'running' and is_race and distance_m > 0 and elapsed_s > 0
      and local_date between ${from}::date and ${to}::date
    order by local_date desc, activity_id desc
    limit ${limit}
  `
}

const efforts = fragment`b.distance_m, b.elapsed_s, b.activity_id, a.local_date as date`
/** The run `a` that an effort belongs to, looked up for each effort: the planner does not read all runs instead. */
const runOf = (userId: string, activityId: Fragment) => fragment`
  lateral (
    select r.local_date, r.start_time from activities r
    where r.user_id = ${userId} and r.activity_id = ${activityId} and r.sport = 'running' offset 0
  ) a
`

/**
 * The efforts `b` of each activity `a` that a statement chooses by its day: `offset 0` keeps the planner from reading
 * all efforts of the runner instead.
 */
const effortsOfRuns = (userId: string) => fragment`
  activities a cross join lateral (
    select e.distance_m, e.elapsed_s, e.activity_id from best_efforts e
    where e.user_id = ${userId} and e.activity_id = a.activity_id offset 0
  ) b
`

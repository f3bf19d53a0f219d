import type { Sql } from './sql.ts'

/** What is to be computed again: one activity, from its original, or the loads of all from a day on. */
export interface Recomputation {
  id: string
  user_id: string
  activity_id: string | null
  from_day: string | null
  /** The last activity whose load was computed, from the newest on. */
  after_start_time: string | null
  after_activity_id: string | null
  attempts: number
  /** Until when it is this process's. */
  due_at: string
}

/** How long a process that took one may work on it before another one does: longer than a file may be decoded. */
const LEASE_S = 120

/**
 * Queues an activity for its original to be decoded again; one that is queued already stays, and is no longer left to
 * the end.
 */
export async function queueActivity (
  sql: Sql,
  userId: string,
  { id, start_time }: { id: string, start_time: string },
  version: number
): Promise<void> {
  await sql`/* queueActivity */
    insert into recomputations (user_id, activity_id, start_time, formula_version)
    values (${userId}, ${id}, ${start_time}::timestamptz, ${version})
    on conflict (user_id, activity_id) where activity_id is not null do update
    set in_bulk = false where recomputations.in_bulk
  `
}

/** Queues activities for all runners' sake: after what runners changed. */
export async function queueInBulk (
  sql: Sql,
  userId: string,
  activities: ReadonlyArray<{ id: string, start_time: string }>,
  version: number
): Promise<void> {
  await sql`/* queueInBulk */
    insert into recomputations (user_id, activity_id, start_time, formula_version, in_bulk)
    select ${userId}::uuid, activity_id, start_time, ${version}::smallint, true
    from unnest(
      ${activities.map(({ id }) => id)}::uuid[],
      ${activities.map(({ start_time }) => start_time)}::timestamptz[]
    ) a (activity_id, start_time)
    on conflict (user_id, activity_id) where activity_id is not null do update
    set formula_version = excluded.formula_version where recomputations.formula_version < excluded.formula_version
  `
}

/** As {@link queueLoads}, for all runners' sake. */
export async function queueLoadsInBulk (sql: Sql, userId: string, fromDay: string, version: number): Promise<void> {
  await sql`/* queueLoadsInBulk */
    insert into recomputations (user_id, from_day, formula_version, in_bulk)
    values (${userId}, ${fromDay}::date, ${version}, true)
    on conflict (user_id) where activity_id is null do update
    set from_day = least(recomputations.from_day, excluded.from_day), after_start_time = null, after_activity_id = null,
      formula_version = greatest(recomputations.formula_version, excluded.formula_version), due_at = now(), attempts = 0
  `
}

/** Queues the loads of all activities from a day on; where some are queued already, from the earlier of the days. */
export async function queueLoads (sql: Sql, userId: string, fromDay: string, version: number): Promise<void> {
  await sql`/* queueLoads */
    insert into recomputations (user_id, from_day, formula_version)
    values (${userId}, ${fromDay}::date, ${version})
    on conflict (user_id) where activity_id is null do update
    set from_day = least(recomputations.from_day, excluded.from_day), after_start_time = null, after_activity_id = null,
      formula_version = greatest(recomputations.formula_version, excluded.formula_version), due_at = now(), attempts = 0,
      in_bulk = false
  `
}

/** Days whose loads and zones are to be computed again. */
export interface QueuedDays {
  from: string
  /** The start of the earliest activity that is done already, as the newest are first; null: none is. */
  done_from: string | null
}

/** The days of a runner that wait for their loads; undefined if there are none. */
export async function findQueuedDays (sql: Sql, userId: string): Promise<QueuedDays | undefined> {
  const [row] = await sql<QueuedDays>`/* findQueuedDays */
    select from_day as "from", after_start_time as done_from from recomputations
    where user_id = ${userId} and activity_id is null
  `
  return row
}

/**
 * Takes what is due: what a runner changed, then what is computed for all, unless that pauses; the newest first.
 * Undefined where there is none. Of two processes one gets it.
 */
export async function takeRecomputation (sql: Sql, version: number): Promise<Recomputation | undefined> {
  const [row] = await sql<Recomputation>`/* takeRecomputation */
    update recomputations
    set due_at = date_trunc('milliseconds', now() + make_interval(secs => ${LEASE_S})), attempts = attempts + 1
    where recomputation_id in (
      select recomputation_id from recomputations
      where due_at <= now() and formula_version <= ${version}
        and in_bulk <= (select paused_at is null from reprocessing where only_row)
      order by in_bulk, start_time desc
      limit 1
    ) and due_at <= now()
    returning recomputation_id as id, user_id, activity_id, from_day, after_start_time, after_activity_id,
      attempts, due_at
  `
  return row
}

/** Notes how far the loads are computed, and gives the rest back; nothing where it was queued anew meanwhile. */
export async function continueRecomputation (
  sql: Sql,
  { id, due_at }: Recomputation,
  after: { id: string, start_time: string }
): Promise<void> {
  await sql`/* continueRecomputation */
    update recomputations
    set after_start_time = ${after.start_time}::timestamptz, after_activity_id = ${after.id}, due_at = now(), attempts = 0
    where recomputation_id = ${id} and due_at = ${due_at}::timestamptz
  `
}

/** Removes one that is done, or not worth another attempt; nothing where it was queued anew meanwhile. */
export async function finishRecomputation (sql: Sql, { id, due_at }: Recomputation): Promise<void> {
  await sql`/* finishRecomputation */
    delete from recomputations where recomputation_id = ${id} and due_at = ${due_at}::timestamptz
  `
}

/** Gives one back, to be taken again after some seconds. */
export async function postponeRecomputation (
  sql: Sql,
  { id, due_at }: Recomputation,
  seconds: number
): Promise<void> {
  await sql`/* postponeRecomputation */
    update recomputations set due_at = now() + make_interval(secs => ${seconds})
    where recomputation_id = ${id} and due_at = ${due_at}::timestamptz
  `
}

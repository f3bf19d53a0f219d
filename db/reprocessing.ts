import type { Sql } from './sql.ts'

/** Which formulas something was computed by. */
export interface Versions {
  recording: number
  load: number
}

/** How far computing everything again is. */
export interface Reprocessing {
  recording_version: number
  load_version: number
  /** Whatever version it was computed by. */
  everything: boolean
  /** The last account whose activities are queued. */
  after_account: string | null
  finished_at: string | null
  paused_at: string | null
}

/** What waits to be computed, at most {@link MOST_COUNTED} of each. */
export interface RecomputationDepth {
  /** What runners changed. */
  changed: number
  /** What is computed again for everybody. */
  in_bulk: number
}

const MOST_COUNTED = 100_000
const NO_ACCOUNT = '00000000-0000-0000-0000-000000000000'

export async function findReprocessing (sql: Sql): Promise<Reprocessing> {
  const [row] = await sql<Reprocessing>`/* findReprocessing */
    select recording_version, load_version, everything, after_account, finished_at, paused_at
    from reprocessing where only_row
  `
  return row!
}

/** Begins anew with the first account. */
export async function beginReprocessing (sql: Sql, { recording, load }: Versions, everything: boolean): Promise<void> {
  await sql`/* beginReprocessing */
    update reprocessing
    set recording_version = ${recording}, load_version = ${load}, everything = ${everything}, after_account = null,
      finished_at = null
    where only_row
  `
}

/** Notes that the activities of an account are queued; without one, that those of all are. */
export async function noteReprocessing (sql: Sql, account: string | undefined): Promise<void> {
  await sql`/* noteReprocessing */
    update reprocessing
    set after_account = ${account ?? null}, finished_at = case when ${account === undefined} then now() end
    where only_row
  `
}

export async function pauseReprocessing (sql: Sql, paused: boolean): Promise<void> {
  await sql`/* pauseReprocessing */
    update reprocessing set paused_at = case when ${paused} then coalesce(paused_at, now()) end where only_row
  `
}

/** The account that follows, by the look-ups of e-mail addresses and identities: every account is in one of them. */
export async function findNextAccount (sql: Sql, after: string | null): Promise<string | undefined> {
  const [row] = await sql<{ user_id: string | null }>`/* findNextAccount */
    select least(
      (select user_id from emails where user_id > ${after ?? NO_ACCOUNT}::uuid order by user_id limit 1),
      (select user_id from identities where user_id > ${after ?? NO_ACCOUNT}::uuid order by user_id limit 1)
    ) as user_id
  `
  return row?.user_id ?? undefined
}

/**
 * The recorded activities of a runner after `after` whose figures an older version made, by their ids; with
 * `everything`, all of them, those that have no figures yet included.
 */
export async function listOutdated (
  sql: Sql,
  userId: string,
  { version, everything, after, limit }: { version: number, everything: boolean, after: string | null, limit: number }
): Promise<Array<{ id: string, start_time: string }>> {
  return await sql<{ id: string, start_time: string }>`/* listOutdated */
    select a.activity_id as id, a.start_time
    from activities a
    left join activity_figures f on f.user_id = a.user_id and f.activity_id = a.activity_id
    where a.user_id = ${userId} and a.activity_id > ${after ?? NO_ACCOUNT}::uuid and a.recording_id is not null
      and (${everything} or f.formula_version < ${version})
    order by a.activity_id
    limit ${limit}
  `
}

/** The day of the first activity whose load an older version made; undefined if there is none. */
export async function findOutdatedLoads (sql: Sql, userId: string, version: number): Promise<string | undefined> {
  const [row] = await sql<{ from_day: string | null }>`/* findOutdatedLoads */
    select min(local_date) as from_day from activities where user_id = ${userId} and load_version < ${version}
  `
  return row?.from_day ?? undefined
}

export async function countRecomputations (sql: Sql): Promise<RecomputationDepth> {
  const [row] = await sql<RecomputationDepth>`/* countRecomputations */
    select
      (select count(*)::int from (select from recomputations where not in_bulk limit ${MOST_COUNTED}) c) as changed,
      (select count(*)::int from (select from recomputations where in_bulk limit ${MOST_COUNTED}) b) as in_bulk
  `
  return row!
}

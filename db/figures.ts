import type { BestEffort } from '../src/domain/training/best-efforts.ts'
import type { ActivityFigures, RecordedExertion } from '../src/domain/training/exertion.ts'
import type { Section } from '../src/domain/training/sections.ts'
import type { ActivitySummary } from '../src/domain/training/summary.ts'
import type { Times, ZoneSeconds } from '../src/domain/training/zones.ts'
import { fragment, json, largeBytes, type Fragment, type Sql } from './sql.ts'

/** What is computed of a recording and stored beside its activity. */
export interface NewFigures {
  recording_index: number
  laps: Section[]
  splits: { km: Section[], mi: Section[] }
  speed_times: Times
  best_efforts: BestEffort[]
  /** The packed columns, and how many records they have. */
  streams: { records: number, packed: Buffer }
}

/** A part of the figures of an activity, with what its representation depends on. */
export interface FiguresRow<Part> {
  id: string
  start_time: string
  local_date: string
  sport: string
  is_recorded: boolean
  /** Null: not computed yet. */
  formula_version: number | null
  /** Of the figures; 0 where there are none. */
  revision: number
  part: Part | null
}

const common = fragment`
  a.activity_id as id, a.start_time, a.local_date, a.sport, a.recording_id is not null as is_recorded,
  f.formula_version, coalesce(f.revision, 0) as revision
`

/** Reads one part beside what every part depends on; undefined for an activity that is not there. */
async function findPart<Part> (
  sql: Sql,
  userId: string,
  activityId: string,
  part: Fragment
): Promise<FiguresRow<Part> | undefined> {
  const [row] = await sql<FiguresRow<Part>>`/* findFigures */
    select ${common}, ${part} as part
    from activities a
    left join activity_figures f on f.user_id = ${userId} and f.activity_id = a.activity_id
    where a.user_id = ${userId} and a.activity_id = ${activityId}
  `
  return row
}

export async function findLaps (
  sql: Sql,
  userId: string,
  activityId: string
): Promise<FiguresRow<Section[]> | undefined> {
  return await findPart(sql, userId, activityId, fragment`f.laps`)
}

export async function findSplits (
  sql: Sql,
  userId: string,
  activityId: string,
  unit: 'km' | 'mi'
): Promise<FiguresRow<Section[]> | undefined> {
  return await findPart(sql, userId, activityId, unit === 'km' ? fragment`f.splits_km` : fragment`f.splits_mi`)
}

/** Seconds at each heart rate and at each speed. */
export async function findZoneTimes (
  sql: Sql,
  userId: string,
  activityId: string
): Promise<FiguresRow<{ heart_rate: Times | null, speed: Times | null }> | undefined> {
  return await findPart(
    sql, userId, activityId,
    fragment`jsonb_build_object('heart_rate', a.exertion -> 'heart_rate', 'speed', f.speed_times)`
  )
}

/** Shortest distance first. */
export async function findBestEfforts (
  sql: Sql,
  userId: string,
  activityId: string
): Promise<FiguresRow<BestEffort[]> | undefined> {
  return await findPart(sql, userId, activityId, fragment`(
    select jsonb_agg(
      jsonb_build_object('distance_m', e.distance_m, 'elapsed_s', e.elapsed_s, 'start_s', e.start_s) order by e.distance_m
    )
    from best_efforts e
    where e.user_id = ${userId} and e.activity_id = a.activity_id
  )`)
}

/** The packed columns. */
export async function findStreams (
  sql: Sql,
  userId: string,
  activityId: string
): Promise<FiguresRow<Buffer> | undefined> {
  return await findPart(sql, userId, activityId, fragment`(
    select s.packed from activity_streams s where s.user_id = ${userId} and s.activity_id = a.activity_id
  )`)
}

/** The same without the columns: all that a client needs to know which has them already. */
export async function findStreamsRevision (
  sql: Sql,
  userId: string,
  activityId: string
): Promise<FiguresRow<null> | undefined> {
  return await findPart(sql, userId, activityId, fragment`null`)
}

/** Stores the figures of an activity in the place of earlier ones. To be called in a transaction. */
export async function putFigures (
  sql: Sql,
  userId: string,
  activityId: string,
  figures: NewFigures,
  version: number
): Promise<void> {
  await sql`/* putFigures */
    insert into activity_figures (
      user_id, activity_id, formula_version, recording_index, laps, splits_km, splits_mi, speed_times
    ) values (
      ${userId}, ${activityId}, ${version}, ${figures.recording_index}, ${json(figures.laps)}::jsonb,
      ${json(figures.splits.km)}::jsonb, ${json(figures.splits.mi)}::jsonb, ${json(figures.speed_times)}::jsonb
    )
    on conflict (user_id, activity_id) do update
    set formula_version = excluded.formula_version, recording_index = excluded.recording_index, laps = excluded.laps,
      splits_km = excluded.splits_km, splits_mi = excluded.splits_mi, speed_times = excluded.speed_times,
      revision = activity_figures.revision + 1
  `
  await sql`/* putStreams */
    insert into activity_streams (user_id, activity_id, formula_version, records, packed)
    values (${userId}, ${activityId}, ${version}, ${figures.streams.records}, ${largeBytes(figures.streams.packed)})
    on conflict (user_id, activity_id) do update
    set formula_version = excluded.formula_version, records = excluded.records, packed = excluded.packed
  `
}

/** Stores the best efforts of an activity that has none. */
export async function insertBestEfforts (
  sql: Sql,
  userId: string,
  { id, local_date }: { id: string, local_date: string },
  efforts: BestEffort[],
  version: number
): Promise<void> {
  if (efforts.length === 0) return
  await sql`/* insertBestEfforts */
    insert into best_efforts (user_id, activity_id, distance_m, formula_version, elapsed_s, start_s, year)
    select ${userId}::uuid, ${id}::uuid, e.distance_m, ${version}, e.elapsed_s, e.start_s,
      extract(year from ${local_date}::date)
    from unnest(
      ${efforts.map(({ distance_m }) => distance_m)}::float8[], ${efforts.map(({ elapsed_s }) => elapsed_s)}::float8[],
      ${efforts.map(({ start_s }) => start_s)}::float8[]
    ) e (distance_m, elapsed_s, start_s)
  `
}

export async function deleteBestEfforts (sql: Sql, userId: string, activityId: string): Promise<void> {
  await sql`/* deleteBestEfforts */
    delete from best_efforts where user_id = ${userId} and activity_id = ${activityId}
  `
}

/**
 * Notes that this version cannot read the original of an activity, which thereby has no laps, splits and streams.
 * Figures that an earlier version computed stay.
 */
export async function insertUnreadable (
  sql: Sql,
  userId: string,
  activityId: string,
  version: number
): Promise<void> {
  await sql`/* insertUnreadable */
    insert into activity_figures (
      user_id, activity_id, formula_version, recording_index, laps, splits_km, splits_mi, speed_times
    )
    select user_id, activity_id, ${version}, 0, '[]'::jsonb, '[]'::jsonb, '[]'::jsonb, '[]'::jsonb
    from activities
    where user_id = ${userId} and activity_id = ${activityId}
    on conflict (user_id, activity_id) do update set formula_version = excluded.formula_version
  `
}

/** What is needed to compute the figures of a recorded activity again. */
export interface RecordedActivity {
  id: string
  sport: string
  sub_sport: string | null
  start_time: string
  timezone: string
  local_date: string
  distance_m: number | null
  moving_s: number
  perceived_effort: number | null
  crop: { from_s: number, to_s: number } | null
  revision: number
  recording_id: string
  size_bytes: number
  /** Null where its figures were never stored. */
  recording_index: number | null
}

/** Undefined for an activity that was entered by hand, or is not there. */
export async function findRecorded (
  sql: Sql,
  userId: string,
  activityId: string
): Promise<RecordedActivity | undefined> {
  const [row] = await sql<RecordedActivity>`/* findRecorded */
    select a.activity_id as id, a.sport, a.sub_sport, a.start_time, a.timezone, a.local_date,
      a.distance_m, a.moving_s, a.perceived_effort,
      case when a.crop_from_s is not null then jsonb_build_object('from_s', a.crop_from_s, 'to_s', a.crop_to_s) end as crop,
      a.revision, r.recording_id, r.size_bytes, f.recording_index
    from activities a
    join recordings r on r.user_id = ${userId} and r.recording_id = a.recording_id
    left join activity_figures f on f.user_id = ${userId} and f.activity_id = a.activity_id
    where a.user_id = ${userId} and a.activity_id = ${activityId}
  `
  return row
}

/** The figures of an activity that its recording and its crop decide; the rest of it is its owner's. */
export interface ComputedActivity extends Omit<ActivitySummary, 'sport' | 'sub_sport' | 'name'>, ZoneSeconds {
  local_date: string
  crop: { from_s: number, to_s: number } | null
  load: number | null
  load_model: string | null
  exertion: RecordedExertion
}

/**
 * Stores the figures of an activity in the revision that was read, which becomes the next one if they differ; false
 * where it was changed or deleted in between.
 */
export async function updateComputed (
  sql: Sql,
  userId: string,
  { id, revision }: { id: string, revision: number },
  next: ComputedActivity,
  loadVersion: number
): Promise<boolean> {
  const rows = await sql`/* updateComputed */
    with changed as (
      select (
        start_time, distance_m, elapsed_s, moving_s, elevation_gain_m, elevation_loss_m,
        average_heart_rate_bpm, max_heart_rate_bpm, average_cadence_spm, average_pace_s_per_km,
        grade_adjusted_pace_s_per_km, elevation_threshold_m, elevation_source,
        load, load_model, laps_count, crop_from_s, crop_to_s
      ) is distinct from (
        ${next.start_time}::timestamptz, ${next.distance_m}::float8, ${next.elapsed_s}::float8, ${next.moving_s}::float8,
        ${next.elevation_gain_m}::float8, ${next.elevation_loss_m}::float8, ${next.average_heart_rate_bpm}::float8,
        ${next.max_heart_rate_bpm}::float8, ${next.average_cadence_spm}::float8, ${next.average_pace_s_per_km}::float8,
        ${next.grade_adjusted_pace_s_per_km}::float8, ${next.elevation?.threshold_m ?? null}::float8,
        ${next.elevation?.source ?? null}::text, ${next.load}::float8, ${next.load_model}::text,
        ${next.laps_count}::integer, ${next.crop?.from_s ?? null}::float8, ${next.crop?.to_s ?? null}::float8
      ) as differs, now() as at
      from activities where user_id = ${userId} and activity_id = ${id}
    )
    update activities
    set start_time = ${next.start_time}::timestamptz, local_date = ${next.local_date}::date,
      distance_m = ${next.distance_m}, elapsed_s = ${next.elapsed_s}, moving_s = ${next.moving_s},
      elevation_gain_m = ${next.elevation_gain_m}, elevation_loss_m = ${next.elevation_loss_m},
      average_heart_rate_bpm = ${next.average_heart_rate_bpm}, max_heart_rate_bpm = ${next.max_heart_rate_bpm},
      average_cadence_spm = ${next.average_cadence_spm}, average_pace_s_per_km = ${next.average_pace_s_per_km},
      grade_adjusted_pace_s_per_km = ${next.grade_adjusted_pace_s_per_km},
      elevation_threshold_m = ${next.elevation?.threshold_m ?? null}, elevation_source = ${next.elevation?.source ?? null}, load = ${next.load},
      load_model = ${next.load_model}, load_version = ${loadVersion}, laps_count = ${next.laps_count},
      device = ${json(next.device)}::jsonb, exertion = ${json(next.exertion)}::jsonb,
      crop_from_s = ${next.crop?.from_s ?? null}, crop_to_s = ${next.crop?.to_s ?? null},
      heart_rate_model = ${next.heart_rate_model}, heart_rate_zone_s = ${next.heart_rate_zone_s}::float8[],
      pace_zone_s = ${next.pace_zone_s}::float8[],
      revision = revision + (select differs from changed)::integer,
      updated_at = case when (select differs from changed) then (select at from changed) else updated_at end
    where user_id = ${userId} and activity_id = ${id} and revision = ${revision}
    returning activity_id
  `
  return rows.length === 1
}

/** What the load and the time in zones of an activity are computed from. */
export interface LoadRow extends Omit<ActivityFigures, 'sport'> {
  id: string
  start_time: string
  local_date: string
  sport: string
  exertion: RecordedExertion | null
  speed_times: Times | null
}

/** A page of the activities of a day or later, the newest first, locked until the transaction ends. */
export async function lockForLoad (
  sql: Sql,
  userId: string,
  fromDay: string,
  after: { start_time: string, id: string } | undefined,
  limit: number
): Promise<LoadRow[]> {
  return await sql<LoadRow>`/* lockForLoad */
    select activity_id as id, start_time, local_date, sport, distance_m, elapsed_s, moving_s, average_heart_rate_bpm,
      grade_adjusted_pace_s_per_km, perceived_effort, exertion,
      (select f.speed_times from activity_figures f where f.user_id = ${userId} and f.activity_id = a.activity_id) as speed_times
    from activities a
    where user_id = ${userId} and local_date >= ${fromDay}::date and start_time >= ${fromDay}::date - interval '1 day'
      ${after === undefined ? fragment`` : fragment`and (start_time, activity_id) < (${after.start_time}::timestamptz, ${after.id}::uuid)`}
    order by start_time desc, activity_id desc
    limit ${limit}
    for no key update
  `
}

/** Stores loads and times in zones; an activity whose load is the same stays in its revision. */
export async function updateLoads (
  sql: Sql,
  userId: string,
  loads: Array<{ id: string, load: number | null, load_model: string | null } & ZoneSeconds>,
  version: number
): Promise<void> {
  await sql`/* updateLoads */
    update activities a
    set load = n.load, load_model = n.load_model, load_version = ${version},
      heart_rate_model = n.heart_rate_model, heart_rate_zone_s = n.heart_rate_zone_s, pace_zone_s = n.pace_zone_s,
      revision = a.revision + ((a.load, a.load_model) is distinct from (n.load, n.load_model))::integer,
      updated_at = case when (a.load, a.load_model) is distinct from (n.load, n.load_model) then clock.at else a.updated_at end
    from jsonb_to_recordset(${json(loads)}::jsonb) n (
      id uuid, load float8, load_model text, heart_rate_model text, heart_rate_zone_s float8[], pace_zone_s float8[]
    )
    cross join (select now() as at) as clock
    where a.user_id = ${userId} and a.activity_id = n.id
  `
}

/** Notes the year of each best effort of these activities where it is missing: an earlier version stored none. */
export async function updateEffortYears (sql: Sql, userId: string, activityIds: string[]): Promise<void> {
  await sql`/* updateEffortYears */
    update best_efforts b
    set year = extract(year from a.local_date)
    from activities a
    where b.user_id = ${userId} and a.user_id = ${userId} and a.activity_id = b.activity_id
      and b.activity_id = any(${activityIds}::uuid[]) and b.year is distinct from extract(year from a.local_date)
  `
}

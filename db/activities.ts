import type { Activity } from '../schemas/activities.ts'
import { fragment, json, type Sql } from './sql.ts'

export interface ActivityRow extends Activity {
  revision: number
}

/** The stored fields of an activity from a recording. */
export type NewActivity = Omit<
  Activity,
  'id' | 'gear_id' | 'workout_id' | 'match' | 'source' | 'created_at' | 'updated_at'
> & {
  id: string
  format: string
  recording_id: string | null
  device_name: string | null
}

export interface ActivityFilter {
  from?: string | undefined
  to?: string | undefined
  sport?: string | undefined
  min_distance_m?: number | undefined
  max_distance_m?: number | undefined
  is_race?: boolean | undefined
  q?: string | undefined
  limit: number
}

const columns = fragment`
  a.activity_id as id, a.sport, a.sub_sport, a.name, a.start_time, a.timezone, a.local_date,
  a.distance_m, a.elapsed_s, a.moving_s, a.elevation_gain_m, a.elevation_loss_m,
  a.average_heart_rate_bpm, a.max_heart_rate_bpm, a.average_cadence_spm, a.average_pace_s_per_km, a.grade_adjusted_pace_s_per_km,
  a.load, a.load_model, a.perceived_effort, a.is_race, null as gear_id, a.notes, null as workout_id, null as match,
  jsonb_build_object(
    'format', a.format, 'device', a.device_name, 'file_name', r.file_name, 'size_bytes', r.size_bytes, 'sha256', encode(r.sha256, 'hex')
  ) as source,
  a.device, a.laps_count, a.revision, a.created_at, a.updated_at
`
const withSource = fragment`
  activities a left join recordings r on r.user_id = a.user_id and r.recording_id = a.recording_id
`

/** Newest first, one more than `limit` if there is more; `after`: start and id of the last item of the page before. */
export async function listActivities (
  sql: Sql,
  userId: string,
  filter: ActivityFilter,
  after?: { start_time: string; id: string }
): Promise<ActivityRow[]> {
  const { from, to, sport, min_distance_m, max_distance_m, is_race, q, limit } = filter
  return await sql<ActivityRow>`/* listActivities */
    select ${columns}
    from ${withSource}
    where a.user_id = ${userId}
      ${after === undefined ? fragment`` : fragment`and (a.start_time, a.activity_id) < (${after.start_time}::timestamptz, ${after.id}::uuid)`}
      ${from === undefined ? fragment`` : fragment`and a.local_date >= ${from}::date and a.start_time >= ${from}::date - interval '1 day'`}
      ${to === undefined ? fragment`` : fragment`and a.local_date <= ${to}::date and a.start_time < ${to}::date + interval '2 days'`}
      ${sport === undefined ? fragment`` : fragment`and a.sport = ${sport}`}
      ${min_distance_m === undefined ? fragment`` : fragment`and a.distance_m >= ${min_distance_m}`}
      ${max_distance_m === undefined ? fragment`` : fragment`and a.distance_m <= ${max_distance_m}`}
      ${is_race === undefined ? fragment`` : fragment`and a.is_race = ${is_race}`}
      ${q === undefined ? fragment`` : fragment`and (strpos(lower(a.name), lower(${q})) > 0 or strpos(lower(a.notes), lower(${q})) > 0)`}
    order by a.start_time desc, a.activity_id desc
    limit ${limit + 1}
  `
}

export async function findActivity (sql: Sql, userId: string, activityId: string): Promise<ActivityRow | undefined> {
  const [activity] = await sql<ActivityRow>`/* findActivity */
    select ${columns} from ${withSource} where a.user_id = ${userId} and a.activity_id = ${activityId}
  `
  return activity
}

/** The activities of one recording, in the order of the file. */
export async function listActivitiesOfRecording (
  sql: Sql,
  userId: string,
  recordingId: string
): Promise<ActivityRow[]> {
  return await sql<ActivityRow>`/* listActivitiesOfRecording */
    select ${columns} from ${withSource}
    where a.user_id = ${userId} and a.recording_id = ${recordingId}
    order by a.activity_id
  `
}

/** An activity of the same sport that overlaps most of the given one's time: probably the same activity. */
export async function findOverlapping (
  sql: Sql,
  userId: string,
  { sport, start_time, elapsed_s }: { sport: string; start_time: string; elapsed_s: number }
): Promise<string | undefined> {
  const [row] = await sql<{ id: string }>`/* findOverlapping */
    with asked as (select ${start_time}::timestamptz as start, ${elapsed_s}::float8 as elapsed_s),
    near as (
      select a.activity_id, a.elapsed_s, asked.elapsed_s as asked_s,
        extract(epoch from
          least(a.start_time + make_interval(secs => a.elapsed_s), asked.start + make_interval(secs => asked.elapsed_s))
          - greatest(a.start_time, asked.start)
        )::float8 as shared_s
      from activities a, asked
      where a.user_id = ${userId} and a.sport = ${sport} and a.elapsed_s is not null
        and a.start_time > asked.start - interval '1 day' and a.start_time < asked.start + interval '1 day'
    )
    select activity_id as id from near
    where shared_s >= 0.8 * least(elapsed_s, asked_s) and shared_s >= 0.5 * greatest(elapsed_s, asked_s)
    order by shared_s desc
    limit 1
  `
  return row?.id
}

export async function insertActivity (sql: Sql, userId: string, activity: NewActivity): Promise<void> {
  const a = activity
  await sql`/* insertActivity */
    insert into activities (
      user_id, activity_id, sport, sub_sport, name, start_time, timezone, local_date,
      distance_m, elapsed_s, moving_s, elevation_gain_m, elevation_loss_m,
      average_heart_rate_bpm, max_heart_rate_bpm, average_cadence_spm, average_pace_s_per_km, grade_adjusted_pace_s_per_km,
      load, load_model, perceived_effort, is_race, notes, format, recording_id, device_name, device, laps_count
    ) values (
      ${userId}, ${a.id}, ${a.sport}, ${a.sub_sport}, ${a.name}, ${a.start_time}::timestamptz, ${a.timezone}, ${a.local_date}::date,
      ${a.distance_m}, ${a.elapsed_s}, ${a.moving_s}, ${a.elevation_gain_m}, ${a.elevation_loss_m},
      ${a.average_heart_rate_bpm}, ${a.max_heart_rate_bpm}, ${a.average_cadence_spm}, ${a.average_pace_s_per_km}, ${a.grade_adjusted_pace_s_per_km},
      ${a.load}, ${a.load_model}, ${a.perceived_effort}, ${a.is_race}, ${a.notes}, ${a.format}, ${a.recording_id}, ${a.device_name},
      ${json(a.device)}, ${a.laps_count}
    )
  `
}

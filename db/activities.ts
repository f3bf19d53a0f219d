import type { Activity } from '../schemas/activities.ts'
import type { DatedSettings } from '../src/domain/physiology.ts'
import type { RecordedExertion } from '../src/domain/training/exertion.ts'
import type { Times, ZoneSeconds } from '../src/domain/training/zones.ts'
import { fragment, json, type Sql } from './sql.ts'

export interface ActivityRow extends Activity {
  revision: number
}

/** The stored fields of an activity. */
export type NewActivity = Omit<
  Activity,
  'id' | 'crop' | 'gear_id' | 'workout_id' | 'match' | 'source' | 'created_at' | 'updated_at'
> & ZoneSeconds & {
  id: string
  format: string
  recording_id: string | null
  device_name: string | null
  /** Null: entered by hand. */
  exertion: RecordedExertion | null
  /** Undefined: the default gear of the sport, if there is any. */
  gear_id?: string | null | undefined
}

/** An activity with what is needed to change it. */
export interface ChangeableActivity extends ActivityRow {
  exertion: RecordedExertion | null
  /** Seconds at each speed; null where there is no recording. */
  speed_times: Times | null
  /** The settings of its owner, in no order, from which those of its day can be found. */
  settings: DatedSettings[]
  /** Whether the gear it is to have exists. */
  has_gear: boolean
}

export interface ActivityFilter {
  from?: string | undefined
  to?: string | undefined
  sport?: string | undefined
  min_distance_m?: number | undefined
  max_distance_m?: number | undefined
  is_race?: boolean | undefined
  gear_id?: string | undefined
  q?: string | undefined
  limit: number
}

/** The workout that an activity belongs to, and why. */
const linked = (userId: string) => fragment`
  (select m.workout_id from workout_activities m where m.user_id = ${userId} and m.activity_id = a.activity_id) as workout_id,
  (
    select jsonb_build_object('by', m.matched_by, 'reason', m.reason)
    from workout_activities m where m.user_id = ${userId} and m.activity_id = a.activity_id
  ) as match
`

const columns = (userId: string) => fragment`
  a.activity_id as id, a.sport, a.sub_sport, a.name, a.start_time, a.timezone, a.local_date,
  a.distance_m, a.elapsed_s, a.moving_s, a.elevation_gain_m, a.elevation_loss_m,
  a.average_heart_rate_bpm, a.max_heart_rate_bpm, a.average_cadence_spm, a.average_pace_s_per_km, a.grade_adjusted_pace_s_per_km,
  case when a.elevation_source is not null
    then jsonb_build_object('threshold_m', a.elevation_threshold_m, 'source', a.elevation_source)
  end as elevation,
  case when a.crop_from_s is not null then jsonb_build_object('from_s', a.crop_from_s, 'to_s', a.crop_to_s) end as crop,
  a.load, a.load_model, a.perceived_effort, a.is_race, a.gear_id, a.notes, ${linked(userId)},
  jsonb_build_object(
    'format', a.format, 'device', a.device_name, 'file_name', r.file_name, 'size_bytes', r.size_bytes, 'sha256', encode(r.sha256, 'hex')
  ) as source,
  a.device, a.laps_count, a.revision, a.created_at, a.updated_at
`
/** The rows `a` that a statement has just written. */
const stored = (userId: string) => fragment`
  a left join recordings r on r.user_id = ${userId} and r.recording_id = a.recording_id
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
  const { from, to, sport, min_distance_m, max_distance_m, is_race, gear_id, q, limit } = filter
  return await sql<ActivityRow>`/* listActivities */
    select ${columns(userId)}
    from ${withSource}
    where a.user_id = ${userId}
      ${after === undefined ? fragment`` : fragment`and (a.start_time, a.activity_id) < (${after.start_time}::timestamptz, ${after.id}::uuid)`}
      ${from === undefined ? fragment`` : fragment`and a.local_date >= ${from}::date and a.start_time >= ${from}::date - interval '1 day'`}
      ${to === undefined ? fragment`` : fragment`and a.local_date <= ${to}::date and a.start_time < ${to}::date + interval '2 days'`}
      ${sport === undefined ? fragment`` : fragment`and a.sport = ${sport}`}
      ${min_distance_m === undefined ? fragment`` : fragment`and a.distance_m >= ${min_distance_m}`}
      ${max_distance_m === undefined ? fragment`` : fragment`and a.distance_m <= ${max_distance_m}`}
      ${is_race === undefined ? fragment`` : fragment`and a.is_race = ${is_race}`}
      ${gear_id === undefined ? fragment`` : fragment`and a.gear_id = ${gear_id}`}
      ${q === undefined ? fragment`` : fragment`and (strpos(lower(a.name), lower(${q})) > 0 or strpos(lower(a.notes), lower(${q})) > 0)`}
    order by a.start_time desc, a.activity_id desc
    limit ${limit + 1}
  `
}

export async function findActivity (sql: Sql, userId: string, activityId: string): Promise<ActivityRow | undefined> {
  const [activity] = await sql<ActivityRow>`/* findActivity */
    select ${columns(userId)} from ${withSource} where a.user_id = ${userId} and a.activity_id = ${activityId}
  `
  return activity
}

/** The activities of one recording, in the order of the file; that which it was replaced in belongs to them. */
export async function listActivitiesOfRecording (
  sql: Sql,
  userId: string,
  recordingId: string
): Promise<ActivityRow[]> {
  return await sql<ActivityRow>`/* listActivitiesOfRecording */
    select ${columns(userId)} from ${withSource}
    where a.user_id = ${userId} and (
      a.recording_id = ${recordingId}
      or a.activity_id = (select o.replaced_in from recordings o where o.user_id = ${userId} and o.recording_id = ${recordingId})
    )
    order by a.activity_id
  `
}

/** The places in its file of a recording's activities; null where it is not known. */
export async function listPlacesInRecording (
  sql: Sql,
  userId: string,
  recordingId: string
): Promise<Array<number | null>> {
  const rows = await sql<{ place: number | null }>`/* listPlacesInRecording */
    select f.recording_index as place
    from activities a left join activity_figures f on f.user_id = ${userId} and f.activity_id = a.activity_id
    where a.user_id = ${userId} and a.recording_id = ${recordingId}
  `
  return rows.map(({ place }) => place)
}

/** An activity that is probably the given one, with what tells how good its recording is. */
export interface OverlappingActivity {
  id: string
  /** How much of the given time it has. */
  share: number
  /** `manual`: it has no recording. */
  format: string
  distance_m: number | null
  elapsed_s: number
  average_heart_rate_bpm: number | null
  average_cadence_spm: number | null
}

/**
 * An activity that is probably the given one: of the same sport and over most of its time, or of another sport at the
 * same time and over the same distance, as formats know few sports. With `orPart` also one that lies within it,
 * or within which it lies, however short.
 */
export async function findOverlapping (
  sql: Sql,
  userId: string,
  { sport, start_time, elapsed_s, distance_m }: Pick<Activity, 'sport' | 'start_time' | 'elapsed_s' | 'distance_m'>,
  { orPart = false }: { orPart?: boolean } = {}
): Promise<OverlappingActivity | undefined> {
  const [row] = await sql<OverlappingActivity>`/* findOverlapping */
    with asked as (
      select ${start_time}::timestamptz as start, ${elapsed_s}::float8 as elapsed_s, ${distance_m}::float8 as distance_m
    ),
    near as (
      select a.activity_id, a.format, a.distance_m, a.elapsed_s, a.average_heart_rate_bpm, a.average_cadence_spm,
        asked.elapsed_s as asked_s, a.sport = ${sport} as same_sport,
        coalesce(abs(a.distance_m - asked.distance_m) <= 0.05 * greatest(a.distance_m, asked.distance_m), true) as same_distance,
        extract(epoch from
          least(a.start_time + make_interval(secs => a.elapsed_s), asked.start + make_interval(secs => asked.elapsed_s))
          - greatest(a.start_time, asked.start)
        )::float8 as shared_s
      from activities a, asked
      where a.user_id = ${userId} and a.elapsed_s is not null
        and a.start_time > asked.start - interval '1 day' and a.start_time < asked.start + interval '1 day'
    )
    select activity_id as id, round((shared_s / greatest(asked_s, 1))::numeric, 4)::float8 as share,
      format, distance_m, elapsed_s, average_heart_rate_bpm, average_cadence_spm
    from near
    where (same_sport and shared_s >= 0.8 * least(elapsed_s, asked_s) and shared_s >= 0.5 * greatest(elapsed_s, asked_s))
      or (same_distance and shared_s >= 0.95 * greatest(elapsed_s, asked_s))
      or (${orPart} and same_sport and shared_s >= 0.95 * least(elapsed_s, asked_s))
    order by same_sport desc, shared_s desc
    limit 1
  `
  return row
}

const settings = (userId: string) => fragment`
  coalesce((
    select jsonb_agg(jsonb_build_object(
      'valid_from', p.valid_from, 'sex', p.sex, 'max_heart_rate_bpm', p.max_heart_rate_bpm,
      'resting_heart_rate_bpm', p.resting_heart_rate_bpm, 'threshold_heart_rate_bpm', p.threshold_heart_rate_bpm,
      'threshold_pace_s_per_km', p.threshold_pace_s_per_km
    ))
    from physiology p where p.user_id = ${userId}
  ), '[]') as settings
`

/** What the day and the load of an activity depend on beside it; undefined if the account no longer exists. */
export async function findDayAndBody (
  sql: Sql,
  userId: string
): Promise<{ timezone: string, settings: DatedSettings[] } | undefined> {
  const [row] = await sql<{ timezone: string, settings: DatedSettings[] }>`/* findDayAndBody */
    select u.timezone, ${settings(userId)} from users u where u.user_id = ${userId}
  `
  return row
}

/** An activity that is to be changed, to have the gear `gearId` unless that is null. */
export async function findActivityToChange (
  sql: Sql,
  userId: string,
  activityId: string,
  gearId: string | null
): Promise<ChangeableActivity | undefined> {
  const [activity] = await sql<ChangeableActivity>`/* findActivityToChange */
    select ${columns(userId)}, a.exertion, ${settings(userId)},
      (select f.speed_times from activity_figures f where f.user_id = ${userId} and f.activity_id = a.activity_id) as speed_times,
      ${gearId}::uuid is null or exists (select from gear g where g.user_id = ${userId} and g.gear_id = ${gearId}) as has_gear
    from ${withSource}
    where a.user_id = ${userId} and a.activity_id = ${activityId}
  `
  return activity
}

/**
 * Stores an activity, with the gear it names or the default gear of its sport. Undefined if there is no such gear, or
 * no such account; gear that is being deleted at the same time is waited for and then not there.
 */
export async function insertActivity (
  sql: Sql,
  userId: string,
  activity: NewActivity,
  loadVersion: number
): Promise<{ id: string } | undefined> {
  const a = activity
  const gear = a.gear_id === undefined
    ? fragment`sport = ${a.sport} and is_default`
    : fragment`gear_id = ${a.gear_id}::uuid`
  const [row] = await sql<{ id: string }>`/* insertActivity */
    insert into activities as a (
      user_id, activity_id, sport, sub_sport, name, start_time, timezone, local_date,
      distance_m, elapsed_s, moving_s, elevation_gain_m, elevation_loss_m,
      average_heart_rate_bpm, max_heart_rate_bpm, average_cadence_spm, average_pace_s_per_km, grade_adjusted_pace_s_per_km,
      load, load_model, perceived_effort, is_race, notes, format, recording_id, device_name, device, laps_count, exertion, gear_id,
      elevation_threshold_m, elevation_source, heart_rate_model, heart_rate_zone_s, pace_zone_s, load_version
    )
    select
      u.user_id, ${a.id}, ${a.sport}, ${a.sub_sport}, ${a.name}, ${a.start_time}::timestamptz, ${a.timezone}, ${a.local_date}::date,
      ${a.distance_m}, ${a.elapsed_s}, ${a.moving_s}, ${a.elevation_gain_m}, ${a.elevation_loss_m},
      ${a.average_heart_rate_bpm}, ${a.max_heart_rate_bpm}, ${a.average_cadence_spm}, ${a.average_pace_s_per_km},
      ${a.grade_adjusted_pace_s_per_km}, ${a.load}, ${a.load_model}, ${a.perceived_effort}, ${a.is_race}, ${a.notes}, ${a.format},
      ${a.recording_id}, ${a.device_name}, ${json(a.device)}, ${a.laps_count}, ${json(a.exertion)}, chosen.gear_id,
      ${a.elevation?.threshold_m ?? null}, ${a.elevation?.source ?? null},
      ${a.heart_rate_model}, ${a.heart_rate_zone_s}::float8[], ${a.pace_zone_s}::float8[], ${loadVersion}
    from users u
      left join lateral (select gear_id from gear where user_id = ${userId} and ${gear} for key share) as chosen on true
    where u.user_id = ${userId} and (${typeof a.gear_id !== 'string'} or chosen.gear_id is not null)
    returning a.activity_id as id
  `
  return row
}

/**
 * Stores the fields that a change may affect, in the revision that was read, and the time in zones where it is given;
 * undefined if the activity was changed in between, or its gear or the activity itself no longer exists.
 */
export async function updateActivity (
  sql: Sql,
  userId: string,
  next: ActivityRow,
  zones?: ZoneSeconds
): Promise<ActivityRow | undefined> {
  const [row] = await sql<ActivityRow>`/* updateActivity */
    with chosen as (select gear_id from gear where user_id = ${userId} and gear_id = ${next.gear_id}::uuid for key share),
    a as (
      update activities
      set name = ${next.name}, notes = ${next.notes}, sport = ${next.sport}, sub_sport = ${next.sub_sport},
        perceived_effort = ${next.perceived_effort}, is_race = ${next.is_race}, gear_id = (select gear_id from chosen),
        start_time = ${next.start_time}::timestamptz, local_date = ${next.local_date}::date,
        load = ${next.load}, load_model = ${next.load_model}, revision = revision + 1, updated_at = now()
        ${zones === undefined
          ? fragment``
          : fragment`,
              heart_rate_model = ${zones.heart_rate_model}, heart_rate_zone_s = ${zones.heart_rate_zone_s}::float8[],
              pace_zone_s = ${zones.pace_zone_s}::float8[]
            `}
      where user_id = ${userId} and activity_id = ${next.id} and revision = ${next.revision}
        and (${next.gear_id}::uuid is null or exists (select from chosen))
      returning *
    )
    select ${columns(userId)} from ${stored(userId)}
  `
  return row
}

/** What its owner decides of an activity, in its new revision. */
export interface KeptActivity {
  id: string
  revision: number
  sport: string
  sub_sport: string | null
  timezone: string
  perceived_effort: number | null
}

/**
 * Makes an activity one of another original, which is stored already; undefined if it does not exist. The original
 * before is kept with it, unless another activity is made of that.
 */
export async function replaceOriginal (
  sql: Sql,
  userId: string,
  activityId: string,
  original: { recording_id: string, format: string, device_name: string | null, name: string | null }
): Promise<KeptActivity | undefined> {
  const [row] = await sql<KeptActivity>`/* replaceOriginal */
    with before as (
      select recording_id from activities where user_id = ${userId} and activity_id = ${activityId}
    ),
    kept as (
      update activities
      set recording_id = ${original.recording_id}, format = ${original.format}, device_name = ${original.device_name},
        name = coalesce(name, ${original.name}), revision = revision + 1, updated_at = now()
      where user_id = ${userId} and activity_id = ${activityId}
      returning activity_id as id, revision, sport, sub_sport, timezone, perceived_effort
    ),
    replaced as (
      update recordings r
      set replaced_in = ${activityId}
      from before
      where r.user_id = ${userId} and r.recording_id = before.recording_id and not exists (
        select from activities o
        where o.user_id = ${userId} and o.recording_id = before.recording_id and o.activity_id <> ${activityId}
      )
    )
    select * from kept
  `
  return row
}

/**
 * Deletes an activity as it was read, and its originals where no other activity is made of them; undefined if it was
 * changed or deleted in between. To be called with the account locked: two activities of one original must not both
 * leave it to the other.
 */
export async function deleteActivity (
  sql: Sql,
  userId: string,
  { id, revision }: ActivityRow
): Promise<true | undefined> {
  const rows = await sql`/* deleteActivity */
    with gone as (
      delete from activities where user_id = ${userId} and activity_id = ${id} and revision = ${revision} returning recording_id
    ),
    originals as (
      delete from recordings r using gone
      where r.user_id = ${userId} and r.recording_id = gone.recording_id
        and not exists (
          select from activities a
          where a.user_id = ${userId} and a.recording_id = gone.recording_id and a.activity_id <> ${id}
        )
    )
    select from gone
  `
  return rows.length === 1 ? true : undefined
}

import {
  deleteActivity, findActivity, findActivityToChange, findDayAndBody, insertActivity, updateActivity,
  type ActivityRow, type ChangeableActivity, type NewActivity
} from '../../db/activities.ts'
import { deleteBestEfforts } from '../../db/figures.ts'
import { queueActivity } from '../../db/recomputations.ts'
import type { Sql } from '../../db/sql.ts'
import type { ActivityChange, ManualActivity } from '../../schemas/activities.ts'
import { localDate } from '../domain/local-day.ts'
import { settingsOn, type DatedSettings } from '../domain/physiology.ts'
import { PLAUSIBLE_SPEED_M_PER_S, type Sport } from '../domain/sports.ts'
import { exertionOf, type ActivityFigures, type RecordedExertion } from '../domain/training/exertion.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import { loadOf, type LoadModel } from '../domain/training/load.ts'
import { recordTimeS } from '../domain/training/world-records.ts'
import { zoneSeconds, type Times, type ZoneSeconds } from '../domain/training/zones.ts'
import { paceOf, rounded } from '../domain/units.ts'
import { accountGone, invalid, notFound } from '../errors.ts'
import { newId } from '../ids.ts'
import { withMatching } from './matching.ts'

/**
 * Stores an activity entered by hand.
 * @throws AppError VALIDATION_ERROR for figures that contradict each other; NOT_FOUND for gear the runner does not have
 */
export async function addActivity (sql: Sql, userId: string, body: ManualActivity): Promise<ActivityRow> {
  const figures = figuresOf(body)
  checkFigures(figures)
  const owner = await findDayAndBody(sql, userId)
  if (owner === undefined) throw accountGone()
  const start = new Date(body.start_time)
  const local_date = localDate(start.getTime(), owner.timezone)
  const stored: NewActivity = {
    ...figures,
    id: newId(),
    sub_sport: body.sub_sport ?? null,
    name: body.name ?? null,
    start_time: start.toISOString(),
    timezone: owner.timezone,
    local_date,
    elevation_gain_m: null,
    elevation_loss_m: null,
    elevation: null,
    max_heart_rate_bpm: null,
    average_cadence_spm: null,
    average_pace_s_per_km: rounded(paceOf(figures.distance_m, figures.moving_s), 2),
    ...currentLoad(figures, BY_HAND, local_date, owner.settings),
    is_race: body.is_race ?? false,
    gear_id: body.gear_id,
    notes: body.notes ?? null,
    format: 'manual',
    recording_id: null,
    device_name: null,
    device: null,
    laps_count: 0,
    exertion: null
  }
  const activity = await withMatching(sql, userId, {
    write: (sql) => insertActivity(sql, userId, stored, FORMULA_VERSIONS.load),
    daysOf: () => [local_date],
    read: (sql, { id }) => findActivity(sql, userId, id)
  })
  if (activity === undefined) throw notFound('gear')
  return activity
}

/** All the time was spent in motion unless the runner says otherwise. */
function figuresOf (body: ManualActivity): ActivityFigures & { elapsed_s: number, moving_s: number } {
  return {
    sport: body.sport as Sport,
    distance_m: body.distance_m ?? null,
    elapsed_s: body.elapsed_s,
    moving_s: body.moving_s ?? body.elapsed_s,
    average_heart_rate_bpm: body.average_heart_rate_bpm ?? null,
    grade_adjusted_pace_s_per_km: null,
    perceived_effort: body.perceived_effort ?? null
  }
}

function checkFigures ({ sport, distance_m, elapsed_s, moving_s }: ReturnType<typeof figuresOf>): void {
  if (moving_s > elapsed_s) throw invalid('moving_s', 'moving_s must not exceed elapsed_s')
  const isTooFast = distance_m !== null &&
    (distance_m > PLAUSIBLE_SPEED_M_PER_S[sport] * moving_s || (sport === 'running' && moving_s < recordTimeS(distance_m)))
  if (isTooFast) {
    throw invalid('distance_m', `distance_m cannot be covered in that time: nobody is that fast at ${sport}`)
  }
}

/**
 * The activity that a change is to be applied to.
 * @throws AppError NOT_FOUND if it does not exist, or the gear that it is to have
 */
export async function activityToChange (
  sql: Sql,
  userId: string,
  activityId: string,
  { gear_id }: ActivityChange
): Promise<ChangeableActivity> {
  const activity = await findActivityToChange(sql, userId, activityId, gear_id ?? null)
  if (activity === undefined) throw notFound('activity')
  if (!activity.has_gear) throw notFound('gear')
  return activity
}

/**
 * Changes an activity in the revision that was read, with its load where that depends on the change; undefined if it
 * was changed in between.
 * @throws AppError VALIDATION_ERROR for the start of a recording
 */
export async function changeActivity (
  sql: Sql,
  userId: string,
  activity: ChangeableActivity,
  change: ActivityChange
): Promise<ActivityRow | undefined> {
  const next = { ...activity, ...change }
  if (change.start_time !== undefined) {
    if (activity.source.format !== 'manual') {
      throw invalid('start_time', 'start_time is recorded: it can be changed only of an activity entered by hand')
    }
    next.start_time = new Date(change.start_time).toISOString()
    next.local_date = localDate(Date.parse(next.start_time), activity.timezone)
  }
  const affectsLoad = next.sport !== activity.sport || next.perceived_effort !== activity.perceived_effort ||
    next.local_date !== activity.local_date
  let zones: ZoneSeconds | undefined
  if (affectsLoad) {
    const figures = { ...next, sport: next.sport as Sport }
    const recorded = { exertion: next.exertion, speedTimes: next.speed_times }
    const { load, load_model, ...times } = currentLoad(figures, recorded, next.local_date, next.settings)
    Object.assign(next, { load, load_model })
    zones = times
  }
  if (next.sport === activity.sport && next.local_date === activity.local_date) {
    return await updateActivity(sql, userId, next, zones)
  }
  return await withMatching(sql, userId, {
    async write (sql) {
      const changed = await updateActivity(sql, userId, next, zones)
      // Best efforts, moving time and what is possible depend on the sport: its recording is computed again.
      if (changed !== undefined && next.sport !== activity.sport && activity.source.format !== 'manual') {
        if (next.sport !== 'running') await deleteBestEfforts(sql, userId, changed.id)
        await queueActivity(sql, userId, changed, FORMULA_VERSIONS.recording)
      }
      return changed
    },
    daysOf: () => [activity.local_date, next.local_date],
    read: (sql) => findActivity(sql, userId, activity.id)
  })
}

/**
 * Deletes an activity in the revision that was read, and its original with the last activity made of it; undefined if
 * it was changed in between.
 */
export async function removeActivity (sql: Sql, userId: string, activity: ActivityRow): Promise<true | undefined> {
  return await withMatching(sql, userId, {
    write: (sql) => deleteActivity(sql, userId, activity),
    daysOf: () => [activity.local_date],
    read: async () => true as const
  })
}

/** What was recorded of an activity; both are null of one that was entered by hand. */
export interface Recorded {
  exertion: RecordedExertion | null
  speedTimes: Times | null
}

const BY_HAND: Recorded = { exertion: null, speedTimes: null }

/** The load and the seconds in zones of an activity, by the settings of its day. */
export function currentLoad (
  figures: ActivityFigures,
  { exertion, speedTimes }: Recorded,
  day: string,
  dated: DatedSettings[]
): { load: number | null, load_model: LoadModel | null } & ZoneSeconds {
  const settings = settingsOn(day, dated)
  const { load, load_model } = loadOf(exertionOf(figures, exertion), settings)
  return {
    load: rounded(load, 2),
    load_model,
    ...zoneSeconds(exertion?.heart_rate ?? [], speedTimes ?? [], figures.sport, settings)
  }
}

import { lockUser } from '../../db/accounts.ts'
import {
  addMatches, decideMatch, dropMatches, findLink, listMatchableActivities, listMatchableWorkouts,
  type MatchableActivity, type MatchableWorkout
} from '../../db/matches.ts'
import { listPhysiologyUntil } from '../../db/physiology.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { settingsOn } from '../domain/physiology.ts'
import { addDays } from '../domain/days.ts'
import {
  MOST_OF_A_DAY, MOST_SHIFT_DAYS, matchWorkouts, type OpenActivity, type OpenWorkout, type RuleMatch
} from '../domain/workouts/matching.ts'
import { totalsOf } from '../domain/workouts/totals.ts'
import { AppError, notFound } from '../errors.ts'

/** Days around those that changed whose matches may depend on them: one gives its workout up, the next takes it. */
const REACH_DAYS = 3

/** So many workouts are matched at once: more than those of a year, and with 50 a day those of ten days. */
const MOST_AT_ONCE = 600

/**
 * Writes what may change matches, with the account locked, and matches the days again that `daysOf` names of it; then
 * reads it anew, with its match. Where nothing was written (undefined), nothing else is done.
 */
export async function withMatching<Written, Result> (
  sql: Sql,
  userId: string,
  { write, daysOf, read }: {
    write (sql: Sql): Promise<Written>
    daysOf (written: Exclude<Written, undefined>): string[]
    read (sql: Sql, written: Exclude<Written, undefined>): Promise<Result>
  }
): Promise<Result | undefined> {
  return await transaction(sql, async (sql) => {
    await lockUser(sql, userId)
    const written = await write(sql)
    if (written === undefined) return undefined
    await matchDays(sql, userId, daysOf(written as Exclude<Written, undefined>))
    return await read(sql, written as Exclude<Written, undefined>)
  })
}

/**
 * Matches activities to workouts again around days on which either changed. What a person decided stays. To be called
 * with the account locked, in the transaction of the change. Workouts are read in parts: there may be those of years.
 */
export async function matchDays (sql: Sql, userId: string, days: string[]): Promise<void> {
  if (days.length === 0) return
  const sorted = days.toSorted()
  const to = addDays(sorted.at(-1)!, REACH_DAYS)
  let from: string | undefined = addDays(sorted[0]!, -REACH_DAYS)
  while (from !== undefined) {
    const workouts: MatchableWorkout[] = await listMatchableWorkouts(
      sql, userId, { from, to, perDay: MOST_OF_A_DAY, limit: MOST_AT_ONCE }
    )
    await matchAgain(sql, userId, workouts)
    from = workouts.length < MOST_AT_ONCE ? undefined : nextStart(from, workouts.at(-1)!.date)
  }
}

/** The next part begins before the end of this one, whose last days were matched without regard to what follows. */
function nextStart (from: string, last: string): string {
  return [addDays(last, -REACH_DAYS), last].find((day) => day > from) ?? addDays(last, 1)
}

async function matchAgain (sql: Sql, userId: string, workouts: MatchableWorkout[]): Promise<void> {
  const undecided = workouts.filter(({ matched_by }) => matched_by !== 'person')
  if (undecided.length === 0) return
  const activities = await listMatchableActivities(sql, userId, daysAround(undecided), MOST_OF_A_DAY)
  if (activities.length === 0 && undecided.every(({ matched_by }) => matched_by === null)) return
  const matches = await matchesOf(sql, userId, undecided, activities)
  const wanted = new Map(matches.map((match) => [match.workoutId, match]))
  const stale = undecided.filter(({ id, activity_id, reason }) => {
    const match = wanted.get(id)
    return activity_id !== null && (match?.activityId !== activity_id || match.reason !== reason)
  })
  if (stale.length > 0) await dropMatches(sql, userId, stale.map(({ id }) => id))
  const kept = new Set(undecided.filter((one) => one.activity_id !== null && !stale.includes(one)).map(({ id }) => id))
  const added = matches.filter(({ workoutId }) => !kept.has(workoutId))
  if (added.length === 0) return
  await addMatches(sql, userId, added.map(({ workoutId, activityId, reason }) => (
    { workout_id: workoutId, activity_id: activityId, reason }
  )))
}

/** The days on which some workouts may have been done. */
function daysAround (workouts: readonly MatchableWorkout[]): string[] {
  const days = new Set<string>()
  for (const { date } of workouts) {
    for (let shift = -MOST_SHIFT_DAYS; shift <= MOST_SHIFT_DAYS; shift++) days.add(addDays(date, shift))
  }
  return [...days]
}

/** A workout of an archived plan keeps its activity for as long as the rules allow it, and takes no other. */
async function matchesOf (
  sql: Sql,
  userId: string,
  undecided: MatchableWorkout[],
  activities: MatchableActivity[]
): Promise<RuleMatch[]> {
  const planned = new Map((await openWorkouts(sql, userId, undecided)).map((workout) => [workout.id, workout]))
  const plannedOf = (workouts: MatchableWorkout[]): OpenWorkout[] => workouts.map(({ id }) => planned.get(id)!)
  const open = undecided.filter(({ is_archived }) => !is_archived)
  const archived = undecided.filter(({ is_archived, activity_id }) => is_archived && activity_id !== null)
  return [
    ...matchWorkouts(plannedOf(open), openActivities(open, activities)),
    ...archived.flatMap((workout) => matchWorkouts(
      plannedOf([workout]), openActivities([workout], activities.filter(({ id }) => id === workout.activity_id))
    ))
  ]
}

async function openWorkouts (sql: Sql, userId: string, workouts: MatchableWorkout[]): Promise<OpenWorkout[]> {
  const settings = await listPhysiologyUntil(sql, userId, workouts.at(-1)!.date)
  return workouts.map((workout) => {
    const { id, date, kind } = workout
    const { distanceM, durationS } = totalsOf(workout, settingsOn(date, settings))
    return { id, date, kind, distanceM, durationS }
  })
}

/** Those that belong to no workout but perhaps, by rule, to one of these. */
function openActivities (workouts: MatchableWorkout[], activities: MatchableActivity[]): OpenActivity[] {
  const own = new Set(workouts.map(({ id }) => id))
  return activities
    .filter(({ workout_id, is_declined }) => !is_declined && (workout_id === null || own.has(workout_id)))
    .map(({ id, local_date, sport, distance_m, moving_s }) => (
      { id, date: local_date, sport, distanceM: distance_m, durationS: moving_s }
    ))
}

/**
 * Notes that an activity fulfilled a workout, as a person says: no rule overrules it.
 * @throws AppError NOT_FOUND for the activity, CONFLICT where it belongs to another workout
 */
export async function linkActivity (
  sql: Sql,
  userId: string,
  workout: { id: string, date: string },
  activityId: string
): Promise<void> {
  await transaction(sql, async (sql) => {
    await lockUser(sql, userId)
    const link = await findLink(sql, userId, activityId)
    if (link === undefined) throw notFound('activity')
    if (link.workout_id !== null && link.workout_id !== workout.id) {
      throw new AppError('CONFLICT', 'The activity belongs to another workout: unlink it there first', {
        details: { workout_id: link.workout_id }
      })
    }
    await decideMatch(sql, userId, workout.id, activityId, 'Linked by hand')
    await matchDays(sql, userId, [workout.date, link.local_date])
  })
}

/** Notes that no activity fulfilled a workout, as a person says. */
export async function unlinkActivity (sql: Sql, userId: string, workout: { id: string, date: string }): Promise<void> {
  await transaction(sql, async (sql) => {
    await lockUser(sql, userId)
    await decideMatch(sql, userId, workout.id, null, 'Unlinked by hand')
    await matchDays(sql, userId, [workout.date])
  })
}

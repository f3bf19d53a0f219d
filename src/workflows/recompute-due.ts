import { findDayAndBody } from '../../db/activities.ts'
import { insertUnreadable, lockForLoad, updateEffortYears, updateLoads } from '../../db/figures.ts'
import {
  continueRecomputation, finishRecomputation, postponeRecomputation, takeRecomputation, type Recomputation
} from '../../db/recomputations.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import type { Sport } from '../domain/sports.ts'
import { FORMULA_VERSIONS } from '../domain/training/formula-versions.ts'
import { AppError } from '../errors.ts'
import { currentLoad } from './activities.ts'
import { recomputeActivity, type DecodingContext } from './recompute.ts'

/** The name of the job that calls {@link recomputeBatch}. */
export const RECOMPUTE_FIGURES = 'recompute-figures'
/** Loads computed in one transaction, which takes some milliseconds. */
const LOADS = 50
/** After so many attempts, each of which ended with its process or in a failure, an activity is left as it is. */
const MOST_ATTEMPTS = 5
/** A process without a thread or a disk to spare comes again after this. */
const BUSY_S = 30
/** Old processes leave to newer ones what needs newer formulas. */
const VERSION = Math.max(...Object.values(FORMULA_VERSIONS))

/**
 * `postponed`: it comes again, because it changed meanwhile or nothing was free for it. `unreadable`: it is left as it
 * is.
 */
export type RecomputationOutcome = 'computed' | 'postponed' | 'unreadable' | 'failed'

/** Notes how a recomputation ended and how many seconds it took. */
export type ObserveRecomputation = (of: 'activity' | 'loads', outcome: RecomputationOutcome, seconds: number) => void

export interface RecomputationContext extends DecodingContext {
  observe: ObserveRecomputation
}

/**
 * Computes again what is queued, in its order: one activity, or some loads. Nothing is held open meanwhile, so that
 * several processes work side by side, and what a process leaves undone is taken up by another one.
 * @returns whether there may be more to do
 */
export async function recomputeBatch (
  sql: Sql,
  { observe, ...context }: RecomputationContext
): Promise<'more' | 'done'> {
  const taken = await takeRecomputation(sql, VERSION)
  if (taken === undefined) return 'done'
  const startedMs = performance.now()
  const ended = (outcome: RecomputationOutcome) =>
    observe(taken.activity_id === null ? 'loads' : 'activity', outcome, (performance.now() - startedMs) / 1000)
  try {
    ended(taken.activity_id === null
      ? await recomputeLoads(sql, taken)
      : await recomputeTaken(sql, taken, taken.activity_id, context))
  } catch (error) {
    ended('failed')
    throw error
  }
  return 'more'
}

async function recomputeTaken (
  sql: Sql,
  taken: Recomputation,
  activityId: string,
  context: DecodingContext
): Promise<RecomputationOutcome> {
  const { user_id: userId } = taken
  try {
    if (taken.attempts > MOST_ATTEMPTS) throw new AppError('UNREADABLE_FILE', 'Decoding the file has failed repeatedly')
    // Changed meanwhile: it is read anew.
    if (!await recomputeActivity(sql, userId, activityId, context)) return await postponed(sql, taken, 0)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    if (error.code !== 'UNREADABLE_FILE') return await postponed(sql, taken, BUSY_S)
    await insertUnreadable(sql, userId, activityId, FORMULA_VERSIONS.recording)
    await finishRecomputation(sql, taken)
    return 'unreadable'
  }
  await finishRecomputation(sql, taken)
  return 'computed'
}

async function postponed (sql: Sql, taken: Recomputation, seconds: number): Promise<'postponed'> {
  await postponeRecomputation(sql, taken, seconds)
  return 'postponed'
}

async function recomputeLoads (sql: Sql, taken: Recomputation): Promise<RecomputationOutcome> {
  const { user_id: userId, after_start_time: start_time, after_activity_id: id } = taken
  const after = start_time === null || id === null ? undefined : { start_time, id }
  const last = await transaction(sql, async (sql) => {
    const owner = await findDayAndBody(sql, userId)
    const page = await lockForLoad(sql, userId, taken.from_day!, after, LOADS)
    if (owner === undefined || page.length === 0) return undefined
    await updateLoads(sql, userId, page.map((row) => ({
      id: row.id,
      ...currentLoad(
        { ...row, sport: row.sport as Sport },
        { exertion: row.exertion, speedTimes: row.speed_times },
        row.local_date,
        owner.settings
      )
    })), FORMULA_VERSIONS.load)
    await updateEffortYears(sql, userId, page.map(({ id }) => id))
    return page.length === LOADS ? page.at(-1) : undefined
  })
  if (last === undefined) await finishRecomputation(sql, taken)
  else await continueRecomputation(sql, taken, last)
  return 'computed'
}

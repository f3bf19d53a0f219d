import { createHash } from 'node:crypto'
import {
  findCalendarFeed, listCancelledWorkouts, listFeedWorkouts, upsertCalendarFeed, type CancelledWorkout, type FeedWorkout
} from '../../db/calendar-feeds.ts'
import { listPhysiologyUntil } from '../../db/physiology.ts'
import type { Sql } from '../../db/sql.ts'
import { makeFeedToken, readFeedToken } from '../auth/calendar-feeds.ts'
import { sameSecret } from '../auth/refresh-tokens.ts'
import { settingsOn, type DatedSettings } from '../domain/physiology.ts'
import { formatSteps } from '../domain/workouts/step-text.ts'
import { totalsOf } from '../domain/workouts/totals.ts'
import { accountGone } from '../errors.ts'
import { feedEvents, feedOf, type FeedEvent, type Units } from '../views/calendar-feed.ts'

/** Workouts in a feed, the latest: daily workouts of almost three years. */
const MOST_WORKOUTS = 1000
const MOST_CANCELLED = 500
/** Events that are written before other requests have their turn; they take some milliseconds. */
const BATCH_EVENTS = 50
/** Part of the tag: raised where the same rows are written differently. */
const FORMAT = 1
/** Compared with where there is no feed, so that it takes as long. */
const NO_HASH = Buffer.alloc(32)

/** Gives the runner a new secret for the feed, in the place of the one before. */
export async function renewCalendarFeed (sql: Sql, userId: string): Promise<string> {
  const { token, secretHash } = makeFeedToken(userId)
  if (!await upsertCalendarFeed(sql, userId, secretHash)) throw accountGone()
  return token
}

/** The owner of the feed with this secret; undefined for any other text. */
export async function ownerOfFeed (sql: Sql, token: string): Promise<{ id: string, units: Units } | undefined> {
  const read = readFeedToken(token)
  if (read === undefined) return undefined
  const feed = await findCalendarFeed(sql, read.userId)
  if (!sameSecret(feed?.secret_hash ?? NO_HASH, read.secretHash) || feed === undefined) return undefined
  return { id: read.userId, units: feed.units === 'imperial' ? 'imperial' : 'metric' }
}

/** A feed that is written only if the client does not have it. */
export interface CalendarFeed {
  etag: string
  write (): Promise<string>
}

/** The workouts of all plans, and those that were deleted lately, as a calendar. */
export async function readCalendarFeed (
  sql: Sql,
  { id: userId, units }: { id: string, units: Units }
): Promise<CalendarFeed> {
  const [workouts, cancelled] = await Promise.all([
    listFeedWorkouts(sql, userId, MOST_WORKOUTS),
    listCancelledWorkouts(sql, userId, MOST_CANCELLED)
  ])
  const [latest] = workouts
  const settings = latest === undefined ? [] : await listPhysiologyUntil(sql, userId, latest.date)
  const parts = [
    FORMAT, units, settings, ...[...workouts, ...cancelled].map(({ id, revision }) => [id, revision])
  ]
  const tag = createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22)
  return { etag: `"${tag}"`, write: () => write({ workouts, cancelled, settings }, units) }
}

interface Contents {
  workouts: FeedWorkout[]
  cancelled: CancelledWorkout[]
  settings: readonly DatedSettings[]
}

async function write ({ workouts, cancelled, settings }: Contents, units: Units): Promise<string> {
  const parts: string[] = []
  const rows = [...workouts, ...cancelled]
  for (let from = 0; from < rows.length; from += BATCH_EVENTS) {
    if (from > 0) await new Promise((resolve) => { setImmediate(resolve) })
    const events = rows.slice(from, from + BATCH_EVENTS)
      .map((row) => 'cancelled_at' in row ? cancelledEvent(row) : plannedEvent(row, settings))
    parts.push(feedEvents(events, units))
  }
  return feedOf(parts)
}

function plannedEvent (row: FeedWorkout, settings: readonly DatedSettings[]): FeedEvent {
  const { distanceM, durationS } = totalsOf(row, settingsOn(row.date, settings))
  return {
    id: row.id,
    date: row.date,
    name: row.name,
    distanceM,
    durationS,
    description: row.description,
    stepsText: row.steps === null ? null : formatSteps(row.steps),
    sequence: row.revision - 1,
    createdAt: row.created_at,
    changedAt: row.updated_at,
    cancelled: false
  }
}

function cancelledEvent ({ id, date, name, revision, cancelled_at: changedAt }: CancelledWorkout): FeedEvent {
  return {
    id,
    date,
    name,
    distanceM: null,
    durationS: null,
    description: null,
    stepsText: null,
    sequence: revision - 1,
    createdAt: null,
    changedAt,
    cancelled: true
  }
}

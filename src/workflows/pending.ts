import type { QueuedDays } from '../../db/recomputations.ts'
import { addDays } from '../domain/days.ts'

/** Days whose figures may still change; null: none of those asked for. */
export type PendingDays = { from: string, until: string } | null

/**
 * Which of the days from `from` to `to` wait for their loads and zones to be computed again, as after a change of
 * settings. The newest activities are computed first.
 */
export function pendingDays (queued: QueuedDays | undefined, from: string, to: string): PendingDays {
  if (queued === undefined) return null
  // The local day of an activity may be the one after that of its start in UTC.
  const last = queued.done_from === null ? to : addDays(queued.done_from.slice(0, 10), 1)
  const pending = { from: later(queued.from, from), until: last < to ? last : to }
  return pending.from <= pending.until ? pending : null
}

function later (one: string, other: string): string {
  return one > other ? one : other
}

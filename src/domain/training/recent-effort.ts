import { daysBetween } from '../days.ts'
import { FITTED_S, vdotOf } from './vdot.ts'

/** So many days back an effort tells of today's fitness. */
export const RECENT_DAYS = 90
/**
 * The share of its VDOT by which an effort of {@link RECENT_DAYS} ago counts less when efforts are compared, in
 * proportion to its age: a convention of this service.
 */
const DECAY = 0.05
/** Below this distance, in metres, a result says more about speed than about endurance. */
const SHORTEST_M = 1500

export interface DatedEffort {
  activity_id: string
  distance_m: number
  elapsed_s: number
  date: string
}

export interface RecentEffort extends DatedEffort {
  vdot: number
  /** Why it was taken. */
  why: string
}

/**
 * The effort that says most about the fitness of `today`: the race with the highest VDOT, otherwise the best effort
 * with the highest, each counted less the older it is; undefined without one of the last 90 days over at least 1,500 m
 * and of a time that VDOT was made for.
 */
export function recentEffort (
  races: readonly DatedEffort[],
  efforts: readonly DatedEffort[],
  today: string
): RecentEffort | undefined {
  return best(races, today, `The race with the highest VDOT of the last ${RECENT_DAYS} days`) ??
    best(efforts, today, `No race in the last ${RECENT_DAYS} days: the best effort with the highest VDOT`)
}

function best (efforts: readonly DatedEffort[], today: string, why: string): RecentEffort | undefined {
  let found: RecentEffort | undefined
  let worth = 0
  for (const effort of efforts) {
    const { distance_m: distanceM, elapsed_s: timeS, date } = effort
    const age = daysBetween(date, today)
    if (distanceM < SHORTEST_M || timeS < FITTED_S.least || timeS > FITTED_S.most || age > RECENT_DAYS) continue
    const vdot = vdotOf(distanceM, timeS)
    const decayed = vdot * (1 - DECAY * Math.max(0, age) / RECENT_DAYS)
    if (decayed > worth) {
      worth = decayed
      found = { ...effort, vdot, why }
    }
  }
  return found
}

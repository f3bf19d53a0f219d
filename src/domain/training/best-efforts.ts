import { PLAUSIBLE_SPEED_M_PER_S } from '../sports.ts'
import { HALF_MARATHON_M, MARATHON_M, METRES_PER_KM, METRES_PER_MILE, paceOf, rounded } from '../units.ts'
import type { Curve } from './curve.ts'
import { recordTimeS } from './world-records.ts'

/** The distances that best efforts are kept for, shortest first. */
export const EFFORT_DISTANCES: ReadonlyArray<{ distance_m: number, name: string }> = [
  { distance_m: 400, name: '400 m' },
  { distance_m: 800, name: '800 m' },
  { distance_m: METRES_PER_KM, name: '1 km' },
  { distance_m: METRES_PER_MILE, name: '1 mile' },
  { distance_m: 2 * METRES_PER_MILE, name: '2 miles' },
  { distance_m: 5000, name: '5 km' },
  { distance_m: 10_000, name: '10 km' },
  { distance_m: 15_000, name: '15 km' },
  { distance_m: 10 * METRES_PER_MILE, name: '10 miles' },
  { distance_m: 20_000, name: '20 km' },
  { distance_m: HALF_MARATHON_M, name: 'Half marathon' },
  { distance_m: 30_000, name: '30 km' },
  { distance_m: MARATHON_M, name: 'Marathon' }
]

/** The fastest stretch of one distance. A record of the database. */
export interface BestEffort {
  distance_m: number
  elapsed_s: number
  /** Seconds since the start of the activity. */
  start_s: number
}

/** An effort as the API shows it. */
export function namedEffort (effort: BestEffort): BestEffort & { name: string, pace_s_per_km: number } {
  const named = EFFORT_DISTANCES.find(({ distance_m }) => Math.abs(distance_m - effort.distance_m) < 0.01)
  return {
    ...effort,
    name: named?.name ?? `${effort.distance_m} m`,
    pace_s_per_km: rounded(paceOf(effort.distance_m, effort.elapsed_s), 2)!
  }
}

/**
 * The best effort of running over each distance that is in the recording, by its distance over time, which never
 * decreases. A leap of the positions counts as no more than a sprint.
 */
export function bestEfforts (distanceM: Curve): BestEffort[] {
  const curve = withoutLeaps(distanceM)
  return EFFORT_DISTANCES.flatMap(({ distance_m }) => {
    const found = fastestWindow(curve, distance_m, recordTimeS(distance_m))
    if (found === undefined) return []
    return [{ distance_m, elapsed_s: rounded(found.elapsedS, 2)!, start_s: rounded(found.startS, 2)! }]
  })
}

/**
 * The curve with each step held to the speed of the fastest sprint: where only a part of a leap is in a window, its
 * time is not always below the limit.
 */
function withoutLeaps ({ timeS, values }: Curve): Curve {
  const held = values.slice()
  for (let i = 1; i < held.length; i++) {
    const mostM = PLAUSIBLE_SPEED_M_PER_S.running * (timeS[i]! - timeS[i - 1]!)
    held[i] = held[i - 1]! + Math.min(mostM, values[i]! - values[i - 1]!)
  }
  return { timeS, values: held }
}

/** The sum of many steps misses a distance that was covered exactly by some of its last digits. */
const SHORT_OF = 1e-9

/**
 * The shortest elapsed time over any window of exactly `windowM`, that takes at least `leastS`: a faster one is an
 * error of the positions and not a run. Undefined where there is none.
 *
 * Time runs straight between two records, so the time of a window, as it moves, has its least value where one of its
 * ends is at a record: each record is tried as the start and as the end, the other end interpolated, by two pointers.
 */
export function fastestWindow (
  { timeS, values }: Curve,
  windowM: number,
  leastS = 0
): { startS: number, elapsedS: number } | undefined {
  const last = values.length - 1
  if (last < 1) return undefined
  const span = values[last]! - values[0]!
  if (span < windowM * (1 - SHORT_OF)) return undefined
  const lengthM = Math.min(windowM, span)
  let bestS = Number.POSITIVE_INFINITY
  let bestStartS = 0
  const offer = (startS: number, endS: number): void => {
    const elapsedS = endS - startS
    if (elapsedS >= leastS && elapsedS < bestS) {
      bestS = elapsedS
      bestStartS = startS
    }
  }
  let ahead = 0
  for (let start = 0; start <= last; start++) {
    const end = values[start]! + lengthM
    while (ahead <= last && values[ahead]! < end) ahead++
    if (ahead > last) break
    // The first moment at that distance: what was stood there afterwards is not part of the effort.
    offer(timeS[start]!, ahead === 0 ? timeS[0]! : crossing(timeS, values, ahead - 1, end))
  }
  let behind = 0
  for (let end = 0; end <= last; end++) {
    const start = values[end]! - lengthM
    if (start < values[0]!) continue
    while (behind < last && values[behind + 1]! <= start) behind++
    // The last moment at that distance.
    offer(behind === last ? timeS[last]! : crossing(timeS, values, behind, start), timeS[end]!)
  }
  return bestS === Number.POSITIVE_INFINITY ? undefined : { startS: bestStartS, elapsedS: bestS }
}

/** When the distance is `value`, between the record `i` and the next. */
function crossing (timeS: Float64Array, values: Float64Array, i: number, value: number): number {
  const rise = values[i + 1]! - values[i]!
  const share = rise > 0 ? Math.min(1, Math.max(0, (value - values[i]!) / rise)) : 0
  return timeS[i]! + (timeS[i + 1]! - timeS[i]!) * share
}

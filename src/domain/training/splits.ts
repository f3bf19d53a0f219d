import { METRES_PER_KM, METRES_PER_MILE, rounded } from '../units.ts'
import { momentOf } from './curve.ts'
import { measured, type Course, type Section } from './sections.ts'
import { agree } from './sources.ts'

export type SplitUnit = 'km' | 'mi'
const UNIT_M: Record<SplitUnit, number> = { km: METRES_PER_KM, mi: METRES_PER_MILE }

/** More than any recording has: what is beyond is one last split. */
const MOST_SPLITS = 10_000
/** A rest that would be shown as 0.00 m is no split of its own. */
const SHORTEST_M = 0.005

/**
 * The activity kilometre by kilometre, or mile by mile, and what remains. A split ends when its distance is first
 * reached, so that standing there belongs to the next one; what is stood at the end belongs to the last. Empty where
 * there is no distance over time, or that of a part alone.
 *
 * Together they have the distance, the times and the gain of the whole, to the last digit shown. Moving time and gain
 * are told by the records first, and then fitted to the totals, which follow finer rules than a short stretch can.
 */
export function splitsOf (course: Course, unit: SplitUnit): Section[] {
  const { totals, distanceM } = course
  if (totals.distance_m === null || !(totals.distance_m > 0) || distanceM.timeS.length < 2) return []
  if (!agree(distanceM.values.at(-1)!, totals.distance_m)) return []
  const marksM = marksOf(totals.distance_m, UNIT_M[unit])
  const boundsS = [0]
  for (const mark of marksM.slice(1, -1)) {
    const moment = momentOf(distanceM, mark) ?? totals.elapsed_s
    boundsS.push(Math.min(totals.elapsed_s, Math.max(moment, boundsS.at(-1)!)))
  }
  boundsS.push(totals.elapsed_s)
  const records = boundsS.slice(1).map((toS, i) => measured(course, boundsS[i]!, toS))
  const elapsed = differences(boundsS, 3)
  const moving = differences(summed(fitted(
    records.map(({ movingS }) => movingS), records.map(({ elapsedS }) => elapsedS), totals.moving_s
  )), 3)
  const gains = gainsOf(records.map(({ climbedM }) => climbedM), totals.elevation_gain_m)
  const distances = differences(marksM, 2)
  return records.map(({ heartRateBpm }, i) => ({
    index: i + 1,
    start_s: rounded(boundsS[i]!, 2)!,
    distance_m: distances[i]!,
    elapsed_s: elapsed[i]!,
    moving_s: Math.min(moving[i]!, elapsed[i]!),
    elevation_gain_m: gains === null ? null : gains[i]!,
    average_heart_rate_bpm: rounded(heartRateBpm, 1)
  }))
}

/** Where splits begin and end, in metres. */
function marksOf (totalM: number, unitM: number): number[] {
  const count = Math.max(1, Math.min(MOST_SPLITS, Math.ceil((totalM - SHORTEST_M) / unitM)))
  return Array.from({ length: count + 1 }, (_, i) => i === count ? totalM : i * unitM)
}

/** The gain of each, in proportion to all that was climbed in it; null where no heights tell where it was. */
function gainsOf (climbedM: readonly number[], totalM: number | null): number[] | null {
  const sum = climbedM.reduce((all, climbed) => all + climbed, 0)
  if (totalM === null || (sum === 0 && totalM > 0)) return null
  return differences(summed(climbedM.map((climbed) => sum > 0 ? climbed * totalM / sum : 0)), 1)
}

/**
 * Values between 0 and their limits that sum to `total`, each moved in proportion to its way to 0 or to its limit.
 * Where the limits sum to less than the total, the limits.
 */
function fitted (values: readonly number[], limits: readonly number[], total: number): number[] {
  const sum = values.reduce((all, value) => all + value, 0)
  const room = limits.reduce((all, limit) => all + limit, 0) - sum
  if (sum >= total) return values.map((value) => sum > 0 ? value * total / sum : 0)
  const share = room > 0 ? Math.min(1, (total - sum) / room) : 0
  return values.map((value, i) => value + (limits[i]! - value) * share)
}

/** The running sums, from 0. */
function summed (values: readonly number[]): number[] {
  const sums = [0]
  for (const value of values) sums.push(sums.at(-1)! + value)
  return sums
}

/** The differences of rounded values: they sum to the last of them, where rounded differences would not. */
function differences (values: readonly number[], decimals: number): number[] {
  const marks = values.map((value) => rounded(value, decimals)!)
  return marks.slice(1).map((mark, i) => rounded(mark - marks[i]!, decimals)!)
}

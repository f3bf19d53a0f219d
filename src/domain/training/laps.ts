import type { Lap } from '../recording.ts'
import { rounded } from '../units.ts'
import { measured, type Course, type Section } from './sections.ts'

/**
 * The laps as the device wrote them. What it left out is told by the records: the time until the next lap, the
 * distance, the gain and the heart rate in that time, and the moving time, which is never more than the timer ran.
 */
export function lapsOf (laps: readonly Lap[], course: Course): Section[] {
  const { totals } = course
  const { climbedM } = measured(course, 0, totals.elapsed_s)
  const hasHeights = totals.elevation_gain_m !== null && course.climbedM.timeS.length > 1
  const gainShare = climbedM > 0 ? (totals.elevation_gain_m ?? 0) / climbedM : 0
  const hasDistance = course.distanceM.timeS.length > 1
  return laps.map((lap, i) => {
    const untilNext = (laps[i + 1]?.startS ?? totals.elapsed_s) - lap.startS
    const elapsedS = Math.max(0, lap.elapsedS ?? lap.timerS ?? untilNext)
    const records = measured(course, lap.startS, lap.startS + elapsedS)
    const hasRecords = course.movingS.timeS.length > 1
    const movingS = hasRecords ? Math.min(records.movingS, lap.timerS ?? elapsedS) : lap.timerS ?? elapsedS
    return {
      index: i + 1,
      start_s: rounded(lap.startS, 2)!,
      distance_m: rounded(lap.distanceM ?? (hasDistance ? records.distanceM : null), 2),
      elapsed_s: rounded(elapsedS, 3)!,
      moving_s: rounded(Math.min(movingS, elapsedS), 3)!,
      elevation_gain_m: rounded(lap.elevationGainM ?? (hasHeights ? records.climbedM * gainShare : null), 1),
      average_heart_rate_bpm: rounded(lap.averageHeartRateBpm ?? records.heartRateBpm, 1)
    }
  })
}

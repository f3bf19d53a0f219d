import type { Columns, Pause } from '../recording.ts'

/** Slower than this, in m/s, is standing: 33 minutes a kilometre. */
export const STANDING_M_PER_S = 0.5
/** Only standing for so many seconds at a time counts: some devices tell their distance only every few seconds. */
export const SHORTEST_STOP_S = 10

/** Seconds on the running timer at each record: time since the start less the pauses up to there. */
export function activeTimeS (timeS: Float64Array, pauses: readonly Pause[]): Float64Array<ArrayBuffer> {
  const activeS = new Float64Array(timeS.length)
  let pausedS = 0
  let next = 0
  for (let i = 0; i < timeS.length; i++) {
    const time = timeS[i]!
    while (next < pauses.length && pauses[next]!.endS <= time) {
      pausedS += pauses[next]!.endS - pauses[next]!.startS
      next++
    }
    const pause = pauses[next]
    activeS[i] = time - pausedS - (pause && pause.startS < time ? time - pause.startS : 0)
  }
  return activeS
}

/**
 * Seconds in motion by the records: time on the running timer less the stops, a stop being at least 10 s below 0.5 m/s by the distance.
 * Null where the distance is not known at two records.
 */
export function movingTimeS ({ timeS, distanceM }: Pick<Columns, 'timeS' | 'distanceM'>, pauses: readonly Pause[]): number | null {
  const activeS = activeTimeS(timeS, pauses)
  let movingS = 0
  let stillS = 0
  let last = -1
  let first = -1
  for (let i = 0; i < timeS.length; i++) {
    if (Number.isNaN(distanceM[i]!)) continue
    if (last >= 0) {
      const stepS = activeS[i]! - activeS[last]!
      if (distanceM[i]! - distanceM[last]! < STANDING_M_PER_S * stepS) {
        stillS += stepS
      } else {
        if (stillS < SHORTEST_STOP_S) movingS += stillS
        stillS = 0
        movingS += stepS
      }
    } else {
      first = i
    }
    last = i
  }
  if (last <= first) return null
  if (stillS < SHORTEST_STOP_S) movingS += stillS
  // Before the first and after the last known distance nothing says that anybody stood.
  return movingS + activeS[first]! + activeS.at(-1)! - activeS[last]!
}

/**
 * The mean of a column weighted by time, over stretches on the running timer between values at most `longestGapS` apart; null where there is
 * none. Gaps in the column are skipped and never count as zero.
 */
export function meanOverTime (activeS: Float64Array, column: Float64Array, { longestGapS = 60, from = Number.NEGATIVE_INFINITY } = {}): number | null {
  let weighted = 0
  let seconds = 0
  let last = -1
  let only = Number.NaN
  for (let i = 0; i < column.length; i++) {
    const value = column[i]!
    if (!(value >= from)) continue
    if (last >= 0) {
      const stepS = activeS[i]! - activeS[last]!
      if (stepS <= longestGapS) {
        weighted += (value + column[last]!) / 2 * stepS
        seconds += stepS
      }
    }
    last = i
    only = value
  }
  if (seconds > 0) return weighted / seconds
  return Number.isNaN(only) ? null : only
}

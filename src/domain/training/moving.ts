import type { Columns, Pause } from '../recording.ts'

/** Slower than this, in m/s, counts as standing: 33 minutes per kilometre. */
export const STANDING_M_PER_S = 0.5
/** Only a stop of at least this many seconds counts: some devices update their distance only every few seconds. */
export const SHORTEST_STOP_S = 10

/** Seconds on the running timer at each record: the time since the start minus the pauses until then. */
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
 * Seconds of standing while the timer ran: stops of at least 10 s below 0.5 m/s, by the distance. Null if the distance
 * is known at fewer than two records or is never above 0.
 */
export function standingTimeS (
  { timeS, distanceM }: Pick<Columns, 'timeS' | 'distanceM'>,
  activeS: Float64Array
): number | null {
  let standingS = 0
  let stopS = 0
  let last = -1
  for (let i = 0; i < timeS.length; i++) {
    if (Number.isNaN(distanceM[i]!)) continue
    if (last >= 0) {
      const stepS = activeS[i]! - activeS[last]!
      if (distanceM[i]! - distanceM[last]! < STANDING_M_PER_S * stepS) {
        stopS += stepS
      } else {
        if (stopS >= SHORTEST_STOP_S) standingS += stopS
        stopS = 0
      }
    }
    last = i
  }
  if (last < 0 || !(distanceM[last]! > 0)) return null
  return standingS + (stopS >= SHORTEST_STOP_S ? stopS : 0)
}

export interface TimedMean {
  /** Null if no value is known. */
  mean: number | null
  /** The time that it covers. */
  seconds: number
}

/**
 * The mean of a column, weighted by time on the running timer, over stretches between values at most `longestGapS`
 * apart. Gaps and values below `from` are skipped; they never count as zero.
 */
export function meanOverTime (
  activeS: Float64Array,
  column: Float64Array,
  { longestGapS = 60, from = Number.NEGATIVE_INFINITY } = {}
): TimedMean {
  let weighted = 0
  let seconds = 0
  let last = -1
  for (let i = 0; i < column.length; i++) {
    const value = column[i]!
    if (!(value >= from)) continue
    if (last >= 0) {
      const stepS = activeS[i]! - activeS[last]!
      if (stepS <= longestGapS) {
        weighted += ((value + column[last]!) / 2) * stepS
        seconds += stepS
      }
    }
    last = i
  }
  if (seconds > 0) return { mean: weighted / seconds, seconds }
  return { mean: last < 0 ? null : column[last]!, seconds }
}

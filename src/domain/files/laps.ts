import type { Columns, DeviceFigures, Lap } from '../recording.ts'
import { agree } from '../training/sources.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { counted } from './unreadable.ts'

/** A lap of a file, with its start in ms since 1970; NaN if the file does not state it. */
export type FileLap = Omit<Lap, 'startS'> & { startMs: number }

/** A lap shorter than this, in seconds, is a second press of the button. */
const SHORTEST_LAP_S = 1

/**
 * The laps in order of time, without those of no length and those that begin after the recording. Distances that count
 * on from lap to lap become those of each.
 */
export function lapsOf (
  fileLaps: readonly FileLap[],
  startTime: number,
  { timeS }: Columns,
  device: DeviceFigures,
  warnings: Warning[]
): Lap[] {
  const lastS = timeS.at(-1)
  const endS = lastS === undefined ? Number.POSITIVE_INFINITY : Math.max(lastS, device.elapsed_s ?? 0)
  const all = fileLaps
    .map(({ startMs, ...lap }) => ({ startS: Math.max(0, (startMs - startTime) / 1000), ...lap }))
    .filter(({ startS }) => Number.isFinite(startS))
    .sort((a, b) => a.startS - b.startS)
  const within = all.filter(({ startS }, i) => i === 0 || startS <= endS)
  if (within.length < all.length) {
    warnings.push(warning('LAPS_CONTRADICTED', `${counted(all.length - within.length, 'lap')} after the end of the recording ignored`))
  }
  const laps = within.filter((lap, i) => !hasNoLength(lap, within[i + 1]?.startS ?? lastS ?? endS))
  uncumulate(laps, warnings)
  return laps
}

function hasNoLength ({ startS, elapsedS, timerS, distanceM }: Lap, nextS: number): boolean {
  const states = Math.max(elapsedS ?? 0, timerS ?? 0)
  return states < SHORTEST_LAP_S && (distanceM ?? 0) <= 0 && nextS - startS < SHORTEST_LAP_S
}

/** Some devices write in each lap the distance since the start: it never decreases, whatever the laps' times are. */
function uncumulate (laps: Lap[], warnings: Warning[]): void {
  const distances = laps.map(({ distanceM }) => distanceM)
  if (laps.length < 3 || !isCumulative(laps)) return
  for (let i = laps.length - 1; i > 0; i--) laps[i]!.distanceM = distances[i]! - distances[i - 1]!
  warnings.push(warning('LAPS_CONTRADICTED', `The distances of ${counted(laps.length, 'lap')} count on from lap to lap: the differences are used`))
}

/** Whether the differences fit the times of the laps and the distances themselves do not. */
function isCumulative (laps: readonly Lap[]): boolean {
  let previousM = 0
  const speeds: number[] = []
  for (const { distanceM, timerS, elapsedS } of laps) {
    const seconds = timerS ?? elapsedS
    if (distanceM === null || seconds === null || distanceM <= previousM) return false
    speeds.push((distanceM - previousM) / seconds)
    previousM = distanceM
  }
  const first = laps[0]!.distanceM! / (laps[0]!.timerS ?? laps[0]!.elapsedS!)
  const last = laps.at(-1)!.distanceM! / (laps.at(-1)!.timerS ?? laps.at(-1)!.elapsedS!)
  return last > first * 2 && speeds.every((speed) => agree(Math.min(speed, first * 2), speed))
}

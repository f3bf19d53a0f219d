import {
  COLUMN_NAMES, NO_DEVICE_FIGURES, NO_DEVICE_MEANS, type Columns, type Lap, type Recording
} from './recording.ts'
import { curveOf, valueAt } from './training/curve.ts'

/** A part of a recording, in seconds since its start. A record of the API. */
export interface Crop {
  from_s: number
  to_s: number
}

/** A shorter part has no pace, and no figure that means anything. */
export const SHORTEST_CROP_S = 10

/**
 * The part of a recording as if only that had been recorded. Its distance begins and ends between two records where the
 * crop does; a lap that is cut keeps its time alone, the rest of it is for the records to tell. What the device summed
 * up is of the whole, and left out.
 */
export function cropped (recording: Recording, { from_s: fromS, to_s: toS }: Crop): Recording {
  return {
    ...recording,
    startTime: recording.startTime + Math.round(fromS * 1000),
    columns: columnsBetween(recording.columns, fromS, toS),
    laps: recording.laps.flatMap((lap, i) => lapBetween(lap, recording.laps[i + 1], fromS, toS)),
    pauses: recording.pauses
      .filter(({ startS, endS }) => endS > fromS && startS < toS)
      .map(({ startS, endS }) => ({ startS: Math.max(startS, fromS) - fromS, endS: Math.min(endS, toS) - fromS })),
    device: { ...NO_DEVICE_FIGURES, elapsed_s: toS - fromS },
    deviceMeans: { ...NO_DEVICE_MEANS },
    clockRepaired: false
  }
}

function columnsBetween (columns: Columns, fromS: number, toS: number): Columns {
  const { timeS } = columns
  const first = timeS.findIndex((time) => time >= fromS)
  const from = first === -1 ? timeS.length : first
  const after = timeS.findIndex((time) => time > toS)
  const to = after === -1 ? timeS.length : after
  // A record at each end that is between two, with the distance alone.
  const before = from > 0 && timeS[from] !== fromS && from < timeS.length ? 1 : 0
  const behind = to < timeS.length && to > 0 && timeS[to - 1] !== toS ? 1 : 0
  const length = before + Math.max(0, to - from) + behind
  const distance = curveOf(timeS, columns.distanceM)
  const hasDistance = distance.timeS.length > 0
  const startM = valueAt(distance, fromS)
  const part = {} as Columns
  for (const name of COLUMN_NAMES) {
    part[name] = new Float64Array(length).fill(Number.NaN)
    part[name].set(columns[name].subarray(from, Math.max(from, to)), before)
  }
  if (before === 1) part.timeS[0] = fromS
  if (behind === 1) part.timeS[length - 1] = toS
  if (before === 1 && hasDistance) part.distanceM[0] = startM
  if (behind === 1 && hasDistance) part.distanceM[length - 1] = valueAt(distance, toS)
  for (let i = 0; i < length; i++) {
    part.timeS[i]! -= fromS
    part.distanceM[i]! -= startM
  }
  return part
}

function lapBetween (lap: Lap, next: Lap | undefined, fromS: number, toS: number): Lap[] {
  const endS = lap.elapsedS !== null ? lap.startS + lap.elapsedS : next?.startS ?? toS
  if (endS <= fromS || lap.startS >= toS) return []
  if (lap.startS >= fromS && endS <= toS) return [{ ...lap, startS: lap.startS - fromS }]
  const startS = Math.max(lap.startS, fromS)
  return [{
    startS: startS - fromS,
    elapsedS: Math.min(endS, toS) - startS,
    timerS: null,
    distanceM: null,
    elevationGainM: null,
    averageHeartRateBpm: null,
    maxHeartRateBpm: null
  }]
}

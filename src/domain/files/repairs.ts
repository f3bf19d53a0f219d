import type { Columns } from '../recording.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { counted } from './unreadable.ts'

/** The lowest and highest plausible values; any other value is a gap. */
const RANGES = {
  altitudeM: [-500, 9000],
  heartRateBpm: [20, 250],
  cadenceSpm: [0, 300],
  speedMPerS: [0, 100],
  powerW: [0, 5000],
  distanceM: [0, 5_000_000]
} as const satisfies Partial<Record<keyof Columns, readonly [number, number]>>

/**
 * Replaces implausible values by gaps. Devices write 0 for a lost heart rate or position: that becomes a gap without a
 * warning. A longitude within one turn outside ±180° is the same place within it.
 */
export function believable (columns: Columns, warnings: Warning[]): void {
  let misplaced = 0
  let wrapped = 0
  const { latitudeDeg, longitudeDeg } = columns
  for (let i = 0; i < latitudeDeg.length; i++) {
    if (Math.abs(longitudeDeg[i]!) > 180 && Math.abs(longitudeDeg[i]!) <= 540) {
      longitudeDeg[i]! -= 360 * Math.sign(longitudeDeg[i]!)
      wrapped++
    }
    const latitude = latitudeDeg[i]!
    const longitude = longitudeDeg[i]!
    if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 && !(latitude === 0 && longitude === 0)) continue
    if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) misplaced++
    latitudeDeg[i] = Number.NaN
    longitudeDeg[i] = Number.NaN
  }
  if (wrapped > 0) {
    warnings.push(warning('POSITIONS_WRAPPED', `${counted(wrapped, 'longitude')} outside ±180° read as the same place within it`))
  }
  if (misplaced > 0) {
    warnings.push(warning('POSITIONS_IMPOSSIBLE', `${counted(misplaced, 'position')} with an invalid latitude or longitude ignored`))
  }

  for (const [name, [lowest, highest]] of Object.entries(RANGES)) {
    const column = columns[name as keyof typeof RANGES]
    let refused = 0
    for (let i = 0; i < column.length; i++) {
      const value = column[i]!
      if (value >= lowest && value <= highest) continue
      if (!Number.isNaN(value) && value !== 0) refused++
      column[i] = Number.NaN
    }
    if (refused > 0) {
      warnings.push(warning('VALUES_IMPLAUSIBLE',
        `${counted(refused, 'implausible value')} of ${WORDS[name as keyof typeof RANGES]} ignored`))
    }
  }
}

const WORDS: Record<keyof typeof RANGES, string> = {
  altitudeM: 'altitude',
  heartRateBpm: 'heart rate',
  cadenceSpm: 'cadence',
  speedMPerS: 'speed',
  powerW: 'power',
  distanceM: 'distance'
}

export interface Counter {
  /** The device's distance since the start of the recording; it never decreases. NaN where there is none. */
  distanceM: Float64Array<ArrayBuffer>
  /** Increments that were implausibly fast. */
  leaps: number
  /** Whether it decreases so often that it counts something else: the length of each step, for example. */
  runsBack: boolean
}

export interface Counting {
  timeS: Float64Array
  /** What the device wrote at each record. */
  distanceM: Float64Array
  /** The device's counter at the start of the recording; if absent, its first value, unless that is close to 0. */
  baseM: number | undefined
  limitMPerS: number
  /** Whether the record lies within a pause, in which the way does not count. */
  isPaused: (row: number) => boolean
}

/**
 * A first distance up to this was covered before the first record; a larger one means that the counter started earlier.
 */
const HEAD_START_M = 100
/** A counter that decreases at more than this share of its changes is none. Some devices restart it in each lap. */
const RUNS_BACK_SHARE = 0.1

/**
 * Turns the device's distance into one that starts at the start of the recording and never decreases. Implausibly fast
 * increments and decreases (spikes, or a counter restarted in each lap) add nothing; counting continues from the new
 * value. Null if the device wrote no distance.
 */
export function counterOf ({ timeS, distanceM: rawM, baseM, limitMPerS, isPaused }: Counting): Counter | null {
  const distanceM = new Float64Array(rawM.length).fill(Number.NaN)
  let total = 0
  let last = -1
  let leaps = 0
  let back = 0
  let changes = 0
  for (let i = 0; i < rawM.length; i++) {
    const raw = rawM[i]!
    if (Number.isNaN(raw)) continue
    if (last < 0) {
      const head = raw - (baseM ?? 0)
      total = head >= 0 && head <= HEAD_START_M ? head : 0
    } else {
      const step = raw - rawM[last]!
      if (step !== 0) changes++
      if (step < 0) back++
      // After a tunnel, for example, a device adds the missed distance in one record: twice the limit, and at least
      // 50 m, is accepted.
      if (step > Math.max(50, 2 * limitMPerS * (timeS[i]! - timeS[last]!))) leaps++
      else if (step > 0 && !(isPaused(i) || isPaused(last))) total += step
    }
    distanceM[i] = total
    last = i
  }
  return last < 0 ? null : { distanceM, leaps, runsBack: back > Math.max(3, RUNS_BACK_SHARE * changes) }
}

/** The distance by the device's speed: its sum over the time on the running timer. Null if it wrote no speed. */
export function integrated (
  speedMPerS: Float64Array,
  timeS: Float64Array,
  activeS: Float64Array,
  longestGapS: number
): Float64Array<ArrayBuffer> | null {
  const distanceM = new Float64Array(speedMPerS.length).fill(Number.NaN)
  let total = 0
  let last = -1
  for (let i = 0; i < speedMPerS.length; i++) {
    if (Number.isNaN(speedMPerS[i]!)) continue
    if (last >= 0 && timeS[i]! - timeS[last]! <= longestGapS) {
      total += (speedMPerS[last]! + speedMPerS[i]!) / 2 * (activeS[i]! - activeS[last]!)
    }
    distanceM[i] = total
    last = i
  }
  return total > 0 ? distanceM : null
}

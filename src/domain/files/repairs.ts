import type { Columns } from '../recording.ts'
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
 * warning.
 */
export function believable (columns: Columns, warnings: string[]): void {
  let misplaced = 0
  const { latitudeDeg, longitudeDeg } = columns
  for (let i = 0; i < latitudeDeg.length; i++) {
    const latitude = latitudeDeg[i]!
    const longitude = longitudeDeg[i]!
    if (Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 && !(latitude === 0 && longitude === 0)) continue
    if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) misplaced++
    latitudeDeg[i] = Number.NaN
    longitudeDeg[i] = Number.NaN
  }
  if (misplaced > 0) warnings.push(`${counted(misplaced, 'position')} with an invalid latitude or longitude ignored`)

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
      warnings.push(`${counted(refused, 'implausible value')} of ${WORDS[name as keyof typeof RANGES]} ignored`)
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

export interface Cumulation {
  /** The device's counter at the start of the recording; if absent, its first value, unless that is close to 0. */
  baseM: number | undefined
  limitMPerS: number
}

/**
 * A first distance up to this was covered before the first record; a larger one means that the counter started earlier.
 */
const HEAD_START_M = 100

/**
 * Turns the device's distance into one that starts at the start of the recording and never decreases. Implausibly fast
 * increments and decreases (spikes, or a counter restarted in each lap) add nothing; counting continues from the new
 * value.
 */
export function cumulate (columns: Columns, { baseM, limitMPerS }: Cumulation, warnings: string[]): void {
  const { timeS, distanceM } = columns
  let total = 0
  let last = -1
  let lastRaw = 0
  let leaps = 0
  for (let i = 0; i < distanceM.length; i++) {
    const raw = distanceM[i]!
    if (Number.isNaN(raw)) continue
    if (last < 0) {
      const head = raw - (baseM ?? 0)
      total = head >= 0 && head <= HEAD_START_M ? head : 0
    } else {
      const step = raw - lastRaw
      // After a tunnel, for example, a device adds the missed distance in one record: twice the limit, and at least
      // 50 m, is accepted.
      if (step > Math.max(50, 2 * limitMPerS * (timeS[i]! - timeS[last]!))) leaps++
      else if (step > 0) total += step
    }
    distanceM[i] = total
    lastRaw = raw
    last = i
  }
  if (leaps > 0) warnings.push(`${counted(leaps, 'implausibly fast leap')} in the distance ignored`)
}

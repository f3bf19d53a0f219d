import { filled } from '../filled.ts'
import { GAP, STEPS, type StreamField, type Streams } from '../streams/fields.ts'
import { METRES_PER_KM } from '../units.ts'

/**
 * A recording by its running clock: the seconds that were recorded, without the pauses. Columns of one length; NaN:
 * unknown.
 */
export interface StepCourse {
  /** Seconds since the start, pauses included. */
  timeS: Float64Array
  clockS: Float64Array
  /** Never decreases; undefined where the recording has no distances. */
  distanceM: Float64Array | undefined
  heartRateBpm: Float64Array | undefined
  /** Seconds per kilometre, over {@link PACE_WINDOW_S}; Infinity while standing. */
  paceSPerKm: Float64Array | undefined
}

/** A gap between records is a pause from here on, if nothing was run in it. */
const PAUSE_S = 15
/** Slower than this is standing. */
const STANDING_M_PER_S = 0.5
/** What a pace is measured over: the speed of one second is mostly noise of the positions. */
export const PACE_WINDOW_S = 10

/** The streams that a course is made of. */
export const COURSE_FIELDS = ['time_s', 'distance_m', 'heart_rate_bpm'] as const satisfies readonly StreamField[]

/** The course of a recording; undefined where it has fewer than two records. */
export function courseOf (streams: Streams): StepCourse | undefined {
  const timeS = column(streams, 'time_s')
  if (timeS === undefined || timeS.length < 2) return undefined
  const distanceM = held(column(streams, 'distance_m'))
  const clockS = runningClock(timeS, distanceM)
  return {
    timeS,
    clockS,
    distanceM,
    heartRateBpm: column(streams, 'heart_rate_bpm'),
    paceSPerKm: distanceM === undefined ? undefined : paces(clockS, distanceM)
  }
}

function column ({ columns }: Streams, field: StreamField): Float64Array | undefined {
  const steps = columns[field]
  if (steps === undefined) return undefined
  const scale = STEPS[field]
  return filled(steps.length, (row) => steps[row] === GAP ? Number.NaN : steps[row]! / scale)
}

/** Gaps have the value before. */
function held (values: Float64Array | undefined): Float64Array | undefined {
  if (values === undefined) return undefined
  let last = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value > last) last = value
    values[i] = last
  }
  return values
}

function runningClock (timeS: Float64Array, distanceM: Float64Array | undefined): Float64Array {
  const clockS = new Float64Array(timeS.length)
  for (let i = 1; i < timeS.length; i++) {
    const seconds = timeS[i]! - timeS[i - 1]!
    const metres = distanceM === undefined ? 0 : distanceM[i]! - distanceM[i - 1]!
    const isPause = seconds > PAUSE_S && metres < seconds * STANDING_M_PER_S
    clockS[i] = clockS[i - 1]! + (isPause ? 0 : seconds)
  }
  return clockS
}

function paces (clockS: Float64Array, distanceM: Float64Array): Float64Array {
  const paceSPerKm = new Float64Array(clockS.length)
  let from = 0
  let to = 0
  for (let i = 0; i < clockS.length; i++) {
    while (clockS[i]! - clockS[from]! > PACE_WINDOW_S / 2) from++
    while (to + 1 < clockS.length && clockS[to]! - clockS[i]! < PACE_WINDOW_S / 2) to++
    const first = from === to ? Math.max(0, from - 1) : from
    const metres = distanceM[to]! - distanceM[first]!
    paceSPerKm[i] = metres > 0 ? (clockS[to]! - clockS[first]!) / metres * METRES_PER_KM : Infinity
  }
  return paceSPerKm
}

/** The first row whose value is not under `value`; the length where there is none. */
export function rowAt (values: Float64Array, value: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/** The value of one column where another, which never decreases, has a value: between the rows around it. */
export function across (from: Float64Array, to: Float64Array, value: number): number {
  const row = rowAt(from, value)
  if (row === 0) return to[0]!
  if (row >= from.length) return to[to.length - 1]!
  const before = from[row - 1]!
  const span = from[row]! - before
  return span === 0 ? to[row]! : to[row - 1]! + (to[row]! - to[row - 1]!) * (value - before) / span
}

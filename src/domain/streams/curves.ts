import { GAP, STEPS, type StreamField, type Streams } from './fields.ts'

/** The streams that curves are made of. */
export const CURVE_FIELDS = [
  'time_s', 'distance_m', 'altitude_m', 'heart_rate_bpm', 'speed_m_per_s'
] as const satisfies readonly StreamField[]

/** The means over a stretch; null where nothing was measured. */
export interface CurvePoint {
  /** Metres, or seconds where the recording has no distance. */
  x: number
  speed_m_per_s: number | null
  heart_rate_bpm: number | null
  altitude_m: number | null
}

/** Streams over the distance, or over the time where there is none. */
export interface Curves {
  over: 'distance' | 'time'
  /** Where it begins and ends. */
  from: number
  to: number
  /** The stretches between pauses, in order. */
  parts: CurvePoint[][]
}

/** A step between two records that takes so much longer than the usual one is a pause, or a gap in the recording. */
const PAUSE_S = 10
const PAUSE_OF_USUAL = 5
/** More pauses than this cannot be told apart: only the longest divide the curves. */
const MOST_PAUSES = 60
/** Slower than this is standing, which has no pace. */
const STANDING_M_PER_S = 0.5

/**
 * The means of the streams over at most `points` equal stretches, and some more where pauses divide them. O(records).
 */
export function curvesOf ({ records, columns }: Streams, points: number): Curves {
  const time = columns.time_s ?? new Int32Array(records)
  const distance = filled(columns.distance_m)
  const x = distance ?? time
  const scale = STEPS[distance === undefined ? 'time_s' : 'distance_m']
  const from = records === 0 ? 0 : x[0]!
  const width = Math.max(1, (records === 0 ? 0 : x[records - 1]!) - from) / points
  const pauseAfter = pauseThreshold(time)
  const curves: Curves = {
    over: distance === undefined ? 'time' : 'distance',
    from: from / scale,
    to: (from + width * points) / scale,
    parts: []
  }
  let part: CurvePoint[] = []
  let means = new Means()
  let place = -1
  for (let row = 0; row < records; row++) {
    const stepS = row === 0 ? 0 : (time[row]! - time[row - 1]!) / STEPS.time_s
    const isPause = stepS * STEPS.time_s > pauseAfter
    const next = Math.min(points - 1, Math.floor((x[row]! - from) / width))
    if (row > 0 && (isPause || next !== place)) {
      part.push(means.point(scale))
      means = new Means()
    }
    if (isPause) {
      curves.parts.push(part)
      part = []
    }
    place = next
    means.add(row, x[row]!, isPause ? 0 : stepS, columns)
  }
  if (records > 0) curves.parts.push([...part, means.point(scale)])
  return curves
}

/** The means of the records of one stretch. */
class Means {
  #x = 0
  #count = 0
  #sums = { speed_m_per_s: 0, heart_rate_bpm: 0, altitude_m: 0 }
  #weights = { speed_m_per_s: 0, heart_rate_bpm: 0, altitude_m: 0 }

  /** `stepS`: the time since the record before. Speed is weighted by it, and standing left out. */
  add (row: number, x: number, stepS: number, columns: Streams['columns']): void {
    this.#x += x
    this.#count++
    for (const field of ['speed_m_per_s', 'heart_rate_bpm', 'altitude_m'] as const) {
      const value = columns[field]?.[row] ?? GAP
      if (value === GAP || (field === 'speed_m_per_s' && value < STANDING_M_PER_S * STEPS[field])) continue
      const weight = field === 'speed_m_per_s' ? Math.max(stepS, 0.01) : 1
      this.#sums[field] += value * weight
      this.#weights[field] += weight
    }
  }

  point (scale: number): CurvePoint {
    const mean = (field: 'speed_m_per_s' | 'heart_rate_bpm' | 'altitude_m') =>
      this.#weights[field] === 0 ? null : this.#sums[field] / this.#weights[field] / STEPS[field]
    return {
      x: this.#x / this.#count / scale,
      speed_m_per_s: mean('speed_m_per_s'),
      heart_rate_bpm: mean('heart_rate_bpm'),
      altitude_m: mean('altitude_m')
    }
  }
}

/** A step longer than this, in steps of the stored time, divides the curves. */
function pauseThreshold (time: Int32Array): number {
  const steps = new Int32Array(Math.max(0, time.length - 1))
  for (let i = 0; i < steps.length; i++) steps[i] = time[i + 1]! - time[i]!
  steps.sort()
  const usual = steps[steps.length >> 1] ?? 0
  const longest = steps.at(-1 - MOST_PAUSES) ?? 0
  return Math.max(PAUSE_S * STEPS.time_s, usual * PAUSE_OF_USUAL, longest)
}

/** The distance at each record, that of the last one known in a gap; undefined where none is known, or none covered. */
function filled (column: Int32Array | undefined): Int32Array | undefined {
  if (column === undefined) return undefined
  const whole = new Int32Array(column.length)
  let last = column.find((value) => value !== GAP) ?? 0
  for (const [row, value] of column.entries()) {
    if (value !== GAP && value > last) last = value
    whole[row] = last
  }
  return whole.length > 1 && whole.at(-1)! > whole[0]! ? whole : undefined
}

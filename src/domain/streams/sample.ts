import { GAP, STREAM_FIELDS, type StreamColumns, type StreamField, type Streams } from './fields.ts'

/** The streams whose extremes are kept. */
const EXTREMES = ['altitude_m', 'heart_rate_bpm', 'speed_m_per_s'] as const satisfies readonly StreamField[]
/** The streams whose shape is kept: the curves over time, and the line on the map. */
export const SHAPING = [
  'time_s', ...EXTREMES, 'latitude_deg', 'longitude_deg'
] as const satisfies readonly StreamField[]

/** The first and the last record, and two extremes of each stream. */
export const FEWEST_POINTS = 2 + 2 * EXTREMES.length

/**
 * Rows that stand for all records, in their order, at most `points` of them (8 or more): the first, the last, the
 * lowest and highest altitude, heart rate and speed, and between them the rows that keep the shape of all curves. All
 * rows where there are no more of them. Streams have their rows in common, so that a value and its position stay
 * together.
 *
 * Shape by largest triangles (LTTB): the records are divided into buckets of equal count, and of each the row stays
 * that makes the largest triangle with the row kept before and the mean of the next bucket. The areas of a row are
 * added over the streams, each in proportion to its range. O(records · streams).
 *
 * Steinarsson, S. (2013), Downsampling Time Series for Visual Representation. University of Iceland.
 */
export function sampleRows ({ records, columns }: Streams, points: number): Uint32Array<ArrayBuffer> {
  if (records <= points) return Uint32Array.from({ length: records }, (_, row) => row)
  const kept = new Set([0, records - 1])
  for (const field of EXTREMES) for (const row of extremesOf(columns[field])) kept.add(row)
  const time = columns.time_s ?? new Int32Array(records)
  const curves = SHAPING
    .filter((field) => field !== 'time_s')
    .flatMap((field) => curveOf(columns[field]))
  for (const row of largestTriangles(time, curves, points - kept.size)) kept.add(row)
  return Uint32Array.from(kept).sort()
}

/** The streams of these rows alone. */
export function takeRows ({ columns }: Streams, rows: Uint32Array): Streams {
  const taken: StreamColumns = {}
  for (const field of STREAM_FIELDS) {
    const column = columns[field]
    if (column !== undefined) taken[field] = Int32Array.from(rows, (row) => column[row]!)
  }
  return { records: rows.length, columns: taken }
}

function extremesOf (column: Int32Array | undefined): number[] {
  let lowest = -1
  let highest = -1
  for (let row = 0; row < (column?.length ?? 0); row++) {
    const value = column![row]!
    if (value === GAP) continue
    if (lowest < 0 || value < column![lowest]!) lowest = row
    if (highest < 0 || value > column![highest]!) highest = row
  }
  return lowest < 0 ? [] : [lowest, highest]
}

interface Curve {
  values: Int32Array
  /** What one step of it counts, so that streams of different units weigh the same. */
  weight: number
}

/** None for a stream without values, or with one value throughout. */
function curveOf (values: Int32Array | undefined): Curve[] {
  const [lowest, highest] = extremesOf(values)
  if (lowest === undefined || values![lowest] === values![highest!]) return []
  return [{ values: values!, weight: 1 / (values![highest!]! - values![lowest]!) }]
}

/** One row of each of `buckets` equal stretches between the first and the last row. */
function * largestTriangles (time: Int32Array, curves: Curve[], buckets: number): Generator<number> {
  const rows = time.length - 2
  const startOf = (bucket: number): number => 1 + Math.floor(bucket * rows / buckets)
  let previous = 0
  const areas = new Float64Array(Math.ceil(rows / Math.max(1, buckets)) + 1)
  for (let bucket = 0; bucket < buckets; bucket++) {
    const from = startOf(bucket)
    const to = startOf(bucket + 1)
    if (to === from) continue
    areas.fill(0, 0, to - from)
    const nextTo = bucket + 1 < buckets ? startOf(bucket + 2) : time.length
    for (const curve of curves) addAreas(areas, time, curve, { previous, from, to, nextTo })
    let largest = 0
    for (let i = 1; i < to - from; i++) if (areas[i]! > areas[largest]!) largest = i
    previous = from + largest
    yield previous
  }
}

/** Adds the triangle of each row of a bucket; rows of a gap add nothing. */
function addAreas (
  areas: Float64Array,
  time: Int32Array,
  { values, weight }: Curve,
  { previous, from, to, nextTo }: { previous: number, from: number, to: number, nextTo: number }
): void {
  let sum = 0
  let sumTime = 0
  let count = 0
  for (let row = to; row < nextTo; row++) {
    if (values[row] === GAP) continue
    sum += values[row]!
    sumTime += time[row]!
    count++
  }
  const valueBefore = values[previous]!
  if (count === 0 || valueBefore === GAP) return
  const timeBefore = time[previous]!
  const rise = (sum / count - valueBefore) * weight
  const run = sumTime / count - timeBefore
  for (let row = from; row < to; row++) {
    const value = values[row]!
    if (value === GAP) continue
    areas[row - from]! += Math.abs(run * (value - valueBefore) * weight - rise * (time[row]! - timeBefore))
  }
}

import { GAP, STREAM_FIELDS, type StreamColumns, type StreamField, type Streams } from './fields.ts'

/** The streams whose extremes are kept. */
const EXTREMES = ['altitude_m', 'heart_rate_bpm', 'speed_m_per_s'] as const satisfies readonly StreamField[]
/** The streams whose shape is kept: the curves over time, and the line on the map. */
const CURVES = [...EXTREMES, 'latitude_deg', 'longitude_deg'] as const satisfies readonly StreamField[]
export const SHAPING = ['time_s', ...CURVES] as const satisfies readonly StreamField[]

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
  const isKept = new Uint8Array(records).fill(records <= points ? 1 : 0)
  if (records > points) {
    const found = new Map(CURVES.map((field) => [field, extremesOf(columns[field])]))
    isKept[0] = isKept[records - 1] = 1
    for (const field of EXTREMES) {
      const extremes = found.get(field)
      if (extremes !== undefined) isKept[extremes.lowestAt] = isKept[extremes.highestAt] = 1
    }
    // A stream with one value throughout has no shape.
    const curves = [...found.values()].flatMap((extremes): Curve[] =>
      extremes === undefined || extremes.range === 0 ? [] : [{ values: extremes.values, weight: 1 / extremes.range }])
    keepLargestTriangles(isKept, columns.time_s ?? new Int32Array(records), curves, points - rowsOf(isKept).length)
  }
  return rowsOf(isKept)
}

/** The rows that are kept, in their order. */
function rowsOf (isKept: Uint8Array): Uint32Array<ArrayBuffer> {
  const rows = new Uint32Array(isKept.length)
  let count = 0
  for (let row = 0; row < isKept.length; row++) if (isKept[row] === 1) rows[count++] = row
  return rows.slice(0, count)
}

/** The streams of these rows alone. */
export function takeRows ({ columns }: Streams, rows: Uint32Array): Streams {
  const taken: StreamColumns = {}
  for (const field of STREAM_FIELDS) {
    const column = columns[field]
    if (column === undefined) continue
    const values = new Int32Array(rows.length)
    for (let i = 0; i < rows.length; i++) values[i] = column[rows[i]!]!
    taken[field] = values
  }
  return { records: rows.length, columns: taken }
}

/** The rows of the lowest and the highest value of a column, and those values. */
interface Extremes {
  values: Int32Array
  lowestAt: number
  highestAt: number
  range: number
}

/** Undefined for a stream without values. */
function extremesOf (values: Int32Array | undefined): Extremes | undefined {
  let lowestAt = -1
  let highestAt = -1
  let lowest = 0
  let highest = 0
  for (let row = 0; row < (values?.length ?? 0); row++) {
    const value = values![row]!
    if (value === GAP) continue
    if (lowestAt < 0 || value < lowest) {
      lowestAt = row
      lowest = value
    }
    if (highestAt < 0 || value > highest) {
      highestAt = row
      highest = value
    }
  }
  return lowestAt < 0 ? undefined : { values: values!, lowestAt, highestAt, range: highest - lowest }
}

interface Curve {
  values: Int32Array
  /** What one step of it counts, so that streams of different units weigh the same. */
  weight: number
}

/** Keeps one row of each of `buckets` equal stretches between the first and the last row. */
function keepLargestTriangles (isKept: Uint8Array, time: Int32Array, curves: Curve[], buckets: number): void {
  const rows = time.length - 2
  let previous = 0
  let from = 1
  let to = 1 + Math.floor(rows / Math.max(1, buckets))
  const areas = new Float64Array(Math.ceil(rows / Math.max(1, buckets)) + 1)
  for (let bucket = 0; bucket < buckets; bucket++) {
    const nextTo = bucket + 1 < buckets ? 1 + Math.floor((bucket + 2) * rows / buckets) : time.length
    if (to > from) {
      areas.fill(0, 0, to - from)
      for (let i = 0; i < curves.length; i++) addAreas(areas, time, curves[i]!, previous, from, to, nextTo)
      previous = from + largestOf(areas, to - from)
      isKept[previous] = 1
    }
    from = to
    to = nextTo
  }
}

/** The place of the largest of the first values. */
function largestOf (values: Float64Array, count: number): number {
  let largest = 0
  for (let i = 1; i < count; i++) if (values[i]! > values[largest]!) largest = i
  return largest
}

/** Adds the triangle of each row of a bucket; rows of a gap add nothing. */
function addAreas (
  areas: Float64Array,
  time: Int32Array,
  { values, weight }: Curve,
  previous: number,
  from: number,
  to: number,
  nextTo: number
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

/**
 * The columns of a recording as they are kept and answered, in this order. Each value is stored as a whole number of
 * steps of `1 / STEPS`: 1 cm of distance and of position, 0.1 m of altitude, 1 mm/s of speed, 0.01 s of time. That is
 * finer than any watch measures.
 */
export const STREAM_FIELDS = [
  'time_s', 'distance_m', 'latitude_deg', 'longitude_deg', 'altitude_m', 'heart_rate_bpm', 'cadence_spm',
  'speed_m_per_s', 'power_w'
] as const
export type StreamField = typeof STREAM_FIELDS[number]

/** Powers of ten, so that a stored number is written as decimal digits with a point in it. */
export const STEPS: Record<StreamField, number> = {
  time_s: 100,
  distance_m: 100,
  latitude_deg: 10_000_000,
  longitude_deg: 10_000_000,
  altitude_m: 10,
  heart_rate_bpm: 1,
  cadence_spm: 10,
  speed_m_per_s: 1000,
  power_w: 1
}

/** Not measured. */
export const GAP = -2_147_483_648
const HIGHEST = 2_147_483_647

/** The kept columns, all of one length: a column without any value is left out. */
export type StreamColumns = Partial<Record<StreamField, Int32Array<ArrayBuffer>>>

export interface Streams {
  records: number
  columns: StreamColumns
}

/** Whether `text` names a stream. */
export function isStreamField (text: string): text is StreamField {
  return (STREAM_FIELDS as readonly string[]).includes(text)
}

/** A column in steps; NaN, and what has no place in 32 bits, is a gap. Undefined where all of it is one. */
export function stepsOf (field: StreamField, values: Float64Array): Int32Array<ArrayBuffer> | undefined {
  const steps = new Int32Array(values.length)
  const scale = STEPS[field]
  let known = false
  for (let i = 0; i < values.length; i++) {
    const step = Math.round(values[i]! * scale)
    const isKnown = step > GAP && step <= HIGHEST
    steps[i] = isKnown ? step : GAP
    known ||= isKnown
  }
  return known ? steps : undefined
}

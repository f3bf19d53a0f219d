import { STREAM_FIELDS, type StreamField } from './fields.ts'
import { streamsJson } from './json.ts'
import { packedRecords, unpackStreams } from './pack.ts'
import { sampleRows, SHAPING } from './sample.ts'

/** What a client asks of streams. */
export interface Wanted {
  fields: readonly StreamField[]
  /** At most so many; 10 or more. */
  points: number
}

/**
 * The response body of packed streams. Which rows are kept does not depend on the fields that are wanted, so that two
 * answers with the same points fit together.
 */
export function sampledStreams (packed: Uint8Array, { fields, points }: Wanted): Uint8Array<ArrayBuffer> {
  const isSampled = packedRecords(packed) > points
  const streams = unpackStreams(packed, isSampled ? [...fields, ...SHAPING] : fields)
  return streamsJson(streams, new Set(fields), sampleRows(streams, points))
}

/** The response body of an activity without records. */
export function noStreams (fields: readonly StreamField[] = STREAM_FIELDS): Uint8Array<ArrayBuffer> {
  return streamsJson({ records: 0, columns: {} }, new Set(fields), new Uint32Array(0))
}

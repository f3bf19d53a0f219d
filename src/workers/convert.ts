import { decode } from '../domain/files/decode.ts'
import type { FileFormat } from '../domain/files/decode.ts'
import { writeRecording } from '../domain/files/write.ts'
import type { Recording } from '../domain/recording.ts'
import type { Sport, SubSport } from '../domain/sports.ts'
import type { LentFile, Part } from '../uploads/spool.ts'
import { withFile } from './decode.ts'
import { writeParts } from './spooled.ts'

/** What a recording is to become: a file of a format, of the activity that began then, as its owner calls it. */
export interface Conversion {
  format: FileFormat
  /** Milliseconds since 1970. */
  startTime: number
  name: string | null
  sport: Sport
  subSport: SubSport | null
}

/** The file to convert. */
export type ConvertTask = LentFile & { conversion: Conversion }

/** The work of a decoding thread that converts a recording: what it wrote is in the place of the original. */
export default async function convertTask ({ conversion, ...file }: ConvertTask): Promise<unknown> {
  return await withFile(file, (bytes, file) => convertBytes(bytes, file, conversion))
}

function convertBytes (bytes: Uint8Array, file: LentFile, { format, startTime, ...activity }: Conversion): Part[] {
  const recording = nearest(decode(bytes), startTime)
  return writeParts(file, blocks(writeRecording(format, { recording, ...activity })))
}

/** A file may contain several recordings; one that was read by an earlier version may have begun at another moment. */
function nearest (recordings: Recording[], startTime: number): Recording {
  const distance = (recording: Recording) => Math.abs(recording.startTime - startTime)
  return recordings.reduce((best, recording) => distance(recording) < distance(best) ? recording : best)
}

function * blocks (pieces: Iterable<Uint8Array>): Generator<{ name: string, bytes: Uint8Array }> {
  for (const bytes of pieces) yield { name: 'export', bytes }
}

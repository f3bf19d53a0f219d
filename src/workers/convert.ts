import { decode } from '../domain/files/decode.ts'
import type { FileFormat } from '../domain/files/decode.ts'
import { writeRecording } from '../domain/files/write.ts'
import { editedRecording } from '../domain/training/figures.ts'
import type { LentFile, Part } from '../uploads/spool.ts'
import { indexOf, withFile, type Again } from './decode.ts'
import { writeParts } from './spooled.ts'

/** The activity that a recording is to be written as: a file of a format, under the name that its owner gave it. */
export interface Conversion extends Again {
  format: FileFormat
  name: string | null
}

/** The file to convert. */
export type ConvertTask = LentFile & { conversion: Conversion }

/** The work of a decoding thread that converts a recording: what it wrote is in the place of the original. */
export default async function convertTask ({ conversion, ...file }: ConvertTask): Promise<unknown> {
  return await withFile(file, (bytes, file) => convertBytes(bytes, file, conversion))
}

function convertBytes (bytes: Uint8Array, file: LentFile, { format, name, ...again }: Conversion): Part[] {
  const recordings = decode(bytes)
  const recording = editedRecording(recordings[indexOf(recordings, again)]!, again)
  const { sport, subSport } = again
  return writeParts(file, blocks(writeRecording(format, { recording, name, sport, subSport })))
}

function * blocks (pieces: Iterable<Uint8Array>): Generator<{ name: string, bytes: Uint8Array }> {
  for (const bytes of pieces) yield { name: 'export', bytes }
}

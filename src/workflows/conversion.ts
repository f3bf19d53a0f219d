import type { RecordedActivity } from '../../db/figures.ts'
import { readRecording } from '../../db/recordings.ts'
import type { Sql } from '../../db/sql.ts'
import type { FileFormat } from '../domain/files/decode.ts'
import type { Sport, SubSport } from '../domain/sports.ts'
import type { Conversion } from '../workers/decoding.ts'
import type { Part, SpooledFile } from '../uploads/spool.ts'

/** Writes an activity of a recording in another format, on another thread, into the place of the recording. */
export type Convert = (file: SpooledFile, conversion: Conversion, signal: AbortSignal) => Promise<Part[]>

/** A file of an activity, which is read from the spool. */
export interface ConvertedFile {
  sizeBytes: number
  read (): AsyncGenerator<Buffer>
}

/** Reads the original of an activity into `file` and converts it there. */
export async function convertActivity (
  sql: Sql,
  userId: string,
  { recorded, name, format }: { recorded: RecordedActivity, name: string | null, format: FileFormat },
  { file, convert, signal }: { file: SpooledFile, convert: Convert, signal: AbortSignal }
): Promise<ConvertedFile> {
  for await (const chunk of readRecording(sql, userId, recorded)) {
    signal.throwIfAborted()
    await file.append(chunk)
  }
  await file.finish()
  const parts = await convert(file, {
    format,
    name,
    index: recorded.recording_index,
    startTime: recorded.start_time,
    sport: recorded.sport as Sport,
    subSport: recorded.sub_sport as SubSport | null,
    crop: recorded.crop
  }, signal)
  const sizeBytes = parts.reduce((sum, { length }) => sum + length, 0)
  file.account(sizeBytes)
  return {
    sizeBytes,
    async * read () {
      for (const part of parts) yield await file.read(part)
    }
  }
}

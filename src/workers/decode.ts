import { constants, setPriority } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { packChunks } from '../uploads/chunks.ts'
import { AppError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { decode, formatOf } from '../domain/files/decode.ts'
import type { FileFormat } from '../domain/files/decode.ts'
import type { Recording } from '../domain/recording.ts'
import { packStreams } from '../domain/streams/pack.ts'
import { sampleRows, takeRows } from '../domain/streams/sample.ts'
import type { Streams } from '../domain/streams/fields.ts'
import { activityFiguresOf, type Edits, type RecordingFigures } from '../domain/training/figures.ts'
import type { Warning } from '../domain/warnings.ts'
import type { LentFile, Part } from '../uploads/spool.ts'
import { DiskError, readSpooled, writeParts } from './spooled.ts'

/**
 * The figures of a recorded activity. Its columns, up to 72 MB, stay on the thread: every byte that the main one is
 * given makes it collect garbage sooner. What is large goes into the spooled file.
 */
export interface DecodedActivity extends RecordingFigures {
  deviceName: string | null
  /** Its place among all activities in the file, from 0. */
  index: number
  /** How many records its streams have. */
  records: number
}

/** One of the activities in a file, computed again; the original, which is stored already, is not packed. */
export interface Again extends Edits {
  /** Its place in the file; null where it is not known: the recording that starts nearest to `startTime` is taken. */
  index: number | null
  startTime: string
}

/** A file read. */
export interface Decoded {
  format: FileFormat
  /** One at least, in the file's order. */
  activities: DecodedActivity[]
  /** What was wrong with the file, of all its recordings. */
  warnings: Warning[]
  /**
   * What is to be stored, in the spooled file: `original`, the chunks of the file itself, packed; then `streams`, the
   * packed columns of each activity, in the order of the activities.
   */
  parts: Part[]
}

/** The file to decode, and what of it is wanted. */
export interface DecodeTask extends LentFile {
  again?: Again | undefined
}

/** What crosses back, with the file: errors lose their class and fields between threads, so they go as a record. */
export type Reply<Result> = Pick<LentFile, 'handle'> & (
  | { decoded: Result, failed?: undefined }
  | { decoded?: undefined, failed: Failed }
)
export type DecodeReply = Reply<Decoded>

interface Failed {
  /** `disk`: the spooled file could not be read or written. */
  code: ErrorCode | 'disk'
  message: string
  cause: string | undefined
}

// Where both want the same core, requests go first: the loop that answers them was held for 11 to 18 ms by a FIT file
// of 100,000 records, and is for 7 to 9. Only Linux has priorities of threads; elsewhere this would be that of the
// process. A tenth of a busy core is left, so that no file is given up for want of it.
if (!isMainThread && process.platform === 'linux') {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // Where that is forbidden it has the same priority as all else.
  }
}

/**
 * The work of a decoding thread: reads the file, answers its figures, and puts in its place what is to be stored of it.
 * What is wrong with the file is an answer; a bug is thrown.
 */
export default async function decodeTask (task: DecodeTask): Promise<unknown> {
  return await withFile(task, (bytes, file) => decodeBytes(bytes, file, task.again))
}

/** Runs work on the bytes of a file that belongs to this thread meanwhile, and goes back with the answer. */
export async function withFile<Result> (
  file: LentFile,
  work: (bytes: Uint8Array, file: LentFile) => Result
): Promise<unknown> {
  const { handle } = file
  try {
    return moved({ handle, decoded: work(readSpooled(file), file) })
  } catch (error) {
    if (error instanceof AppError) return moved({ handle, failed: failedBy(error.code, error, error.cause) })
    if (error instanceof DiskError) return moved({ handle, failed: failedBy('disk', error, error.cause ?? error) })
    await handle.close()
    throw error
  }
}

export function decodeBytes (bytes: Uint8Array, file: LentFile, again?: Again): Decoded {
  const recordings = decode(bytes, { nowMs: Date.now() })
  const chosen = again === undefined ? recordings.map((_, index) => index) : [indexOf(recordings, again)]
  const computed = chosen.map((index) => ({ index, ...activityFiguresOf(recordings[index]!, again) }))
  return {
    format: formatOf(bytes)!,
    activities: computed.map(({ index, figures, streams }) => ({
      ...figures,
      index,
      deviceName: recordings[index]!.deviceName,
      records: Math.min(streams.records, MOST_RECORDS)
    })),
    warnings: distinct(computed.flatMap(({ index, warnings }) => [...recordings[index]!.warnings, ...warnings])),
    parts: writeParts(file, piecesOf(again === undefined ? bytes : undefined, computed.map(({ streams }) => streams)))
  }
}

/** The place of an activity in its file: the one that is known, or that of the recording that starts nearest. */
export function indexOf (
  recordings: readonly Recording[],
  { index, startTime }: Pick<Again, 'index' | 'startTime'>
): number {
  if (index !== null && index < recordings.length) return index
  const distances = recordings.map((recording) => Math.abs(recording.startTime - Date.parse(startTime)))
  return distances.indexOf(Math.min(...distances))
}

/**
 * More records are thinned out before they are stored, keeping their shape: 55 hours of one a second. Packed they take
 * less than 2 MB, which a statement carries without holding the event loop.
 */
const MOST_RECORDS = 200_000

function * piecesOf (
  original: Uint8Array | undefined,
  recordings: readonly Streams[]
): Generator<{ name: string, bytes: Uint8Array }> {
  for (const chunk of original === undefined ? [] : packChunks(original)) yield { name: 'original', bytes: chunk }
  for (const streams of recordings) {
    const kept = streams.records > MOST_RECORDS ? takeRows(streams, sampleRows(streams, MOST_RECORDS)) : streams
    yield { name: 'streams', bytes: packStreams(kept) }
  }
}

function failedBy (code: Failed['code'], { message }: Error, cause: unknown): Failed {
  return { code, message, cause: cause instanceof Error ? cause.stack : undefined }
}

/** Each warning once: several recordings of a file may have the same. */
function distinct (warnings: Warning[]): Warning[] {
  return [...new Map(warnings.map((one) => [`${one.code} ${one.message}`, one])).values()]
}

/** The reply, with the file transferred. */
function moved (reply: Reply<unknown>): unknown {
  return move({
    get [transferableSymbol] () { return [reply.handle] },
    get [valueSymbol] () { return reply }
  } as never)
}

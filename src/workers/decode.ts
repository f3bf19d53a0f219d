import { constants, setPriority } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { packChunks } from '../uploads/chunks.ts'
import { AppError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { decode, formatOf } from '../domain/files/decode.ts'
import type { FileFormat } from '../domain/files/decode.ts'
import type { Recording } from '../domain/recording.ts'
import { heartRateTimes, type HeartRateTimes } from '../domain/training/load.ts'
import { activeTimeS } from '../domain/training/moving.ts'
import { gradedSpeedOf } from '../domain/training/pace.ts'
import { figuresOf } from '../domain/training/summary.ts'
import type { ActivitySummary } from '../domain/training/summary.ts'
import type { Warning } from '../domain/warnings.ts'
import type { LentFile, Part } from '../uploads/spool.ts'
import { DiskError, readSpooled, writeParts } from './spooled.ts'

/**
 * The figures of a recorded activity. Its columns, up to 72 MB, stay on the thread: every byte that the main one is
 * given makes it collect garbage sooner. What is large goes into the spooled file.
 */
export interface DecodedActivity {
  summary: ActivitySummary
  deviceName: string | null
  /** With the timer running; null where there are no records. */
  activeS: number | null
  /** Normalized graded speed in m/s, null where there is no distance. */
  gradedSpeedMPerS: number | null
  heartRateTimes: HeartRateTimes
}

/** A file read. */
export interface Decoded {
  format: FileFormat
  /** One at least, in the file's order. */
  activities: DecodedActivity[]
  /** What was wrong with the file, of all its recordings. */
  warnings: Warning[]
  /** What is to be stored, in the spooled file: `original`, the chunks of the file itself, packed. */
  parts: Part[]
}

/** The file to decode. */
export type DecodeTask = LentFile

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
  return await withFile(task, decodeBytes)
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

export function decodeBytes (bytes: Uint8Array, file: LentFile): Decoded {
  const read = decode(bytes, { nowMs: Date.now() }).map(activityOf)
  return {
    format: formatOf(bytes)!,
    activities: read.map(({ activity }) => activity),
    warnings: distinct(read.flatMap(({ warnings }) => warnings)),
    parts: writeParts(file, originalOf(bytes))
  }
}

function * originalOf (bytes: Uint8Array): Generator<{ name: string, bytes: Uint8Array }> {
  for (const chunk of packChunks(bytes)) yield { name: 'original', bytes: chunk }
}

function failedBy (code: Failed['code'], { message }: Error, cause: unknown): Failed {
  return { code, message, cause: cause instanceof Error ? cause.stack : undefined }
}

function activityOf (recording: Recording): { activity: DecodedActivity, warnings: Warning[] } {
  const { columns, pauses, deviceName } = recording
  const activeS = activeTimeS(columns.timeS, pauses)
  const { summary, warnings } = figuresOf(recording)
  return {
    activity: {
      summary,
      deviceName,
      activeS: activeS.at(-1) ?? null,
      gradedSpeedMPerS: gradedSpeedOf(columns, pauses),
      heartRateTimes: heartRateTimes(activeS, columns.heartRateBpm)
    },
    warnings: [...recording.warnings, ...warnings]
  }
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

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
import { summaryOf } from '../domain/training/summary.ts'
import type { ActivitySummary } from '../domain/training/summary.ts'
import { returnPieces, takeParked, type ParkingExit } from './parked-bytes.ts'

/**
 * What is kept of a recorded activity. Its columns, up to 72 MB, stay on the thread: every byte that the main one is
 * given makes it collect garbage sooner.
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
  warnings: string[]
}

/** Where the file is to be taken from. */
export type DecodeTask = ParkingExit

/** What crosses back: errors lose their class and fields between threads, so they go as a record. */
export type DecodeReply =
  | { decoded: Decoded, failed?: undefined }
  | { decoded?: undefined, failed: { code: ErrorCode, message: string, cause: string | undefined } }

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
 * The work of a decoding thread: a file in, its figures out, and back the way it came the file packed in chunks; moved
 * and not copied.
 */
export default function decodeTask (task: DecodeTask): unknown {
  return decodeTaken(task, takeParked(task))
}

/** The same of bytes that were taken already. Throws what is a bug; what is wrong with the file is an answer. */
export function decodeTaken (task: DecodeTask, bytes: Uint8Array): unknown {
  let chunks: Array<Uint8Array<ArrayBuffer>> = []
  try {
    const recordings = decode(bytes)
    const warnings = new Set(recordings.flatMap(({ warnings }) => warnings))
    const decoded: Decoded = {
      format: formatOf(bytes)!,
      activities: recordings.map(figuresOf),
      warnings: [...warnings]
    }
    chunks = packChunks(bytes)
    return moved({ decoded }, decoded.activities.map(({ heartRateTimes }) => heartRateTimes.buffer))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const { code, message, cause } = error
    return { failed: { code, message, cause: cause instanceof Error ? cause.stack : undefined } } satisfies DecodeReply
  } finally {
    returnPieces(task, chunks)
  }
}

function figuresOf (recording: Recording): DecodedActivity {
  const { columns, pauses, deviceName } = recording
  const activeS = activeTimeS(columns.timeS, pauses)
  return {
    summary: summaryOf(recording),
    deviceName,
    activeS: activeS.at(-1) ?? null,
    gradedSpeedMPerS: gradedSpeedOf(columns, pauses),
    heartRateTimes: heartRateTimes(activeS, columns.heartRateBpm)
  }
}

function moved (reply: DecodeReply, transfer: ArrayBuffer[]): unknown {
  return move({
    get [transferableSymbol] () { return transfer },
    get [valueSymbol] () { return reply }
  } as never)
}

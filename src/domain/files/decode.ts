import { AppError } from '../../errors.ts'
import type { Recording } from '../recording.ts'
import { decodeFit } from './fit.ts'
import { formatOf, refusalOf } from './format.ts'
import type { FileFormat } from './format.ts'
import { decodeGpx } from './gpx.ts'
import { decodeTcx } from './tcx.ts'
import { warning } from '../warnings.ts'
import { counted, unreadable } from './unreadable.ts'

export { formatOf }
export type { FileFormat }

const DECODERS: Record<FileFormat, (bytes: Uint8Array) => Recording[]> = {
  fit: decodeFit,
  gpx: decodeGpx,
  tcx: decodeTcx
}

/** The most warnings per recording: more would only bury the first. */
const MAX_WARNINGS = 20

/** A start further in the future than this is an error: the zone of a clock is at most 14 hours off. */
const AHEAD_MS = 86_400_000

/**
 * The activities recorded in a FIT, GPX or TCX file, at least one, in the order of the file. The format is detected
 * from the content.
 *
 * Damage that leaves usable data is reported in the recording's `warnings`. Any other problem, foreseen or not, is
 * thrown as UNREADABLE_FILE with a message for the owner of the file and the cause for the log. A start over a day
 * after `nowMs` is warned of.
 */
export function decode (bytes: Uint8Array, { nowMs }: { nowMs?: number } = {}): Recording[] {
  const format = formatOf(bytes)
  if (!format) throw refusalOf(bytes)
  try {
    const recordings = withoutRepeats(DECODERS[format](bytes))
    for (const { startTime, warnings } of recordings) {
      if (nowMs !== undefined && startTime > nowMs + AHEAD_MS) {
        warnings.push(warning('CLOCK_AHEAD',
          `The recording starts ${new Date(startTime).toISOString()}, more than a day in the future: the clock of the device is ahead`))
      }
      if (warnings.length > MAX_WARNINGS) {
        warnings.splice(MAX_WARNINGS, Infinity, warning('LIMIT_REACHED', `and ${warnings.length - MAX_WARNINGS} more warnings`))
      }
    }
    return recordings
  } catch (error) {
    if (error instanceof AppError && error.code === 'UNREADABLE_FILE') throw error
    throw unreadable(`The ${format.toUpperCase()} file is too damaged to read`, error)
  }
}

/** Drops repeated activities: files chained by mistake contain the same one twice. */
function withoutRepeats (recordings: Recording[]): Recording[] {
  const known = new Set<string>()
  const different = recordings.filter(({ sport, startTime, columns: { timeS }, device }) => {
    const key = `${sport} ${startTime} ${timeS.length} ${timeS.at(-1) ?? 0} ${device.distance_m ?? 0} ${device.elapsed_s ?? 0}`
    if (known.has(key)) return false
    known.add(key)
    return true
  })
  if (different.length < recordings.length) {
    const first = different[0]!
    for (const repeat of recordings) {
      if (!different.includes(repeat)) first.warnings.push(...repeat.warnings)
    }
    first.warnings.push(warning('DUPLICATES_IGNORED', `${counted(recordings.length - different.length, 'duplicate recording')} ignored`))
  }
  return different
}

import { AppError } from '../../errors.ts'
import type { Recording } from '../recording.ts'
import { decodeFit } from './fit.ts'
import { formatOf, refusalOf } from './format.ts'
import type { FileFormat } from './format.ts'
import { decodeGpx } from './gpx.ts'
import { decodeTcx } from './tcx.ts'
import { counted, unreadable } from './unreadable.ts'

export { formatOf }
export type { FileFormat }

const DECODERS: Record<FileFormat, (bytes: Uint8Array) => Recording[]> = {
  fit: decodeFit,
  gpx: decodeGpx,
  tcx: decodeTcx
}

/** So many kinds of trouble are told of one recording; more would only bury the first. */
const MAX_WARNINGS = 20

/**
 * The activities recorded in a FIT, GPX or TCX file, one at least, in the file's order. The format is told from the
 * bytes.
 *
 * Damage that leaves something usable is named in the recording's `warnings`. Whatever else is wrong, foreseen or not,
 * is thrown as UNREADABLE_FILE with a message for the file's owner and the cause for the log.
 */
export function decode (bytes: Uint8Array): Recording[] {
  const format = formatOf(bytes)
  if (!format) throw refusalOf(bytes)
  try {
    const recordings = withoutRepeats(DECODERS[format](bytes))
    for (const { warnings } of recordings) {
      if (warnings.length > MAX_WARNINGS) { warnings.splice(MAX_WARNINGS, Infinity, `and ${warnings.length - MAX_WARNINGS} more`) }
    }
    return recordings
  } catch (error) {
    if (error instanceof AppError && error.code === 'UNREADABLE_FILE') throw error
    throw unreadable(`The ${format.toUpperCase()} file is damaged beyond reading`, error)
  }
}

/** Files chained by mistake hold one activity twice; nobody ran it twice. */
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
    first.warnings.push(
      `${counted(recordings.length - different.length, 'recording')} left out that the file holds already`
    )
  }
  return different
}

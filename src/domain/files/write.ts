import type { FileFormat } from './format.ts'
import type { Exportable } from './trail.ts'
import { writeFit } from './write-fit.ts'
import { writeGpx } from './write-gpx.ts'
import { writeTcx } from './write-tcx.ts'

export type { Exportable } from './trail.ts'

/** So much text becomes one block of bytes. */
const BLOCK_CHARACTERS = 256 * 1024

/**
 * A recording as a file of a format, block by block: the text of a long one does not fit into memory.
 * @throws AppError CONFLICT where the format cannot hold the recording
 */
export function * writeRecording (format: FileFormat, exportable: Exportable): Generator<Uint8Array> {
  if (format === 'fit') {
    yield writeFit(exportable)
    return
  }
  let text = ''
  for (const piece of format === 'gpx' ? writeGpx(exportable) : writeTcx(exportable)) {
    text += piece
    if (text.length < BLOCK_CHARACTERS) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(text)
}

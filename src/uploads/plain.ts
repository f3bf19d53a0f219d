import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError } from '../errors.ts'
import { unlessAborted } from '../http/early-end.ts'
import type { SpooledFile } from './spool.ts'

/** The largest recording that is taken, plain. */
export const MAX_RECORDING_BYTES = 32 * 1024 * 1024
/** So much is unzipped at a time. */
const UNZIPPED_BYTES = 64 * 1024

/** An upload that was received whole. */
export interface Upload {
  file: SpooledFile
  /** Of the plain bytes. */
  sha256: Buffer
  fileName: string | null
}

/**
 * Writes all of a stream into a file, never more of it than is allowed. It is hashed as it comes: all at once would
 * hold all other requests. The next chunk is read when the last one is written.
 * @returns SHA-256 of the bytes
 */
export async function spool (
  stream: AsyncIterable<Buffer>,
  file: SpooledFile,
  signal: AbortSignal
): Promise<Buffer> {
  const hash = createHash('sha256')
  const chunks = stream[Symbol.asyncIterator]()
  try {
    for (;;) {
      // A stream whose request was answered gives neither data nor an error.
      const { done, value: chunk } = await unlessAborted(signal, chunks.next())
      if (done === true) break
      if (file.sizeBytes + chunk.length > MAX_RECORDING_BYTES) throw tooLarge()
      hash.update(chunk)
      await file.append(chunk)
    }
    if (file.sizeBytes > 0) await file.finish()
  } catch (error) {
    // Not awaited: it would wait for the chunk that does not come.
    chunks.return?.().catch(() => {})
    throw error
  }
  return hash.digest()
}

/**
 * The plain bytes of a stream of gzip.
 * @throws AppError UNREADABLE_FILE with `problem` where the bytes are not gzip, or are cut off
 */
export async function * unzipped (stream: Readable, signal: AbortSignal, problem: string): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: UNZIPPED_BYTES })
  const stop = () => gunzip.destroy(signal.reason as Error)
  signal.addEventListener('abort', stop, { once: true })
  stream.on('error', (error) => gunzip.destroy(error))
  try {
    yield * stream.pipe(gunzip) as AsyncIterable<Buffer>
  } catch (error) {
    if (String((error as NodeJS.ErrnoException).code).startsWith('Z_')) {
      throw new AppError('UNREADABLE_FILE', problem, { cause: error })
    }
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    stream.unpipe(gunzip)
  }
}

export function tooLarge (): AppError {
  return new AppError('PAYLOAD_TOO_LARGE', 'A recording is 32 MiB at the most')
}

import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { AppError } from '../errors.ts'
import type { ParkedBytes } from '../workers/parked-bytes.ts'
import { unlessAborted } from '../http/early-end.ts'
import type { UploadLoan } from './budget.ts'

/** The largest recording that is taken, plain. */
export const MAX_RECORDING_BYTES = 32 * 1024 * 1024
/** So much is unzipped at a time. */
const UNZIPPED_BYTES = 64 * 1024
/** Other requests have their turn each time so much was read. */
const TURN_BYTES = 512 * 1024

export interface ReadOptions {
  /** The Content-Encoding. */
  encoding?: string | undefined
  signal: AbortSignal
  loan: UploadLoan
  /** Where the bytes go. */
  file: ParkedBytes
  /** Whether nobody else has what the stream gives, so that it can be handed on. */
  areOwn?: boolean
}

/**
 * Takes in the whole of a stream, never more of it than is allowed. It is hashed as it comes: all at once would hold
 * every other request.
 * @returns SHA-256 of the plain bytes
 * @throws AppError PAYLOAD_TOO_LARGE beyond the limit, SERVICE_UNAVAILABLE beyond what the process holds at once,
 *   UNREADABLE_FILE where what claims to be gzip is not, and the signal's reason when it aborts
 */
export async function readAll (
  stream: Readable,
  { encoding, signal, loan, file, areOwn = false }: ReadOptions
): Promise<Buffer> {
  const hash = createHash('sha256')
  const isZipped = saysGzip(encoding)
  // A request that is destroyed takes its connection with it, and the answer that says why.
  const chunks = (
    isZipped ? unzipped(stream, signal) : (stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)
  )[Symbol.asyncIterator]()
  let turn = TURN_BYTES
  try {
    for (;;) {
      // A stream whose request was answered gives neither data nor an error.
      const { done, value: chunk } = await unlessAborted(signal, chunks.next())
      if (done === true) break
      if (file.sizeBytes + chunk.length > MAX_RECORDING_BYTES) { throw new AppError('PAYLOAD_TOO_LARGE', 'A recording is 32 MiB at the most') }
      loan.take(chunk.length)
      hash.update(chunk)
      if (isZipped || areOwn) file.give(chunk)
      else file.put(chunk)
      if (file.sizeBytes < turn) continue
      turn = file.sizeBytes + TURN_BYTES
      await setImmediate()
    }
  } catch (error) {
    // Not awaited: it would wait for the chunk that does not come.
    chunks.return?.().catch(() => {})
    throw error
  }
  return hash.digest()
}

function saysGzip (encoding = 'identity'): boolean {
  switch (encoding.trim().toLowerCase()) {
    case 'identity':
      return false
    case 'gzip':
    case 'x-gzip':
      return true
    default:
      throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'A recording may be sent plain or with Content-Encoding: gzip')
  }
}

async function * unzipped (stream: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: UNZIPPED_BYTES })
  const stop = () => gunzip.destroy(signal.reason as Error)
  signal.addEventListener('abort', stop, { once: true })
  stream.on('error', (error) => gunzip.destroy(error))
  try {
    yield * stream.pipe(gunzip) as AsyncIterable<Buffer>
  } catch (error) {
    if (String((error as NodeJS.ErrnoException).code).startsWith('Z_')) {
      throw new AppError('UNREADABLE_FILE', 'The Content-Encoding says gzip, but the bytes are not, or are cut off', {
        cause: error
      })
    }
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    stream.unpipe(gunzip)
  }
}

/**
 * A name to show and to offer for download: no folders, no control characters, 255 characters at most; null where
 * nothing is left.
 */
export function safeFileName (name: string | undefined): string | null {
  if (name === undefined) return null
  const last = name.split(/[/\\]/).at(-1) as string
  const clean = last.replace(/\p{C}/gu, '').trim().slice(0, 255)
  return clean === '' || /^\.+$/.test(clean) ? null : clean
}

/**
 * What is wrong with a form, where it is the form: its reader says so by an Error of its own that has no code, unlike
 * whatever else may go wrong.
 * @throws AppError BAD_REQUEST, or the error itself
 */
export function refuseForm (error: unknown): never {
  const isOfReader = error instanceof Error && error.constructor === Error && !('code' in error)
  throw isOfReader
    ? new AppError('BAD_REQUEST', 'The multipart/form-data is not right: it has no boundary, or ends too early', {
      cause: error
    })
    : error
}

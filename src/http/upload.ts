import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError } from '../errors.ts'

/** The largest recording that is taken, plain. */
export const MAX_RECORDING_BYTES = 32 * 1024 * 1024

/**
 * The whole of a stream, never more of it in memory than is allowed.
 * @throws AppError PAYLOAD_TOO_LARGE beyond the limit, UNREADABLE_FILE where what claims to be gzip is not.
 */
export async function readAll (stream: Readable, encoding: string | undefined): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of plain(stream, encoding)) {
    size += (chunk as Buffer).length
    if (size > MAX_RECORDING_BYTES) throw new AppError('PAYLOAD_TOO_LARGE', 'A recording is 32 MiB at the most')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks, size)
}

function plain (stream: Readable, encoding: string | undefined): AsyncIterable<unknown> {
  switch (encoding?.trim().toLowerCase() ?? 'identity') {
    case 'identity': return stream
    case 'gzip': case 'x-gzip': return unzipped(stream)
    default: throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'A recording may be sent plain or with Content-Encoding: gzip')
  }
}

async function * unzipped (stream: Readable): AsyncIterable<unknown> {
  const gunzip = createGunzip()
  stream.on('error', (error) => gunzip.destroy(error))
  stream.on('aborted', () => gunzip.destroy(new Error('aborted')))
  try {
    yield * stream.pipe(gunzip)
  } catch (error) {
    if (String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw new AppError('UNREADABLE_FILE', 'The Content-Encoding says gzip, but the bytes are not, or are cut off', { cause: error })
    throw error
  } finally {
    stream.unpipe(gunzip)
  }
}

/** A name to show and to offer for download: no folders, no control characters, 255 characters at most; null where nothing is left. */
export function safeFileName (name: string | undefined): string | null {
  if (name === undefined) return null
  const last = name.split(/[/\\]/).at(-1) as string
  const clean = last.replace(/\p{C}/gu, '').trim().slice(0, 255)
  return clean === '' || /^\.+$/.test(clean) ? null : clean
}

/**
 * What is wrong with a form, where it is the form: its reader says so by an Error of its own that has no code, unlike whatever else may go wrong.
 * @throws AppError BAD_REQUEST, or the error itself
 */
export function refuseForm (error: unknown): never {
  const isOfReader = error instanceof Error && error.constructor === Error && !('code' in error)
  throw isOfReader ? new AppError('BAD_REQUEST', 'The multipart/form-data is not right: it has no boundary, or ends too early', { cause: error }) : error
}

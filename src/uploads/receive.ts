import { Readable } from 'node:stream'
import type { Multipart, MultipartFile } from '@fastify/multipart'
import type { FastifyRequest } from 'fastify'
import { AppError, unfit } from '../errors.ts'
import { unlessAborted } from '../http/early-end.ts'
import { unpacked } from './archives.ts'
import { MAX_RECORDING_BYTES, spool, tooLarge, unzipped, type Upload } from './plain.ts'
import type { SpooledFile } from './spool.ts'

export { MAX_RECORDING_BYTES, type Upload }

/**
 * Receives the recording of a request into a file: its raw body, or the one file of a form. A recording in an archive
 * is unpacked into another file. The caller closes all files that `newFile` made.
 * @throws AppError where the body is not one recording, is too large or does not fit the budget; the signal's reason
 *   when it aborts
 */
export async function receiveUpload (
  request: FastifyRequest,
  newFile: () => SpooledFile,
  signal: AbortSignal
): Promise<Upload> {
  const file = newFile()
  const { sha256, fileName } = request.isMultipart()
    ? await receiveForm(request, file, signal)
    : await receiveBody(request, file, signal)
  if (file.sizeBytes === 0) throw new AppError('UNREADABLE_FILE', 'The file is empty')
  const { fileName: name, ...upload } = await unpacked({ file, sha256, fileName }, newFile, signal)
  return { ...upload, fileName: safeFileName(name ?? undefined) }
}

async function receiveBody (
  { body, headers }: FastifyRequest,
  file: SpooledFile,
  signal: AbortSignal
): Promise<Omit<Upload, 'file'>> {
  if (body === undefined) throw new AppError('UNREADABLE_FILE', 'The body is empty')
  // JSON, which the rest of the API speaks, has been read already.
  if (!(body instanceof Readable)) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'A recording is sent as its bytes, or as a file in a form')
  }
  const plain = saysGzip(headers['content-encoding'])
    ? unzipped(body, signal, 'The Content-Encoding says gzip, but the bytes are not, or are cut off')
    : chunksOf(body)
  return { sha256: await spool(plain, file, signal), fileName: null }
}

async function receiveForm (
  request: FastifyRequest,
  file: SpooledFile,
  signal: AbortSignal
): Promise<Omit<Upload, 'file'>> {
  const parts = request.parts()
  const part = await nextFile(parts, signal)
  if (part === undefined) throw new AppError('UNREADABLE_FILE', 'The form has no file')
  const sha256 = await spool(chunksOf(part.file), file, signal).catch(refuseForm)
  if (part.file.truncated) throw tooLarge()
  if ((await nextFile(parts, signal)) !== undefined) throw severalFiles()
  return { sha256, fileName: safeFileName(part.filename) }
}

/** The next file of a form. A field is refused: what the client means by it would be lost. */
export async function nextFile (
  parts: AsyncIterableIterator<Multipart>,
  signal: AbortSignal,
  tooMany: () => AppError = severalFiles
): Promise<MultipartFile | undefined> {
  const { done, value } = await unlessAborted(signal, parts.next()).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException | undefined)?.code === 'FST_FILES_LIMIT' ? tooMany() : refuseForm(error)
  })
  if (done === true) return undefined
  if (value.type === 'file') return value
  throw unfit(value.fieldname, 'body', 'is not a known field')
}

/** A request that is destroyed takes its connection with it, and the answer that says why. */
function chunksOf (stream: Readable): AsyncIterable<Buffer> {
  return stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
}

function saysGzip (encoding = 'identity'): boolean {
  switch (encoding.trim().toLowerCase()) {
    case 'identity':
      return false
    case 'gzip':
    case 'x-gzip':
      return true
    default:
      throw new AppError('UNSUPPORTED_MEDIA_TYPE', 'A recording may be sent plain or with Content-Encoding: gzip', {
        headers: { 'accept-encoding': 'gzip, identity' }
      })
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

function severalFiles (): AppError {
  return unfit('file', 'body', 'must be one, and there are several: import one at a time')
}

/**
 * Refuses a malformed form: its parser reports one by a plain Error without a code, unlike all other failures.
 * @throws AppError BAD_REQUEST, or the error itself
 */
export function refuseForm (error: unknown): never {
  const isOfReader = error instanceof Error && error.constructor === Error && !('code' in error)
  throw isOfReader
    ? new AppError('BAD_REQUEST', 'Malformed multipart/form-data: the boundary is missing, or the body ends too early', {
      cause: error
    })
    : error
}

import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { AppError, unfit } from '../errors.ts'
import { unlessAborted } from '../http/early-end.ts'
import { nextFile, refuseForm, safeFileName } from './receive.ts'
import type { SpooledFile } from './spool.ts'

/** So many files may be in one form. */
export const MAX_IMPORT_FILES = 10_000
/** The field of the form that the files are in. */
const FIELD = 'files'

/** A file of a form, in the bytes of all of them. */
export interface ReceivedFile {
  name: string
  offset_bytes: number
  size_bytes: number
}

/** A form that was received whole: all its files, one after the other in one. */
export interface ReceivedImport {
  file: SpooledFile
  uploads: ReceivedFile[]
  /** Of the bytes of all. */
  sha256: Buffer
}

/**
 * Receives the files of a form into one file on disk, a block at a time.
 * @throws AppError where the body is no form, has no file, more than `maxBytes` or an unknown field; the signal's
 *   reason when it aborts
 */
export async function receiveImport (
  request: FastifyRequest,
  file: SpooledFile,
  { maxBytes, signal }: { maxBytes: number, signal: AbortSignal }
): Promise<ReceivedImport> {
  if (!request.isMultipart()) {
    throw new AppError('UNSUPPORTED_MEDIA_TYPE', `An import is sent as multipart/form-data, with its files in the field ${FIELD}`)
  }
  const hash = createHash('sha256')
  const uploads: ReceivedFile[] = []
  const parts = request.parts()
  const tooMany = () => unfit(FIELD, 'body', `must be ${MAX_IMPORT_FILES} files at the most: send a ZIP archive`)
  for (;;) {
    const part = await nextFile(parts, signal, tooMany)
    if (part === undefined) break
    if (part.fieldname !== FIELD) throw unfit(part.fieldname, 'body', `is not a known field: the files are in ${FIELD}`)
    const offset_bytes = file.sizeBytes
    await append(part.file, file, { maxBytes, signal, hash }).catch(refuseForm)
    if (part.file.truncated) throw tooLarge(maxBytes)
    const name = safeFileName(part.filename) ?? 'unnamed'
    uploads.push({ name, offset_bytes, size_bytes: file.sizeBytes - offset_bytes })
  }
  if (uploads.length === 0) throw new AppError('UNREADABLE_FILE', 'The form has no file')
  if (file.sizeBytes > 0) await file.finish()
  return { file, uploads, sha256: hash.digest() }
}

async function append (
  stream: Readable,
  file: SpooledFile,
  { maxBytes, signal, hash }: { maxBytes: number, signal: AbortSignal, hash: ReturnType<typeof createHash> }
): Promise<void> {
  // A request that is destroyed takes its connection with it, and the answer that says why.
  const chunks = stream.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  try {
    for (;;) {
      const { done, value: chunk } = await unlessAborted(signal, chunks.next())
      if (done === true) return
      if (file.sizeBytes + chunk.length > maxBytes) throw tooLarge(maxBytes)
      hash.update(chunk)
      await file.append(chunk)
    }
  } catch (error) {
    // Not awaited: it would wait for the chunk that does not come.
    chunks.return?.().catch(() => {})
    throw error
  }
}

export function tooLarge (maxBytes: number): AppError {
  const mib = Math.floor(maxBytes / 1024 / 1024)
  return new AppError('PAYLOAD_TOO_LARGE', `An import is ${mib} MiB at the most: send its files in several`)
}

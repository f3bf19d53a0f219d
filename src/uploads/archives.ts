import { Readable } from 'node:stream'
import {
  fromRandomAccessReaderPromise, getFileNameLowLevel, RandomAccessReader, validateFileName, type Entry, type ZipFile
} from 'yauzl'
import { AppError } from '../errors.ts'
import { spool, unzipped, type Upload } from './plain.ts'
import type { SpooledFile } from './spool.ts'

/** So many archives inside each other are opened: bulk exports put a `.gpx.gz` into a ZIP. */
const MAX_LAYERS = 2
/** An archive with more entries is no single recording. */
const MAX_ENTRIES = 1000
/** So much of an archive is read at a time. */
const BLOCK_BYTES = 64 * 1024
/** The first bytes of a ZIP archive that has an entry. */
const ZIP_ENTRY = Buffer.of(0x50, 0x4b, 3, 4)
const RECORDING = /\.(fit|gpx|tcx)(\.gz)?$/i

/**
 * The recording of an upload: itself, or the only one in it, if it is gzip or a ZIP archive. Each layer is unpacked
 * into another file, bounded as an upload is, so that little memory is used and a bomb is refused.
 * @throws AppError UNREADABLE_FILE where the archive is damaged or has not exactly one recording; PAYLOAD_TOO_LARGE
 *   where that is too large
 */
export async function unpacked (upload: Upload, newFile: () => SpooledFile, signal: AbortSignal): Promise<Upload> {
  let inner = upload
  for (let layer = 0; layer < MAX_LAYERS; layer++) {
    const kind = await archiveOf(inner.file)
    if (kind === undefined) break
    inner = kind === 'gzip' ? await gunzipped(inner, newFile(), signal) : await unpackedZip(inner, newFile(), signal)
    if (inner.file.sizeBytes === 0) throw new AppError('UNREADABLE_FILE', 'The file in the archive is empty')
  }
  return inner
}

/** Told by the first bytes. */
async function archiveOf (file: SpooledFile): Promise<'gzip' | 'zip' | undefined> {
  const head = await file.read({ name: 'head', offset: 0, length: Math.min(4, file.sizeBytes) })
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip'
  return head.equals(ZIP_ENTRY) ? 'zip' : undefined
}

async function gunzipped ({ file, fileName }: Upload, into: SpooledFile, signal: AbortSignal): Promise<Upload> {
  const bytes = unzipped(rangeOf(file, 0, file.sizeBytes), signal, 'The gzip file is damaged or cut off')
  return { file: into, sha256: await spool(bytes, into, signal), fileName: fileName?.replace(/\.gz$/i, '') ?? null }
}

async function unpackedZip ({ file }: Upload, into: SpooledFile, signal: AbortSignal): Promise<Upload> {
  const reader = new SpoolReader(file)
  const archive = await ofArchive(fromRandomAccessReaderPromise(reader, file.sizeBytes, {
    autoClose: false,
    // Names are read here, to say what is wrong with them.
    decodeStrings: false
  }))
  const entry = await onlyRecording(archive)
  const bytes = entryBytes(archive, entry)
  return { file: into, sha256: await spool(bytes, into, signal), fileName: entry.fileName }
}

/** The bytes of an entry. The library checks that they are as many as the archive says. */
async function * entryBytes (archive: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  const stream = await ofArchive(archive.openReadStreamPromise(entry))
  const chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await ofArchive(chunks.next())
      if (done === true) return
      yield value
    }
  } finally {
    stream.destroy()
  }
}

/** The one file in the archive; of several, the one that is named like a recording. */
async function onlyRecording (archive: ZipFile): Promise<Entry> {
  if (archive.entryCount > MAX_ENTRIES) throw severalRecordings()
  const entries = await ofArchive(entriesOf(archive))
  const named = entries.filter(({ fileName }) => RECORDING.test(fileName))
  const recordings = named.length > 0 ? named : entries
  if (recordings.length > 1) throw severalRecordings()
  const [entry] = recordings
  if (entry === undefined) throw new AppError('UNREADABLE_FILE', 'The ZIP archive contains no file')
  if (entry.isEncrypted()) throw new AppError('UNREADABLE_FILE', 'The ZIP archive is encrypted')
  return entry
}

/** The files, without folders and what macOS adds. */
async function entriesOf (archive: ZipFile): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const entry of archive.eachEntry()) {
    const { generalPurposeBitFlag, fileNameRaw, extraFields } = entry
    entry.fileName = getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, false)
    if (validateFileName(entry.fileName) !== null) {
      throw new AppError('UNREADABLE_FILE', 'A path in the ZIP archive is absolute or leads out of it')
    }
    const path = entry.fileName.split('/')
    if (path.at(-1) !== '' && path[0] !== '__MACOSX' && !path.at(-1)!.startsWith('.')) entries.push(entry)
  }
  return entries
}

function severalRecordings (): AppError {
  return new AppError('UNREADABLE_FILE', 'The ZIP archive contains several files: send its recordings one by one')
}

/** What the library finds wrong with an archive is the sender's mistake; what fails under it is not. */
async function ofArchive<Answer> (work: Promise<Answer>): Promise<Answer> {
  return await work.catch((error: unknown) => {
    throw error instanceof AppError
      ? error
      : new AppError('UNREADABLE_FILE', 'The ZIP archive is damaged or cut off', { cause: error })
  })
}

/** Lets the library read a spooled file wherever it wants. */
class SpoolReader extends RandomAccessReader {
  readonly #file: SpooledFile

  constructor (file: SpooledFile) {
    super()
    this.#file = file
  }

  override _readStreamForRange (start: number, end: number): Readable {
    return rangeOf(this.#file, start, end)
  }
}

/** The bytes of a file from `start` up to but excluding `end`, a block at a time. */
function rangeOf (file: SpooledFile, start: number, end: number): Readable {
  return Readable.from(blocksOf(file, start, end), { objectMode: false })
}

async function * blocksOf (file: SpooledFile, start: number, end: number): AsyncGenerator<Buffer> {
  for (let offset = start; offset < end; offset += BLOCK_BYTES) {
    yield await file.read({ name: 'block', offset, length: Math.min(BLOCK_BYTES, end - offset) })
  }
}

import { setImmediate } from 'node:timers/promises'
import {
  fromRandomAccessReaderPromise, getFileNameLowLevel, RandomAccessReader, type Entry, type ZipFile
} from 'yauzl'
import { nameEncoding } from '../domain/bulk/member-names.ts'
import { refusal, type ImportReasonCode, type Refusal } from '../domain/import-reasons.ts'
import { AppError } from '../errors.ts'
import type { Part } from './spool.ts'

/** What an archive is read from, at any place: a spooled file, or chunks in the database. */
export interface ArchiveSource {
  readonly sizeBytes: number
  /** The bytes of a part. What it throws is no fault of the archive. */
  read (part: Part): Promise<Buffer>
}

/** One file of an archive, as its directory says. */
export interface Member {
  path: string
  sizeBytes: number
  packedBytes: number
  crc32: number
  deflated: boolean
  /** Why it cannot be unpacked. */
  problem: ImportReasonCode | undefined
  entry: Entry
}

export interface DirectoryOptions {
  /** An archive with more is refused. */
  maxEntries: number
  /** Whether a member of that path is to be among those that are `chosen`. */
  choose: (path: string) => boolean
  signal: AbortSignal
}

export interface Directory {
  /** How many members there are, folders left out. */
  count: number
  /** Those members that were asked for. */
  chosen: Member[]
  /** The members in the order of the directory, each when it is asked for. */
  members (): AsyncGenerator<Member>
  /** Where the packed bytes of a member begin. @throws AppError UNREADABLE_FILE where it is damaged */
  startOf (member: Member): Promise<number>
}

/** So much of a directory is read at a time, some hundred entries: to read them takes some milliseconds. */
const BLOCK_BYTES = 16 * 1024
/** More members than these are not chosen. */
const MAX_CHOSEN = 1000
const [STORED, DEFLATED, AES] = [0, 8, 99]
/** The systems whose attributes of a file are those of Unix: Unix, and macOS. */
const UNIX = [3, 19]
const [FILE_TYPE, REGULAR] = [0xf000, 0x8000]
/** The general purpose flag of a name in UTF-8. */
const UTF8 = 0x800
/** Even a recording of nothing but one value packs less well than this; a bomb packs a thousandfold. */
const MAX_RATIO = 250
const RATIO_FROM_BYTES = 1024 * 1024
const LOCAL_HEADER_BYTES = 30

/**
 * Reads the directory of a ZIP archive, and refuses one that is hostile: its files must not overlap, which is how a
 * bomb of some kilobytes holds terabytes. Only a block of it is in memory, and the members that `choose` asks for.
 * @throws AppError UNREADABLE_FILE or PAYLOAD_TOO_LARGE, with the code of the reason in its details
 */
export async function readDirectory (
  source: ArchiveSource,
  { maxEntries, choose, signal }: DirectoryOptions
): Promise<Directory> {
  const reader = new SourceReader(source, signal)
  const zip = await openZip(reader)
  if (zip.entryCount > maxEntries) throw refused('TOO_MANY_MEMBERS', 'PAYLOAD_TOO_LARGE')
  const [starts, ends] = [new Float64Array(zip.entryCount), new Float64Array(zip.entryCount)]
  const chosen: Member[] = []
  let entries = 0
  let count = 0
  for await (const entry of entriesOf(reader)) {
    starts[entries] = entry.relativeOffsetOfLocalHeader
    ends[entries] = entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + entry.compressedSize
    entries++
    if (isFolder(entry)) continue
    count++
    if (chosen.length < MAX_CHOSEN && choose(pathOf(entry))) chosen.push(memberOf(entry))
  }
  if (await overlap(starts.subarray(0, entries), ends.subarray(0, entries))) throw refused('ARCHIVE_OVERLAPPING')
  return {
    count,
    chosen,
    async * members () {
      for await (const entry of entriesOf(reader)) if (!isFolder(entry)) yield memberOf(entry)
    },
    startOf: async ({ entry }) => {
      const header = zip.readLocalFileHeaderPromise(entry, { minimal: true })
      return (await ofLibrary(reader, header, 'MEMBER_DAMAGED')).fileDataStart
    }
  }
}

/** A member, or the archive, that cannot be used; the code of the reason is in the details. */
export function refused (
  code: ImportReasonCode,
  error: 'UNREADABLE_FILE' | 'PAYLOAD_TOO_LARGE' = 'UNREADABLE_FILE',
  cause?: unknown
): AppError {
  return new AppError(error, refusal(code).reason, { details: { code }, cause })
}

/** The reason for which a file was refused by {@link refused}; undefined for all other errors. */
export function refusalOf (error: unknown): Refusal | undefined {
  const code = error instanceof AppError ? error.details?.['code'] : undefined
  return typeof code === 'string' ? refusal(code as ImportReasonCode) : undefined
}

async function openZip (reader: SourceReader): Promise<ZipFile> {
  return await ofLibrary(reader, fromRandomAccessReaderPromise(reader, reader.sizeBytes, {
    autoClose: false,
    // Names are read here, so that one hostile name does not stop the others; sizes are checked on unpacking.
    decodeStrings: false,
    validateEntrySizes: false
  }))
}

async function * entriesOf (reader: SourceReader): AsyncGenerator<Entry> {
  const zip = await openZip(reader)
  const entries = zip.eachEntry()
  for (;;) {
    const { done, value } = await ofLibrary(reader, entries.next())
    if (done === true) return
    yield value
  }
}

/** What the library finds wrong is the sender's mistake; what fails under it is not. */
async function ofLibrary<Answer> (
  reader: SourceReader,
  work: Promise<Answer>,
  code: ImportReasonCode = 'ARCHIVE_DAMAGED'
): Promise<Answer> {
  return await work.catch((error: unknown) => {
    throw reader.failure === undefined ? refused(code, 'UNREADABLE_FILE', error) : reader.failure.reason
  })
}

/**
 * Sorted, intervals are disjoint where each end is before the start that follows. To sort 50,000 numbers takes up to
 * 8 ms: other work goes between.
 */
async function overlap (starts: Float64Array, ends: Float64Array): Promise<boolean> {
  starts.sort()
  await setImmediate()
  ends.sort()
  await setImmediate()
  return starts.subarray(1).some((start, at) => start < ends[at]!)
}

function isFolder ({ fileNameRaw, uncompressedSize }: Entry): boolean {
  const last = fileNameRaw.at(-1)
  return uncompressedSize === 0 && (last === 0x2f || last === 0x5c)
}

function memberOf (entry: Entry): Member {
  return {
    path: pathOf(entry),
    sizeBytes: entry.uncompressedSize,
    packedBytes: entry.compressedSize,
    crc32: entry.crc32,
    deflated: entry.compressionMethod === DEFLATED,
    problem: problemOf(entry),
    entry
  }
}

/** Programs write names in UTF-8 without saying so; the library would take those for CP437. */
function pathOf ({ generalPurposeBitFlag, fileNameRaw, extraFields }: Entry): string {
  const flags = nameEncoding(fileNameRaw) === 'utf-8' ? generalPurposeBitFlag | UTF8 : generalPurposeBitFlag
  return getFileNameLowLevel(flags, fileNameRaw, extraFields, false)
}

function problemOf (entry: Entry): ImportReasonCode | undefined {
  const { versionMadeBy, externalFileAttributes, compressionMethod, compressedSize, uncompressedSize } = entry
  const type = UNIX.includes(versionMadeBy >>> 8) ? (externalFileAttributes >>> 16) & FILE_TYPE : 0
  if (type !== 0 && type !== REGULAR) return 'NOT_A_FILE'
  if (entry.isEncrypted() || compressionMethod === AES) return 'ENCRYPTED'
  if (compressionMethod !== STORED && compressionMethod !== DEFLATED) return 'COMPRESSION_UNSUPPORTED'
  if (compressionMethod === STORED && compressedSize !== uncompressedSize) return 'MEMBER_DAMAGED'
  return uncompressedSize > RATIO_FROM_BYTES && uncompressedSize > MAX_RATIO * compressedSize
    ? 'SUSPICIOUS_RATIO'
    : undefined
}

/** Lets the library read a source, a block at a time: it asks for some hundred bytes after each other. */
class SourceReader extends RandomAccessReader {
  /** Why the source could not be read. */
  failure: { reason: unknown } | undefined
  readonly #source: ArchiveSource
  readonly #signal: AbortSignal
  #last: { bytes: Buffer, at: number } | undefined

  constructor (source: ArchiveSource, signal: AbortSignal) {
    super()
    this.#source = source
    this.#signal = signal
  }

  get sizeBytes (): number {
    return this.#source.sizeBytes
  }

  override read (
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void
  ): void {
    this.#copy(buffer, offset, length, position).then(() => callback(null)).catch(callback)
  }

  async #copy (into: Buffer, offset: number, length: number, position: number): Promise<void> {
    if (!(position >= 0 && position + length <= this.#source.sizeBytes)) throw new RangeError('Beyond the end')
    for (let done = 0; done < length;) {
      const from = position + done
      const { bytes, at } = await this.#blockAt(from)
      done += bytes.copy(into, offset + done, from - at, from - at + length - done)
    }
  }

  async #blockAt (position: number): Promise<{ bytes: Buffer, at: number }> {
    const last = this.#last
    if (last !== undefined && position >= last.at && position < last.at + last.bytes.length) return last
    try {
      this.#signal.throwIfAborted()
      const at = position - position % BLOCK_BYTES
      const length = Math.min(BLOCK_BYTES, this.#source.sizeBytes - at)
      const block = { bytes: await this.#source.read({ name: 'block', offset: at, length }), at }
      // A source may have the bytes at hand: other work goes between one block and the next.
      await setImmediate()
      this.#last = block
      return block
    } catch (reason) {
      this.failure = { reason }
      throw reason
    }
  }
}

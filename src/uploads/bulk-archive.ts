import type { ExportDetails } from '../domain/bulk/details.ts'
import { isSystemFile, memberKind, pathProblem, plainName, shownPath } from '../domain/bulk/member-names.ts'
import { refusal, type ImportReasonCode, type Refusal } from '../domain/import-reasons.ts'
import { exportTables, tableKind, type ExportTables } from './export-details.ts'
import { bytesOf, rangeOf } from './inflating.ts'
import { MAX_RECORDING_BYTES } from './plain.ts'
import type { SpooledFile } from './spool.ts'
import type { PackedMember, Unpack } from './unpacking.ts'
import {
  readDirectory, refusalOf, refused, type ArchiveSource, type Directory, type Member
} from './zip-directory.ts'

export type { ArchiveSource }

/** One file of an upload. */
export interface ArchiveFile {
  /** The path in the archive, to show: `outer.zip/runs/a.fit.gz`. It is never used on a disk. */
  path: string
  /** The name of the file itself, without `.gz`. */
  fileName: string
  /** As it is in the archive; of a `.gz`, packed. */
  sizeBytes: number
  /** Why there is nothing to import, as far as that is known without unpacking. */
  refused?: Refusal
  /** What the export says of an activity of this file that starts at `startTime`. */
  details (startTime: string): ExportDetails | undefined
  /**
   * Copies the bytes into a file, packed as they are.
   * @throws AppError UNREADABLE_FILE or PAYLOAD_TOO_LARGE, which are of this file alone; StorageError, what the source
   *   throws and the signal's reason are not
   */
  copy (into: SpooledFile, signal: AbortSignal): Promise<CopiedFile>
}

/** A file of an upload that needs the archive no more. */
export interface CopiedFile {
  /** Replaces the packed bytes by the plain ones, and answers their SHA-256. @throws as `copy` does */
  unpack (): Promise<Uint8Array>
}

export interface Archive {
  /** How many `files` yields, a ZIP archive inside counted as one. */
  count: number
  /**
   * The files in an order that is the same each time; those in a ZIP archive inside in its place. A file is to be
   * copied before the next one is asked for.
   */
  files (): AsyncGenerator<ArchiveFile>
  /** Removes the ZIP archive inside that is open. */
  close (): Promise<void>
}

export interface ArchiveOptions {
  /** The name of the upload. */
  name: string
  /** For a ZIP archive inside. */
  newFile: () => SpooledFile
  unpack: Unpack
  signal: AbortSignal
}

/** More files than these, with those of ZIP archives inside, are no export of a runner: 13 a day for ten years. */
const MAX_MEMBERS = 50_000
/** The first bytes of a ZIP archive: of its first file, or of its end where there is none. */
const ZIP_HEADS = [Buffer.of(0x50, 0x4b, 3, 4), Buffer.of(0x50, 0x4b, 5, 6)]
/** An upload may unpack to so many times its size, and to a gibibyte in any case: XML packs to a twentieth. */
const [MAX_RATIO, RATIO_FROM_BYTES] = [50, 1024 ** 3]
/** No upload unpacks to more. */
const MAX_UNPACKED_BYTES = 64 * 1024 ** 3
/** A table of an export that is larger is not read. */
const MAX_TABLE_BYTES = 64 * 1024 * 1024
/** The largest ZIP archive inside. */
const MAX_NESTED_BYTES = 2 * 1024 ** 3
/** The largest packed recording: Deflate adds some bytes to those that it cannot pack. */
const MAX_PACKED_BYTES = MAX_RECORDING_BYTES + 64 * 1024

/**
 * Opens an upload: a ZIP archive, or a file alone. Reads the tables of an export, so that each file has its name, notes
 * and gear; all else is read when it is asked for.
 * @throws AppError UNREADABLE_FILE or PAYLOAD_TOO_LARGE where the archive cannot be used at all; what the source throws
 */
export async function openArchive (source: ArchiveSource, options: ArchiveOptions): Promise<Archive> {
  if (!await isZip(source)) return singleFile(source, options)
  const allowance = allowanceOf(source)
  const shared: Shared = { ...options, tables: exportTables(), membersLeft: MAX_MEMBERS, allowance }
  const directory = await openDirectory(source, shared)
  await readTables(source, directory, shared)
  const open: { nested?: SpooledFile | undefined } = {}
  return {
    count: directory.count,
    files: () => filesOf(source, directory, '', shared, open),
    close: async () => { await open.nested?.close() }
  }
}

/** What an archive and those inside it share. */
interface Shared extends ArchiveOptions {
  tables: ExportTables
  membersLeft: number
  allowance: Allowance
}

/** How much may still be unpacked. */
interface Allowance {
  leftBytes: number
}

function allowanceOf ({ sizeBytes }: ArchiveSource): Allowance {
  return { leftBytes: Math.min(MAX_UNPACKED_BYTES, Math.max(RATIO_FROM_BYTES, MAX_RATIO * sizeBytes)) }
}

async function isZip (source: ArchiveSource): Promise<boolean> {
  const head = await source.read({ name: 'head', offset: 0, length: Math.min(4, source.sizeBytes) })
  return ZIP_HEADS.some((zip) => zip.equals(head))
}

async function openDirectory (source: ArchiveSource, shared: Shared): Promise<Directory> {
  const directory = await readDirectory(source, {
    maxEntries: shared.membersLeft,
    choose: (path) => tableKind(path) !== undefined,
    signal: shared.signal
  })
  shared.membersLeft -= directory.count
  return directory
}

/** An upload that is no archive. */
function singleFile (source: ArchiveSource, { name, unpack }: ArchiveOptions): Archive {
  const path = shownPath(name)
  const shared = { allowance: allowanceOf(source), unpack }
  const packed = { source, start: 0, packedBytes: source.sizeBytes }
  const file: ArchiveFile = {
    path,
    fileName: plainName(path),
    sizeBytes: source.sizeBytes,
    ...(source.sizeBytes === 0 ? { refused: refusal('EMPTY_FILE') } : {}),
    details: () => undefined,
    copy: async (into, signal) => await copied(packed, into, shared, signal)
  }
  return {
    count: 1,
    async * files () { yield file },
    async close () {}
  }
}

async function * filesOf (
  source: ArchiveSource,
  directory: Directory,
  outer: string,
  shared: Shared,
  open?: { nested?: SpooledFile | undefined }
): AsyncGenerator<ArchiveFile> {
  for await (const member of directory.members()) {
    const problem = problemOf(member, open !== undefined)
    const file = fileOf(source, directory, member, outer, problem, shared)
    if (open === undefined || problem !== undefined || memberKind(member.path) !== 'zip') yield file
    else yield * nestedFiles(source, directory, member, file, shared, open)
  }
}

function fileOf (
  source: ArchiveSource,
  directory: Directory,
  member: Member,
  outer: string,
  problem: ImportReasonCode | undefined,
  shared: Shared
): ArchiveFile {
  const path = shownPath(outer + member.path)
  return {
    path,
    fileName: plainName(path),
    sizeBytes: member.sizeBytes,
    ...(problem === undefined ? {} : { refused: refusal(problem) }),
    details: (startTime) => shared.tables.find(member.path, startTime),
    async copy (into, signal) {
      const { packedBytes, deflated, sizeBytes, crc32 } = member
      const start = await directory.startOf(member)
      const packed = { source, start, packedBytes, member: { deflated, sizeBytes, crc32 } }
      return await copied(packed, into, shared, signal)
    }
  }
}

function problemOf (member: Member, mayNest: boolean): ImportReasonCode | undefined {
  const { path, sizeBytes } = member
  const hostile = pathProblem(path)
  if (hostile !== undefined) return hostile
  if (isSystemFile(path)) return 'SYSTEM_FILE'
  const kind = memberKind(path)
  if (member.problem === 'NOT_A_FILE') return member.problem
  if (kind === 'other') return 'NOT_A_RECORDING'
  if (kind === 'zip' && !mayNest) return 'NESTED_TOO_DEEP'
  if (member.problem !== undefined) return member.problem
  if (sizeBytes === 0) return 'EMPTY_FILE'
  return sizeBytes > (kind === 'zip' ? MAX_NESTED_BYTES : MAX_RECORDING_BYTES) ? 'TOO_LARGE' : undefined
}

/** The files of a ZIP archive inside, or the archive itself with the reason where it cannot be used. */
async function * nestedFiles (
  source: ArchiveSource,
  directory: Directory,
  member: Member,
  itself: ArchiveFile,
  shared: Shared,
  open: { nested?: SpooledFile | undefined }
): AsyncGenerator<ArchiveFile> {
  try {
    let inner: ArchiveSource
    let contents: Directory
    try {
      inner = await nestedSource(source, await directory.startOf(member), member, shared, open)
      contents = await openDirectory(inner, shared)
      await readTables(inner, contents, shared)
    } catch (error) {
      const reason = refusalOf(error)
      if (reason === undefined) throw error
      yield { ...itself, refused: reason }
      return
    }
    yield * filesOf(inner, contents, `${member.path}/`, shared)
  } finally {
    await open.nested?.close()
    open.nested = undefined
  }
}

/** A ZIP archive inside: the part of the outer one where it is stored as it is, else unpacked into a file. */
async function nestedSource (
  source: ArchiveSource,
  start: number,
  member: Member,
  { newFile, allowance, signal }: Shared,
  open: { nested?: SpooledFile | undefined }
): Promise<ArchiveSource> {
  if (!member.deflated) {
    return {
      sizeBytes: member.sizeBytes,
      read: async ({ name, offset, length }) => await source.read({ name, offset: start + offset, length })
    }
  }
  const file = open.nested = newFile()
  for await (const chunk of counted(bytesOf(source, member, start), allowance)) {
    signal.throwIfAborted()
    await file.append(chunk)
  }
  await file.finish()
  return file
}

async function readTables (source: ArchiveSource, directory: Directory, { tables, allowance }: Shared): Promise<void> {
  for (const member of directory.chosen) {
    if (member.problem !== undefined || member.sizeBytes > MAX_TABLE_BYTES || isSystemFile(member.path)) continue
    try {
      const bytes = counted(bytesOf(source, member, await directory.startOf(member)), allowance)
      await (tableKind(member.path) === 'csv' ? tables.readCsv(bytes) : tables.readJson(bytes))
    } catch (error) {
      // Damaged: the recordings are worth more than their names.
      if (refusalOf(error) === undefined) throw error
    }
  }
}

/** Where the packed bytes of a file are. */
interface PackedBytes {
  source: ArchiveSource
  start: number
  packedBytes: number
  member?: PackedMember
}

async function copied (
  { source, start, packedBytes, member }: PackedBytes,
  into: SpooledFile,
  { allowance, unpack }: Pick<Shared, 'allowance' | 'unpack'>,
  signal: AbortSignal
): Promise<CopiedFile> {
  if (packedBytes > MAX_PACKED_BYTES) throw refused('TOO_LARGE', 'PAYLOAD_TOO_LARGE')
  if (allowance.leftBytes < 0) throw refused('SUSPICIOUS_RATIO')
  for await (const block of rangeOf(source, start, start + packedBytes)) {
    signal.throwIfAborted()
    await into.append(block)
  }
  if (into.sizeBytes === 0) throw refused(member?.sizeBytes === 0 ? 'EMPTY_FILE' : 'MEMBER_DAMAGED')
  await into.finish()
  return {
    async unpack () {
      const unpacked = await unpack(into, member, signal)
      const { refused: code } = unpacked
      if (code !== undefined) throw refused(code, code === 'TOO_LARGE' ? 'PAYLOAD_TOO_LARGE' : 'UNREADABLE_FILE')
      allowance.leftBytes -= unpacked.sizeBytes
      if (allowance.leftBytes < 0) throw refused('SUSPICIOUS_RATIO')
      return unpacked.sha256
    }
  }
}

/** @throws AppError UNREADABLE_FILE where more is unpacked than recordings would be */
async function * counted (bytes: AsyncIterable<Buffer>, allowance: Allowance): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    allowance.leftBytes -= chunk.length
    if (allowance.leftBytes < 0) throw refused('SUSPICIOUS_RATIO')
    yield chunk
  }
}

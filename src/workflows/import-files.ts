import { lockUser } from '../../db/accounts.ts'
import { listActivitiesOfRecording } from '../../db/activities.ts'
import { findGearByName, insertGear } from '../../db/gear.ts'
import {
  findBatchActivity, finishFile, insertImportGear, supersedeFile,
  type BatchActivity, type FinishedFile, type TakenImport
} from '../../db/import-work.ts'
import { findRecordingByBytes } from '../../db/recordings.ts'
import { sqlState, transaction, type Sql } from '../../db/sql.ts'
import { isBetterRecording, type RecordingQuality } from '../domain/better-recording.ts'
import { memberKind } from '../domain/bulk/member-names.ts'
import { refusal, type Refusal } from '../domain/import-reasons.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { ArchiveFile } from '../uploads/bulk-archive.ts'
import { refusalOf as refusalCarriedBy } from '../uploads/zip-directory.ts'
import type { SpooledFile } from '../uploads/spool.ts'
import type { Decoded } from '../workers/decoding.ts'
import { refuseDuplicates, type Decode, type ImportOutcome } from './imports.ts'
import { storeRecording, type Told } from './store-recording.ts'

/** Whom a file belongs to, and who works on it. */
export interface FileContext {
  userId: string
  jobId: string
  import: Pick<TakenImport, 'id' | 'allow_duplicate'>
}

/** A file that was read, or why it was not. */
export type ReadFile = { archived: ArchiveFile } & (
  | { refused: Refusal }
  | { before: string }
  | { file: SpooledFile, sha256: Buffer, decoded: Decoded }
)

/** What became of a file, for report and metrics. */
export interface StoredFile {
  format: string
  outcome: ImportOutcome | 'skipped'
}

/** Another job works on the import, or it was taken back: nothing of the file was stored. */
export class ImportLost extends Error {}

/**
 * Copies a file of an upload; it is unpacked meanwhile, and decoded unless its bytes are known. What is wrong with the
 * file is an answer.
 * @throws what is not the file's fault, as `reading` rejects: the disk, the database, no thread in time, the signal's
 *   reason
 */
export async function readFile (
  sql: Sql,
  userId: string,
  archived: ArchiveFile,
  { file, decode, signal }: { file: SpooledFile, decode: Decode, signal: AbortSignal }
): Promise<{ reading: Promise<ReadFile> }> {
  if (archived.refused !== undefined) return { reading: Promise.resolve({ archived, refused: archived.refused }) }
  const refusedBy = (error: unknown): ReadFile => ({ archived, refused: refusalOf(error, archived) })
  try {
    const copied = await archived.copy(file, signal)
    const read = async (): Promise<ReadFile> => {
      const sha256 = Buffer.from(await copied.unpack())
      const before = await findRecordingByBytes(sql, userId, sha256)
      if (before !== undefined) return { archived, before }
      return { archived, file, sha256, decoded: await decode(file, signal) }
    }
    const reading = read().catch(refusedBy)
    // It is awaited when the files before it are stored.
    reading.catch(() => {})
    return { reading }
  } catch (error) {
    return { reading: Promise.resolve(refusedBy(error)) }
  }
}

/** @throws the error itself where it is not the file's fault */
function refusalOf (error: unknown, { path }: ArchiveFile): Refusal {
  const known = refusalCarriedBy(error)
  if (known !== undefined) return known
  if (!(error instanceof AppError)) throw error
  switch (error.code) {
    case 'UNREADABLE_FILE':
      // A file alone that is neither named like a recording nor one.
      return memberKind(path) === 'other' ? refusal('NOT_A_RECORDING') : refusal('UNREADABLE', error.message)
    case 'INTERNAL_ERROR':
      return refusal('UNREADABLE', error.message)
    default:
      throw error
  }
}

/**
 * Stores what became of the next file of an import, in one transaction with its place in the report: exactly once,
 * whatever ends the process.
 * @throws ImportLost; what the database throws, but for values that it does not take: they fail the file alone
 */
export async function storeFile (
  sql: Sql,
  context: FileContext,
  position: number,
  read: ReadFile
): Promise<StoredFile> {
  try {
    return await transaction(sql, async (sql) => await storeRead(sql, context, position, read))
  } catch (error) {
    // Class 22: values; 23: constraints that they violate.
    if (!/^2[23]/.test(sqlState(error) ?? '')) throw error
    const { archived } = read
    return await transaction(sql, async (sql) => (
      await storeRead(sql, context, position, { archived, refused: refusal('NOT_STORABLE') })
    ))
  }
}

async function storeRead (sql: Sql, context: FileContext, position: number, read: ReadFile): Promise<StoredFile> {
  const { userId, jobId, import: { id } } = context
  const user = await lockUser(sql, userId)
  if (user === undefined) throw new ImportLost('The account is gone')
  const finish = async (file: Omit<FinishedFile, 'name'>, format: string): Promise<StoredFile> => {
    if (!await finishFile(sql, userId, id, jobId, position, { name: read.archived.path, ...file })) {
      throw new ImportLost('Another job works on the import, or it was taken back')
    }
    return { format, outcome: file.status }
  }
  const refuse = async (
    { code, status, reason }: Refusal, format: string, activity_id: string | null = null
  ): Promise<StoredFile> => (
    await finish({ status, reason, reason_code: code, activity_id, recording_id: null }, format)
  )
  if ('refused' in read) return await refuse(read.refused, 'unknown')
  // Where the same bytes were imported meanwhile, this is the same file, and not the same run from elsewhere.
  const before = 'before' in read ? read.before : await findRecordingByBytes(sql, userId, read.sha256)
  if (before !== undefined || 'before' in read) {
    const [activity] = await listActivitiesOfRecording(sql, userId, before as string)
    return await refuse(refusal('SAME_FILE'), activity?.source.format ?? 'unknown', activity?.id ?? null)
  }
  const { decoded } = read
  const replaced = new Map<number, string>()
  if (!context.import.allow_duplicate) {
    const there = await findDuplicate(sql, userId, decoded)
    const worse = there === undefined ? undefined : await findWorse(sql, context, decoded, there.activityId)
    if (there !== undefined && worse === undefined) return await refuse(there.refused, decoded.format, there.activityId)
    if (worse !== undefined) {
      await supersede(sql, context, worse, { position, path: read.archived.path })
      replaced.set(0, worse.id)
    }
  }
  const told = await toldOf(sql, context, read.archived, decoded)
  const recordingId = await storeRecording(sql, userId, user.timezone, {
    ...read, fileName: read.archived.fileName, replaced, told
  })
  const activities = await listActivitiesOfRecording(sql, userId, recordingId)
  const first = activities.find(({ sport }) => sport === 'running') ?? activities[0]
  return await finish({
    status: 'imported', reason: null, reason_code: null, activity_id: first?.id ?? null, recording_id: recordingId
  }, decoded.format)
}

async function findDuplicate (
  sql: Sql,
  userId: string,
  { activities }: Decoded
): Promise<{ activityId: string, refused: Refusal } | undefined> {
  try {
    await refuseDuplicates(sql, userId, activities)
    return undefined
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'DUPLICATE_ACTIVITY') throw error
    const { activity_id: activityId, share } = error.details as { activity_id: string, share: number }
    const percent = Math.round(Math.min(1, share) * 100)
    const reason = `The same activity is there already, with ${percent} % of this recording`
    return { activityId, refused: refusal('SAME_ACTIVITY', reason) }
  }
}

/** The activity that is there, where a file of this import became it and this one is a better recording of it. */
async function findWorse (
  sql: Sql,
  { userId, import: { id } }: FileContext,
  { format, activities }: Decoded,
  activityId: string
): Promise<BatchActivity | undefined> {
  const [only, ...others] = activities
  if (only === undefined || others.length > 0) return undefined
  const there = await findBatchActivity(sql, userId, id, activityId)
  if (there === undefined) return undefined
  const { summary } = only
  const quality = { ...summary, format, elevation_source: summary.elevation?.source ?? null }
  return isBetterRecording(quality, there as RecordingQuality) ? there : undefined
}

/** Reports the file before as a duplicate of the one at `position`. */
async function supersede (
  sql: Sql,
  { userId, import: { id } }: FileContext,
  worse: BatchActivity,
  { position, path }: { position: number, path: string }
): Promise<void> {
  const reason = `The same activity was recorded better in ${path}`.slice(0, 1000)
  const { code } = refusal('RECORDED_BETTER')
  await supersedeFile(sql, userId, id, worse.position, { by: position, reason, reason_code: code })
}

/** What the export says of the activities in a file; gear that the runner does not have is made. */
async function toldOf (
  sql: Sql,
  context: FileContext,
  archived: ArchiveFile,
  { activities }: Decoded
): Promise<Array<Told | undefined>> {
  const told: Array<Told | undefined> = []
  for (const { summary } of activities) {
    const details = archived.details(summary.start_time)
    if (details === undefined) {
      told.push(undefined)
      continue
    }
    const { name, notes, gear, is_race, sport } = details
    const gear_id = gear === null ? undefined : await gearNamed(sql, context, gear, sport ?? summary.sport)
    told.push({ name, notes, is_race, sport, gear_id })
  }
  return told
}

async function gearNamed (
  sql: Sql,
  { userId, import: { id } }: FileContext,
  name: string,
  sport: string
): Promise<string> {
  const known = await findGearByName(sql, userId, name)
  if (known !== undefined) return known
  const gear = await insertGear(sql, userId, {
    id: newId(),
    name,
    sport,
    starting_distance_m: 0,
    retire_after_m: null,
    is_default: false,
    retired: false,
    notes: null
  })
  await insertImportGear(sql, userId, id, gear.id)
  return gear.id
}

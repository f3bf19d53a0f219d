import { fragment, type Sql } from './sql.ts'

/** A file of the form: where it is in the bytes of its import. */
export interface StoredUpload {
  position: number
  name: string
  offset_bytes: number
  size_bytes: number
}

/** An import that a job works on. */
export interface TakenImport {
  id: string
  /** `done` and `failed`: only its bytes are left to be deleted. */
  status: 'running' | 'done' | 'failed' | 'reverted'
  allow_duplicate: boolean
  files_done: number
  /** The upload that is being read, and how many files were done before it; -1: none yet. */
  upload_at: number
  upload_after: number
  /** Times that the work was begun since the last file that it finished. */
  attempts: number
}

/** What became of a file. */
export interface FinishedFile {
  name: string
  status: 'imported' | 'duplicate' | 'skipped' | 'failed'
  reason: string | null
  reason_code: string | null
  activity_id: string | null
  recording_id: string | null
}

/** A job that is not heard of for so long has died, and its import may be taken by another one. */
const LEASE_S = 15

/**
 * Takes the oldest import of a runner with something left to be done. Undefined where there is none, or another job
 * works on it: imports of one runner are worked on in their order.
 */
export async function takeImport (sql: Sql, userId: string, jobId: string): Promise<TakenImport | undefined> {
  const [row] = await sql<TakenImport>`/* takeImport */
    update imports
    set status = case when status = 'queued' then 'running' else status end, attempts = attempts + 1,
      worked_by = ${jobId}, worked_until = now() + make_interval(secs => ${LEASE_S})
    where user_id = ${userId} and import_id = (
      select import_id from imports
      where user_id = ${userId} and ended_at is null and status <> 'receiving'
      order by import_id limit 1
    ) and ended_at is null and (worked_until is null or worked_until < now() or worked_by = ${jobId})
    returning import_id as id, status, allow_duplicate, files_done, upload_at, upload_after, attempts
  `
  return row
}

/** Says that a job is still at work on an import. */
export async function keepImport (sql: Sql, userId: string, importId: string, jobId: string): Promise<void> {
  await sql`/* keepImport */
    update imports set worked_until = now() + make_interval(secs => ${LEASE_S})
    where user_id = ${userId} and import_id = ${importId} and worked_by = ${jobId}
  `
}

/** Lets another job have an import; `begun`: whether that it was begun counts as an attempt. */
export async function releaseImport (
  sql: Sql,
  userId: string,
  importId: string,
  jobId: string,
  { counts }: { counts: boolean }
): Promise<void> {
  await sql`/* releaseImport */
    update imports set worked_by = null, worked_until = null, attempts = case when ${counts} then attempts else greatest(attempts - 1, 0) end
    where user_id = ${userId} and import_id = ${importId} and worked_by = ${jobId}
  `
}

/** Whether an import of the runner waits for a job. */
export async function hasOpenImport (sql: Sql, userId: string): Promise<boolean> {
  const rows = await sql`/* hasOpenImport */
    select 1 from imports where user_id = ${userId} and ended_at is null and status <> 'receiving' limit 1
  `
  return rows.length > 0
}

export async function listUploads (sql: Sql, userId: string, importId: string, from: number): Promise<StoredUpload[]> {
  return await sql<StoredUpload>`/* listUploads */
    select position, name, offset_bytes, size_bytes from import_uploads
    where user_id = ${userId} and import_id = ${importId} and position >= ${from}
    order by position
    limit 1000
  `
}

/** Notes that an upload is being read, in which so many files are known of; false where the job has lost the import. */
export async function beginUpload (
  sql: Sql,
  userId: string,
  importId: string,
  jobId: string,
  { position, files }: { position: number, files: number }
): Promise<boolean> {
  const rows = await sql`/* beginUpload */
    update imports
    set upload_at = ${position}, upload_after = files_done, files_total = files_total + ${files} - 1, revision = revision + 1
    where user_id = ${userId} and import_id = ${importId} and worked_by = ${jobId} and status = 'running' and upload_at < ${position}
    returning 1
  `
  return rows.length === 1
}

/**
 * Counts and reports a file, the next one of its import; false where it was done by another job, or the import was
 * reverted. To be called in the transaction that stores what became of it: both are there, or neither.
 */
export async function finishFile (
  sql: Sql,
  userId: string,
  importId: string,
  jobId: string,
  position: number,
  { name, status, reason, reason_code, activity_id, recording_id }: FinishedFile
): Promise<boolean> {
  const rows = await sql`/* countFile */
    update imports
    set files_done = files_done + 1, files_total = greatest(files_total, files_done + 1), attempts = 0,
      imported = imported + ${status === 'imported' ? 1 : 0}, duplicates = duplicates + ${status === 'duplicate' ? 1 : 0},
      skipped = skipped + ${status === 'skipped' ? 1 : 0}, failed = failed + ${status === 'failed' ? 1 : 0},
      worked_until = now() + make_interval(secs => ${LEASE_S}), revision = revision + 1
    where user_id = ${userId} and import_id = ${importId} and worked_by = ${jobId} and status = 'running' and files_done = ${position}
    returning 1
  `
  if (rows.length === 0) return false
  await sql`/* insertImportedFile */
    insert into import_files (user_id, import_id, position, name, status, reason, reason_code, activity_id, recording_id)
    values (${userId}, ${importId}, ${position}, ${name}, ${status}, ${reason}, ${reason_code}, ${activity_id}, ${recording_id})
  `
  return true
}

/** Notes that the file at position `by` of the import has taken the place of that which became an activity. */
export async function supersedeFile (
  sql: Sql,
  userId: string,
  importId: string,
  position: number,
  { by, reason, reason_code }: { by: number, reason: string, reason_code: string }
): Promise<void> {
  await sql`/* supersedeFile */
    update import_files
    set status = 'duplicate', reason = ${reason}, reason_code = ${reason_code}, recording_id = null, superseded_by = ${by}
    where user_id = ${userId} and import_id = ${importId} and position = ${position}
  `
  await sql`/* countSuperseded */
    update imports set imported = imported - 1, duplicates = duplicates + 1
    where user_id = ${userId} and import_id = ${importId}
  `
}

/** An activity that a file of the import became, with what tells the better of two recordings. */
export interface BatchActivity {
  id: string
  position: number
  name: string
  format: string
  sport: string
  distance_m: number | null
  elapsed_s: number | null
  average_heart_rate_bpm: number | null
  average_cadence_spm: number | null
  elevation_source: string | null
}

/** The activity if a file of this import became it and nothing else; undefined for all others. */
export async function findBatchActivity (
  sql: Sql,
  userId: string,
  importId: string,
  activityId: string
): Promise<BatchActivity | undefined> {
  const [row] = await sql<BatchActivity>`/* findBatchActivity */
    select a.activity_id as id, f.position, f.name, a.format, a.sport, a.distance_m, a.elapsed_s,
      a.average_heart_rate_bpm, a.average_cadence_spm, a.elevation_source
    from activities a
    join import_files f on f.user_id = a.user_id and f.import_id = ${importId} and f.recording_id = a.recording_id
    where a.user_id = ${userId} and a.activity_id = ${activityId} and not exists (
      select from activities o
      where o.user_id = ${userId} and o.recording_id = a.recording_id and o.activity_id <> ${activityId}
    )
  `
  return row
}

/** Notes that an import was read, or was given up; nothing where it was taken back meanwhile. */
export async function finishImport (
  sql: Sql,
  userId: string,
  importId: string,
  { status, reason }: { status: 'done' | 'failed', reason?: string }
): Promise<void> {
  await sql`/* finishImport */
    update imports
    set status = ${status}, reason = ${reason ?? null}, files_total = files_done, finished_at = now(), revision = revision + 1
    where user_id = ${userId} and import_id = ${importId} and status = 'running'
  `
}

/** Notes that nothing is left to be done for an import; its status must be the same as when that was found. */
export async function endImport (sql: Sql, userId: string, importId: string, status: string): Promise<void> {
  await sql`/* endImport */
    update imports set ended_at = now(), worked_by = null, worked_until = null
    where user_id = ${userId} and import_id = ${importId} and status = ${status} and ended_at is null
  `
}

/** Deletes some bytes of an import; false when there are none left. */
export async function deleteImportChunks (
  sql: Sql,
  userId: string,
  importId: string,
  limit: number
): Promise<boolean> {
  const rows = await sql`/* deleteImportChunks */
    delete from import_chunks
    where user_id = ${userId} and import_id = ${importId} and position in (
      select position from import_chunks where user_id = ${userId} and import_id = ${importId} order by position limit ${limit}
    )
    returning 1
  `
  return rows.length > 0
}

/**
 * Takes an import back: no further file of it is stored. False where it is not there, or not in the revision that it is
 * to be in.
 */
export async function markReverted (
  sql: Sql,
  userId: string,
  importId: string,
  revision: number | undefined
): Promise<boolean> {
  const rows = await sql`/* markReverted */
    update imports
    set revision = case when status = 'reverted' then revision else revision + 1 end,
      ended_at = case when status = 'reverted' then ended_at end, status = 'reverted',
      finished_at = coalesce(finished_at, ${new Date()}::timestamptz)
    where user_id = ${userId} and import_id = ${importId} and status <> 'receiving'
      ${revision === undefined ? fragment`` : fragment`and revision = ${revision}`}
    returning 1
  `
  return rows.length === 1
}

/** Some of the activities that files of the import became, the oldest first. */
export async function listBatchActivities (
  sql: Sql,
  userId: string,
  importId: string,
  limit: number
): Promise<Array<{ id: string, local_date: string }>> {
  return await sql<{ id: string, local_date: string }>`/* listBatchActivities */
    select a.activity_id as id, a.local_date
    from import_files f join activities a on a.user_id = f.user_id and a.recording_id = f.recording_id
    where f.user_id = ${userId} and f.import_id = ${importId} and f.recording_id is not null
    order by a.local_date, a.activity_id
    limit ${limit}
  `
}

/**
 * Deletes activities, and their originals where no other activity is made of them. To be called with the account
 * locked.
 */
export async function deleteActivities (sql: Sql, userId: string, ids: string[]): Promise<void> {
  await sql`/* deleteActivities */
    with gone as (
      delete from activities where user_id = ${userId} and activity_id = any(${ids}::uuid[]) returning recording_id
    )
    delete from recordings r using gone
    where r.user_id = ${userId} and r.recording_id = gone.recording_id and not exists (
      select from activities a
      where a.user_id = ${userId} and a.recording_id = gone.recording_id and a.activity_id <> all(${ids}::uuid[])
    )
  `
}

/** Notes that an import has made a piece of gear. */
export async function insertImportGear (sql: Sql, userId: string, importId: string, gearId: string): Promise<void> {
  await sql`/* insertImportGear */
    insert into import_gear (user_id, import_id, gear_id) values (${userId}, ${importId}, ${gearId})
  `
}

/** Deletes the gear that an import has made, unless activities have it. */
export async function deleteImportGear (sql: Sql, userId: string, importId: string): Promise<void> {
  await sql`/* deleteImportGear */
    delete from gear g using import_gear i
    where g.user_id = ${userId} and i.user_id = ${userId} and i.import_id = ${importId} and i.gear_id = g.gear_id
      and not exists (select from activities a where a.user_id = ${userId} and a.gear_id = g.gear_id)
  `
}

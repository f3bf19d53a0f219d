import type { BulkImport, ImportedFile } from '../schemas/bulk-imports.ts'
import { fragment, largeBytes, type Sql } from './sql.ts'

export interface BulkImportRow extends BulkImport {
  revision: number
}

/** A file of the form: where it is in the bytes of the import. */
export interface NewUpload {
  name: string
  offset_bytes: number
  size_bytes: number
}

/** How much of an import one row holds. */
export const IMPORT_CHUNK_BYTES = 256 * 1024

const columns = fragment`
  import_id as id, status, allow_duplicate, reason, files_total, imported, duplicates, skipped, failed, revision, created_at, finished_at
`

/** Makes an import whose bytes are to follow; it is not shown before `queueImport`. */
export async function startReceiving (
  sql: Sql,
  userId: string,
  importId: string,
  allowDuplicate: boolean
): Promise<void> {
  await sql`/* startReceiving */
    insert into imports (user_id, import_id, status, allow_duplicate) values (${userId}, ${importId}, 'receiving', ${allowDuplicate})
  `
}

/** Each chunk is a statement of its own: nothing is locked meanwhile, and no more than one is in memory. */
export async function insertImportChunk (
  sql: Sql,
  userId: string,
  importId: string,
  position: number,
  bytes: Uint8Array
): Promise<void> {
  await sql`/* insertImportChunk */
    insert into import_chunks (user_id, import_id, position, bytes) values (${userId}, ${importId}, ${position}, ${largeBytes(bytes)})
  `
}

export async function findImportChunk (
  sql: Sql,
  userId: string,
  importId: string,
  position: number
): Promise<Buffer | undefined> {
  const [row] = await sql<{ bytes: Buffer }>`/* findImportChunk */
    select bytes from import_chunks where user_id = ${userId} and import_id = ${importId} and position = ${position}
  `
  return row?.bytes
}

/**
 * Makes an import whose bytes are stored wait for its turn; undefined if it is not there. To be called in a
 * transaction.
 */
export async function queueImport (
  sql: Sql,
  userId: string,
  importId: string,
  uploads: readonly NewUpload[]
): Promise<BulkImportRow | undefined> {
  const [row] = await sql<BulkImportRow>`/* queueImport */
    update imports set status = 'queued', files_total = ${uploads.length}
    where user_id = ${userId} and import_id = ${importId} and status = 'receiving'
    returning ${columns}
  `
  if (row === undefined) return undefined
  await sql`/* insertUploads */
    insert into import_uploads (user_id, import_id, position, name, offset_bytes, size_bytes)
    select ${userId}, ${importId}, u.position - 1, u.name, u.offset_bytes, u.size_bytes
    from unnest(
      ${uploads.map(({ name }) => name)}::text[],
      ${uploads.map(({ offset_bytes }) => offset_bytes)}::bigint[],
      ${uploads.map(({ size_bytes }) => size_bytes)}::bigint[]
    ) with ordinality as u (name, offset_bytes, size_bytes, position)
  `
  return row
}

/** Deletes one import whose bytes never came whole, as its process has died; answers how many it has deleted. */
export async function deleteAbandonedImport (sql: Sql): Promise<number> {
  const rows = await sql`/* deleteAbandonedImport */
    delete from imports
    where (user_id, import_id) in (
      select user_id, import_id from imports
      where status = 'receiving' and created_at < now() - interval '3 hours' order by created_at limit 1
    ) and status = 'receiving' and created_at < now() - interval '3 hours'
    returning 1
  `
  return rows.length
}

/** Newest first, one more than `limit` if there is more; `after`: the id of the last item of the page before. */
export async function listImports (sql: Sql, userId: string, limit: number, after?: string): Promise<BulkImportRow[]> {
  return await sql<BulkImportRow>`/* listImports */
    select ${columns} from imports
    where user_id = ${userId} and status <> 'receiving' ${after === undefined ? fragment`` : fragment`and import_id < ${after}::uuid`}
    order by import_id desc
    limit ${limit + 1}
  `
}

export async function findImport (sql: Sql, userId: string, importId: string): Promise<BulkImportRow | undefined> {
  const [row] = await sql<BulkImportRow>`/* findImport */
    select ${columns} from imports where user_id = ${userId} and import_id = ${importId} and status <> 'receiving'
  `
  return row
}

export interface ImportedFileRow extends ImportedFile {
  position: number
}

const fileColumns = fragment`f.position, f.name, f.status, f.reason, f.reason_code, a.activity_id`

/**
 * What became of the files after a position, in their order, one more than `limit` if there is more. An activity that
 * was deleted is not named.
 */
export async function listImportedFiles (
  sql: Sql,
  userId: string,
  importId: string,
  limit: number,
  after: number | '' = -1
): Promise<ImportedFileRow[]> {
  return await sql<ImportedFileRow>`/* listImportedFiles */
    select ${fileColumns}
    from import_files f left join activities a on a.user_id = f.user_id and a.activity_id = f.activity_id
    where f.user_id = ${userId} and f.import_id = ${importId} and f.position > ${after}
    order by f.position
    limit ${limit + 1}
  `
}

/** A file whose recording another one has replaced, the one at `superseded_by`. */
export interface SupersededFileRow extends ImportedFileRow {
  superseded_by: number
}

/** The files up to and including a position that files after it, up to and including `to`, have replaced. */
export async function listSupersededFiles (
  sql: Sql,
  userId: string,
  importId: string,
  { after, to }: { after: number, to: number }
): Promise<SupersededFileRow[]> {
  return await sql<SupersededFileRow>`/* listSupersededFiles */
    select ${fileColumns}, f.superseded_by
    from import_files f left join activities a on a.user_id = f.user_id and a.activity_id = f.activity_id
    where f.user_id = ${userId} and f.import_id = ${importId} and f.superseded_by > ${after} and f.superseded_by <= ${to}
      and f.position <= ${after}
    order by f.superseded_by, f.position
    limit ${Math.max(0, to - after)}
  `
}

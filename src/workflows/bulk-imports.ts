import {
  insertImportChunk, IMPORT_CHUNK_BYTES, queueImport, startReceiving, type BulkImportRow
} from '../../db/bulk-imports.ts'
import { markReverted } from '../../db/import-work.ts'
import type { JobQueue } from '../../db/job-queue.ts'
import { sqlState, transaction, type Sql } from '../../db/sql.ts'
import { accountGone } from '../errors.ts'
import { newId } from '../ids.ts'
import type { ReceivedImport } from '../uploads/receive-import.ts'
import { undoImport } from './import-undo.ts'

/**
 * Stores the bytes of an upload, and answers the id of the import that they belong to. It is not shown, and is deleted
 * after some hours, unless `acceptImport` is called for it.
 * @throws AppError UNAUTHENTICATED where the account was deleted meanwhile
 */
export async function storeUpload (
  sql: Sql,
  userId: string,
  { file }: ReceivedImport,
  allowDuplicate: boolean
): Promise<string> {
  const id = newId()
  try {
    await startReceiving(sql, userId, id, allowDuplicate)
    for (let offset = 0, position = 0; offset < file.sizeBytes; offset += IMPORT_CHUNK_BYTES, position++) {
      const length = Math.min(IMPORT_CHUNK_BYTES, file.sizeBytes - offset)
      await insertImportChunk(sql, userId, id, position, await file.read({ name: 'chunk', offset, length }))
    }
  } catch (error) {
    // A foreign key: the import is gone with its account.
    throw sqlState(error) === '23503' ? accountGone() : error
  }
  return id
}

/** Lets an import whose bytes are stored be worked on. Any process may. */
export async function acceptImport (
  sql: Sql,
  queue: JobQueue,
  userId: string,
  importId: string,
  { uploads }: ReceivedImport
): Promise<BulkImportRow> {
  return await transaction(sql, async (sql) => {
    const row = await queueImport(sql, userId, importId, uploads)
    if (row === undefined) throw accountGone()
    await queue.send(sql, 'imports', userId, { user_id: userId })
    return row
  })
}

/**
 * Takes an import back, also while it is worked on: what it has stored is deleted, and nothing more is stored. Where
 * this ends early, the background goes on with it. Undefined where it is not in the revision that it is to be in.
 */
export async function revertImport (
  sql: Sql,
  queue: JobQueue,
  userId: string,
  { id, revision }: { id: string, revision: number | undefined }
): Promise<true | undefined> {
  const isReverted = await transaction(sql, async (sql) => {
    if (!await markReverted(sql, userId, id, revision)) return false
    await queue.send(sql, 'imports', userId, { user_id: userId })
    return true
  })
  if (!isReverted) return undefined
  await undoImport(sql, userId, id)
  return true
}

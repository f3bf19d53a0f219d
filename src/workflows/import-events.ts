import { setTimeout as delay } from 'node:timers/promises'
import {
  findImport, listImportedFiles, listSupersededFiles, type BulkImportRow, type ImportedFileRow
} from '../../db/bulk-imports.ts'
import type { Sql } from '../../db/sql.ts'
import type { ServerEvent } from '../http/event-stream.ts'

/** How often the database is asked: work may be done by any process. */
const POLL_MS = 500
/** Files in memory at once. */
const PAGE = 200

export interface EventsOptions {
  /** The position of the last file that the client knows of. */
  after: number
  /** Aborts when the client goes away or the process shuts down. */
  signal: AbortSignal
}

/**
 * The events of an import: `file` for each file, in the order of the report and with its position as the id, and once
 * more for a file before the one that takes its place; `progress` when the import has changed; at its end `done`, and
 * nothing more. Undefined: nothing has happened for a moment.
 */
export async function * importEvents (
  sql: Sql,
  userId: string,
  importId: string,
  { after, signal }: EventsOptions
): AsyncGenerator<ServerEvent | undefined> {
  let position = after
  let revision: number | undefined
  while (!signal.aborted) {
    // Before the files: of an import that has ended, all of them are there.
    const row = await findImport(sql, userId, importId)
    if (row === undefined) return
    for (let isWhole = false; !isWhole;) {
      const files = await listImportedFiles(sql, userId, importId, PAGE, position)
      isWhole = files.length <= PAGE
      const told = files.slice(0, PAGE)
      const to = told.at(-1)?.position
      const places = { after: position, to: to ?? position }
      const superseded = to === undefined ? [] : await listSupersededFiles(sql, userId, importId, places)
      for (const file of told) {
        position = file.position
        // Told before the file that it is a duplicate of: a client that has that one has both.
        while (superseded[0]?.superseded_by === position) {
          const { superseded_by: _, ...again } = superseded.shift()!
          yield fileEvent(again)
        }
        yield fileEvent(file)
      }
    }
    const isEnded = !['queued', 'running'].includes(row.status)
    if (row.revision !== revision || isEnded) yield { event: isEnded ? 'done' : 'progress', data: shown(row) }
    if (isEnded) return
    revision = row.revision
    yield undefined
    await delay(POLL_MS, undefined, { signal }).catch(() => {})
  }
}

function fileEvent ({ position, ...file }: ImportedFileRow): ServerEvent {
  return { event: 'file', id: String(position), data: file }
}

function shown ({ revision: _, ...row }: BulkImportRow): Omit<BulkImportRow, 'revision'> {
  return row
}

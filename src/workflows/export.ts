import { once } from 'node:events'
import { Readable } from 'node:stream'
import { ZipFile } from 'yazl'
import { EXPORTED_TABLES, listOriginals, listRows, type ExportedTable } from '../../db/export.ts'
import { readRecording } from '../../db/recordings.ts'
import type { Sql } from '../../db/sql.ts'

/** Rows in memory at once. */
const PAGE_ROWS = 100

/**
 * All data of a runner as a ZIP: a JSON file for the account and for each table, and every original in `originals/`.
 *
 * It is written while it is read, so that at most a page of rows or a chunk of an original is in memory, however large
 * the export and however slow the client. Each page is a statement of its own: one transaction would show one moment,
 * but occupy a connection, and hold back vacuum, for as long as a slow client takes. Each row is exported once and
 * whole all the same, as pages are ordered by ids that never change.
 *
 * Where reading fails, the stream ends in an error, never as if it were complete; when the stream is destroyed, reading
 * stops.
 */
export function exportAll (sql: Sql, userId: string, account: Record<string, unknown>): Readable {
  const zip = new ZipFile()
  const output = zip.outputStream
  const fail = (error: unknown) => output.destroy(error as Error)
  zip.on('error', fail)
  write().catch(fail)
  return output

  async function write (): Promise<void> {
    await add('user.json', [JSON.stringify(account, null, 2)])
    for (const table of EXPORTED_TABLES) { await add(`${table.table.replaceAll('_', '-')}.json`, rowsOf(sql, userId, table)) }
    for await (const { recording_id, format, day, size_bytes } of originals(sql, userId)) {
      await add(`originals/${day}-${recording_id}.${format}`, readRecording(sql, userId, { recording_id, size_bytes }))
    }
    zip.end()
  }

  /** Resolves when the entry is in the ZIP whole; only then the next one is read. */
  async function add (name: string, content: Iterable<string> | AsyncIterable<string | Buffer>): Promise<void> {
    if (output.destroyed) throw output.errored ?? new Error('The client of the export has gone')
    const source = Readable.from(content)
    const stop = () => source.destroy()
    output.once('close', stop)
    try {
      const ended = once(source, 'close')
      source.once('error', fail)
      zip.addReadStream(source, name)
      await ended
      if (source.errored !== null || !source.readableEnded) { throw source.errored ?? new Error('The client of the export has gone') }
    } finally {
      output.off('close', stop)
    }
  }
}

/** The rows of a table as a JSON array, page by page. */
async function * rowsOf (sql: Sql, userId: string, table: ExportedTable): AsyncGenerator<string> {
  let rows: Array<Record<string, unknown>> = []
  let separator = '[\n'
  do {
    rows = await listRows(sql, userId, table, PAGE_ROWS, rows.at(-1))
    for (const row of rows) {
      yield separator + JSON.stringify(row)
      separator = ',\n'
    }
  } while (rows.length === PAGE_ROWS)
  yield separator === '[\n' ? '[]\n' : '\n]\n'
}

async function * originals (sql: Sql, userId: string) {
  let page: Awaited<ReturnType<typeof listOriginals>> = []
  do {
    page = await listOriginals(sql, userId, PAGE_ROWS, page.at(-1)?.recording_id)
    yield * page
  } while (page.length === PAGE_ROWS)
}

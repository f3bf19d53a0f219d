import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { parse } from 'csv-parse'
import type { ExportDetails } from '../domain/bulk/details.ts'
import { garminDetails } from '../domain/bulk/garmin.ts'
import { jsonObjects } from '../domain/bulk/json-objects.ts'
import { stravaColumns, stravaDetails, type StravaColumns } from '../domain/bulk/strava.ts'

/** What the tables of an export say of its activities. */
export interface ExportTables {
  /** Reads an `activities.csv` of Strava. One that is damaged counts up to there. */
  readCsv (bytes: AsyncIterable<Buffer>): Promise<void>
  /** Reads a `…_summarizedActivities.json` of Garmin. */
  readJson (bytes: AsyncIterable<Buffer>): Promise<void>
  /** Of the activity of a file, by the path of the file or the start of the activity. */
  find (path: string, startTime: string): ExportDetails | undefined
}

const STRAVA_TABLE = /(^|\/)activities\.csv$/i
const GARMIN_TABLE = /(^|\/)[^/]*_summarizedActivities\.json$/i

/** What table of an export a file is, by its name; undefined: none. */
export function tableKind (path: string): 'csv' | 'json' | undefined {
  if (STRAVA_TABLE.test(path)) return 'csv'
  return GARMIN_TABLE.test(path) ? 'json' : undefined
}

/** More activities than these are no export of a runner. */
const MAX_ACTIVITIES = 100_000
/** The longest row of a CSV: a description has some thousand characters. */
const MAX_ROW_CHARACTERS = 256 * 1024
/** The longest entry of a JSON: those of activities with many splits have some kilobytes. */
const MAX_ENTRY_BYTES = 256 * 1024
/** So much of a table is read at once. */
const PIECE_BYTES = 8 * 1024
/** Garmin's entries are in a list in an object in a list. */
const ENTRY_DEPTH = 3
/** The start that a watch writes and the one that the service stores may differ by this. */
const START_TOLERANCE_S = 2

export function exportTables (): ExportTables {
  const byFile = new Map<string, ExportDetails>()
  const byStart = new Map<number, ExportDetails>()
  const full = (): boolean => byFile.size + byStart.size >= MAX_ACTIVITIES

  return {
    async readCsv (bytes) {
      let header: string[] | undefined
      let columns: StravaColumns | undefined
      for await (const row of rowsOf(inPieces(bytes))) {
        if (full()) return
        if (header === undefined) {
          header = row
          continue
        }
        columns ??= stravaColumns(header, row)
        const found = columns && stravaDetails(columns, row)
        if (found !== undefined) byFile.set(found.file, found.details)
      }
    },

    async readJson (bytes) {
      for await (const entry of jsonObjects(inPieces(bytes), ENTRY_DEPTH, MAX_ENTRY_BYTES)) {
        if (full()) return
        const found = garminDetails(entry)
        if (found !== undefined) byStart.set(Math.round(found.startMs / 1000), found.details)
      }
    },

    find (path, startTime) {
      const inFile = byFile.get(path.slice(path.lastIndexOf('/') + 1).toLowerCase())
      if (inFile !== undefined) return inFile
      const startS = Math.round(Date.parse(startTime) / 1000)
      for (let by = 0; by <= START_TOLERANCE_S; by++) {
        const near = byStart.get(startS - by) ?? byStart.get(startS + by)
        if (near !== undefined) return near
      }
      return undefined
    }
  }
}

/** Other work goes between one piece and the next: the rows in 64 KiB take 10 ms. */
async function * inPieces (bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      yield chunk.subarray(at, at + PIECE_BYTES)
      await setImmediate()
    }
  }
}

/** The rows of a CSV, up to where it is no CSV any more: names are worth less than the recordings. */
async function * rowsOf (bytes: AsyncIterable<Buffer>): AsyncGenerator<string[]> {
  const source = Readable.from(bytes, { objectMode: false })
  const parser = parse({
    bom: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: MAX_ROW_CHARACTERS
  })
  source.on('error', (error) => parser.destroy(error))
  try {
    yield * source.pipe(parser) as AsyncIterable<string[]>
  } catch (error) {
    if (!String((error as NodeJS.ErrnoException).code).startsWith('CSV_')) throw error
  } finally {
    source.destroy()
    parser.destroy()
  }
}

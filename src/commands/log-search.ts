import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** One line of the log, with the keys that are read here; any may be missing from a line that something else wrote. */
export interface LogLine {
  timestamp?: string
  level?: string
  logger_name?: string
  message?: string
  request_id?: string
  user_id?: string
  method?: string
  path?: string
  status_code?: number
  duration_ms?: number
  error_id?: string
  error_code?: string
  exception?: string
  extra?: Record<string, unknown>
}

const CHUNK_BYTES = 256 * 1024

/**
 * The service writes no line longer than this; one that is longer is skipped, so that memory stays bounded.
 */
const LONGEST_LINE = 1024 * 1024

const NEWLINE = 10

/**
 * The log files in a folder, the newest first: app.log, then the rotated ones. Throws where the folder
 * cannot be read.
 */
export async function logFiles (dir: string): Promise<string[]> {
  const names = (await readdir(dir)).filter((name) => /^app(?:[.-].*)?\.log$/.test(name))
  const files = await Promise.all(names.map(async (name) => {
    const path = join(dir, name)
    // A file may be rotated between the listing and this look at it.
    return { path, mtimeMs: await stat(path).then(({ mtimeMs }) => mtimeMs, () => -Infinity) }
  }))
  const current = join(dir, 'app.log')
  return files
    .sort((a, b) => Number(b.path === current) - Number(a.path === current) || b.mtimeMs - a.mtimeMs)
    .map(({ path }) => path)
}

/**
 * Calls `found` with each line of a file that has `needle` in it and is a log line, in their order, until `found`
 * answers false. It searches bytes, a chunk at a time, and decodes only lines that have them.
 */
export async function searchLines (
  path: string,
  needle: string,
  found: (line: LogLine) => boolean | void
): Promise<void> {
  const bytes = Buffer.from(needle)
  let file
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    let rest = Buffer.alloc(0)
    let isPassingOver = false
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES)
      if (bytesRead === 0) break
      let fresh = chunk.subarray(0, bytesRead)
      if (isPassingOver) {
        const newline = fresh.indexOf(NEWLINE)
        if (newline < 0) continue
        fresh = fresh.subarray(newline + 1)
        isPassingOver = false
      }
      const text = Buffer.concat([rest, fresh])
      const end = text.lastIndexOf(NEWLINE) + 1
      if (!searchText(text.subarray(0, end), bytes, found)) return
      isPassingOver = text.length - end > LONGEST_LINE
      rest = isPassingOver ? Buffer.alloc(0) : text.subarray(end)
    }
    // After the last newline a line may still be being written; if it is whole, it counts.
    searchText(Buffer.concat([rest, Buffer.of(NEWLINE)]), bytes, found)
  } finally {
    await file.close()
  }
}

/** Searches whole lines; answers false when the search is over. */
function searchText (text: Buffer, needle: Buffer, found: (line: LogLine) => boolean | void): boolean {
  for (let hit = text.indexOf(needle); hit >= 0;) {
    const stop = text.indexOf(NEWLINE, hit)
    const line = parseLine(text.toString('utf8', text.lastIndexOf(NEWLINE, hit) + 1, stop))
    if (line && found(line) === false) return false
    hit = text.indexOf(needle, stop)
  }
  return true
}

function parseLine (text: string): LogLine | undefined {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null && !Array.isArray(line) ? line : undefined
  } catch {
    return undefined
  }
}

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import { inspectDirectory } from '../../config/directories.ts'
import { failed, ok, warning } from './check.ts'
import type { Check } from './check.ts'

const MIB = 1024 * 1024

/** The size of eleven full log files and a small database. */
const LITTLE_BYTES = 1024 * MIB
const TOO_LITTLE_BYTES = 64 * MIB

/** How much of the end of the log is checked. */
const TAIL_BYTES = 64 * 1024

/** The folders that are written to, the room in them, and the log that is there. */
export async function checkStorage (config: Config): Promise<Check[]> {
  return [
    await checkDirectory('data_directory', 'DATA_DIR', config.dataDir, failed),
    await checkDirectory('log_directory', 'LOG_DIR', config.log.dir, warning),
    await checkLogFile(join(config.log.dir, 'app.log'))
  ]
}

async function checkDirectory (
  name: string,
  variable: string,
  path: string,
  unwritable: typeof failed
): Promise<Check> {
  const { exists, writable, freeBytes = Infinity, error } = await inspectDirectory(path)
  const remedy = `Let the service's user write to it, or set ${variable} to another folder.`
  if (!writable) {
    return unwritable(
      name,
      `${variable} ${exists ? 'cannot be written to' : 'cannot be made'} (${error}): ${path}`,
      remedy
    )
  }
  const room = freeBytes === Infinity ? 'unknown room' : `${Math.floor(freeBytes / MIB)} MiB free`
  const state = `${variable} ${exists ? 'can be written to' : 'will be made'}, ${room}: ${path}`
  if (freeBytes < TOO_LITTLE_BYTES) return failed(name, state, 'Make room on this disk.')
  if (freeBytes < LITTLE_BYTES) return warning(name, state, 'Make room on this disk: the log alone may take 550 MiB.')
  return ok(name, state)
}

/** Whether the last lines of the log are JSON with the keys that searches need. */
async function checkLogFile (path: string): Promise<Check> {
  let lines: string[]
  try {
    lines = await lastLines(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : String(error)
    if (code === 'ENOENT') { return warning('log_file', `there is no log yet: ${path}`, 'Start the service, and check again.') }
    return warning('log_file', `the log cannot be read (${code}): ${path}`, 'Let this user read it.')
  }
  const bad = lines.filter((line) => !isLogLine(line)).length
  if (bad > 0) {
    return failed(
      'log_file',
      `${bad} of the last ${lines.length} lines are not JSON log lines: ${path}`,
      'See what else writes to this file; searches and aggregators go by its form.'
    )
  }
  return ok('log_file', `the last ${lines.length} lines are JSON: ${path}`)
}

/** The complete lines in the last part of a file. */
async function lastLines (path: string): Promise<string[]> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const from = Math.max(0, size - TAIL_BYTES)
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(size - from), position: from })
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
    // After the last newline is a line that is still being written, before the first perhaps half of one.
    return lines.slice(from > 0 ? 1 : 0, -1)
  } finally {
    await file.close()
  }
}

function isLogLine (line: string): boolean {
  try {
    const { timestamp, level, message } = JSON.parse(line) as Record<string, unknown>
    return typeof timestamp === 'string' && typeof level === 'string' && typeof message === 'string'
  } catch {
    return false
  }
}

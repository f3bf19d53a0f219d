import { randomUUID } from 'node:crypto'
import { open, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ConfigError } from './config.ts'
import type { Config, ConfigWarning } from './config.ts'
import { makeDirectory } from '../log/directory.ts'

export interface DirectoryState {
  /** Whether it exists. */
  exists: boolean
  /** Whether a file can be written in it or, if it does not exist, in the directory in which it would be created. */
  writable: boolean
  /** Bytes available to this user; absent if unknown. */
  freeBytes?: number
  /** Why it is not writable, as the system's error code. */
  error?: string
}

/**
 * Creates the directories that the service writes to and returns the warnings. An unusable log directory is a warning:
 * logging goes on without the file. Throws ConfigError if `DATA_DIR` is not writable.
 */
export async function prepareDirectories (config: Config): Promise<ConfigWarning[]> {
  const unusable = await makeWritable(config.dataDir)
  if (unusable) {
    throw new ConfigError([
      {
        variable: 'DATA_DIR',
        message: `is not writable (${unusable}); expected a directory that this user can create or write to`
      }
    ])
  }
  const error = await makeWritable(config.log.dir)
  return error
    ? [
        {
          error_code: 'CONFIG_LOG_DIR',
          message: `LOG_DIR is not writable (${error}); logs go to the console only`
        }
      ]
    : []
}

/**
 * The state of a directory, found by writing a small file: permissions alone do not tell, least of all to root.
 */
export async function inspectDirectory (path: string): Promise<DirectoryState> {
  const there = await nearest(path)
  const { bavail, bsize } = await statfs(there).catch(() => ({ bavail: NaN, bsize: NaN }))
  const error = await writeProbe(there)
  return {
    exists: there === path,
    writable: error === undefined,
    freeBytes: Number.isNaN(bavail) ? undefined : bavail * bsize,
    error
  }
}

/** `path` itself or, if it does not exist, its closest existing ancestor. */
async function nearest (path: string): Promise<string> {
  const found = await stat(path).then(() => true, (error) => codeOf(error) !== 'ENOENT')
  return found || path === dirname(path) ? path : nearest(dirname(path))
}

async function makeWritable (path: string): Promise<string | undefined> {
  try {
    makeDirectory(path)
  } catch (error) {
    return codeOf(error)
  }
  return writeProbe(path)
}

/** Writes a file and removes it; returns the error's code if that fails. */
async function writeProbe (folder: string): Promise<string | undefined> {
  const path = join(folder, `.probe-${randomUUID()}`)
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.write('.')
    } finally {
      await file.close()
      await rm(path, { force: true })
    }
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

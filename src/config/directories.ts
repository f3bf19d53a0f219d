import { randomUUID } from 'node:crypto'
import { open, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ConfigError } from './config.ts'
import type { Config, ConfigWarning } from './config.ts'
import { makeDirectory } from '../log/directory.ts'

export interface DirectoryState {
  /** Whether it is there; one that is not may still be made. */
  exists: boolean
  /** Whether a file can be written into it or, where it is not there, into the folder that it would be made in. */
  writable: boolean
  /** Bytes free to this user; absent where that cannot be told. */
  freeBytes?: number
  /** Why it cannot be written to, as the system's error code. */
  error?: string
}

/**
 * Makes the folders that the service writes to, and answers what is to be warned of. A log folder that cannot be used
 * is a warning: the log goes on without its file. Throws ConfigError where `DATA_DIR` is needed and cannot be written
 * to.
 */
export async function prepareDirectories (config: Config): Promise<ConfigWarning[]> {
  if (usesDataDirectory(config)) {
    const error = await makeWritable(config.dataDir)
    if (error) {
      throw new ConfigError([
        {
          variable: 'DATA_DIR',
          message: `cannot be written to (${error}); expected a folder that this user may make or write to`
        }
      ])
    }
  }
  const error = await makeWritable(config.log.dir)
  return error
    ? [
        {
          error_code: 'CONFIG_LOG_DIR',
          message: `LOG_DIR cannot be written to (${error}); the log goes to the console alone`
        }
      ]
    : []
}

/** Whether anything is kept in `DATA_DIR`: the embedded database or the secret made in place of `JWT_SECRET`. */
export function usesDataDirectory (config: Config): boolean {
  return config.database.url === undefined || config.auth.secrets === undefined
}

/**
 * How it stands with a folder, found out by writing a small file: permissions alone do not tell, least of all to root.
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

/** `path` itself or, while that does not exist, the closest folder above it that does. */
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

/** Writes a file and takes it away again; answers the error's code if that fails. */
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

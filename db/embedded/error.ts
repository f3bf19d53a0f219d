/** The embedded Postgres cannot run; the message has the reason and a remedy. */
export class EmbeddedError extends Error {
  constructor (message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EmbeddedError'
  }
}

/** A running process uses the directory. */
export class FolderInUse extends EmbeddedError {}

/** The alternative to the embedded Postgres, at the end of every error message. */
export const USE_OTHER = 'Alternatively, set DATABASE_URL to your own PostgreSQL 15 to 18.'

type Say = (message: string, fields?: { error_code?: string, error?: unknown, [extra: string]: unknown }) => void

/** The part of a logger that the database uses. */
export interface DatabaseLog { debug: Say, info: Say, warning: Say, error: Say }

/** The `code` of a system error (`ENOENT` …), otherwise an empty string. */
export function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

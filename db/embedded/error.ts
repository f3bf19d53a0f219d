/** Why the embedded Postgres cannot run, and what the reader can do about it. */
export class EmbeddedError extends Error {
  constructor (message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EmbeddedError'
  }
}

/** A living process has the folder. */
export class FolderInUse extends EmbeddedError {}

/** What is said when there is no way round: every refusal ends with it. */
export const USE_OTHER = 'Set DATABASE_URL to a PostgreSQL 15 to 18 of your own instead.'

type Say = (message: string, fields?: { error_code?: string, error?: unknown, [extra: string]: unknown }) => void

/** The part of a logger that the database speaks through. */
export interface DatabaseLog { debug: Say, info: Say, warning: Say, error: Say }

/** The `code` of a system error (`ENOENT` …), else an empty string. */
export function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

import { startEmbedded } from '../../db/embedded/start.ts'
import { loadOrMakeSecret } from '../auth/secret-file.ts'
import type { Config } from '../config/config.ts'
import { prepareDirectories } from '../config/directories.ts'
import type { RootLogger } from '../log/logger.ts'

// What a primary and a process that serves have in common.

/** How long after the deadline for requests everything else may take to close. */
export const CLOSE_MS = 15_000

/** Close what the process has opened; called in reverse order at every exit. */
export type Closers = Array<() => Promise<void>>

/**
 * Logs the warnings about the configuration and creates the folders; answers the secrets, created where none are set.
 */
export async function prepare (config: Config, logger: RootLogger): Promise<string[]> {
  for (const warning of [...config.warnings, ...(await prepareDirectories(config))]) {
    logger.warning(warning.message, { error_code: warning.error_code })
  }
  return config.auth.secrets ?? [await loadOrMakeSecret(config.dataDir)]
}

/** Starts the Postgres of development; answers its URL. */
export async function embeddedUrl ({ dataDir }: Config, logger: RootLogger, closers: Closers): Promise<string> {
  const embedded = await startEmbedded({ dataDir, log: logger.named('app.db') })
  closers.push(() => embedded.stop())
  return embedded.url
}

/** What the work resolves to; undefined where it takes longer. */
export async function within<T> (work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => { timer = setTimeout(resolve, ms, undefined) })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

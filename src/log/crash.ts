import type { Logger } from './logger.ts'
import type { Sink } from './sink.ts'

/**
 * Makes an uncaught exception or an unhandled rejection the last line of the log: CRITICAL, with the exception; then
 * everything is written, and the process exits with 1. What the service was doing is in doubt by then, so that it does
 * not go on. Answers a function that takes the handlers off again.
 */
export function installCrashHandlers (logger: Logger, sink: Pick<Sink, 'flushSync'>): () => void {
  let isCrashing = false
  const crash = (message: string) => (error: unknown): void => {
    // A second one comes while the first is being written: it has nothing to add.
    if (isCrashing) return
    isCrashing = true
    try {
      logger.critical(message, { error })
      sink.flushSync()
    } finally {
      process.exit(1)
    }
  }
  const onException = crash('uncaught exception')
  const onRejection = crash('unhandled rejection')
  process.on('uncaughtException', onException)
  process.on('unhandledRejection', onRejection)
  return () => {
    process.off('uncaughtException', onException)
    process.off('unhandledRejection', onRejection)
  }
}

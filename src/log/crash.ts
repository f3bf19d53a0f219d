import type { Logger } from './logger.ts'
import type { Sink } from './sink.ts'

/**
 * Logs an uncaught exception or an unhandled rejection as the last line, CRITICAL with the exception; then flushes the
 * log and exits with 1. The state of the process is unknown by then, so it must not continue. Returns a function that
 * removes the handlers.
 */
export function installCrashHandlers (logger: Logger, sink: Pick<Sink, 'flushSync'>): () => void {
  let isCrashing = false
  const crash = (message: string) => (error: unknown): void => {
    // A second exception while the first is being written adds nothing.
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

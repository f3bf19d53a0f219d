import inspector from 'node:inspector'
import { isWorker, join as joinCluster, lead, logName } from './cluster.ts'
import { ConfigError, describeProblems, type Config } from '../config/config.ts'
import { readConfig } from '../config/read.ts'
import { installCrashHandlers } from '../log/crash.ts'
import { createLogger, type RootLogger } from '../log/logger.ts'
import { createSink, type Sink } from '../log/sink.ts'
import { CLOSE_MS, embeddedUrl, prepare, within, type Closers } from './preparation.ts'
import type { StopSignals } from './stop-signals.ts'

/** EX_CONFIG of sysexits.h: the configuration is not valid. */
const EXIT_CONFIG = 78
/** Runs the service from its configuration to its exit code; never returns. */
export async function main (signals: StopSignals): Promise<void> {
  const config = configure()
  const orders = isWorker ? await joinCluster() : undefined
  const leads = config.server.workers > 1 && orders === undefined
  const name = leads ? 'app-primary' : logName(orders?.number ?? 1)
  const sink = createSink({ directory: config.log.dir, json: config.log.json, name })
  const logger = createLogger({ level: config.log.level, sink })
  const closers: Closers = []
  const stop = new AbortController()
  signals.on({
    stop: (signal) => {
      logger.info('stopping', { signal })
      stop.abort()
    },
    stopAgain: (signal) => {
      logger.warning('stopped at once by a second signal', { signal })
      sink.flushSync()
      process.exit(1)
    },
    debug: (signal) => openInspector(config, logger, signal)
  })
  installCrashHandlers(logger, sink)
  await sink.ready
  let code = 0
  try {
    code = leads
      ? await leadWorkers(config, logger, sink, closers, stop.signal)
      // Loaded here, as the primary of a cluster has no use for most of the service.
      : await (await import('./serve.ts')).serve(config, logger, sink, closers, stop.signal, orders)
  } catch (error) {
    code = error instanceof ConfigError ? EXIT_CONFIG : 1
    if (error instanceof ConfigError) process.stderr.write(`${describeProblems(error)}\n`)
    logger.critical('the service cannot start', {
      error,
      ...(error instanceof ConfigError
        ? { error_code: 'CONFIGURATION', problems: error.problems }
        : { error_code: 'START_FAILED' })
    })
  }
  await closeAll(closers, logger)
  logger.info('stopped', { exit_code: code })
  await sink.close()
  process.exit(code)
}

/** Reads the configuration; where it is not valid, names every bad variable and ends the process. */
function configure (): Config {
  try {
    return readConfig()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const line = {
      timestamp: new Date().toISOString(),
      level: 'CRITICAL',
      logger_name: 'app.server',
      message: 'the configuration is not valid',
      error_code: 'CONFIGURATION',
      extra: { problems: error.problems }
    }
    process.stdout.write(`${JSON.stringify(line)}\n`)
    process.stderr.write(`${describeProblems(error)}\n`)
    process.exit(EXIT_CONFIG)
  }
}

/** Outside production SIGUSR1 opens the inspector, as Node does by itself. */
function openInspector ({ env }: Config, logger: RootLogger, signal: NodeJS.Signals): void {
  if (env === 'production') logger.warning('the inspector is not opened in production', { signal })
  else if (inspector.url() === undefined) inspector.open()
}

/** Prepares what the workers share and runs them; answers the exit code. */
async function leadWorkers (
  config: Config,
  logger: RootLogger,
  sink: Sink,
  closers: Closers,
  stop: AbortSignal
): Promise<number> {
  await prepare(config, logger)
  const databaseUrl = config.database.url === undefined ? await embeddedUrl(config, logger, closers) : undefined
  return await lead({ workers: config.server.workers, databaseUrl, logger, sink, stop })
}

async function closeAll (closers: Closers, logger: RootLogger): Promise<void> {
  for (const close of closers.reverse()) {
    try {
      await within(close(), CLOSE_MS)
    } catch (error) {
      logger.error('something did not close', { error })
    }
  }
}

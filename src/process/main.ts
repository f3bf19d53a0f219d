import inspector from 'node:inspector'
import { join } from 'node:path'
import { startEmbedded } from '../../db/embedded/start.ts'
import { createDatabase } from '../../db/database.ts'
import { buildApp } from '../app.ts'
import { AccessTokens } from '../auth/access-tokens.ts'
import { Passwords } from '../auth/passwords.ts'
import { loadOrMakeSecret } from '../auth/secret-file.ts'
import { exchangeFigures, isWorker, join as joinCluster, lead, logName, type Orders } from './cluster.ts'
import { ConfigError, describeProblems, type Config } from '../config/config.ts'
import { readConfig } from '../config/read.ts'
import { prepareDirectories } from '../config/directories.ts'
import { healthChecks } from '../health/checks.ts'
import { Availability } from '../health/availability.ts'
import { installCrashHandlers } from '../log/crash.ts'
import { createLogger, type RootLogger } from '../log/logger.ts'
import { createSink, type Sink } from '../log/sink.ts'
import { Metrics } from '../metrics/metrics.ts'
import { drain } from './drain.ts'
import { DatabasePreparation } from './prepare-database.ts'
import type { StopSignals } from './stop-signals.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { openSpool } from '../uploads/spool.ts'
import { DecodingPool } from '../workers/decoding.ts'
import type { Decode } from '../workflows/imports.ts'

/** EX_CONFIG of sysexits.h: the configuration is not valid. */
const EXIT_CONFIG = 78
/** How long after the deadline for requests everything else may take to close. */
const CLOSE_MS = 15_000

/** Close what the process has opened; called in reverse order at every exit. */
type Closers = Array<() => Promise<void>>

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
      : await serve(config, logger, sink, closers, stop.signal, orders)
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

/**
 * Logs the warnings about the configuration and creates the folders; answers the secrets, created where none are set.
 */
async function prepare (config: Config, logger: RootLogger): Promise<string[]> {
  for (const warning of [...config.warnings, ...(await prepareDirectories(config))]) {
    logger.warning(warning.message, { error_code: warning.error_code })
  }
  return config.auth.secrets ?? [await loadOrMakeSecret(config.dataDir)]
}

/**
 * Starts everything, serves until `stop` is aborted, and lets the work in flight finish; answers the exit code. A
 * worker process gets its orders from the primary.
 */
async function serve (
  config: Config,
  logger: RootLogger,
  sink: Sink,
  closers: Closers,
  stop: AbortSignal,
  orders?: Orders
): Promise<number> {
  const {
    server,
    database: { url, migrationUrl, migrateOnStart }
  } = config
  const secrets =
    orders === undefined
      ? await prepare(config, logger)
      : (config.auth.secrets ?? [await loadOrMakeSecret(config.dataDir)])
  const databaseUrl = url ?? orders?.databaseUrl ?? (await embeddedUrl(config, logger, closers))
  const stopped = aborted(stop)
  if (stop.aborted) return 0

  const metrics = new Metrics(config.app)
  if (orders !== undefined) metrics.registry.everybody = exchangeFigures(() => metrics.registry.getMetricsAsJSON())
  const tracing = await tracingOf(config, logger, closers)
  const plainDatabase = createDatabase({ ...config.database, url: databaseUrl, log: logger, observe: metrics })
  const database =
    tracing === undefined
      ? plainDatabase
      : (await import('../../db/traced.ts')).tracedDatabase(plainDatabase, tracing.tracer)
  closers.push(() => database.close({ timeoutMs: 5000 }))
  const spool = await openSpool({ directory: join(config.dataDir, 'spool') })
  const decoding = new DecodingPool()
  closers.push(() => decoding.close())
  const availability = new Availability()
  availability.onChange((state, reason) =>
    logger.info(`the service is ${state.replace('_', ' ')}`, reason === undefined ? {} : { reason })
  )
  const preparation = new DatabasePreparation({
    database,
    databaseUrl,
    migrationUrl: migrateOnStart ? migrationUrl ?? databaseUrl : undefined,
    availability,
    logger,
    intervalMs: config.health.intervalMs
  })
  const checks = healthChecks({
    database,
    preparation,
    sink,
    spool,
    directories: [config.dataDir],
    jobs: { problem: () => app.jobs.problem() },
    clients: { problem: () => app.connections.problem() }
  })
  const plainDecode: Decode = (file, signal) => decoding.decode(file, { signal })
  const decode = tracing?.decode(plainDecode) ?? plainDecode
  const app = await buildApp({
    config,
    logger,
    availability,
    database,
    metrics,
    checks,
    tracing,
    spool,
    decode,
    accessTokens: new AccessTokens(secrets),
    passwords: new Passwords(config.auth.passwords)
  })
  metrics.watchPool(() => database.stats())
  metrics.watchHealth(() => app.health.last())
  metrics.watchLog(() => ({ lines: { ...logger.lines }, writeErrors: { ...sink.writeErrors } }))

  await app.listenOn({ host: server.host, port: server.port })
  const address = app.server.address()
  logger.info('listening', {
    host: server.host,
    port: typeof address === 'object' && address !== null ? address.port : server.port,
    version: config.app.version
  })
  await preparation.run(stopped)
  await stopped
  // No load balancer sends requests yet to a process that was never ready.
  const drainDelayMs = availability.state === 'starting' ? 0 : server.drainDelayMs
  const complete = await within(
    drain(app, { logger, availability, drainDelayMs, deadlineMs: server.requestTimeoutMs }),
    drainDelayMs + server.requestTimeoutMs + CLOSE_MS
  )
  availability.stop()
  return complete === true ? 0 : 1
}

/** Loads and starts tracing, where it is on. */
async function tracingOf (
  { tracing, app: { version } }: Config,
  logger: RootLogger,
  closers: Closers
): Promise<Tracing | undefined> {
  if (tracing === undefined) return undefined
  const { startTracing } = await import('../tracing/tracing.ts')
  const started = startTracing({ ...tracing, version, log: logger.named('app.tracing') })
  closers.push(() => started.close())
  return started
}

async function embeddedUrl ({ dataDir }: Config, logger: RootLogger, closers: Closers): Promise<string> {
  const embedded = await startEmbedded({ dataDir, log: logger.named('app.db') })
  closers.push(() => embedded.stop())
  return embedded.url
}

function aborted (signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

async function within<T> (work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => { timer = setTimeout(resolve, ms, undefined) })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
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

import { join } from 'node:path'
import { createDatabase } from '../../db/database.ts'
import { buildApp } from '../app.ts'
import { AccessTokens } from '../auth/access-tokens.ts'
import { Passwords } from '../auth/passwords.ts'
import { loadOrMakeSecret } from '../auth/secret-file.ts'
import type { Config } from '../config/config.ts'
import { healthChecks } from '../health/checks.ts'
import { Availability } from '../health/availability.ts'
import type { RootLogger } from '../log/logger.ts'
import type { Sink } from '../log/sink.ts'
import { Metrics } from '../metrics/metrics.ts'
import type { Tracing } from '../tracing/tracing.ts'
import { openSpool } from '../uploads/spool.ts'
import { DecodingPool } from '../workers/decoding.ts'
import { SamplingPool } from '../workers/sampling.ts'
import type { Decode } from '../workflows/imports.ts'
import { exchangeFigures, type Orders } from './cluster.ts'
import { drain } from './drain.ts'
import { DatabasePreparation } from './prepare-database.ts'
import { CLOSE_MS, embeddedUrl, prepare, within, type Closers } from './preparation.ts'

/**
 * Starts everything, serves until `stop` is aborted, and lets the work in flight finish; answers the exit code. A
 * worker process gets its orders from the primary.
 */
export async function serve (
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
  const sampling = new SamplingPool()
  closers.push(() => sampling.close())
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
  const plainDecode: Decode = (file, signal, again) => decoding.decode(file, { signal, again })
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
    convert: (file, conversion, signal) => decoding.convert(file, conversion, { signal }),
    unpack: (file, member, signal) => decoding.unpack(file, member, { signal }),
    sample: (packed, wanted) => sampling.sample(packed, wanted),
    compareSteps: (task) => sampling.compareSteps(task),
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
  decoding.warm()
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

function aborted (signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

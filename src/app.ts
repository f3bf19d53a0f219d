import fastify, { LogController, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Database } from '../db/database.ts'
import { openJobQueue } from '../db/job-queue.ts'
import { recomputeFigures } from '../jobs/recompute-figures.ts'
import { reprocess } from '../jobs/reprocess.ts'
import { sweepCancelledWorkouts } from '../jobs/sweep-cancelled-workouts.ts'
import { sweepIdempotencyKeys } from '../jobs/sweep-idempotency-keys.ts'
import { sweepRefreshTokens } from '../jobs/sweep-refresh-tokens.ts'
import { sweepRevocations } from '../jobs/sweep-revocations.ts'
import { sweepSessions } from '../jobs/sweep-sessions.ts'
import { watchQueues } from '../jobs/watch-queues.ts'
import { expireJobs, IMPORT_JOBS, sweepImports, workImports } from '../jobs/work-imports.ts'
import allowedMethods from '../plugins/allowed-methods.ts'
import authentication from '../plugins/authentication.ts'
import availability from '../plugins/availability.ts'
import connections from '../plugins/connections.ts'
import database from '../plugins/database.ts'
import deadlines from '../plugins/deadlines.ts'
import errorEnvelope from '../plugins/error-envelope.ts'
import health from '../plugins/health.ts'
import idempotency from '../plugins/idempotency.ts'
import jobs from '../plugins/jobs.ts'
import listeners from '../plugins/listeners.ts'
import logging from '../plugins/logging.ts'
import metrics from '../plugins/metrics.ts'
import openapi from '../plugins/openapi.ts'
import protocol from '../plugins/protocol.ts'
import rateLimit from '../plugins/rate-limit.ts'
import requestContext from '../plugins/request-context.ts'
import revocations from '../plugins/revocations.ts'
import security from '../plugins/security.ts'
import shedding from '../plugins/shedding.ts'
import validation from '../plugins/validation.ts'
import { accountRoutes, registrationRoutes } from '../routes/accounts.ts'
import { activityRoutes } from '../routes/activities.ts'
import { activityExportRoutes } from '../routes/activity-exports.ts'
import { adaptationRoutes } from '../routes/adaptation.ts'
import { analyticsRoutes } from '../routes/analytics.ts'
import { apiKeyRoutes } from '../routes/api-keys.ts'
import { bulkImportRoutes } from '../routes/bulk-imports.ts'
import { calculatorRoutes } from '../routes/calculators.ts'
import { calendarRoutes } from '../routes/calendar.ts'
import { calendarFeedRoutes, feedAddressRoutes } from '../routes/calendar-feeds.ts'
import { cropRoutes } from '../routes/crop.ts'
import { exportRoutes } from '../routes/export.ts'
import { gearRoutes } from '../routes/gear.ts'
import { goalRoutes } from '../routes/goals.ts'
import { importRoutes } from '../routes/imports.ts'
import { lapRoutes } from '../routes/laps.ts'
import { operationsRoutes } from '../routes/operations.ts'
import { physiologyRoutes } from '../routes/physiology.ts'
import { complianceRoutes, planRoutes, planTemplateRoutes } from '../routes/plans.ts'
import { sessionRoutes } from '../routes/sessions.ts'
import { streamRoutes, type StreamOptions } from '../routes/streams.ts'
import { workoutComplianceRoutes, type WorkoutComplianceOptions } from '../routes/workout-compliance.ts'
import { planWorkoutRoutes, workoutRoutes } from '../routes/workouts.ts'
import type { AccessTokens } from './auth/access-tokens.ts'
import type { Passwords } from './auth/passwords.ts'
import type { Config } from './config/config.ts'
import { AppError } from './errors.ts'
import type { Availability } from './health/availability.ts'
import type { HealthCheck } from './health/monitor.ts'
import { proxyMatcher } from './http/network.ts'
import { Connections } from './transport/connections.ts'
import { connectionLimit } from './transport/descriptors.ts'
import { createHttpServer } from './transport/server.ts'
import type { Spool } from './uploads/spool.ts'
import type { Unpack } from './uploads/unpacking.ts'
import type { RootLogger } from './log/logger.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { Tracing } from './tracing/tracing.ts'
import { accountOf } from './workflows/accounts.ts'
import type { Convert } from './workflows/conversion.ts'
import type { Decode, ObserveImport } from './workflows/imports.ts'
import type { Keys } from './workflows/sessions.ts'

/** Jobs that delete expired rows. */
const SWEEPS = [sweepIdempotencyKeys, sweepRefreshTokens, sweepSessions, sweepRevocations, sweepCancelledWorkouts]

/** What the process has and the app is built on. */
export interface Parts {
  config: Config
  logger: RootLogger
  availability: Availability
  database: Database
  metrics: Metrics
  decode: Decode
  convert: Convert
  unpack: Unpack
  sample: StreamOptions['sample']
  compareSteps: WorkoutComplianceOptions['compareSteps']
  spool: Spool
  accessTokens: AccessTokens
  passwords: Passwords
  checks: HealthCheck[]
  /** False: background jobs run only when they are asked to. Absent: true. */
  scheduled?: boolean | undefined
  /** Absent: no tracing. */
  tracing?: Tracing | undefined
}

/** The root instance: every plugin and every route, in order. */
export async function buildApp (parts: Parts): Promise<FastifyInstance> {
  const { config, logger, accessTokens, passwords } = parts
  const { requestTimeoutMs, uploadTimeoutMs, keepAliveTimeoutMs } = config.server
  const open = new Connections({
    limit: connectionLimit(config.database.poolSize),
    onTurnedAway: (count) => logger.warning('clients were turned away: all connections are in use', {
      error_code: 'TOO_MANY_CONNECTIONS',
      count,
      limit: open.limit
    })
  })
  const app: FastifyInstance = fastify({
    logger: false,
    // The one line a request has is written by the logging plugin, also where the client went away.
    logController: new StreamFailures({ disableRequestLogging: true }),
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    trustProxy: trusted(config.server.trustProxy),
    bodyLimit: 1024 * 1024,
    serverFactory: (handle) => createHttpServer(handle, {
      requestTimeoutMs, uploadTimeoutMs, keepAliveTimeoutMs, connections: open
    }),
    routerOptions: { maxParamLength: 8192 },
    frameworkErrors: (error, request, reply) => app.answerFrameworkError(error, request, reply),
    clientErrorHandler: (error, socket) => app.answerClientError(error, socket)
  })

  await app.register(requestContext)
  await app.register(connections, { connections: open })
  if (parts.tracing !== undefined) await app.register(parts.tracing.plugin)
  await app.register(logging, { logger })
  await app.register(security, config.security)
  await app.register(allowedMethods)
  await app.register(errorEnvelope, { showExceptions: config.app.debug && config.env !== 'production' })
  await app.register(availability, { availability: parts.availability })
  await app.register(shedding, {
    connections: open.limit,
    databaseDelayMs: () => parts.database.stats().oldestWaitMs
  })
  await app.register(protocol)
  await app.register(validation)
  await app.register(openapi, {
    ...config.app,
    ...config.docs,
    metricsToken: config.metrics.token !== undefined
  })
  await app.register(deadlines, config.server)
  await app.register(database, { database: parts.database })
  const closing = new AbortController()
  app.addHook('preClose', async () => { closing.abort(new AppError('SERVICE_UNAVAILABLE', 'The service is shutting down')) })
  const { spool, decode } = parts
  // For the jobs alone: what they wait for is ended if it holds up the shutdown.
  const sql = parts.database.forRequest({ log: logger })
  const queue = openJobQueue(sql)
  const observe: ObserveImport = (format, outcome, seconds) => {
    parts.metrics.imported(format, outcome, seconds)
    parts.tracing?.imported(format, outcome, seconds)
  }
  await app.register(jobs, {
    scheduled: parts.scheduled ?? true,
    interrupt: () => sql.cancel('deadline'),
    jobs: [
      ...SWEEPS.map((sweep) => sweep(sql)),
      recomputeFigures(sql, { spool, decode, signal: closing.signal, observe: parts.metrics.recomputed }),
      reprocess(sql, parts.metrics.recomputationsWaiting),
      ...workImports({
        sql,
        queue,
        spool,
        unpack: parts.unpack,
        decode,
        observe,
        ended: parts.metrics.job,
        nowMs: () => performance.now(),
        signal: closing.signal,
        log: logger.named('app.jobs')
      }),
      expireJobs(queue),
      watchQueues(queue, parts.metrics.queues),
      sweepImports(sql, queue)
    ]
  })
  await app.register(metrics, { metrics: parts.metrics, token: config.metrics.token })
  await app.register(health, { ...config.health, checks: parts.checks })
  await app.register(rateLimit, config.rateLimit)
  await app.register(revocations, { sql: parts.database.sql })
  await app.register(authentication, {
    accessTokens,
    oidc: config.auth.oidc,
    accountOf,
    backgroundSql: parts.database.sql
  })
  const keys: Keys = { accessTokens, passwords, revocations: app.revocations.known }

  await app.register(operationsRoutes, { ...config.app, documented: config.docs.enabled })
  await app.register(async (api) => {
    api.addHook('onRoute', app.sheddable)
    await api.register(async (signingIn) => {
      signingIn.addHook('onRequest', keepOutOfCaches)
      signingIn.addHook('onRequest', app.limitSignInByAddress)
      signingIn.addHook('preHandler', app.limitSignInByEmail)
      await signingIn.register(registrationRoutes, { keys })
      await signingIn.register(sessionRoutes, { keys })
    }, { prefix: '/auth' })
    await api.register(async (everybody) => {
      everybody.addHook('onRequest', app.limitByAddress)
      await everybody.register(calculatorRoutes)
    }, { prefix: '/calculators' })
    await api.register(calendarFeedRoutes, { prefix: '/calendar' })
    await api.register(async (signedIn) => {
      signedIn.addHook('onRequest', app.authenticate)
      await signedIn.register(idempotency)
      await signedIn.register(accountRoutes, { prefix: '/me', keys })
      await signedIn.register(exportRoutes, { prefix: '/me/export' })
      await signedIn.register(feedAddressRoutes, { prefix: '/me/calendar-feed' })
      await signedIn.register(physiologyRoutes, { prefix: '/me/physiology' })
      await signedIn.register(apiKeyRoutes, { prefix: '/api-keys' })
      await signedIn.register(planRoutes, { prefix: '/plans' })
      await signedIn.register(complianceRoutes, { prefix: '/plans' })
      await signedIn.register(adaptationRoutes, { prefix: '/plans' })
      await signedIn.register(workoutComplianceRoutes, { prefix: '/workouts', compareSteps: parts.compareSteps })
      await signedIn.register(calendarRoutes, { prefix: '/calendar' })
      await signedIn.register(planTemplateRoutes, { prefix: '/plan-templates' })
      await signedIn.register(planWorkoutRoutes, { prefix: '/plans' })
      await signedIn.register(workoutRoutes, { prefix: '/workouts' })
      await signedIn.register(activityRoutes, { prefix: '/activities' })
      await signedIn.register(activityExportRoutes, { prefix: '/activities', spool: parts.spool, convert: parts.convert })
      await signedIn.register(analyticsRoutes, { prefix: '/analytics' })
      await signedIn.register(streamRoutes, { prefix: '/activities', sample: parts.sample })
      await signedIn.register(lapRoutes, { prefix: '/activities' })
      await signedIn.register(cropRoutes, { prefix: '/activities', decode: parts.decode, spool: parts.spool })
      await signedIn.register(gearRoutes, { prefix: '/gear' })
      await signedIn.register(goalRoutes, { prefix: '/goals' })
      await signedIn.register(importRoutes, { prefix: '/activities', decode, spool, observe })
      await signedIn.register(bulkImportRoutes, {
        prefix: '/imports',
        spool,
        queue,
        maxBytes: config.imports.maxBytes,
        closing: closing.signal,
        begin: () => { for (const job of IMPORT_JOBS) app.jobs.wake(job) }
      })
    })
  }, { prefix: '/api/v1' })
  await app.register(listeners)
  return app
}

/** Responses with tokens must not be stored. */
function keepOutOfCaches (_request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  reply.header('cache-control', 'no-store')
  done()
}

/** The setting as Fastify takes it; a number is how many proxies stand between this service and its clients. */
function trusted (proxies: Config['server']['trustProxy']) {
  if (typeof proxies === 'number') return (_address: string, hop: number) => hop < proxies
  return proxies && proxyMatcher(proxies)
}

/**
 * Keeps one thing of what Fastify logs by itself, for the line that its request ends with: that an answer broke off on
 * our side.
 */
class StreamFailures extends LogController {
  override streamError (error: FastifyError, request: FastifyRequest): void {
    // What is destroyed because its reader is gone ends like this.
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') request.inFlight.brokeOff = error
  }
}

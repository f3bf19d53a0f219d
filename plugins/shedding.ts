import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import type { onRouteHookHandler } from 'fastify'
import { AppError } from '../src/errors.ts'
import { StandingQueue } from '../src/transport/standing-queue.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The hook by which a scope lets its routes be refused while the service has more to do than it can. */
    sheddable: onRouteHookHandler
  }
}

export interface SheddingOptions {
  /** How many clients may be connected. */
  connections: number
  /** How long the statement that has waited longest for a database connection has done so, in ms. */
  databaseDelayMs (): number
}

const LOOK_MS = 50
/** With so few requests in flight a late event loop is no reason to refuse any. */
const FEWEST = 32
/** Requests in flight for each connection: one may be at work, and another be arriving or on its way out. */
const PER_CONNECTION = 2

/**
 * Refuses new work while a queue stands, so that what is admitted is done in time. At twice what a server can do it
 * refuses as often as it serves, so that a refusal must cost a small part of an answer: it is given by the first hook
 * that can give it, with an error made once. Thrown in a hook of the scope, it cost two thirds of a read by key.
 *
 * The delay of admitted work is the longer of two: how late the event loop is, and how long the oldest statement has
 * waited for a database connection. Requests that are still arriving, or whose answer is on its way, have no part in
 * either. under-pressure measures the loop. It reads the memory in use as well, which throws in a timer where the
 * process has no file descriptor left: connections are limited so that there always is one.
 */
export default fp<SheddingOptions>(async function shedding (app, { connections, databaseDelayMs }) {
  const queue = new StandingQueue()
  const starting = refusal('The service is starting')
  const overloaded = refusal('The service has more to do than it can: try again in a moment')
  const mostInFlight = PER_CONNECTION * connections
  let loopDelayMs = 0

  app.decorate('sheddable', (route) => {
    if (route.config?.handle !== undefined) route.config.handle.sheddable = true
  })

  // Registered in a scope without routes, it measures, and its own hook meets no request.
  await app.register(async (scope) => {
    await scope.register(underPressure, { sampleInterval: LOOK_MS })
    const looking = setInterval(() => {
      const { eventLoopDelay } = scope.memoryUsage()
      // Infinite if the loop did not turn once between two samples.
      loopDelayMs = Number.isFinite(eventLoopDelay) ? eventLoopDelay : LOOK_MS
      queue.observe(delayMs(), performance.now())
    }, LOOK_MS)
    looking.unref()
    scope.addHook('onClose', async () => clearInterval(looking))
  })

  app.addHook('onRequest', function shed (request, reply, done) {
    if (!request.exchange.route.sheddable) done()
    else if (app.availability.state === 'starting') app.answerAtOnce(starting, request, reply)
    else if (app.inFlight.size <= mostInFlight && queue.admits(delayMs(), performance.now())) done()
    else app.answerAtOnce(overloaded, request, reply)
  })

  function delayMs (): number {
    // So few requests make no queue, however late the loop is on a core that is shared with others.
    const loopMs = app.inFlight.size > FEWEST ? loopDelayMs : 0
    // While the database is away, its requests are answered that, and not that the service has too much to do.
    return Math.max(loopMs, app.availability.state === 'ready' ? databaseDelayMs() : 0)
  }
}, { name: 'shedding', dependencies: ['request-context', 'error-envelope', 'availability'] })

/** Made once: the stack of an error costs more than its answer, and would be the same each time. */
function refusal (message: string): AppError {
  const error = new AppError('SERVICE_UNAVAILABLE', message)
  error.stack = `${error.name}: ${message}`
  return error
}

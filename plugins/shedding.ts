import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import { AppError } from '../src/errors.ts'
import { AdmissionLimit } from '../src/http/admission.ts'
import type { Exchange } from '../src/http/exchange.ts'

const ADAPT_MS = 100

/**
 * Refuses work that could not be done in time, so that what is taken is done. It is on in the scope it is registered in, which the probes
 * are not in: shedding says nothing of whether the process is alive.
 *
 * Measuring the event loop is under-pressure's. It is asked ten times a second, instead of being let on each request: its hook looks at
 * `request.routeOptions`, and a bound on the loop's delay alone lets in everybody between two looks and then nobody.
 */
export default fp(async function shedding (app) {
  const admission = new AdmissionLimit()
  // Registered in a scope without routes, it measures and its hook meets no request.
  await app.register(async (scope) => {
    await scope.register(underPressure, { sampleInterval: ADAPT_MS })
    const adapting = setInterval(() => {
      const { eventLoopDelay } = scope.memoryUsage()
      // Not a number where the loop did not come round once between two samples.
      const loopMs = Number.isFinite(eventLoopDelay) ? eventLoopDelay : ADAPT_MS
      admission.adapt(Math.max(loopMs, app.database.stats().oldestWaitMs), app.inFlight.size)
    }, ADAPT_MS)
    adapting.unref()
    app.addHook('onClose', async () => clearInterval(adapting))
  })

  app.addHook('onRequest', function shed ({ exchange }, _reply, done) {
    if (app.availability.state === 'starting') done(new AppError('SERVICE_UNAVAILABLE', 'The service is starting'))
    else done(isLetIn(exchange) ? undefined : tooBusy())
  })

  // A body may have taken its time, and no place for as long: now there must be one.
  app.addHook('preValidation', function shedArrived ({ exchange, body }, _reply, done) {
    done(body === undefined || isLetIn(exchange) ? undefined : tooBusy())
  })

  function isLetIn (exchange: Exchange): boolean {
    const others = app.inFlight.size - 1
    return admission.admits(others < admission.limit ? others : othersAtWork(exchange))
  }

  /** Without those that are still being sent, which are no work yet: a few hundred clients that never end theirs would keep out all others. */
  function othersAtWork (exchange: Exchange): number {
    let count = 0
    for (const other of app.inFlight) if (other !== exchange && other.request.raw.complete) count++
    return count
  }
}, { name: 'shedding', dependencies: ['availability', 'error-envelope', 'database'] })

function tooBusy (): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'The service has more to do than it can: try again in a moment')
}

import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import { AppError } from '../src/errors.ts'

export interface SheddingOptions {
  /** Beyond this mean delay of the event loop, in ms, new requests are refused. */
  maxEventLoopDelayMs: number
}

const SAMPLE_MS = 250
/**
 * A single sample over the limit says that the process stood still for once, and is over it by now: after a start, a long collection of
 * garbage, a pause of the whole machine. Whoever asks then can be answered.
 */
const LATE_SAMPLES = 2

/**
 * Refuses work that could not be done in time, so that what is taken is done. It is on in the scope it is registered in, which the probes
 * are not in: shedding says nothing of whether the process is alive.
 *
 * The measuring is under-pressure's. It is asked, instead of being let on each request, as its hook looks at `request.routeOptions`.
 */
export default fp<SheddingOptions>(async function shedding (app, { maxEventLoopDelayMs }) {
  let lateSamples = 0
  // Registered in a scope without routes, it measures and its hook meets no request.
  await app.register(async (scope) => {
    await scope.register(underPressure, { maxEventLoopDelay: maxEventLoopDelayMs, sampleInterval: SAMPLE_MS })
    let known = 0
    const sampler = setInterval(() => {
      const { eventLoopDelay } = scope.memoryUsage()
      if (!scope.isUnderPressure()) lateSamples = 0
      else if (eventLoopDelay !== known) lateSamples++
      known = eventLoopDelay
    }, SAMPLE_MS / 2)
    sampler.unref()
    scope.addHook('onClose', async () => clearInterval(sampler))
  })
  // What was late until then was the start.
  app.availability.onChange((state) => { if (state === 'ready') lateSamples = 0 })

  app.addHook('onRequest', function shed (_request, _reply, done) {
    if (app.availability.state === 'starting') done(new AppError('SERVICE_UNAVAILABLE', 'The service is starting'))
    else if (lateSamples >= LATE_SAMPLES) done(new AppError('SERVICE_UNAVAILABLE', 'The service has more to do than it can: try again in a moment'))
    else done()
  })
}, { name: 'shedding', dependencies: ['availability', 'error-envelope'] })

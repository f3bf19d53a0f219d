import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { Ended } from '../src/http/exchange.ts'
import { fastifyLogger } from '../src/log/fastify-logger.ts'
import type { Level, RootLogger } from '../src/log/logger.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The logger of the service itself. */
    logger: RootLogger
  }
}

/** A request that took this long is worth a WARNING of its own. */
const SLOW_MS = 1000

/** Gives every request a logger that carries its context, and writes the one line that tells how it ended. */
export default fp<{ logger: RootLogger }>(async function logging (app, { logger }) {
  const speaker = fastifyLogger(logger)
  const requestLogger = logger.named('app.request')
  app.decorate('logger', logger)

  app.addHook('onRequest', function log (request, reply, done) {
    // Fastify logs with the reply's logger: both are set.
    request.log = reply.log = speaker.bind(request.exchange) as unknown as FastifyBaseLogger
    if (logger.debugEnabled) requestLogger.bind(request.exchange).debug('request started')
    done()
  })

  app.onExchangeEnd((ended: Ended) => {
    const { route, status, durationMs, failure, aborted } = ended
    const level = levelOf(ended)
    if (!logger.enabled(level)) return
    const requests = requestLogger.bind(ended)
    requests.log(level, 'request completed', {
      status_code: status,
      duration_ms: durationMs,
      error_id: failure?.error_id,
      error_code: failure?.error_code,
      ...(aborted ? { aborted } : status >= 500 && failure !== undefined ? { error: failure.cause } : undefined)
    })
    if (durationMs > SLOW_MS && !route.quiet && !route.mayTakeLong) requests.warning('slow request', { duration_ms: durationMs })
  })
}, { name: 'logging', dependencies: ['request-context'] })

/** Answers of probes are logged at DEBUG where nothing failed: health has lines of its own. */
function levelOf ({ route, status, aborted, failure }: Ended): Level {
  if (route.quiet && (failure === undefined || aborted)) return 'DEBUG'
  if (aborted) return 'INFO'
  return status >= 500 ? 'ERROR' : status >= 400 ? 'WARNING' : 'INFO'
}

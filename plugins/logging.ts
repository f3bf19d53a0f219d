import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { Ended } from '../src/http/exchange.ts'
import { fastifyLogger } from '../src/log/fastify-logger.ts'
import type { Level, RootLogger } from '../src/log/logger.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What speaks for the service itself. */
    logger: RootLogger
  }
}

/** A request that took this long is worth a WARNING of its own. */
const SLOW_MS = 1000

/** Gives every request a logger that carries its context, and writes the one line that tells how it ended. */
export default fp<{ logger: RootLogger }>(async function logging (app, { logger }) {
  const speaker = fastifyLogger(logger)
  app.decorate('logger', logger)

  app.addHook('onRequest', function log (request, reply, done) {
    // Fastify logs with the reply's logger: both are set.
    request.log = reply.log = speaker.bind(request.exchange) as unknown as FastifyBaseLogger
    if (logger.debugEnabled) logger.named('app.request').bind(request.exchange).debug('request started')
    done()
  })

  app.onExchangeEnd((ended: Ended) => {
    const { route, status, durationMs, failure, aborted } = ended
    const level = levelOf(ended)
    if (!logger.enabled(level)) return
    const fields = aborted ? { aborted } : status >= 500 && failure !== undefined ? { error: failure.cause } : undefined
    const context = route.secretPath ? { ...contextOf(ended), path: route.pattern } : ended
    logger.completed(
      level,
      context,
      status,
      durationMs,
      failure?.error_id,
      failure?.error_code,
      fields,
      aborted ? undefined : failure?.exception
    )
    if (durationMs > SLOW_MS && !route.quiet) { logger.named('app.request').bind(context).warning('slow request', { duration_ms: durationMs }) }
  })
}, { name: 'logging', dependencies: ['request-context'] })

function contextOf ({ request_id, user_id, method, path, extra }: Ended) {
  return { request_id, user_id, method, path, extra }
}

/** Answers of probes are told at DEBUG, whatever they say: health has lines of its own. */
function levelOf ({ route, status, aborted }: Ended): Level {
  if (route.quiet) return 'DEBUG'
  if (aborted) return 'INFO'
  return status >= 500 ? 'ERROR' : status >= 400 ? 'WARNING' : 'INFO'
}

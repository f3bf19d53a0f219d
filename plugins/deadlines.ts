import fp from 'fastify-plugin'
import { AppError } from '../src/errors.ts'
import type { Exchange } from '../src/http/exchange.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A body that may take as long as it takes: an upload of many files. */
    unhurried?: boolean
  }
}

export interface DeadlineOptions {
  /** How long an answer may take, in ms. */
  requestTimeoutMs: number
}

const SWEEP_MS = 100

/**
 * Ends what takes too long. One look at all requests each tenth of a second, instead of a timer and an AbortController
 * for each of them as Fastify's `handlerTimeout` has it; and unlike there, what the handler waits for is cancelled.
 */
export default fp<DeadlineOptions>(async function deadlines (app, { requestTimeoutMs }) {
  const progress = new WeakMap<Exchange, { bytes: number, sinceMs: number }>()
  const sweeper = setInterval(sweep, SWEEP_MS)
  sweeper.unref()
  app.addHook('onClose', async () => clearInterval(sweeper))

  function sweep (): void {
    const latest = performance.now() - requestTimeoutMs
    for (const exchange of app.inFlight) {
      // In the order they came: who comes after the first that is young enough is younger still.
      if (exchange.startedMs > latest) return
      expire(exchange)
    }
  }

  function expire (exchange: Exchange): void {
    const { request, reply } = exchange
    if (reply.raw.headersSent) {
      cutStalled(exchange)
    } else if (exchange.expired) {
      // It was answered; what is left is for the client to take.
    } else if (!request.raw.complete) {
      if (request.routeOptions.config.unhurried === true) return
      exchange.expired = true
      reply.header('connection', 'close')
      reply.send(new AppError('REQUEST_TIMEOUT', 'The request did not arrive in time'))
      // What the reader of its body has to say comes too late, and is no news.
      reply.log = app.log
    } else {
      exchange.work?.cancel('deadline')
      app.answerTooSlow(request, reply)
    }
  }

  /** An answer on its way may take long, but not stand still. */
  function cutStalled (exchange: Exchange): void {
    const { socket } = exchange.request.raw
    const nowMs = performance.now()
    const before = progress.get(exchange)
    if (before === undefined || socket.bytesWritten > before.bytes) {
      progress.set(exchange, { bytes: socket.bytesWritten, sinceMs: nowMs })
    } else if (nowMs - before.sinceMs > requestTimeoutMs) socket.destroy()
  }
}, { name: 'deadlines', dependencies: ['request-context', 'error-envelope'] })

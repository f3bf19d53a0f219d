import fp from 'fastify-plugin'
import { AppError } from '../src/errors.ts'
import type { RequestInFlight } from '../src/http/in-flight.ts'
import { silentLogger } from '../src/log/fastify-logger.ts'
import { closeConnection } from '../src/transport/close-connection.ts'

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
  const progress = new WeakMap<RequestInFlight, { bytes: number, sinceMs: number }>()
  const sweeper = setInterval(sweep, SWEEP_MS)
  sweeper.unref()
  app.addHook('onClose', async () => clearInterval(sweeper))

  function sweep (): void {
    const latest = performance.now() - requestTimeoutMs
    for (const entry of app.inFlight) {
      // They are in the order they came: those after the first that is young enough are younger still.
      if (entry.exchange.startedMs > latest) return
      expire(entry)
    }
  }

  function expire (entry: RequestInFlight): void {
    const { request, reply } = entry
    if (reply.raw.headersSent) {
      cutStalled(entry)
    } else if (entry.expired) {
      // It was answered; what is left is for the client to take.
    } else if (!request.raw.complete) {
      entry.expired = true
      closeConnection(reply)
      reply.send(new AppError('REQUEST_TIMEOUT', 'The request did not arrive in time'))
      // Fastify would log that the answer of the body's reader came too late.
      reply.log = silentLogger
    } else {
      entry.work?.cancel('deadline')
      app.answerTooSlow(request, reply)
    }
  }

  /** An answer on its way may take long, but not stand still. */
  function cutStalled (entry: RequestInFlight): void {
    const { socket } = entry.request.raw
    const nowMs = performance.now()
    const before = progress.get(entry)
    if (before === undefined || socket.bytesWritten > before.bytes) {
      progress.set(entry, { bytes: socket.bytesWritten, sinceMs: nowMs })
    } else if (nowMs - before.sinceMs > requestTimeoutMs) socket.destroy()
  }
}, { name: 'deadlines', dependencies: ['request-context', 'error-envelope'] })

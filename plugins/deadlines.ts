import fp from 'fastify-plugin'
import { AppError } from '../src/errors.ts'
import type { RequestInFlight } from '../src/http/in-flight.ts'
import { silentLogger } from '../src/log/fastify-logger.ts'
import { closeConnection } from '../src/transport/close-connection.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Takes large uploads: it has `uploadTimeoutMs`, as long as its body does not stand still. */
    upload?: boolean
  }
}

export interface DeadlineOptions {
  /** How long an answer may take, in ms; also how long an upload may stand still. */
  requestTimeoutMs: number
  /** How long a large upload and its answer may take, in ms. */
  uploadTimeoutMs: number
}

const SWEEP_MS = 100
/** How long at least a client that is still sending has for reading an answer. */
const LINGER_MS = 2000

/** How many bytes were transferred for a request, and since when no more were. */
type Progress = WeakMap<RequestInFlight, { bytes: number, sinceMs: number }>

/**
 * Ends what takes too long. One look at all requests each tenth of a second, instead of a timer and an AbortController
 * for each of them as Fastify's `handlerTimeout` has it; and unlike there, what the handler waits for is cancelled.
 */
export default fp<DeadlineOptions>(async function deadlines (app, { requestTimeoutMs, uploadTimeoutMs }) {
  const sent: Progress = new WeakMap()
  const received: Progress = new WeakMap()
  /** Connections whose request was answered before all of it had come, and when they are cut. */
  const unread = new Map<RequestInFlight, number>()
  const sweeper = setInterval(sweep, SWEEP_MS)
  sweeper.unref()
  app.addHook('onClose', async () => clearInterval(sweeper))
  app.onExchangeEnd((_ended, entry) => {
    if (entry === undefined) return
    const { raw } = entry.request
    if (raw.complete || raw.destroyed) return
    unread.set(entry, Math.max(entry.exchange.startedMs + requestTimeoutMs, performance.now() + LINGER_MS))
  })

  function sweep (): void {
    const nowMs = performance.now()
    cutUnread(nowMs)
    const latest = nowMs - requestTimeoutMs
    for (const entry of app.inFlight) {
      // They are in the order they came: those after the first that is young enough are younger still.
      if (entry.exchange.startedMs > latest) return
      if (!mayGoOn(entry, nowMs)) expire(entry)
    }
  }

  /** Node would wait for the rest of a body for as long as the longest upload may take. */
  function cutUnread (nowMs: number): void {
    for (const [entry, untilMs] of unread) {
      const { raw } = entry.request
      const isOver = raw.complete || raw.destroyed
      if (!isOver && nowMs < untilMs) continue
      unread.delete(entry)
      if (!isOver) raw.destroy()
    }
  }

  /** An upload may take long, but not stand still. */
  function mayGoOn (entry: RequestInFlight, nowMs: number): boolean {
    const { request, exchange, reply } = entry
    if (request.routeOptions.config.upload !== true || reply.raw.headersSent || entry.expired) return false
    if (nowMs - exchange.startedMs > uploadTimeoutMs) return false
    return request.raw.complete || !standsStill(received, entry, request.raw.socket.bytesRead)
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
    if (standsStill(sent, entry, socket.bytesWritten)) socket.destroy()
  }

  /** Whether so many bytes were transferred for longer than a request may take. */
  function standsStill (progress: Progress, entry: RequestInFlight, bytes: number): boolean {
    const nowMs = performance.now()
    const before = progress.get(entry)
    if (before === undefined || bytes > before.bytes) progress.set(entry, { bytes, sinceMs: nowMs })
    else if (nowMs - before.sinceMs > requestTimeoutMs) return true
    return false
  }
}, { name: 'deadlines', dependencies: ['request-context', 'error-envelope'] })

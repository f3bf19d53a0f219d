import type { RootLogger } from '../log/logger.ts'
import type { FastifyInstance } from 'fastify'
import type { Availability } from '../health/availability.ts'

const SWEEP_MS = 100
/**
 * Connections on which nothing was ever said, as browsers and load balancers open them ahead, are given this long once
 * the listener is closed.
 */
const SILENT_MS = 1000
/** What is cut off gets its answer within this time, or none. */
const LAST_WORDS_MS = 250

export interface DrainOptions {
  logger: RootLogger
  availability: Availability
  /** From readiness turning 503 to the listener closing. */
  drainDelayMs: number
  /** How long work in flight may take from then on. */
  deadlineMs: number
}

/**
 * Lets the work in flight finish and closes the instance: true where all of it did. Unfinished work is cut off at the
 * deadline; a request that has not arrived whole by then was never work. Never throws.
 */
export async function drain (
  app: FastifyInstance,
  { logger, availability, drainDelayMs, deadlineMs }: DrainOptions
): Promise<boolean> {
  let lost = 0
  // A request whose time is up before that is not done either.
  app.onExchangeEnd(({ failure, status }) => {
    if (failure?.error_code === 'REQUEST_TIMEOUT' && status === 503) lost++
  })
  availability.drain()
  await wait(drainDelayMs)
  const closingMs = performance.now()
  const sweeper = setInterval(() => {
    app.server.closeIdleConnections()
    if (performance.now() - closingMs < SILENT_MS) return
    for (const socket of app.connections) if (socket.bytesRead === 0) socket.destroy()
  }, SWEEP_MS)
  const deadline = setTimeout(() => {
    lost += cutOff(app, logger)
  }, deadlineMs)
  try {
    await app.close()
  } catch (error) {
    logger.error('the service did not close as it should', { error })
    return false
  } finally {
    clearInterval(sweeper)
    clearTimeout(deadline)
  }
  if (lost > 0) logger.warning('work in flight was cut off', { requests: lost })
  return lost === 0
}

/**
 * Ends all that is left; answers how many requests were not done. Those that have no answer yet get one that says so.
 */
function cutOff (app: FastifyInstance, logger: RootLogger): number {
  let lost = 0
  for (const { exchange, request, reply, work, expired } of app.inFlight) {
    if (!request.raw.complete) continue
    logger.bind(exchange).warning('request cut off by the shutdown')
    work?.cancel('deadline')
    // Answered like this it is counted when it ends.
    if (reply.raw.headersSent || expired) lost++
    else app.answerTooSlow(request, reply)
  }
  setTimeout(() => app.server.closeAllConnections(), LAST_WORDS_MS)
  return lost
}

function wait (ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}

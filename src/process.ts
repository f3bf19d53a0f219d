import type { RootLogger } from './log/logger.ts'
import type { FastifyInstance } from 'fastify'
import type { Availability } from './http/availability.ts'

/** Signals of one Ctrl-C come to a process twice when npm, in the same terminal, passes on its own: they count as one within this time. */
const SAME_SIGNAL_MS = 50
const SWEEP_MS = 100

/** Calls `first` at the first SIGTERM or SIGINT, and `again` at the next that is not the same one twice. */
export function onStopSignal (first: (signal: NodeJS.Signals) => void, again: (signal: NodeJS.Signals) => void): void {
  let firstMs: number | undefined
  const hear = (signal: NodeJS.Signals) => {
    if (firstMs === undefined) {
      firstMs = performance.now()
      first(signal)
    } else if (performance.now() - firstMs > SAME_SIGNAL_MS) {
      again(signal)
    }
  }
  process.on('SIGTERM', hear)
  process.on('SIGINT', hear)
}

export interface DrainOptions {
  logger: RootLogger
  availability: Availability
  /** From readiness turning 503 to the listener closing. */
  drainDelayMs: number
  /** How long work in flight may take from then on. */
  deadlineMs: number
}

/**
 * Lets the work in flight finish and closes the instance: true where all of it did. What is not done at the deadline is cut off; a request
 * that has not arrived whole by then was never work.
 */
export async function drain (app: FastifyInstance, { logger, availability, drainDelayMs, deadlineMs }: DrainOptions): Promise<boolean> {
  availability.drain()
  await wait(drainDelayMs)
  let lost = 0
  const sweeper = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
  const deadline = setTimeout(() => {
    for (const exchange of app.inFlight) {
      if (!exchange.request.raw.complete) continue
      lost++
      exchange.work?.cancel('deadline')
      logger.bind(exchange).warning('request cut off by the shutdown')
    }
    app.server.closeAllConnections()
  }, deadlineMs)
  try {
    await app.close()
  } finally {
    clearInterval(sweeper)
    clearTimeout(deadline)
  }
  return lost === 0
}

function wait (ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}

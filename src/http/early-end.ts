import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'

/** Tells a handler that its request has ended. */
export interface EarlyEnd {
  readonly signal: AbortSignal
  /** Stops listening: the handler is done. */
  release (): void
}

/** Aborts when a request ends before its handler: the client went away, or was told that its time is up. */
export function earlyEndOf ({ exchange, inFlight }: FastifyRequest, { raw }: FastifyReply): EarlyEnd {
  const controller = new AbortController()
  // From 500 up: an answer that is not kept for the same request to come again.
  const end = () =>
    controller.abort(new AppError('SERVICE_UNAVAILABLE', 'The request ended before its recording was read'))
  if (exchange.aborted || inFlight.expired || raw.destroyed) end()
  else raw.once('close', end)
  return { signal: controller.signal, release: () => { raw.off('close', end) } }
}

/**
 * Waits for the work as long as the signal lets it.
 * @throws the signal's reason; whatever becomes of the work then is not heard
 */
export async function unlessAborted<T> (signal: AbortSignal, work: Promise<T>): Promise<T> {
  let abort = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

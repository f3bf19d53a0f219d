import type { ServerResponse } from 'node:http'
import type { Failure } from './exchange.ts'
import { errorAnswer } from './error-response.ts'
import type { RequestInFlight } from './in-flight.ts'
import { verdictOf } from './verdict.ts'

/** How a request ended, as log and metrics have it. */
export interface Outcome {
  status: number
  failure: Failure | undefined
  aborted: boolean
}

const CLIENT_GONE = 499

/** How a request ended whose response has closed. The one place where that is decided. */
export function outcomeOf (entry: RequestInFlight, response: ServerResponse): Outcome {
  const { request, rawStatus, brokeOff, exchange: { failure } } = entry
  if (rawStatus !== undefined) return { status: rawStatus, failure, aborted: false }
  if (brokeOff !== undefined) {
    const answer = errorAnswer(verdictOf(brokeOff), brokeOff)
    return { status: answer.status, failure: answer.failure, aborted: false }
  }
  // Node says of a response that it was finished, also where its connection was reset under it.
  const isGone = !response.writableEnded || request.raw.errored !== null || request.raw.socket.destroyed
  return isGone
    ? { status: CLIENT_GONE, failure, aborted: true }
    : { status: response.statusCode, failure, aborted: false }
}

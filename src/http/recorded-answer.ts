import type { FastifyReply } from 'fastify'
import { statusOf } from '../error-catalogue.ts'
import type { Answer } from './answer.ts'
import type { Failure } from './exchange.ts'
import { errorAnswer } from './error-response.ts'
import { verdictOf } from './verdict.ts'

/** An answer as it goes out, so that it can be kept and given again. */
export interface RecordedAnswer extends Answer {
  /** Serialized. */
  body: string | null
  /** Why it is an error, where it is one; not kept. */
  failure?: Failure
}

/** Serializes an answer by the response schema of the reply's route. */
export function recordAnswer (reply: FastifyReply, { status, headers, body }: Answer): RecordedAnswer {
  if (body === null || body === undefined) return { status, headers, body: null }
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: String(reply.serializeInput(body as Record<string, unknown>, String(status)))
  }
}

/**
 * The answer to a request that is refused for `error`.
 * @throws `error` where the same request may fare better another time: from 500 up, and 429.
 */
export function refusalOf (error: unknown): RecordedAnswer {
  const verdict = verdictOf(error)
  const status = verdict.status ?? statusOf(verdict.code)
  if (status >= 500 || status === 429) throw error
  return errorAnswer(verdict, error)
}

import type { FastifyReply } from 'fastify'
import { statusOf } from '../error-catalogue.ts'
import type { Failure } from './exchange.ts'
import { errorAnswer } from './error-response.ts'
import { verdictOf } from './verdict.ts'

/** An answer before it goes out: it can be kept, and given again. */
export interface RecordedAnswer {
  status: number
  /** Those that this answer has beyond what every one has. */
  headers: Record<string, string>
  body: string | null
  /** Why it is an error, where it is one; not kept. */
  failure?: Failure
}

export type Headers = ReturnType<FastifyReply['getHeaders']>

/** The process says of the connection what it has to say at the time. */
const NOT_RECORDED = new Set(['connection', 'date'])

/**
 * What a handler answers, without anything being sent: it is given a reply of its own, on which `send` only keeps what
 * it was given. Status and headers are those of the real one, which can then be sent. Awaited, the stand-in is there at
 * once, where the real reply would wait for its last byte. `before` is what the reply had before any handler ran: what
 * it has beyond that is the answer's.
 */
export async function recordAnswer (
  reply: FastifyReply,
  before: Headers,
  handle: (reply: FastifyReply) => unknown
): Promise<RecordedAnswer> {
  let sent: { payload: unknown } | undefined
  const stand: FastifyReply = Object.create(reply, {
    send: {
      value (payload: unknown) {
        sent = { payload }
        return stand
      }
    },
    then: { value: undefined }
  })
  try {
    const returned = await handle(stand)
    const payload = sent === undefined ? returned : sent.payload
    const body = textOf(reply, payload)
    if (body !== null && !reply.hasHeader('content-type')) { reply.header('content-type', 'application/json; charset=utf-8') }
    const headers = added(before, reply.getHeaders())
    return { status: reply.statusCode, headers, body }
  } catch (error) {
    takeBack(reply, before)
    throw error
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

function textOf (reply: FastifyReply, payload: unknown): string | null {
  if (payload === undefined || payload === null || reply.statusCode === 204) return null
  if (typeof payload === 'string') return payload
  if (payload instanceof Uint8Array || typeof (payload as { pipe?: unknown }).pipe === 'function') {
    throw new TypeError('An answer that can be given again is JSON or text')
  }
  return String(reply.serialize(payload))
}

function added (before: Headers, after: Headers): Record<string, string> {
  const news = Object.entries(after).filter(([name, value]) => value !== before[name] && !NOT_RECORDED.has(name))
  return Object.fromEntries(news.map(([name, value]) => [name, String(value)]))
}

/**
 * Makes the reply what it was `before` a handler answered on it: where it runs again, nothing is left of the first run.
 */
export function takeBack (reply: FastifyReply, before: Headers): void {
  for (const name of Object.keys(added(before, reply.getHeaders()))) {
    const value = before[name]
    if (value === undefined) reply.removeHeader(name)
    else reply.header(name, value)
  }
  reply.code(200)
}

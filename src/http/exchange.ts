import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../errors.ts'

/** What is known of a route before any request: what its log lines and metrics have in common. */
export interface RouteHandle {
  /** Empty where it has several, or is none. */
  method: string
  /** The pattern, `/api/v1/plans/:plan_id`; `unmatched` where there is none, `unparsed` for what was no HTTP. */
  pattern: string
  /** Whether its requests are told at DEBUG only, as those of probes are. */
  quiet: boolean
  /** Whether the address is itself a secret, so that the log has the pattern in its place. */
  secretPath: boolean
  /** The part of the service that speaks while it is handled, `app.api.v1.plans`. */
  speaker: string
}

/**
 * The part of the service a route belongs to, from its pattern: `/api/v1/plans/:plan_id` is spoken for by
 * `app.api.v1.plans`.
 */
export function speakerOf (pattern: string): string {
  const words = pattern.split('/').filter((part) => part !== '' && !part.startsWith(':') && !part.includes('*'))
  return words.length === 0 ? 'app.server' : ['app', ...words.slice(0, words[0] === 'api' ? 3 : 1)].join('.')
}

/** Why a request failed, as its answer, its log line and the metrics tell it. */
export interface Failure {
  error_id: string
  error_code: ErrorCode
  /** What was thrown; its text goes to the log of a 5xx, never to the client. */
  cause: unknown
  /** `cause` as the log has it, JSON text, where it is the same each time and so was written once. */
  exception?: string
}

/** How one request ended. */
export interface Ended {
  readonly request_id: string
  readonly user_id: string | undefined
  /** Undefined, as the path, of what was no HTTP. */
  readonly method: string | undefined
  readonly path: string | undefined
  readonly route: RouteHandle
  readonly status: number
  readonly durationMs: number
  readonly failure: Failure | undefined
  /** Whether the client went away before it had its answer. */
  readonly aborted: boolean
  /** The caller's trace, where it sent one: on every line. */
  readonly extra: Trace | undefined
}

export interface Trace extends Record<string, unknown> {
  trace_id: string
  span_id: string
}

/** A statement, upload or other work that stops when its request does. */
export interface Cancellable {
  cancel (reason: 'client_gone' | 'deadline'): void
}

/**
 * One request from its first byte to the last of its answer. It is the context of every line logged meanwhile, and what
 * is told of the request when it ends; one object, so that a request costs one.
 */
export class Exchange implements Ended {
  readonly request_id: string
  user_id: string | undefined = undefined
  readonly method: string
  readonly path: string
  route: RouteHandle
  status = 0
  durationMs = 0
  failure: Failure | undefined = undefined
  aborted = false
  extra: Trace | undefined = undefined
  readonly startedMs: number
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** What runs for it and is stopped with it. */
  work: Cancellable | undefined = undefined
  /** Whether its time was up before its handler was done. */
  expired = false
  /** Its neighbours among the requests in flight. */
  previous: Exchange | undefined = undefined
  next: Exchange | undefined = undefined
  /** What went wrong on our side while the answer was on its way, which can then be told to nobody but the log. */
  brokeOff: unknown = undefined
  /**
   * The status it was answered with past Node's response, where what it sent broke off in a way that leaves no other.
   */
  refusedWith: number | undefined = undefined
  /** The connection it came by, where that has to know when it is answered. */
  connection: { answered (): void } | undefined = undefined

  /** Who speaks in lines that a handler logs. */
  get logger_name (): string {
    return this.route.speaker
  }

  constructor (request: FastifyRequest, reply: FastifyReply, route: RouteHandle) {
    this.request = request
    this.reply = reply
    this.route = route
    this.request_id = request.id
    this.method = request.raw.method as string
    this.path = pathOf(request.raw.url as string)
    this.startedMs = performance.now()
  }
}

/** The part of a URL before its query string. */
export function pathOf (url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

import type { ErrorCode } from '../errors.ts'

/** What is known of a route before any request: what its log lines and metrics have in common. */
export interface RouteHandle {
  /** Empty where it has several, or is none. */
  method: string
  /** The pattern, `/api/v1/plans/:plan_id`; `unmatched` where there is none, `unparsed` for what was not HTTP. */
  pattern: string
  /** Whether its requests are logged at DEBUG where they succeed, as those of probes are. */
  quiet: boolean
  /** Whether a request that takes long is nothing to be told of: a large upload, or an answer that follows events. */
  mayTakeLong: boolean
  /** Whether its requests may be refused while the service has more to do than it can. */
  sheddable: boolean
  /** Whether the address is itself a secret, so that the log has the pattern in its place. */
  secretPath: boolean
  /** The logger_name of lines that are logged while it is handled, `app.api.v1.plans`. */
  speaker: string
}

/** A handle for requests that no route takes. */
export function noRoute (pattern: 'unmatched' | 'unparsed'): RouteHandle {
  const method = pattern === 'unparsed' ? '_OTHER' : ''
  return { method, pattern, quiet: false, mayTakeLong: false, sheddable: false, secretPath: false, speaker: 'app.request' }
}

/** The logger_name for a route, from its pattern: `app.api.v1.plans` for `/api/v1/plans/:plan_id`. */
export function speakerOf (pattern: string): string {
  const words = pattern.split('/').filter((part) => part !== '' && !part.startsWith(':') && !part.includes('*'))
  return words.length === 0 ? 'app.server' : ['app', ...words.slice(0, words[0] === 'api' ? 3 : 1)].join('.')
}

/** Why a request failed, as its answer, its log line and the metrics have it. */
export interface Failure {
  error_id: string
  error_code: ErrorCode
  /** What was thrown; its text goes to the log of a 5xx, never to the client. */
  cause: unknown
}

/** How one request ended. */
export interface Ended {
  readonly request_id: string
  readonly user_id: string | undefined
  /** Undefined, as the path, of what was not HTTP. */
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

/** What is asked of a request to account for it. */
interface Asked { id: string, method: string | undefined, url: string | undefined }

/** The account of one request: the context of every line logged meanwhile, and what log and metrics need at its end. */
export class Exchange implements Ended {
  readonly request_id: string
  user_id: string | undefined = undefined
  readonly method: string
  /** The pattern, where the address is itself a secret. */
  readonly path: string
  route: RouteHandle
  status = 0
  durationMs = 0
  failure: Failure | undefined = undefined
  aborted = false
  extra: Trace | undefined = undefined
  readonly startedMs = performance.now()

  /** The logger_name of lines that a handler logs. */
  get logger_name (): string {
    return this.route.speaker
  }

  constructor ({ id, method, url }: Asked, route: RouteHandle) {
    this.request_id = id
    this.method = method as string
    this.path = route.secretPath ? route.pattern : pathOf(url as string)
    this.route = route
  }
}

/** The part of a URL before its query string. */
function pathOf (url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

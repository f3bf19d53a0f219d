import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { Exchange, noRoute, speakerOf, type Ended, type RouteHandle } from '../src/http/exchange.ts'
import { InFlight, RequestInFlight } from '../src/http/in-flight.ts'
import { outcomeOf } from '../src/http/outcome.ts'
import { traceOf } from '../src/http/trace.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The account of this request, for log and metrics. */
    exchange: Exchange
    /** This request from its first byte to the last of its answer. */
    inFlight: RequestInFlight
  }
  interface FastifyInstance {
    /** The caller's id for a request where it is one, else a new one. */
    requestIdOf (request: { headers: Record<string, string | string[] | undefined> }): string
    /** The requests that are being answered now. */
    inFlight: InFlight
    /**
     * Calls `listener` once for every request that ends, however it ends, also for those that never reached a route.
     * `entry` is absent where the HTTP parser refused it.
     */
    onExchangeEnd (listener: ExchangeEndListener): void
    /** Tells the listeners that a request has ended for which there was no Exchange. */
    exchangeEnded (ended: Ended): void
    /** Gives a request its context where no hook does: before the router has found a route. */
    beginExchange (request: FastifyRequest, reply: FastifyReply): void
  }
  interface FastifyContextConfig {
    /** Logged at DEBUG where it succeeds, and neither limited nor shed: a probe. */
    probe?: boolean
    /** A large upload, or an answer that follows events: not logged as slow. */
    mayTakeLong?: boolean
    /** May be refused while the service has more to do than it can. */
    sheddable?: boolean
    /** The address is itself a secret: the log has its pattern. */
    secretPath?: boolean
    /** Set by this plugin: what is known of the route. */
    handle?: RouteHandle
  }
}

type ExchangeEndListener = (ended: Ended, entry?: RequestInFlight) => void

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/
const entryOf = Symbol('request in flight')
const unmatched = noRoute('unmatched')

type Response = ServerResponse & { [entryOf]?: RequestInFlight }

/**
 * The caller's id for a request where it is one, else a new one. Fastify's own `requestIdHeader` would take any bytes.
 */
function requestId (request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

/**
 * Gives every request an id, an account, and an end: `onResponse` never comes for a client that goes away, the `close`
 * of the response always does.
 */
export default fp(async function requestContext (app) {
  const listeners: ExchangeEndListener[] = []
  const inFlight = new InFlight()

  app.setGenReqId(requestId)
  app.decorate('requestIdOf', requestId)
  app.decorateRequest('exchange', null as unknown as Exchange)
  app.decorateRequest('inFlight', null as unknown as RequestInFlight)
  app.decorate('inFlight', inFlight)
  app.decorate('onExchangeEnd', (listener: ExchangeEndListener) => { listeners.push(listener) })
  app.decorate('exchangeEnded', ended)
  app.decorate('beginExchange', begin)

  app.addHook('onRoute', (route: RouteOptions) => {
    const handle: RouteHandle = {
      method: typeof route.method === 'string' ? route.method : '',
      pattern: route.url,
      quiet: route.config?.probe === true,
      mayTakeLong: route.config?.mayTakeLong === true,
      sheddable: route.config?.sheddable === true,
      secretPath: route.config?.secretPath === true,
      speaker: speakerOf(route.url)
    }
    route.config = { ...route.config, handle }
  })

  app.addHook('onRequest', function open (request, reply, done) {
    begin(request, reply)
    done()
  })

  function begin (request: FastifyRequest, reply: FastifyReply): void {
    const exchange = new Exchange(
      { id: request.id, method: request.raw.method, url: request.raw.url },
      request.routeOptions.config.handle ?? unmatched
    )
    const traceparent = request.raw.headers.traceparent
    if (traceparent !== undefined) exchange.extra = traceOf(traceparent)
    const entry = new RequestInFlight(exchange, request, reply)
    request.exchange = exchange
    request.inFlight = entry
    const response: Response = reply.raw
    response[entryOf] = entry
    response.on('close', closed)
    inFlight.add(entry)
  }

  function closed (this: Response): void {
    const entry = this[entryOf] as RequestInFlight
    const { exchange } = entry
    inFlight.delete(entry)
    exchange.durationMs = performance.now() - exchange.startedMs
    Object.assign(exchange, outcomeOf(entry, this))
    if (exchange.aborted) entry.work?.cancel('client_gone')
    ended(exchange, entry)
  }

  function ended (exchange: Ended, entry?: RequestInFlight): void {
    for (const listener of listeners) listener(exchange, entry)
  }
}, { name: 'request-context' })

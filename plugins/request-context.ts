import type { IncomingMessage, ServerResponse } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { Exchange, speakerOf, type Ended, type RouteHandle } from '../src/http/exchange.ts'
import { InFlight } from '../src/http/in-flight.ts'
import { errorAnswer } from '../src/http/error-response.ts'
import { traceOf } from '../src/http/trace.ts'
import { verdictOf } from '../src/http/verdict.ts'
import { randomId } from '../src/ids.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** This request from its first byte to the last of its answer. */
    exchange: Exchange
  }
  interface FastifyInstance {
    /** The caller's id for a request where it is one, else a new one. */
    requestIdOf (request: { headers: Record<string, string | string[] | undefined> }): string
    /** The requests that are being answered now. */
    inFlight: InFlight
    /**
     * Calls `listener` once for every request that ends, however it ends, also for those that never reached a route.
     */
    onExchangeEnd (listener: (ended: Ended) => void): void
    /** Tells all who listen that a request has ended which no Exchange was made for. */
    exchangeEnded (ended: Ended): void
    /** Gives a request its context where no hook does: before the router has found a route. */
    beginExchange (request: FastifyRequest, reply: FastifyReply): Exchange
  }
  interface FastifyContextConfig {
    /** Told at DEBUG only, and neither limited nor shed: a probe. */
    probe?: boolean
    /** The address is itself a secret: the log has its pattern. */
    secretPath?: boolean
    /** Set by this plugin: what is known of the route. */
    handle?: RouteHandle
  }
}

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/
const exchangeOf = Symbol('exchange')
const unmatched: RouteHandle = {
  method: '',
  pattern: 'unmatched',
  quiet: false,
  secretPath: false,
  speaker: 'app.request'
}

type Response = ServerResponse & { [exchangeOf]?: Exchange }

/**
 * The caller's id for a request where it is one, else a new one. Fastify's own `requestIdHeader` would take any bytes.
 */
function requestId (request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomId()
}

/**
 * Gives every request an id, a place to keep what is known of it, and an end: `onResponse` never comes for a client
 * that goes away, the `close` of the response always does.
 */
export default fp(async function requestContext (app) {
  const listeners: Array<(ended: Ended) => void> = []
  const inFlight = new InFlight()

  app.setGenReqId(requestId)
  app.decorate('requestIdOf', requestId)
  app.decorateRequest('exchange', null as unknown as Exchange)
  app.decorate('inFlight', inFlight)
  app.decorate('onExchangeEnd', (listener: (ended: Ended) => void) => { listeners.push(listener) })
  app.decorate('exchangeEnded', ended)
  app.decorate('beginExchange', begin)

  // A route's own hook knows its pattern from a closure: `request.routeOptions` makes an object at each look.
  app.addHook('onRoute', (route: RouteOptions) => {
    const handle: RouteHandle = {
      method: typeof route.method === 'string' ? route.method : '',
      pattern: route.url,
      quiet: route.config?.probe === true,
      secretPath: route.config?.secretPath === true,
      speaker: speakerOf(route.url)
    }
    route.config = { ...route.config, handle }
    const own = route.onRequest === undefined ? [] : [route.onRequest].flat()
    route.onRequest = [function matched (request, _reply, done) {
      request.exchange.route = handle
      done()
    }, ...own]
  })

  app.addHook('onRequest', function open (request, reply, done) {
    begin(request, reply)
    done()
  })

  function begin (request: FastifyRequest, reply: FastifyReply): Exchange {
    const exchange = new Exchange(request, reply, unmatched)
    const traceparent = request.raw.headers.traceparent
    if (traceparent !== undefined) exchange.extra = traceOf(traceparent)
    request.exchange = exchange
    const response: Response = reply.raw
    response[exchangeOf] = exchange
    response.on('close', closed)
    inFlight.add(exchange)
    return exchange
  }

  function closed (this: Response): void {
    const exchange = this[exchangeOf] as Exchange
    inFlight.delete(exchange)
    exchange.durationMs = performance.now() - exchange.startedMs
    // Refused by a hook of the scope, as whoever is not signed in, it never came to the hook of its route.
    if (exchange.route === unmatched) exchange.route = exchange.request.routeOptions.config.handle ?? unmatched
    if (exchange.refusedWith !== undefined) {
      exchange.status = exchange.refusedWith
    } else if (exchange.brokeOff !== undefined) {
      const { status, failure } = errorAnswer(verdictOf(exchange.brokeOff), exchange.brokeOff)
      exchange.status = status
      exchange.failure = failure
    } else if (this.writableEnded && !isGone(exchange.request.raw)) {
      exchange.status = this.statusCode
    } else {
      exchange.aborted = true
      exchange.status = 499
      exchange.work?.cancel('client_gone')
    }
    ended(exchange)
  }

  function ended (exchange: Ended): void {
    for (const listener of listeners) listener(exchange)
  }
}, { name: 'request-context' })

/**
 * Whether nobody is left to read an answer. Node calls one finished whose connection was reset under it; the connection
 * knows better.
 */
function isGone ({ errored, socket }: IncomingMessage): boolean {
  return errored !== null || socket.destroyed
}

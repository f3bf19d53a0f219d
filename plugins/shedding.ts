import type { OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import findMyWay, { type HTTPMethod } from 'find-my-way'
import type { FastifyReply, FastifyRequest, onRouteHookHandler } from 'fastify'
import { AdmissionLimit } from '../src/transport/admission.ts'
import { pathOf, type Ended, type Exchange, type RouteHandle } from '../src/http/exchange.ts'
import type { PlainRequest } from '../src/transport/plain-request.ts'
import { Refusal } from '../src/transport/refusal.ts'
import { sendHeld } from '../src/transport/together.ts'
import { traceOf } from '../src/http/trace.ts'
import { WatchedConnection, type UnreadRefusal, type Watcher } from '../src/transport/watched-connection.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The hook by which a scope lets its routes be refused while there is more to do than can be done. */
    sheddable: onRouteHookHandler
  }
  interface FastifyContextConfig {
    /**
     * Refused while there is more to do than can be done; probes are not, as that says nothing of whether the process
     * is alive.
     */
    sheddable?: boolean
  }
}

export interface SheddingOptions {
  /** How many the database has at most. */
  connections: number
  /** How long whoever has waited longest for a connection to the database has done so, in ms. */
  databaseDelayMs (): number
}

const ADAPT_MS = 100
/**
 * How often it is counted, while it matters, whose requests have not arrived whole; and from when on a body has taken
 * its time.
 */
const COUNT_MS = 20
const SLOW_BODY_MS = 100

/**
 * Refuses work that could not be done in time, so that what is taken is done. At twice what a server can do it refuses
 * as often as it serves, so that a refusal must cost a small part of an answer. By an error thrown in a hook of the
 * scope, as others are, it cost two thirds of a read by key, and nothing was left for the reads. So it is the first of
 * all hooks, and answers past those that are to come: 31 µs. And where that is safe it is given before Node has read
 * the request: 14 µs. Both ways it is the same answer, with its line and its count; only a trace has no span of the
 * latter.
 *
 * Measuring the event loop is under-pressure's. It is asked ten times a second, instead of being let on each request:
 * its hook looks at `request.routeOptions`, and a bound on the loop's delay alone lets in everybody between two looks
 * and then nobody.
 */
export default fp<SheddingOptions>(async function shedding (app, { connections, databaseDelayMs }) {
  const admission = new AdmissionLimit(connections)
  const starting = new Refusal('The service is starting')
  const overloaded = new Refusal('The service has more to do than it can: try again in a moment')
  /** What it finds is what Fastify would find. */
  const router = findMyWay(app.initialConfig.routerOptions as object)

  app.decorate('sheddable', (route) => {
    route.config = { ...route.config, sheddable: true }
    if (route.config.handle !== undefined) {
      router.on(route.method as HTTPMethod, route.url, () => {}, route.config.handle)
    }
    const own = route.preValidation === undefined ? [] : [route.preValidation].flat()
    if (route.method !== 'GET' && route.method !== 'HEAD') route.preValidation = [shedArrived, ...own]
  })

  // Registered in a scope without routes, it measures and its hook meets no request.
  await app.register(async (scope) => {
    await scope.register(underPressure, { sampleInterval: ADAPT_MS })
    const adapting = setInterval(() => {
      const { eventLoopDelay } = scope.memoryUsage()
      // Not a number where the loop did not come round once between two samples.
      const loopMs = Number.isFinite(eventLoopDelay) ? eventLoopDelay : ADAPT_MS
      admission.adapt(Math.max(loopMs, databaseDelayMs()), app.inFlight.size)
    }, ADAPT_MS)
    adapting.unref()
    app.addHook('onClose', async () => clearInterval(adapting))
  })

  let isClosing = false
  const watcher: Watcher = {
    isFull: () => !isClosing && isFull() && app.availability.state === 'ready',
    refuse: refuseUnread,
    refused
  }
  // Node takes a connection for idle whose request it has not read, and closes it.
  app.addHook('preClose', async () => {
    isClosing = true
    sendHeld()
    for (const socket of app.connections) if (WatchedConnection.isUnread(socket)) socket.destroy()
  })
  app.server.on('connection', (socket: Socket) => WatchedConnection.watch(socket, watcher))
  app.server.on('connect', (_request, socket: Socket) => WatchedConnection.letGo(socket))
  app.onExchangeEnd((ended) => { (ended as Partial<Exchange>).connection?.answered() })

  app.addHook('onRequest', function shed (request, reply, done) {
    request.exchange.connection = WatchedConnection.began(request.raw)
    if (app.availability.state === 'starting' && isSheddable(request)) refuse(request, reply, starting)
    else if (isFull(request.exchange) && isSheddable(request)) refuse(request, reply, overloaded)
    else done()
  })

  /** A body may have taken its time, and no place for as long: now there must be one. */
  function shedArrived ({ body, exchange }: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
    const isLate = body !== undefined && performance.now() - exchange.startedMs > SLOW_BODY_MS
    done(isLate && isFull(exchange) ? overloaded.error : undefined)
  }

  /** Whether as many others as are let in are at work; `own` is among those in flight already. */
  function isFull (own?: Exchange): boolean {
    const others = app.inFlight.size - (own === undefined ? 0 : 1)
    return others >= admission.limit && others - elsewhereBut(own) >= admission.limit
  }

  let counted = new WeakSet<Exchange>()
  let elsewhere = 0
  let countedMs = -Infinity

  /**
   * How many are no work: not yet, as they are still being sent, or not any more, as their answer is on its way. A few
   * hundred clients that never end their request, or never read their answer, would keep out all others.
   */
  function elsewhereBut (own: Exchange | undefined): number {
    const nowMs = performance.now()
    if (nowMs - countedMs > COUNT_MS) {
      countedMs = nowMs
      elsewhere = 0
      counted = new WeakSet()
      for (const exchange of app.inFlight) {
        if (exchange.request.raw.complete && !exchange.reply.raw.headersSent) continue
        elsewhere++
        counted.add(exchange)
      }
    }
    return own !== undefined && counted.has(own) ? elsewhere - 1 : elsewhere
  }

  function refuse (request: FastifyRequest, reply: FastifyReply, refusal: Refusal): void {
    const { exchange } = request
    const failure = exchange.failure = refusal.failure()
    exchange.route = request.routeOptions.config.handle ?? exchange.route
    app.secure(request, reply)
    if (app.availability.draining) reply.header('connection', 'close')
    // Not spread after those: V8 made four hidden classes anew for each refusal.
    reply.headers(refusal.headers).hijack()
    reply.raw.writeHead(refusal.status, reply.getHeaders() as OutgoingHttpHeaders)
    reply.raw.end(refusal.body(failure))
  }

  /** Where there is a request, but neither `request` nor `reply`. */
  function refuseUnread ({ method, url, headers }: PlainRequest): UnreadRefusal | undefined {
    const startedMs = performance.now()
    const path = pathOf(url)
    // Without the query string, which it would take apart.
    const found = router.find(method as HTTPMethod, path)
    if (found === null) return undefined
    const failure = overloaded.failure()
    const requestId = app.requestIdOf({ headers })
    const ended: Ended = {
      request_id: requestId,
      user_id: undefined,
      method,
      path,
      route: found.store as RouteHandle,
      status: overloaded.status,
      durationMs: performance.now() - startedMs,
      failure,
      aborted: false,
      extra: traceOf(headers.traceparent)
    }
    return {
      answer: overloaded.answer(failure, requestId, app.securityHeaders(headers.origin), app.server.keepAliveTimeout),
      ended
    }
  }

  function refused ({ ended }: UnreadRefusal, isGone: boolean): void {
    app.exchangeEnded(isGone ? { ...ended, status: 499, aborted: true } : ended)
  }
}, { name: 'shedding', dependencies: ['request-context', 'connections'] })

function isSheddable ({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.config?.sheddable === true
}

import { randomUUID } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, onRouteHookHandler } from 'fastify'
import { AppError } from '../src/errors.ts'
import { AdmissionLimit } from '../src/http/admission.ts'
import { errorAnswer } from '../src/http/failure.ts'
import { verdictOf } from '../src/http/verdict.ts'
import { exceptionText } from '../src/log/exception.ts'
import { quote } from '../src/log/text.ts'
import { timestamp } from '../src/log/timestamp.ts'
import type { ErrorEnvelope } from '../schemas/error.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The hook by which a scope lets its routes be refused while there is more to do than can be done. */
    sheddable: onRouteHookHandler
  }
  interface FastifyContextConfig {
    /** Refused while there is more to do than can be done; probes are not, as that says nothing of whether the process is alive. */
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
/** How often it is counted, while it matters, whose requests have not arrived whole; and from when on a body has taken its time. */
const COUNT_MS = 20
const SLOW_BODY_MS = 100

/**
 * Refuses work that could not be done in time, so that what is taken is done. At twice what a server can do it refuses as often as it serves, so that
 * a refusal must cost a small part of an answer: it is the first of all hooks, and answers past those that are to come. By an error
 * thrown in a hook of the scope, as others are, it cost two thirds of a read by key, and nothing was left for the reads.
 *
 * Measuring the event loop is under-pressure's. It is asked ten times a second, instead of being let on each request: its hook looks at
 * `request.routeOptions`, and a bound on the loop's delay alone lets in everybody between two looks and then nobody.
 */
export default fp<SheddingOptions>(async function shedding (app, { connections, databaseDelayMs }) {
  const admission = new AdmissionLimit(connections)
  const starting = refusal('The service is starting')
  const overloaded = refusal('The service has more to do than it can: try again in a moment')
  app.decorate('sheddable', (route) => {
    route.config = { ...route.config, sheddable: true }
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

  app.addHook('onRequest', function shed (request, reply, done) {
    if (app.availability.state === 'starting' && isSheddable(request)) refuse(request, reply, starting)
    else if (isFull() && isSheddable(request)) refuse(request, reply, overloaded)
    else done()
  })

  /** A body may have taken its time, and no place for as long: now there must be one. */
  function shedArrived ({ body, exchange }: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
    const isLate = body !== undefined && performance.now() - exchange.startedMs > SLOW_BODY_MS
    done(isLate && isFull() ? overloaded.error : undefined)
  }

  function isFull (): boolean {
    return app.inFlight.size > admission.limit && atWork() > admission.limit
  }

  let elsewhere = 0
  let countedMs = -Infinity

  /**
   * Without those that are no work: not yet, as they are still being sent, or not any more, as their answer is on its way. A few hundred clients that
   * never end their request, or never read their answer, would keep out all others.
   */
  function atWork (): number {
    const nowMs = performance.now()
    if (nowMs - countedMs > COUNT_MS) {
      countedMs = nowMs
      elsewhere = 0
      for (const { request, reply } of app.inFlight) if (!request.raw.complete || reply.raw.headersSent) elsewhere++
    }
    return app.inFlight.size - elsewhere
  }

  function refuse (request: FastifyRequest, reply: FastifyReply, { error, exception, status, headers, beforeTime, afterTime }: Refusal): void {
    const { exchange } = request
    const errorId = randomUUID()
    exchange.failure = { error_id: errorId, error_code: error.code, cause: error, exception }
    exchange.route = request.routeOptions.config.handle ?? exchange.route
    const body = `{"error_id":"${errorId}"${beforeTime}${timestamp()}${afterTime}`
    app.secure(request, reply)
    if (app.availability.draining) reply.header('connection', 'close')
    reply.hijack()
    reply.raw.writeHead(status, { ...reply.getHeaders(), ...headers, 'content-length': body.length } as OutgoingHttpHeaders)
    reply.raw.end(body)
  }
}, { name: 'shedding', dependencies: ['request-context'] })

/** All of an answer but what is new in each. */
interface Refusal {
  error: AppError
  exception: string
  status: number
  headers: Record<string, string>
  beforeTime: string
  afterTime: string
}

/** Made once: the stack of one that is made for each request costs more than its answer, and says nothing. */
function refusal (message: string): Refusal {
  const error = new AppError('SERVICE_UNAVAILABLE', message)
  error.stack = `${error.name}: ${message}`
  const { status, headers, body } = errorAnswer(verdictOf(error), error)
  const { error_id: id, timestamp: time } = JSON.parse(body) as ErrorEnvelope
  const [beforeTime, afterTime] = body.slice(`{"error_id":"${id}"`.length).split(time) as [string, string]
  return { error, exception: quote(exceptionText(error)), status, headers, beforeTime, afterTime }
}

function isSheddable ({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.config?.sheddable === true
}

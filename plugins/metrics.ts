import { createHash, timingSafeEqual } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import fastifyMetrics from 'fastify-metrics'
import fp from 'fastify-plugin'
import * as promClient from 'prom-client'
import { AppError } from '../src/errors.ts'
import type { Ended, RouteHandle } from '../src/http/exchange.ts'
import { CounterFamily, DurationHistogram, type Count, type Durations } from '../src/metrics/families.ts'
import type { Metrics } from '../src/metrics/metrics.ts'

export interface MetricsOptions {
  metrics: Metrics
  /** The bearer token that a scraper must send; without one, `/metrics` is open. */
  token?: string | undefined
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'])
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10]

/**
 * Counts every request that ends and serves it all at `/metrics`. fastify-metrics has the endpoint and Node's own
 * figures; its counting of routes is off: it misses requests that never reach a route, and takes any `method` that a
 * client sends as a label.
 */
export default fp<MetricsOptions>(async function metrics (app, { metrics: { registry }, token }) {
  const requests = new DurationHistogram(
    'http_request_duration_seconds',
    'How long requests took, by method, route pattern and status',
    REQUEST_SECONDS,
    registry
  )
  const failures = new CounterFamily(
    'http_errors_total',
    'Answers from 400 up, by error code and route pattern',
    registry
  )
  const routes = new Map<RouteHandle, Map<number, Durations>>()
  const failuresByRoute = new Map<RouteHandle, Map<string, Count>>()
  const inFlight = new promClient.Gauge({
    name: 'http_requests_in_flight',
    help: 'Requests being answered',
    registers: [registry],
    collect () {
      this.set(app.inFlight.size)
    }
  })
  inFlight.set(0)

  app.onExchangeEnd((ended: Ended) => {
    const { route, failure } = ended
    durationsOf(ended).observe(ended.durationMs / 1000)
    if (failure !== undefined && !ended.aborted) failuresOf(route, failure.error_code).add()
  })

  function failuresOf (route: RouteHandle, errorCode: string): Count {
    let byCode = failuresByRoute.get(route)
    if (byCode === undefined) failuresByRoute.set(route, byCode = new Map())
    let count = byCode.get(errorCode)
    if (count === undefined) byCode.set(errorCode, count = failures.of({ error_code: errorCode, route: route.pattern }))
    return count
  }

  /** The series of a request: by two look-ups for a route, by its labels for what never reached one. */
  function durationsOf ({ route, status, method }: Ended): Durations {
    if (route.method === '' || route.pattern === 'unparsed') {
      return requests.of({
        method: method !== undefined && METHODS.has(method) ? method : '_OTHER',
        route: route.pattern,
        status_code: String(status)
      })
    }
    let byStatus = routes.get(route)
    if (byStatus === undefined) routes.set(route, byStatus = new Map())
    let durations = byStatus.get(status)
    if (durations === undefined) {
      durations = requests.of({ method: route.method, route: route.pattern, status_code: String(status) })
      byStatus.set(status, durations)
    }
    return durations
  }

  await app.register(fastifyMetrics.default, {
    promClient: { ...promClient, register: registry },
    defaultMetrics: { enabled: true, register: registry },
    routeMetrics: { enabled: false },
    endpoint: {
      method: 'GET',
      url: '/metrics',
      config: { probe: true },
      schema: {
        operationId: 'getMetrics',
        summary: 'Get the metrics',
        description: 'All metrics in the Prometheus text format, version 0.0.4.',
        tags: ['Operations'],
        security: token === undefined ? [] : [{ metricsToken: [] }],
        produces: ['text/plain'],
        response: {
          200: Type.String({
            description: 'Every metric there is',
            examples: [
              '# HELP build_info What runs here\n# TYPE build_info gauge\nbuild_info{version="1.0.0",node="v22.12.0"} 1\n'
            ]
          })
        }
      },
      onRequest: (request, _reply, done) =>
        done(mayScrape(request.headers.authorization, token) ? undefined : denied()),
      handler: async () => undefined
    }
  })
  // Gauges with the suffix of counters, which promtool rightly minds; the ones without it say the same by type.
  for (const name of ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']) { registry.removeSingleMetric(name) }
}, { name: 'metrics', dependencies: ['request-context'] })

function denied (): AppError {
  return new AppError('UNAUTHENTICATED', 'The metrics require their token', {
    headers: { 'www-authenticate': 'Bearer realm="metrics"' }
  })
}

/** Compared by digest, so that the time it takes tells nothing of the token. */
function mayScrape (authorization: string | undefined, token: string | undefined): boolean {
  if (token === undefined) return true
  return timingSafeEqual(digest((authorization ?? '').replace(/^bearer +/i, 'Bearer ')), digest(`Bearer ${token}`))
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

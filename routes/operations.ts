import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { preHandlerHookHandler } from 'fastify'
import { NoContent } from '../schemas/common.ts'
import { Alive, Health, NotReady, Ready, Welcome } from '../schemas/operations.ts'
import { prefersHtml, varyByAccept } from '../src/http/accept.ts'
import { ASSETS, healthPage } from '../src/views/health-page/page.ts'

export interface OperationsOptions {
  name: string
  version: string
  /** Whether the documentation is served at `/docs`. */
  documented: boolean
}

/** Routes for load balancers, orchestrators and operators. They are neither limited nor shed. */
export const operationsRoutes: FastifyPluginAsyncTypebox<OperationsOptions> = async (
  app,
  { name, version, documented }
) => {
  const config = { probe: true }
  const tags = ['Operations']
  // Merged once: merging for each response cost the serializer 5 µs of 30.
  const always = { health: '/health', metrics: '/metrics', api: '/api/v1' }
  const links = documented ? { documentation: '/docs', openapi: '/docs/json', ...always } : always

  app.get(
    '/health/live',
    {
      config,
      schema: {
        operationId: 'checkLiveness',
        summary: 'Check liveness',
        description:
          '200 as long as the process responds, whatever the state of the database. Restart the process only if ' +
          'this fails.',
        tags,
        security: [],
        response: { 200: Alive }
      },
      preHandler: inNextPhase
    },
    (_request, reply) => {
      reply.header('cache-control', 'no-store').send({ status: 'alive' })
    }
  )

  app.get(
    '/health/ready',
    {
      config,
      schema: {
        operationId: 'checkReadiness',
        summary: 'Check readiness',
        description:
          '200 while the process can serve requests. 503 with a reason while it starts or shuts down, or while a ' +
          'critical check fails.',
        tags,
        security: [],
        response: { 200: Ready, 503: NotReady }
      }
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      const reason = await notReady()
      if (reason === undefined) return { status: 'ready' as const }
      return reply.code(503).send({ status: 'not_ready', reason })
    }
  )

  // HAProxy checks with OPTIONS unless it is told otherwise, and must not take an instance for ready that is not.
  app.options(
    '/health/ready',
    { config, schema: { hide: true, response: { 204: NoContent, 503: NotReady } } },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store').header('allow', app.allowedMethods('/health/ready'))
      const reason = await notReady()
      if (reason === undefined) return reply.code(204).send(null)
      return reply.code(503).send({ status: 'not_ready', reason })
    }
  )

  /** Why the process takes no requests; undefined where it does. */
  async function notReady (): Promise<string | undefined> {
    await app.health.ready()
    const { state, reason } = app.availability
    return state === 'ready' ? undefined : reason ?? 'not ready'
  }

  app.get(
    '/health',
    {
      config,
      schema: {
        operationId: 'getHealth',
        summary: 'Get the health of the service',
        description:
          'The state of every check, and of the service as a whole; 503 if it is unhealthy. With an `Accept` ' +
          'header that prefers `text/html`, a live page for people.',
        tags,
        security: [],
        response: { 200: Health, 503: Health }
      }
    },
    async (request, reply) => {
      const { status, checks } = await app.health.report()
      const health = {
        status,
        timestamp: new Date().toISOString(),
        uptime_seconds: Math.round(process.uptime() * 1000) / 1000,
        version,
        checks
      }
      reply.code(status === 'unhealthy' ? 503 : 200).header('cache-control', 'no-store')
      varyByAccept(reply)
      if (!prefersHtml(request.headers.accept)) return reply.send(health)
      const page: string = healthPage({ ...health, name })
      return reply.type('text/html; charset=utf-8').send(page as never)
    }
  )

  for (const [file, { type, bytes }] of Object.entries(ASSETS)) {
    app.get(`/health/${file}`, { config, schema: { hide: true } }, (_request, reply) => {
      reply.type(type).header('cache-control', 'no-cache').send(bytes)
    })
  }

  app.get(
    '/',
    {
      schema: {
        operationId: 'getServiceInfo',
        summary: 'Get the name, version and links of the service',
        description:
          'The name and version of the service, and the paths of its documentation, health, metrics and API.',
        tags,
        security: [],
        response: { 200: Welcome }
      },
      preHandler: inNextPhase
    },
    async () => ({
      name,
      version,
      description: 'An open, API-first training service for runners',
      links
    })
  )
}

/**
 * Lets the event loop read all requests that have arrived before the first of them is answered. Each response wakes up
 * its reader; where reading and answering alternate, the reader has gone back to sleep by the next one, and waking it
 * up takes 24 of the 54 µs that such a request costs. Routes that wait for the database get that by waiting.
 */
const inNextPhase: preHandlerHookHandler = (_request, _reply, done) => {
  setImmediate(done)
}

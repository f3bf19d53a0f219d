import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RouteTable } from '../src/http/route-table.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The methods of a path as the `Allow` header has them; undefined where no route has this path. */
    allowedMethods (path: string): string | undefined
  }
}

/**
 * Knows which methods each path has, and answers OPTIONS with them. Preflights are CORS' to answer, before this. Load
 * balancers send OPTIONS as a health check, so that no token is asked for and nothing is counted towards a limit; log
 * and metrics have it under the route of its path, a probe's at DEBUG.
 */
export default fp(async function allowedMethods (app) {
  const routes = new RouteTable()
  app.decorate('allowedMethods', (path: string) => routes.find(path)?.allow)
  app.addHook('onRoute', ({ method, url, config }) => {
    if (config?.handle !== undefined) routes.add([method].flat(), url, config.handle)
  })

  // Before a body is read, which no OPTIONS has a use for.
  app.addHook('onRequest', function answerOptions (request, reply, done) {
    if (request.raw.method !== 'OPTIONS' || !request.is404 || !answered(request, reply)) done()
  })

  function answered (request: FastifyRequest, reply: FastifyReply): boolean {
    const { exchange } = request
    const found = exchange.path === '*' ? { allow: routes.methods } : routes.find(exchange.path)
    if (found === undefined) return false
    if ('options' in found) exchange.route = found.options
    reply.code(204).header('allow', found.allow).send()
    return true
  }
}, { name: 'allowed-methods', dependencies: ['request-context', 'security'] })

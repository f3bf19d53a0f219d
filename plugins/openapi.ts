import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import type { FastifyReply } from 'fastify'

export interface OpenapiOptions {
  name: string
  version: string
  enabled: boolean
}

/** Describes every route as OpenAPI 3.1 and shows it at `/docs`. */
export default fp<OpenapiOptions>(async function openapi (app, { name, version, enabled }) {
  if (!enabled) return
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: name,
        version,
        description: 'An open, API-first training service for runners: plans, workouts and recorded runs in, training science out.',
        license: { name: 'MIT', identifier: 'MIT' }
      },
      servers: [{ url: '/' }],
      tags: [{ name: 'Accounts' }, { name: 'Plans' }, { name: 'Activities' }, { name: 'Operations' }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, metricsToken: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }]
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => typeof json.$id === 'string' ? json.$id : `Schema${index}` }
  })
  // The page sets styles from its script and shows images it carries: that much more than `default-src 'self'`, and no script but its own.
  const policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'"
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { docExpansion: 'list', persistAuthorization: false },
    uiHooks: {
      onRequest (_request, reply, next) {
        widen(reply, policy)
        next()
      }
    }
  })
}, { name: 'openapi', dependencies: ['security', 'error-envelope'] })

function widen (reply: FastifyReply, policy: string): void {
  reply.header('content-security-policy', policy)
}

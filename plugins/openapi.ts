import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import type { FastifySchema } from 'fastify'
import { completeDocument } from '../src/openapi/complete.ts'
import type { ApiDocument } from '../src/openapi/document.ts'

export interface OpenapiOptions {
  name: string
  version: string
  enabled: boolean
  /** Whether `/metrics` asks for a token. */
  metricsToken: boolean
}

const METRICS_TOKEN = { type: 'http', scheme: 'bearer', description: 'The METRICS_TOKEN of this service.' } as const
const DOCUMENTS = new Set(['/docs/json', '/docs/yaml'])
/** Pages of the plugin that are not ours. */
const OWN_PAGES = new Set(['/docs/static/', '/docs/static/index.html'])

/** Describes every route as OpenAPI 3.1 and shows it at `/docs`. */
export default fp<OpenapiOptions>(async function openapi (app, { name, version, enabled, metricsToken }) {
  if (!enabled) return
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: name,
        version,
        description:
          'An open, API-first training service for runners: it stores training plans and recorded activities, and ' +
          'computes distance, pace, elevation and training load from them.',
        contact: { name: 'The operator of this service' },
        license: { name: 'MIT', identifier: 'MIT' }
      },
      tags: [
        { name: 'Accounts', description: 'Accounts, sessions, API keys and physiology settings.' },
        { name: 'Plans', description: 'Training plans.' },
        { name: 'Workouts', description: 'What a plan asks for on its days.' },
        { name: 'Activities', description: 'Recorded activities and their files.' },
        { name: 'Imports', description: 'Imports of many files, and what became of each.' },
        { name: 'Gear', description: 'Shoes and other gear, and the distance covered with them.' },
        { name: 'Goals', description: 'Targets for a period, and the progress towards them.' },
        { name: 'Analytics', description: 'What activities add up to: volume and load.' },
        { name: 'Calculators', description: 'Race equivalents and the load model, for everybody.' },
        { name: 'Operations', description: 'Health, metrics and information for operators.' }
      ],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'An access token, which is valid for 15 minutes, or an API key (`rt_…`).'
          },
          ...(metricsToken ? { metricsToken: METRICS_TOKEN } : {})
        }
      },
      security: [{ bearer: [] }]
    },
    transform: ({ schema, url }) => ({ schema: withBytes(schema), url: url === '/' ? url : url.replace(/\/$/, '') }),
    transformObject: (parts) =>
      'openapiObject' in parts ? (completeDocument(parts.openapiObject as ApiDocument) as object) : parts.swaggerObject,
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) =>
        typeof json.$id === 'string' ? json.$id : `Schema${index}`
    }
  })
  // The page sets styles by its script and shows images in `data:` URLs; scripts are its own files alone. The document
  // itself keeps the policy of every other answer.
  const policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'"
  await app.register(async (scope) => {
    scope.addHook('onRequest', function prepare ({ raw, exchange }, reply, done) {
      const isDocument = DOCUMENTS.has(exchange.path)
      if (!isDocument) reply.header('content-security-policy', policy)
      // The file server answers these with errors of its own, and no file here is so large that a part of it is of use.
      for (const name of ['range', 'if-range', 'if-match', 'if-unmodified-since']) delete raw.headers[name]
      // The plugin's own page shows the document of another service, and a query confuses its relative addresses.
      const isPage = exchange.path === '/docs' || exchange.path === '/docs/'
      if (OWN_PAGES.has(exchange.path)) reply.redirect('../../docs')
      else if (isPage && raw.url !== exchange.path) reply.redirect(exchange.path === '/docs' ? 'docs' : '../docs')
      // Out of the folder of files: the file server would answer 400, 403 or 404.
      else if (app.allowedMethods(exchange.path) === undefined) reply.callNotFound()
      else done()
    })
    await scope.register(swaggerUi, {
      routePrefix: '/docs',
      // Its addresses are relative, so that a proxy may serve it under a prefix of its own.
      indexPrefix: '.',
      uiConfig: { docExpansion: 'list', persistAuthorization: false }
    })
  })
}, { name: 'openapi', dependencies: ['allowed-methods'] })

/**
 * A body without a schema is a file: the body itself in each media type of the route, or the one file of a form. A
 * route that takes forms alone takes many files.
 */
function withBytes (schema: FastifySchema): FastifySchema {
  if (schema?.consumes === undefined || schema.body !== undefined) return schema
  const file = { type: 'string', contentMediaType: 'application/octet-stream', description: 'The file' }
  const files = { type: 'array', items: file, minItems: 1, description: 'Recordings and ZIP archives' }
  const isAlone = schema.consumes.length === 1
  const form = isAlone
    ? { type: 'object', required: ['files'], properties: { files } }
    : { type: 'object', required: ['file'], properties: { file } }
  const content = Object.fromEntries(
    schema.consumes.map((type) => [type, { schema: type === 'multipart/form-data' ? form : { format: 'binary' } }])
  )
  return { ...schema, body: { content } }
}

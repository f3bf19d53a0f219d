import { Ajv2020 } from 'ajv/dist/2020.js'

/**
 * What an OpenAPI 3.1 document is made of, as far as this service uses it: narrower than the specification, so that
 * what passes is valid there.
 */
const strict = (properties: object, required: string[] = []) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false
})
const mapOf = (inner: object, keys?: string) => ({
  type: 'object',
  additionalProperties: inner,
  ...(keys === undefined ? {} : { propertyNames: { pattern: keys } })
})
const text = { type: 'string', minLength: 1 }
const schema = { type: 'object' }
const reference = strict({ $ref: { type: 'string', pattern: '^#/' } }, ['$ref'])
const orReference = (inner: object) => ({ if: { required: ['$ref'] }, then: reference, else: inner })
const examples = mapOf(strict({ summary: text, value: {} }, ['value']))
const media = {
  ...strict({ schema, example: {}, examples, encoding: { type: 'object' } }, ['schema']),
  not: { required: ['example', 'examples'] }
}
const content = { ...mapOf(media, '^[a-z]+/[a-z0-9.+-]+$'), minProperties: 1 }
const header = strict({ description: text, schema, example: {} }, ['description', 'schema'])
const parameterParts = {
  description: text,
  schema,
  example: {},
  examples,
  in: { enum: ['query', 'path', 'header'] },
  name: text,
  required: { type: 'boolean' }
}
const parameter = {
  ...strict(parameterParts, ['name', 'in', 'schema']),
  if: { properties: { in: { const: 'path' } } },
  then: { properties: { required: { const: true } }, required: ['required'] }
}
const response = strict({ description: text, headers: mapOf(orReference(header)), content }, ['description'])
const security = { type: 'array', items: mapOf({ type: 'array', items: text }) }
const operation = strict({
  operationId: { type: 'string', pattern: '^[a-z]+([A-Z][a-z]*)*$' },
  summary: text,
  description: text,
  tags: { type: 'array', items: text, minItems: 1 },
  security,
  parameters: { type: 'array', items: orReference(parameter) },
  requestBody: strict({ description: text, required: { type: 'boolean' }, content }, ['content']),
  responses: { ...mapOf(orReference(response), '^[1-5]\\d\\d$'), minProperties: 1 }
}, ['operationId', 'summary', 'description', 'tags', 'responses'])

const DOCUMENT = strict(
  {
    openapi: { type: 'string', pattern: '^3\\.1\\.\\d+$' },
    info: strict(
      {
        title: text,
        version: text,
        description: text,
        contact: strict({ name: text, url: text, email: text }),
        license: strict({ name: text, identifier: text }, ['name'])
      },
      ['title', 'version']
    ),
    servers: { type: 'array', items: strict({ url: text, description: text }, ['url']) },
    tags: { type: 'array', items: strict({ name: text, description: text }, ['name']) },
    security,
    paths: mapOf(
      {
        type: 'object',
        propertyNames: { enum: ['get', 'put', 'post', 'delete', 'patch'] },
        additionalProperties: operation
      },
      '^/'
    ),
    components: strict({
      schemas: mapOf(schema, '^[A-Za-z0-9._-]+$'),
      responses: mapOf(response, '^[A-Za-z0-9._-]+$'),
      parameters: mapOf(parameter, '^[A-Za-z0-9._-]+$'),
      headers: mapOf(header, '^[A-Za-z0-9._-]+$'),
      securitySchemes: mapOf(
        strict({ type: { const: 'http' }, scheme: { const: 'bearer' }, description: text, bearerFormat: text }, [
          'type',
          'scheme'
        ])
      )
    })
  },
  ['openapi', 'info', 'paths']
)

/**
 * What is wrong with the form of a document, and of every schema in it by JSON Schema's own; empty where nothing is.
 */
export function structureProblems (document: object): string[] {
  const ajv = new Ajv2020({ strict: false, allErrors: true, logger: false })
  const validate = ajv.compile(DOCUMENT)
  const problems = validate(document)
    ? []
    : (validate.errors ?? []).map(
        ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`
      )
  visit(document, '', (place, found) => {
    if (!ajv.validateSchema(found)) problems.push(`${place}: ${ajv.errorsText()}`)
  })
  return problems
}

/** Finds the schemas, which stand under `schema` and in `components.schemas`. */
function visit (node: unknown, place: string, found: (place: string, schema: object) => void): void {
  if (typeof node !== 'object' || node === null) return
  for (const [key, inner] of Object.entries(node)) {
    const at = `${place}/${key}`
    if (key === 'example' || key === 'examples') continue
    if (key === 'schema' || /^\/components\/schemas\/[^/]+$/.test(at)) found(at, inner as object)
    else visit(inner, at, found)
  }
}

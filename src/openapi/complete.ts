import { REQUEST_HEADERS, RESPONSE_HEADERS, type RequestHeader, type ResponseHeader } from '../../schemas/headers.ts'
import type { ApiDocument, Media, Operation, Parameter, Response } from './document.ts'
import { resolveIn } from './document.ts'
import { ERROR_RESPONSES, errorResponses, headersOf } from './error-responses.ts'
import { exampleOf, type Schema } from './example.ts'
import { describeItems, hoistNamedSchemas, nameFormats } from './schemas.ts'

/** Errors that any request can get before its route runs. */
const ANY_REQUEST = [400, 408, 414, 417, 431, 500]
/** Errors that any request of the API can get: it is limited, and shed under load. */
const ANY_CALL = [429, 503]
const API = '/api/'
/** Relative to the document, which is at `/docs/json`: right also behind a proxy that adds a prefix. */
const SERVER = { url: '..', description: 'The service this document comes from' }
const WRITES = new Set(['post', 'put', 'patch', 'delete'])
const RATE_LIMIT: ResponseHeader[] = ['RateLimitLimit', 'RateLimitRemaining', 'RateLimitReset']

/**
 * Completes every operation with what is common to its kind, so that no route has to repeat it: the headers of request
 * and responses, the errors that come from hooks and not from the route, and an example for each schema. What a route
 * describes itself stays.
 */
export function completeDocument (document: ApiDocument): ApiDocument {
  const { components, paths } = document
  document.servers = [SERVER]
  components.headers = Object.fromEntries(
    Object.entries(RESPONSE_HEADERS).map(([key, { name, ...header }]) => [key, header])
  )
  components.parameters = Object.fromEntries(
    Object.entries(REQUEST_HEADERS).map(([key, header]) => [key, { ...header, in: 'header', required: false }])
  )
  /** Whether an item of the collection at a path can be read by itself. */
  const isRead = (collection: string) =>
    Object.entries(paths).some(
      ([path, operations]) => path.startsWith(`${collection}/{`) && path.endsWith('}') && operations.get !== undefined
    )
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) complete(operation, method, path, isRead)
  }
  components.responses = errorResponses()
  describeItems(document)
  nameFormats(document)
  hoistNamedSchemas(document)
  addExamples(document)
  return document
}

function complete (operation: Operation, method: string, path: string, isRead: (collection: string) => boolean): void {
  const isApi = path.startsWith(API)
  const isSecured = operation.security === undefined || operation.security.length > 0
  const { responses } = operation
  // A parameter with a default need not be sent.
  for (const parameter of operation.parameters ?? []) {
    if (parameter.schema?.default !== undefined) parameter.required = false
  }
  const resource = Object.entries(responses).some(([status, response]) => status === '200' && isResource(response))

  addParameter(operation, 'RequestId')
  if (responses[412] !== undefined) addParameter(operation, 'IfMatch')
  if ((isApi && method === 'get' && resource) || responses[304] !== undefined) {
    addParameter(operation, 'IfNoneMatch')
    responses[304] = { description: 'Not modified: the client already has the current version.' }
  }

  const statuses = [...ANY_REQUEST]
  if (isApi) statuses.push(...ANY_CALL)
  if (isSecured) statuses.push(401)
  if (isApi && isSecured && WRITES.has(method)) statuses.push(403)
  // A body is checked also where the route has none.
  if (operation.requestBody !== undefined || (isApi && WRITES.has(method))) statuses.push(413, 415)
  if (isApi) statuses.push(422)
  for (const status of statuses) responses[status] ??= { description: '' }

  for (const [status, response] of Object.entries(responses)) {
    const name = ERROR_RESPONSES[status]
    if (name !== undefined && isEnvelope(response)) {
      responses[status] = { $ref: `#/components/responses/${name}` } as Response
    } else {
      describe(response, {
        status,
        method,
        operation,
        isApi,
        isFound: isRead(path) || isRead(path.replace(/\/[^/]*$/, ''))
      })
    }
  }
}

/** Completes a response that is no error. `isFound`: whether the created resource has an address of its own. */
function describe (
  response: Response,
  {
    status,
    method,
    operation,
    isApi,
    isFound
  }: { status: string; method: string; operation: Operation; isApi: boolean; isFound: boolean }
): void {
  const headers: ResponseHeader[] = ['RequestId']
  if (
    status === '202' ||
    (isFound && (status === '201' || (status === '200' && operation.responses[201] !== undefined)))
  ) { headers.push('Location') }
  if (isApi && (operation.responses[304] !== undefined || (status < '300' && isTagged(response)))) headers.push('ETag')
  if (method === 'post' && operation.parameters?.some(({ name }) => name?.toLowerCase() === 'idempotency-key') === true) { headers.push('IdempotentReplayed') }
  if (isApi) headers.push(...RATE_LIMIT)
  response.headers = { ...headersOf(headers), ...response.headers }
  if (response.description === 'Default Response') response.description = DESCRIPTIONS[status] ?? 'Success.'
}

const DESCRIPTIONS: Record<string, string> = {
  200: 'Success.',
  201: 'Created.',
  202: 'Accepted; the work continues in the background.',
  503: 'Unavailable at the moment.'
}

function isEnvelope ({ content, description }: Response): boolean {
  return description === '' || Object.values(content ?? {})[0]?.schema?.$ref === '#/components/schemas/ErrorEnvelope'
}

/** Whether the response is one resource with an id, whose version an ETag can name. */
function isResource ({ content }: Response): boolean {
  return content?.['application/json']?.schema?.properties?.id !== undefined
}

/**
 * Whether the response has an ETag. One with a secret key is not to be cached, and has none; proposed changes have that
 * of the plan that they are for.
 */
function isTagged (response: Response): boolean {
  const title = response.content?.['application/json']?.schema?.title
  return title === 'ProposedAdaptation' || (isResource(response) && title !== 'CreatedApiKey')
}

function addParameter (operation: Operation, key: RequestHeader): void {
  operation.parameters ??= []
  const { name } = REQUEST_HEADERS[key]
  if (operation.parameters.some((parameter) => parameter.name?.toLowerCase() === name.toLowerCase())) return
  operation.parameters.push({ $ref: `#/components/parameters/${key}` } as Parameter)
}

function addExamples (document: ApiDocument): void {
  const resolve = resolveIn(document)
  const illustrate = (medium: Media, name = '') => {
    const { schema } = medium
    if (schema === undefined || medium.example !== undefined || medium.examples !== undefined || isBytes(schema)) return
    medium.example = exampleOf(schema, resolve, name)
  }
  for (const operation of Object.values(document.paths).flatMap((operations) => Object.values(operations))) {
    // “Try it out” sends the examples of parameters: an example of a filter would empty the list.
    for (const parameter of operation.parameters ?? []) {
      if (parameter.required === true) illustrate(parameter as Media, parameter.name)
    }
    const contents = [
      operation.requestBody?.content,
      ...Object.values(operation.responses).map(({ content }) => content)
    ]
    for (const content of contents) for (const medium of Object.values(content ?? {})) illustrate(medium)
  }
}

function isBytes (schema: Schema): boolean {
  return (
    Object.keys(schema).length === 0 ||
    schema.format === 'binary' ||
    Object.values(schema.properties ?? {}).some(
      ({ contentMediaType, items }) => contentMediaType !== undefined || items?.contentMediaType !== undefined
    )
  )
}

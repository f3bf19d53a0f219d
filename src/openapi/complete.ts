import { REQUEST_HEADERS, RESPONSE_HEADERS, type RequestHeader, type ResponseHeader } from '../../schemas/headers.ts'
import type { ApiDocument, Media, Operation, Parameter, Response } from './document.ts'
import { resolveIn } from './document.ts'
import { ERROR_RESPONSES, errorResponses, headersOf } from './error-responses.ts'
import { exampleOf, type Schema } from './example.ts'
import { hoistNamedSchemas, nameFormats } from './schemas.ts'

/** What any request can meet before a route has anything to say of it. */
const ANY_REQUEST = [400, 408, 414, 417, 431, 500]
/** What any request of the API can meet, which is limited, and shed under load. */
const ANY_CALL = [429, 503]
const API = '/api/'
/** Relative to the document, which is at `/docs/json`: right also behind a proxy that adds a prefix. */
const SERVER = { url: '..', description: 'The service this document comes from' }
const WRITES = new Set(['post', 'put', 'patch', 'delete'])
const RATE_LIMIT: ResponseHeader[] = ['RateLimitLimit', 'RateLimitRemaining', 'RateLimitReset']

/**
 * Says of every operation what is true of all of its kind, so that no route has to: its id, the headers of request and
 * answers, the errors that come from what stands before the route, and an example wherever there is a schema. What a
 * route says itself stays.
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
  /** Whether what is in the collection at a path can be read by itself. */
  const isRead = (collection: string) =>
    Object.entries(paths).some(
      ([path, operations]) => path.startsWith(`${collection}/{`) && path.endsWith('}') && operations.get !== undefined
    )
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) complete(operation, method, path, isRead)
  }
  components.responses = errorResponses()
  nameFormats(document)
  hoistNamedSchemas(document)
  addExamples(document)
  return document
}

function complete (operation: Operation, method: string, path: string, isRead: (collection: string) => boolean): void {
  operation.operationId ??= operationId(method, path)
  const isApi = path.startsWith(API)
  const isSecured = operation.security === undefined || operation.security.length > 0
  const { responses } = operation
  // What has a default need not be sent.
  for (const parameter of operation.parameters ?? []) {
    if (parameter.schema?.default !== undefined) parameter.required = false
  }
  const resource = Object.entries(responses).some(([status, response]) => status === '200' && isResource(response))

  addParameter(operation, 'RequestId')
  if (responses[412] !== undefined) addParameter(operation, 'IfMatch')
  if ((isApi && method === 'get' && resource) || responses[304] !== undefined) {
    addParameter(operation, 'IfNoneMatch')
    responses[304] = { description: 'The caller has the present state already.' }
  }

  const statuses = [...ANY_REQUEST]
  if (isApi) statuses.push(...ANY_CALL)
  if (isSecured) statuses.push(401)
  if (isApi && isSecured && WRITES.has(method)) statuses.push(403)
  // A body is looked at also where none is wanted.
  if (operation.requestBody !== undefined || (isApi && WRITES.has(method))) statuses.push(413, 415)
  if (isApi) statuses.push(422)
  for (const status of statuses) responses[status] ??= { description: '' }

  for (const [status, response] of Object.entries(responses)) {
    const name = ERROR_RESPONSES[status]
    if (name !== undefined && isEnvelope(response)) { responses[status] = { $ref: `#/components/responses/${name}` } as Response } else {
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

/** Of an answer that is no error. `isFound`: whether what is made there has an address of its own. */
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
  if (response.description === 'Default Response') response.description = DESCRIPTIONS[status] ?? 'Done.'
}

const DESCRIPTIONS: Record<string, string> = {
  200: 'Here it is.',
  201: 'Made.',
  202: 'Taken; it is being worked on.',
  503: 'Not at the moment.'
}

function isEnvelope ({ content, description }: Response): boolean {
  return description === '' || Object.values(content ?? {})[0]?.schema?.$ref === '#/components/schemas/ErrorEnvelope'
}

/** One thing with an id of its own, which has a state that an ETag can name. */
function isResource ({ content }: Response): boolean {
  return content?.['application/json']?.schema?.properties?.id !== undefined
}

/** What is shown once is not to be kept, and has no ETag. */
function isTagged (response: Response): boolean {
  return isResource(response) && response.content?.['application/json']?.schema?.title !== 'MadeApiKey'
}

function addParameter (operation: Operation, key: RequestHeader): void {
  operation.parameters ??= []
  const { name } = REQUEST_HEADERS[key]
  if (operation.parameters.some((parameter) => parameter.name?.toLowerCase() === name.toLowerCase())) return
  operation.parameters.push({ $ref: `#/components/parameters/${key}` } as Parameter)
}

/** `patch /api/v1/plans/{plan_id}` is patchPlan, `get /health/live` is getHealthLive. */
export function operationId (method: string, path: string): string {
  const words: string[] = []
  for (const segment of path.replace(/^\/api\/v\d+/, '').split('/').filter(Boolean)) {
    if (!segment.startsWith('{')) words.push(segment)
    else if (/s$/.test(words.at(-1) ?? '')) words.push((words.pop() as string).replace(/ies$/, 'y').replace(/s$/, ''))
    else words.push(`by-${segment.slice(1, -1)}`)
  }
  if (words.length === 0) words.push('welcome')
  const camel = words
    .join('-')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
  return `${method}${camel}`
}

function addExamples (document: ApiDocument): void {
  const resolve = resolveIn(document)
  const illustrate = (medium: Media, name = '') => {
    const { schema } = medium
    if (schema === undefined || medium.example !== undefined || medium.examples !== undefined || isBytes(schema)) return
    medium.example = exampleOf(schema, resolve, name)
  }
  for (const operation of Object.values(document.paths).flatMap((operations) => Object.values(operations))) {
    // The page of the documentation sends an example: one of a filter would be in the way of whoever only tries.
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

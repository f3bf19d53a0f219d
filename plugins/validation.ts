import { isUtf8 } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { Ajv, type ValidateFunction } from 'ajv'
import fp from 'fastify-plugin'
import type { FastifyRequest } from 'fastify'
import { AppError, unfit } from '../src/errors.ts'
import { LONG_TEXT, MAX_DEPTH, parseLong, tooDeep } from '../src/http/long-json.ts'
import { withTags } from '../src/http/tagged-unions.ts'
import { FORMATS } from '../schemas/formats.ts'

interface ObjectSchema {
  properties?: Record<string, { type?: string | string[], format?: string, maxItems?: number }>
}

/** The one spelling of numbers and booleans in a query or path. */
const FORMS: Record<string, RegExp> = { integer: /^-?\d+$/, number: /^-?\d+(\.\d+)?$/, boolean: /^(true|false)$/ }

const MANY_VALUES = 1000
const MANY_ITEMS = 100
const [QUOTE, BACKSLASH, BRACKET, BRACKET_END, BRACE, BRACE_END] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Validates requests by the schema of their route without changing them: Fastify's default settings would turn `null`
 * into 0 and drop unknown fields. Only in query and path, where every value is text, are numbers and booleans parsed,
 * in one spelling each.
 */
export default fp(async function validation (app) {
  const settings = {
    allErrors: true,
    useDefaults: true,
    removeAdditional: false,
    strict: false,
    discriminator: true,
    formats: FORMATS
  } as const
  const asSent = new Ajv({ ...settings, coerceTypes: false })
  const firstOnly = new Ajv({ ...settings, coerceTypes: false, allErrors: false })
  const asText = new Ajv({ ...settings, coerceTypes: true })

  const usuallyLarge: Array<() => unknown> = []

  app.setValidatorCompiler<ObjectSchema>(({ schema, httpPart }) => {
    if (httpPart === 'body') {
      const precise = withTags(schema)
      let first: ValidateFunction | undefined
      const compileFirst = (): ValidateFunction => {
        first ??= firstOnly.compile(precise)
        return first
      }
      if (hasManyItems(schema)) usuallyLarge.push(compileFirst)
      return bounded(asSent.compile(precise), compileFirst)
    }
    const validate = asText.compile(schema)
    return httpPart === 'headers' ? validate : strictText(validate, schema)
  })

  app.addHook('onListen', async () => {
    for (const compile of usuallyLarge) {
      await setImmediate()
      compile()
    }
  })

  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith('/api/')) return
    // A route that describes no query takes none: an unknown parameter would be dropped without a word.
    route.schema = {
      ...route.schema,
      querystring: route.schema?.querystring ?? { type: 'object', properties: {}, additionalProperties: false }
    }
    if (route.method === 'DELETE' && route.schema.body === undefined) {
      route.onRequest = [...[route.onRequest ?? []].flat(), ignoreTypeOfNoBody]
    }
    if (route.schema.body === undefined && route.schema.consumes === undefined) {
      route.preValidation = [...[route.preValidation ?? []].flat(), refuseFields]
    }
  })

  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, function parseJson (request, body, done) {
    if (body.length === 0 && request.routeOptions.schema?.body === undefined) {
      done(null, undefined)
      return
    }
    const problem = problemOf(request, body as Buffer)
    if (problem !== undefined) {
      done(problem)
      return
    }
    const text = (body as Buffer).toString('utf8')
    if (text.length >= LONG_TEXT) {
      parseLong(text, (part) => new Promise((resolve, reject) => {
        parsePlain(request, part, (error, value) => error === null ? resolve(value) : reject(error))
      })).then((value) => done(null, value), done)
    } else if (isDeep(text)) done(tooDeep())
    else parsePlain(request, text, done)
  })

  function parsePlain (
    request: FastifyRequest,
    text: string,
    done: (error: Error | null, value?: unknown) => void
  ): void {
    parse(request, text, (error, value) => {
      if (error === null && text.includes('\\u') && !isPlainText(value)) {
        done(new AppError('MALFORMED_JSON', 'A string contains a NUL character or an unpaired surrogate'))
      } else done(error, value)
    })
  }
}, { name: 'validation' })

/** Many clients send the content type of JSON with every request. Without a body, Fastify would refuse it. */
function ignoreTypeOfNoBody ({ raw: { headers } }: FastifyRequest, _reply: unknown, done: () => void): void {
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) {
    delete headers['content-type']
  }
  done()
}

/** Fields in the body of a request that takes none would be dropped without a word. */
function refuseFields ({ body }: FastifyRequest, _reply: unknown, done: (error?: Error) => void): void {
  const [field] = typeof body === 'object' && body !== null ? Object.keys(body) : []
  done(field === undefined ? undefined : unfit(field, 'body', 'is not a known field'))
}

/** Whether a body may be a list of so many items that it is large in ordinary use. */
function hasManyItems ({ properties = {} }: ObjectSchema): boolean {
  return Object.values(properties).some(({ maxItems = 0 }) => maxItems >= MANY_ITEMS)
}

/**
 * Reports every error of a body of ordinary size, and the first error of a larger one: a list of 80,000 unknown fields
 * took the event loop for 0.7 s. Few bodies are large: what validates them is compiled when the first comes, but for
 * lists, where it would take the first client's time, and 30 ms of the event loop.
 */
function bounded (all: ValidateFunction, compileFirst: () => ValidateFunction) {
  return (data: unknown) => {
    const validate = isLarge(data) ? compileFirst() : all
    return validate(data) ? { value: data } : { error: validate.errors ?? [] }
  }
}

/** Whether a value holds more values than any body that a person or an app writes for one thing. */
function isLarge (root: unknown): boolean {
  const left = [root]
  for (let count = 0; left.length > 0; count++) {
    if (count + left.length > MANY_VALUES) return true
    const value = left.pop()
    if (typeof value !== 'object' || value === null) continue
    const inner = Object.values(value)
    if (inner.length > MANY_VALUES) return true
    left.push(...inner)
  }
  return false
}

function problemOf (request: FastifyRequest, body: Buffer): AppError | undefined {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    return new AppError('UNSUPPORTED_MEDIA_TYPE', 'The body of this request must not be compressed', {
      headers: { 'accept-encoding': 'identity' }
    })
  }
  const charset = /charset\s*=\s*"?([^\s;"]*)/i.exec(request.headers['content-type'] ?? '')?.[1]
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset)) {
    return new AppError('UNSUPPORTED_MEDIA_TYPE', 'JSON must be encoded in UTF-8')
  }
  return isUtf8(body) ? undefined : new AppError('MALFORMED_JSON', 'The body is not valid UTF-8')
}

/** Whether JSON text is nested deeper than MAX_DEPTH; brackets inside strings do not count. */
function isDeep (text: string): boolean {
  let depth = 0
  let isText = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (isText) {
      if (code === BACKSLASH) at++
      else if (code === QUOTE) isText = false
    } else if (code === QUOTE) isText = true
    else if (code === BRACKET || code === BRACE) {
      if (++depth > MAX_DEPTH) return true
    } else if (code === BRACKET_END || code === BRACE_END) depth--
  }
  return false
}

/** Whether PostgreSQL can store every string in the value: escapes can write a NUL or an unpaired surrogate. */
function isPlainText (root: unknown): boolean {
  const left = [root]
  while (left.length > 0) {
    const value = left.pop()
    if (typeof value === 'string') {
      if (!WELL_FORMED.test(value)) return false
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (!WELL_FORMED.test(key)) return false
        left.push(inner)
      }
    }
  }
  return true
}

// With the flag `u`, only an unpaired surrogate matches.
const WELL_FORMED = /^[^\0\p{Surrogate}]*$/u

/**
 * Adds to Ajv the check of spelling, as it would read "0x1F" as 31 and " " as 0, and that of the order of days: every
 * query with `from` and `to` refuses a range that ends before it starts.
 */
function strictText (validate: ValidateFunction, { properties = {} }: ObjectSchema) {
  const forms = Object.entries(properties).flatMap(([name, { type }]) => {
    const form = typeof type === 'string' ? FORMS[type] : undefined
    return form === undefined ? [] : [{ name, form, kind: String(type) }]
  })
  const texts = Object.keys(properties)
  const isRange = properties.from?.format === 'date' && properties.to?.format === 'date'
  return Object.assign((data: Record<string, unknown>) => {
    for (const { name, form, kind } of forms) {
      const value = data[name]
      if (value !== undefined && !(typeof value === 'string' && form.test(value))) {
        return wrong(name, `must be ${kind}`, { type: kind })
      }
    }
    for (const name of texts) {
      const value = data[name]
      if (typeof value === 'string' && !WELL_FORMED.test(value)) {
        return wrong(name, 'must not contain NUL or an unpaired surrogate')
      }
    }
    if (!validate(data)) return { error: validate.errors ?? [] }
    if (isRange && isAfter(data.from, data.to)) return wrong('to', 'must not be before from')
    return { value: data }
  }, {})
}

function isAfter (from: unknown, to: unknown): boolean {
  return typeof from === 'string' && typeof to === 'string' && from > to
}

function wrong (name: string, message: string, params: Record<string, unknown> = {}) {
  return { error: [{ instancePath: `/${name}`, keyword: 'type', message, params, schemaPath: '' }] }
}

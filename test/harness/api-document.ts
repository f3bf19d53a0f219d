import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { FORMATS } from '../../schemas/formats.ts'
import type { ApiDocument, Operation, Parameter, Response } from '../../src/openapi/document.ts'

/** One operation of the document, with its references resolved. */
export interface Described {
  method: string
  path: string
  operation: Operation & { operationId: string }
  parameters: Parameter[]
  responses: Record<string, Response>
}

/** The document as a test asks it: what there is, and whether an answer is as it says. */
export class Contract {
  readonly document: ApiDocument
  readonly operations: Described[]
  readonly #ajv: Ajv2020

  constructor (document: ApiDocument) {
    this.document = document
    this.#ajv = new Ajv2020({ strict: false, allErrors: true, formats: FORMATS })
    addFormats.default(this.#ajv)
    this.#ajv.addSchema({ $id: 'document', ...document })
    this.operations = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        method,
        path,
        operation: operation as Described['operation'],
        parameters: (operation.parameters ?? []).map((parameter) => this.follow(parameter)),
        responses: Object.fromEntries(
          Object.entries(operation.responses).map(([status, response]) => [status, this.follow(response)])
        )
      }))
    )
  }

  follow<T extends { $ref?: string }>(part: T): T {
    if (part.$ref === undefined) return part
    const found = part.$ref
      .split('/')
      .slice(1)
      .reduce<any>((inner, key) => inner?.[key], this.document)
    if (found === undefined) throw new Error(`The document has no ${part.$ref}`)
    return found as T
  }

  /** What is wrong with a value by the schema at this place of the document; empty where nothing is. */
  problems (pointer: string[], value: unknown): string[] {
    const reference = `document#/${pointer.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`
    const validate = this.#ajv.getSchema(reference) ?? this.#ajv.compile({ $ref: reference })
    return validate(value)
      ? []
      : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }

  /** What an answer has that the document does not say, or has not that it does. */
  deviations (
    { method, path, operation, responses }: Described,
    answer: { status: number; headers: Record<string, unknown>; body: unknown }
  ): string[] {
    const status = String(answer.status)
    const response = responses[status]
    if (response === undefined) return [`${status} is not documented`]
    const found: string[] = []
    const type = String(answer.headers['content-type'] ?? '').split(';')[0] as string
    if (response.content === undefined) {
      if (answer.body !== '' && answer.body !== undefined) found.push('a body where none is documented')
    } else if (response.content[type] === undefined) {
      found.push(`the type ${type} is not documented`)
    } else if (type === 'application/json') {
      const name = operation.responses[status]?.$ref
      const place = name === undefined ? ['paths', path, method, 'responses', status] : name.split('/').slice(1)
      found.push(...this.problems([...place, 'content', type, 'schema'], answer.body))
    }
    for (const header of [
      'etag',
      'location',
      'retry-after',
      'idempotent-replayed',
      'www-authenticate',
      'accept-encoding',
      'x-request-id',
      'ratelimit-limit',
      'ratelimit-remaining',
      'ratelimit-reset'
    ]) {
      const documented = Object.keys(response.headers ?? {}).some((name) => name.toLowerCase() === header)
      if (answer.headers[header] !== undefined && !documented) found.push(`the header ${header} is not documented`)
      if (answer.headers[header] === undefined && documented && ['etag', 'location'].includes(header)) { found.push(`there is no ${header}`) }
    }
    return found.map((problem) => `${method} ${path} ${status}: ${problem}`)
  }
}

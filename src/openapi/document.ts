import type { Schema } from './example.ts'

/** An OpenAPI 3.1 document, as far as this service completes and reads it. */
export interface ApiDocument {
  openapi: string
  info: object
  servers?: Array<{ url: string, description?: string }>
  security?: Security[]
  paths: Record<string, Record<string, Operation>>
  components: {
    schemas: Record<string, Schema>
    responses?: Record<string, Response>
    headers?: Record<string, unknown>
    parameters?: Record<string, unknown>
    securitySchemes?: Record<string, unknown>
  }
}

export type Security = Record<string, string[]>

export interface Media {
  schema?: Schema
  example?: unknown
  examples?: Record<string, { summary?: string, value: unknown }>
  encoding?: Record<string, unknown>
}

export interface Parameter {
  $ref?: string
  name: string
  in: string
  schema?: Schema
  example?: unknown
  [field: string]: unknown
}

export interface Response {
  $ref?: string
  description: string
  headers?: Record<string, unknown>
  content?: Record<string, Media>
}

export interface Operation {
  operationId?: string
  summary?: string
  description?: string
  tags?: string[]
  security?: Security[]
  parameters?: Parameter[]
  requestBody?: { required?: boolean, description?: string, content: Record<string, Media> }
  responses: Record<string, Response>
}

/** Finds the part of the document that a reference names. */
export function resolveIn (document: ApiDocument): (reference: string) => Schema {
  return (reference) => {
    const found = reference
      .split('/')
      .slice(1)
      .reduce<unknown>(
        (part, key) => (part as Record<string, unknown> | undefined)?.[key.replaceAll('~1', '/').replaceAll('~0', '~')],
        document
      )
    if (found === undefined) throw new Error(`The document has no ${reference}`)
    return found as Schema
  }
}

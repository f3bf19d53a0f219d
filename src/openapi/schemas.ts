import { isDeepStrictEqual } from 'node:util'
import { DESCRIBED_ITEMS } from '../../schemas/common.ts'
import type { ApiDocument } from './document.ts'
import type { Schema } from './example.ts'

/** The formats of `schemas/formats.ts` in terms that are known outside of this service. */
const FORMATS: Record<string, Schema> = {
  'email-address': { format: 'email' },
  binary: {}
}
/** Years before 1900 and after 2199 are no valid dates to this service. */
const YEARS: Record<string, string> = { date: '^(19|20|21)\\d\\d-', 'date-time': '^(19|20|21)\\d\\d-' }

/** Replaces every object in the document by the result of `visit`, inner objects first. */
function rewrite (node: unknown, visit: (schema: Schema, key: string) => unknown, key = ''): unknown {
  if (Array.isArray(node)) return node.map((inner) => rewrite(inner, visit, key))
  if (typeof node !== 'object' || node === null) return node
  for (const [name, inner] of Object.entries(node)) {
    (node as Record<string, unknown>)[name] = rewrite(inner, visit, name)
  }
  return visit(node as Schema, key)
}

/** Puts the schema of items that are written as they are where clients look for it. */
export function describeItems (document: ApiDocument): void {
  rewrite(document.paths, (schema) => {
    const { [DESCRIBED_ITEMS]: items, ...rest } = schema as Schema & { [DESCRIBED_ITEMS]?: Schema }
    return items === undefined ? schema : { ...rest, items }
  })
}

/** Replaces the formats of this service by known ones. */
export function nameFormats (document: ApiDocument): void {
  const visit = (schema: Schema): Schema => {
    if (typeof schema.format !== 'string' || schema.type === undefined) return schema
    const year = YEARS[schema.format]
    if (year !== undefined) schema.pattern ??= year
    return Object.assign(schema, FORMATS[schema.format])
  }
  rewrite(document.paths, visit)
  rewrite(document.components.schemas, visit)
}

/**
 * Moves each schema with a title to `components.schemas`, so that generated clients have one type for a plan, wherever
 * it is used.
 */
export function hoistNamedSchemas (document: ApiDocument): void {
  const { schemas } = document.components
  const taken = new Set(Object.values(schemas).map(({ title }) => title))
  rewrite(document.paths, (schema, key) => {
    const { title, type } = schema
    if (typeof title !== 'string' || type !== 'object' || key === 'properties' || taken.has(title)) return schema
    schemas[title] ??= structuredClone(schema)
    return isDeepStrictEqual(schemas[title], schema) ? { $ref: `#/components/schemas/${title}` } : schema
  })
}

import { Type, type Static, type TSchema } from '@sinclair/typebox'

/** The largest page a list answers. */
export const MAX_LIMIT = 200

/** An id of ours: a UUID, version 7, so that newer things sort after older ones. */
export const Id = Type.String({ format: 'uuid', description: 'UUIDv7' })

/** A day of the runner's calendar, `2024-03-01`. */
export const Day = Type.String({ format: 'date', description: 'A day in the runner’s time zone, YYYY-MM-DD' })

/** A moment in UTC, `2024-03-01T06:30:00.000Z`. */
export const Moment = Type.String({ format: 'date-time', description: 'ISO 8601, UTC' })

/** Prose a person wrote: any Unicode but NUL and lone surrogates, which the body parser refuses. */
export function text (maxLength: number, description?: string) {
  return Type.String({ minLength: 1, maxLength, ...(description === undefined ? {} : { description }) })
}

/**
 * The same, or null. A list of types instead of a union wherever there is one: the serializer writes it straight out,
 * where for a union it would validate the value first.
 */
export function nullable<T extends TSchema> (schema: T) {
  if (typeof schema.type !== 'string') return Type.Unsafe<Static<T> | null>(Type.Union([schema, Type.Null()]))
  const values = schema.enum === undefined ? {} : { enum: [...schema.enum, null] }
  return Type.Unsafe<Static<T> | null>({ ...schema, ...values, type: [schema.type, 'null'] })
}

/** What every list takes. */
export const PageQuery = {
  limit: Type.Integer({ minimum: 1, maximum: MAX_LIMIT, default: 50, description: 'How many items at the most' }),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 200, description: 'The `next_cursor` of the page before' })
  )
}

/** What every list answers. */
export function page<T extends TSchema> (item: T) {
  return Type.Object({
    items: Type.Array(item),
    next_cursor: nullable(Type.String({ description: 'Give it as `cursor` for the next page; null on the last' }))
  })
}

export interface Page<Item> {
  items: Item[]
  next_cursor: string | null
}

/** Headers a caller may send to make a write safe. */
export const IfMatch = Type.Object({ 'if-match': Type.Optional(Type.String({ maxLength: 1000 })) })
export type IfMatch = Static<typeof IfMatch>

/** For what has an ETag, though it is no resource in JSON, of which the document knows it. */
export const NotModified = Type.Null({ description: 'The caller has the present state already' })

export const NoContent = Type.Null({ description: 'Done; there is nothing to say' })

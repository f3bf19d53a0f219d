import fc from './fast-check.ts'
import type { Schema } from '../../src/openapi/example.ts'

const HEX = '0123456789abcdef'
const TIME_ZONES = ['UTC', 'Europe/Paris', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Chatham']

const byFormat: Record<string, () => fc.Arbitrary<string>> = {
  date: () => day(),
  'date-time': () =>
    fc
      .tuple(day(), fc.integer({ min: 0, max: 86_399_999 }))
      .map(([date, ms]) => `${date}T${new Date(ms).toISOString().slice(11)}`),
  uuid: () => fc.uuid(),
  email: () =>
    fc.string({ unit: fc.constantFrom(...HEX), minLength: 8, maxLength: 20 }).map((name) => `${name}@example.org`),
  'time-zone': () => fc.constantFrom(...TIME_ZONES)
}

function day (): fc.Arbitrary<string> {
  return fc
    .date({ min: new Date('1900-01-01'), max: new Date('2199-12-31'), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10))
}

/** Values that match a schema, for the keywords that this service uses. */
export function arbitraryOf (schema: Schema, follow: (schema: Schema) => Schema): fc.Arbitrary<unknown> {
  const { anyOf, const: constant, enum: values, type } = follow(schema)
  if (constant !== undefined) return fc.constant(constant)
  if (values !== undefined) return fc.constantFrom(...values)
  if (anyOf !== undefined) return fc.oneof(...anyOf.map((inner) => arbitraryOf(inner, follow)))
  const types = [type].flat().filter((name) => name !== undefined)
  return types.length === 0
    ? fc.jsonValue({ maxDepth: 1 })
    : fc.oneof(...types.map((name) => ofType(name, follow(schema), follow)))
}

function ofType (type: string, schema: Schema, follow: (schema: Schema) => Schema): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.integer({
        min: schema.minimum ?? (schema.exclusiveMinimum ?? -1000) + 1,
        max: schema.maximum ?? 1_000_000
      })
    case 'number':
      return number(schema)
    case 'array':
      return fc.array(arbitraryOf(schema.items ?? {}, follow), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(5, (schema.maxItems as number | undefined) ?? 5)
      })
    case 'object':
      return object(schema, follow)
    default:
      return text(schema)
  }
}

function number ({ minimum, exclusiveMinimum, maximum = 1e6 }: Schema): fc.Arbitrary<number> {
  const min = minimum ?? exclusiveMinimum ?? -1e6
  return fc
    .double({ min, max: maximum, minExcluded: exclusiveMinimum !== undefined, noNaN: true })
    .filter((value) => value === 0 || Math.abs(value) > 1e-6)
}

/**
 * Any Unicode that can be stored: no NUL, no lone surrogate; lengths count code points, as in JSON Schema.
 */
function text ({ format, minLength = 0, maxLength = 200 }: Schema): fc.Arbitrary<string> {
  const known = format === undefined ? undefined : byFormat[format]
  if (known !== undefined) return known()
  const unit = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter((character) => character !== '\0')
  return fc
    .array(unit, { minLength, maxLength: Math.min(maxLength, minLength + 20) })
    .map((characters) => characters.join(''))
}

function object (
  { properties = {}, required = [], minProperties = 0 }: Schema,
  follow: (schema: Schema) => Schema
): fc.Arbitrary<unknown> {
  const parts = Object.fromEntries(
    Object.entries(properties).map(([name, inner]) => [name, arbitraryOf(inner, follow)])
  )
  return fc
    .record(parts, { requiredKeys: required })
    .filter((value) => Object.keys(value).length >= (minProperties as number))
}

/**
 * A body that matches except for one violation: an unknown field, a wrong type, or a missing required field.
 */
export function spoiled (schema: Schema, follow: (schema: Schema) => Schema): fc.Arbitrary<unknown> {
  const { properties = {}, required = [] } = follow(schema)
  return fc
    .tuple(
      arbitraryOf(schema, follow),
      fc.constantFrom('unknown', 'type', ...(required.length > 0 ? ['missing'] : [])),
      fc.nat()
    )
    .map(([value, how, pick]) => {
      const body = { ...(value as Record<string, unknown>) }
      if (how === 'unknown') body.no_such_field = 1
      else if (how === 'missing') delete body[required[pick % required.length] as string]
      else body[Object.keys(properties)[pick % Object.keys(properties).length] as string] = { not: 'this' }
      return how === 'type' &&
        Object.keys(properties).every((name) => [follow(properties[name] as Schema).type].flat().includes('object'))
        ? { ...body, no_such_field: 1 }
        : body
    })
}

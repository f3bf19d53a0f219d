/** A JSON schema, as far as unions are concerned. */
interface JsonSchema {
  type?: unknown
  const?: unknown
  enum?: unknown[]
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
  properties?: Record<string, JsonSchema>
  required?: string[]
  items?: JsonSchema
}

/**
 * A schema by which the same values are valid, and whose errors name the field that is wrong: of a union of objects,
 * only the branch that the tag of a value selects is compared with it, where Ajv would report the errors of each
 * branch, those of the first in front. The tag is the field that each branch requires with values of its own. An
 * object with one constant field is a union of one: a wrong tag is reported, not each field that another branch has.
 * @throws for a union without a tag: no error of it could say which field is wrong
 */
export function withTags (schema: object): object {
  return tagged(schema)
}

function tagged (schema: JsonSchema): JsonSchema {
  const { anyOf, properties, items, ...rest } = schema
  if (schema.oneOf !== undefined) throw new Error('A union of a request is anyOf, not oneOf')
  if (anyOf !== undefined) return union(anyOf)
  const inner: JsonSchema = {
    ...rest,
    ...(items === undefined ? {} : { items: tagged(items) }),
    ...(properties === undefined ? {} : { properties: eachTagged(properties) })
  }
  return schema.type !== 'object' || tagOf([schema]) === undefined ? inner : union([schema])
}

function eachTagged (properties: Record<string, JsonSchema>): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, tagged(property)]))
}

function union (branches: JsonSchema[]): JsonSchema {
  const tag = tagOf(branches)
  if (tag === undefined) throw new Error('The branches of a union need a required field that tells them apart')
  const values = branches.flatMap((branch) => valuesOf(branch.properties?.[tag]))
  return {
    type: 'object',
    required: [tag],
    properties: { [tag]: { enum: values } },
    discriminator: { propertyName: tag },
    oneOf: branches.map((branch) => ({ ...branch, properties: eachTagged(branch.properties ?? {}) }))
  } as JsonSchema
}

/** The first field that every branch requires, with texts that no other branch has. */
function tagOf (branches: readonly JsonSchema[]): string | undefined {
  const [first] = branches
  return first?.required?.find((name) => {
    const values = branches.map(({ properties, required }) => (
      required?.includes(name) === true ? valuesOf(properties?.[name]) : []
    ))
    const all = values.flat()
    const isConstant = branches.length > 1 || all.length === 1
    return isConstant && values.every(({ length }) => length > 0) && new Set(all).size === all.length
  })
}

function valuesOf ({ const: constant, enum: values }: JsonSchema = {}): string[] {
  const all = constant === undefined ? values ?? [] : [constant]
  return all.every((value) => typeof value === 'string') ? all as string[] : []
}

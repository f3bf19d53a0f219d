import postgres from 'postgres'

declare const fragmentBrand: unique symbol

/** A piece of SQL with its values, to be put into a statement. */
export interface Fragment { readonly [fragmentBrand]: true }

/**
 * What may stand in `${}`. Everything goes over the wire as text and is given its type by the SQL around it, so a cast
 * says what is meant: `${day}::date`, `${ids}::uuid[]`, `${json(route)}::jsonb`. Arrays may be nested and hold nulls; a
 * `Date` is sent in UTC.
 */
export type Value = string | number | bigint | boolean | null | Date | Uint8Array | Fragment | readonly Value[]

/**
 * The driver guesses the type of an array from its first element and declares `${[true]}::boolean[]` a boolean; without
 * `fetch_types` it does not know how to write one either. So arrays are written here, and have no type until the SQL
 * gives them one.
 */
class ArrayValue {
  readonly values: readonly unknown[]

  constructor (values: readonly unknown[]) {
    this.values = values
  }

  /** Where the SQL says jsonb, an array is a JSON array. */
  toJSON (): readonly unknown[] {
    return this.values
  }

  toString (): string {
    return arrayLiteral(this.values)
  }
}

function arrayLiteral (values: readonly unknown[]): string {
  return `{${values.map(arrayElement).join(',')}}`
}

function arrayElement (value: unknown): string {
  if (value === null) return 'NULL'
  if (Array.isArray(value)) return arrayLiteral(value)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  return `"${elementText(value).replace(/["\\]/g, '\\$&')}"`
}

function elementText (value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return bytes(value)
  if (typeof value === 'object') return JSON.stringify(value)
  throw new TypeError(`An array for the database holds ${String(value)}`)
}

/**
 * Text of an array → its elements; `null` for SQL's NULL. One dimension or more.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function parseArray (text: string, parseElement: (text: string) => unknown): unknown[] {
  let at = 0
  // A lower bound other than 1 is written in front: [0:1]={1,2}
  if (text[0] === '[') at = text.indexOf('=') + 1
  return list()

  function list (): unknown[] {
    const items: unknown[] = []
    at++
    while (text[at] !== '}') {
      items.push(text[at] === '{' ? list() : text[at] === '"' ? quoted() : bare())
      if (text[at] === ',') at++
    }
    at++
    return items
  }

  function quoted (): unknown {
    let item = ''
    for (at++; text[at] !== '"'; at++) item += text[at] === '\\' ? text[++at] : text[at]
    at++
    return parseElement(item)
  }

  function bare (): unknown {
    const start = at
    while (text[at] !== ',' && text[at] !== '}') at++
    const item = text.slice(start, at)
    return item === 'NULL' ? null : parseElement(item)
  }
}

/**
 * `2024-01-15 10:30:00.123456+00`, as the server writes it in UTC → `2024-01-15T10:30:00.123Z`. Read as text, so
 * nothing is shifted and nothing throws: `infinity` and years of other lengths come back as they are.
 */
export function instant (text: string): string {
  // As nearly all are, with a fraction of three digits at least: four times as fast.
  if (text.length > 25 && text.length < 30 && text[10] === ' ' && text[19] === '.' && text.endsWith('+00')) { return `${text.slice(0, 10)}T${text.slice(11, 23)}Z` }
  if (text.length < 22 || text[10] !== ' ' || !text.endsWith('+00')) return text
  const fraction = text[19] === '.' ? text.slice(20, -3) : ''
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.slice(0, 3).padEnd(3, '0')}Z`
}

const asIs = (text: string) => text
const written = (value: unknown) => value instanceof Date ? value.toISOString() : String(value)
const toNumber = (text: string) => Number(text)
const toBoolean = (text: string) => text === 't'
const bytes = (value: Uint8Array) =>
  `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`

function arrayType (oid: number, parseElement: (text: string) => unknown) {
  return {
    to: oid,
    from: [oid],
    serialize: (value: unknown) => String(value),
    parse: (text: string) => parseArray(text, parseElement)
  }
}

/**
 * How each type is written and read, by its number in pg_type. What is not here is text both ways: numeric, uuid,
 * interval, inet, …
 */
export const TYPES = {
  // The driver passes these through `new Date()`: '2024-02-30' is stored as 1 March, and reading 'infinity' throws.
  date: { to: 1082, from: [1082], serialize: written, parse: asIs },
  timestamp: { to: 1114, from: [1114], serialize: written, parse: asIs },
  timestamptz: { to: 1184, from: [1184], serialize: written, parse: instant },
  // bigint, and with it count(*) and sum() of integers: metres and milliseconds stay far below 2^53.
  int8: { to: 20, from: [20], serialize: written, parse: toNumber },
  // The driver sends every value but `true` as false, 'true' too.
  bool: { to: 16, from: [16], serialize: written, parse: toBoolean },
  boolArray: arrayType(1000, toBoolean),
  int2Array: arrayType(1005, toNumber),
  int4Array: arrayType(1007, toNumber),
  int8Array: arrayType(1016, toNumber),
  float4Array: arrayType(1021, toNumber),
  float8Array: arrayType(1022, toNumber),
  textArray: arrayType(1009, asIs),
  varcharArray: arrayType(1015, asIs),
  uuidArray: arrayType(2951, asIs),
  numericArray: arrayType(1231, asIs),
  dateArray: arrayType(1182, asIs),
  timestamptzArray: arrayType(1185, instant),
  jsonArray: arrayType(199, JSON.parse),
  jsonbArray: arrayType(3807, JSON.parse)
}

/** Never connects: it only makes fragments, which every connection's driver takes. */
const driver = postgres({
  max: 1,
  fetch_types: false,
  socket: () => { throw new TypeError('A fragment is a piece of SQL, no statement: put it into one') }
} as postgres.Options<Record<string, never>>)

type Class<T> = abstract new () => T

const Fragments = driver``.constructor as unknown as Class<{ strings: readonly string[], args: readonly unknown[] }>
const Names = driver('name').constructor as unknown as Class<{ value: string }>
const Records = driver([{}]).constructor as unknown as Class<object>

/** What the values among a statement's are, other than values. */
export const isFragment = (value: object) => value instanceof Fragments
export const isName = (value: object) => value instanceof Names
export const isRecord = (value: object) => value instanceof Records

/**
 * Makes values ready for the driver, in place. `undefined` is a programming error and says which value of which
 * statement it is.
 */
export function prepareValues (values: unknown[], statement: string): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value === undefined) throw new TypeError(`Value ${i + 1} of statement ${statement} is undefined`)
    if (typeof value === 'object' && value !== null) values[i] = prepareObject(value)
  }
}

function prepareObject (value: object): unknown {
  // A list of fragments is the fragments one after the other.
  if (Array.isArray(value) && !(value[0] instanceof Fragments)) return new ArrayValue(value)
  if (value instanceof Promise && !(value instanceof Fragments)) { throw new TypeError('A promise was given as a value: await it first') }
  return value
}

/**
 * A piece of SQL to be interpolated: `fragment\`and status = ${status}\``; an empty one, `fragment\`\``, is nothing.
 */
export function fragment (strings: TemplateStringsArray, ...values: Value[]): Fragment {
  if (values.length > 0) {
    prepareValues(values, 'fragment')
    return driver(strings, ...values as never[]) as unknown as Fragment
  }
  let known = constants.get(strings)
  if (known === undefined) constants.set(strings, known = driver(strings) as unknown as Fragment)
  return known
}

/** Fragments without values, by the place in the code: making one costs as much as a promise. */
const constants = new WeakMap<TemplateStringsArray, Fragment>()

/** A value as JSON, for a `::jsonb` column. `json(null)` is SQL's NULL. */
export function json (value: unknown): Fragment {
  return driver.typed(value as never, 3802) as unknown as Fragment
}

/**
 * Columns and values of a record or of several: `insert into gear ${columns(row, 'id', 'name')}`, `update gear set
 * ${columns(patch, 'name')}`. Without names, all the (first) record has: only where a schema has said which those are.
 */
export function columns<Row extends Record<string, unknown>> (
  rows: Row | readonly Row[],
  ...names: Array<keyof Row & string>
): Fragment {
  const prepared = (Array.isArray(rows) ? rows : [rows]).map((row: Row) => {
    const keys = names.length === 0 ? Object.keys(row) : names
    const values = keys.map((key) => row[key])
    prepareValues(values, `columns (${keys.join(', ')})`)
    return Object.fromEntries(keys.map((key, i) => [key, values[i]]))
  })
  return driver(Array.isArray(rows) ? prepared : (prepared[0] as never), ...(names as never[])) as unknown as Fragment
}

/** A name given at run time, quoted: `order by ${identifier(column)}`. */
export function identifier (name: string): Fragment {
  return driver(name) as unknown as Fragment
}

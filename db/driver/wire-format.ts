// How values are written for the server and read from it. Both ways it is text.

/** Text of one value. Everything is written here and not by the driver, which guesses types from values. */
export function textOf (value: string | number | bigint | boolean | Date | Uint8Array | readonly unknown[]): string {
  if (typeof value !== 'object') return String(value)
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return byteaText(value)
  return arrayText(value as readonly unknown[])
}

function byteaText (value: Uint8Array): string {
  return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`
}

function arrayText (values: readonly unknown[]): string {
  return `{${values.map(arrayElement).join(',')}}`
}

function arrayElement (value: unknown): string {
  if (value === null) return 'NULL'
  if (Array.isArray(value)) return arrayText(value)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  return `"${elementText(value).replace(/["\\]/g, '\\$&')}"`
}

function elementText (value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Date || value instanceof Uint8Array) return textOf(value)
  if (typeof value === 'object') return JSON.stringify(value)
  throw new TypeError(`An array for the database holds ${String(value)}`)
}

/**
 * Text of an array → its elements; `null` for SQL's NULL. One dimension or more.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
function parseArray (text: string, parseElement: (text: string) => unknown): unknown[] {
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
function instant (text: string): string {
  // The usual form, with a fraction of three digits at least: four times as fast.
  if (text.length > 25 && text.length < 30 && text[10] === ' ' && text[19] === '.' && text.endsWith('+00')) {
    return `${text.slice(0, 10)}T${text.slice(11, 23)}Z`
  }
  if (text.length < 22 || text[10] !== ' ' || !text.endsWith('+00')) return text
  const fraction = text[19] === '.' ? text.slice(20, -3) : ''
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${fraction.slice(0, 3).padEnd(3, '0')}Z`
}

/**
 * Both forms of `bytea_output`: `\x00ff`, and `escape`, where a byte is itself, `\\`, or three octal digits. In the
 * latter no `x` ever follows a backslash, so the two cannot be confused.
 */
function parseBytea (text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex')
  const bytes = Buffer.alloc(text.length)
  let length = 0
  for (let at = 0; at < text.length; length++) {
    if (text[at] !== '\\') bytes[length] = text.charCodeAt(at++)
    else if (text[at + 1] === '\\') {
      bytes[length] = 0x5c
      at += 2
    } else {
      bytes[length] = Number.parseInt(text.slice(at + 1, at + 4), 8)
      at += 4
    }
  }
  return bytes.subarray(0, length)
}

const asIs = (text: string) => text
const toNumber = (text: string) => Number(text)
const toBoolean = (text: string) => text === 't'

/** Parameters reach the driver as text, which must not be written a second time. */
function type (oid: number, parse: (text: string) => unknown) {
  return { to: oid, from: [oid], serialize: asIs, parse }
}

function arrayType (oid: number, parseElement: (text: string) => unknown) {
  return type(oid, (text) => parseArray(text, parseElement))
}

/**
 * How each type is read, by its number in pg_type. What is not here is text: numeric, uuid, interval, inet, …; the
 * integers and floats of up to 8 bytes that are not here are numbers by the driver's own reading.
 */
export const TYPES = {
  // The driver passes these through `new Date()`: '2024-02-30' is stored as 1 March, and reading 'infinity' throws.
  date: type(1082, asIs),
  timestamp: type(1114, asIs),
  timestamptz: type(1184, instant),
  // bigint, and with it count(*) and sum() of integers: metres and milliseconds stay far below 2^53.
  int8: type(20, toNumber),
  // The driver writes every value but `true` as false, 'true' too.
  bool: type(16, toBoolean),
  // The driver reads the hex form alone.
  bytea: type(17, parseBytea),
  // The driver writes a text once more as JSON when the server has forgotten the prepared statement.
  json: type(114, JSON.parse),
  jsonb: type(3802, JSON.parse),
  boolArray: arrayType(1000, toBoolean),
  byteaArray: arrayType(1001, parseBytea),
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

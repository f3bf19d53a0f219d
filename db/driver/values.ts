import { textOf } from './wire-format.ts'

/** A piece of SQL with its values, to be put into a statement. */
export class Fragment {
  readonly strings: readonly string[]
  /** Ready to be sent, as `prepareValues` leaves them. */
  readonly values: readonly unknown[]

  constructor (strings: readonly string[], values: readonly unknown[]) {
    this.strings = strings
    this.values = values
  }

  /** Called when it is awaited, as if it were a statement. */
  then (): never {
    throw new TypeError('A fragment is a piece of SQL and not a statement: put it into one')
  }
}

/** SQL that a library wrote, with its own `$1`, `$2`, …, of which each may stand in several places. */
export class NumberedText {
  readonly text: string
  /** Ready to be sent, as `prepareValues` leaves them. */
  readonly values: readonly unknown[]

  constructor (text: string, values: readonly unknown[]) {
    this.text = text
    this.values = values
  }
}

/** One row or several, of whose columns a statement is made. */
export class Records {
  readonly names: readonly string[]
  /** Ready to be sent, in the order of the names. */
  readonly rows: ReadonlyArray<readonly unknown[]>

  constructor (names: readonly string[], rows: ReadonlyArray<readonly unknown[]>) {
    this.names = names
    this.rows = rows
  }
}

/**
 * What may stand in `${}`. Everything goes over the wire as text and is given its type by the SQL around it, so a cast
 * says what is meant: `${day}::date`, `${ids}::uuid[]`. A list is an SQL array, which may be nested and hold nulls;
 * `json(list)` is a JSON array. A list of fragments is the fragments one after the other. A `Date` is sent in UTC.
 */
export type Value =
  | string | number | bigint | boolean | null | Date | Uint8Array
  | Fragment | Records | NumberedText
  | readonly Value[]

/**
 * Turns values into the text that is sent, in place: at once, so that a value that cannot be written is the error of
 * its own statement. `undefined` is a programming error, and the message names the value and the statement.
 */
export function prepareValues (values: unknown[], statement: string): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value === 'string' || value === null) continue
    if (value === undefined) throw new TypeError(`Value ${i + 1} of statement ${statement} is undefined`)
    values[i] = prepared(value)
  }
}

function prepared (value: unknown): unknown {
  if (value instanceof Fragment || value instanceof Records || value instanceof NumberedText) return value
  if (Array.isArray(value) && value[0] instanceof Fragment) return value
  if (value instanceof Promise) throw new TypeError('A promise was given as a value: await it first')
  if (typeof value !== 'object' || Array.isArray(value) || value instanceof Date || value instanceof Uint8Array) {
    return textOf(value as Parameters<typeof textOf>[0])
  }
  throw new TypeError('An object was given as a value: json() sends it as JSON, columns() as columns')
}

/**
 * A piece of SQL to be interpolated: `fragment\`and status = ${status}\``; an empty one, `fragment\`\``, is nothing.
 */
export function fragment (strings: TemplateStringsArray, ...values: Value[]): Fragment {
  if (values.length > 0) {
    prepareValues(values, 'fragment')
    return new Fragment(strings, values)
  }
  let known = constants.get(strings)
  if (known === undefined) constants.set(strings, known = new Fragment(strings, values))
  return known
}

/** Fragments without values, by their place in the code: always the same one, so that statements' texts are kept. */
const constants = new WeakMap<TemplateStringsArray, Fragment>()

/** Bytes by the hundred kilobytes, for a bytea column: base64 is two thirds of what bytea's own text is. */
export function largeBytes (bytes: Uint8Array): Fragment {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  return fragment`decode(${text}, 'base64')`
}

/** A value as JSON, for a jsonb column or before `::jsonb`. `json(null)` is SQL's NULL. */
export function json (value: unknown): string | null {
  if (value === null) return null
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError(`${typeof value} is not a JSON value`)
  return text
}

/**
 * Columns and values of a record or of several: `insert into gear ${columns(row, 'id', 'name')}`, `update gear set
 * ${columns(patch, 'name')}`. Without names, all the (first) record has: only where a schema has said which those are.
 */
export function columns<Row extends Record<string, unknown>> (
  rows: Row | readonly Row[],
  ...names: Array<keyof Row & string>
): Records {
  const list = (Array.isArray(rows) ? rows : [rows]) as Row[]
  const keys = names.length === 0 ? Object.keys(list[0] ?? {}) : names
  if (list.length === 0 || keys.length === 0) throw new TypeError('There is no column in columns()')
  return new Records(keys, list.map((row) => {
    const values = keys.map((key) => row[key])
    prepareValues(values, `columns (${keys.join(', ')})`)
    return values
  }))
}

/** SQL of a library that numbers its parameters itself: none of its values may be a piece of SQL. */
export function numbered (
  text: string,
  values: Array<string | number | boolean | null | readonly string[]>
): NumberedText {
  const prepared = [...values]
  prepareValues(prepared, 'numbered')
  return new NumberedText(text, prepared)
}

/** A name given at run time, quoted: `order by ${identifier(column)}`. A dot separates schema, table and column. */
export function identifier (name: string): Fragment {
  return new Fragment([quote(name)], [])
}

export function quote (name: string): string {
  return `"${name.replaceAll('"', '""').replaceAll('.', '"."')}"`
}

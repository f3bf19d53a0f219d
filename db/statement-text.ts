import { isFragment, isName, isRecord } from './values.ts'

export interface StatementText {
  text: string
  parameters: unknown[]
}

/**
 * A statement with its fragments put in, as text and what stands for `$1`, `$2`, …; undefined where a record is among the values, whose columns are
 * for the driver to write.
 *
 * The driver can do all of this, at more cost: it looks at the kind of each value by five `instanceof`, and a fragment is a promise to it. Its `unsafe`
 * is as safe with parameters. Measured: 27 µs a statement against 34.
 */
export function statementText (strings: readonly string[], values: readonly unknown[]): StatementText | undefined {
  if (values.every(isParameter)) {
    let text = texts.get(strings)
    if (text === undefined) texts.set(strings, text = strings.reduce((before, after, i) => `${before}$${i}${after}`))
    return { text, parameters: values.slice() }
  }
  const statement = { text: '', parameters: [] }
  return append(statement, strings, values) ? statement : undefined
}

/** Of statements without fragments, by their place in the code. */
const texts = new WeakMap<readonly string[], string>()

function isParameter (value: unknown): boolean {
  return typeof value !== 'object' || value === null || !(Array.isArray(value) || isFragment(value) || isName(value) || isRecord(value))
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
    if (Array.isArray(value)) return value.every((each) => { statement.text += ' '; return appendValue(statement, each) })
  }
  statement.text += `$${statement.parameters.push(value)}`
  return true
}

import { redactText } from './redact.ts'

/** The longest text of an error in one line, in characters. */
const LENGTH = 32 * 1024
const CAUSES = 10
const AGGREGATED = 10

/**
 * The text of a thrown value: the stack, then each cause and each error of an AggregateError with theirs. It accepts
 * any value (null, a string, a frozen or circular error, one whose getters throw), never throws, and returns at most
 * 32 KiB.
 *
 * Only name, code, message and stack are read. Other properties are never logged: those of a PostgresError contain the
 * statement's parameters and the rejected row, those of an HTTP client the request with its headers.
 */
export function exceptionText (thrown: unknown): string {
  const parts: string[] = []
  try {
    describe(thrown, '', parts, new Set(), { left: LENGTH })
  } catch {
    parts.push('[unreadable error]')
  }
  // Redacted before it is truncated: half an address would not be recognized.
  const text = redactText(parts.join('\n'))
  return text.length > LENGTH ? `${text.slice(0, LENGTH)}\n…` : text
}

function describe (thrown: unknown, label: string, parts: string[], seen: Set<object>, budget: { left: number }): void {
  const isObject = (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function'
  if (isObject && seen.has(thrown)) return add(parts, budget, `${label}[circular]`)
  if (seen.size > CAUSES + AGGREGATED || budget.left <= 0) return add(parts, { left: 10 }, `${label}…`)
  if (!isObject) return add(parts, budget, `${label}${nonErrorText(thrown)}`)
  seen.add(thrown)
  add(parts, budget, label + ownText(thrown))
  const errors = read(thrown, 'errors')
  if (Array.isArray(errors)) {
    const count = Number(read(errors, 'length')) || 0
    for (let i = 0; i < Math.min(count, AGGREGATED); i++) { describe(read(errors, String(i)), `[error ${i + 1} of ${count}] `, parts, seen, budget) }
  }
  const cause = read(thrown, 'cause')
  if (cause !== undefined) describe(cause, 'Caused by: ', parts, seen, budget)
}

function add (parts: string[], budget: { left: number }, text: string): void {
  // Slightly more than fits, so that redaction never sees half a word at the end.
  parts.push(text.length > budget.left + 1024 ? text.slice(0, budget.left + 1024) : text)
  budget.left -= text.length
}

function nonErrorText (thrown: unknown): string {
  if (typeof thrown === 'string') return `thrown string: ${thrown}`
  if (typeof thrown === 'bigint' || typeof thrown === 'symbol') return `thrown ${typeof thrown}: ${String(thrown)}`
  return `thrown: ${String(thrown)}`
}

/**
 * The stack with its heading. V8 creates the heading with the error, so a name or message set later must be put in
 * front.
 */
function ownText (thrown: object): string {
  const name = stringOf(read(thrown, 'name')) ?? 'Error'
  const message = stringOf(read(thrown, 'message'))
  const code = read(thrown, 'code')
  const stack = stringOf(read(thrown, 'stack'))
  if (message === undefined && stack === undefined) { return `thrown ${typeof thrown === 'function' ? 'function' : 'object'}, no error` }
  const heading = message === undefined || message === '' ? name : `${name}: ${message}`
  const marked =
    typeof code === 'string' || typeof code === 'number' ? `${heading} (${String(code).slice(0, 100)})` : heading
  if (stack === undefined) return marked
  const frames = stack.search(/^ {4}at /m)
  return frames === -1 ? marked : `${marked}\n${stack.slice(frames)}`
}

function stringOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function read (object: object, name: string): unknown {
  try {
    return (object as Record<string, unknown>)[name]
  } catch {
    return undefined
  }
}

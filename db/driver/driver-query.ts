import type { Sql } from 'postgres'
import type { Rows, Statement } from './statement.ts'

/** Whoever is told how a statement ended. */
interface Carrier {
  finish (statement: Statement, rows: Rows | undefined, error: unknown): void
}

/** What the driver does with a query: sends it, now or when its connection is there. */
export type Handler = (query: unknown) => void

/** The driver's own queries know it, also those that are never sent. */
export function handlerOf (driver: Sql<any>): Handler {
  return (driver.unsafe('') as unknown as { handler: Handler }).handler
}

/**
 * A text of one or more statements without parameters; or one with parameters, prepared once for each connection unless
 * a pooler forbids.
 */
const SIMPLE = Object.freeze({ prepare: false, simple: true })
const EXTENDED = Object.freeze({ prepare: true, simple: false })
const NONE: readonly unknown[] = Object.freeze([])

/**
 * A query as the driver takes it from us: what it reads and writes of its own (`Query` in its query.js), and whom to
 * tell once of its end.
 *
 * The driver's own is a promise, too, which nobody here needs. Its constructor assigns two arrow functions to
 * properties, and V8 puts such functions into its old generation at once: through them the query, and by its result the
 * rows and all that waits for them, survive every collection but the full ones, although nobody has them any more.
 * Measured for a list of 20: 17 kB and 40 of 130 µs; and 4 µs for making it, whatever is asked.
 */
class DriverQuery {
  tagged = false
  strings: readonly string[]
  args: readonly unknown[]
  options: Readonly<{ prepare: boolean, simple: boolean }>
  state: unknown = null
  statement: unknown = null
  active = false
  cancelled: unknown = null
  executed = true
  signature: unknown = ''
  string: unknown = ''
  parameters: unknown = undefined
  prepare: unknown = undefined
  prepared: unknown = undefined
  describeFirst: unknown = undefined
  onlyDescribe = false
  isRaw = false
  cursorFn = undefined
  forEachFn = undefined
  reserve = undefined
  #retried: unknown = undefined
  parsing = false
  origin = ''
  carrier: Carrier | null
  told: Statement | null

  constructor (text: string, parameters: readonly unknown[] | undefined, carrier: Carrier, told: Statement) {
    this.strings = [text]
    this.args = parameters ?? NONE
    this.options = parameters === undefined ? SIMPLE : EXTENDED
    this.carrier = carrier
    this.told = told
  }

  get retried (): unknown {
    return this.#retried
  }

  /**
   * The server has forgotten the prepared statement, so that it is sent again: from the values, as what is in
   * `parameters` is written already.
   */
  set retried (error: unknown) {
    this.#retried = error
    this.parameters = undefined
  }

  resolve (rows: Rows): void {
    this.#settle(rows, undefined)
  }

  reject (error: unknown): void {
    this.#settle(undefined, error)
  }

  #settle (rows: Rows | undefined, error: unknown): void {
    const { carrier, told } = this
    this.active = false
    this.carrier = this.told = null
    // The driver's result knows its query's statement: what it does not need any more goes with the rows otherwise.
    this.args = NONE
    this.parameters = undefined
    // Not at once: the driver is not done with this one, and what went wrong in the next would be told to it.
    if (carrier !== null && told !== null) queueMicrotask(() => carrier.finish(told, rows, error))
  }
}

/** Sends a statement, of which the carrier hears once how it ended. */
export function send (
  handler: Handler,
  text: string,
  parameters: readonly unknown[] | undefined,
  carrier: Carrier,
  statement: Statement
): void {
  handler(new DriverQuery(text, parameters, carrier, statement))
}

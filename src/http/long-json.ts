import { AppError } from '../errors.ts'
import { takeTurns } from './turns.ts'

/** Deeper than any schema of the service, and far from the depth that would exhaust the stack. */
export const MAX_DEPTH = 32
/** A shorter text is parsed at once, which takes about a millisecond for each 100,000 characters. */
export const LONG_TEXT = 128 * 1024
/** So much of a list is parsed at once, or one item where that is longer. */
const PART_LENGTH = 32 * 1024
/** What cannot be divided is no longer than any other body. */
const MAX_INDIVISIBLE = 1024 * 1024
/** 500 workouts of 50 steps have 250,000 values; as many as fit into 4 MB would take the garbage collector 200 ms. */
const MAX_VALUES = 300_000
/** One list of 4 MB has 128 parts. */
const MAX_PARTS = 1000
/** So much is looked at between two looks at the clock. */
const STRETCH = 64 * 1024
const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [BRACKET, BRACKET_END, BRACE, BRACE_END] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Where the scan of a text is. */
interface Scan {
  at: number
  depth: number
  isText: boolean
  values: number
  /** Whether the outermost value is an object, and whether the value of a field of it, which `at` is in, is a list. */
  isObject: boolean
  isList: boolean
  /** Where the part of the list began that `at` is in, and whether it is the first of the list. */
  start: number
  isFirst: boolean
  /** Of the lists in the outermost object. */
  parts: Array<{ from: number, to: number, isFirst: boolean }>
}

/**
 * The value of a JSON text that is long. The lists in the outermost object are parsed in parts, with turns for other
 * requests in between: at once, 3 MB take the event loop for 50 ms.
 * @throws AppError MALFORMED_JSON for a text that is nested too deep, PAYLOAD_TOO_LARGE for one that cannot be divided
 * or has very many values; what `parse` throws
 */
export async function parseLong (text: string, parse: (text: string) => Promise<unknown>): Promise<unknown> {
  const next = takeTurns()
  const scan: Scan = {
    at: 0, depth: 0, isText: false, values: 0, isObject: false, isList: false, start: 0, isFirst: true, parts: []
  }
  while (scan.at < text.length) {
    await next()
    scanStretch(text, scan)
  }
  const items: unknown[][] = []
  const rest: string[] = []
  let last = 0
  for (const [index, { from, to, isFirst }] of scan.parts.entries()) {
    await next()
    const part = indivisible(text.slice(from, to))
    // A list may be empty, but an item must follow its last comma.
    items.push(await parse(isFirst || part.trim() !== '' ? `[${part}]` : part) as unknown[])
    rest.push(text.slice(last, from), String(index))
    last = to
  }
  await next()
  return filled(await parse(indivisible(rest.join('') + text.slice(last))), items)
}

function indivisible (text: string): string {
  if (text.length <= MAX_INDIVISIBLE) return text
  throw new AppError('PAYLOAD_TOO_LARGE', 'A single value of the body is larger than 1 MiB')
}

/** The outline has the numbers of the parts in the place of the items of its lists. */
function filled (outline: unknown, items: unknown[][]): unknown {
  if (typeof outline !== 'object' || outline === null || Array.isArray(outline)) return outline
  return Object.fromEntries(Object.entries(outline).map(([name, value]) => (
    [name, Array.isArray(value) ? new Array<unknown>().concat(...value.map((index: number) => items[index])) : value]
  )))
}

function scanStretch (text: string, scan: Scan): void {
  const end = Math.min(text.length, scan.at + STRETCH)
  for (; scan.at < end; scan.at++) {
    const code = text.charCodeAt(scan.at)
    if (scan.isText) {
      if (code === BACKSLASH) scan.at++
      else if (code === QUOTE) scan.isText = false
    } else if (code === QUOTE) scan.isText = true
    else if (code === BRACKET || code === BRACE) open(scan, code)
    else if (code === BRACKET_END || code === BRACE_END) close(scan)
    else if (code === COMMA) {
      scan.values++
      if (scan.isList && scan.depth === 2 && scan.at - scan.start >= PART_LENGTH) endPart(scan)
    }
  }
  if (scan.values > MAX_VALUES || scan.parts.length > MAX_PARTS) {
    throw new AppError('PAYLOAD_TOO_LARGE', 'The body has too many values')
  }
}

function open (scan: Scan, code: number): void {
  scan.depth++
  scan.values++
  if (scan.depth > MAX_DEPTH) throw tooDeep()
  if (scan.depth === 1) scan.isObject = code === BRACE
  if (scan.depth !== 2 || code !== BRACKET || !scan.isObject) return
  scan.isList = true
  scan.isFirst = true
  scan.start = scan.at + 1
}

function close (scan: Scan): void {
  if (scan.depth === 2 && scan.isList) {
    endPart(scan)
    scan.isList = false
  }
  scan.depth--
}

function endPart (scan: Scan): void {
  scan.parts.push({ from: scan.start, to: scan.at, isFirst: scan.isFirst })
  scan.isFirst = false
  scan.start = scan.at + 1
}

export function tooDeep (): AppError {
  return new AppError('MALFORMED_JSON', `The body is nested deeper than ${MAX_DEPTH} levels`)
}

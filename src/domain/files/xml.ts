import { SaxesParser } from 'saxes'
import { AppError } from '../../errors.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { localName, xmlEncodingOf } from './format.ts'
import { asciiDigits } from './numerals.ts'
import { counted, unreadable } from './unreadable.ts'
import { xmlRepair } from './xml-repair.ts'
import type { Repairs } from './xml-repair.ts'

/** The callbacks for the elements of a document. Names have no namespace prefix. */
export interface XmlListener {
  open (name: string, attributes: Record<string, string>): void
  /**
   * `text` is the text of the element after its last child, so all of its text if it has no children; at most 64 Ki
   * characters.
   */
  close (name: string, text: string): void
}

/** The size of the chunks that are parsed: small enough to be collected soon, large enough to add no cost. */
const CHUNK_BYTES = 1 << 16
const MAX_DEPTH = 64
const MAX_TEXT = 1 << 16
/** Millions of attributes make one allocation so large that V8 ends the process, not only the thread. */
const MAX_ATTRIBUTES = 256

/** After as many places that are not well-formed, the document is given up: it is no damage in one place. */
const MAX_DAMAGES = 1000

/** What became of reading a document. */
interface Reading<Listener> {
  listener: Listener
  warnings: Warning[]
}

/**
 * Parses a document from its bytes, element by element, never as a whole. Entities are not expanded: a document that
 * declares any is rejected, and so is one nested too deeply.
 *
 * A document that is not well-formed is read once more from the beginning, with a new listener, and around the damaged
 * places: ampersands and angle brackets that stand for themselves, control characters, unknown entities, damaged tags,
 * and what comes after the end. If it is truncated, the elements until then stand. The warnings name the problem.
 *
 * Throws UNREADABLE_FILE if the document must not be read at all.
 */
export function readXml<Listener extends XmlListener> (bytes: Uint8Array, listen: () => Listener): Reading<Listener> {
  const strict = listen()
  const read = parse(bytes, strict, false)
  // A bare ampersand swallows what follows it, so that the document seems truncated.
  if (read.damages.length === 0 && !read.truncated) return { listener: strict, warnings: warningsOf(read) }
  const lenient = listen()
  return { listener: lenient, warnings: warningsOf(parse(bytes, lenient, true)) }
}

interface Parsed {
  repairs: Repairs
  /** What is not well-formed; the first only, unless the parser goes on after it. */
  damages: string[]
  truncated: boolean
  /** Whether characters were not valid in the encoding. */
  replaced: boolean
  /** Whether the parser could not go on. */
  givenUp: boolean
}

function warningsOf ({ repairs, damages, truncated, replaced, givenUp }: Parsed): Warning[] {
  const warnings: Warning[] = []
  if (replaced) {
    warnings.push(warning('TEXT_ENCODING', 'Some characters are not valid in the encoding of the file and were replaced'))
  }
  const damage = repairsText(repairs) ?? damages[0]
  if (damage !== undefined) {
    warnings.push(warning('XML_DAMAGED', givenUp
      ? `The file is not well-formed XML (${damage}): the rest was ignored`
      : `The file is not well-formed XML (${damage}): it was read around the damaged places`))
  }
  if (truncated) {
    warnings.push(warning('FILE_TRUNCATED', 'The file is truncated: the XML does not end; the part before is kept'))
  }
  return warnings
}

/** "2 unescaped ampersands and 1 control character"; undefined if nothing was repaired. */
function repairsText ({ ampersands, brackets, characters, tags }: Repairs): string | undefined {
  const found = [
    ...ampersands > 0 ? [counted(ampersands, 'unescaped ampersand')] : [],
    ...brackets > 0 ? [counted(brackets, 'unescaped angle bracket')] : [],
    ...characters > 0 ? [counted(characters, 'control character')] : [],
    ...tags > 0 ? [counted(tags, 'damaged tag')] : []
  ]
  return found.length === 0 ? undefined : found.join(' and ')
}

/** Parses all of a document, leniently with repairs of its text, or up to what is not well-formed. */
function parse (bytes: Uint8Array, listener: XmlListener, lenient: boolean): Parsed {
  const parsed: Parsed = {
    repairs: { ampersands: 0, brackets: 0, characters: 0, tags: 0 },
    damages: [],
    truncated: false,
    replaced: false,
    givenUp: false
  }
  const decoder = textDecoderOf(bytes)
  const parser = new SaxesParser<{ position: false, xmlns: false }>({ position: false, xmlns: false })
  let depth = 0
  let closed = false
  let text = ''
  const stopped = (): boolean => parsed.damages.length > (lenient ? MAX_DAMAGES : 0)
  // No eighth listener: V8 would then look the parser's properties up in a table, which takes five times as long.
  parser.on('error', (error) => {
    // What the parser says at the end of a truncated document is no other damage.
    if (!parsed.truncated) parsed.damages.push(error.message.replace(/\.$/, ''))
  })
  parser.on('doctype', (doctype) => {
    if (/<!ENTITY/i.test(doctype)) throw unreadable('The file declares XML entities, which are not supported')
  })
  let attributes = 0
  parser.on('attribute', () => {
    if (++attributes > MAX_ATTRIBUTES) {
      throw unreadable(`An element of the file has more than ${MAX_ATTRIBUTES} attributes`)
    }
  })
  parser.on('opentag', (tag) => {
    attributes = 0
    if (stopped() || closed) return
    if (++depth > MAX_DEPTH) throw unreadable(`The elements of the file are nested more than ${MAX_DEPTH} deep`)
    text = ''
    listener.open(localName(tag.name), tag.attributes)
  })
  const hear = (part: string): void => {
    if (text.length < MAX_TEXT) text += part.length > MAX_TEXT ? part.slice(0, MAX_TEXT) : part
  }
  parser.on('text', hear)
  parser.on('cdata', hear)
  parser.on('closetag', (tag) => {
    // A truncated document has its open elements closed for it at the end.
    if (stopped() || closed || parsed.truncated) return
    depth--
    closed = depth === 0
    listener.close(localName(tag.name), text)
    text = ''
  })

  const repair = lenient ? xmlRepair(parsed.repairs) : (chunk: string) => chunk
  let read = 0
  const write = (chunk: string, isLast: boolean): void => {
    parsed.replaced ||= chunk.includes('\ufffd')
    // White space before the declaration is tolerated: some sites export a blank line first.
    const repaired = repair(read === 0 ? chunk.trimStart() : chunk, isLast)
    if (repaired !== '') parser.write(repaired)
    read += chunk.length
  }
  try {
    for (let at = 0; at < bytes.length && !stopped(); at += CHUNK_BYTES) {
      write(decoder.decode(bytes.subarray(at, at + CHUNK_BYTES), { stream: true }), false)
    }
    if (!stopped()) write(decoder.decode(), true)
    if (!stopped()) {
      parsed.truncated = !closed
      parser.close()
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    parsed.damages.push((error as Error).message)
    parsed.givenUp = true
    parsed.truncated = false
  }
  parsed.givenUp ||= stopped() && lenient
  return parsed
}

function textDecoderOf (bytes: Uint8Array): InstanceType<typeof TextDecoder> {
  const encoding = xmlEncodingOf(bytes)
  try {
    return new TextDecoder(encoding)
  } catch (error) {
    throw unreadable(`The file has the encoding "${encoding}", which is not supported`, error)
  }
}

const MOMENT = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?\s*(?:(Z)|([+-])(\d\d):?(\d\d))?$/i

/** The largest offset from UTC that XML Schema allows. */
const MAX_ZONE_MINUTES = 14 * 60

/**
 * An XML Schema dateTime in ms since 1970; NaN if the text is not one. Without a zone it is UTC, as both formats
 * prescribe.
 */
export function momentOf (text: string): number {
  if (text.length > 64) return Number.NaN
  const match = MOMENT.exec(text) ?? MOMENT.exec(asciiDigits(text.trim()))
  if (!match) return Number.NaN
  const [, year, month, day, hour, minute, second, fraction, , sign, zoneHour, zoneMinute] = match
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day))
  const found = new Date(date)
  // Date.UTC would turn the 31st of a 30-day month into the first of the next, and the year 96 into 1996.
  if (found.getUTCDate() !== Number(day) || found.getUTCFullYear() !== Number(year) || Number(month) > 12) {
    return Number.NaN
  }
  // XML Schema allows 24:00:00 for the end of a day; second 60 is a leap second.
  if (
    Number(hour) > 24 ||
    Number(minute) > 59 ||
    Number(second) > 60 ||
    (Number(hour) === 24 && /[1-9]/.test(`${minute}${second}${fraction}`))
  ) { return Number.NaN }
  if (Number(zoneHour ?? 0) * 60 + Number(zoneMinute ?? 0) > MAX_ZONE_MINUTES || Number(zoneMinute ?? 0) > 59) {
    return Number.NaN
  }
  const zone = sign === undefined ? 0 : (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === '-' ? -60_000 : 60_000)
  const ms = fraction === undefined ? 0 : Math.round(Number(`0.${fraction}`) * 1000)
  return date + (Number(hour) * 3600 + Number(minute) * 60 + Number(second)) * 1000 + ms - zone
}

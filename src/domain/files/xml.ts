import { SaxesParser } from 'saxes'
import { AppError } from '../../errors.ts'
import { localName, xmlEncodingOf } from './format.ts'
import { unreadable } from './unreadable.ts'

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

/**
 * Parses a document from its bytes, element by element, never as a whole. Entities are not expanded: a document that
 * declares any is rejected, and so is one nested too deeply. If the document is truncated or not well-formed, parsing
 * stops; the elements until then stand, and the returned warnings name the problem.
 *
 * Throws UNREADABLE_FILE if the document must not be read at all.
 */
export function readXml (bytes: Uint8Array, listener: XmlListener): string[] {
  const warnings: string[] = []
  const decoder = textDecoderOf(bytes)
  const parser = new SaxesParser<{ position: false, xmlns: false }>({ position: false, xmlns: false })
  let depth = 0
  let text = ''
  /** The first problem found. */
  const trouble: { message?: string } = {}
  // No eighth listener: V8 would then look the parser's properties up in a table, which takes five times as long.
  parser.on('error', (error) => {
    trouble.message ??= error.message.replace(/\.$/, '')
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
    if (trouble.message !== undefined) return
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
    if (trouble.message !== undefined) return
    depth--
    listener.close(localName(tag.name), text)
    text = ''
  })

  let read = 0
  let replaced = false
  // An error at the very end means that the rest is missing.
  let ended = false
  try {
    for (let at = 0; at < bytes.length && trouble.message === undefined; at += CHUNK_BYTES) {
      const chunk = decoder.decode(bytes.subarray(at, at + CHUNK_BYTES), { stream: true })
      replaced ||= chunk.includes('\ufffd')
      // White space before the declaration is tolerated: some sites export a blank line first.
      parser.write(read === 0 ? chunk.trimStart() : chunk)
      read += chunk.length
    }
    if (trouble.message === undefined) parser.write(decoder.decode())
    if (trouble.message === undefined) {
      ended = true
      parser.close()
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    trouble.message ??= (error as Error).message
  }
  if (replaced) warnings.push('Some characters are not valid in the encoding of the file and were replaced')
  if (trouble.message !== undefined) {
    warnings.push(ended
      ? 'The file is truncated: the XML does not end; the part before is kept'
      : `The file is not well-formed XML (${trouble.message}): the rest was ignored`)
  }
  return warnings
}

function textDecoderOf (bytes: Uint8Array): InstanceType<typeof TextDecoder> {
  const encoding = xmlEncodingOf(bytes)
  try {
    return new TextDecoder(encoding)
  } catch (error) {
    throw unreadable(`The file has the encoding "${encoding}", which is not supported`, error)
  }
}

/** The number in the text of an element; undefined if it is not a number. */
export function numberOf (text: string | undefined): number | undefined {
  if (text === undefined || text.length > 64) return undefined
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  const value = Number(trimmed)
  return Number.isFinite(value) ? value : undefined
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
  const match = MOMENT.exec(text.trim())
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

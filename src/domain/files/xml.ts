import { SaxesParser } from 'saxes'
import { AppError } from '../../errors.ts'
import { localName, xmlEncodingOf } from './format.ts'
import { unreadable } from './unreadable.ts'

/** Who listens to the elements of a document. Names come without their prefix. */
export interface XmlListener {
  open (name: string, attributes: Record<string, string>): void
  /**
   * `text` is what stood in the element after its last child, so all of it for one without children; at most 64 Ki
   * characters.
   */
  close (name: string, text: string): void
}

/** Parsed at a time: small enough to be garbage soon, large enough to cost nothing. */
const CHUNK_BYTES = 1 << 16
const MAX_DEPTH = 64
const MAX_TEXT = 1 << 16
/** Millions of attributes make one allocation so large that V8 ends the process, not only the thread. */
const MAX_ATTRIBUTES = 256

/**
 * Reads a document from its bytes, element by element, never the whole of it at once. Entities are not expanded: a
 * document that declares any is refused, as is one nested too deeply. Where the document breaks off or is not
 * well-formed, reading ends; what was heard until then stands, and the answer says what was wrong.
 *
 * Throws UNREADABLE_FILE for what is not to be read at all.
 */
export function readXml (bytes: Uint8Array, listener: XmlListener): string[] {
  const warnings: string[] = []
  const decoder = textDecoderOf(bytes)
  const parser = new SaxesParser<{ position: false, xmlns: false }>({ position: false, xmlns: false })
  let depth = 0
  let text = ''
  /** The first thing found wrong. */
  const trouble: { message?: string } = {}
  // No eighth listener: it would make V8 look the parser's properties up in a table, which takes five times as long.
  parser.on('error', (error) => {
    trouble.message ??= error.message.replace(/\.$/, '')
  })
  parser.on('doctype', (doctype) => {
    if (/<!ENTITY/i.test(doctype)) { throw unreadable('The file declares XML entities, which are never expanded here: refused') }
  })
  let attributes = 0
  parser.on('attribute', () => {
    if (++attributes > MAX_ATTRIBUTES) { throw unreadable(`An element of the file has more than ${MAX_ATTRIBUTES} attributes`) }
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
  // What is wrong only at the end is that something is missing.
  let ended = false
  try {
    for (let at = 0; at < bytes.length && trouble.message === undefined; at += CHUNK_BYTES) {
      const chunk = decoder.decode(bytes.subarray(at, at + CHUNK_BYTES), { stream: true })
      replaced ||= chunk.includes('\ufffd')
      // What stands before the declaration is forgiven: some sites export a line of blanks first.
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
  if (replaced) warnings.push('Some of its letters are not valid in its encoding and were replaced')
  if (trouble.message !== undefined) {
    warnings.push(ended
      ? 'The file is cut off: its XML does not end; what was read until there is kept'
      : `The file is not well-formed XML (${trouble.message}): what follows was left out`)
  }
  return warnings
}

function textDecoderOf (bytes: Uint8Array): InstanceType<typeof TextDecoder> {
  const encoding = xmlEncodingOf(bytes)
  try {
    return new TextDecoder(encoding)
  } catch (error) {
    throw unreadable(`The file is in the encoding "${encoding}", which is not known here`, error)
  }
}

/** A number as XML writes it, undefined where the text is none. */
export function numberOf (text: string | undefined): number | undefined {
  if (text === undefined || text.length > 64) return undefined
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  const value = Number(trimmed)
  return Number.isFinite(value) ? value : undefined
}

const MOMENT = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?\s*(?:(Z)|([+-])(\d\d):?(\d\d))?$/i

/** The farthest from UTC that a clock may be, by XML Schema. */
const MAX_ZONE_MINUTES = 14 * 60

/**
 * A moment of XML Schema in ms since 1970, NaN where the text is none. Without a zone it is UTC, as both formats
 * prescribe.
 */
export function momentOf (text: string): number {
  if (text.length > 64) return Number.NaN
  const match = MOMENT.exec(text.trim())
  if (!match) return Number.NaN
  const [, year, month, day, hour, minute, second, fraction, , sign, zoneHour, zoneMinute] = match
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day))
  const found = new Date(date)
  // The 31st of a month of thirty days is not the first of the next, and the year 96 is not 1996.
  if (found.getUTCDate() !== Number(day) || found.getUTCFullYear() !== Number(year) || Number(month) > 12) {
    return Number.NaN
  }
  // 24:00:00 is the end of the day, which XML Schema has, and the second 60 a leap second.
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

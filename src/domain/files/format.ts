import { isFit } from './fit-frames.ts'
import { unreadable } from './unreadable.ts'

export type FileFormat = 'fit' | 'gpx' | 'tcx'

/** Within this many bytes the root element of any real file begins. */
const HEAD_BYTES = 1 << 16

const ROOTS: Record<string, FileFormat> = { gpx: 'gpx', trainingcenterdatabase: 'tcx' }

/** The format of the bytes, detected from their content alone; undefined if it is not supported. */
export function formatOf (bytes: Uint8Array): FileFormat | undefined {
  if (isFit(bytes)) return 'fit'
  const root = rootOf(bytes)
  return root === undefined ? undefined : ROOTS[localName(root).toLowerCase()]
}

/** The error for bytes of an unsupported format, with a message that helps the sender. */
export function refusalOf (bytes: Uint8Array): Error {
  if (bytes.length === 0) return unreadable('The file is empty')
  const starts = (...signature: number[]): boolean => signature.every((byte, i) => bytes[i] === byte)
  if (starts(0x1f, 0x8b)) {
    return unreadable('The file is compressed with gzip: send it with "Content-Encoding: gzip", or uncompressed')
  }
  if (starts(0x50, 0x4b, 5, 6)) return unreadable('The ZIP archive contains no file')
  if (starts(0x50, 0x4b, 3, 4)) {
    return unreadable('The file is a ZIP archive: send its recordings one by one')
  }
  if (bytes.length < 12 && (starts(14) || starts(12))) {
    return unreadable('The file is truncated: it ends within the header of a FIT file')
  }
  const root = rootOf(bytes)
  if (root !== undefined) {
    return unreadable(
      `The file is XML, but its root element is <${localName(root).slice(0, 40)}>: neither <gpx> nor <TrainingCenterDatabase>`
    )
  }
  if (xmlEncodingOf(bytes) && textHead(bytes).trimStart().startsWith('<')) {
    return unreadable('The file looks like XML but has no root element')
  }
  return unreadable('The file is neither FIT nor GPX nor TCX')
}

/** The name without its namespace prefix. */
export function localName (name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

/**
 * The encoding of text, from its byte order mark, its first bytes or its XML declaration, in that order; otherwise
 * UTF-8.
 */
export function xmlEncodingOf (bytes: Uint8Array): string {
  const [a, b, c, d] = bytes
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8'
  if (a === 0xff && b === 0xfe) return 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  if (a === 0x3c && b === 0 && c !== 0 && d === 0) return 'utf-16le'
  if (a === 0 && b === 0x3c && c === 0 && d !== 0) return 'utf-16be'
  const declared = /^\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']/.exec(
    new TextDecoder('latin1').decode(bytes.subarray(0, 512))
  )?.[1]
  // Text with one byte per character cannot be the UTF-16 that it declares.
  return declared === undefined || /^utf-?16/i.test(declared) ? 'utf-8' : declared.toLowerCase()
}

function textHead (bytes: Uint8Array): string {
  try {
    return new TextDecoder(xmlEncodingOf(bytes)).decode(bytes.subarray(0, HEAD_BYTES))
  } catch {
    // An unknown encoding: the names of elements are ASCII in nearly all of them.
    return new TextDecoder('latin1').decode(bytes.subarray(0, HEAD_BYTES))
  }
}

/** The name of the first element, after the declaration, comments and the document type. */
function rootOf (bytes: Uint8Array): string | undefined {
  const head = textHead(bytes)
  let at = 0
  for (;;) {
    while (/\s/.test(head[at] ?? '')) at++
    if (head[at] !== '<') return undefined
    if (head.startsWith('<?', at)) at = after(head, '?>', at)
    else if (head.startsWith('<!--', at)) at = after(head, '-->', at)
    else if (head.startsWith('<!', at)) at = afterDoctype(head, at)
    else return /^[A-Za-z_][\w.:-]*/.exec(head.slice(at + 1, at + 200))?.[0]
    if (at < 0) return undefined
  }
}

function after (text: string, end: string, from: number): number {
  const at = text.indexOf(end, from)
  return at < 0 ? -1 : at + end.length
}

function afterDoctype (text: string, from: number): number {
  const bracket = text.indexOf('[', from)
  const end = text.indexOf('>', from)
  if (bracket >= 0 && bracket < end) {
    const close = /\]\s*>/g
    close.lastIndex = bracket
    return close.test(text) ? close.lastIndex : -1
  }
  return end < 0 ? -1 : end + 1
}

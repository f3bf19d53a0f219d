import { localName } from './format.ts'

/** What was repaired in the text of a document before it was parsed. */
export interface Repairs {
  ampersands: number
  brackets: number
  characters: number
  tags: number
}

/** Repairs a document piece by piece; what the end of a piece cuts waits for the next. */
type Repair = (chunk: string, isLast: boolean) => string

/** Makes text well-formed that is damaged in single places, and counts the repairs. */
export function xmlRepair (repairs: Repairs): Repair {
  const [repairText, repairTags] = [textRepair(repairs), tagRepair(repairs)]
  return (chunk, isLast) => repairTags(repairText(chunk, isLast), isLast)
}

/** An ampersand that begins no reference of XML itself or to a character. */
const BARE_AMPERSAND = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-f]{1,6});)/gi
/** An angle bracket that begins no tag, comment or declaration. */
const BARE_BRACKET = /<(?![A-Za-z_:/!?\u0080-\uffff])/g
// eslint-disable-next-line no-control-regex
const NO_CHARACTERS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g
/** No reference is longer. */
const REFERENCE = 10

function textRepair (repairs: Repairs): Repair {
  let held = ''
  return (chunk, isLast) => {
    const text = held + chunk
    const from = text.length - REFERENCE
    const open = Math.max(text.lastIndexOf('&'), text.lastIndexOf('<'))
    const end = open > from && !isLast ? open : text.length
    held = text.slice(end)
    const replace = (from: string, pattern: RegExp, kind: keyof Repairs, to: string): string =>
      from.replaceAll(pattern, () => {
        repairs[kind]++
        return to
      })
    const whole = replace(text.slice(0, end), NO_CHARACTERS, 'characters', '')
    return replace(replace(whole, BARE_AMPERSAND, 'ampersands', '&amp;'), BARE_BRACKET, 'brackets', '&lt;')
  }
}

/** A tag as it must be; names with other letters are of no format that is read. */
const TAG = /^<\/?[A-Za-z_:][\w:.-]*(?:\s+[A-Za-z_:][\w:.-]*\s*=\s*(?:"[^"]*"|'[^']*'))*\s*\/?>$/
const NAME = /^<(?:\/([^>]*[^>\s])|([A-Za-z_:\u0080-\uffff][\w:.\u0080-\uffff-]*))/
const ATTRIBUTE = /(?<![\w:.-])([A-Za-z_:][\w:.-]*)\s*=\s*("[^"]*"|'[^']*')/g
/** As many elements within the one that a tag closes are not left open by one damage. */
const MOST_OPEN = 2
/** A tag with as many brackets in its quotes is damaged. */
const MOST_BRACKETS = 8
/** A longer tag is damaged. */
const LONGEST_TAG = 1 << 16
/** What is passed on up to its end, by how it begins. */
const PASSED = [['<!--', '-->'], ['<![CDATA[', ']]>'], ['<?xml', '?>']] as const
const LONGEST_BEGIN = 9
/** The elements of recordings that stand in one of another; what is open between them has lost its closing tag. */
const PARENTS: Record<string, string> = {
  trkpt: 'trkseg', trkseg: 'trk', trk: 'gpx', Trackpoint: 'Track', Track: 'Lap', Lap: 'Activity'
}

/**
 * Makes each tag one that can be read, and each element one that ends: a closing tag closes what it names, with all
 * that is open in it; one that names nothing open, and is no misspelling of what is, is left out. A tag that lacks its
 * end ends where the next begins.
 */
function tagRepair (repairs: Repairs): Repair {
  const open: string[] = []
  let held = ''
  let passingTo: string | undefined
  /** Closes what is open above a depth. */
  const closeTo = (depth: number): string => {
    let closing = ''
    while (open.length > depth) closing += `</${open.pop()!}>`
    return closing
  }
  const closed = (name: string, isWhole: boolean): string => {
    const at = open.lastIndexOf(name)
    const top = open.length - 1
    if (at < top || !isWhole) repairs.tags++
    // One damage leaves one element open: a name that would close more is itself damaged.
    if (at === 0 || (at > 0 && top - at < MOST_OPEN)) return closeTo(at)
    return at > 0 || (top >= 0 && isMisspelt(name, open[top]!)) ? closeTo(top) : ''
  }
  const opened = (name: string, tag: string): string => {
    const parent = PARENTS[localName(name)]
    const at = parent === undefined ? -1 : open.findLastIndex((each) => localName(each) === parent)
    let before = ''
    if (at >= 0 && at < open.length - 1) {
      repairs.tags++
      before = closeTo(at + 1)
    }
    if (!tag.endsWith('/>')) open.push(name)
    return before + tag
  }
  const repaired = (tag: string): string => {
    const [, closing, opening] = tag.length > LONGEST_TAG ? [] : NAME.exec(tag) ?? []
    const name = (closing ?? opening)?.replaceAll(/[^\w:.-]/g, '_')
    if (name === undefined) {
      repairs.tags++
      return ''
    }
    const isWhole = TAG.test(tag)
    if (tag.startsWith('</')) return closed(name, isWhole)
    if (isWhole) return opened(name, tag)
    repairs.tags++
    return opened(name, rebuilt(name, tag))
  }
  return (chunk, isLast) => {
    const text = held + chunk
    let result = ''
    let at = 0
    held = ''
    while (at < text.length) {
      if (passingTo !== undefined) {
        const end = text.indexOf(passingTo, at)
        const passed = isLast ? text.length : Math.max(at, text.length - passingTo.length)
        const to = end < 0 ? passed : end + passingTo.length
        result += text.slice(at, to)
        at = to
        if (end < 0) break
        passingTo = undefined
        continue
      }
      const begin = text.indexOf('<', at)
      if (begin < 0) return result + text.slice(at)
      result += text.slice(at, begin)
      at = begin
      if (text.length - begin < LONGEST_BEGIN && !isLast) break
      passingTo = passedTo(text, begin)
      if (passingTo !== undefined) continue
      const end = endOfTag(text, begin)
      if (end < 0 && text.length - begin <= LONGEST_TAG) {
        // The tag goes on in the next piece, or the document ends within it.
        if (!isLast) held = text.slice(begin)
        return result
      }
      at = end < 0 ? text.length : end
      result += repaired(text.slice(begin, at))
    }
    held = text.slice(at)
    return result
  }
}

/** Where what begins here ends, if it is no tag. */
function passedTo (text: string, begin: number): string | undefined {
  for (const [first, end] of PASSED) if (text.startsWith(first, begin)) return end
  if (text.slice(begin, begin + LONGEST_BEGIN).toUpperCase() !== '<!DOCTYPE') return undefined
  return /^[^[>]*\[/.test(text.slice(begin, begin + LONGEST_TAG)) ? ']>' : '>'
}

/** Behind its bracket, or where the next tag begins; a bracket within quotes is none of its end. */
function endOfTag (text: string, begin: number): number {
  const next = text.indexOf('<', begin + 1)
  let end = text.indexOf('>', begin)
  if (end < 0 || (next >= 0 && next < end)) return next
  const first = end
  const limit = Math.min(next < 0 ? text.length : next, begin + LONGEST_TAG)
  const isQuoted = /["']/.test(text.slice(first, limit))
  for (let tried = 0; tried < MOST_BRACKETS && end >= 0 && end < limit; tried++) {
    if (TAG.test(text.slice(begin, end + 1))) return end + 1
    if (!isQuoted) break
    end = text.indexOf('>', end + 1)
  }
  return first + 1
}

/** The tag with those of its attributes that can be read. */
function rebuilt (name: string, tag: string): string {
  const attributes = new Map([...tag.matchAll(ATTRIBUTE)].map(([, name, value]) => [name, value]))
  const written = [...attributes].map(([name, value]) => ` ${name}=${value}`)
  return `<${name}${written.join('')}${/\/>?$/.test(tag.trimEnd()) ? '/' : ''}>`
}

/** Whether two names differ in one character at most, which is another, or lacks. */
function isMisspelt (one: string, other: string): boolean {
  let start = 0
  while (start < one.length && one[start] === other[start]) start++
  const [rest, otherRest] = [one.slice(start), other.slice(start)]
  return rest.slice(1) === otherRest.slice(1) || rest.slice(1) === otherRest || rest === otherRest.slice(1)
}

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** One fenced block of a page. */
export interface Block {
  page: string
  /** The line of the fence, for messages. */
  line: number
  /** The first word after the fence, for example `bash`; empty if there is none. */
  language: string
  /** The second word, which determines how the block is checked. */
  kind: string
  body: string
}

/** Every page of documentation, by its path in the repository. */
export function pages (): string[] {
  return [...readdirSync(ROOT), ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
    .filter((path) => path.endsWith('.md'))
    .sort()
}

export function textOf (page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}

/** The fenced blocks of a page, in order. */
export function blocksOf (page: string, text = textOf(page)): Block[] {
  return [...text.matchAll(/^```([^\n`]*)\n([^]*?)^```$/gm)].map(({ 1: info = '', 2: body = '', index }) => {
    const [language = '', kind = ''] = info.trim().split(/\s+/)
    return { page, line: text.slice(0, index).split('\n').length, language, kind, body }
  })
}

/** The anchors of headings, as GitHub generates them. */
export function anchorsOf (text: string): Set<string> {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, '')
  return new Set(
    [...prose.matchAll(/^#{1,6} (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-')
    )
  )
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const MOMENT = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z/g
const CLOCK = /\b\d{2}:\d{2}:\d{2}\.\d{3}\b/g
/** Values that differ each time: secrets and measurements. */
const SECRETS = new Set(['access_token', 'refresh_token', 'next_cursor'])
const MEASURED = /(_ms|^ms|^uptime_seconds|^pid|^port)$/
/** In an example: further content is omitted. */
const MORE = '…'

/** A text in which values that differ each time are replaced by placeholders. */
export function masked (text: string): string {
  return text
    .replaceAll(UUID, '<uuid>')
    .replaceAll(MOMENT, '<moment>')
    .replaceAll(CLOCK, '<clock>')
    .replaceAll(/\+? *\d+(\.\d+)? ms\b/g, '<duration>')
    .replaceAll(/\d+ MiB free/g, '<room>')
    .replaceAll(/\b\d+ times in \d+ s\b/g, '<scrapes>')
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trim()
}

/**
 * The difference between `found` and the example in a page; undefined if they match. `…` in the example matches
 * anything.
 */
export function textDifference (shown: string, found: string): string | undefined {
  const pattern = masked(shown).split(MORE).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*?')
  return new RegExp(`^${pattern}$`).test(masked(found))
    ? undefined
    : `shown:\n${masked(shown)}\nfound:\n${masked(found)}`
}

/**
 * Like `textDifference`, for JSON: a key `…` matches further keys, a last item `…` further items; formatting is
 * ignored.
 */
export function jsonDifference (shown: string, found: string): string | undefined {
  const values = parseAll(found)
  const examples = parseAll(shown)
  if (examples.length !== values.length) return `shows ${examples.length} values, found ${values.length}:\n${found}`
  return examples
    .map((example, i) => differs(example, values[i], '$', ''))
    .find((difference) => difference !== undefined)
}

/** One JSON value, or one per line. */
export function parseAll (text: string): unknown[] {
  try {
    return [JSON.parse(text)]
  } catch {
    return text.split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as unknown)
  }
}

function differs (shown: unknown, found: unknown, path: string, key: string): string | undefined {
  if (Array.isArray(shown) && Array.isArray(found)) {
    const open = shown.at(-1) === MORE
    const items = open ? shown.slice(0, -1) : shown
    if (open ? found.length < items.length : found.length !== items.length) {
      return `${path} shows ${items.length} items, found ${found.length}`
    }
    return items
      .map((item, i) => differs(item, found[i], `${path}[${i}]`, key))
      .find((difference) => difference !== undefined)
  }
  if (isRecord(shown) && isRecord(found)) {
    const open = MORE in shown
    const names = Object.keys(shown).filter((name) => name !== MORE)
    const extra = open ? [] : Object.keys(found).filter((name) => !names.includes(name))
    if (extra.length > 0) return `${path} does not show ${extra.join(', ')}`
    return names
      .map((name) =>
        name in found
          ? differs(shown[name], found[name], `${path}.${name}`, name)
          : `${path}.${name} is shown, but missing`
      )
      .find((difference) => difference !== undefined)
  }
  const [a, b] = [plain(shown, key), plain(found, key)]
  return a === b ? undefined : `${path} shows ${JSON.stringify(shown)}, found ${JSON.stringify(found)}`
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value with a placeholder if it differs each time. */
function plain (value: unknown, key: string): unknown {
  if (typeof value === 'number' && MEASURED.test(key)) return '<number>'
  if (typeof value !== 'string') return value
  return SECRETS.has(key) ? '<secret>' : masked(value)
}

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** What stands in one fence of a page. */
export interface Block {
  page: string
  /** Of the fence, for whoever looks for it. */
  line: number
  /** The first word after the fence, `bash` say; empty where there is none. */
  language: string
  /** The word after it, which says how the block is checked. */
  kind: string
  body: string
}

/** Every page that somebody reads, by its path in the repository. */
export function pages (): string[] {
  return [...readdirSync(ROOT), ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
    .filter((path) => path.endsWith('.md'))
    .sort()
}

export function textOf (page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}

/** The fences of a page in their order. */
export function blocksOf (page: string, text = textOf(page)): Block[] {
  return [...text.matchAll(/^```([^\n`]*)\n([^]*?)^```$/gm)].map(({ 1: info = '', 2: body = '', index }) => {
    const [language = '', kind = ''] = info.trim().split(/\s+/)
    return { page, line: text.slice(0, index).split('\n').length, language, kind, body }
  })
}

/** The anchors that headings make, as forges make them. */
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
/** Values that are other ones each time: secrets, and what is measured. */
const SECRETS = new Set(['access_token', 'refresh_token', 'next_cursor'])
const MEASURED = /(_ms|^ms|^uptime_seconds|^pid|^port)$/
/** In an example: and more, which is not shown. */
const MORE = '…'

/** A text with what differs each time replaced by what it is. */
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
 * Why `found` is not what the example in a page shows; undefined where it is. `…` in the example stands for anything.
 */
export function textDifference (shown: string, found: string): string | undefined {
  const pattern = masked(shown).split(MORE).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*?')
  return new RegExp(`^${pattern}$`).test(masked(found))
    ? undefined
    : `shown:\n${masked(shown)}\nfound:\n${masked(found)}`
}

/**
 * As `textDifference`, for JSON: a key `…` stands for keys that are not shown, a last item `…` for more items;
 * formatting is free.
 */
export function jsonDifference (shown: string, found: string): string | undefined {
  const values = parseAll(found)
  const examples = parseAll(shown)
  if (examples.length !== values.length) return `shows ${examples.length} values, found ${values.length}:\n${found}`
  return examples
    .map((example, i) => differs(example, values[i], '$', ''))
    .find((difference) => difference !== undefined)
}

/** One JSON value, or one a line. */
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
    if (open ? found.length < items.length : found.length !== items.length) { return `${path} shows ${items.length} items, found ${found.length}` }
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
          : `${path}.${name} is shown, and not there`
      )
      .find((difference) => difference !== undefined)
  }
  const [a, b] = [plain(shown, key), plain(found, key)]
  return a === b ? undefined : `${path} shows ${JSON.stringify(shown)}, found ${JSON.stringify(found)}`
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value without what differs each time. */
function plain (value: unknown, key: string): unknown {
  if (typeof value === 'number' && MEASURED.test(key)) return '<number>'
  if (typeof value !== 'string') return value
  return SECRETS.has(key) ? '<secret>' : masked(value)
}

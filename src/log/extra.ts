import { exceptionText } from './exception.ts'
import { isSecretName, redactText, REDACTED } from './redact.ts'
import { clip, quote } from './text.ts'

/** The limits on what is written of a value. The rest is replaced by a marker. */
const DEPTH = 8
const MEMBERS = 100
const STRING_BYTES = 4096
const NAME_BYTES = 256

/** The remaining bytes, shared by a whole traversal, and the objects that the traversal is inside of. */
interface Walk { left: number, inside: object[] }

/**
 * The JSON text of an object of extra fields. It accepts any value and never throws: a throwing getter or `toJSON`
 * becomes `"[unreadable]"`, a cycle `"[circular]"`. Values under secret names are redacted, texts are scanned, and the
 * result is at most `maxBytes` long, plus a few bytes of brackets and ellipses.
 *
 * Not JSON.stringify with a replacer: it throws on cycles, BigInt and throwing getters, and cannot stop at a maximum
 * length.
 */
export function extraText (extras: Record<string, unknown>, maxBytes: number): string {
  // Not via objectText: a field may be called toJSON, and `extra` must still be written as an object.
  return membersText(ownMembers(extras), { left: maxBytes, inside: [extras] })
}

function text (value: unknown, walk: Walk): string {
  try {
    return typeof value === 'object' && value !== null ? objectText(value, walk) : plainText(value, walk)
  } catch {
    walk.left -= 14
    return '"[unreadable]"'
  }
}

function plainText (value: unknown, walk: Walk): string {
  let written: string
  switch (typeof value) {
    case 'string':
      written = clip(redactText(value.slice(0, STRING_BYTES + 256)), Math.max(16, Math.min(STRING_BYTES, walk.left)))
      break
    case 'number':
      written = Number.isFinite(value) ? String(value) : `"${value}"`
      break
    case 'boolean':
      written = value ? 'true' : 'false'
      break
    case 'bigint':
      written = clip(value.toString(), 100)
      break
    case 'symbol':
      written = clip(value.toString(), 100)
      break
    case 'function':
      written = '"[function]"'
      break
    default:
      written = 'null'
  }
  walk.left -= Buffer.byteLength(written)
  return written
}

function objectText (value: object, walk: Walk): string {
  if (walk.inside.includes(value)) return plainText('[circular]', walk)
  if (walk.inside.length >= DEPTH || walk.left <= 0) return plainText('[…]', walk)
  walk.inside.push(value)
  try {
    if (value instanceof Error) return plainText(exceptionText(value), walk)
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return plainText(`[${value.byteLength} bytes]`, walk)
    if (value instanceof RegExp || value instanceof URL) return plainText(String(value), walk)
    if (Array.isArray(value)) return listText(value, value.length, walk)
    if (value instanceof Set) return listText(value, value.size, walk)
    if (value instanceof Map) return membersText(value, walk)
    const { toJSON } = value as { toJSON?: unknown }
    if (typeof toJSON === 'function') return text(toJSON.call(value, ''), walk)
    return membersText(ownMembers(value), walk)
  } finally {
    walk.inside.pop()
  }
}

function * ownMembers (value: object): Generator<[string, unknown]> {
  for (const name of Object.keys(value)) {
    let member: unknown = '[unreadable]'
    try {
      member = (value as Record<string, unknown>)[name]
    } catch {
      // A getter threw: only the name is known.
    }
    if (member !== undefined && typeof member !== 'function') yield [name, member]
  }
}

function listText (items: Iterable<unknown>, count: number, walk: Walk): string {
  let written = '['
  let index = 0
  for (const item of items) {
    if (index === MEMBERS || walk.left <= 0) {
      return `${written}${index === 0 ? '' : ','}"… ${count - index} more"]`
    }
    written += index++ === 0 ? text(item, walk) : `,${text(item, walk)}`
    walk.left--
  }
  return written + ']'
}

function membersText (members: Iterable<[unknown, unknown]>, walk: Walk): string {
  let written = '{'
  let count = 0
  // A name must not appear twice, as it could in a Map or after truncation.
  let names: Set<string> | undefined
  let first = '"…"'
  for (const [key, member] of members) {
    if (count === MEMBERS || walk.left <= 0) {
      return `${written}${count === 0 ? '' : ','}"…":"more"}`
    }
    const bare = typeof key === 'string' ? key : typeof key === 'object' ? '[object]' : String(key)
    const name = clip(redactText(bare), NAME_BYTES)
    if (name === '"…"' || name === first || names?.has(name) === true) continue
    if (count === 0) first = name
    else (names ??= new Set()).add(name)
    walk.left -= Buffer.byteLength(name) + 2
    const value = isSecretName(bare) && member !== null ? quote(REDACTED) : text(member, walk)
    written += `${count++ === 0 ? '' : ','}${name}:${value}`
  }
  return written + '}'
}

import { exceptionText } from './exception.ts'
import { isSecretName, redactText, REDACTED } from './redact.ts'
import { clip, quote } from './text.ts'

/** How much of a value is written. What is beyond is replaced by a word that says so. */
const DEPTH = 8
const MEMBERS = 100
const STRING_BYTES = 4096
const NAME_BYTES = 256

/** How many more bytes may be spent, shared by a whole walk, and the objects that the walk is inside of. */
interface Walk { left: number, inside: object[] }

/**
 * The JSON text of an object of extras. It answers for any value whatever and never throws: a getter or `toJSON` that
 * does is `"[unreadable]"`, a circle `"[circular]"`. Values under a secret name are redacted, texts are scanned, and
 * the whole is at most `maxBytes` long, a few bytes of brackets and ellipses aside.
 *
 * Not JSON.stringify with a replacer: that throws on circles, BigInt and bad getters, and cannot stop when it has
 * become too long.
 */
export function extraText (extras: Record<string, unknown>, maxBytes: number): string {
  // Not by way of objectText: a field may be called toJSON, and `extra` is an object all the same.
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
      // A getter threw: that the name is there is all there is to say.
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
  // A name may not stand twice, as it might in a Map or once it is cut.
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

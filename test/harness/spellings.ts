const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/**
 * Other texts that a lenient base64url decoder reads as the same bytes: padded, in the standard alphabet, with bits
 * after the last byte. Each differs from `text`; a text of whole groups of three bytes has no spare bits.
 */
export function otherSpellings (text: string): string[] {
  const last = ALPHABET.indexOf(text.at(-1) as string)
  const spare = text.length % 4 === 2 ? 15 : text.length % 4 === 3 ? 3 : 0
  const bits = Array.from({ length: spare }, (_, i) => text.slice(0, -1) + ALPHABET.charAt(last ^ (i + 1)))
  const standard = text.replaceAll('-', '+').replaceAll('_', '/')
  return [`${text}=`, `${text}==`, ...bits, ...(standard === text ? [] : [standard])]
}

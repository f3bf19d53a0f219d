/** Texts that stand for no value, as programs write them; infinity is no such text, but a value that cannot be. */
const ABSENT = /^(nan|null|nil|none|undefined|n\/?a|-+)?$/i
const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i
const DECIMAL_COMMA = /^[+-]?\d+,\d+$/
const GROUPED = /^[+-]?\d{1,3}(,\d{3})+\.\d+$/

/**
 * The number in a text of a file. Digits of any script and a decimal comma are read, as devices and programs with other
 * languages write them. Undefined if the text stands for no value, NaN if it cannot be read.
 */
export function numberIn (text: string | undefined): number | undefined {
  if (text === undefined || text.length > 64) return text === undefined ? undefined : Number.NaN
  // Nearly all are: an hour has 30,000 of them.
  if (PLAIN.test(text)) return finite(Number(text))
  const ascii = asciiDigits(text.trim())
  if (ABSENT.test(ascii)) return undefined
  const value = PLAIN.test(ascii)
    ? Number(ascii)
    : DECIMAL_COMMA.test(ascii)
      ? Number(ascii.replace(',', '.'))
      : GROUPED.test(ascii)
        ? Number(ascii.replaceAll(',', ''))
        : Number.NaN
  return finite(value)
}

function finite (value: number): number {
  return Number.isFinite(value) ? value : Number.NaN
}

/** The text with the digits of all scripts, the minus sign and the Arabic separators as ASCII has them. */
export function asciiDigits (text: string): string {
  // eslint-disable-next-line no-control-regex
  if (/^[\u0000-\u007f]*$/.test(text)) return text
  return text
    .replaceAll(/\p{Nd}/gu, digitOf)
    .replaceAll('\u2212', '-')
    .replaceAll('\u066b', '.')
    .replaceAll('\u066c', '')
    // Marks of the direction of writing.
    .replaceAll(/[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g, '')
    .trim()
}

/** The decimal digits of a script follow each other in Unicode, ten at a time. */
function digitOf (digit: string): string {
  const code = digit.codePointAt(0)!
  let before = 0
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before++
  return String(before % 10)
}

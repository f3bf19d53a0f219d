import { GAP, STEPS, STREAM_FIELDS, type StreamField, type Streams } from './fields.ts'

/** A sign, ten digits, a point, a zero before it, a comma. */
const LONGEST_NUMBER = 16
const ZERO = 48
const COMMA = 44

/**
 * The response body: these rows of these fields, `{"points":…,"streams":{…}}`, null for a gap. The digits of the whole
 * numbers are written as they are: 10,000 points of nine fields take 2.5 ms, while dividing them and
 * `JSON.stringify` take 10.
 */
export function streamsJson (
  { columns }: Streams,
  fields: ReadonlySet<StreamField>,
  rows: Uint32Array
): Uint8Array<ArrayBuffer> {
  const names = STREAM_FIELDS.filter((field) => fields.has(field))
  const bytes = Buffer.allocUnsafeSlow(64 + names.length * (32 + rows.length * LONGEST_NUMBER))
  let at = bytes.write(`{"points":${rows.length},"streams":{`, 'latin1')
  for (const [place, field] of names.entries()) {
    at += bytes.write(`${place === 0 ? '' : ','}"${field}":[`, at, 'latin1')
    at = writeColumn(bytes, at, columns[field], rows, Math.round(Math.log10(STEPS[field])))
    at += bytes.write(']', at, 'latin1')
  }
  at += bytes.write('}}', at, 'latin1')
  return bytes.subarray(0, at) as Uint8Array<ArrayBuffer>
}

function writeColumn (
  bytes: Uint8Array,
  start: number,
  column: Int32Array | undefined,
  rows: Uint32Array,
  decimals: number
): number {
  let at = start
  for (let i = 0; i < rows.length; i++) {
    if (i > 0) bytes[at++] = COMMA
    const value = column === undefined ? GAP : column[rows[i]!]!
    at = value === GAP ? writeNull(bytes, at) : writeDecimal(bytes, at, value, decimals)
  }
  return at
}

function writeNull (bytes: Uint8Array, at: number): number {
  bytes[at] = 0x6e
  bytes[at + 1] = 0x75
  bytes[at + 2] = 0x6c
  bytes[at + 3] = 0x6c
  return at + 4
}

/** Writes `steps` / 10^decimals without trailing zeros. */
function writeDecimal (bytes: Uint8Array, start: number, steps: number, decimals: number): number {
  let at = start
  let rest = steps
  if (rest < 0) {
    bytes[at++] = 0x2d
    rest = -rest
  }
  let places = decimals
  while (places > 0 && rest % 10 === 0) {
    rest = rest / 10 | 0
    places--
  }
  let digits = 1
  for (let power = 10; power <= rest; power *= 10) digits++
  // At least one digit before the point.
  digits = Math.max(digits, places + 1)
  const end = at + digits + (places > 0 ? 1 : 0)
  let position = end
  for (let digit = 0; digit < digits; digit++) {
    if (digit === places && places > 0) bytes[--position] = 0x2e
    bytes[--position] = ZERO + rest % 10
    rest = rest / 10 | 0
  }
  return end
}

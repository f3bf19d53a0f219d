// What `copy … from stdin (format binary)` reads: https://www.postgresql.org/docs/current/sql-copy.html, "Binary
// Format".

/** The signature, no flags, no extension. */
const HEAD = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)])
/** Instead of how many columns one more row has. */
const END = Buffer.from([0xff, 0xff])

/**
 * A table of one row of values, none of them null, each as its type is sent in binary; the last one as it is, and not a
 * copy of it, as it may be large.
 */
export function binaryRow (values: readonly Uint8Array[]): Uint8Array[] {
  const parts = [HEAD, int16(values.length), ...values.flatMap((value) => [integerBytes(value.length), value])]
  const last = parts.pop() as Uint8Array
  return [Buffer.concat(parts), last, END]
}

export function uuidBytes (uuid: string): Uint8Array {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

/** Of an `integer`. */
export function integerBytes (value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}

function int16 (value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeInt16BE(value)
  return bytes
}

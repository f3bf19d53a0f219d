import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

const BYTES = 16
/** For so many random bytes are fetched at a time. */
const COUNT = 256
const random = new Uint8Array(BYTES * COUNT)
let used = random.length
let msecs = 0
let seq = 0

/**
 * A new UUIDv7 (RFC 9562): it sorts after all this process made before, those of the same millisecond too. Random bytes
 * are fetched for 256 at a time; for each on its own that took 5 µs.
 */
export function newId (): string {
  if (used === random.length) {
    randomFillSync(random)
    used = 0
  }
  const bytes = random.subarray(used, used += BYTES)
  const now = Date.now()
  if (now > msecs) {
    msecs = now
    // At random in the lower half of 32 bits: the upper is left to count up.
    seq = (bytes[6]! & 0x7f) << 24 | bytes[7]! << 16 | bytes[8]! << 8 | bytes[9]!
  } else if (++seq > 0xffffffff) {
    msecs++
    seq = 0
  }
  return v7({ random: bytes, msecs, seq })
}

/** Of the 16 bytes of a UUID, where in its text the two digits of each are. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]
const LENGTH = 36
const DIGITS = Buffer.from('0123456789abcdef')
const texts = Buffer.alloc(LENGTH * COUNT, '-')
let given = texts.length

/**
 * A new UUIDv4 (RFC 9562), as `crypto.randomUUID` gives one, but in one piece: that one's is a tree of its twenty
 * parts, which whoever writes it has to walk through, and each request has its id in a header and in the log. 0.13 µs
 * as well, and 0.12 less at each place; at twice capacity 3 % more is done.
 */
export function randomId (): string {
  if (given === texts.length) fill()
  given += LENGTH
  return texts.toString('latin1', given - LENGTH, given)
}

function fill (): void {
  const bytes = randomFillSync(Buffer.allocUnsafe(BYTES * COUNT))
  for (let id = 0; id < COUNT; id++) {
    const [from, to] = [id * BYTES, id * LENGTH]
    bytes[from + 6] = bytes[from + 6]! & 0x0f | 0x40
    bytes[from + 8] = bytes[from + 8]! & 0x3f | 0x80
    for (let i = 0; i < BYTES; i++) {
      const byte = bytes[from + i]!
      const at = to + PLACES[i]!
      texts[at] = DIGITS[byte >> 4]!
      texts[at + 1] = DIGITS[byte & 15]!
    }
  }
  given = 0
}

import { CrcCalculator, Profile } from '@garmin/fitsdk'
import { warning } from '../warnings.ts'
import type { Warning, WarningCode } from '../warnings.ts'
import { recordReader } from './fit-records.ts'
import type { FieldDefinition, RecordReader } from './fit-records.ts'
import { PointBuffer } from './points.ts'
import { counted, unreadable } from './unreadable.ts'

/**
 * The framing of a FIT file: where its messages begin and end. The official decoder interprets all but plain records,
 * and gets only the wanted messages and fields, in portions: so it reads a part of the bytes, keeps no more than one
 * portion in memory, and gets the parts that it cannot read itself, compressed timestamps and damaged tails, in a form
 * that it can.
 */
export interface FitFile {
  portions: Generator<ArrayBuffer, void, void>
  /**
   * The records that were read here, to which those in the portions are added; all records from the first on that only
   * the official decoder can read are in the portions, so that they stay in the order of the file.
   */
  points: PointBuffer
  /** The problems found; complete once all portions have been read. */
  warnings: Warning[]
  /** Whether messages in the portions so far may have this field; both are FIT numbers. */
  has (message: number, field: number): boolean
}

/** The wanted fields of the wanted messages, by their global FIT numbers. */
export type Wanted = ReadonlyMap<number, ReadonlySet<number>>

interface Definition {
  littleEndian: boolean
  /** The size of one message in the file, without its header byte. */
  size: number
  /** The offset of the timestamp in the message; -1 if it has none. */
  timestampAt: number
  /** The parts of the message that are passed on: offset, length and type of each. */
  kept: number[]
  /** The definition as it is passed on; null for an unwanted message. */
  bytes: Uint8Array | null
  /** The offset of the developer index in a declaration of developer fields; -1 in all other messages. */
  developerAt: number
  /** Reads a message of this definition here; undefined where it is passed on. */
  reader: RecordReader | undefined
  /** Whether a timestamp is added to each message passed on, because of compressed headers. */
  stamped: boolean
}

const { RECORD } = Profile.MesgNum as Record<string, number>
const TIMESTAMP = 253
const NO_TIMESTAMP = 0xffffffff
const UINT32 = 0x86
const STRING = 7
const DEVELOPER_DATA_ID = 207
const DEVELOPER_DATA_INDEX = 3
const KNOWN_BASE_TYPES = 17
/** The number of messages that are decoded at a time. */
const PORTION = 2048
const PORTION_BYTES = 1 << 18
/** Far above any real file; one-byte messages could otherwise fill the memory. */
const MAX_MESSAGES = 8_000_000
/** The most chained files that are read. */
const MAX_PARTS = 100

export function isFit (bytes: Uint8Array): boolean {
  return bytes.length >= 12 && bytes[8] === 0x2e && bytes[9] === 0x46 && bytes[10] === 0x49 && bytes[11] === 0x54
}

/**
 * The FIT files chained in `bytes`, at most a hundred. Read each in full before requesting the next.
 */
export function * fitFiles (bytes: Uint8Array, wanted: Wanted): Generator<FitFile, void, void> {
  let at = 0
  for (let number = 1; at < bytes.length && number <= MAX_PARTS; number++) {
    const rest = bytes.subarray(at)
    if (!isFit(rest)) break
    const file = new FitReader(rest, wanted, number > 1 ? `Part ${number} of the file: ` : '')
    yield file
    at += file.end
  }
}

class FitReader implements FitFile {
  readonly portions: Generator<ArrayBuffer, void, void>
  readonly points = new PointBuffer()
  readonly warnings: Warning[] = []
  /** The offset at which the next chained file would begin. */
  end = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #wanted: Wanted
  readonly #prefix: string
  readonly #definitions: Array<Definition | undefined> = []
  #output = new Uint8Array(1 << 16)
  #length = 0
  #hasPlainRecords = true
  #unterminated = 0
  #time = 0
  /** The wanted fields that were defined: the number of the message and, in the lowest byte, that of the field. */
  readonly #defined = new Set<number>()
  readonly #developers = new Set<number>()
  #redeclared = false

  constructor (bytes: Uint8Array, wanted: Wanted, prefix: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#wanted = wanted
    this.#prefix = prefix
    this.portions = this.#read()
  }

  has (message: number, field: number): boolean {
    return this.#defined.has(message << 8 | field)
  }

  warn (text: string, code: WarningCode = 'FILE_DAMAGED'): void {
    const message = this.#prefix === '' ? text.charAt(0).toUpperCase() + text.slice(1) : this.#prefix + text
    this.warnings.push(warning(code, message))
  }

  * #read (): Generator<ArrayBuffer, void, void> {
    const { start, end } = this.#frame()
    let at = start
    let messages = 0
    let inPortion = 0
    while (at < end) {
      if (++messages > MAX_MESSAGES) throw unreadable(`The file contains more than ${MAX_MESSAGES} messages`)
      const header = this.#bytes[at]!
      const isDefinition = (header & 0xc0) === 0x40
      const definition = isDefinition ? undefined : this.#definitions[header & 0x80 ? header >> 5 & 3 : header & 0x0f]
      const size = isDefinition ? this.#definitionSize(at, end) : definition && 1 + definition.size
      if (size === undefined) {
        this.warn(`damaged at byte ${at} of ${end}: the rest was ignored`)
        break
      }
      if (at + size > end) {
        this.warn(`truncated in the middle of a message at byte ${at}`, 'FILE_TRUNCATED')
        break
      }
      if (isDefinition) {
        this.#define(at)
      } else {
        if (this.#pass(at, definition!)) inPortion++
      }
      at += size
      if (inPortion >= PORTION || (inPortion > 0 && this.#length >= PORTION_BYTES)) {
        yield this.#portion()
        inPortion = 0
      }
    }
    if (this.#unterminated > 0) {
      this.warn(`${counted(this.#unterminated, 'text')} without the terminator that the format requires: read in full`)
    }
    if (this.#redeclared) this.warn('developer fields declared more than once, against the format: ignored')
    yield this.#portion()
  }

  /** Where the messages begin and end, as far as the header is plausible. */
  #frame (): { start: number, end: number } {
    const bytes = this.#bytes
    const stated = bytes[0]!
    let start = stated
    if (stated !== 12 && stated !== 14) {
      start = bytes[14] !== undefined && (bytes[14] & 0xf0) === 0x40 ? 14 : 12
      this.warn(`invalid header length of ${counted(stated, 'byte')}: assumed ${start}`)
    }
    const dataSize = this.#view.getUint32(4, true)
    const end = start + dataSize
    if (dataSize === 0 || end > bytes.length) {
      this.end = bytes.length
      this.warn(dataSize === 0
        ? 'the recording was never finished: the header states no size'
        : `truncated: ${counted(end + 2 - bytes.length, 'byte')} of ${end + 2} missing`, 'FILE_TRUNCATED')
      return { start, end: bytes.length }
    }
    this.end = Math.min(bytes.length, end + 2)
    if (end + 2 > bytes.length) {
      this.warn('truncated: the checksum is missing', 'FILE_TRUNCATED')
    } else if (this.#view.getUint16(end, true) !== CrcCalculator.calculateCRC(bytes, 0, end)) {
      this.warn('wrong checksum: parts of the file may be damaged')
    }
    const rest = bytes.subarray(this.end)
    if (rest.length > 0 && !isFit(rest)) this.warn(`${counted(rest.length, 'byte')} after the end ignored`)
    return { start, end }
  }

  /** The length of the definition message at `at`; undefined if it is invalid or truncated. */
  #definitionSize (at: number, end: number): number | undefined {
    const architecture = this.#bytes[at + 2]
    if (at + 6 > end || architecture === undefined || architecture > 1) return undefined
    const size = 6 + 3 * this.#bytes[at + 5]!
    if ((this.#bytes[at]! & 0x20) === 0) return size
    return at + size < end ? size + 1 + 3 * this.#bytes[at + size]! : size + 1
  }

  #define (at: number): void {
    const bytes = this.#bytes
    const local = bytes[at]! & 0x0f
    const littleEndian = bytes[at + 2] === 0
    const global = this.#view.getUint16(at + 3, littleEndian)
    const wanted = this.#wanted.get(global)
    const definition: Definition = {
      littleEndian,
      size: 0,
      timestampAt: -1,
      developerAt: -1,
      kept: [],
      bytes: null,
      reader: undefined,
      stamped: false
    }
    const fields: number[] = []
    const read: FieldDefinition[] = []
    for (let field = at + 6; field < at + 6 + 3 * bytes[at + 5]!; field += 3) {
      const number = bytes[field]!
      const size = bytes[field + 1]!
      const type = bytes[field + 2]! & 0x1f
      if (number === TIMESTAMP && size === 4) definition.timestampAt = definition.size
      if (global === DEVELOPER_DATA_ID && number === DEVELOPER_DATA_INDEX) definition.developerAt = definition.size
      if (wanted?.has(number) && type < KNOWN_BASE_TYPES && size > 0) {
        fields.push(number, size, bytes[field + 2]!)
        definition.kept.push(definition.size, size, type)
        read.push({ number, at: definition.size, size, type })
        this.#defined.add(global << 8 | number)
      }
      definition.size += size
    }
    if (bytes[at]! & 0x20) {
      const first = at + 6 + 3 * bytes[at + 5]!
      for (let i = 0; i < bytes[first]!; i++) definition.size += bytes[first + 1 + 3 * i + 1]!
    }
    if (wanted) {
      definition.stamped = local < 4 && definition.timestampAt < 0
      if (definition.stamped) fields.push(TIMESTAMP, 4, UINT32)
      definition.bytes = Uint8Array.of(
        0x40 | local,
        0,
        bytes[at + 2]!,
        bytes[at + 3]!,
        bytes[at + 4]!,
        fields.length / 3,
        ...fields
      )
      this.#append(definition.bytes)
    }
    if (global === RECORD) {
      if (this.#hasPlainRecords) definition.reader = recordReader(read, definition.littleEndian)
      this.#hasPlainRecords = definition.reader !== undefined
    }
    this.#definitions[local] = definition
  }

  /** Reads a message or passes it on; answers whether it was passed on. */
  #pass (at: number, definition: Definition): boolean {
    const header = this.#bytes[at]!
    const compressed = (header & 0x80) !== 0
    if (compressed) {
      // The five low bits of the time, which has advanced by less than 32 s since the last one.
      const offset = header & 0x1f
      this.#time += (offset - (this.#time & 0x1f)) & 0x1f
    } else if (definition.timestampAt >= 0) {
      const time = this.#view.getUint32(at + 1 + definition.timestampAt, definition.littleEndian)
      if (time !== NO_TIMESTAMP) this.#time = time
    }
    if (definition.developerAt >= 0) this.#declare(this.#bytes[at + 1 + definition.developerAt]!)
    if (!definition.bytes) return false
    if (definition.reader !== undefined && this.#hasPlainRecords) {
      definition.reader(this.#view, at + 1, compressed && definition.stamped ? this.#time : undefined, this.points)
      return false
    }
    this.#reserve(definition.size + 5)
    const output = this.#output
    output[this.#length++] = compressed ? header >> 5 & 3 : header & 0x0f
    const { kept } = definition
    for (let i = 0; i < kept.length; i += 3) {
      const from = at + 1 + kept[i]!
      const size = kept[i + 1]!
      for (let j = 0; j < size; j++) output[this.#length + j] = this.#bytes[from + j]!
      this.#length += size
      if (kept[i + 2] === STRING && output[this.#length - 1] !== 0) this.#unterminated++
    }
    if (definition.stamped) {
      new DataView(output.buffer).setUint32(
        this.#length,
        compressed ? this.#time : NO_TIMESTAMP,
        definition.littleEndian
      )
      this.#length += 4
    }
    return true
  }

  /**
   * A developer index stands for one set of fields in a file. If it is declared again, the meaning of its fields
   * depends on their position.
   */
  #declare (developer: number): void {
    if (this.#developers.has(developer)) this.#redeclared = true
    this.#developers.add(developer)
  }

  /** The output since the last portion; the next portion then starts with the definitions in force. */
  #portion (): ArrayBuffer {
    // Two bytes for a checksum, which the decoder skips.
    const portion = this.#output.slice(0, this.#length + 2).fill(0, this.#length).buffer
    this.#length = 0
    for (const definition of this.#definitions) {
      if (definition?.bytes) this.#append(definition.bytes)
    }
    return portion
  }

  #append (bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#output.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #reserve (size: number): void {
    if (this.#length + size + 2 <= this.#output.length) return
    const larger = new Uint8Array(Math.max(this.#output.length * 2, this.#length + size + 2))
    larger.set(this.#output)
    this.#output = larger
  }
}

import { CrcCalculator, Encoder, Profile } from '@garmin/fitsdk'
import { scaleOf } from './fit-profile.ts'

/** The values of a record by the names of the profile; NaN: there is none. */
export interface FitRecord {
  timestamp: number
  positionLat: number
  positionLong: number
  distance: number
  enhancedAltitude: number
  enhancedSpeed: number
  heartRate: number
  cadence: number
  power: number
}

/** A FIT file that is written message by message. */
export interface FitFileWriter {
  /** Writes a message of a number and fields of the profile, with the official encoder. */
  message (number: number, fields: Record<string, string | number>): void
  record (record: FitRecord): void
  /** The whole file. */
  close (): Uint8Array
}

interface Field {
  name: keyof FitRecord
  number: number
  /** Its base type, which also says how many bytes it has and which value stands for none. */
  type: number
  scale: number
  offset: number
}

const UINT8 = 0x02
const UINT16 = 0x84
const SINT32 = 0x85
const UINT32 = 0x86
const SIZES = new Map([[UINT8, 1], [UINT16, 2], [SINT32, 4], [UINT32, 4]])

const FIELDS: Field[] = [
  fieldOf('timestamp', 253, UINT32),
  fieldOf('positionLat', 0, SINT32),
  fieldOf('positionLong', 1, SINT32),
  fieldOf('distance', 5, UINT32),
  fieldOf('enhancedAltitude', 78, UINT32),
  fieldOf('enhancedSpeed', 73, UINT32),
  fieldOf('heartRate', 3, UINT8),
  fieldOf('cadence', 4, UINT8),
  fieldOf('power', 7, UINT16)
]

function fieldOf (name: keyof FitRecord, number: number, type: number): Field {
  return { name, number, type, ...scaleOf(number) }
}

const HEADER_BYTES = 14
const CRC_BYTES = 2
const LITTLE_ENDIAN = 0
const DEFINITION = 0x40
/** The official encoder writes the other messages with the local number 0. */
const LOCAL_NUMBER = 1

/**
 * Writes a FIT file. The official encoder makes a definition of each message anew, 0.13 ms a record: an hour took half
 * a second. Records are written here, with the numbers, scales and offsets of its profile; it writes all else.
 *
 * `fields`: those that any record has.
 */
export function fitFileWriter (fields: ReadonlySet<keyof FitRecord>): FitFileWriter {
  const columns = FIELDS.filter(({ name }) => fields.has(name))
  const recordBytes = 1 + columns.reduce((sum, { type }) => sum + SIZES.get(type)!, 0)
  let bytes = new Uint8Array(1 << 16)
  let view = new DataView(bytes.buffer)
  let length = HEADER_BYTES
  let isDefined = false
  const reserve = (more: number): void => {
    if (length + more <= bytes.length) return
    const larger = new Uint8Array(Math.max(bytes.length * 2, length + more))
    larger.set(bytes)
    bytes = larger
    view = new DataView(bytes.buffer)
  }
  const append = (part: Uint8Array): void => {
    reserve(part.length)
    bytes.set(part, length)
    length += part.length
  }
  return {
    message (mesgNum, message) {
      const file = new Encoder().onMesg(mesgNum, { mesgNum, ...message } as never).close()
      append(file.subarray(HEADER_BYTES, file.length - CRC_BYTES))
    },
    record (record) {
      if (!isDefined) append(definitionOf(columns))
      isDefined = true
      reserve(recordBytes)
      view.setUint8(length++, LOCAL_NUMBER)
      for (const { name, type, scale, offset } of columns) {
        length = putInteger(view, length, type, Math.round((record[name] + offset) * scale))
      }
    },
    close () {
      const header = new Encoder().close().subarray(0, HEADER_BYTES)
      bytes.set(header)
      view.setUint32(4, length - HEADER_BYTES, true)
      view.setUint16(HEADER_BYTES - CRC_BYTES, CrcCalculator.calculateCRC(bytes, 0, HEADER_BYTES - CRC_BYTES), true)
      reserve(CRC_BYTES)
      view.setUint16(length, CrcCalculator.calculateCRC(bytes, 0, length), true)
      return bytes.subarray(0, length + CRC_BYTES)
    }
  }
}

function definitionOf (columns: readonly Field[]): Uint8Array {
  const number = Profile.MesgNum.RECORD!
  const fields = columns.flatMap(({ number, type }) => [number, SIZES.get(type)!, type])
  const head = [DEFINITION | LOCAL_NUMBER, 0, LITTLE_ENDIAN, number & 0xff, number >> 8, columns.length]
  return Uint8Array.from([...head, ...fields])
}

/** Writes an integer, or the value that stands for none where there is none or it has no room, and answers its end. */
function putInteger (view: DataView, at: number, type: number, value: number): number {
  switch (type) {
    case UINT8:
      view.setUint8(at, value >= 0 && value < 0xff ? value : 0xff)
      return at + 1
    case UINT16:
      view.setUint16(at, value >= 0 && value < 0xffff ? value : 0xffff, true)
      return at + 2
    case SINT32:
      view.setInt32(at, Math.abs(value) < 0x7fffffff ? value : 0x7fffffff, true)
      return at + 4
    default:
      view.setUint32(at, value >= 0 && value < 0xffffffff ? value : 0xffffffff, true)
      return at + 4
  }
}

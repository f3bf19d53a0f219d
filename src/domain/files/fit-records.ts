import { scaleOf, SEMICIRCLES_PER_DEGREE, timeMsOf } from './fit-profile.ts'
import { ALTITUDE, CADENCE, DISTANCE, HEART_RATE, LATITUDE, LONGITUDE, POWER, SPEED, TIME, WIDTH } from './points.ts'
import type { PointBuffer } from './points.ts'

/**
 * Records read without the official decoder, which makes an object with a dozen properties of each: an hour of them
 * takes it 8 ms, and this half a millisecond. Scales and offsets are those of its profile, and the values are the same
 * to the last bit. Only records of single integers are read, as devices write them; the others are left to the decoder.
 */
export type RecordReader = (view: DataView, at: number, time: number | undefined, points: PointBuffer) => void

/** A field in the definition of a message. */
export interface FieldDefinition {
  /** Its FIT number. */
  number: number
  /** Where it begins in the message, and how many bytes it has. */
  at: number
  size: number
  /** Its base type, without the bit of endianness. */
  type: number
}

const TIMESTAMP = 253
const FRACTIONAL_CADENCE = 53
const UINT32 = 6

/** The fields of a record by their FIT numbers, and what they tell. A later one stands for an earlier one. */
const PLACES = new Map([
  [TIMESTAMP, TIME],
  [0, LATITUDE],
  [1, LONGITUDE],
  [2, ALTITUDE],
  [3, HEART_RATE],
  [4, CADENCE],
  [5, DISTANCE],
  [6, SPEED],
  [7, POWER],
  [FRACTIONAL_CADENCE, CADENCE],
  [73, SPEED], // enhanced
  [78, ALTITUDE] // enhanced
])
const ORDER = [...PLACES.keys()]

/** The integers of FIT by their base types: how many bytes they have, and which value says that there is none. */
const INTEGERS = new Map([
  [1, { size: 1, none: 0x7f }],
  [2, { size: 1, none: 0xff }],
  [3, { size: 2, none: 0x7fff }],
  [4, { size: 2, none: 0xffff }],
  [5, { size: 4, none: 0x7fffffff }],
  [UINT32, { size: 4, none: 0xffffffff }],
  [10, { size: 1, none: 0 }],
  [11, { size: 2, none: 0 }],
  [12, { size: 4, none: 0 }]
])

/** A field to read: `value = raw / scale − offset`, at a place in the row. */
interface Column {
  place: number
  at: number
  type: number
  none: number
  scale: number
  offset: number
}

/**
 * A reader of records with these fields; undefined where the official decoder has to read them. It is given where a
 * message begins after its header, and the time by a compressed header, if it has one.
 */
export function recordReader (fields: readonly FieldDefinition[], littleEndian: boolean): RecordReader | undefined {
  if (!fields.every(isPlain) || new Set(fields.map(({ number }) => number)).size < fields.length) return undefined
  const columns = fields
    .toSorted((a, b) => ORDER.indexOf(a.number) - ORDER.indexOf(b.number))
    .map(columnOf)
  const fraction = fields.some(({ number }) => number === FRACTIONAL_CADENCE)
    ? columns.findLastIndex(({ place }) => place === CADENCE)
    : -1
  const row = new Float64Array(WIDTH)
  return (view, at, time, points) => {
    row.fill(Number.NaN)
    if (time !== undefined) row[TIME] = timeMsOf(time)
    for (let i = 0; i < columns.length; i++) {
      const { place, at: within, type, none, scale, offset } = columns[i]!
      const raw = integerAt(view, at + within, type, littleEndian)
      if (raw === none) continue
      const value = raw / scale - offset
      if (place === TIME) row[TIME] = timeMsOf(value)
      else row[place] = i === fraction ? row[place]! + value : value
    }
    points.pushRow(row)
  }
}

function isPlain ({ number, size, type }: FieldDefinition): boolean {
  return PLACES.has(number) && INTEGERS.get(type)?.size === size && (number !== TIMESTAMP || type === UINT32)
}

function columnOf ({ number, at, type }: FieldDefinition): Column {
  const place = PLACES.get(number)!
  const { scale, offset } = scaleOf(number)
  const isPosition = place === LATITUDE || place === LONGITUDE
  return {
    place,
    at,
    type,
    none: INTEGERS.get(type)!.none,
    scale: isPosition ? SEMICIRCLES_PER_DEGREE : scale,
    offset
  }
}

function integerAt (view: DataView, at: number, type: number, littleEndian: boolean): number {
  switch (type) {
    case 1: return view.getInt8(at)
    case 3: return view.getInt16(at, littleEndian)
    case 4: case 11: return view.getUint16(at, littleEndian)
    case 5: return view.getInt32(at, littleEndian)
    case UINT32: case 12: return view.getUint32(at, littleEndian)
    default: return view.getUint8(at)
  }
}

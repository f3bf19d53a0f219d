import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { CrcCalculator, Decoder, Stream, Utils } from '@garmin/fitsdk'
import t from 'tap'
import { fitFiles } from '../../src/domain/files/fit-frames.ts'
import { HEART_RATE, WIDTH } from '../../src/domain/files/points.ts'

// The records that are read here are those of the official decoder, to the last bit.

const RECORD = 20
const FIELDS = [253, 0, 1, 2, 3, 4, 5, 6, 7, 53, 73, 78]
const WANTED = new Map([[RECORD, new Set([...FIELDS, 8])]])
const SEMICIRCLES_PER_DEGREE = 2 ** 31 / 180
/** Number, size and base type of each field. */
type Field = [number: number, size: number, type: number]
/** The bytes of each integer, by its base type. */
const SIZES = new Map([[1, 1], [2, 1], [0x83, 2], [0x84, 2], [0x85, 4], [0x86, 4], [10, 1], [0x8b, 2], [0x8c, 4]])
/** Types and sizes that only the official decoder reads. */
const OTHERS = [[0, 1], [7, 3], [0x88, 4], [0x89, 8], [13, 1], [13, 3], [0x84, 4], [0x84, 3], [2, 0]] as const
const OPTIONS = { mergeHeartRates: false, convertDateTimesToDates: false, expandComponents: false }

t.test('records of any definition are those of the official decoder', async t => {
  const next = seeded(7)
  let read = 0
  for (let n = 0; n < 300; n++) {
    const bytes = fileOf(next)
    const { own, official, readHere } = bothOf(bytes)
    read += readHere
    if (own !== official) return t.fail(`file ${n}`, { own, official })
  }
  t.ok(read > 3000, `${read} records were read without the official decoder`)
})

t.test('a compressed header gives the time of a record without one', async t => {
  const definition = definitionOf({ local: 1, littleEndian: true, fields: [[3, 1, 2]] })
  const stamped = definitionOf({ local: 0, littleEndian: true, fields: [[253, 4, 0x86], [3, 1, 2]] })
  const messages = [...stamped, 0, 62, 0, 0, 0x40, 120, ...definition, 0xa0, 121, 0xa3, 122]
  const [file] = fitFiles(framed(messages), WANTED)
  t.equal([...file!.portions].length, 1)
  const { points } = file!
  t.same([0, 1, 2].map((i) => (points.timeMsAt(i) - Utils.FIT_EPOCH_MS) / 1000 - 0x40000000), [62, 64, 67])
  t.same([0, 1, 2].map((i) => points.valueAt(i, HEART_RATE)), [120, 121, 122])
})

const SAMPLES = resolve(process.cwd(), '../shared/samples/fit')
const skip = !existsSync(SAMPLES) && `there are no samples in ${SAMPLES}`
t.test('records of real recordings are those of the official decoder', { skip }, async t => {
  const compared = readdirSync(SAMPLES).filter((name) => {
    const bytes = readFileSync(`${SAMPLES}/${name}`)
    const { own, official, readHere, refused } = bothOf(bytes)
    // The official decoder reads neither damaged files nor compressed timestamps.
    if (refused) return false
    t.equal(own, official, name)
    return readHere > 0
  })
  t.ok(compared.length >= 5, compared.join(', '))
})

/** The rows of the records as text. */
interface Both {
  /** By the reader here, and what it passes on. */
  own: string
  /** By the official decoder alone. */
  official: string
  readHere: number
  /** Whether the official decoder found an error. */
  refused: boolean
}

function bothOf (bytes: Uint8Array): Both {
  const [file] = fitFiles(bytes, WANTED)
  const passed: string[] = []
  for (const portion of file!.portions) {
    const listen = (number: number, message: unknown): void => {
      if (number === RECORD) passed.push(rowOf(message as Message))
    }
    new Decoder(Stream.fromArrayBuffer(portion)).read({ ...OPTIONS, dataOnly: true, mesgListener: listen })
  }
  const { points } = file!
  const rows = Array.from({ length: points.length }, (_, i) => points.rows.subarray(i * WIDTH, (i + 1) * WIDTH))
  const own = rows.map((row) => row.join())
  const { messages, errors } = new Decoder(Stream.fromBuffer(bytes)).read(OPTIONS)
  const timed = (row: string): boolean => !row.startsWith('NaN')
  return {
    own: [...own, ...passed].filter(timed).join('\n'),
    official: ((messages.recordMesgs ?? []) as Message[]).map(rowOf).filter(timed).join('\n'),
    readHere: points.length,
    refused: errors.length > 0
  }
}

type Message = Record<string, unknown>

function rowOf (message: Message): string {
  const value = (name: string): number => {
    const found = message[name]
    return typeof found === 'number' && Number.isFinite(found) ? found : Number.NaN
  }
  const either = (first: string, second: string): number => Number.isNaN(value(first)) ? value(second) : value(first)
  const fraction = value('fractionalCadence')
  return [
    value('timestamp') * 1000 + Utils.FIT_EPOCH_MS,
    value('positionLat') / SEMICIRCLES_PER_DEGREE,
    value('positionLong') / SEMICIRCLES_PER_DEGREE,
    either('enhancedAltitude', 'altitude'),
    value('heartRate'),
    value('cadence') + (Number.isNaN(fraction) ? 0 : fraction),
    either('enhancedSpeed', 'speed'),
    value('power'),
    value('distance')
  ].join()
}

/** A file with one to three definitions of records, of which most have plain integers, and random values. */
function fileOf (next: () => number): Uint8Array {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!
  const isPlain = next() < 0.7
  const definitions = Array.from({ length: 1 + Math.floor(next() * 3) }, (_, local): Definition => {
    const fields = FIELDS.filter(() => next() < 0.7).map((number): Field => {
      if (number === 253) return [number, 4, 0x86]
      const [type, size] = !isPlain && next() < 0.1 ? pick(OTHERS) : pick([...SIZES])
      return [number, size, type]
    })
    // Some that are of no use here, and now and then one twice.
    fields.splice(Math.floor(next() * fields.length), 0, [99, 3, 13])
    if (!isPlain && next() < 0.1) fields.push(pick(fields))
    return { local: local * 3, littleEndian: next() < 0.6, fields }
  })
  const bytes = definitions.flatMap(definitionOf)
  for (let n = 0; n < 40; n++) {
    const { local, fields, littleEndian } = pick(definitions)
    bytes.push(local, ...fields.flatMap((field) => valueOf(field, littleEndian, next)))
  }
  return framed(bytes)
}

function valueOf ([number, size, type]: Field, littleEndian: boolean, next: () => number): number[] {
  const chance = next()
  if (chance < 0.2) {
    const none = type === 1 || type === 0x83 || type === 0x85 ? 0x7f : [10, 0x8b, 0x8c].includes(type) ? 0 : 0xff
    const bytes = Array.from({ length: size }, (_, i) => i === size - 1 ? none : none === 0 ? 0 : 0xff)
    return littleEndian ? bytes : bytes.reverse()
  }
  return Array.from({ length: size }, () => number !== 253 && chance < 0.3 ? 0 : Math.floor(next() * 256))
}

interface Definition {
  local: number
  littleEndian: boolean
  fields: Field[]
}

function definitionOf ({ local, littleEndian, fields }: Definition): number[] {
  const number = littleEndian ? [RECORD, 0] : [0, RECORD]
  return [0x40 | local, 0, littleEndian ? 0 : 1, ...number, fields.length, ...fields.flat()]
}

function framed (messages: number[]): Uint8Array {
  const bytes = Buffer.alloc(14 + messages.length + 2)
  bytes.set([14, 0x20, 0x54, 0x08, 0, 0, 0, 0, 0x2e, 0x46, 0x49, 0x54])
  bytes.writeUInt32LE(messages.length, 4)
  bytes.writeUInt16LE(CrcCalculator.calculateCRC(bytes, 0, 12), 12)
  bytes.set(messages, 14)
  bytes.writeUInt16LE(CrcCalculator.calculateCRC(bytes, 0, 14 + messages.length), 14 + messages.length)
  return bytes
}

/** Mulberry32. */
function seeded (seed: number): () => number {
  let state = seed
  return () => {
    state = state + 0x6d2b79f5 | 0
    let mixed = Math.imul(state ^ state >>> 15, 1 | state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
}

import fc from '../harness/fast-check.ts'
import t from 'tap'
import {
  GAP, isStreamField, STEPS, stepsOf, STREAM_FIELDS, type StreamColumns, type Streams
} from '../../src/domain/streams/fields.ts'
import { streamsJson } from '../../src/domain/streams/json.ts'
import { packedRecords, packStreams, unpackStreams } from '../../src/domain/streams/pack.ts'
import { FEWEST_POINTS, sampleRows } from '../../src/domain/streams/sample.ts'

const all = new Set(STREAM_FIELDS)

/** Columns of one length, some of them absent, with gaps and with the furthest values that there are. */
const anyStreams: fc.Arbitrary<Streams> = fc.integer({ min: 1, max: 300 }).chain((records) =>
  fc.record(
    Object.fromEntries(STREAM_FIELDS.map((field) => [
      field,
      fc.array(
        fc.oneof(
          { weight: 8, arbitrary: fc.integer({ min: -3000, max: 3000 }) },
          fc.constantFrom(GAP, GAP + 1, 2 ** 31 - 1, 0)
        ),
        { minLength: records, maxLength: records }
      ).map((values) => Int32Array.from(values))
    ])),
    { requiredKeys: [] }
  ).map((columns) => ({ records, columns: columns as StreamColumns }))
)

/** An hour of running, a record a second, with a climb, an interval and a pause of the strap. */
function hour (records = 3600): Streams {
  const column = (value: (i: number) => number) => Int32Array.from({ length: records }, (_, i) => Math.round(value(i)))
  return {
    records,
    columns: {
      time_s: column((i) => i * 100),
      distance_m: column((i) => i * 290 + 40 * Math.sin(i / 7)),
      latitude_deg: column((i) => 525_000_000 + 9000 * Math.sin(i / 200) + 30 * Math.sin(i * 1.7)),
      longitude_deg: column((i) => 133_000_000 + 15_000 * Math.cos(i / 200) + 30 * Math.cos(i * 1.3)),
      altitude_m: column((i) => 400 + 300 * Math.sin(i / 500) + Math.sin(i)),
      heart_rate_bpm: column((i) => i % 900 < 20 ? GAP : 150 + 12 * Math.sin(i / 90)),
      cadence_spm: column((i) => 1700 + 20 * Math.sin(i / 3)),
      speed_m_per_s: column((i) => 2900 + 300 * Math.sin(i / 90) + 60 * Math.sin(i * 2.1))
    }
  }
}

t.test('packed columns come back as they were, whichever of them are asked for', async (t) => {
  fc.assert(fc.property(anyStreams, fc.subarray([...STREAM_FIELDS]), (streams, fields) => {
    const packed = packStreams(streams)
    t.equal(packedRecords(packed), streams.records)
    const { records, columns } = unpackStreams(packed, fields)
    return records === streams.records && STREAM_FIELDS.every((field) => {
      const wanted = fields.includes(field) ? streams.columns[field] : undefined
      return wanted === undefined
        ? columns[field] === undefined
        : wanted.every((value, row) => columns[field]![row] === value)
    })
  }))
})

t.test('an hour of running takes less than 25 kB', async (t) => {
  const bytes = packStreams(hour()).length
  t.ok(bytes > 1000 && bytes < 25_000, `${bytes} bytes`)
})

t.test('what is not packed streams is refused', async (t) => {
  t.throws(() => unpackStreams(Buffer.from([2, 0, 0, 0, 0])), /version 2/)
  const packed = packStreams(hour(100))
  packed.writeUInt32LE(99, 1)
  t.throws(() => unpackStreams(packed))
})

t.test('measured values are kept to a step, and what is no number, or too large, is a gap', async (t) => {
  t.same(stepsOf('altitude_m', Float64Array.of(40.04, Number.NaN, -3.26, 1e12)), Int32Array.of(400, GAP, -33, GAP))
  t.equal(stepsOf('power_w', Float64Array.of(Number.NaN, Number.POSITIVE_INFINITY)), undefined)
  t.ok(isStreamField('time_s') && !isStreamField('toString'))
})

t.test('a sample has the points asked for at most, and the first, the last and the extremes among them', async () => {
  fc.assert(fc.property(anyStreams, fc.integer({ min: FEWEST_POINTS, max: 320 }), (streams, points) => {
    const rows = sampleRows(streams, points)
    const extremes = (['altitude_m', 'heart_rate_bpm', 'speed_m_per_s'] as const).every((field) => {
      const column = streams.columns[field]
      const known = (values: number[]) => values.filter((value) => value !== GAP)
      if (column === undefined || known([...column]).length === 0) return true
      const kept = known(Array.from(rows, (row) => column[row]!))
      return Math.max(...kept) === Math.max(...known([...column])) &&
        Math.min(...kept) === Math.min(...known([...column]))
    })
    // A row that is kept twice over leaves one place of the sample empty.
    return rows.length <= points && rows.length >= Math.min(points - FEWEST_POINTS, streams.records) && extremes &&
      rows[0] === 0 && rows.at(-1) === streams.records - 1 && rows.every((row, i) => i === 0 || row > rows[i - 1]!)
  }), { numRuns: 300 })
})

t.test('a sample keeps the shape: each curve between its points is near the whole', async (t) => {
  const streams = hour(20_000)
  const rows = sampleRows(streams, 1000)
  for (const field of ['altitude_m', 'speed_m_per_s', 'latitude_deg'] as const) {
    const column = streams.columns[field]!
    const range = Math.max(...column) - Math.min(...column)
    const error = (of: Uint32Array): number => {
      let sum = 0
      for (let i = 1; i < of.length; i++) {
        for (let row = of[i - 1]!; row < of[i]!; row++) {
          const share = (row - of[i - 1]!) / (of[i]! - of[i - 1]!)
          sum += Math.abs(column[row]! - column[of[i - 1]!]! * (1 - share) - column[of[i]!]! * share)
        }
      }
      return sum / column.length / range
    }
    t.ok(error(rows) < 0.08, `${field} is off by ${error(rows)} of its range`)
    const sparse = Uint32Array.from({ length: 20 }, (_, i) => Math.round(i * 19_999 / 19))
    t.ok(error(rows) < error(sparse) / 2, 'and nearer than a twentieth of the points')
  }
})

t.test('a peak of one record survives in every sample', async (t) => {
  const streams = hour(10_000)
  streams.columns.speed_m_per_s![7001] = 9000
  t.ok(sampleRows(streams, 10).includes(7001))
})

t.test('the body is the JSON of the values, with null for gaps and for what was not measured', async (t) => {
  fc.assert(fc.property(anyStreams, fc.subarray([...STREAM_FIELDS], { minLength: 1 }), (streams, fields) => {
    const rows = sampleRows(streams, 20)
    const body = JSON.parse(Buffer.from(streamsJson(streams, new Set(fields), rows)).toString())
    const expected = Object.fromEntries(fields.map((field) => [
      field,
      Array.from(rows, (row) => {
        const step = streams.columns[field]?.[row] ?? GAP
        return step === GAP ? null : step / STEPS[field]
      })
    ]))
    t.equal(body.points, rows.length)
    t.same(body.streams, expected)
    return true
  }), { numRuns: 50 })
  const text = Buffer.from(streamsJson(
    { records: 5, columns: { altitude_m: Int32Array.of(-5, 0, 10, GAP, -1230) } }, all, Uint32Array.of(0, 1, 2, 3, 4)
  )).toString()
  t.match(text, '"altitude_m":[-0.5,0,1,null,-123]')
})

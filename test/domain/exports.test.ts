import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Decoder, Stream } from '@garmin/fitsdk'
import fc from '../harness/fast-check.ts'
import FitParser from 'fit-file-parser'
import t, { type Test } from 'tap'
import { decode, type FileFormat } from '../../src/domain/files/decode.ts'
import { writeRecording } from '../../src/domain/files/write.ts'
import { NO_DEVICE_FIGURES, NO_DEVICE_MEANS, emptyColumns, type Recording } from '../../src/domain/recording.ts'
import { summaryOf } from '../../src/domain/training/summary.ts'
import { random } from '../harness/fuzz-corpus.ts'

const FORMATS = ['fit', 'gpx', 'tcx'] as const
const SAMPLES = resolve(process.cwd(), '../shared/samples')

/** Recordings that devices wrote whole, whose figures are not in dispute. */
const SOUND = [
  'fit/run-bloemendaal.fit', 'fit/run-trosku.fit', 'fit/run-treadmill.fit', 'fit/same-4801048867.fit',
  'tcx/same-4801048867.tcx', 'gpx/same-4801048867-strava.gpx', 'tcx/same-5039744860.tcx', 'gpx/same-5039744860.gpx'
]

function write (recording: Recording, format: FileFormat, more: { name?: string | null } = {}): Buffer {
  const { name, sport, subSport } = recording
  return Buffer.concat([...writeRecording(format, { recording, name, sport, subSport, ...more })])
}

function isNear (value: number | null, expected: number | null): boolean {
  if (value === null || expected === null) return value === expected
  return Math.abs(value - expected) <= Math.abs(expected) * 0.001
}

/** Exports a recording, imports it again, and compares. */
function comesBack (t: Test, recording: Recording, format: FileFormat, title: string): Recording {
  const recordings = decode(write(recording, format))
  t.equal(recordings.length, 1)
  const back = recordings[0]!
  t.same(back.warnings, [], `${title} is read without a warning`)
  const [was, is] = [summaryOf(recording), summaryOf(back)]
  for (const name of ['distance_m', 'elapsed_s', 'moving_s', 'average_heart_rate_bpm', 'max_heart_rate_bpm'] as const) {
    // Heart rates are rounded to a beat, and pauses to the second.
    const isRounded = name !== 'distance_m' && Math.abs(is[name]! - was[name]!) <= 1.1
    t.ok(isNear(is[name], was[name]) || isRounded, `${title} ${name}: ${is[name]}, and was ${was[name]}`)
  }
  t.ok(Math.abs(back.startTime - recording.startTime) <= 500, `${title} begins when it began`)
  t.equal(is.name, was.name)
  if (format === 'gpx') return back
  t.equal(back.laps.length, Math.max(1, recording.laps.length), `${title} has its laps`)
  for (const [i, lap] of recording.laps.entries()) {
    const same = back.laps[i]!
    if (lap.distanceM !== null) t.ok(isNear(same.distanceM, lap.distanceM), `${title} lap ${i} distance`)
    if (lap.timerS !== null) t.ok(isNear(same.timerS, lap.timerS), `${title} lap ${i} timer`)
    if (i > 0) t.ok(Math.abs(same.startS - lap.startS) <= 1, `${title} lap ${i} start`)
    t.equal(same.averageHeartRateBpm, lap.averageHeartRateBpm)
  }
  return back
}

const START = Date.UTC(2026, 2, 1, 6, 30)

interface Shape {
  seconds?: number
  laps?: Recording['laps']
  pauses?: Recording['pauses']
  device?: Partial<Recording['device']>
  name?: string | null
  /** Without positions, for example indoors. */
  indoors?: boolean
}

/** A run of 3 m/s, a record each second, but none in pauses, in which the runner stands. */
function run (
  { seconds = 1200, laps = [], pauses = [], device = {}, name = null, indoors = false }: Shape = {}
): Recording {
  const running = Array.from({ length: seconds + 1 }, (_, second) => second)
    .filter((second) => !pauses.some(({ startS, endS }) => second > startS && second < endS))
  const columns = emptyColumns(running.length)
  running.forEach((second, i) => {
    const stoodS = pauses.reduce((sum, { startS, endS }) => sum + Math.max(0, Math.min(second, endS) - startS), 0)
    const metres = 3 * (second - stoodS)
    columns.timeS[i] = second
    columns.distanceM[i] = metres
    columns.heartRateBpm[i] = 140 + i % 20
    columns.cadenceSpm[i] = 172
    columns.altitudeM[i] = 100 + metres / 100
    columns.speedMPerS[i] = 3
    columns.powerW[i] = 250
    if (!indoors) {
      columns.latitudeDeg[i] = 50 + metres / 111_195.0802
      columns.longitudeDeg[i] = 8
    }
  })
  return {
    sport: 'running',
    subSport: null,
    name,
    startTime: START,
    columns,
    laps,
    pauses,
    device: { ...NO_DEVICE_FIGURES, ...device },
    deviceMeans: { ...NO_DEVICE_MEANS },
    deviceName: 'Forerunner 255',
    warnings: []
  }
}

const lap = (startS: number, elapsedS: number, timerS: number, distanceM: number): Recording['laps'][number] =>
  ({ startS, elapsedS, timerS, distanceM, elevationGainM: 3, averageHeartRateBpm: 150, maxHeartRateBpm: 159 })

const SHAPES: Record<string, Recording> = {
  'a plain run': run(),
  'a run indoors': run({ indoors: true }),
  'a run with pauses': run({ pauses: [{ startS: 300, endS: 420 }, { startS: 700.5, endS: 760.25 }] }),
  'a run with laps and a pause within one': run({
    laps: [lap(0, 400, 300, 900), lap(400, 500, 500, 1500), lap(900, 300, 300, 900)],
    pauses: [{ startS: 100, endS: 200 }],
    device: { distance_m: 3300, elapsed_s: 1200, timer_s: 1100 }
  }),
  'a run with a pause between laps': run({
    laps: [lap(0, 600, 540, 1620), lap(600, 600, 600, 1800)],
    pauses: [{ startS: 540, endS: 600 }],
    device: { distance_m: 3420, elapsed_s: 1200, timer_s: 1140 }
  }),
  'a run that the watch measured a little longer': run({ device: { distance_m: 3660, elapsed_s: 1202.4, timer_s: 1202.4 } }),
  'a run whose last lap was not marked': run({
    laps: [lap(0, 500, 500, 1500)],
    device: { distance_m: 3600, elapsed_s: 1200, timer_s: 1200 }
  })
}

t.test('an export comes back to the same figures', async (t) => {
  for (const [title, recording] of Object.entries(SHAPES)) {
    for (const format of FORMATS) {
      if (format === 'gpx' && title.includes('indoors')) continue
      if (title.includes('not marked')) {
        const [back] = decode(write(recording, format))
        t.ok(isNear(summaryOf(back!).distance_m, 3600), `${format} ${title}`)
      } else comesBack(t, recording, format, `${format} of ${title}`)
    }
  }
  for (const name of readdirSync('examples').filter((name) => /\.(fit|gpx|tcx)$/.test(name))) {
    const [recording] = decode(readFileSync(join('examples', name)))
    const hasPositions = recording!.columns.latitudeDeg.some(Number.isFinite)
    for (const format of FORMATS) {
      if (format !== 'gpx' || hasPositions) comesBack(t, recording!, format, `${format} of ${name}`)
    }
  }
})

const noSamples = existsSync(SAMPLES) ? false : `there are no samples in ${SAMPLES}`

t.test('an export of a real recording comes back to the same figures', { skip: noSamples }, async (t) => {
  for (const path of SOUND) {
    const [recording] = decode(readFileSync(join(SAMPLES, path)))
    const hasPositions = recording!.columns.latitudeDeg.some(Number.isFinite)
    for (const format of FORMATS) {
      if (format !== 'gpx' || hasPositions) comesBack(t, recording!, format, `${format} of ${path}`)
    }
  }
})

t.test('pauses come back as pauses', async (t) => {
  for (const format of FORMATS) {
    const [back] = decode(write(SHAPES['a run with pauses']!, format))
    const expected = [{ startS: 300, endS: 420 }, { startS: 700.5, endS: 760.25 }]
    t.equal(back!.pauses.length, expected.length, format)
    for (const [i, { startS, endS }] of expected.entries()) {
      const pause = back!.pauses[i]!
      const offS = Math.max(Math.abs(pause.startS - startS), Math.abs(pause.endS - endS))
      t.ok(offS <= (format === 'fit' ? 1 : 0.001), `${format} pause ${i} is off by ${offS} s, FIT in whole seconds`)
    }
  }
})

t.test('every column comes back', async (t) => {
  const recording = run({ seconds: 60 })
  for (const format of FORMATS) {
    const { columns } = decode(write(recording, format))[0]!
    for (const [name, tolerance] of [
      ['latitudeDeg', 1e-7], ['longitudeDeg', 1e-7], ['altitudeM', 0.11], ['heartRateBpm', 0], ['cadenceSpm', 0],
      ['speedMPerS', 0.001], ['powerW', 0], ['distanceM', 0.01]
    ] as const) {
      const worst = Math.max(...columns[name].map((value, i) => Math.abs(value - recording.columns[name][i]!)))
      t.ok(worst <= tolerance + 1e-9, `${format} ${name} is off by ${worst}`)
    }
  }
})

t.test('names come back whatever is in them, and no file is broken by one', async (t) => {
  for (const name of ['A & B <c> "d" \'e\'', ']]>', '🏃‍♀️ Läufe', 'x'.repeat(200), '<!DOCTYPE a [<!ENTITY b "c">]>&b;']) {
    for (const format of FORMATS) t.equal(decode(write(run({ seconds: 30, name }), format))[0]!.name, name, `${format} ${name}`)
  }
  for (const format of ['gpx', 'tcx'] as const) {
    const [back] = decode(write(run({ seconds: 30, name: 'a\u0001b\ufffec' }), format))
    t.equal(back!.name, 'abc', 'what XML cannot hold is left out')
  }
  t.equal(decode(write(run({ seconds: 30, name: '🏃'.repeat(200) }), 'fit'))[0]!.name, '🏃'.repeat(63), 'as much as FIT holds')
})

t.test('a recording without positions cannot be GPX', async (t) => {
  t.throws(() => write(run({ indoors: true }), 'gpx'), { code: 'CONFLICT', message: /positions/ })
})

t.test('sports come back as far as the format knows them', async (t) => {
  for (const [sport, subSport] of [
    ['running', 'trail'], ['running', 'track'], ['running', 'treadmill'], ['running', 'road'], ['running', null],
    ['cycling', null], ['swimming', null], ['walking', null], ['hiking', null], ['strength', null], ['other', null]
  ] as const) {
    for (const format of ['fit', 'gpx'] as const) {
      const back = decode(write({ ...run({ seconds: 30 }), sport, subSport }, format))[0]!
      t.same([back.sport, back.subSport], [sport, subSport], `${format} ${sport} ${subSport}`)
    }
  }
})

t.test('whatever was recorded, an export can be read and has its length', async () => {
  const gaps = fc.array(fc.record({ at: fc.nat(299), length: fc.integer({ min: 1, max: 60 }) }), { maxLength: 5 })
  const columnsWithGaps = fc.subarray(['latitudeDeg', 'altitudeM', 'heartRateBpm', 'cadenceSpm', 'speedMPerS', 'powerW'] as const)
  fc.assert(fc.property(
    fc.constantFrom(...FORMATS),
    gaps,
    columnsWithGaps,
    fc.array(fc.tuple(fc.integer({ min: 1, max: 298 }), fc.integer({ min: 1, max: 40 })), { maxLength: 4 }),
    fc.array(fc.nat(299), { maxLength: 6 }),
    fc.integer({ min: -999, max: 999 }),
    (format, missing, names, stops, marks, offsetMs) => {
      const pauses: Recording['pauses'] = []
      for (const [startS, length] of stops.sort((a, b) => a[0] - b[0])) {
        if (startS > (pauses.at(-1)?.endS ?? 0)) pauses.push({ startS, endS: Math.min(299.5, startS + length) })
      }
      const recording = run({ seconds: 300, pauses })
      recording.startTime += offsetMs
      for (const { at, length } of missing) {
        for (const name of names) {
          recording.columns[name].fill(Number.NaN, at, at + length)
          if (name === 'latitudeDeg') recording.columns.longitudeDeg.fill(Number.NaN, at, at + length)
        }
      }
      // Where positions are missing at an end, GPX has no way to tell of the distance there but our own.
      for (const end of format === 'gpx' ? [0, recording.columns.timeS.length - 1] : []) {
        recording.columns.latitudeDeg[end] = 50 + recording.columns.distanceM[end]! / 111_195.0802
        recording.columns.longitudeDeg[end] = 8
      }
      recording.laps = [...new Set(marks)].sort((a, b) => a - b).map((startS) => ({
        ...lap(startS, 0, 0, 0), elapsedS: null, timerS: null, distanceM: null
      }))
      const was = summaryOf(recording)
      const recordings = decode(write(recording, format))
      const is = summaryOf(recordings[0]!)
      return recordings.length === 1 && isNear(is.distance_m, was.distance_m) &&
        Math.abs(is.elapsed_s - was.elapsed_s) <= (format === 'fit' ? 1 : 0.01)
    }
  ), { numRuns: 200, seed: 22 })
})

t.test('an independent reader of FIT finds the same figures', async (t) => {
  const recording = SHAPES['a run with laps and a pause within one']!
  const parser = new FitParser({ force: false, mode: 'list', lengthUnit: 'm', speedUnit: 'm/s' })
  const bytes = write(recording, 'fit', { name: 'Läufe' })
  const read = await parser.parseAsync(bytes as never) as unknown as Record<string, Array<Record<string, unknown>>>
  t.match(read.sessions, [{
    sport: 'running',
    total_distance: 3300,
    total_elapsed_time: 1200,
    total_timer_time: 1100,
    num_laps: 3,
    avg_heart_rate: summaryOf(recording).average_heart_rate_bpm
  }])
  t.match(read.laps, [
    { total_distance: 900, total_timer_time: 300, total_elapsed_time: 400, avg_heart_rate: 150 },
    { total_distance: 1500, total_timer_time: 500 },
    { total_distance: 900, total_timer_time: 300 }
  ])
  t.equal(read.records?.length, recording.columns.timeS.length)
  t.match(read.records?.at(-1), { distance: 3300, heart_rate: recording.columns.heartRateBpm.at(-1), power: 250 })
  const latitude = read.records?.at(-1)?.position_lat as number
  t.ok(Math.abs(latitude - recording.columns.latitudeDeg.at(-1)!) < 1e-6)
  t.same(
    read.events?.filter(({ event }) => event === 'timer').map(({ event_type }) => event_type),
    ['start', 'stop_all', 'start', 'stop_all']
  )
})

const GPSBABEL = { fit: 'garmin_fit', gpx: 'gpx', tcx: 'gtrnctr' }
const hasGpsbabel = spawnSync('gpsbabel', ['-V']).status === 0

t.test('gpsbabel finds the same points', { skip: hasGpsbabel ? false : 'gpsbabel is not installed' }, async (t) => {
  const recording = SHAPES['a plain run']!
  const { timeS, latitudeDeg } = recording.columns
  for (const format of FORMATS) {
    const file = join(t.testdir({}), `run.${format}`)
    writeFileSync(file, write(recording, format, { name: 'A & B' }))
    const text = execFileSync('gpsbabel', [
      '-t', '-i', GPSBABEL[format], '-f', file, '-o', 'unicsv,utc=0', '-F', '-'
    ], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    const [head, ...lines] = text.trim().split(/\r?\n/).map((line) => line.split(','))
    const column = (name: string) => head!.indexOf(name)
    t.equal(lines.length, timeS.length, format)
    for (const i of [0, 600, 1200]) {
      t.ok(Math.abs(Number(lines[i]![column('Latitude')]) - latitudeDeg[i]!) < 1e-5, `${format} ${i}`)
      const time = `${lines[i]![column('Date')]!.replaceAll('/', '-')}T${lines[i]![column('Time')]}Z`
      t.equal(Date.parse(time), START + timeS[i]! * 1000, `${format} ${i}`)
      t.equal(Number(lines[i]![column('Heartrate')]), recording.columns.heartRateBpm[i], `${format} ${i}`)
    }
  }
})

t.test('records of FIT have one definition whatever they lack, and the official decoder reads them as they were', (t) => {
  const { below } = random(22)
  const recording = run({ seconds: 600 })
  const { columns } = recording
  const names = ['latitudeDeg', 'altitudeM', 'heartRateBpm', 'speedMPerS', 'cadenceSpm', 'powerW', 'distanceM'] as const
  for (let i = 0; i < columns.timeS.length; i++) {
    columns.altitudeM[i] = below(6000) / 5 - 500
    columns.speedMPerS[i] = below(6000) / 1000
    columns.heartRateBpm[i] = 60 + below(120)
    columns.cadenceSpm[i] = 2 * (70 + below(20))
    columns.powerW[i] = below(500)
    for (const name of names) {
      if (below(3) > 0) continue
      columns[name][i] = Number.NaN
      if (name === 'latitudeDeg') columns.longitudeDeg[i] = Number.NaN
    }
  }
  const bytes = write(recording, 'fit')
  const decoder = new Decoder(Stream.fromByteArray([...bytes]))
  t.ok(decoder.checkIntegrity())
  const { messages, errors } = decoder.read({ convertDateTimesToDates: false })
  t.same(errors, [])
  const records = messages.recordMesgs as unknown as Array<Record<string, number | undefined>>
  t.equal(records.length, columns.timeS.length)
  const known = (value: number, digits = 10) => Number.isNaN(value) ? undefined : Number(value.toFixed(digits))
  const told = (value: number | undefined, digits = 10) => value === undefined ? undefined : known(value, digits)
  for (const [i, record] of records.entries()) {
    t.same({
      lat: told(record.positionLat, 0),
      altitude: told(record.enhancedAltitude, 1),
      speed: told(record.enhancedSpeed, 3),
      beats: record.heartRate,
      steps: record.cadence,
      power: record.power,
      distance: told(record.distance, 2)
    }, {
      lat: known(columns.latitudeDeg[i]! * 2 ** 31 / 180, 0),
      altitude: known(columns.altitudeM[i]!, 1),
      speed: known(columns.speedMPerS[i]!, 3),
      beats: known(columns.heartRateBpm[i]!),
      steps: known(columns.cadenceSpm[i]! / 2),
      power: known(columns.powerW[i]!),
      distance: known(columns.distanceM[i]!, 2)
    }, `record ${i}`)
  }
  t.ok(bytes.length < 700 + records.length * 29, `${bytes.length} bytes of ${records.length} records`)
  t.end()
})

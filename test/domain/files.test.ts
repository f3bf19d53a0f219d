import fc from '../harness/fast-check.ts'
import t from 'tap'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { AppError } from '../../src/errors.ts'
import { decode, formatOf } from '../../src/domain/files/decode.ts'
import { momentOf } from '../../src/domain/files/xml.ts'
import { sportOfFit, sportOfText } from '../../src/domain/sports.ts'
import { COLUMN_NAMES } from '../../src/domain/recording.ts'
import { summaryOf } from '../../src/domain/training/summary.ts'
import {
  bytesOf,
  fitOf,
  fitRun,
  gpxOf,
  gpxRun,
  moment,
  START,
  tcxActivity,
  tcxOf,
  trackPoint
} from '../harness/fixtures/recordings.ts'

type Test = Pick<typeof t, 'equal' | 'match' | 'fail'>

/** The file is rejected as unreadable with a matching message. */
function refused (t: Test, bytes: Uint8Array, words: RegExp): void {
  try {
    decode(bytes)
    t.fail('was taken')
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    t.equal(error.code, 'UNREADABLE_FILE')
    t.match(error.message, words)
  }
}

/** The file is accepted as one recording with matching warnings. */
function taken (t: Test, bytes: Uint8Array, words: RegExp) {
  const [recording, ...others] = decode(bytes)
  t.equal(others.length, 0)
  t.match(recording!.warnings.map(({ message }) => message).join('\n'), words)
  return recording!
}

/** The invariants of every recording, however damaged the file. */
function sound (bytes: Uint8Array): void {
  for (const recording of decode(bytes)) {
    const { timeS, distanceM, latitudeDeg, longitudeDeg } = recording.columns
    for (const name of COLUMN_NAMES) {
      if (recording.columns[name].length !== timeS.length) throw new Error(`${name} is of another length`)
    }
    let far = 0
    for (let i = 0; i < timeS.length; i++) {
      if (!(timeS[i]! >= 0) || (i > 0 && !(timeS[i]! > timeS[i - 1]!))) { throw new Error(`time ${timeS[i]} after ${timeS[i - 1]}`) }
      if (distanceM[i]! < far) throw new Error('the distance decreases')
      if (!Number.isNaN(distanceM[i]!)) far = distanceM[i]!
      if (Number.isNaN(latitudeDeg[i]!) !== Number.isNaN(longitudeDeg[i]!)) throw new Error('half a position')
    }
    const summary = summaryOf(recording)
    if (!(summary.elapsed_s > 0) || !(summary.moving_s <= summary.elapsed_s) || summary.moving_s < 0) {
      throw new Error(JSON.stringify(summary))
    }
    for (const [name, value] of Object.entries(summary)) {
      if (typeof value === 'number' && !(Number.isFinite(value) && value >= 0)) throw new Error(`${name} is ${value}`)
    }
  }
}

function soundOrRefused (bytes: Uint8Array): void {
  try {
    sound(bytes)
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'UNREADABLE_FILE') throw error
  }
}

function utf16 (bytes: Uint8Array, littleEndian: boolean): Uint8Array {
  const text = `\ufeff${new TextDecoder().decode(bytes)}`
  const view = new DataView(new ArrayBuffer(text.length * 2))
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), littleEndian)
  return new Uint8Array(view.buffer)
}

const RUNS = { fit: fitRun(), gpx: gpxRun(), tcx: tcxOf(`<Activities>${tcxActivity()}</Activities>`) }

t.test('the format is detected from the content', async t => {
  for (const [format, bytes] of Object.entries(RUNS)) t.equal(formatOf(bytes), format)
  t.equal(formatOf(bytesOf('\ufeff  \n<!-- a --><gpx/>')), 'gpx')
  t.equal(formatOf(bytesOf('<?xml version="1.0"?><!DOCTYPE gpx [ <!ELEMENT gpx ANY> ]><g:gpx xmlns:g="u"/>')), 'gpx')
  t.equal(formatOf(utf16(RUNS.tcx, false)), 'tcx')
  for (const bytes of ['', '<', '<kml/>', '<!--', '<gpxx/>', 'PK', '{}']) { t.equal(formatOf(bytesOf(bytes)), undefined, bytes) }
})

t.test('the same run gives the same figures in all three formats', async t => {
  for (const [format, bytes] of Object.entries(RUNS)) {
    const recording = taken(t, bytes, /^$/)
    const summary = summaryOf(recording)
    t.equal(summary.sport, 'running', format)
    t.equal(summary.start_time, moment(0).toISOString())
    t.equal(summary.elapsed_s, 59)
    t.equal(summary.moving_s, 59)
    t.ok(Math.abs(summary.distance_m! - 177) < 0.1, `${summary.distance_m}`)
    t.ok(Math.abs(summary.average_pace_s_per_km! - 333.33) < 0.3)
    t.equal(summary.average_heart_rate_bpm, format === 'gpx' ? null : 150)
    sound(bytes)
  }
  t.equal(summaryOf(decode(RUNS.fit)[0]!).average_cadence_spm, 170, 'a watch counts one leg')
  t.equal(summaryOf(decode(RUNS.fit)[0]!).sub_sport, 'trail')
})

t.test('a file that is not a recording is rejected with its kind', async t => {
  refused(t, new Uint8Array(0), /empty/)
  refused(t, Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip/)
  refused(t, Uint8Array.of(0x50, 0x4b, 3, 4, 0), /ZIP/)
  refused(t, bytesOf('<kml/>'), /<kml>/)
  refused(t, bytesOf('{"a":1}'), /neither FIT nor GPX nor TCX/)
  refused(t, RUNS.fit.subarray(0, 8), /truncated/)
  for (const type of ['workout', 'course', 'settings', 'monitoringB']) { refused(t, fitRun({ type }), new RegExp(type.slice(0, 8))) }
  refused(t, fitOf([['FILE_ID', { type: 'activity' }]]), /no recording/)
  refused(t, gpxOf('<rte><rtept lat="1" lon="2"/></rte>'), /route/)
  refused(
    t,
    gpxOf('<trk><trkseg><trkpt lat="1" lon="2"/><trkpt lat="1" lon="3"/></trkseg></trk>'),
    /no timestamps: it is a route/
  )
  refused(t, gpxOf('<wpt lat="1" lon="2"/>'), /no track/)
  refused(t, gpxOf(`<trk><trkseg>${trackPoint(0)}</trkseg></trk>`), /fewer than two points/)
  refused(t, gpxOf('<trk><trkseg></trkseg></trk>'), /no track with points/)
  refused(t, tcxOf('<Courses><Course><Track/></Course></Courses>'), /course/)
  refused(t, tcxOf('<Workouts><Workout/></Workouts>'), /planned workout/)
  refused(
    t,
    tcxOf(
      '<Activities><Activity Sport="Running"><Lap><Track><Trackpoint><DistanceMeters>1</DistanceMeters></Trackpoint></Track></Lap></Activity></Activities>'
    ),
    /no timestamps/
  )
})

t.test('entities are never expanded, and depth, attributes and points are bounded', async t => {
  const laughs = '<!DOCTYPE gpx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
  refused(t, gpxOf('<trk><name>&b;</name></trk>', laughs), /entities/)
  refused(t, gpxOf('', '<!DOCTYPE gpx [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), /entities/)
  refused(t, gpxOf('<a>'.repeat(100_000)), /nested/)
  refused(t, gpxOf(`<trk ${Array.from({ length: 1000 }, (_, i) => `a${i}=""`).join(' ')}/>`), /attributes/)
  refused(t, gpxOf('<metadata><name>&unknown;</name></metadata>'), /not well-formed/)
})

t.test('a damaged file with usable data is accepted with warnings', async t => {
  const { fit } = RUNS
  taken(t, fit.with(fit.length - 1, fit.at(-1)! ^ 1), /wrong checksum/i)
  t.equal(
    taken(t, fit.subarray(0, fit.length - 100), /(?=.*[Tt]runcated)(?=.*summary.*missing)/s).columns.timeS.length > 40,
    true
  )
  taken(t, fit.with(0, 200), /header length/)
  const unfinished = fit.slice()
  unfinished.fill(0, 4, 8)
  taken(t, unfinished, /never finished/)
  taken(t, Buffer.concat([fit, Buffer.from('rubbish')]), /7 bytes after the end/)
  taken(t, Buffer.concat([fit, fit]), /duplicate/)
  taken(t, fitRun({ session: false }), /summary.*missing/)
  t.ok(taken(t, RUNS.gpx.subarray(0, -400), /truncated/).columns.timeS.length > 50)
  taken(t, bytesOf(new TextDecoder().decode(RUNS.gpx).replace('</trkseg>', '</wrong>')), /not well-formed/)
  const points = (count: number, from = 0) =>
    Array.from(
      { length: count },
      (_, i) =>
        `<trkpt lat="52.5" lon="13.${100 + i}"><time>${new Date(Date.UTC(2026, 0, 5, 8) + (from + i) * 1000).toISOString()}</time></trkpt>`
    ).join('')
  t.equal(
    taken(
      t,
      gpxOf(`<trk><trkseg>${points(300)}<trkpt lat=52></trkpt>${points(500, 300)}</trkseg></trk>`),
      /not well-formed/
    ).columns.timeS.length,
    800,
    'the point without a time is left out, and what follows it is read'
  )
  taken(t, RUNS.gpx.with(RUNS.gpx.indexOf(0x52), 0xff), /not valid in the encoding/)
  refused(t, RUNS.gpx.subarray(0, 150), /truncated/)
})

t.test('times out of order, repeated or impossible are repaired with a warning', async t => {
  const track = (...points: string[]) => gpxOf(`<trk><type>run</type><trkseg>${points.join('')}</trkseg></trk>`)
  const at = (time: string) => `<trkpt lat="50" lon="8"><time>${time}</time></trkpt>`
  t.same([...taken(t, track(trackPoint(5), trackPoint(0), trackPoint(9)), /out of order/).columns.timeS], [0, 5, 9])
  t.same(
    [
      ...taken(t, track(trackPoint(0), trackPoint(1, '<ele>7</ele>'), trackPoint(1), trackPoint(2)), /merged/)
        .columns.altitudeM
    ],
    [NaN, 7, NaN]
  )
  t.same(
    [...taken(t, track(trackPoint(0), at('2085-01-01T00:00:00Z'), trackPoint(2)), /impossible time/).columns.timeS],
    [0, 2]
  )
  t.same(
    [...taken(t, track(trackPoint(0), at('yesterday'), trackPoint(2)), /timestamp that cannot be read/).columns.timeS],
    [0, 2]
  )
  refused(t, track(at('1970-01-01T00:00:00Z'), at('1970-01-01T00:01:00Z')), /dated 1970-01-01: the clock/)
  refused(t, track(at('2100-01-01T00:00:00Z'), at('2100-01-01T00:01:00Z')), /dated 2100-01-01/)
})

t.test('an implausible value becomes a gap', async t => {
  const point = (t: number, lat: string, inside: string) =>
    `<trkpt lat="${lat}" lon="8"><time>${moment(t).toISOString()}</time>${inside}</trkpt>`
  const { columns } = taken(
    t,
    gpxOf(`<trk><type>9</type><trkseg>
    ${point(0, '50', '<ele>NaN</ele><extensions><n:hr>0</n:hr><power>1e9</power></extensions>')}
    ${point(1, '91', '<ele>99999</ele><extensions><n:TrackPointExtension><n:hr>150</n:hr><n:cad>80</n:cad></n:TrackPointExtension></extensions>')}
    ${point(2, 'x', '<ele>-3</ele><extensions><power>250</power></extensions>')}</trkseg></trk>`),
    /invalid latitude(?=.*altitude)(?=.*power)/s
  )
  t.same([...columns.latitudeDeg], [50, NaN, NaN])
  t.same([...columns.altitudeM], [NaN, NaN, -3])
  t.same([...columns.heartRateBpm], [NaN, 150, NaN])
  t.same([...columns.cadenceSpm], [NaN, 160, NaN])
  t.same([...columns.powerW], [NaN, NaN, 250])
})

t.test('a spike of distance or position adds nothing', async t => {
  const spiked = summaryOf(
    taken(t, fitRun({ session: false, records: Object.assign([], { 20: { distance: 4e6 } }) }), /leap/)
  )
  t.ok(Math.abs(spiked.distance_m! - 177) <= 6, `${spiked.distance_m}`)
  const points = Array.from({ length: 60 }, (_, i) =>
    i === 30 ? trackPoint(i).replace('lon="8"', 'lon="9"') : trackPoint(i)
  )
  const [recording] = decode(gpxOf(`<trk><type>run</type><trkseg>${points.join('')}</trkseg></trk>`))
  t.ok(Math.abs(summaryOf(recording!).distance_m! - 177) < 0.1)
})

t.test('pauses of the timer, of segments and of tracks are kept', async t => {
  const [fit] = decode(
    fitOf([
      ['EVENT', { timestamp: moment(0), event: 'timer', eventType: 'start' }],
      ...[0, 10, 20, 50, 60].map((s): [string, Record<string, unknown>] => [
        'RECORD',
        { timestamp: moment(s), distance: s * 3 }
      ]),
      ['EVENT', { timestamp: moment(20), event: 'timer', eventType: 'stopAll' }],
      ['EVENT', { timestamp: moment(50), event: 'timer', eventType: 'start' }],
      ['EVENT', { timestamp: moment(60), event: 'timer', eventType: 'stopAll' }]
    ])
  )
  t.same(fit!.pauses, [{ startS: 20, endS: 50 }])
  t.equal(summaryOf(fit!).moving_s, 30)
  const [gpx] = decode(
    gpxOf(
      `<trk><type>run</type><trkseg>${trackPoint(0)}${trackPoint(10)}</trkseg><trkseg/><trkseg>${trackPoint(30)}${trackPoint(40)}</trkseg></trk>`
    )
  )
  t.same(gpx!.pauses, [{ startS: 10, endS: 30 }])
  t.equal(summaryOf(gpx!).moving_s, 20)
  t.ok(Math.abs(summaryOf(gpx!).distance_m! - 60) < 0.1, 'what lies between segments was not run')
})

t.test('each activity of a file becomes a recording', async t => {
  const multisport = fitOf([
    ['FILE_ID', { type: 'activity' }],
    ...Array.from({ length: 100 }, (_, s): [string, Record<string, unknown>] => [
      'RECORD',
      { timestamp: moment(s), distance: s * 3 }
    ]),
    [
      'SESSION',
      {
        timestamp: moment(49),
        startTime: moment(0),
        totalElapsedTime: 50,
        totalTimerTime: 50,
        totalDistance: 150,
        sport: 'cycling',
        subSport: 'road'
      }
    ],
    [
      'SESSION',
      {
        timestamp: moment(99),
        startTime: moment(50),
        totalElapsedTime: 49,
        totalTimerTime: 49,
        sport: 'running',
        subSport: 'track'
      }
    ]
  ])
  const [ride, run] = decode(multisport)
  t.equal(ride!.sport, 'cycling')
  t.equal(ride!.subSport, null)
  t.equal(run!.subSport, 'track')
  t.equal(run!.startTime, START + 50_000)
  t.equal(summaryOf(run!).distance_m, 150, 'counted from where the ride ended')
  t.equal(
    decode(
      tcxOf(
        `<Activities>${tcxActivity()}<MultiSportSession><FirstSport>${tcxActivity({ sport: 'Biking', from: 600 })}</FirstSport></MultiSportSession></Activities>`
      )
    ).length,
    2
  )
  const track = (from: number) =>
    `<trk><type>run</type><trkseg>${trackPoint(from)}${trackPoint(from + 9)}</trkseg></trk>`
  t.equal(decode(gpxOf(track(0) + track(100) + track(200))).length, 3)
  t.equal(decode(Buffer.concat([fitRun({ count: 60 }), fitRun({ count: 30 })])).length, 2)
})

t.test('text is read in every encoding that XML allows', async t => {
  const run = new TextDecoder().decode(gpxRun()).replace('<name>Run', '<name>Löb &amp; Žž 走')
  for (const bytes of [
    bytesOf(run),
    bytesOf(`\ufeff\n${run}`),
    utf16(bytesOf(run), true),
    utf16(bytesOf(run), false)
  ]) {
    t.equal(decode(bytes)[0]!.name, 'Löb & Žž 走')
  }
  const latin = Buffer.from(run.replace('UTF-8', 'ISO-8859-1').replace('Žž 走', ''), 'latin1')
  t.equal(decode(latin)[0]!.name, 'Löb &')
  refused(t, bytesOf(run.replace('UTF-8', 'x-unheard-of')), /encoding "x-unheard-of"/)
  t.equal(decode(bytesOf(run.replace('Löb', 'L'.repeat(5000))))[0]!.name!.length, 200)
})

t.test('sports are recognized by the names of all three formats', async t => {
  for (const [text, sport, subSport] of [
    ['Running', 'running', null],
    ['9', 'running', null],
    ['trail_running', 'running', 'trail'],
    ['Trail Run', 'running', 'trail'],
    ['Biking', 'cycling', null],
    ['1', 'cycling', null],
    ['hiking', 'hiking', null],
    ['10', 'walking', null],
    ['TREADMILL_WALKING', 'walking', null],
    ['Laufen', 'running', null],
    ['Course à pied', 'running', null],
    ['Langlauf', 'other', null],
    ['constructor', 'other', null],
    ['', 'other', null]
  ] as const) { t.match(sportOfText(text), { sport, subSport }, text) }
  for (const [a, b, sport, subSport] of [
    ['running', 'treadmill', 'running', 'treadmill'],
    ['running', 'generic', 'running', null],
    ['training', 'strengthTraining', 'strength', null],
    ['cycling', 'road', 'cycling', null],
    ['transition', undefined, 'other', null],
    [250, 3, 'other', null]
  ] as const) { t.same(sportOfFit(a, b), { sport, subSport }) }
})

t.test('times are read in the formats of XML Schema', async t => {
  const check = (text: string, iso: string | null) => t.same(momentOf(text), iso === null ? NaN : Date.parse(iso), text)
  check('2024-01-15T10:30:00Z', '2024-01-15T10:30:00Z')
  check(' 2024-01-15T10:30:00.5+01:00\n', '2024-01-15T09:30:00.500Z')
  check('2024-01-15T10:30:00', '2024-01-15T10:30:00Z')
  check('2024-01-15T10:30:00-0530', '2024-01-15T16:00:00Z')
  for (const text of [
    '',
    '2024-02-30T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-01-15',
    '2024-01-15T25:00:00Z',
    '1705314600'
  ]) { check(text, null) }
  check('2024-01-15T24:00:00Z', '2024-01-16T00:00:00Z')
  check('2024-01-15T10:30:00-14:00', '2024-01-16T00:30:00Z')
  check('0101-01-15T10:30:00Z', '0101-01-15T10:30:00Z')
  for (const text of [
    '0096-03-01T10:00:00Z',
    '0000-01-01T00:00:00Z',
    '2023-03-01T24:30:00Z',
    '2023-03-01T24:00:00.5Z',
    '2023-03-01T10:00:00+25:00',
    '2023-03-01T10:00:00+14:01',
    '2023-03-01T10:00:00+01:60'
  ]) { check(text, null) }
})

t.test('the special fields of old devices are read', async t => {
  // Speed in 1/100 m/s and distance in 1/16 m, 12 bits each: the distance wraps around after 256 m.
  const packed = (speed: number, distance: number) => [
    speed & 0xff,
    (speed >> 8) | ((distance & 0xf) << 4),
    (distance >> 4) & 0xff
  ]
  const records = Array.from({ length: 200 }, (_, second) => ({
    distance: undefined,
    enhancedSpeed: undefined,
    enhancedAltitude: undefined,
    altitude: 100 + (second % 40),
    compressedSpeedDistance: packed(300, (second * 48) % 4096)
  }))
  const { columns } = taken(t, fitRun({ count: 200, records }), /^$/)
  t.same(Array.from(columns.distanceM), records.map((_, second) => second * 3))
  t.same(Array.from(columns.altitudeM), records.map((_, second) => 100 + second % 40))
  const own = taken(
    t,
    fitRun({
      count: 200,
      records: records.map(({ compressedSpeedDistance, ...record }, second) => ({
        ...record,
        distance: second * 3,
        speed: 3
      }))
    }),
    /^$/
  )
  t.same(own.columns.altitudeM, columns.altitudeM, 'with the distance in a field of its own, too')
  t.same(own.columns.distanceM, columns.distanceM)
})

t.test('no input crashes a decoder or yields an inconsistent recording', async () => {
  const seeds = [
    RUNS.fit,
    fitRun({ count: 5 }),
    RUNS.gpx,
    RUNS.tcx,
    ...readdirSync('examples').map((name) => new Uint8Array(readFileSync(`examples/${name}`)))
  ]
  const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 255, 0x40, 0x80)))
  const changed = fc
    .tuple(fc.constantFrom(...seeds), fc.array(change, { minLength: 1, maxLength: 20 }), fc.nat(), fc.boolean())
    .map(([seed, changes, cut, whole]) => {
      const bytes = seed.slice(0, whole ? seed.length : cut % seed.length)
      for (const [at, value] of changes) bytes[at % Math.max(1, bytes.length)] = value
      return bytes
    })
  fc.assert(fc.property(changed, soundOrRefused), { numRuns: 1500, seed: 1 })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (tail) =>
      soundOrRefused(Buffer.concat([RUNS.fit.subarray(0, 14), tail]))
    ),
    { numRuns: 1000, seed: 2 }
  )
  const element = fc.constantFrom('trk', 'trkseg', 'name', 'time', 'ele', 'extensions', 'n:hr', 'Lap', 'Activity')
  const document = fc.array(
    fc.oneof(
      element.map((name) => `<${name}>`),
      element.map((name) => `</${name}>`),
      fc.nat(50).map((s) => trackPoint(s)),
      fc.string({ unit: 'binary' })
    ),
    { maxLength: 40 }
  )
  fc.assert(fc.property(document, (parts) => soundOrRefused(gpxOf(parts.join('')))), { numRuns: 1000, seed: 3 })
})

t.test('points in any order yield a consistent recording', async () => {
  const any = fc.record({
    s: fc.integer({ min: -5, max: 100 }),
    lat: fc.double({ min: -100, max: 100, noNaN: true }),
    lon: fc.double({ min: -200, max: 200, noNaN: true }),
    ele: fc.oneof(fc.double(), fc.double({ min: -600, max: 10_000, noNaN: true })),
    hr: fc.integer({ min: -10, max: 400 })
  })
  fc.assert(fc.property(fc.array(any, { maxLength: 60 }), (points) => {
    soundOrRefused(
      gpxOf(
        `<trk><trkseg>${points
          .map(
            ({ s, lat, lon, ele, hr }) =>
              `<trkpt lat="${lat}" lon="${lon}"><ele>${ele}</ele><time>${moment(s).toISOString()}</time><extensions><n:hr>${hr}</n:hr></extensions></trkpt>`
          )
          .join('')}</trkseg></trk>`
      )
    )
  }), { numRuns: 500, seed: 4 })
})

t.test('the example files match the output of their script, and decode', async t => {
  const folder = t.testdir()
  const { status, stderr } = spawnSync(process.execPath, ['scripts/make-examples.mjs', folder], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.same(readdirSync('examples').sort(), readdirSync(folder).sort())
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(`examples/${name}`)
    t.ok(bytes.equals(readFileSync(`${folder}/${name}`)), `${name} is as made`)
    t.ok(bytes.length <= 40_000, `${name} is small`)
    t.equal(formatOf(bytes), name.slice(-3))
    t.equal(taken(t, bytes, /^$/).sport, 'running')
  }
})

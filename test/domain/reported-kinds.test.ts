import t from 'tap'
import { decode } from '../../src/domain/files/decode.ts'
import type { Recording } from '../../src/domain/recording.ts'
import { figuresOf } from '../../src/domain/training/summary.ts'
import type { ActivitySummary } from '../../src/domain/training/summary.ts'
import type { WarningCode } from '../../src/domain/warnings.ts'
import { madeAs, MADE_START, straight, without } from '../harness/fixtures/kinds.ts'
import type { Format, Made, MadePoint } from '../harness/fixtures/kinds.ts'
import { bytesOf } from '../harness/fixtures/recordings.ts'

// Kinds of recordings that users of other trackers reported, made here, each in every format in which it can occur.
// `reported.test.ts` reads those that were collected.

type Figure = 'distance_m' | 'elapsed_s' | 'moving_s' | 'elevation_gain_m' | 'average_cadence_spm' | 'laps_count' |
  'average_heart_rate_bpm'
type Right = Partial<Record<Figure, number>> & { sport?: string, warnings?: WarningCode[], within?: number }
type Test = Pick<typeof import('tap').t, 'equal' | 'ok'>

const ALL: Format[] = ['fit', 'gpx', 'tcx']

function checkOne (
  t: Test,
  bytes: Uint8Array,
  what: string,
  right: Right
): { recording: Recording, summary: ActivitySummary } {
  const recordings = decode(bytes)
  t.equal(recordings.length, 1, `${what} is one activity`)
  const recording = recordings[0]!
  const { summary, warnings } = figuresOf(recording)
  const { warnings: codes = [], sport, within = 0.005, ...figures } = right
  for (const [figure, value] of Object.entries(figures)) {
    const found = summary[figure as Figure] as number
    const isRight = found !== null && Math.abs(found - value) <= within * value + 0.01
    t.ok(isRight, `${what}: ${figure} is ${found}, right is ${value}`)
  }
  if (sport !== undefined) t.equal(summary.sport, sport, what)
  const told = [...recording.warnings, ...warnings].map(({ code }) => code)
  for (const code of codes) t.ok(told.includes(code), `${what} has the warning ${code}: ${told.join()}`)
  return { recording, summary }
}

/** The same run in each of the formats gives the right figures. */
function check (t: Test, made: Made, right: Right, formats: Format[] = ALL): void {
  for (const format of formats) checkOne(t, madeAs(format, made), format, right)
}

t.test('a pause that the timer left out is not taken off again', async t => {
  const points = [...straight(300), ...straight(300, { from: 700, fromM: 900 })]
  const laps = [{ from: 0, timer: 300, dist: 900, points: 151 }, { from: 700, timer: 300, dist: 900, points: 151 }]
  const right = { elapsed_s: 1000, moving_s: 600, distance_m: 1800 }
  check(t, { points, laps, session: { elapsed: 1000, timer: 600, dist: 1800 } }, right)
  check(t, { points, laps, session: { elapsed: 1000, timer: 600, dist: 1800 }, pauses: [[300, 700]] }, right)
  const one = [{ from: 0, timer: 600, dist: 1800, points: 302 }]
  check(t, { points, laps: one, session: { elapsed: 1000, timer: 600, dist: 1800 }, pauses: [[300, 700]] }, right)
  check(t, { points, laps: one, session: { elapsed: 1000, timer: 600, dist: 1800 } }, right, ['fit', 'tcx'])
})

t.test('a stop that is recorded while the timer stands is not taken off again', async t => {
  for (const cad of [undefined, 0, 84]) {
    const points = [
      ...straight(300, { more: { cad: 84 } }),
      ...straight(116, { from: 302, fromM: 900, speed: 0, more: { cad } }),
      ...straight(240, { from: 420, fromM: 900, more: { cad: 84 } })
    ]
    const laps = [{ from: 0, timer: 540, elapsed: 660, dist: 1620, points: points.length }]
    check(t, { points, laps, session: { elapsed: 660, timer: 540, dist: 1620 } }, { elapsed_s: 660, moving_s: 540, within: 0.01 }, ['fit', 'tcx'])
  }
})

t.test('standing is found where the timer ran on, and nothing else is standing', async t => {
  const stood = [
    ...straight(300),
    ...straight(116, { from: 302, fromM: 900, speed: 0 }),
    ...straight(240, { from: 420, fromM: 900 })
  ]
  check(t, { points: stood, session: { elapsed: 660, timer: 660 } }, { elapsed_s: 660, moving_s: 540, within: 0.01 })
  for (const seconds of [12, 20, 30]) {
    const sparse = straight(600, { step: 2 }).map((point) => {
      const told = Math.floor(point.t / seconds) * seconds
      return { ...point, lat: 41.3 + told * 3 / 111_195.0802, dist: told * 3 }
    })
    check(t, { points: sparse, session: { elapsed: 600, timer: 600, dist: 1800 } }, { elapsed_s: 600, moving_s: 600 })
    check(t, { points: without(sparse, 'lat', 'lon') }, { moving_s: 600 }, ['fit', 'tcx'])
  }
  const climb = [
    ...straight(600, { step: 3, more: { ele: 400 } }),
    ...straight(600, { step: 3, from: 603, fromM: 1800, speed: 0.37 })
      .map((point) => ({ ...point, ele: 400 + (point.t - 603) * 0.22 }))
  ]
  check(t, { points: climb }, { moving_s: 1203 })
  const stairs = climb.map(({ ele, ...point }) => ({ ...point, cad: point.t > 600 ? 45 : 84 }))
  check(t, { points: stairs }, { moving_s: 1203 })
})

t.test('totals of the device that contradict its own records do not count', async t => {
  const points = straight(600)
  const six = (dist: (i: number) => number) => Array.from({ length: 6 }, (_, i) =>
    ({ from: i * 100, timer: 100, elapsed: 100, dist: dist(i), points: i === 5 ? 51 : 50 }))
  const right = { distance_m: 1800, moving_s: 600 }
  check(t, { points, laps: six((i) => 300 * (i + 1)), session: { elapsed: 600, timer: 600, dist: 6300 } }, right, ['fit', 'tcx'])
  check(t, { points, laps: six(() => 150), session: { elapsed: 600, timer: 600, dist: 900 } },
    { ...right, warnings: ['DISTANCE_CONTRADICTED'] }, ['fit', 'tcx'])
  check(t, { points, laps: six(() => 600), session: { elapsed: 600, timer: 600, dist: 3600 } }, right, ['fit', 'tcx'])
  check(t, { points: without(points, 'lat', 'lon'), laps: six(() => 150), session: { elapsed: 600, timer: 600, dist: 900 } }, right, ['fit', 'tcx'])
  check(t, { points: without(points, 'dist'), laps: six(() => 300), session: { elapsed: 600, timer: 600, dist: 1800 } }, right, ['fit', 'tcx'])
})

t.test('times of the device that cannot be do not count', async t => {
  const points = straight(600)
  for (const factor of [1 / 60, 1 / 1000, 60, 1000, 0.5]) {
    const laps = [{ from: 0, timer: 600 * factor, elapsed: 600 * factor, dist: 1800, points: 301 }]
    const session = { elapsed: 600 * factor, timer: 600 * factor, dist: 1800 }
    check(t, { points, laps, session }, { elapsed_s: 600, moving_s: 600, distance_m: 1800 }, ['tcx'])
    check(t, { points, session }, { elapsed_s: 600, moving_s: 600, distance_m: 1800, warnings: ['TIME_CONTRADICTED'] }, ['fit'])
    checkOne(t, madeAs('tcx', { points: without(points, 'lat', 'lon', 'dist'), laps: [{ ...laps[0]!, dist: undefined as never }] }),
      `without a distance, times ${factor}`, { moving_s: 600 })
  }
})

t.test('the records that agree with each other give the time', async t => {
  for (const days of [1.5, 6, 48, 400]) {
    const points = straight(600).map((point, i) => i < 6 ? { ...point, t: point.t - days * 86_400 } : point)
    const session = { elapsed: 600 + days * 86_400, timer: 600 + days * 86_400, dist: 1800, start: -days * 86_400 }
    check(t, { points, session }, { distance_m: 1764, elapsed_s: 588, moving_s: 588, warnings: ['CLOCK_WRONG'] })
    const { summary } = checkOne(t, madeAs('fit', { points, session }), 'fit', {})
    t.equal(summary.start_time.slice(0, 10), '2025-04-12')
  }
  const late = straight(600)
  check(t, { points: late, session: { start: -20_000, elapsed: 20_600, timer: 20_600, dist: 1800 } },
    { elapsed_s: 600, moving_s: 600, distance_m: 1800, warnings: ['CLOCK_WRONG'] }, ['fit'])
  const jumped = straight(600).map((point, i) => i < 120
    ? { ...point, hr: 120, ele: 100 + i / 10 }
    : { ...point, hr: 160, ele: 100 + i / 10, t: point.t + 27 * 86_400 })
  check(t, { points: jumped, session: { elapsed: 600 + 27 * 86_400, timer: 600, dist: 1800 } },
    { distance_m: 1800, elapsed_s: 599, moving_s: 599, elevation_gain_m: 30, average_heart_rate_bpm: 144, warnings: ['CLOCK_WRONG'] })
  for (const startMs of [Date.UTC(1989, 11, 31, 0, 5), Date.UTC(1990, 5, 1), Date.UTC(1999, 7, 22)]) {
    check(t, { points: straight(600), startMs }, { moving_s: 600, distance_m: 1800, warnings: ['CLOCK_NOT_SET'] })
  }
  t.ok(decode(madeAs('gpx', { points: straight(600) }), { nowMs: MADE_START - 2 * 86_400_000 })[0]!.warnings
    .some(({ code }) => code === 'CLOCK_AHEAD'))
})

t.test('heights that cannot be are left out', async t => {
  const hill = (t: number) => 612 + 15 * Math.sin(t * Math.PI / 600)
  const withHeights = (height: (point: MadePoint, i: number) => number) =>
    ({ points: straight(600).map((point, i) => ({ ...point, ele: height(point, i) })) })
  const right = { elevation_gain_m: 15, warnings: ['HEIGHTS_IMPOSSIBLE' as const], within: 0.1 }
  check(t, withHeights(({ t }, i) => i < 5 ? 0 : hill(t)), right)
  check(t, withHeights(({ t }, i) => i % 50 === 20 ? 0 : hill(t)), right)
  check(t, withHeights(({ t }, i) => i >= 140 && i < 150 ? 0 : hill(t)), right)
  check(t, withHeights(({ t }, i) => i === 80 || i === 81 ? 3900 : hill(t)), right)
  check(t, withHeights(({ t }, i) => i >= 100 && i < 104 ? hill(t) - 200 : hill(t)), right)
  check(t, withHeights(({ t }, i) => i > 297 ? 0 : hill(t)), right)
})

t.test('a value that is there is read, or said to be unreadable', async t => {
  const points = straight(600, { more: { ele: 50.5, hr: 140 } })
  const text = (format: 'gpx' | 'tcx') => new TextDecoder().decode(madeAs(format, { points }))
  const digits = (zero: number) => (value: string) => value.replaceAll(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit)))
  for (const format of ['gpx', 'tcx'] as const) {
    const numbers = />[^<>]*\d[^<>]*<|"\d+\.\d+"/g
    const all = (change: (value: string) => string) => bytesOf(text(format).replace(/<(trkseg|Track)>.*<\/\1>/s, (track) => track.replaceAll(numbers, change)))
    checkOne(t, all((value) => /T\d\d:/.test(value) ? value : value.replace('.', ',')), `${format} with commas`, { distance_m: 1800 })
    for (const zero of [0x660, 0x6f0, 0x966, 0xff10]) {
      checkOne(t, all(digits(zero)), `${format} with digits of ${zero.toString(16)}`, { distance_m: 1800, moving_s: 600, average_heart_rate_bpm: 140 })
    }
    for (const absent of ['NaN', 'null', '--', 'n/a', '']) {
      const { recording } = checkOne(t, all((value) => value.replace('>140<', `>${absent}<`)), `${format} with ${absent}`, { distance_m: 1800 })
      t.notOk(recording.warnings.some(({ code }) => code === 'VALUES_UNREADABLE'), `${absent} stands for no value`)
    }
    for (const word of ['Infinity', '-Infinity', 'inf', 'abc']) {
      const right = { distance_m: 1800, warnings: ['VALUES_UNREADABLE'] satisfies WarningCode[] }
      checkOne(t, all((value) => value.replace('>140<', `>${word}<`)), `${format} with ${word}`, right)
    }
    checkOne(t, all((value) => value.replace('140', 'many')), `${format} with words`, { distance_m: 1800, warnings: ['VALUES_UNREADABLE'] })
  }
})

t.test('XML that is damaged in one place is read around it', async t => {
  for (const format of ['gpx', 'tcx'] as const) {
    const whole = new TextDecoder().decode(madeAs(format, { points: straight(600) }))
    const name = format === 'gpx' ? '<name>Run</name>' : '<Id>'
    const inName = (text: string) => format === 'gpx' ? whole.replace(name, `<name>${text}</name>`) : whole.replace(name, `<Notes>${text}</Notes><Id>`)
    const last = format === 'gpx' ? '</trkpt></trkseg>' : '</Trackpoint></Track>'
    for (const [what, text] of [
      ['a bare ampersand', inName('Ada & Bob')],
      ['several bare ampersands', inName('a & b && c &d; &#;')],
      ['an unknown entity', inName('Caf&eacute;&nbsp;run')],
      ['a control character', inName('a\u0000b\u0003c\u000b')],
      ['a bare angle bracket', inName('pace < 5:00 <3')],
      ['words after the end', `${whole}<b>junk & more</b>`],
      ['zeros after the end', `${whole}${'\u0000'.repeat(5000)}`],
      ['an ampersand in a comment after the track', whole.replace(last, `${last.slice(0, last.indexOf('>') + 1)}<cmt>a & b</cmt>${last.slice(last.indexOf('>') + 1)}`)]
    ] as const) {
      checkOne(t, bytesOf(text), `${format} with ${what}`, { distance_m: 1800, elapsed_s: 600, warnings: ['XML_DAMAGED'] })
    }
    const [named] = decode(bytesOf(inName('Ada & Bob')))
    t.equal(named!.name, 'Ada & Bob')
    checkOne(t, bytesOf(whole.slice(0, whole.length * 0.8)), `${format} cut off`, { warnings: ['FILE_TRUNCATED'] })
  }
})

t.test('cadence is counted of both feet, whichever the file tells', async t => {
  const walked = (cad: number) => ({ points: straight(600, { speed: 1.5, more: { cad } }), sport: 'walking' })
  check(t, walked(112), { average_cadence_spm: 112 }, ['fit', 'gpx'])
  check(t, walked(56), { average_cadence_spm: 112 }, ['fit', 'gpx'])
  const mixed = (run: number, walk: number) => ({
    points: [
      ...straight(180, { more: { cad: run } }),
      ...straight(420, { from: 182, fromM: 546, speed: 1.5, more: { cad: walk } })
    ]
  })
  check(t, mixed(170, 110), { average_cadence_spm: 128, within: 0.02 })
  check(t, mixed(85, 55), { average_cadence_spm: 128, within: 0.02 })
  check(t, { points: straight(600, { more: { cad: 84 } }) }, { average_cadence_spm: 168 })
  check(t, { points: straight(600, { more: { cad: 168 } }) }, { average_cadence_spm: 168 })
  const spikes = straight(600).map((point, i) => ({ ...point, cad: i % 40 === 7 ? 250 : 168 }))
  check(t, { points: spikes }, { average_cadence_spm: 168 })
})

t.test('what is covered while the timer stands is not run', async t => {
  const points = [
    ...straight(300),
    ...straight(296, { from: 302, fromM: 912, speed: 6 }),
    ...straight(300, { from: 600, fromM: 2700 })
  ]
  const made: Made = { points: without(points, 'dist'), pauses: [[300, 600]], session: { elapsed: 900, timer: 600 } }
  check(t, made, { distance_m: 1800, moving_s: 600, within: 0.01 }, ['fit'])
  const ferry = { ...made, points: without([...straight(300), ...straight(300, { from: 600, fromM: 2700 })], 'dist'), laps: [{ from: 0, timer: 600, points: 302 }] }
  check(t, ferry, { distance_m: 1800, moving_s: 600 })
})

t.test('points in batches with one time, and times that run back, keep their way', async t => {
  const winding = Array.from({ length: 300 }, (_, i) => {
    const metres = 6 * Math.abs((i % 20) - 10)
    return { t: Math.floor(i / 20) * 40 + 38, lat: 41.3 + metres / 111_195.0802, lon: 12.9 }
  })
  check(t, { points: winding }, { distance_m: 1794, within: 0.01, warnings: ['TIMES_REPEATED'] })
  const setBack = straight(600).map((point) => point.t < 300 ? point : { ...point, t: point.t - 200 })
  check(t, { points: without(setBack, 'dist') }, { distance_m: 1800, elapsed_s: 600, within: 0.01, warnings: ['TIMES_OUT_OF_ORDER'] })
  const twisted = straight(600).flatMap((point, i) =>
    i % 10 === 9 ? [point, { ...point, t: point.t - 3 }, { ...point, t: point.t - 5 }] : [point])
  check(t, { points: without(twisted, 'dist') }, { distance_m: 1800, within: 0.01 })
  const shuffled = straight(600).map((_, i, all) => all[(i * 8) % all.length]!)
  check(t, { points: without(shuffled, 'dist') }, { distance_m: 1800, elapsed_s: 600, warnings: ['TIMES_OUT_OF_ORDER'] })
})

t.test('tracks that follow each other are one run, and those apart are several', async t => {
  const track = (from: number, type = 'running') => {
    const text = new TextDecoder().decode(madeAs('gpx', { points: straight(200, { from, fromM: from * 3 }), sport: type }))
    return /<trk>.*<\/trk>/s.exec(text)![0]
  }
  const file = (...tracks: string[]) => bytesOf(`<gpx xmlns:x="x">${tracks.join('')}</gpx>`)
  checkOne(t, file(track(0), track(200), track(400)), 'touching', { distance_m: 1800, elapsed_s: 600, laps_count: 3 })
  checkOne(t, file(track(0), track(202), track(404)), 'with a step between', { distance_m: 1812, elapsed_s: 604, laps_count: 3 })
  t.equal(decode(file(track(0), track(3800))).length, 2)
  t.equal(decode(file(track(0), track(200, 'cycling'))).length, 2)
})

t.test('a first fix far away is refused, and those after it are not', async t => {
  for (const bad of [1, 2, 4]) {
    const points = without(straight(600, { step: 3 }), 'dist').map((point, i) => i < bad ? { ...point, lat: 48.1, lon: 2.2 } : point)
    check(t, { points }, { distance_m: 1800 - bad * 9, warnings: ['POSITIONS_IMPOSSIBLE'] })
  }
  const middle = without(straight(600, { step: 3 }), 'dist').map((point, i) => i === 100 ? { ...point, lat: 48.1 } : point)
  check(t, { points: middle }, { distance_m: 1800, warnings: ['POSITIONS_IMPOSSIBLE'] })
})

t.test('a longitude over 180 is the same place within it', async t => {
  for (const from of [179.995, -180.005, 359.99]) {
    const points = straight(600).map(({ t }) => ({ t, lat: 0.0001, lon: from + t * 3 / 111_195.0802 }))
    check(t, { points }, { distance_m: 1800, warnings: ['POSITIONS_WRAPPED'] }, ['gpx', 'tcx'])
  }
})

t.test('a type is known in other languages, or said to be unknown', async t => {
  for (const [sport, expected] of [['TREADMILL_WALKING', 'walking'], ['Indoor Walking', 'walking'], ['course à pied', 'running'], ['corsa', 'running'], ['ランニング', 'running'], ['Radfahren', 'cycling'], ['randonnée', 'hiking'], ['Schwimmen', 'swimming']] as const) {
    check(t, { points: straight(600), sport }, { sport: expected }, ['gpx', 'tcx'])
  }
  check(t, { points: straight(600), sport: 'Quidditch' }, { sport: 'other', warnings: ['SPORT_UNKNOWN'] }, ['gpx', 'tcx'])
  check(t, { points: straight(600), sport: '' }, { sport: 'running', warnings: ['SPORT_MISSING'] }, ['gpx', 'tcx'])
})

t.test('laps of no length are dropped', async t => {
  const lap = (from: number, timer: number, points: number) =>
    ({ from, timer, elapsed: timer, dist: timer * 3, points })
  const laps = [lap(0, 200, 100), lap(200, 0, 0), lap(200, 200, 100), lap(400, 200, 101), lap(600, 0, 0)]
  check(t, { points: straight(600), laps, session: { elapsed: 600, timer: 600, dist: 1800 } }, { laps_count: 3, distance_m: 1800 }, ['fit', 'tcx'])
})

t.test('the sum of the speed tells the distance where nothing else does', async t => {
  check(t, { points: without(straight(600, { more: { speed: 3 } }), 'dist', 'lat', 'lon') }, { distance_m: 1800, moving_s: 600 })
  const roof = straight(600, { more: { speed: 3, dist: undefined } }).map((point) => ({ ...point, lat: 41.3 }))
  check(t, { points: roof }, { distance_m: 1800, moving_s: 600 })
})

t.test('distances of the points that are those of each step are no sums', async t => {
  const points = straight(600).map((point, i) => ({ ...point, dist: i === 0 ? 0 : 6 + (i % 4) / 10 }))
  check(t, { points }, { distance_m: 1800, warnings: ['DISTANCE_CONTRADICTED'] }, ['fit', 'tcx'])
})

t.test('a clock that is off for a part of the points is put right by the other points', async t => {
  const straightRun = (more: Partial<MadePoint> = {}) => straight(600, { step: 1, more })
  const off = (from: number, to: number, by: number): MadePoint[] =>
    straightRun().map((point, i) => i >= from && i < to ? { ...point, t: point.t + by } : point)
  const right = { distance_m: 1800, elapsed_s: 600, moving_s: 600 }
  const total = { elapsed: 600, timer: 600, dist: 1800, start: 0 }
  const laps = [{ from: 0, timer: 600, elapsed: 600, dist: 1800, points: 601 }]
  const told = (format: Format, points: MadePoint[], what: string) => {
    const { recording } = checkOne(t, madeAs(format, { points, laps, session: total }), `${format} ${what}`, { ...right, warnings: ['CLOCK_WRONG'] })
    t.equal(recording.startTime, MADE_START, `${format} ${what}: the start`)
  }
  for (const format of ALL) {
    for (const by of [3600, 7200, 1500]) {
      for (const count of [1, 10, 60]) told(format, off(0, count, by), `the first ${count} by ${by} s`)
      for (const count of [1, 10, 60]) told(format, off(601 - count, 601, -by), `the last ${count} by -${by} s`)
      for (const [from, count] of [[300, 1], [100, 5], [400, 60]] as const) {
        told(format, off(from, from + count, by), `${count} from ${from} by ${by} s`)
        told(format, off(from, from + count, -by), `${count} from ${from} by -${by} s`)
      }
    }
  }
  // These are in order, as after a pause: the totals of the device tell that there was none.
  for (const by of [1200, 3600]) {
    for (const count of [1, 5, 60]) {
      told('fit', off(601 - count, 601, by), `the last ${count} by ${by} s`)
      told('fit', off(0, count, -by), `the first ${count} by -${by} s`)
      const session = { ...total, start: -by }
      const { recording } = checkOne(t, madeAs('fit', { points: off(0, count, -by), laps, session }), 'the start is as wrong', right)
      t.equal(recording.startTime, MADE_START)
      const paused = { ...right, elapsed_s: 600 + by }
      checkOne(t, madeAs('gpx', { points: off(601 - count, 601, by) }), 'a pause that nothing contradicts', paused)
      const stated = { ...total, elapsed: 600 + by }
      checkOne(t, madeAs('fit', { points: off(601 - count, 601, by), session: stated }), 'a pause that the device counted', paused)
    }
  }
})

t.test('values of cadence that nobody can do do not tell whether a file counts one foot', async t => {
  for (const [cad, right] of [[84, 168], [168, 168], [62, 124]] as const) {
    for (const impossible of [241, 250, 254, 255, 300]) {
      for (const every of [2, 5, 9]) {
        const cadence = (i: number): number => i % every === 0 ? impossible : cad
        const points = straight(600, { step: 1 }).map((point, i) => ({ ...point, cad: cadence(i) }))
        // FIT has no values over 254.
        check(t, { points }, { average_cadence_spm: right }, ['gpx', 'tcx', ...impossible < 255 ? ['fit' as const] : []])
      }
    }
  }
})

t.test('points with times too far apart for one recording are not said to have the same time', async t => {
  for (const format of ALL) {
    for (const days of [15, 20, 400]) {
      const points = straight(60, { step: 60 }).map((point, i) => ({ ...point, t: i * days * 86_400 }))
      const made = { points, session: { elapsed: 0, start: days * 86_400 } }
      t.throws(() => decode(madeAs(format, made)), { message: /more than 14 days apart/ }, `${format}: ${days} days`)
    }
  }
})

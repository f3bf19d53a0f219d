import t from 'tap'
import { decode } from '../../src/domain/files/decode.ts'
import { activityFiguresOf } from '../../src/domain/training/figures.ts'
import { madeAs, straight, type Format, type Made, type MadeLap } from '../harness/fixtures/kinds.ts'

const FORMATS = ['fit', 'tcx'] as const

/** Ten minutes at 3 m/s in three laps, of which some are told otherwise. */
function run (change: (lap: MadeLap, index: number) => Partial<MadeLap> = () => ({})): Made {
  const laps = [0, 200, 400].map((from, i): MadeLap => {
    const lap = { from, timer: 200, elapsed: 200, dist: 600, points: i === 2 ? 101 : 100 }
    return { ...lap, ...change(lap, i) }
  })
  return { points: straight(600), laps, session: { elapsed: 600, timer: 600, dist: 1800 } }
}

function computed (format: Format, made: Made) {
  const [recording] = decode(madeAs(format, made))
  const { figures, warnings } = activityFiguresOf(recording!)
  return { ...figures, codes: [...recording!.warnings, ...warnings].map(({ code }) => code) }
}

function near (value: number | null, expected: number, tolerance: number): boolean {
  return value !== null && Math.abs(value - expected) <= tolerance
}

t.test('what a device says of a lap that cannot be is told by the records, with a warning', async (t) => {
  const wrong: Array<[what: string, change: (lap: MadeLap) => Partial<MadeLap>]> = [
    ...[1 / 1000, 1 / 60, 60, 1000].map((factor): [string, (lap: MadeLap) => Partial<MadeLap>] => [
      `times × ${factor}`, ({ timer, elapsed }) => ({ timer: timer! * factor, elapsed: elapsed! * factor })
    ]),
    ...[1 / 1000, 0.1, 3, 5, 10].map((factor): [string, (lap: MadeLap) => Partial<MadeLap>] => [
      `distance × ${factor}`, ({ dist }) => ({ dist: dist! * factor })
    ])
  ]
  for (const format of FORMATS) {
    for (const [what, change] of wrong) {
      for (const isWrong of [[0], [1], [2], [0, 1, 2]]) {
        const made = run((lap, i) => isWrong.includes(i) ? change(lap) : {})
        const { laps, codes, summary } = computed(format, made)
        const title = `${format}, ${what} of laps ${isWrong.join(', ')}: ${JSON.stringify(laps)}`
        t.ok(laps.length === 3 && laps.every(({ distance_m, elapsed_s, moving_s }) =>
          near(distance_m, 600, 30) && near(elapsed_s, 200, 2.01) && near(moving_s, 200, 2.01)), title)
        t.ok(codes.includes('LAPS_CONTRADICTED'), `${title} is warned of`)
        t.equal(summary.distance_m, 1800)
      }
    }
  }
})

t.test('laps that agree with the records stay as the device wrote them', async (t) => {
  for (const format of FORMATS) {
    const { laps, codes } = computed(format, run((_, i) => ({ dist: [590, 610, 600][i]! })))
    t.same(codes.filter((code) => code === 'LAPS_CONTRADICTED'), [])
    t.same(laps.map(({ distance_m, elapsed_s, moving_s }) => [distance_m, elapsed_s, moving_s]), [
      [590, 200, 200], [610, 200, 200], [600, 200, 200]
    ])
  }
})

t.test('a pause is taken off a lap once', async (t) => {
  const points = [
    ...straight(100), ...straight(100, { from: 400, fromM: 300 }), ...straight(100, { from: 502, fromM: 606 })
  ]
  const laps = [
    { from: 0, timer: 200, elapsed: 502, dist: 600, points: 102 },
    { from: 502, timer: 100, elapsed: 100, dist: 300, points: 51 }
  ]
  for (const format of FORMATS) {
    const made: Made = { points, laps, pauses: [[100, 400]], session: { elapsed: 602, timer: 302, dist: 906 } }
    const { laps: [first, second], codes } = computed(format, made)
    t.match(codes, [], format)
    t.ok(near(first!.elapsed_s, 502, 1) && near(first!.moving_s, 200, 2.01), `${format}: ${JSON.stringify(first)}`)
    t.ok(near(second!.elapsed_s, 100, 1) && near(second!.moving_s, 100, 2.01), `${format}: ${JSON.stringify(second)}`)
  }
})

t.test('laps after the end of a recording are left out', async (t) => {
  const made = run()
  made.laps!.push({ from: 5000, timer: 200, elapsed: 200, dist: 600, points: 0 })
  const { laps, codes, summary } = computed('fit', made)
  t.equal(laps.length, 3)
  t.equal(summary.laps_count, 3)
  t.ok(codes.includes('LAPS_CONTRADICTED'))
})

t.test('where the records tell of the beginning alone, there are no splits', async (t) => {
  const laps = [{ from: 0, timer: 900, elapsed: 900, dist: 2700, points: 1000 }]
  const made: Made = { points: straight(60), laps, session: { elapsed: 900, timer: 900, dist: 2700 } }
  const { splits, summary, codes } = computed('fit', made)
  t.equal(summary.distance_m, 2700, codes.join())
  t.same(splits, { km: [], mi: [] })
})

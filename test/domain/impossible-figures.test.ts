import fc from '../harness/fast-check.ts'
import t from 'tap'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { decode } from '../../src/domain/files/decode.ts'
import { hasSteps, PLAUSIBLE_SPEED_M_PER_S } from '../../src/domain/sports.ts'
import { activityFiguresOf } from '../../src/domain/training/figures.ts'
import { recordTimeS } from '../../src/domain/training/world-records.ts'
import { WARNING_CODES } from '../../src/domain/warnings.ts'
import { madeAs, straight } from '../harness/fixtures/kinds.ts'
import type { Format, Made } from '../harness/fixtures/kinds.ts'

const FORMATS: Format[] = ['fit', 'gpx', 'tcx']
/** Figures are rounded to 0.01 m, 0.001 s and 0.01 s/km. */
const ROUNDING = 1.005

/** Throws if a figure of the file is one that cannot be. A file that is refused has none. */
function plausible (bytes: Uint8Array): void {
  for (const recording of decoded(bytes)) {
    const { figures: { summary, laps, splits }, warnings } = activityFiguresOf(recording)
    const { sport, distance_m: distance, elapsed_s: elapsed, moving_s: moving } = summary
    const fail = (what: string): never => { throw new Error(`${what}: ${JSON.stringify(summary)}`) }
    const least = (metres: number): number =>
      hasSteps(sport) ? recordTimeS(metres) : metres / PLAUSIBLE_SPEED_M_PER_S[sport]
    for (const [name, value] of Object.entries(summary)) {
      if (typeof value === 'number' && !(Number.isFinite(value) && value >= 0)) fail(name)
    }
    if (elapsed > 14 * 86_400) fail('longer than a fortnight')
    if (elapsed < (recording.columns.timeS.at(-1) ?? 0) - 1.01) fail('elapsed time under the span of the records')
    if (moving > elapsed) fail('moving longer than elapsed')
    if (distance !== null && distance > 1 && least(distance) > moving * ROUNDING) fail('faster than the world record')
    for (const name of ['average_pace_s_per_km', 'grade_adjusted_pace_s_per_km'] as const) {
      const pace = summary[name]
      if (pace === null) continue
      if (distance === null) fail(`${name} without a distance`)
      else if (distance > 1 && pace * distance / 1000 * ROUNDING < least(distance)) fail(name)
    }
    const gain = summary.elevation_gain_m ?? 0
    if (hasSteps(sport) && gain > (distance ?? Infinity) + 0.1) fail('steeper than anybody runs')
    if (hasSteps(sport) && gain > 2 * moving + 0.1) fail('climbed faster than anybody')
    if ((summary.average_cadence_spm ?? 0) > 240) fail('cadence')
    const { average_heart_rate_bpm: mean, max_heart_rate_bpm: highest } = summary
    if ((highest ?? 0) > 250 || (mean ?? 0) > 250 || (mean !== null && mean < 20)) fail('heart rate')
    for (const lap of laps) {
      const failLap = (what: string): never => fail(`lap ${what}: ${JSON.stringify(lap)}`)
      // Laps are told in whole seconds.
      if (lap.elapsed_s > elapsed * 1.02 + 2.01) failLap('longer than the activity')
      if (lap.moving_s > lap.elapsed_s) failLap('moving longer than elapsed')
      if ((lap.distance_m ?? 0) > 20 && least(lap.distance_m!) > lap.elapsed_s * 1.02 + 2.01) failLap('too fast')
    }
    if (laps.reduce((sum, { moving_s }) => sum + moving_s, 0) > moving + 0.001 * laps.length + 0.001) fail('moving in laps')
    for (const each of [splits.km, splits.mi]) {
      const sum = each.reduce((metres, { distance_m }) => metres + distance_m!, 0)
      if (each.length > 0 && Math.abs(sum - (distance ?? 0)) > 0.01) fail('splits that are another distance')
    }
    for (const { code, message } of [...recording.warnings, ...warnings]) {
      if (!(code in WARNING_CODES) || message === '') fail(`warning ${code}`)
    }
  }
}

function decoded (bytes: Uint8Array) {
  try {
    return decode(bytes)
  } catch (error) {
    if (error instanceof AppError && error.code === 'UNREADABLE_FILE') return []
    throw error
  }
}

/** Any value, often a usual one, sometimes an absurd one. */
const value = (low: number, high: number) => fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: low, max: high, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, undefined) },
  { weight: 1, arbitrary: fc.double({ min: low - 2 * (high - low), max: high + 5 * (high - low), noNaN: true }) }
)

const total = fc.oneof(
  fc.constant(undefined),
  fc.double({ min: 0, max: 4000, noNaN: true }),
  fc.double({ min: 0, max: 4e6, noNaN: true })
)

/** A whole number that a FIT field of one byte can hold. */
const byte = (low: number, high: number) =>
  value(low, high).map((number) => number === undefined ? undefined : Math.min(254, Math.max(0, Math.round(number))))

const anyPoint = fc.record({
  t: fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 0, max: 900 }) },
    { weight: 1, arbitrary: fc.integer({ min: -4e6, max: 4e6 }) }
  ),
  lat: value(50, 50.02),
  lon: value(8, 8.02),
  ele: value(0, 300),
  hr: byte(100, 180),
  cad: byte(50, 120),
  dist: value(0, 3000).map((metres) => metres === undefined ? undefined : Math.max(0, metres)),
  speed: value(0, 6).map((speed) => speed === undefined ? undefined : Math.min(60, Math.max(0, speed)))
})

const made: fc.Arbitrary<Made> = fc.record({
  points: fc.oneof(
    fc.array(anyPoint, { minLength: 2, maxLength: 60 }),
    // A run with some points replaced by anything.
    fc.tuple(fc.integer({ min: 20, max: 400 }), fc.array(fc.tuple(fc.nat(400), anyPoint), { maxLength: 10 }))
      .map(([seconds, changes]) => {
        const points = straight(seconds)
        for (const [at, point] of changes) points[at % points.length] = point
        return points
      })
  ),
  laps: fc.array(fc.record({
    from: fc.integer({ min: 0, max: 900 }), timer: total, elapsed: total, dist: total, points: fc.nat(40)
  }), { maxLength: 4 }).map((laps) => laps.length === 0 ? [{ from: 0, points: 1000 }] : laps),
  session: fc.record({ elapsed: total, timer: total, dist: total }) as fc.Arbitrary<NonNullable<Made['session']>>,
  pauses: fc.array(
    fc.tuple(fc.nat(900), fc.nat(300)).map(([from, length]): [number, number] => [from, from + length]),
    { maxLength: 3 }
  ),
  sport: fc.constantFrom('running', 'running', 'walking', 'cycling', 'swimming', 'hiking')
})

t.test('no recording gives a figure that cannot be', async () => {
  fc.assert(
    fc.property(made, fc.constantFrom(...FORMATS), (run, format) => plausible(madeAs(format, run))),
    { numRuns: 2000, seed: 11 }
  )
})

const SAMPLES = resolve(process.cwd(), '../shared/samples')

/** A larger file would only take longer to decode 5,000 times. */
const SMALL_BYTES = 30_000

/** The files that are changed: made runs, and the small samples where they are. */
function seeds (): Uint8Array[] {
  const run: Made = {
    points: straight(240, { more: { hr: 150, cad: 85, ele: 100, speed: 3 } }),
    laps: [0, 120].map((from) => ({ from, timer: 120, elapsed: 120, dist: 360, points: from === 0 ? 60 : 61 })),
    session: { elapsed: 240, timer: 240, dist: 720 },
    pauses: [[100, 110]]
  }
  const folders = ['broken', 'fit', 'gpx', 'tcx', 'reported'].map((folder) => `${SAMPLES}/${folder}`).filter(existsSync)
  const samples = folders.flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
    .filter((path) => statSync(path).size <= SMALL_BYTES)
  return [
    ...FORMATS.map((format) => madeAs(format, run)),
    ...samples.map((path) => new Uint8Array(readFileSync(path)))
  ]
}

t.test('5,000 changes of recordings are read or refused, and give no figure that cannot be', async () => {
  const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 255, 0x26, 0x3c, 0x30, 0x39, 0x40, 0x80)))
  // By their number: a seed shown whole would bury the changes.
  const files = seeds()
  const changes = fc.array(change, { minLength: 1, maxLength: 12 })
  const changed = fc.tuple(fc.nat(files.length - 1), changes, fc.nat(), fc.nat(9))
  fc.assert(fc.property(changed, ([seed, changes, cut, whole]) => {
    const file = files[seed]!
    const bytes = file.slice(0, whole > 0 ? file.length : cut % Math.max(1, file.length))
    for (const [at, byte] of changes) bytes[at % Math.max(1, bytes.length)] = byte
    plausible(bytes)
  }), { numRuns: 5000, seed: 22 })
})

import fc from '../harness/fast-check.ts'
import t from 'tap'
import { emptyColumns, NO_DEVICE_FIGURES, NO_DEVICE_MEANS } from '../../src/domain/recording.ts'
import type { Columns, Recording } from '../../src/domain/recording.ts'
import { isTimeZone, localDate } from '../../src/domain/local-day.ts'
import { haversineM } from '../../src/domain/training/distance.ts'
import { elevationOf, thresholdOf } from '../../src/domain/training/elevation.ts'
import { activeTimeS, standingTimeS } from '../../src/domain/training/moving.ts'
import {
  gradeAdjustedDistanceM,
  gradedSpeedOf,
  gradeFactor,
  minettiCost,
  normalizedGradedSpeed
} from '../../src/domain/training/pace.ts'
import { summaryOf } from '../../src/domain/training/summary.ts'
import { paceOf, rounded } from '../../src/domain/units.ts'

/** `actual` is `expected` within `tolerance`. */
function near (
  t: Pick<typeof import('tap').t, 'ok'>,
  actual: number | null | undefined,
  expected: number,
  tolerance: number,
  name = ''
): void {
  t.ok(
    typeof actual === 'number' && Math.abs(actual - expected) <= tolerance,
    `${name} ${actual} is ${expected} ± ${tolerance}`
  )
}

const seconds = (count: number, step = 1) => Float64Array.from({ length: count }, (_, i) => i * step)

/** A recording of a duration at a constant speed, with overrides. */
function recordingOf (
  count: number,
  speed: number,
  {
    columns = {} as Partial<Columns>,
    ...rest
  }: Partial<Omit<Recording, 'columns'>> & { columns?: Partial<Columns> } = {}
): Recording {
  return {
    sport: 'running',
    subSport: null,
    name: null,
    startTime: Date.UTC(2024, 0, 15),
    columns: { ...emptyColumns(count), timeS: seconds(count), distanceM: seconds(count, speed), ...columns },
    laps: [],
    pauses: [],
    device: { ...NO_DEVICE_FIGURES },
    deviceMeans: { ...NO_DEVICE_MEANS },
    deviceName: null,
    warnings: [],
    ...rest
  }
}

t.test('great-circle distances match the reference values', async t => {
  near(t, haversineM(0, 0, 0, 1), 111_195.0802, 1e-4)
  near(t, haversineM(48.8566, 2.3522, 51.5074, -0.1278), 343_556.53, 0.01)
  near(t, haversineM(0, 0, 0, 180), Math.PI * 6_371_008.8, 1e-3)
  near(t, haversineM(90, 0, -90, 77), Math.PI * 6_371_008.8, 1e-3)
  near(t, haversineM(12, 179.5, 12, -179.5), haversineM(12, 0, 12, 1), 1e-6, 'over the date line')
  const latitude = fc.double({ min: -90, max: 90, noNaN: true })
  const longitude = fc.double({ min: -180, max: 180, noNaN: true })
  fc.assert(fc.property(latitude, longitude, latitude, longitude, (a, b, c, d) => {
    const there = haversineM(a, b, c, d)
    return (
      there >= 0 &&
      there <= Math.PI * 6_371_009 &&
      Math.abs(there - haversineM(c, d, a, b)) < 1e-6 &&
      haversineM(a, b, a, b) === 0
    )
  }), { seed: 1 })
})

t.test('the cost of a grade matches the values of Minetti', async t => {
  for (const [grade, factor] of [
    [-0.2, 0.5],
    [-0.1, 0.5977],
    [-0.05, 0.7628],
    [0, 1],
    [0.05, 1.3014],
    [0.1, 1.6578],
    [0.2, 2.5019]
  ] as const) {
    near(t, gradeFactor(grade), factor, 5e-5, `at ${grade}`)
  }
  t.equal(minettiCost(0.45), minettiCost(3))
  t.equal(minettiCost(-0.45), minettiCost(-9))
  fc.assert(fc.property(fc.double({ noNaN: true }), (grade) => minettiCost(grade) > 1.5), { seed: 1 })
  fc.assert(
    fc.property(
      fc.double({ min: -0.1, max: 0.45, noNaN: true }),
      fc.double({ min: 0.001, max: 0.1, noNaN: true }),
      (grade, more) => minettiCost(grade + more) >= minettiCost(grade)
    ),
    { seed: 2 }
  )
})

t.test('grade-adjusted distance equals distance on flat ground and is longer uphill', async t => {
  const timeS = seconds(600)
  const distanceM = seconds(600, 3)
  const on = (grade: number) =>
    gradeAdjustedDistanceM({ timeS, distanceM, altitudeM: distanceM.map((d) => 100 + d * grade) })!.at(-1)!
  near(t, on(0), 1797, 1e-6)
  near(t, on(0.1), 1797 * 1.6578, 1)
  near(t, on(-0.1), 1797 * 0.5977, 1)
  t.equal(gradeAdjustedDistanceM({ timeS, distanceM, altitudeM: timeS.map(() => NaN) }), null)
  t.equal(
    gradeAdjustedDistanceM({ timeS, distanceM, altitudeM: timeS.map((s) => (s < 100 ? 5 : NaN)) }),
    null,
    'the altitude is known at too few records'
  )
})

t.test('normalized graded speed equals a steady speed, and is never below the mean', async t => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.5, max: 7, noNaN: true }),
      fc.integer({ min: 2, max: 400 }),
      fc.constantFrom(1, 2, 7),
      (speed, count, step) => {
        return Math.abs(normalizedGradedSpeed(seconds(count, step), seconds(count, step * speed))! - speed) < 1e-6
      }
    ),
    { seed: 1 }
  )
  const sprints = Float64Array.from({ length: 1201 }, (_, s) => 3 * s + 60 / Math.PI * (1 - Math.cos(s * Math.PI / 60)))
  t.ok(normalizedGradedSpeed(seconds(1201), sprints)! > 3)
  t.equal(normalizedGradedSpeed(seconds(1), seconds(1)), null)
  near(
    t,
    gradedSpeedOf(recordingOf(600, 3, { columns: { altitudeM: seconds(600, 0.3) } }).columns, seconds(600)),
    3 * 1.6578,
    0.01
  )
  near(t, gradedSpeedOf(recordingOf(600, 3).columns, seconds(600)), 3, 1e-6)
  near(
    t,
    gradedSpeedOf(
      recordingOf(600, 3, {
        columns: { distanceM: seconds(600).map((s) => (s < 200 ? s * 3 : s < 400 ? 600 : (s - 200) * 3)) }
      }).columns,
      activeTimeS(seconds(600), [{ startS: 200, endS: 400 }])
    ),
    3,
    0.05,
    'a pause does not count'
  )
  t.equal(normalizedGradedSpeed(seconds(50), seconds(50, 0)), null)
})

t.test('elevation ignores noise, a climb counts in full, and the reversed track swaps gain and loss', async t => {
  const check = (heights: number[], gain: number, loss: number, tolerance = 1e-6) => {
    const elevation = elevationOf(seconds(heights.length), Float64Array.from(heights))!
    near(t, elevation.gainM, gain, tolerance, 'gain')
    near(t, elevation.lossM, loss, tolerance, 'loss')
  }
  check(Array.from({ length: 500 }, (_, i) => 100 + 0.3 * (-1) ** i), 0, 0)
  check(Array.from({ length: 500 }, (_, i) => i / 10), 49.9, 0)
  check(Array.from({ length: 500 }, (_, i) => -i / 10), 0, 49.9)
  check([5, ...Array.from({ length: 200 }, () => NaN), 25], 20, 0)
  check(Array.from({ length: 1201 }, (_, i) => 20 - 20 * Math.cos(i * Math.PI / 300)), 80, 80, 0.5)
  t.equal(elevationOf(seconds(3), Float64Array.of(NaN, 1, NaN)), null)

  const noise = fc.array(fc.double({ min: -0.3, max: 0.3, noNaN: true }), { minLength: 2, maxLength: 300 })
  fc.assert(fc.property(noise, (heights) => {
    const { gainM, lossM } = elevationOf(seconds(heights.length), Float64Array.from(heights, (height) => 250 + height))!
    return gainM === 0 && lossM === 0
  }), { seed: 1 })
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.double({ min: 0, max: 5, noNaN: true })), {
    minLength: 1,
    maxLength: 200
  })
  fc.assert(fc.property(steps, (climb) => {
    let time = 0
    let height = 0
    const timeS = [0, ...climb.map(([s]) => { time += s; return time })]
    const heights = [0, ...climb.map(([, m]) => { height += m; return height })]
    const { gainM, lossM, thresholdM } = elevationOf(Float64Array.from(timeS), Float64Array.from(heights))!
    return lossM === 0 && Math.abs(gainM - (height >= thresholdM ? height : 0)) < 1e-6
  }), { seed: 2 })
  // Multiples of a power of two, so that sums are exact and no turn misses the threshold in one direction only.
  const walk = fc.array(fc.integer({ min: -40, max: 40 }).map((n) => n / 8), { minLength: 2, maxLength: 200 })
  fc.assert(fc.property(walk, (heights) => {
    const timeS = seconds(heights.length)
    const there = elevationOf(timeS, Float64Array.from(heights))!
    const back = elevationOf(timeS, Float64Array.from(heights.toReversed()))!
    return Math.abs(there.gainM - back.lossM) < 1e-6 && Math.abs(there.lossM - back.gainM) < 1e-6
  }), { seed: 3 })
})

t.test('the threshold follows the noise of the heights', async t => {
  // Noise with a seed: a linear congruential generator.
  const noise = (amplitude: number, seed = 1) => {
    let state = seed
    return () => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31
      return (state / 2 ** 30 - 1) * amplitude
    }
  }
  for (let seed = 1; seed <= 30; seed++) {
    const height = noise(8, seed)
    const { gainM, lossM, thresholdM } = elevationOf(seconds(600), seconds(600).map(() => 100 + height()))!
    t.ok(gainM <= 20 && lossM <= 20, `±8 m give ${gainM} and ${lossM} m`)
    t.ok(thresholdM > 4 && thresholdM < 10, `${thresholdM}`)
  }
  const quiet = noise(0.3)
  t.equal(thresholdOf(seconds(600), seconds(600).map(() => 100 + quiet())), 2)
  t.equal(thresholdOf(seconds(600), seconds(600, 0.5)), 2, 'a steady climb is no noise')
  t.equal(thresholdOf(seconds(600), seconds(600), 'gps'), 4)
  const hilly = noise(5)
  const hill = seconds(1200).map((s) => 300 + 60 * Math.sin(s * Math.PI / 600) + hilly())
  near(t, elevationOf(seconds(1200), hill)!.gainM, 120, 12, 'hills stay in the noise of GPS')
})

t.test('standing is not moving, and neither is a pause', async t => {
  const timeS = seconds(200)
  const stops = timeS.map((s) => s < 50 ? s * 3 : s < 100 ? 150 : 150 + (s - 100) * 3)
  near(t, standingTimeS({ timeS, distanceM: stops }, timeS), 51, 1)
  near(
    t,
    standingTimeS({ timeS, distanceM: timeS.map((s) => Math.floor(s / 8) * 24) }, timeS),
    0,
    0,
    'a slow count is no stop'
  )
  t.equal(standingTimeS({ timeS, distanceM: timeS.map(() => NaN) }, timeS), null)
  t.same([...activeTimeS(seconds(6, 10), [{ startS: 15, endS: 35 }])], [0, 10, 15, 15, 20, 30])
})

t.test('unknown figures of the summary are null, never 0', async t => {
  const bare = summaryOf(recordingOf(600, 3, { columns: { distanceM: new Float64Array(600).fill(NaN) } }))
  t.strictSame(bare, {
    sport: 'running',
    sub_sport: null,
    name: null,
    start_time: '2024-01-15T00:00:00.000Z',
    distance_m: null,
    elapsed_s: 599,
    moving_s: 599,
    elevation_gain_m: null,
    elevation_loss_m: null,
    average_heart_rate_bpm: null,
    max_heart_rate_bpm: null,
    average_cadence_spm: null,
    average_pace_s_per_km: null,
    grade_adjusted_pace_s_per_km: null,
    elevation: null,
    device: { distance_m: null, elapsed_s: null, timer_s: null, elevation_gain_m: null },
    laps_count: 0
  })
})

t.test('plausible figures of the device are used', async t => {
  const device = { distance_m: 1810, elapsed_s: 601.5, timer_s: 590, elevation_gain_m: 12 }
  const summary = summaryOf(recordingOf(600, 3, { device }))
  t.match(summary, {
    distance_m: 1810,
    elapsed_s: 601.5,
    moving_s: 590,
    elevation_gain_m: 12,
    average_pace_s_per_km: rounded(paceOf(1810, 590), 2),
    device
  })
  const absurd = summaryOf(recordingOf(600, 3, { device: { ...device, distance_m: 4e6, elapsed_s: 4e6, timer_s: 1 } }))
  t.equal(absurd.distance_m, 1797)
  t.equal(absurd.elapsed_s, 599)
})

t.test('heart rate is a mean over time, and dropouts are skipped', async t => {
  const heartRateBpm = seconds(600).map((s) => s < 300 ? 120 : s < 400 ? NaN : 180)
  const summary = summaryOf(
    recordingOf(600, 3, { columns: { heartRateBpm }, deviceMeans: { ...NO_DEVICE_MEANS, averageHeartRateBpm: 99 } })
  )
  near(t, summary.average_heart_rate_bpm, (299 * 120 + 199 * 180) / 498, 0.5)
  t.equal(summary.max_heart_rate_bpm, 180)
  const sparse = new Float64Array(600).fill(NaN).fill(170, 0, 20)
  t.equal(
    summaryOf(
      recordingOf(600, 3, {
        columns: { heartRateBpm: sparse },
        deviceMeans: { ...NO_DEVICE_MEANS, averageHeartRateBpm: 99 }
      })
    ).average_heart_rate_bpm,
    99
  )
})

t.test('grade-adjusted pace is faster uphill and slower downhill', async t => {
  const on = (grade: number) => summaryOf(recordingOf(600, 3, { columns: { altitudeM: seconds(600, 3 * grade) } }))
  t.equal(on(0).grade_adjusted_pace_s_per_km, on(0).average_pace_s_per_km)
  near(t, on(0.1).grade_adjusted_pace_s_per_km, 333.33 / 1.6578, 0.5)
  near(t, on(-0.1).grade_adjusted_pace_s_per_km, 333.33 / 0.5977, 1)
})

t.test('a day is the calendar day in the time zone of the runner', async t => {
  const check = (iso: string, zone: string, day: string) =>
    t.equal(localDate(Date.parse(iso), zone), day, `${iso} ${zone}`)
  check('2024-03-31T23:30:00Z', 'UTC', '2024-03-31')
  check('2024-03-31T23:30:00Z', 'Europe/Berlin', '2024-04-01')
  check('2024-01-01T00:30:00Z', 'America/Los_Angeles', '2023-12-31')
  check('2024-12-31T10:00:00Z', 'Pacific/Kiritimati', '2025-01-01')
  check('1990-01-01T00:00:00Z', 'Asia/Kathmandu', '1990-01-01')
  t.throws(() => localDate(0, 'Mars/Olympus'), RangeError)
  t.throws(() => localDate(NaN, 'UTC'), RangeError)
  for (const zone of [
    'UTC',
    'Europe/Berlin',
    'Asia/Calcutta',
    'America/Argentina/Buenos_Aires',
    'Etc/GMT+3',
    ...Intl.supportedValuesOf('timeZone')
  ]) {
    if (!isTimeZone(zone)) t.fail(`${zone} is a zone`)
  }
  for (const zone of ['', '+02:00', '-0500', 'Europe/Nowhere', 'Europe/Berlin ', '../etc', 'x'.repeat(100), 'Z']) { t.notOk(isTimeZone(zone), zone) }
  for (const zone of [
    'Europe/Kyiv',
    'US/Pacific',
    'GB',
    'NZ',
    'PRC',
    'ROC',
    'ROK',
    'UCT',
    'EST',
    'MST',
    'HST',
    'CET',
    'MET',
    'EET',
    'WET',
    'EST5EDT',
    'Zulu'
  ]) { t.ok(isTimeZone(zone), zone) }
  for (const zone of ['BST', 'bst', 'IST', 'PST', 'CST', 'AET', 'JST', 'VST', 'SystemV/PST8', 'US/Pacific-New']) { t.notOk(isTimeZone(zone), `${zone} is of ICU alone`) }
})

t.test('figures are rounded without a negative zero, and a missing pace is null', async t => {
  t.equal(rounded(1.005, 1), 1)
  t.ok(Object.is(rounded(-0.001, 1), 0))
  t.equal(rounded(NaN, 1), null)
  t.equal(paceOf(0, 10), null)
  t.equal(paceOf(null, 10), null)
  t.equal(paceOf(5000, 1200), 240)
})

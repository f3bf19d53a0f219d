import t from 'tap'
import {
  heartRateStress,
  heartRateTimes,
  loadOf,
  runningStress,
  sessionStress,
  steadyImpulse,
  trainingImpulse,
  type Exertion
} from '../../src/domain/training/load.ts'

const BODY = {
  sex: 'male',
  max_heart_rate_bpm: 190,
  resting_heart_rate_bpm: 50,
  threshold_heart_rate_bpm: 170,
  threshold_pace_s_per_km: 270
}

/** The times of a heart rate for each second. */
function samples (seconds: number, heartRate: (second: number) => number) {
  const timeS = Float64Array.from({ length: seconds + 1 }, (_, i) => i)
  return heartRateTimes(timeS, timeS.map(heartRate))
}

function exertion (given: Partial<Exertion>): Exertion {
  return {
    sport: 'running',
    seconds: null,
    gradedSpeedMPerS: null,
    impulse: () => null,
    perceivedEffort: null,
    ...given
  }
}

t.test('training impulse matches the reference values, from samples and from a mean', async (t) => {
  const cases = [
    [60, 150, 50, 190, 'male', 108.0954],
    [60, 150, 50, 190, 'female', 121.4991],
    [30, 130, 40, 200, 'male', 31.8025]
  ] as const
  for (const [minutes, heartRate, resting, max, sex, expected] of cases) {
    t.ok(
      Math.abs(
        trainingImpulse(
          samples(minutes * 60, () => heartRate),
          { resting, max },
          sex
        )! - expected
      ) < 5e-5,
      `${expected} by samples`
    )
    t.ok(
      Math.abs(steadyImpulse(minutes * 60, heartRate, { resting, max }, sex) - expected) < 5e-5,
      `${expected} by a mean`
    )
  }
  const [man, woman, unknown] = ['male', 'female', null].map((sex) =>
    steadyImpulse(3600, 150, { resting: 50, max: 190 }, sex)
  ) as [number, number, number]
  t.ok(unknown > man && unknown < woman)
})

t.test('dropouts are skipped, pauses do not count, and readings are clamped to the range', async (t) => {
  const range = { resting: 50, max: 190 }
  const whole = samples(3600, () => 150)
  const spotty = samples(3600, (second) => second % 30 === 0 ? 150 : Number.NaN)
  t.ok(Math.abs(trainingImpulse(spotty, range, 'male')! - trainingImpulse(whole, range, 'male')!) < 1e-9)
  const half = samples(3600, (second) => second <= 1800 ? 150 : Number.NaN)
  t.ok(Math.abs(trainingImpulse(half, range, 'male')! - 108.0954 / 2) < 5e-5)
  const torn = samples(3600, (second) => second < 1000 || second > 2000 ? 150 : Number.NaN)
  t.ok(Math.abs(trainingImpulse(torn, range, 'male')! - steadyImpulse(999 + 1599, 150, range, 'male')) < 1e-9)
  t.equal(steadyImpulse(60, 250, range, 'male'), steadyImpulse(60, 190, range, 'male'))
  t.equal(steadyImpulse(60, 40, range, 'male'), 0)
  const none = samples(60, () => Number.NaN)
  t.equal(trainingImpulse(none, range, 'male'), null)
})

t.test('the rate between two values is their mean, and the number of distinct rates is bounded', async (t) => {
  const range = { resting: 50, max: 190 }
  const times = samples(2, (second) => 150 + second)
  t.same([times[301], times[303], times.reduce((sum, seconds) => sum + seconds)], [1, 1, 2])
  const fine = samples(100_000, (second) => 100 + second / 1000)
  t.equal(fine.length, times.length)
  const exact = Array.from({ length: 100_000 }, (_, second) =>
    steadyImpulse(1, 100 + (second + 0.5) / 1000, range, 'male')
  ).reduce((a, b) => a + b)
  t.ok(Math.abs(trainingImpulse(fine, range, 'male')! / exact - 1) < 1e-4)
  t.equal(trainingImpulse(samples(60, () => 1e9), range, 'male'), steadyImpulse(60, 190, range, 'male'))
})

t.test('an hour at threshold is 100 in every model', async (t) => {
  const range = { resting: 50, max: 190 }
  t.equal(heartRateStress(steadyImpulse(3600, 170, range, 'female'), 170, range, 'female'), 100)
  t.equal(runningStress(3600, 1000 / 270, 1000 / 270), 100)
  t.ok(Math.abs(runningStress(1800, 1000 / 300, 1000 / 270) - 40.5) < 1e-9)
  t.equal(sessionStress(3600, 7), 100)
  t.equal(sessionStress(3600, 0), 0)
})

t.test('the load comes from the best model that has data', async (t) => {
  const speed = { seconds: 1800, gradedSpeedMPerS: 1000 / 300 }
  const heart = { impulse: () => 50 }
  const cases: Array<[string, Partial<Exertion>, Partial<typeof BODY | Record<string, null>>, string | null]> = [
    ['all there', { ...speed, ...heart, perceivedEffort: 5 }, {}, 'rtss'],
    ['no threshold pace', { ...speed, ...heart, perceivedEffort: 5 }, { threshold_pace_s_per_km: null }, 'hrtss'],
    ['another sport', { ...speed, ...heart, sport: 'cycling' }, {}, 'hrtss'],
    ['no distance', { seconds: 1800, ...heart }, {}, 'hrtss'],
    [
      'no threshold heart rate',
      { seconds: 1800, ...heart, perceivedEffort: 5 },
      { threshold_heart_rate_bpm: null },
      'session_rpe'
    ],
    ['settings that contradict each other', { seconds: 1800, ...heart }, { resting_heart_rate_bpm: 195 }, null],
    ['an effort of nothing', { seconds: 1800, perceivedEffort: 0 }, {}, 'session_rpe'],
    ['nothing', { seconds: 1800 }, {}, null]
  ]
  for (const [what, given, settings, model] of cases) {
    const { load, load_model } = loadOf(exertion(given), { ...BODY, ...settings } as typeof BODY)
    t.equal(load_model, model, what)
    t.equal(load === null, model === null, what)
  }
})

import assert from 'node:assert/strict'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import type { BodySettings } from '../../src/domain/physiology.ts'
import {
  INTENSITIES, countSteps, stepProblem, stepsWithCount, type Repeat, type Step, type StepEnd, type StepTarget,
  type WorkoutStep
} from '../../src/domain/workouts/steps.ts'
import { StepTextError, formatSteps, parseSteps } from '../../src/domain/workouts/step-text.ts'
import { resolveSteps, resolveTarget } from '../../src/domain/workouts/target.ts'
import { totalsOf, type Planned } from '../../src/domain/workouts/totals.ts'

const NOTHING: BodySettings = {
  sex: null,
  max_heart_rate_bpm: null,
  resting_heart_rate_bpm: null,
  threshold_heart_rate_bpm: null,
  threshold_pace_s_per_km: null
}
const FIT: BodySettings = {
  sex: 'male',
  max_heart_rate_bpm: 190,
  resting_heart_rate_bpm: 50,
  threshold_heart_rate_bpm: 170,
  threshold_pace_s_per_km: 250
}

function step (end: StepEnd, target?: StepTarget, intensity: Step['intensity'] = 'active'): Step {
  return { type: 'step', intensity, end, ...(target === undefined ? {} : { target }) }
}

function repeat (times: number, ...steps: WorkoutStep[]): Repeat {
  return { type: 'repeat', times, steps }
}

const metres = (value: number): StepEnd => ({ type: 'distance', value })
const seconds = (value: number): StepEnd => ({ type: 'time', value })

const INTERVALS = [
  step(metres(2000), { type: 'heart_rate', zone: 2 }),
  repeat(4, step(metres(1000), { type: 'pace', low: 250, high: 260 }), step(seconds(90), undefined, 'rest'))
]

const valued = <Type extends StepEnd['type']>(type: Type, value: fc.Arbitrary<number>): fc.Arbitrary<StepEnd> =>
  value.map((value) => ({ type, value }))
const end: fc.Arbitrary<StepEnd> = fc.oneof(
  valued('distance', fc.oneof(fc.integer({ min: 1, max: 50_000 }), fc.double({ min: 1, max: 1e6, noNaN: true }))),
  valued('time', fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.double({ min: 1, max: 1e6, noNaN: true }))),
  valued('heart_rate', fc.double({ min: 25, max: 250, noNaN: true })),
  fc.constant({ type: 'lap_button' as const })
)

function range (type: 'pace' | 'heart_rate', min: number, max: number): fc.Arbitrary<StepTarget> {
  const value = fc.oneof(fc.integer({ min, max }), fc.double({ min, max, noNaN: true }))
  return fc.oneof(
    fc.tuple(value, value).map(([a, b]) => ({ type, low: Math.min(a, b), high: Math.max(a, b) })),
    value.map((low) => ({ type, low })),
    value.map((high) => ({ type, high })),
    fc.integer({ min: 1, max: 7 }).map((zone) => ({ type, zone }))
  )
}

const target: fc.Arbitrary<StepTarget> = fc.oneof(
  range('pace', 60, 3600), range('heart_rate', 25, 250), fc.constant({ type: 'open' as const })
)
const anyStep: fc.Arbitrary<Step> = fc
  .tuple(end, fc.option(target, { nil: undefined }), fc.constantFrom(...INTENSITIES))
  .map(([end, target, intensity]) => step(end, target, intensity))

function trees (depth: number): fc.Arbitrary<WorkoutStep> {
  if (depth === 0) return anyStep
  const repeats = fc
    .tuple(fc.integer({ min: 2, max: 50 }), fc.array(trees(depth - 1), { minLength: 1, maxLength: 4 }))
    .map(([times, steps]) => repeat(times, ...steps))
  return fc.oneof({ weight: 3, arbitrary: anyStep }, { weight: 2, arbitrary: repeats })
}

const workouts = fc
  .array(trees(2), { minLength: 1, maxLength: 8 })
  .filter((steps) => stepProblem(steps) === undefined)

t.test('steps become a text that reads back as the same steps', async () => {
  fc.assert(fc.property(workouts, (steps) => {
    const text = formatSteps(steps)
    assert.deepEqual(parseSteps(text), steps)
    assert.equal(formatSteps(parseSteps(text)), text)
  }), { numRuns: 1000 })
})

t.test('the spellings that runners use are read', async (t) => {
  const cases: Array<[text: string, ...steps: WorkoutStep[]]> = [
    ['- 2km @z2\n- 4x\n  - 1km 4:10-4:20/km\n  - 90s rest', ...INTERVALS],
    ['- 2km @z2\r\n- 4x\r\n\t- 1km 4:10-4:20/km\r\n\t- 90s rest\r\n', ...INTERVALS],
    ['\n- 2 km z2 hr\n\n- 4 X\n  - 1000m @4:20-4:10/KM active\n\n  - rest 1:30\n\n', ...INTERVALS],
    ['- 1.1km', step(metres(1100))],
    ['- 1mi 6:00/mi', step(metres(1609.344), { type: 'pace', low: 360 / 1609.344 * 1000, high: 360 / 1609.344 * 1000 })],
    ['- 1h30min easy-going'],
    ['- warmup 15min @z2 pace', step(seconds(900), { type: 'pace', zone: 2 }, 'warmup')],
    ['- 1h2min3s open', step(seconds(3723), { type: 'open' })],
    ['- 1:05:00', step(seconds(3900))],
    ['- lap cooldown', step({ type: 'lap_button' }, undefined, 'cooldown')],
    ['- until 150bpm <=4:00/km', step({ type: 'heart_rate', value: 150 }, { type: 'pace', high: 240 })],
    ['- 45s >=140bpm', step(seconds(45), { type: 'heart_rate', low: 140 })],
    ['- 400m 90.5-92s/km', step(metres(400), { type: 'pace', low: 90.5, high: 92 })],
    ['- 2x\n  - 3×\n    - 200m\n  - 3min rest',
      repeat(2, repeat(3, step(metres(200))), step(seconds(180), undefined, 'rest'))]
  ]
  for (const [text, ...steps] of cases) {
    if (steps.length === 0) t.throws(() => parseSteps(text), StepTextError, text)
    else t.strictSame(parseSteps(text), steps, text)
  }
})

t.test('an error names its line and column, in characters', async (t) => {
  const cases: Array<[text: string, line: number, column: number, message: RegExp]> = [
    ['', 1, 1, /no step/],
    [' \r\n\t\r\n', 1, 1, /no step/],
    ['2km', 1, 1, /begin with/],
    ['- 2km\r\n* 3km', 2, 1, /begin with/],
    ['-2km', 1, 2, /space/],
    ['-', 1, 2, /no step/],
    ['- 2km\n - 3km', 2, 2, /two spaces/],
    ['- 2km\n  - 3km', 2, 1, /not below a repeat/],
    ['- 2x\n  - 1km\n    - 1km', 3, 1, /not below a repeat/],
    ['  - 1km', 1, 1, /not below a repeat/],
    ['- 4x', 1, 3, /no steps/],
    ['- 4x\n- 1km', 1, 3, /no steps/],
    ['- 4x 1km', 1, 6, /Nothing may follow/],
    ['- 1x\n  - 1km', 1, 3, /2 to 50/],
    ['- 51x\n  - 1km', 1, 3, /2 to 50/],
    ['- 2x\n  - 2x\n    - 2x\n      - 1km', 3, 7, /deeper/],
    ['- 2km @z9', 1, 7, /zone/],
    ['- 2km 🏃 @z2', 1, 7, /neither/],
    ['- 🏃 2km', 1, 3, /neither/],
    ['- 2km @z2 🏃 5km', 1, 11, /neither/],
    ['- 2km\t3km', 1, 7, /end already/],
    ['- 2km rest warmup', 1, 12, /intensity already/],
    ['- 2km z2 4:00/km', 1, 10, /target already/],
    ['- rest', 1, 7, /no end/],
    ['- @z2', 1, 6, /no end/],
    ['- 0km', 1, 3, /from 1 to/],
    ['- 0s', 1, 3, /from 1 to/],
    ['- 2km 4:61/km', 1, 7, /pace/],
    ['- 2km 4/km', 1, 7, /pace/],
    ['- 2km 0:10/km', 1, 7, /from 60/],
    ['- 2km >=4:00-5:00/km', 1, 7, /range/],
    ['- until', 1, 3, /heart rate/],
    ['- until 2km', 1, 9, /heart rate/],
    [Array.from({ length: 51 }, () => '- 1km').join('\n'), 51, 1, /more than 50/]
  ]
  for (const [text, line, column, message] of cases) {
    try {
      parseSteps(text)
      t.fail(`read: ${text}`)
    } catch (error) {
      if (!(error instanceof StepTextError)) throw error
      t.match(error.message, message, text)
      t.strictSame([error.line, error.column], [line, column], text)
    }
  }
})

t.test('any text is either read or refused at a place inside it', async () => {
  const words = fc.constantFrom('-', ' ', '  ', '\t', '\n', '\r\n', '2km', '4x', '90s', '@z2', '4:10', '/km', 'rest', '🏃', '-', '- 1km\n')
  const texts = fc.oneof(fc.array(words, { maxLength: 20 }).map((parts) => parts.join('')), fc.string({ unit: 'binary' }))
  fc.assert(fc.property(texts, (text) => {
    try {
      const steps = parseSteps(text)
      assert.equal(stepProblem(steps), undefined)
      assert.deepEqual(parseSteps(formatSteps(steps)), steps)
    } catch (error) {
      if (!(error instanceof StepTextError)) throw error
      const lines = text.split(/\r\n|\n|\r/)
      const length = [...lines[error.line - 1] ?? ''].length
      assert.ok(error.line >= 1 && error.line <= lines.length && error.column >= 1 && error.column <= length + 1)
    }
  }), { numRuns: 3000 })
})

t.test('rules that steps break are named with their place', async (t) => {
  const cases: Array<[steps: WorkoutStep[], path: string, message: RegExp]> = [
    [[step({ type: 'distance' })], 'steps.0.end.value', /required/],
    [[step({ type: 'lap_button', value: 3 })], 'steps.0.end.value', /absent/],
    [[step(metres(0))], 'steps.0.end.value', /from 1/],
    [[step(seconds(0.5))], 'steps.0.end.value', /from 1/],
    [[step({ type: 'heart_rate', value: 300 })], 'steps.0.end.value', /to 250/],
    [[step(metres(1), { type: 'pace' })], 'steps.0.target', /either/],
    [[step(metres(1), { type: 'pace', low: 250, zone: 2 })], 'steps.0.target', /either/],
    [[step(metres(1), { type: 'open', low: 250 })], 'steps.0.target', /open/],
    [[step(metres(1), { type: 'pace', low: 260, high: 250 })], 'steps.0.target.low', /greater/],
    [[step(metres(1), { type: 'heart_rate', high: 10 })], 'steps.0.target.high', /from 25/],
    [[repeat(2, repeat(2, repeat(2, step(metres(1)))))], 'steps.0.steps.0.steps.0', /deeper/],
    [Array.from({ length: 51 }, () => step(metres(1))), 'steps', /50/],
    [[repeat(2, ...Array.from({ length: 50 }, () => step(metres(1))))], 'steps', /50/]
  ]
  for (const [steps, path, message] of cases) {
    const problem = stepProblem(steps)
    t.equal(problem?.path, path)
    t.match(problem?.message, message)
  }
  t.equal(stepProblem(INTERVALS), undefined)
  t.equal(stepProblem([repeat(2, repeat(2, step(metres(1))))]), undefined)
})

t.test('a tree is counted, and its steps are run as often as its repeats say', async (t) => {
  t.equal(countSteps(INTERVALS), 4)
  const inner = step(metres(200))
  const rounds = [repeat(2, repeat(3, inner), step(seconds(60)))]
  t.strictSame([...stepsWithCount(rounds)], [[inner, 6], [step(seconds(60)), 2]])
})

t.test('targets are resolved with the settings of the runner', async (t) => {
  t.same(resolveTarget({ type: 'pace', zone: 5 }, FIT), { type: 'pace', low: 242.5, high: 252.5 })
  t.same(resolveTarget({ type: 'pace', zone: 1 }, FIT), { type: 'pace', low: 322.5, high: null })
  t.same(resolveTarget({ type: 'pace', zone: 7 }, FIT), { type: 'pace', low: null, high: 225 })
  t.same(resolveTarget({ type: 'heart_rate', zone: 2 }, FIT), { type: 'heart_rate', low: 144.5, high: 153 })
  t.same(
    resolveTarget({ type: 'heart_rate', zone: 2 }, { ...FIT, threshold_heart_rate_bpm: null }),
    { type: 'heart_rate', low: 134, high: 148 },
    'Karvonen'
  )
  const karvonen = { ...FIT, threshold_heart_rate_bpm: null }
  t.equal(resolveTarget({ type: 'heart_rate', zone: 7 }, karvonen), null, 'no such zone')
  t.equal(resolveTarget({ type: 'pace', zone: 2 }, NOTHING), null)
  t.same(resolveTarget({ type: 'pace', low: 250 }, NOTHING), { type: 'pace', low: 250, high: null })
  t.equal(resolveTarget({ type: 'open' }, FIT), null)
  t.equal(resolveTarget(undefined, FIT), null)
  t.match(resolveSteps(INTERVALS, FIT), [
    { target: { zone: 2 }, resolved: { low: 144.5, high: 153 } },
    { times: 4, steps: [{ resolved: { low: 250, high: 260 } }, { resolved: null }] }
  ])
})

function planned (values: Partial<Planned>): Planned {
  return { kind: 'easy', steps: null, planned_distance_m: null, planned_duration_s: null, ...values }
}

t.test('totals come from the steps and the settings', async (t) => {
  const close = (value: number | null, expected: number): void => {
    t.ok(value !== null && Math.abs(value - expected) < 1e-6, `${value} is ${expected}`)
  }
  const atThreshold = step(seconds(3600), { type: 'pace', low: 250, high: 250 })
  const hour = totalsOf(planned({ kind: 'tempo', steps: [atThreshold] }), FIT)
  close(hour.distanceM, 14_400)
  close(hour.durationS, 3600)
  close(hour.load, 100)

  const intervals = totalsOf(planned({ kind: 'interval', steps: INTERVALS.slice(1) }), FIT)
  close(intervals.distanceM, 4000)
  close(intervals.durationS, 4 * (255 + 90))
  const speed = ((4 * 255 * (1000 / 255) ** 4) / (4 * 345)) ** (1 / 4)
  close(intervals.load, 4 * 345 / 3600 * (speed / 4) ** 2 * 100)

  const easy = totalsOf(planned({ steps: [step(metres(7900))] }), FIT)
  close(easy.durationS, 7900 / (0.79 * 4))
  close(totalsOf(planned({ steps: [step(seconds(1000), undefined, 'recovery')] }), FIT).distanceM, 725 * 4)
  close(totalsOf(planned({ steps: [step(metres(140), undefined, 'rest')] }), NOTHING).durationS, 100)
  close(
    totalsOf(planned({ kind: 'interval', steps: [step(metres(4000), { type: 'heart_rate', low: 134, high: 134 })] }), FIT).durationS,
    1000 / 0.7
  )
})

t.test('a total that cannot be told is the given one, otherwise null', async (t) => {
  const lap = [step({ type: 'lap_button' })]
  t.same(totalsOf(planned({ steps: lap }), FIT), { distanceM: null, durationS: null, load: null })
  t.match(totalsOf(planned({ steps: lap, planned_distance_m: 8000, planned_duration_s: 2400 }), FIT), {
    distanceM: 8000, durationS: 2400
  })
  t.same(totalsOf(planned({ steps: [step(metres(1000))] }), NOTHING), { distanceM: 1000, durationS: null, load: null })
  t.same(totalsOf(planned({ kind: 'rest' }), NOTHING), { distanceM: null, durationS: null, load: 0 })
  t.same(totalsOf(planned({ kind: 'cross', planned_duration_s: 3600 }), FIT), {
    distanceM: null, durationS: 3600, load: null
  })
  t.same(totalsOf(planned({ kind: 'tempo', planned_duration_s: 3600 }), FIT), {
    distanceM: null, durationS: 3600, load: 100
  })
  t.same(totalsOf(planned({ kind: 'tempo', planned_distance_m: 14_400 }), FIT), {
    distanceM: 14_400, durationS: null, load: 100
  })
  t.same(totalsOf(planned({ planned_distance_m: 14_400, planned_duration_s: 7200 }), FIT), {
    distanceM: 14_400, durationS: 7200, load: 50
  })
  t.same(totalsOf(planned({ planned_distance_m: 10_000 }), NOTHING), { distanceM: 10_000, durationS: null, load: null })
})

t.test('without a threshold pace, the load is that of the heart rates, where every step has one', async (t) => {
  const settings = { ...FIT, threshold_pace_s_per_km: null }
  const atThreshold = [step(seconds(3600), { type: 'heart_rate', low: 165, high: 175 })]
  const { load } = totalsOf(planned({ steps: atThreshold }), settings)
  t.ok(load !== null && Math.abs(load - 100) < 1e-9)
  t.equal(totalsOf(planned({ steps: [...atThreshold, step(seconds(60))] }), settings).load, null)
  t.equal(totalsOf(planned({ steps: atThreshold }), { ...settings, max_heart_rate_bpm: null }).load, null)
})

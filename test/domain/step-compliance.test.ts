import t from 'tap'
import { stepsOf, type Streams } from '../../src/domain/streams/fields.ts'
import type { Section } from '../../src/domain/training/sections.ts'
import { runSteps } from '../../src/domain/workouts/run-steps.ts'
import { stepComplianceOf, type StepCompliance } from '../../src/domain/workouts/step-compliance.ts'
import { parseSteps } from '../../src/domain/workouts/step-text.ts'
import { resolveTarget } from '../../src/domain/workouts/target.ts'
import { settingsOn } from '../../src/domain/physiology.ts'

/** A part of a run: seconds at a pace in s/km (0: standing) and a heart rate; or a pause of the watch. */
interface Part {
  s: number
  pace?: number
  bpm?: number
  isPause?: boolean
}

interface Run {
  streams: Streams
  /** A lap for each part. */
  laps: Section[]
  kmLaps: Section[]
}

const lap = (index: number, start: number, elapsed: number, metres: number): Section => ({
  index,
  start_s: start,
  distance_m: metres,
  elapsed_s: elapsed,
  moving_s: elapsed,
  elevation_gain_m: null,
  average_heart_rate_bpm: null
})

/** A record a second. */
function recorded (parts: Part[], { hasHeartRate = true } = {}): Run {
  const [time, distance, heart] = [[0], [0], [parts[0]!.bpm ?? 120]]
  const laps: Section[] = []
  let [now, metres] = [0, 0]
  for (const { s, pace = 0, bpm = 120, isPause = false } of parts) {
    const [start, before] = [now, metres]
    for (let i = 1; i <= s; i++) {
      now++
      metres += pace > 0 ? 1000 / pace : 0
      if (isPause && i < s) continue
      time.push(now)
      distance.push(metres)
      heart.push(bpm)
    }
    if (isPause) laps[laps.length - 1]!.elapsed_s += s
    else laps.push(lap(laps.length + 1, start, s, metres - before))
  }
  const kmLaps: Section[] = []
  for (let km = 0; km * 1000 < metres; km++) {
    const at = (target: number): number => distance.findIndex((one) => one >= Math.min(target, metres) - 1e-6)
    const [from, to] = [at(km * 1000), at((km + 1) * 1000)]
    kmLaps.push(lap(km + 1, time[from]!, time[to]! - time[from]!, Math.min(1000, metres - km * 1000)))
  }
  const columns = {
    time_s: stepsOf('time_s', Float64Array.from(time))!,
    distance_m: stepsOf('distance_m', Float64Array.from(distance))!,
    ...(hasHeartRate ? { heart_rate_bpm: stepsOf('heart_rate_bpm', Float64Array.from(heart))! } : {})
  }
  return { streams: { records: time.length, columns }, laps, kmLaps }
}

function compared (text: string, { streams }: Run, laps: Section[]): StepCompliance[] {
  const { steps, reason } = answer(text, streams, laps)
  if (steps === null) throw new Error(reason)
  return steps
}

function answer (text: string, streams: Streams, laps: Section[]) {
  const settings = settingsOn('2026-01-01', [])
  const steps = runSteps(parseSteps(text), ({ target }) => resolveTarget(target, settings))!
  return stepComplianceOf(steps, laps, streams)
}

const INTERVALS = '- 2km 5:30-6:30/km warmup\n- 4x\n  - 1km 3:55-4:05/km\n  - 90s rest\n- 1km 5:30-6:30/km cooldown'
const rep: Part = { s: 240, pace: 240, bpm: 170 }
const rest: Part = { s: 90, pace: 900, bpm: 130 }
const easy = (s: number): Part => ({ s, pace: 360, bpm: 140 })
const WHOLE = [easy(720), rep, rest, rep, rest, rep, rest, rep, rest, easy(360)]

const near = (value: number | null | undefined, wanted: number, by: number): boolean =>
  value !== null && value !== undefined && Math.abs(value - wanted) <= by
const work = (steps: StepCompliance[]): StepCompliance[] => steps.filter(({ intensity }) => intensity === 'active')

t.test('laps pressed at each step answer it', async (t) => {
  const run = recorded(WHOLE)
  const steps = compared(INTERVALS, run, run.laps)
  t.same(steps.map(({ done }) => done?.laps), run.laps.map(({ index }) => [index]))
  t.equal(steps.length, 10)
  for (const { done, in_target_share: share, target } of work(steps)) {
    t.match(target, { type: 'pace', low: 235, high: 245 })
    t.match(done, { elapsed_s: 240, distance_m: 1000, average_pace_s_per_km: 240 })
    t.ok(share! > 0.95, `${share} in the target`)
  }
  t.equal(steps[1]!.done!.start_s, 720)
})

t.test('laps of a kilometre that the watch makes by itself answer only steps that they add up to', async (t) => {
  const run = recorded(WHOLE)
  const steps = compared(INTERVALS, run, run.kmLaps)
  t.ok(steps.every(({ done }) => done !== null && done.laps === null), 'told from the stream')
  for (const [i, { done, in_target_share: share }] of work(steps).entries()) {
    t.ok(near(done?.start_s, 720 + i * 330, 15) && share! > 0.9, `${i}: from ${done?.start_s}, ${share}`)
  }
  const long = recorded([easy(3600)])
  t.same(compared('- 10km 5:30-6:30/km', long, long.kmLaps)[0]!.done!.laps, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

t.test('a warm-up that was shorter than planned does not shift the steps after it', async (t) => {
  const run = recorded([easy(420), ...WHOLE.slice(1)])
  t.same(compared(INTERVALS, run, run.laps)[0]!.done, {
    start_s: 0, elapsed_s: 420, distance_m: 1166.7, average_pace_s_per_km: 360, average_heart_rate_bpm: 140, laps: [1]
  })
  const steps = compared(INTERVALS, run, [])
  t.ok(near(steps[0]!.done?.elapsed_s, 420, 15), `${steps[0]!.done?.elapsed_s} s of warm-up`)
  t.ok(work(steps).every(({ in_target_share: share }) => share! > 0.9))
})

t.test('a last repeat that was missed was not done, with laps and without', async (t) => {
  const run = recorded([...WHOLE.slice(0, 7), easy(600)])
  for (const laps of [run.laps, []]) {
    const steps = compared(INTERVALS, run, laps)
    t.same(work(steps).map(({ done }) => done !== null), [true, true, true, false], `${laps.length} laps`)
    t.same([steps[7]!.in_target_share, steps[8]!.done], [null, null], 'nor the rest after it')
    t.ok(near(steps[9]!.done?.elapsed_s, laps.length > 0 ? 600 : 360, 30), 'the cool-down was')
  }
})

t.test('a pause in a rest is none of it', async (t) => {
  const pause: Part = { s: 120, isPause: true }
  const run = recorded([...WHOLE.slice(0, 3), pause, ...WHOLE.slice(3)])
  for (const laps of [run.laps, []]) {
    const steps = compared(INTERVALS, run, laps)
    t.ok(work(steps).every(({ in_target_share: share }) => share! > 0.9), `${laps.length} laps`)
    t.ok(near(steps[2]!.done?.elapsed_s, 210, 15), `${steps[2]!.done?.elapsed_s} s with the pause`)
    t.ok(near(steps[3]!.done?.start_s, 1170, 15), `the next from ${steps[3]!.done?.start_s} s`)
  }
})

t.test('a run that ends early has not done what comes after', async (t) => {
  const run = recorded(WHOLE.slice(0, 4))
  for (const laps of [run.laps, []]) {
    t.same(work(compared(INTERVALS, run, laps)).map(({ done }) => done !== null), [true, true, false, false])
  }
})

t.test('a target of heart rate needs one, and a target of pace a distance', async (t) => {
  const text = '- 10min warmup\n- 20min 150-160bpm\n- 5min cooldown'
  const parts = [{ ...easy(600), bpm: 130 }, { s: 1200, pace: 280, bpm: 155 }, easy(300)]
  const known = compared(text, recorded(parts), [])
  t.match(known[1], { in_target_share: 1, done: { average_heart_rate_bpm: 155 }, target: { type: 'heart_rate', low: 150 } })
  t.equal(known[0]!.in_target_share, null, 'no target, no share')
  const without = compared(text, recorded(parts, { hasHeartRate: false }), [])
  t.match(without[1], { in_target_share: null, done: { average_heart_rate_bpm: null, distance_m: 4285.7 } })
})

t.test('what cannot be told has a reason', async (t) => {
  const run = recorded([easy(600), rep])
  t.match(answer('- lap\n- 1km', run.streams, []), { steps: null, reason: /lap button/ })
  t.equal(answer('- lap\n- 1km', run.streams, run.laps).steps?.length, 2, 'laps tell where the button was pressed')
  const noHeart = recorded([easy(600), rep], { hasHeartRate: false })
  t.match(answer('- until 150bpm\n- 1km', noHeart.streams, []), { steps: null, reason: /heart rate/ })
  t.match(answer('- 1km', { records: 0, columns: {} }, []), { steps: null, reason: /records/ })
  const timeOnly = { records: 3, columns: { time_s: Int32Array.of(0, 100, 200) } }
  t.match(answer('- 1km', timeOnly, []), { steps: null, reason: /distances/ })
  t.equal(runSteps(parseSteps('- 50x\n  - 11x\n    - 100m'), () => null), undefined, 'too many steps')
})

import type { Section } from '../training/sections.ts'
import type { RunStep } from './run-steps.ts'
import type { Step } from './steps.ts'

/** The laps that answer a step, as places in the list; `to` is the last one. */
export interface LapRange {
  from: number
  to: number
}

type Range = readonly [least: number, most: number]

/** Shares of a step that its laps may have. The work is run as it is planned; what is around it, as it comes. */
const WORK: Range = [0.9, 1.1]
const AROUND: Range = [0.4, 1.8]
const REST: Range = [0.4, 2.5]
/** A lap may be so much off a short step: a press of the button is not exact. */
const SLACK = { distance: 50, time: 5 } as const
/** Two presses in a row make a lap of no meaning. */
const LEAST_LAP_S = 3
/** Laps of one length, as a device makes them by itself: they are no answers to steps of time, and to no rest. */
const AUTO_TOLERANCE = 0.015
const LEAST_AUTO_LAPS = 3
/** A round that was not run, in the measure of {@link costOf}: dearer than a lap that fits badly. */
const MISSED = 1
const MERGED = 0.01
const BUTTON = 0.05
const EXTRA = 0.1
const EQUAL = 1e-9
const LEAST_RATIO = 1e-3
/** How much a warm-up or a rest of another length counts. */
const AROUND_WEIGHT = 0.2

interface Fit {
  cost: number
  ranges: Array<LapRange | null>
}

/**
 * Which laps answer which step, where the runner, or a guided workout, made a lap of each; undefined where the laps are
 * others, as those of a kilometre each that a device makes by itself. Laps are taken in their order, several for one
 * step where they add up to it; later rounds of a repeat may be missing, and laps after the last step.
 */
export function fitLaps (steps: readonly RunStep[], laps: readonly Section[]): Array<LapRange | null> | undefined {
  const places = laps.flatMap(({ elapsed_s: seconds }, place) => seconds < LEAST_LAP_S ? [] : [place])
  const real = places.map((place) => laps[place]!)
  const fit = fitFrom(steps, real, isAuto(real))
  if (fit === undefined) return undefined
  const work = steps.filter(({ step }) => step.intensity === 'active').length
  const done = fit.ranges.filter((range, i) => range !== null && steps[i]!.step.intensity === 'active').length
  if (done * 2 < work || done === 0) return undefined
  return fit.ranges.map((range) => range === null ? null : { from: places[range.from]!, to: places[range.to]! })
}

function isAuto (laps: readonly Section[]): boolean {
  const whole = laps.slice(0, -1).map(({ distance_m: metres }) => metres ?? 0)
  if (whole.length < LEAST_AUTO_LAPS - 1 || whole[0] === 0) return false
  return whole.every((metres) => Math.abs(metres / whole[0]! - 1) < AUTO_TOLERANCE)
}

/** The cheapest way to answer the steps from one on with the laps from one on, found from the end. */
function fitFrom (steps: readonly RunStep[], laps: readonly Section[], auto: boolean): Fit | undefined {
  const width = laps.length + 1
  const best = new Float64Array((steps.length + 1) * width).fill(Infinity)
  const taken = new Int32Array(best.length)
  for (let lap = 0; lap <= laps.length; lap++) best[steps.length * width + lap] = (laps.length - lap) * EXTRA
  for (let i = steps.length - 1; i >= 0; i--) {
    const { step, round } = steps[i]!
    // What comes after the last lap was not run.
    best[i * width + laps.length] = (steps.length - i) * MISSED
    for (let lap = 0; lap < laps.length; lap++) {
      const place = i * width + lap
      if (round > 1) best[place] = MISSED + best[place + width]!
      let [metres, elapsed, moving] = [0, 0, 0]
      for (let to = lap; to < laps.length; to++) {
        metres += laps[to]!.distance_m ?? Number.NaN
        elapsed += laps[to]!.elapsed_s
        moving += laps[to]!.moving_s
        const cost = costOf(step, { metres, elapsed, moving }, { isSingle: to === lap, auto }) + (to - lap) * MERGED +
          best[(i + 1) * width + to + 1]!
        // Of ways that cost the same, the one that runs the earlier rounds.
        if (cost < Infinity && cost <= best[place]! + EQUAL) [best[place], taken[place]] = [cost, to - lap + 1]
        if (isPast(step, metres, moving)) break
      }
    }
  }
  return best[0] === Infinity ? undefined : { cost: best[0]!, ranges: rangesOf(steps, laps, taken) }
}

function rangesOf (steps: readonly RunStep[], laps: readonly Section[], taken: Int32Array): Array<LapRange | null> {
  let lap = 0
  return steps.map((_, i) => {
    const count = lap < laps.length ? taken[i * (laps.length + 1) + lap]! : 0
    if (count === 0) return null
    const range = { from: lap, to: lap + count - 1 }
    lap += count
    return range
  })
}

interface Covered {
  metres: number
  elapsed: number
  moving: number
}

/** How badly laps answer a step: 0 exactly, Infinity where they do not. */
function costOf (
  { end, intensity }: Step,
  { metres, elapsed, moving }: Covered,
  { isSingle, auto }: { isSingle: boolean, auto: boolean }
): number {
  const isRest = intensity === 'rest' || intensity === 'recovery'
  if (auto && (isRest || end.type !== 'distance')) return Infinity
  if (end.type === 'lap_button' || end.type === 'heart_rate') return isSingle ? BUTTON : Infinity
  const planned = end.value!
  const range = intensity === 'active' ? WORK : isRest ? REST : AROUND
  const weight = intensity === 'active' ? 1 : AROUND_WEIGHT
  if (end.type === 'distance') return weight * deviation(metres, planned, range, auto ? 0 : SLACK.distance)
  return weight * Math.min(
    deviation(elapsed, planned, range, SLACK.time), deviation(moving, planned, range, SLACK.time)
  )
}

/** The logarithm of the ratio: half and double are as far. Infinity outside of the range. */
function deviation (done: number, planned: number, [least, most]: Range, slack: number): number {
  const ratio = done / planned
  const isWithin = (ratio >= least && ratio <= most) || Math.abs(done - planned) <= slack
  return isWithin ? Math.abs(Math.log(Math.max(ratio, LEAST_RATIO))) : Infinity
}

function isPast ({ end }: Step, metres: number, moving: number): boolean {
  if (end.type === 'distance') return metres > end.value! * REST[1]
  return end.type !== 'time' || moving > end.value! * REST[1]
}

import { METRES_PER_KM } from '../units.ts'
import { across, rowAt, type StepCourse } from './course.ts'
import { inTarget } from './in-target.ts'
import type { TargetedStep } from './run-steps.ts'

const NO_BUTTON = 'A step ends with the lap button, and the laps are not those of the steps'
const NO_DISTANCES = 'The recording has no distances, and the laps are not those of the steps'
const NO_HEART_RATE = 'A step ends at a heart rate, and the recording has none'

/** A part of a course, in seconds of its running clock. */
export interface Stretch {
  fromS: number
  toS: number
  /** Where it was told from laps: these, and seconds since the start, pauses included. */
  byLaps?: { laps: number[], startS: number, endS: number }
}

/** How much longer or shorter than planned a warm-up or a rest may have been, as shares of it. */
const SEARCHED = { warmup: [0.3, 1.8], rest: [0.1, 2.5] } as const
const TRIED = 60
const EQUAL = 1e-9
/** Another end than the planned one has to bring so much more of the next step into its target. */
const WORTH = 0.02
/** Work this much slower than its target was not done: the runner had stopped working. */
const NOT_DONE = 1.25
/** Less of a step than this at the end of the recording was not run. */
const LEAST_SHARE = 0.1

/**
 * Where the steps lie in a recording without laps of them: one after the other, as long as they were planned. A warm-up
 * or a rest before a step with a target ends where the most of that step is in its target. A round that is far slower
 * than its target was not run. Null: not run; a text: why it cannot be told.
 */
export function stretchesOf (steps: readonly TargetedStep[], course: StepCourse): Array<Stretch | null> | string {
  const endS = course.clockS.at(-1)!
  const stretches: Array<Stretch | null> = []
  let fromS = 0
  for (const [i, step] of steps.entries()) {
    const { end } = step.step
    if (end.type === 'lap_button') return NO_BUTTON
    if (end.type === 'distance' && course.distanceM === undefined) return NO_DISTANCES
    const toS = endOf(step, fromS, course)
    if (toS === undefined) return NO_HEART_RATE
    const isOver = fromS >= endS || isUnfinished(fromS, toS, endS)
    if (isOver || isNotDone(step, { fromS, toS }, course) || isAfterMissed(step, steps[i - 1], stretches.at(-1))) {
      stretches.push(null)
      continue
    }
    const next = steps[i + 1]
    const best = next === undefined ? toS : bestEnd(step, next, { fromS, toS }, course)
    stretches.push({ fromS, toS: Math.min(best, endS) })
    fromS = Math.min(best, endS)
  }
  return stretches
}

/** Whether a step is the rest after work of the same round that was not done. */
function isAfterMissed (
  { step: { intensity }, round }: TargetedStep,
  before: TargetedStep | undefined,
  stretch: Stretch | null | undefined
): boolean {
  const isRest = intensity === 'rest' || intensity === 'recovery'
  return isRest && round > 1 && before?.round === round && stretch === null
}

/** Whether so little of a step is left in the recording that it was not run. */
function isUnfinished (fromS: number, toS: number, endS: number): boolean {
  return endS - fromS < (toS - fromS) * LEAST_SHARE
}

/** The end of a step that is as long as planned; beyond the recording where it is shorter. Undefined: not known. */
function endOf ({ step: { end } }: TargetedStep, fromS: number, course: StepCourse): number | undefined {
  const { clockS, distanceM, heartRateBpm } = course
  if (end.type === 'time') return fromS + end.value!
  if (end.type === 'distance') {
    const metres = distanceM!
    const target = across(clockS, metres, fromS) + end.value!
    const last = metres.at(-1)!
    if (target <= last) return across(metres, clockS, target)
    // At the mean speed of the rest, for the share of the step that was run.
    const left = last - across(clockS, metres, fromS)
    return left > 0 ? fromS + (clockS.at(-1)! - fromS) * end.value! / left : Infinity
  }
  if (heartRateBpm === undefined) return undefined
  let row = rowAt(clockS, fromS)
  while (row < clockS.length - 1 && !(heartRateBpm[row]! >= end.value!)) row++
  return clockS[row]
}

/** Whether a round of a repeat was far slower than its target. */
function isNotDone ({ round, target, step }: TargetedStep, { fromS, toS }: Stretch, course: StepCourse): boolean {
  const { clockS, distanceM } = course
  if (round < 2 || step.intensity !== 'active' || target?.type !== 'pace' || target.high === null) return false
  if (distanceM === undefined) return false
  const end = Math.min(toS, clockS.at(-1)!)
  const metres = across(clockS, distanceM, end) - across(clockS, distanceM, fromS)
  return (end - fromS) / metres * METRES_PER_KM > target.high * NOT_DONE
}

/** The end of a warm-up or rest with which the most of the next step is in its target; else the planned one. */
function bestEnd (step: TargetedStep, next: TargetedStep, { fromS, toS }: Stretch, course: StepCourse): number {
  const { intensity } = step.step
  if (intensity === 'active' || intensity === 'cooldown' || next.target === null) return toS
  const { target } = next
  const within = inTarget(course, target)
  const shareFrom = (startS: number): number => {
    const end = endOf(next, startS, course)
    if (end === undefined || end === Infinity) return 0
    // What is beyond the recording is not in the target.
    const known = Math.min(end, course.clockS.at(-1)!)
    return (within.share(startS, known) ?? 0) * (known - startS) / (end - startS)
  }
  const [least, most] = intensity === 'warmup' ? SEARCHED.warmup : SEARCHED.rest
  const planned = shareFrom(toS)
  let best = { endS: toS, share: planned + WORTH }
  for (let i = 0; i <= TRIED; i++) {
    const endS = fromS + (toS - fromS) * (least + (most - least) * i / TRIED)
    const share = shareFrom(endS)
    const isNearer = best.endS !== toS && Math.abs(endS - toS) < Math.abs(best.endS - toS)
    if (share > best.share + EQUAL || (share >= best.share - EQUAL && isNearer)) best = { endS, share }
  }
  return best.endS
}

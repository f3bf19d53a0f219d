export const INTENSITIES = ['warmup', 'active', 'recovery', 'rest', 'cooldown'] as const
export type Intensity = typeof INTENSITIES[number]

export const KINDS = [
  'easy', 'long', 'recovery', 'tempo', 'interval', 'repetition', 'hills', 'race', 'rest', 'cross'
] as const
export type Kind = typeof KINDS[number]

/** When a step ends: `value` in metres, seconds or beats per minute; none for a press of the lap button. */
export interface StepEnd {
  type: 'distance' | 'time' | 'lap_button' | 'heart_rate'
  value?: number
}

/** A range in s/km or beats per minute, open on a side without a bound, or a zone of the runner; `open`: no target. */
export interface StepTarget {
  type: 'pace' | 'heart_rate' | 'open'
  low?: number
  high?: number
  zone?: number
}

export interface Step {
  type: 'step'
  intensity: Intensity
  end: StepEnd
  target?: StepTarget
}

export interface Repeat {
  type: 'repeat'
  times: number
  steps: WorkoutStep[]
}

export type WorkoutStep = Step | Repeat

/** Steps and repeats together: what the smallest of common watches take. */
export const MAX_STEPS = 50
/** A repeat may contain repeats, which contain none. */
export const MAX_DEPTH = 2
export const MIN_TIMES = 2
export const MAX_TIMES = 50
/** The ranges that a value may have, by what it measures. */
export const RANGES = {
  distance: { min: 1, max: 1_000_000 },
  time: { min: 1, max: 1_000_000 },
  heart_rate: { min: 25, max: 250 },
  pace: { min: 60, max: 3600 },
  zone: { min: 1, max: 7 }
} as const

/** A rule that steps break; `path` names the place, as `steps.1.steps.0.target`. */
export interface StepProblem {
  path: string
  message: string
}

/** The first rule that the steps break beyond the types of their fields; undefined where they break none. */
export function stepProblem (steps: readonly WorkoutStep[]): StepProblem | undefined {
  if (countSteps(steps) > MAX_STEPS) return { path: 'steps', message: `must not have more than ${MAX_STEPS} steps` }
  return problemIn(steps, 'steps', 0)
}

function problemIn (steps: readonly WorkoutStep[], path: string, depth: number): StepProblem | undefined {
  for (const [index, step] of steps.entries()) {
    const place = `${path}.${index}`
    const problem = step.type === 'step' ? problemOfStep(step, place) : problemOfRepeat(step, place, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

function problemOfRepeat ({ steps }: Repeat, path: string, depth: number): StepProblem | undefined {
  if (depth > MAX_DEPTH) return { path, message: `must not be nested deeper than ${MAX_DEPTH} repeats` }
  return problemIn(steps, `${path}.steps`, depth)
}

function problemOfStep ({ end, target }: Step, path: string): StepProblem | undefined {
  if (end.type === 'lap_button') {
    if (end.value !== undefined) return { path: `${path}.end.value`, message: 'must be absent at a lap_button end' }
  } else {
    if (end.value === undefined) return { path: `${path}.end.value`, message: `is required at a ${end.type} end` }
    const message = outside(end.value, RANGES[end.type])
    if (message !== undefined) return { path: `${path}.end.value`, message }
  }
  return target === undefined ? undefined : problemOfTarget(target, `${path}.target`)
}

function problemOfTarget ({ type, low, high, zone }: StepTarget, path: string): StepProblem | undefined {
  const isRange = low !== undefined || high !== undefined
  if (type === 'open') {
    return isRange || zone !== undefined ? { path, message: 'must not have low, high or zone where it is open' } : undefined
  }
  if (isRange === (zone !== undefined)) return { path, message: 'must have either a zone or a range by low and high' }
  for (const [name, value] of [['low', low], ['high', high]] as const) {
    const message = value === undefined ? undefined : outside(value, RANGES[type])
    if (message !== undefined) return { path: `${path}.${name}`, message }
  }
  if (low !== undefined && high !== undefined && low > high) {
    return { path: `${path}.low`, message: 'must not be greater than high (of paces, the faster one is low)' }
  }
  return undefined
}

function outside (value: number, { min, max }: { min: number, max: number }): string | undefined {
  return value < min || value > max ? `must be from ${min} to ${max}` : undefined
}

/** Steps and repeats in the tree. */
export function countSteps (steps: readonly WorkoutStep[]): number {
  return steps.reduce((sum, step) => sum + 1 + (step.type === 'repeat' ? countSteps(step.steps) : 0), 0)
}

/** Each step with how often it is run in all, in the order of the tree: two rounds of three are six. */
export function * stepsWithCount (steps: readonly WorkoutStep[], times = 1): Generator<[step: Step, count: number]> {
  for (const step of steps) {
    if (step.type === 'step') yield [step, times]
    else yield * stepsWithCount(step.steps, times * step.times)
  }
}

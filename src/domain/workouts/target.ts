import type { BodySettings } from '../physiology.ts'
import { heartRateZones, paceZones, type Times } from '../training/zones.ts'
import type { Repeat, Step, StepTarget, WorkoutStep } from './steps.ts'

/** A target in the runner's own figures: s/km or beats per minute; null: no bound on that side. */
export interface ResolvedTarget {
  type: 'pace' | 'heart_rate'
  low: number | null
  high: number | null
}

export interface ResolvedStep extends Step {
  /** Null: no target, or a zone that the settings do not define. */
  resolved: ResolvedTarget | null
}

export interface ResolvedRepeat extends Omit<Repeat, 'steps'> {
  steps: Array<ResolvedStep | ResolvedRepeat>
}

/** The zones are asked for without time spent in them. */
const NO_TIME: Times = [[1, 0]]

/** The range that a target means with these settings; null where it is open or its zone is not defined by them. */
export function resolveTarget (target: StepTarget | undefined, settings: BodySettings): ResolvedTarget | null {
  if (target === undefined || target.type === 'open') return null
  const { type, zone, low = null, high = null } = target
  if (zone === undefined) return { type, low, high }
  const known = type === 'pace'
    ? paceZones(NO_TIME, 'running', settings)
    : heartRateZones(NO_TIME, 'running', settings)
  const found = known?.zones.find((one) => one.zone === zone)
  return found === undefined ? null : { type, low: found.low > 0 ? found.low : null, high: found.high }
}

/** The steps, each with what its target means with these settings. */
export function resolveSteps (
  steps: readonly WorkoutStep[],
  settings: BodySettings
): Array<ResolvedStep | ResolvedRepeat> {
  return steps.map((step) => step.type === 'step'
    ? { ...step, resolved: resolveTarget(step.target, settings) }
    : { ...step, steps: resolveSteps(step.steps, settings) })
}

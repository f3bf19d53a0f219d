import type { Step, WorkoutStep } from './steps.ts'
import type { ResolvedTarget } from './target.ts'

/** A step in the order in which it is run. */
export interface RunStep {
  step: Step
  /** From 1 within a repeat; 0 outside of one. */
  round: number
}

/** A step with what its target means on the day. */
export interface TargetedStep extends RunStep {
  target: ResolvedTarget | null
}

/** More steps than anybody runs in one workout: fifty repeats of fifty are a mistake. */
const MOST_STEPS = 500

/** The steps in the order in which they are run; undefined where there are too many. */
export function runSteps (
  steps: readonly WorkoutStep[],
  resolve: (step: Step) => ResolvedTarget | null
): TargetedStep[] | undefined {
  const run: TargetedStep[] = []
  return add(steps, 0) ? run : undefined

  function add (some: readonly WorkoutStep[], round: number): boolean {
    for (const step of some) {
      if (step.type === 'step') {
        if (run.length === MOST_STEPS) return false
        run.push({ step, round, target: resolve(step) })
        continue
      }
      for (let time = 1; time <= step.times; time++) if (!add(step.steps, Math.max(round, time))) return false
    }
    return true
  }
}

import { hasSteps } from '../sports.ts'
import type { Sport } from '../sports.ts'
import type { Columns } from '../recording.ts'

/** Nobody takes more steps a minute. */
const MOST_SPM = 240
/** The share of values below the upper ones, which tell a run with much walking in it apart from a walk. */
const UPPER = 0.9
/** Below this the upper values are of one foot: nobody walks with as few steps. */
const ONE_FOOT_BELOW = 80
/** From here on they are of both feet: nobody runs with twice as many steps. */
const BOTH_FEET_FROM = 120
/** The steps of a walk, in metres; longer ones are of a run whose file counts one foot. */
const WALKING_STEP_M = [0.35, 1.1] as const

/**
 * Turns the cadence into steps a minute of both feet, and drops what nobody can do. Whether a file tells one foot or
 * both is told by its upper values, and between 80 and 120 by the length of a step. Answers how many values were
 * dropped.
 */
export function countBothFeet (columns: Columns, sport: Sport): number {
  const { cadenceSpm } = columns
  // What nobody can do is no upper value.
  let dropped = dropImpossible(cadenceSpm)
  if (hasSteps(sport) && feetTold(columns) === 1) {
    for (let i = 0; i < cadenceSpm.length; i++) cadenceSpm[i]! *= 2
    dropped += dropImpossible(cadenceSpm)
  }
  return dropped
}

function dropImpossible (cadenceSpm: Float64Array): number {
  let dropped = 0
  for (let i = 0; i < cadenceSpm.length; i++) {
    if (cadenceSpm[i]! > MOST_SPM) {
      cadenceSpm[i] = Number.NaN
      dropped++
    }
  }
  return dropped
}

function feetTold (columns: Columns): 1 | 2 {
  const { cadenceSpm } = columns
  const upper = quantile(cadenceSpm.filter((steps) => steps > 0), UPPER)
  if (upper === undefined) return 2
  if (upper < ONE_FOOT_BELOW) return 1
  if (upper >= BOTH_FEET_FROM) return 2
  const speed = upperSpeed(columns, upper)
  if (speed === undefined) return 1
  const stepM = speed * 60 / upper
  return stepM >= WALKING_STEP_M[0] && stepM <= WALKING_STEP_M[1] ? 2 : 1
}

/** The usual speed, in m/s, at the records with an upper cadence; undefined if none has a speed. */
function upperSpeed ({ timeS, distanceM, speedMPerS, cadenceSpm }: Columns, upper: number): number | undefined {
  const speeds: number[] = []
  let last = -1
  for (let i = 0; i < timeS.length; i++) {
    const isUpper = cadenceSpm[i]! >= upper * 0.9
    if (isUpper && !Number.isNaN(speedMPerS[i]!)) speeds.push(speedMPerS[i]!)
    if (Number.isNaN(distanceM[i]!)) continue
    if (isUpper && last >= 0 && Number.isNaN(speedMPerS[i]!)) {
      speeds.push((distanceM[i]! - distanceM[last]!) / (timeS[i]! - timeS[last]!))
    }
    last = i
  }
  return quantile(Float64Array.from(speeds.filter((speed) => speed > 0)), 0.5)
}

function quantile (values: Float64Array, share: number): number | undefined {
  return values.sort()[Math.min(values.length - 1, Math.floor(values.length * share))]
}

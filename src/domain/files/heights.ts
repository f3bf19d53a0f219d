import { medianStep } from '../filled.ts'

/** Faster than this, in m/s, nobody climbs: a height that leaves and returns faster was not measured. */
const IMPOSSIBLE_CLIMB_M_PER_S = 3
/** Steps up to this are the noise of GPS, not spikes. */
const LEAST_LEAP_M = 10
/** A leap is also this many times as large as the usual step, which in noisy heights is large. */
const LEAP_STEPS = 6
/** Heights that step more often are not understood, and stay. */
const MOST_STEPS = 3
/** Levels further apart than this, in seconds, may be the ends of a lift or a cable car. */
const STEP_S = 10
/** A level shorter than this, at the beginning or the end, was measured before the device had settled. */
const UNSETTLED_S = 120

/** A stretch of heights without a leap: indices of the known heights. */
interface Level {
  from: number
  /** Exclusive. */
  to: number
}

/** So many levels after a leap are looked through for the return. */
const LOOKED_AHEAD = 8

/**
 * Replaces heights that cannot be by gaps: zeros before the first fix or now and then, and levels that leave the others
 * and return faster than anybody climbs. A level from which nothing returns is a step of the sensor: the shorter side
 * is moved to the longest level, so that the step is no climb. Returns how many heights were left out or moved.
 */
export function mendHeights (timeS: Float64Array, altitudeM: Float64Array): number {
  const known: number[] = []
  for (let i = 0; i < altitudeM.length; i++) if (!Number.isNaN(altitudeM[i]!)) known.push(i)
  const leapM = leapOf(altitudeM, known)
  const levels = levelsOf(known, (a, b) =>
    Math.abs(altitudeM[b]! - altitudeM[a]!) > leapM + IMPOSSIBLE_CLIMB_M_PER_S * (timeS[b]! - timeS[a]!))
  if (levels.length < 2) return 0
  const main = levels.indexOf(mainLevel(levels, known, altitudeM))
  const heights: Heights = { timeS, altitudeM, known, leapM }
  const dropped = [
    ...impossibleBeyond(levels.slice(main), heights, 1),
    ...impossibleBeyond(levels.slice(0, main + 1).reverse(), heights, -1)
  ]
  let count = 0
  for (const { from, to } of dropped) {
    for (let k = from; k < to; k++) altitudeM[known[k]!] = Number.NaN
    count += to - from
  }
  const gone = new Set(dropped)
  const stands = (level: Level): boolean => !gone.has(level)
  const standing = levels.filter(stands)
  const steps = standing.filter((level, i) => i > 0 &&
    isStep(heights, known[standing[i - 1]!.to - 1]!, known[level.from]!))
  if (steps.length > MOST_STEPS) return count
  return count + joinSteps(levels.slice(main).filter(stands), heights, 1) +
    joinSteps(levels.slice(0, main + 1).reverse().filter(stands), heights, -1)
}

/** Whether the heights of two rows are further apart than anybody climbs between them, within a few seconds. */
function isStep ({ timeS, altitudeM, leapM }: Heights, a: number, b: number, heightM = altitudeM[a]!): boolean {
  const apartS = Math.abs(timeS[b]! - timeS[a]!)
  return apartS <= STEP_S && Math.abs(altitudeM[b]! - heightM) > leapM + IMPOSSIBLE_CLIMB_M_PER_S * apartS
}

/** Moves the levels beyond each step, seen from the first, which stands. Returns how many heights were moved. */
function joinSteps (levels: Level[], heights: Heights, direction: 1 | -1): number {
  const { altitudeM, known } = heights
  let movedM = 0
  let count = 0
  let last = -1
  let lastM = Number.NaN
  for (const { from, to } of levels) {
    const [near, far] = direction > 0 ? [known[from]!, known[to - 1]!] : [known[to - 1]!, known[from]!]
    if (last >= 0 && isStep(heights, last, near, lastM)) movedM -= altitudeM[near]! - lastM
    last = far
    lastM = altitudeM[far]!
    if (movedM === 0) continue
    for (let k = from; k < to; k++) altitudeM[known[k]!]! += movedM
    count += to - from
  }
  return count
}

interface Heights {
  timeS: Float64Array
  altitudeM: Float64Array
  /** The rows with a height. */
  known: number[]
  leapM: number
}

/** The levels that cannot be, seen from the first, which stands, onwards in time or backwards. */
function impossibleBeyond (levels: Level[], heights: Heights, direction: 1 | -1): Level[] {
  const { timeS, altitudeM, known, leapM } = heights
  const near = ({ from, to }: Level): number => known[direction > 0 ? from : to - 1]!
  const far = ({ from, to }: Level): number => known[direction > 0 ? to - 1 : from]!
  const lengthS = ({ from, to }: Level): number => timeS[known[to - 1]!]! - timeS[known[from]!]!
  const leapsM = (a: Level, b: Level): number => Math.abs(altitudeM[near(b)]! - altitudeM[far(a)]!)
  const climbM = (a: Level, b: Level): number => IMPOSSIBLE_CLIMB_M_PER_S * Math.abs(timeS[near(b)]! - timeS[far(a)]!)
  const dropped: Level[] = []
  let stands = levels[0]!
  for (let i = 1; i < levels.length; i++) {
    const level = levels[i]!
    if (isZero(level, known, altitudeM)) {
      dropped.push(level)
      continue
    }
    const leftM = leapsM(stands, level)
    if (leftM > leapM + climbM(stands, level)) {
      const back = levels.slice(i + 1, i + 1 + LOOKED_AHEAD).findIndex((next) => !isZero(next, known, altitudeM) &&
        leapsM(stands, next) <= leapM + Math.min(climbM(stands, next), leftM / 2))
      if (back >= 0) {
        dropped.push(...levels.slice(i, i + 1 + back))
        i += back
        continue
      }
      const isLast = i === levels.length - 1
      if (isLast && lengthS(level) < UNSETTLED_S && level.to - level.from < stands.to - stands.from) {
        dropped.push(level)
        continue
      }
    }
    stands = level
  }
  return dropped
}

/** The smallest change between neighbours that is a leap, at no time between them. */
function leapOf (altitudeM: Float64Array, known: number[]): number {
  const stepM = medianStep(known.length, (k) => Math.abs(altitudeM[known[k + 1]!]! - altitudeM[known[k]!]!))
  return Math.max(LEAST_LEAP_M, LEAP_STEPS * stepM)
}

function levelsOf (known: number[], leaps: (a: number, b: number) => boolean): Level[] {
  const levels: Level[] = []
  let from = 0
  for (let k = 1; k <= known.length; k++) {
    if (k < known.length && !leaps(known[k - 1]!, known[k]!)) continue
    if (k > from) levels.push({ from, to: k })
    from = k
  }
  return levels
}

/** The longest level that is not at zero; the longest of all if there is no other. */
function mainLevel (levels: Level[], known: number[], altitudeM: Float64Array): Level {
  const real = levels.filter((level) => !isZero(level, known, altitudeM))
  const length = ({ from, to }: Level): number => to - from
  return (real.length > 0 ? real : levels).reduce((best, level) => length(level) > length(best) ? level : best)
}

/** Devices write 0 for a height that they do not know. */
function isZero ({ from, to }: Level, known: number[], altitudeM: Float64Array): boolean {
  for (let k = from; k < to; k++) if (altitudeM[known[k]!] !== 0) return false
  return true
}

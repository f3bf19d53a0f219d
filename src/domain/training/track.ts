import { haversineM } from './distance.ts'
import type { Positions } from './distance.ts'

export interface Track {
  /** Metres since the first position; NaN where there is no position, where it is refused and where it was not new. */
  distanceM: Float64Array<ArrayBuffer>
  /** The rows whose position is out of reach of the others. */
  refused: number[]
}

export interface Interruptions {
  /** Seconds on the running timer at each row: what is covered while it stands does not count. */
  activeS: Float64Array
  /**
   * The rows after which the recording was interrupted, and for how many seconds of the interruption the last speed
   * counts; the rest of the gap was not run.
   */
  breaks: ReadonlyMap<number, number>
}

/** A position that came late is in reach of one of as many positions after it. A link that needs this costs as much. */
const LATE = 5
/** What a leap costs, in positions: this share of all of them, within the limits. */
const LEAP_SHARE = 0.1
const LEAST_LEAP_COST = 5
const MOST_LEAP_COST = 300
/** A stretch is linked to one of as many before it, or to the best of all. */
const LOOKED_BACK = 8

/** The positions without repetitions: a device that repeats a position has no new one. */
interface Fixes {
  /** The rows at which each fix is first and last told. */
  first: number[]
  last: number[]
  /** Metres from the fix before. */
  stepM: number[]
  /** Interruptions of the recording before it. */
  breaks: number[]
}

/** Fixes of which each is in reach of the one before; `to` is the last. */
interface Stretch {
  from: number
  to: number
  /** The number of positions. */
  rows: number
}

/** How a stretch follows another: within reach, in reach of a later position, after an interruption, or not at all. */
type Link = 'near' | 'late' | 'interrupted' | 'leap'

interface Linked {
  stretch: Stretch
  /** How it follows the one before. */
  link: Link
}

/**
 * The distance along the positions.
 *
 * The positions are cut where one is out of reach of the one before, that is faster than `limitMPerS`. Of these
 * stretches, the chain with the most positions is kept, where a leap from one to the next costs a tenth of all
 * positions. So wrong positions are left out, however many they are, as long as those around them agree with each
 * other. Where both sides of a leap are too long to be wrong, both count, and the leap does not.
 *
 * A position that is repeated is not new: what is in reach counts since it last changed.
 */
export function trackOf (positions: Positions, limitMPerS: number, interruptions: Interruptions): Track {
  const breaks = [...interruptions.breaks]
  const fixes = fixesOf(positions, breaks.map(([row]) => row))
  const reach = reachOf(positions, fixes, limitMPerS)
  const stretches = stretchesOf(fixes, reach)
  const chain = stretches.length < 2
    ? stretches.map((stretch): Linked => ({ stretch, link: 'near' }))
    : bestChain(stretches, reach)
  const countedS = breaks.map(([, seconds]) => seconds)
  const distanceM = along(positions, fixes, { chain, reach, activeS: interruptions.activeS, countedS })
  return { distanceM, refused: chain.length === stretches.length ? [] : refusedOf(stretches, chain, fixes, positions) }
}

function fixesOf ({ latitudeDeg, longitudeDeg }: Positions, breakRows: number[]): Fixes {
  const fixes: Fixes = { first: [], last: [], stepM: [], breaks: [] }
  let broken = 0
  let last = -1
  for (let i = 0; i < latitudeDeg.length; i++) {
    if (Number.isNaN(latitudeDeg[i]!)) continue
    const before = broken
    while (broken < breakRows.length && breakRows[broken]! < i) broken++
    const isRepeated = last >= 0 && latitudeDeg[i] === latitudeDeg[last] && longitudeDeg[i] === longitudeDeg[last]
    if (isRepeated && before === broken) {
      fixes.last[fixes.last.length - 1] = i
    } else {
      fixes.stepM.push(last < 0 || isRepeated
        ? 0
        : haversineM(latitudeDeg[last]!, longitudeDeg[last]!, latitudeDeg[i]!, longitudeDeg[i]!))
      fixes.first.push(i)
      fixes.last.push(i)
      fixes.breaks.push(broken)
    }
    last = i
  }
  return fixes
}

interface Reach {
  between: (from: number, to: number) => number
  /** Whether the way from one fix to another is possible since the first was last told. */
  isInTime: (from: number, to: number) => boolean
  linkOf: (before: Stretch, after: Stretch) => Link
}

function reachOf ({ timeS, latitudeDeg, longitudeDeg }: Positions, fixes: Fixes, limitMPerS: number): Reach {
  const { first, last, stepM, breaks } = fixes
  const between = (from: number, to: number): number => {
    if (from === to - 1) return stepM[to]!
    const [a, b] = [first[from]!, first[to]!]
    return haversineM(latitudeDeg[a]!, longitudeDeg[a]!, latitudeDeg[b]!, longitudeDeg[b]!)
  }
  const isInReach = (from: number, to: number): boolean =>
    between(from, to) <= limitMPerS * (timeS[first[to]!]! - timeS[first[from]!]!)
  return {
    between,
    isInTime: (from, to) => between(from, to) <= limitMPerS * (timeS[first[to]!]! - timeS[last[from]!]!),
    linkOf: (before, after) => {
      if (breaks[before.to] !== breaks[after.from]) return 'interrupted'
      if (isInReach(before.to, after.from)) return 'near'
      for (let late = after.from + 1; late <= Math.min(after.to, after.from + LATE); late++) {
        if (isInReach(before.to, late)) return 'late'
      }
      return 'leap'
    }
  }
}

function stretchesOf ({ first, last, breaks }: Fixes, { isInTime }: Reach): Stretch[] {
  const stretches: Stretch[] = []
  for (let fix = 0; fix < first.length; fix++) {
    const rows = last[fix]! - first[fix]! + 1
    const stretch = stretches.at(-1)
    if (stretch && breaks[fix] === breaks[fix - 1] && isInTime(fix - 1, fix)) {
      stretch.to = fix
      stretch.rows += rows
    } else {
      stretches.push({ from: fix, to: fix, rows })
    }
  }
  return stretches
}

/** The chain of stretches with the most positions, less what its links cost. */
function bestChain (stretches: Stretch[], { linkOf }: Reach): Linked[] {
  const count = stretches.reduce((sum, { rows }) => sum + rows, 0)
  const leap = Math.min(MOST_LEAP_COST, Math.max(LEAST_LEAP_COST, LEAP_SHARE * count))
  const costs: Record<Link, number> = { near: 0, interrupted: 0, late: LATE, leap }
  const scores: number[] = []
  const befores: number[] = []
  const links: Link[] = []
  let best = 0
  for (const [at, stretch] of stretches.entries()) {
    let [score, before, link]: [number, number, Link] = [0, -1, 'near']
    const follow = (candidate: number): void => {
      if (scores[candidate]! <= score) return
      const candidateLink = linkOf(stretches[candidate]!, stretch)
      if (scores[candidate]! - costs[candidateLink] <= score) return
      score = scores[candidate]! - costs[candidateLink]
      before = candidate
      link = candidateLink
    }
    for (let candidate = at - 1; candidate >= Math.max(0, at - LOOKED_BACK); candidate--) follow(candidate)
    if (best < at - LOOKED_BACK) follow(best)
    scores.push(score + stretch.rows)
    befores.push(before)
    links.push(link)
    if (scores[at]! > scores[best]!) best = at
  }
  const chain: Linked[] = []
  for (let at = best; at >= 0; at = befores[at]!) chain.push({ stretch: stretches[at]!, link: links[at]! })
  return chain.reverse()
}

interface Walk {
  chain: Linked[]
  reach: Reach
  activeS: Float64Array
  /** Of each interruption, the seconds that count. */
  countedS: number[]
}

function along (
  { timeS, latitudeDeg }: Positions,
  { first, last, breaks }: Fixes,
  { chain, reach, activeS, countedS }: Walk
): Float64Array<ArrayBuffer> {
  const distanceM = new Float64Array(timeS.length).fill(Number.NaN)
  let total = 0
  let speedMPerS = 0
  let before = -1
  const countFrom = (from: number, to: number): number => {
    const [left, reached] = [last[from]!, first[to]!]
    const stepM = reach.between(from, to)
    const stepS = timeS[reached]! - timeS[left]!
    const share = stepS > 0 ? Math.min(1, Math.max(0, (activeS[reached]! - activeS[left]!) / stepS)) : 1
    if (breaks[from] !== breaks[to]) {
      return Math.min(stepM, speedMPerS * countedS[breaks[to]! - 1]!) * (share > 0 ? 1 : 0)
    }
    speedMPerS = stepM / (timeS[reached]! - timeS[first[from]!]!)
    return stepM * share
  }
  for (const { stretch, link } of chain) {
    for (let fix = stretch.from; fix <= stretch.to; fix++) {
      const isFirst = fix === stretch.from
      if (before >= 0 && !(isFirst && link === 'leap')) total += countFrom(before, fix)
      // The runner was on the way while the device repeated a position: the distance meanwhile is unknown.
      if (isFirst && link === 'near' && before >= 0 && !reach.isInTime(before, fix)) {
        distanceM.fill(Number.NaN, first[before]! + 1, first[fix]!)
      }
      for (let row = first[fix]!; row <= last[fix]!; row++) {
        if (!Number.isNaN(latitudeDeg[row]!)) distanceM[row] = total
      }
      before = fix
    }
  }
  return distanceM
}

function refusedOf (
  stretches: Stretch[],
  chain: Linked[],
  { first, last }: Fixes,
  { latitudeDeg }: Positions
): number[] {
  const kept = new Set(chain.map(({ stretch }) => stretch))
  const refused: number[] = []
  for (const stretch of stretches) {
    if (kept.has(stretch)) continue
    for (let row = first[stretch.from]!; row <= last[stretch.to]!; row++) {
      if (!Number.isNaN(latitudeDeg[row]!)) refused.push(row)
    }
  }
  return refused
}

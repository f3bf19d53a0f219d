import type { Step, WorkoutStep } from '../../src/domain/workouts/steps.ts'

/** What a plan is checked against, in the words of the rules and not of the generator. */
export interface PlanFacts {
  startDate: string
  raceDate: string
  raceM: number
  currentWeeklyM: number
  runsPerWeek: number
  firstWeekday: number
  /** Null: the targets are zones. */
  paces: {
    easyFast: number
    easySlow: number
    threshold: number
    interval: number
    repetition: number
  } | null
  /** The fast end of easy where there are no paces. */
  easyFastSPerKm?: number
  /**
   * Of the rest of a plan: what was before it; `isBreak`: the runner comes back from a break, and builds up anew.
   * `week`: of its first week, what was run of it before, and the days of it that can be run on.
   */
  before?: { fullWeeks: number, peakM: number, isBreak: boolean, week?: { doneM: number, days: number } }
  /** How much more a week may have, as a share, as it is not worth a change. */
  tolerance?: number
  /** The first day that could change: of weeks that begin before it, parts cannot. */
  from?: string
  /** Days without running: a week with any has fewer runs than asked for. */
  away?: ReadonlySet<string>
}

export interface CheckedWorkout {
  date: string
  kind: string
  steps: readonly WorkoutStep[]
  distanceM: number
}

const DAY = 86_400_000
const HARD = new Set(['tempo', 'interval', 'repetition', 'hills'])
const RUNS = new Set(['easy', 'long', 'recovery', 'race', ...HARD])
/** Sums of distances in metres: less is a matter of floating point. */
const SLACK_M = 1e-6

interface Week {
  start: number
  days: number
  /** Whether all of its days are in the plan. */
  isWhole: boolean
  /** Whether a part of it could not change. */
  isBegun: boolean
  /** Whether all of its days could change, and can be run on. */
  isFull: boolean
  hasRace: boolean
  runs: CheckedWorkout[]
  distanceM: number
}

const at = (day: string): number => Date.parse(day) / DAY

function metresOf (steps: readonly WorkoutStep[]): number {
  return steps.reduce((sum, step) => sum + (step.type === 'repeat'
    ? step.times * metresOf(step.steps)
    : step.end.type === 'distance' ? step.end.value as number : 0), 0)
}

function leaves (steps: readonly WorkoutStep[]): Step[] {
  return steps.flatMap((step) => step.type === 'repeat' ? leaves(step.steps) : [step])
}

/** Weeks of the runner's calendar from the first to the last day of the plan. */
function weeksOf (workouts: CheckedWorkout[], facts: PlanFacts): Week[] {
  const { startDate, raceDate, firstWeekday, away } = facts
  const weeks: Week[] = []
  const first = at(startDate)
  // The epoch was a Thursday: ISO 4.
  const begin = first - (((first + 3) % 7 + 1 - firstWeekday + 7) % 7)
  for (let start = begin; start <= at(raceDate); start += 7) {
    const [from, to] = [Math.max(start, first), Math.min(start + 6, at(raceDate))]
    const runs = workouts.filter(({ date, kind }) => RUNS.has(kind) && at(date) >= start && at(date) <= start + 6)
    const isBegun = facts.from !== undefined && start < at(facts.from)
    const isAway = [...away ?? []].some((day) => at(day) >= from && at(day) <= to)
    weeks.push({
      start,
      days: to - from + 1,
      isWhole: to - from === 6,
      isBegun,
      isFull: to - from === 6 && !isBegun && !isAway,
      hasRace: to === at(raceDate),
      runs,
      distanceM: runs.filter(({ kind }) => kind !== 'race').reduce((sum, { distanceM }) => sum + distanceM, 0)
    })
  }
  return weeks
}

/** Every rule of training-science that a plan breaks, in words; none: it keeps them all. */
export function brokenRules (workouts: CheckedWorkout[], facts: PlanFacts): string[] {
  const broken: string[] = []
  const rule = (holds: boolean, words: string): void => { if (!holds) broken.push(words) }
  const weeks = weeksOf(workouts, facts)
  const taperWeeks = facts.raceM > 21_200 ? 3 : 2
  const training = weeks.slice(0, -taperWeeks)
  const limits = facts.raceM > 21_200 ? [0.8, 0.7, 0.6] : [0.75, 0.6]

  // Distances
  for (const { date, distanceM, steps } of workouts) {
    rule(Math.abs(distanceM - metresOf(steps)) < SLACK_M, `${date}: the distance is that of the steps`)
    rule(distanceM > 0, `${date}: the distance is positive`)
    rule(date >= facts.startDate && date <= facts.raceDate, `${date} is in the plan`)
  }
  let highest = facts.currentWeeklyM
  const begun = facts.before?.week
  for (const [index, { days, distanceM }] of weeks.entries()) {
    const first = begun === undefined ? distanceM * 7 / days : (begun.doneM + distanceM) * 7 / begun.days
    const asWhole = index === 0 ? first : distanceM
    const most = highest * 1.1 * (1 + (facts.tolerance ?? 0))
    rule(asWhole <= most + SLACK_M, `week ${index}: ${distanceM} m, at most a tenth above ${highest} m`)
    const isNewStart = index === 0 && begun === undefined && facts.before?.isBreak !== false
    highest = isNewStart ? asWhole : Math.max(highest, asWhole)
  }
  const full = training.filter(({ isFull }) => isFull)
  const weeksBefore = facts.before?.fullWeeks ?? 0
  for (let i = 1; i < full.length; i++) {
    const place = (full[i]!.start - training.find(({ isWhole }) => isWhole)!.start) / 7 + weeksBefore
    if (place % 4 !== 3 || full[i]!.start - full[i - 1]!.start > 7) continue
    rule(full[i]!.distanceM <= full[i - 1]!.distanceM * 0.85 + SLACK_M, `full week ${i + 1} is one of recovery`)
  }
  const peak = Math.max(facts.before?.peakM ?? 0, ...training.map(({ distanceM }) => distanceM))
  for (const [index, limit] of limits.entries()) {
    const week = weeks.at(index - taperWeeks)
    // Of the rest of a plan, the first weeks of the taper may be over.
    const isLess = week === undefined ? facts.before !== undefined : week.distanceM <= peak * limit + SLACK_M
    rule(isLess, `taper week ${index + 1} is at most ${limit} of the peak`)
  }

  // Runs of a week
  for (const [index, { runs, isBegun, isFull, distanceM, hasRace }] of weeks.entries()) {
    if (isFull) rule(runs.length === facts.runsPerWeek, `week ${index} has ${runs.length} runs`)
    rule(new Set(runs.map(({ date }) => date)).size === runs.length, `week ${index}: one run a day`)
    const long = runs.filter(({ kind }) => kind === 'long')
    rule(long.length <= 1, `week ${index} has one long run`)
    if (isFull && !hasRace && index < weeks.length - 2) rule(long.length === 1, `week ${index} has a long run`)
    const share = facts.runsPerWeek <= 4 ? 0.45 : 0.35
    const others = runs.filter(({ kind }) => kind !== 'race')
    const longestM = Math.max(0, ...others.map((run) => run.distanceM))
    for (const run of isBegun ? [] : long) {
      rule(run.distanceM <= share * distanceM + SLACK_M, `week ${index}: the long run is ${run.distanceM} of ${distanceM} m`)
      rule(run.distanceM >= longestM, `week ${index}: no run is longer than the long run`)
    }
    // Where there is no long run, the longest run keeps its limits as well, if there are enough runs for that.
    if (!isBegun && others.length >= (facts.runsPerWeek <= 4 ? 3 : 4)) {
      rule(longestM <= share * distanceM + SLACK_M, `week ${index}: the longest run is ${longestM} of ${distanceM} m`)
    }
    const easyFast = facts.paces?.easyFast ?? facts.easyFastSPerKm
    if (easyFast !== undefined && !isBegun) {
      const seconds = longestM / 1000 * easyFast
      rule(seconds <= (facts.raceM > 21_200 ? 180 : 150) * 60 + 1, `week ${index}: the longest run takes ${seconds} s`)
    }
    rule(runs.filter(({ kind }) => HARD.has(kind)).length <= 2, `week ${index}: at most two hard runs`)
  }

  // Days
  const hard = workouts.filter(({ kind }) => HARD.has(kind)).map(({ date }) => at(date)).sort((a, b) => a - b)
  for (const [index, day] of hard.entries()) {
    rule(index === 0 || day - hard[index - 1]! > 1, `hard on consecutive days: ${day}`)
  }
  for (const { date, kind } of workouts) {
    const before = at(facts.raceDate) - at(date)
    rule(!(HARD.has(kind) || kind === 'long') || before > 2, `${date}: ${kind} just before the race`)
  }
  const races = workouts.filter(({ kind }) => kind === 'race')
  rule(races.length === 1 && races[0]!.date === facts.raceDate, 'the race is on its day')
  rule(races[0]?.distanceM === facts.raceM, 'the race has its distance')
  if (facts.paces !== null) checkPaces(workouts, facts.paces, rule)
  return broken
}

function checkPaces (
  workouts: CheckedWorkout[],
  paces: NonNullable<PlanFacts['paces']>,
  rule: (holds: boolean, words: string) => void
): void {
  const expected: Record<string, number> = {
    tempo: paces.threshold, interval: paces.interval, repetition: paces.repetition
  }
  for (const { date, kind, steps } of workouts) {
    for (const { intensity, target } of leaves(steps)) {
      const { low, high } = target ?? {}
      if (intensity === 'active' && expected[kind] !== undefined) {
        const isMet = low !== undefined && high !== undefined && low <= expected[kind] && expected[kind] <= high
        rule(isMet && high - low <= 10, `${date}: ${kind} at ${low}–${high}, not at ${expected[kind]}`)
      }
      const mustBeEasy = intensity === 'active' ? kind === 'easy' || kind === 'recovery' : target !== undefined
      if (mustBeEasy) {
        const isEasy = low !== undefined && low >= paces.easyFast - 1 && high! <= paces.easySlow + 1
        rule(isEasy, `${date}: ${kind} at ${low}–${high}`)
      }
    }
  }
}

import { addDays, daysBetween } from '../days.ts'
import { LONGEST_BREAK_DAYS, returnShare, type Break } from './breaks.ts'
import type { ExistingWorkout } from './changes.ts'
import type { Outline, PlanWeek } from './outline.ts'
import { NotFeasible, type PlanRequest } from './request.ts'
import {
  MOST_GROWTH, MOST_RECOVERY_SHARE, RECOVERY_EVERY, UNIT_M, emptyWeeks, mostPerLongest, type WeekVolume
} from './volume.ts'

/** A week as it was generated (`units`), and as the plan has it now. */
export interface WeekSoFar extends WeekVolume {
  /** What the plan has now, at most `units`. */
  plannedUnits: number
  /** Whether it has fewer hard runs now. */
  isEasier: boolean
}

/** What the weeks are adapted to. */
export interface Course {
  request: PlanRequest
  /** The first day that may change. */
  from: string
  /** Metres by day before `from`: run, or still to be run. */
  runs: ReadonlyMap<string, number>
  /** All workouts of the plan. */
  workouts: readonly ExistingWorkout[]
  breaks: readonly Break[]
  /** Days without running: accepted before, or to be accepted now. */
  away: ReadonlySet<string>
  /** Days away that the runner takes back. */
  back: ReadonlySet<string>
  /** Whether weeks may get longer again, up to what was generated. */
  mayGrow: boolean
}

/** By week, as of a whole week, in units. */
export interface Levels {
  /** What was run, or will be. */
  run: number[]
  /** What the week would have if every day of it could be run on: what recovery and the way back are measured by. */
  plain: number[]
}

/** Weeks whose highest is what a runner is used to. */
const REMEMBERED_WEEKS = 4
/** A week of which so much was done counts as done. */
const DONE_SHARE = 0.9
/** Weeks before the taper whose highest the taper is measured by, and the race needs. */
const PEAK_WEEKS = 8
/** What a quotient may be off by. */
const ROUNDING = 1e-9

/** The weeks of a plan, as they were generated and as they are now. */
export function weeksSoFar (
  request: PlanRequest,
  { phases, weeks, origin }: Outline,
  longestUnits: number
): WeekSoFar[] {
  const now = byStart(weeks)
  const generated = byStart(origin.weeks ?? weeks)
  let place = 0
  return emptyWeeks(request).map((week) => {
    const phase = phases.find(({ end_date }) => end_date >= week.lastDay)?.name ?? 'taper'
    if (week.isFull && phase !== 'taper') place++
    const once = generated.get(week.startDate)
    const last = now.get(week.startDate)
    const units = unitsOf(once)
    return {
      ...week,
      phase,
      isRecovery: week.isFull && phase !== 'taper' && place % RECOVERY_EVERY === 0,
      units,
      plannedUnits: Math.min(units, unitsOf(last)),
      isEasier: (last?.quality_sessions ?? 0) < (once?.quality_sessions ?? 0),
      longestUnits
    }
  })
}

function byStart (weeks: Outline['weeks']): Map<string, PlanWeek> {
  return new Map(weeks.map((week) => [week.start_date, week]))
}

function unitsOf (week: PlanWeek | undefined): number {
  return Math.round((week?.distance_m ?? 0) / UNIT_M)
}

/** @throws NotFeasible for a break after which the rest of the plan is not enough */
export function checkBreaks ({ breaks, request: { race }, from }: Course): void {
  for (const { days, back, start } of breaks) {
    const isNow = back >= addDays(from, -REMEMBERED_WEEKS * 7)
    if (!isNow) continue
    const field = back > from ? 'unavailable' : 'from'
    if (days > LONGEST_BREAK_DAYS) {
      throw new NotFeasible(field, 'After more than eight weeks without running a plan cannot go on: generate a new one')
    }
    if (daysBetween(back, race.date) < days) {
      throw new NotFeasible(field,
        `The ${days} days without a run from ${start} are too close to the race: it takes as long to come back. Choose a later race`)
    }
  }
}

/** Whole units of a quotient. */
export function floored (units: number): number {
  return Math.floor(units + ROUNDING)
}

/** Days of a week, from a day on, that its distance is for: of a part of a week, the day of the race has the race. */
export function daysIn ({ firstDay, lastDay, isFull, isRaceWeek }: WeekVolume, from = firstDay): number {
  return daysBetween(from > firstDay ? from : firstDay, lastDay) + (isRaceWeek && !isFull ? 0 : 1)
}

/** The distance of a week, or part of one, as that of a whole week. */
export function asWhole (units: number, days: number): number {
  return days === 0 ? 0 : units * 7 / days
}

/** Units run within two days, as far as they are before the first day that may change. */
export function unitsRun ({ runs }: Course, from: string, to: string): number {
  let metres = 0
  for (let day = from; day <= to; day = addDays(day, 1)) metres += runs.get(day) ?? 0
  return metres / UNIT_M
}

/** A week that is over. More than was planned last counts as far as it was planned once. */
export function levelOfPast (week: WeekSoFar, course: Course): number {
  const done = unitsRun(course, week.firstDay, week.lastDay)
  const units = done >= week.plannedUnits * DONE_SHARE ? Math.max(week.plannedUnits, Math.min(done, week.units)) : done
  return levelOf(week, units, course)
}

/** A week of which a part is left: what will be run of it, and what was planned. */
export function levelOfCurrent (
  week: WeekSoFar,
  { units, plannedUnits }: { units: number, plannedUnits: number },
  course: Course
): number {
  return levelOf(week, units >= plannedUnits * DONE_SHARE ? Math.max(units, plannedUnits) : units, course)
}

/** Part of a week says nothing of what a whole one could have: at most what was run before the plan. */
function levelOf (week: WeekVolume, units: number, { request }: Course): number {
  const whole = asWhole(units, daysIn(week))
  return week.isFull ? whole : Math.min(whole, request.currentWeeklyM / UNIT_M)
}

/** What a runner is used to before a week: the highest of the last ones, before the plan what was run then. */
function levelBefore (run: readonly number[], index: number, request: PlanRequest): number {
  let level = index < REMEMBERED_WEEKS ? request.currentWeeklyM / UNIT_M : 0
  for (let i = Math.max(0, index - REMEMBERED_WEEKS); i < index; i++) level = Math.max(level, run[i] ?? 0)
  return level
}

/** The weekly distance that a runner came back to after a break, and the highest since. */
interface Return {
  /** The week of the return. */
  week: number
  begin: number
  since: number
}

/** The returns from breaks up to a week that are still of importance for it. */
function returnsBefore (
  weeks: readonly WeekVolume[],
  { run, plain }: Levels,
  index: number,
  first: number,
  { request, breaks }: Course
): Return[] {
  const returns: Return[] = []
  for (const one of breaks) {
    const started = weeks.findIndex(({ lastDay }) => lastDay >= one.start)
    const week = weeks.findIndex(({ lastDay }) => lastDay >= one.back)
    if (week > index || index - week > REMEMBERED_WEEKS * 2) continue
    const begin = usedTo(levelBefore(run, started, request), returns, started) * returnShare(one)
    returns.push({ week, begin, since: Math.max(week < first ? begin : 0, ...plain.slice(week, index)) })
  }
  return returns
}

/** Weeks without running are not what a runner is used to: what the last return began with is, for some weeks. */
function usedTo (level: number, returns: readonly Return[], index: number): number {
  const recent = returns.filter(({ week }) => week <= index && index - week < REMEMBERED_WEEKS)
  return Math.max(level, ...recent.map(({ begin }) => begin))
}

/** The most that a week may have by what was run before it, as a whole week, and what that builds on. */
export function limitOf (
  weeks: readonly WeekVolume[],
  levels: Levels,
  index: number,
  first: number,
  course: Course
): { most: number, current: number } {
  const returns = returnsBefore(weeks, levels, index, first, course)
  let current = usedTo(levelBefore(levels.run, index, course.request), returns, index)
  let most = current * MOST_GROWTH
  for (const { week, begin, since } of returns) {
    const [limit, base] = week === index ? [begin, begin] : [since * MOST_GROWTH, since]
    if (limit < most) [most, current] = [limit, base]
  }
  return { most, current }
}

/**
 * The most that a week may have, as a whole week. Weeks of recovery keep their share of the week before, those of the
 * taper that of the highest week.
 */
export function mostOf (
  weeks: readonly WeekSoFar[],
  { run, plain }: Levels,
  index: number,
  first: number,
  { limit, runsPerWeek }: { limit: number, runsPerWeek: number }
): number {
  const week = weeks[index]!
  const whole = asWhole(week.units, daysIn(week))
  const most = Math.min(whole, limit, week.longestUnits * mostPerLongest(runsPerWeek))
  if (week.phase === 'taper') {
    const generated = peakOf(weeks, weeks.map((one) => asWhole(one.units, daysIn(one))))
    return generated === 0 ? most : Math.min(most, whole * Math.min(1, peakOf(weeks, run) / generated))
  }
  const before = weeks[index - 1]
  // A week without a run is recovery itself.
  if (!week.isRecovery || index <= first || before === undefined || run[index - 1] === 0) return most
  const share = week.units / asWhole(before.units, daysIn(before))
  // A larger share is that of a week that was shortened before it was known what it was generated with.
  return share <= MOST_RECOVERY_SHARE ? Math.min(most, plain[index - 1]! * share) : most
}

/** The highest of the last weeks before the taper. */
export function peakOf (weeks: readonly WeekVolume[], units: readonly number[]): number {
  const taper = weeks.findIndex(({ phase }) => phase === 'taper')
  const end = taper < 0 ? weeks.length : taper
  return Math.max(0, ...units.slice(Math.max(0, end - PEAK_WEEKS), end))
}

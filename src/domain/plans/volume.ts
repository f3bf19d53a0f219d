import { HALF_MARATHON_M, METRES_PER_KM } from '../units.ts'
import { addDays, daysBetween, weekStart } from '../days.ts'
import type { PhaseName } from './outline.ts'
import { NotFeasible, type Form, type PlanRequest } from './request.ts'

/** A week of the plan as it is to be filled. Distances are in units of 100 m, so that sums are exact. */
export interface WeekVolume {
  startDate: string
  /** The days of the week that are in the plan, up to the race. */
  firstDay: string
  lastDay: string
  isFull: boolean
  phase: PhaseName
  /** A week of recovery within the build-up. */
  isRecovery: boolean
  isRaceWeek: boolean
  /** Of all its runs but the race. */
  units: number
  /** The most that one run may have. */
  longestUnits: number
  /** Nothing hard in it: the runner comes back from a break. */
  isEasy?: boolean
  /** Days on which the runner cannot run. */
  away?: ReadonlySet<string>
}

/** Metres in a unit of distance. */
export const UNIT_M = 100

/** No week above the highest before it by more (the ten per cent rule), and the first none above what is run now. */
export const MOST_GROWTH = 1.1
/** What is aimed at: growth below the limit, so that a runner is not at it for weeks (Nielsen et al. 2014). */
const USUAL_GROWTH = 1.08
/** Every fourth week is one of recovery. */
export const RECOVERY_EVERY = 4
export const RECOVERY_SHARE = 0.8
/** No week of recovery has more of the week before. */
export const MOST_RECOVERY_SHARE = 0.85
/** Shares of the highest week; the last is that of the race (Bosquet et al. 2007: 41–60 % less, over two weeks). */
const TAPER = { short: [0.72, 0.5], marathon: [0.78, 0.66, 0.45] } as const
/** The long run lasts at most so long at the fast end of easy (Daniels: 150 minutes; three hours for the marathon). */
const LONGEST_S = { short: 150 * 60, marathon: 180 * 60 } as const
/** Weeks before the taper in which nothing can be trained. */
const LEAST_WEEKS = { short: 2, marathon: 4 } as const
/** Shares of the week that the long run has: at most 35 %, or 45 % with three or four runs. */
const LONG_SHARES: Record<number, number> = { 3: 0.42, 4: 0.37, 5: 0.31, 6: 0.3, 7: 0.29 }
const MARATHON_LONG_SHARES: Record<number, number> = { 3: 0.44, 4: 0.4, 5: 0.34, 6: 0.33, 7: 0.32 }
/** The highest week must have this many times the distance of the race, or the race is not prepared for. */
export const PEAK_PER_RACE = 1.2
/** Weekly distances beyond which more brings little to most runners, in km by the distance of the race. */
const USEFUL_KM: ReadonlyArray<readonly [raceM: number, km: number]> = [
  [5_500, 45], [11_000, 55], [HALF_MARATHON_M + 100, 65], [Infinity, 80]
]
/** And per run of the week. */
const USEFUL_KM_PER_RUN = { short: 12, marathon: 16 } as const
/** A run shorter than this is not worth changing for. */
export const SHORTEST_RUN_UNITS = 15

export function isMarathon ({ race }: PlanRequest): boolean {
  return race.distanceM > HALF_MARATHON_M + 100
}

/** The share of a week that its long run has. */
export function longShare (request: PlanRequest, runs = request.runsPerWeek): number {
  const shares = isMarathon(request) ? MARATHON_LONG_SHARES : LONG_SHARES
  // A week that lost some of its runs keeps the limit of the plan.
  const most = request.runsPerWeek > 4 ? shares[5]! : shares[3]!
  return Math.min(shares[Math.max(3, runs)]!, most)
}

/** The longest run that is safe, in units: 150 minutes at the fast end of easy, 180 for the marathon. */
export function longestRunUnits (request: PlanRequest, { paces }: Form): number {
  const seconds = LONGEST_S[isMarathon(request) ? 'marathon' : 'short']
  return Math.floor(seconds / paces.easy.fast_s_per_km * METRES_PER_KM / UNIT_M)
}

/**
 * The weeks from the start to the race with their distances: growing by at most a tenth, every fourth a week of
 * recovery, then the taper.
 * @throws NotFeasible where the time or the distance run now is not enough
 */
export function planVolume (request: PlanRequest, form: Form): WeekVolume[] {
  const weeks = emptyWeeks(request)
  const shape = isMarathon(request) ? 'marathon' : 'short'
  const taper = TAPER[shape]
  const training = weeks.slice(0, -taper.length)
  const full = training.filter(({ isFull }) => isFull)
  if (full.length < LEAST_WEEKS[shape]) {
    throw new NotFeasible('race.date',
      `There must be at least ${LEAST_WEEKS[shape]} full weeks before the taper of ${taper.length} weeks: choose a later race or an earlier start`)
  }
  const current = Math.floor(request.currentWeeklyM / UNIT_M)
  if (current < SHORTEST_RUN_UNITS * request.runsPerWeek) {
    throw new NotFeasible('current_weekly_distance_m',
      `The current weekly distance is too short for ${request.runsPerWeek} runs a week: ask for fewer runs, or run more before the plan starts`)
  }
  const longest = longestRunUnits(request, form)
  fillTraining(request, training, current, longest)
  const peak = Math.max(...full.map(({ units }) => units))
  requirePeak(request, peak, current, full.length)
  for (const [index, week] of weeks.slice(-taper.length).entries()) {
    const days = daysBetween(week.firstDay, week.lastDay) + 1
    // The day of the race has the race.
    const share = week.isFull ? 1 : Math.max(0, days - 1) / 7
    week.phase = 'taper'
    week.units = Math.floor(peak * taper[index]! * share)
    week.longestUnits = longest
  }
  return weeks
}

/** The weeks from the start to the race, without distances. */
export function emptyWeeks ({ startDate, race, firstWeekday }: PlanRequest): WeekVolume[] {
  const weeks: WeekVolume[] = []
  for (let start = weekStart(startDate, firstWeekday); start <= race.date; start = addDays(start, 7)) {
    const firstDay = start < startDate ? startDate : start
    const end = addDays(start, 6)
    const lastDay = end > race.date ? race.date : end
    weeks.push({
      startDate: start,
      firstDay,
      lastDay,
      isFull: firstDay === start && lastDay === end,
      phase: 'base',
      isRecovery: false,
      isRaceWeek: race.date <= end,
      units: 0,
      longestUnits: 0
    })
  }
  return weeks
}

function fillTraining (request: PlanRequest, weeks: WeekVolume[], current: number, longest: number): void {
  const full = weeks.filter(({ isFull }) => isFull)
  const growing = full.length - Math.floor(full.length / RECOVERY_EVERY)
  const goal = goalUnits(request, current, longest)
  const start = Math.min(current, goal)
  const growth = growing > 1 ? Math.min(USUAL_GROWTH, (goal / start) ** (1 / (growing - 1))) : 1
  let highest = current
  let step = 0
  let place = 0
  let before = 0
  for (const week of weeks) {
    week.longestUnits = longest
    if (!week.isFull) {
      const days = daysBetween(week.firstDay, week.lastDay) + 1
      week.units = Math.floor(start * days / 7)
      // As a whole week at that rate.
      highest = Math.min(current, week.units * 7 / days)
      continue
    }
    place++
    week.isRecovery = place % RECOVERY_EVERY === 0
    week.units = week.isRecovery
      ? Math.floor(before * RECOVERY_SHARE)
      : Math.floor(Math.min(start * growth ** step++, highest * MOST_GROWTH))
    week.phase = phaseAt(place, full.length)
    before = week.units
    highest = Math.max(highest, week.units)
  }
  const [first, second] = weeks
  if (first !== undefined && second !== undefined && !first.isFull) first.phase = second.phase
}

/** The base is a good third, the build-up the next, the peak the rest: the shorter the time, the less of the base. */
function phaseAt (place: number, weeks: number): PhaseName {
  const peak = Math.max(1, Math.round(weeks * 0.3))
  const build = Math.max(1, Math.round(weeks * 0.35))
  if (place > weeks - peak) return 'peak'
  return place > weeks - peak - build ? 'build' : 'base'
}

/** The distance of the highest week: what is useful for the race, or what is run now where that is more. */
function goalUnits (request: PlanRequest, current: number, longest: number): number {
  const { race, runsPerWeek } = request
  const [, byRace] = USEFUL_KM.find(([raceM]) => race.distanceM <= raceM)!
  const byRuns = runsPerWeek * USEFUL_KM_PER_RUN[isMarathon(request) ? 'marathon' : 'short']
  const useful = Math.min(byRace, byRuns) * METRES_PER_KM / UNIT_M
  // No run may be longer than the longest that is safe, which bounds the week as well.
  return Math.min(Math.max(current, useful), Math.floor(longest * mostPerLongest(runsPerWeek)))
}

/**
 * How many times the longest run a week may have at most: every run as long would be a week of long runs; an easy one
 * has at most 70 % of that.
 */
export function mostPerLongest (runsPerWeek: number): number {
  return 1 + 0.7 * (runsPerWeek - 1)
}

/** @throws NotFeasible where the highest week is too short for the race */
function requirePeak ({ race }: PlanRequest, peak: number, current: number, weeks: number): void {
  const needed = race.distanceM * PEAK_PER_RACE / UNIT_M
  if (peak >= needed) return
  const km = (units: number): string => (units * UNIT_M / METRES_PER_KM).toFixed(1)
  throw new NotFeasible('current_weekly_distance_m',
    `In ${weeks} weeks, ${km(current)} km a week can grow to ${km(peak)} km; this race takes at least ${km(needed)} km a week before the taper`)
}

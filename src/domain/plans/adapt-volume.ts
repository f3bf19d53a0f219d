import { daysBetween } from '../days.ts'
import {
  asWhole, checkBreaks, daysIn, floored, levelOfCurrent, levelOfPast, limitOf, mostOf, peakOf, unitsRun,
  type Course, type Levels, type WeekSoFar
} from './adapt-limits.ts'
import { isComingBack } from './breaks.ts'
import type { ExistingWorkout } from './changes.ts'
import { METRES_PER_KM } from '../units.ts'
import { NotFeasible, type PlanRequest } from './request.ts'
import { SHORTEST_RUN_UNITS, UNIT_M, longShare, type WeekVolume } from './volume.ts'
import { isHard } from './weeks.ts'

/** A week of the adapted plan; `units` are those that it has then. */
export interface AdaptedWeek extends WeekVolume {
  /** Its place among the weeks of the plan. */
  index: number
  /** The weekly distance that its limit builds on. */
  baseUnits: number
  /** Whether it is planned anew. */
  isChanged: boolean
  /** Whether less can be run in it than was planned. */
  isCapped: boolean
  /** Whether it returns to what was generated, as far as it can. */
  isReturning: boolean
  /** Whether it could return, but must not without being asked for. */
  canReturn: boolean
}

/** A change by less of a week is not worth it: runners are further off than that on any day. */
const TOLERANCE = 0.02
/** The least of a run on the way back from a break: a third of what a run of a plan has. */
const LEAST_RUN_UNITS = SHORTEST_RUN_UNITS / 3
/** A plan goes on with a highest week of less than a generated one has to have, but not of less than its race. */
const LEAST_PEAK_PER_RACE = 1

/** The weeks of an adapted plan. */
interface AdaptedVolumes {
  weeks: AdaptedWeek[]
  /** The weekly distance that the first of them builds on. */
  currentUnits: number
  /** The highest week before the taper, where weeks get shorter. */
  peakUnits: number | null
}

/**
 * The weeks with the distances that can be run in them, never more than was generated. A week is planned anew only
 * where what the plan has in it must not stay, so that an adaptation that was accepted is not followed by another one.
 * @throws NotFeasible where no way is safe
 */
export function adaptVolumes (shape: WeekSoFar[], course: Course): AdaptedVolumes {
  const { request, from } = course
  checkBreaks(course)
  const levels: Levels = { run: [], plain: [] }
  const first = shape.findIndex(({ lastDay }) => lastDay >= from)
  let currentUnits = 0
  const weeks = shape.map((week, index): AdaptedWeek => {
    if (index < first) {
      const level = levelOfPast(week, course)
      levels.run.push(level)
      levels.plain.push(level)
      return { ...week, ...AS_IT_IS, index, baseUnits: level }
    }
    const { most: limit, current } = limitOf(shape, levels, index, first, course)
    if (index === first) currentUnits = current
    const most = mostOf(shape, levels, index, first, { limit, runsPerWeek: request.runsPerWeek })
    const place = { week, index, most, baseUnits: current }
    return from > week.firstDay ? restOfWeek(place, levels, course) : wholeWeek(place, levels, course)
  })
  const isReduced = weeks.some(({ isChanged, isCapped, phase }) => isChanged && isCapped && phase !== 'taper')
  const peakUnits = peakOf(shape, levels.run)
  if (isReduced) requirePeak(course, peakUnits)
  return { weeks, currentUnits, peakUnits: isReduced ? peakUnits : null }
}

/** @throws NotFeasible where the highest week is so short that the race cannot be prepared for any more */
function requirePeak (course: Course, peak: number): void {
  const { distanceM } = course.request.race
  if (peak * UNIT_M >= distanceM * LEAST_PEAK_PER_RACE) return
  const km = (metres: number): string => (metres / METRES_PER_KM).toFixed(1)
  throw new NotFeasible(causeOf(course),
    `The highest week before the race could have ${km(peak * UNIT_M)} km, and the race alone has ${km(distanceM)} km: ` +
    'choose a later or a shorter one')
}

/** The field of the request that weeks are short for. */
function causeOf ({ away, from }: Course): string {
  return [...away].some((day) => day >= from) ? 'unavailable' : 'from'
}

const AS_IT_IS = { isChanged: false, isCapped: false, isReturning: false, canReturn: false }

interface Place {
  week: WeekSoFar
  index: number
  /** The most that it may have, as of a whole week. */
  most: number
  baseUnits: number
}

/** A week that begins on the first day that may change, or later. */
function wholeWeek ({ week, index, baseUnits, most: wholeMost }: Place, levels: Levels, course: Course): AdaptedWeek {
  const { request, mayGrow } = course
  const { plannedUnits: planned } = week
  const state = stateOf(week, course)
  const days = daysIn(week)
  const most = floored(wholeMost * days / 7)
  // Where there are more days than runs, the same runs fit on them.
  const share = state.away.size === 0 || state.free > request.runsPerWeek ? 1 : days === 0 ? 0 : state.free / days
  const possible = floored(most * share)
  const isCapped = isLess(most, planned)
  const isShorter = planned < possible || (week.isEasier && !state.isEasy)
  const isReturning = mayGrow && (isShorter || state.isBack)
  const canReturn = !mayGrow && isLess(planned, possible)
  const isChanged = isCapped || isReturning || state.isOnAway || state.isTooHard
  const fitting = isReturning || state.isOnAway ? possible : most
  const units = !isChanged ? planned : isReturning ? fitting : Math.min(fitting, planned)
  if (isChanged) requireRuns(week, units, share, course)
  // Of workouts that stay, it is not known what they take the place of.
  const run = state.isKept ? possible : Math.min(units, most)
  levels.run.push(asWhole(run, days))
  levels.plain.push(asWhole(state.away.size > 0 ? most : run, days))
  const flags = { baseUnits, isChanged, isCapped, isReturning, canReturn, isEasy: state.isEasy }
  return { ...week, index, units, ...flags, away: state.away }
}

/**
 * The rest of the week that the first day that may change is in. It never gets longer than it is, but for days away
 * that are taken back.
 */
function restOfWeek ({ week, index, baseUnits, most }: Place, levels: Levels, course: Course): AdaptedWeek {
  const { from, request } = course
  const { plannedUnits: planned } = week
  const state = stateOf(week, course)
  const left = Math.floor(unitsOf(state.ahead))
  const allowed = allowedFrom(week, most, course)
  const isCapped = isLess(most * daysIn(week) / 7, planned) && left - allowed > planned * TOLERANCE
  // What was missed is not made up for.
  const unplanned = Math.max(0, Math.floor(week.units - state.behindUnits))
  const possible = Math.min(allowed, unplanned, floored(most * state.free / 7))
  const isReturning = state.isBack && isLess(left, possible)
  const isChanged = isCapped || isReturning || state.isOnAway || state.isTooHard
  const units = isReturning ? possible : onFreeDays(isCapped ? allowed : left, state, week, request)
  const rest = isChanged ? units : left
  const whole = {
    units: unitsRun(course, week.firstDay, week.lastDay) + rest, plannedUnits: state.behindUnits + rest
  }
  const run = Math.min(state.isKept ? most : levelOfCurrent(week, whole, course), most)
  levels.run.push(run)
  levels.plain.push(most)
  const { isEasy, away } = state
  const flags = { index, baseUnits, isChanged, isCapped, isReturning, canReturn: false, isEasy, away }
  return isChanged ? { ...week, ...flags, firstDay: from, isFull: false, units } : { ...week, ...flags, units: planned }
}

/** Whether a distance is less than another one by enough to change a week for. */
function isLess (units: number, than: number): boolean {
  return units < than * (1 - TOLERANCE)
}

/** What a week has on the days that may change. */
interface State {
  ahead: ExistingWorkout[]
  /** What was planned on the days before, be it run or missed. */
  behindUnits: number
  /** The days away. */
  away: Set<string>
  /** How many days can be run on. */
  free: number
  isEasy: boolean
  /** Whether there are days that were away, and are taken back. */
  isBack: boolean
  /** Whether there are workouts that stay as they are. */
  isKept: boolean
  /** Whether there is a run on a day away. */
  isOnAway: boolean
  /** Whether there is a hard run while the runner comes back from a break. */
  isTooHard: boolean
}

function stateOf (week: WeekSoFar, { from, workouts, breaks, away: daysAway, back }: Course): State {
  const begin = from > week.firstDay ? from : week.firstDay
  const own = workouts.filter(({ date, kind }) => date >= week.firstDay && date <= week.lastDay && kind !== 'race')
  const ahead = own.filter(({ date }) => date >= begin)
  const open = ahead.filter(({ isKept, kind }) => !isKept && kind !== 'rest' && kind !== 'cross')
  const away = new Set([...daysAway].filter((day) => day >= begin && day <= week.lastDay))
  const isEasy = breaks.some((one) => {
    const day = one.back > begin ? one.back : begin
    return day <= week.lastDay && isComingBack(one, day)
  })
  return {
    ahead,
    behindUnits: unitsOf(own.filter(({ date }) => date < begin)),
    away,
    free: Math.max(0, daysBetween(begin, week.lastDay) + (week.isRaceWeek ? 0 : 1) - away.size),
    isEasy,
    isBack: [...back].some((day) => day >= begin && day <= week.lastDay),
    isKept: ahead.some(({ isKept }) => isKept),
    isOnAway: open.some(({ date }) => away.has(date)),
    isTooHard: isEasy && open.some(isDemanding)
  }
}

/** A hard run, or a long one that is more than easy. */
function isDemanding (workout: ExistingWorkout): boolean {
  return isHard(workout) || (workout.kind === 'long' && (workout.steps?.length ?? 0) > 1)
}

function unitsOf (workouts: readonly ExistingWorkout[]): number {
  return workouts
    .filter(({ kind }) => kind !== 'rest' && kind !== 'cross')
    .reduce((sum, { planned_distance_m: metres }) => sum + (metres ?? 0) / UNIT_M, 0)
}

/** What may still be run in a week: the most less what was run of it, since the runner came back if that was in it. */
function allowedFrom (week: WeekSoFar, most: number, course: Course): number {
  const begin = course.breaks
    .map(({ back }) => back)
    .filter((back) => back > week.firstDay && back <= week.lastDay)
    .reduce((a, b) => a > b ? a : b, week.firstDay)
  return Math.max(0, floored(most * daysIn(week, begin) / 7 - unitsRun(course, begin, week.lastDay)))
}

/** As much as fits on the days that can be run on: no run is longer for it, in the mean, nor than the long run was. */
function onFreeDays (units: number, { ahead, free, isOnAway }: State, week: WeekSoFar, request: PlanRequest): number {
  if (!isOnAway) return units
  const runs = Math.min(free, Math.ceil(request.runsPerWeek * free / 7))
  const longest = Math.floor(longShare(request) * week.units)
  return Math.min(floored(units * Math.min(1, runs / ahead.length)), runs * Math.min(longest, week.longestUnits))
}

function requireRuns ({ phase, isFull }: WeekVolume, units: number, share: number, course: Course): void {
  const { runsPerWeek } = course.request
  if (phase === 'taper' || !isFull || units >= LEAST_RUN_UNITS * runsPerWeek * share) return
  throw new NotFeasible(causeOf(course),
    'Too little is being run for the plan to go on from there: generate a new plan, with fewer runs a week or a later race')
}

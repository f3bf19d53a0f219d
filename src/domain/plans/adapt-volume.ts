import { addDays, daysBetween } from '../days.ts'
import { LONGEST_BREAK_DAYS, isComingBack, returnShare, type Break } from './breaks.ts'
import type { Outline } from './outline.ts'
import { NotFeasible, type PlanRequest } from './request.ts'
import {
  MOST_GROWTH, RECOVERY_EVERY, RECOVERY_SHARE, SHORTEST_RUN_UNITS, UNIT_M, emptyWeeks, mostPerLongest, requirePeak,
  type WeekVolume
} from './volume.ts'

/** A week of the adapted plan. */
export interface AdaptedWeek extends WeekVolume {
  /** Its place among the weeks of the plan. */
  index: number
  /** Whether it is planned anew. */
  isChanged: boolean
  /** Whether it has less than it had. */
  isCapped: boolean
}

/** Weeks whose highest is what a runner is used to. */
const REMEMBERED_WEEKS = 4
/** A week of which so much was done counts as done. */
const DONE_SHARE = 0.9
/** Weeks before the taper whose highest the taper is measured by, and the race needs. */
const PEAK_WEEKS = 8
/** The least of a run on the way back from a break: a third of what a run of a plan has. */
const LEAST_RUN_UNITS = SHORTEST_RUN_UNITS / 3

/** The weeks of a plan as they were planned last. */
export function shapeOf (request: PlanRequest, { phases, weeks }: Outline, longestUnits: number): WeekVolume[] {
  const planned = new Map(weeks.map(({ start_date, distance_m }) => [start_date, distance_m]))
  let place = 0
  return emptyWeeks(request).map((week) => {
    const phase = phases.find(({ end_date }) => end_date >= week.lastDay)?.name ?? 'taper'
    if (week.isFull && phase !== 'taper') place++
    return {
      ...week,
      phase,
      isRecovery: week.isFull && phase !== 'taper' && place % RECOVERY_EVERY === 0,
      units: Math.round((planned.get(week.startDate) ?? 0) / UNIT_M),
      longestUnits
    }
  })
}

/** What a quotient may be off by. */
const ROUNDING = 1e-9

interface Course {
  request: PlanRequest
  from: string
  doneM: ReadonlyMap<string, number>
  breaks: readonly Break[]
  away: ReadonlySet<string>
}

/**
 * The weeks with the distances that can be run in them, never more than was planned; `currentUnits` is the weekly
 * distance that the first of them builds on.
 * @throws NotFeasible where no way is safe
 */
export function adaptVolumes (shape: WeekVolume[], course: Course): { weeks: AdaptedWeek[], currentUnits: number } {
  const { request, from, breaks } = course
  checkBreaks(breaks, request, from)
  /** By week, as of a whole week: what was run, or can be. */
  const effective: number[] = []
  const first = shape.findIndex(({ lastDay }) => lastDay >= from)
  let currentUnits = 0
  const weeks = shape.map((week, index): AdaptedWeek => {
    if (index < first) {
      effective.push(doneUnits(week, course))
      return { ...week, index, isChanged: false, isCapped: false }
    }
    const limit = limitOf(shape, effective, index, first, course)
    if (index === first) currentUnits = limit.current
    return weekWithin(week, { index, first, limit: limit.most, effective, shape }, course)
  })
  const isReduced = weeks.some(({ isCapped, phase }) => isCapped && phase !== 'taper')
  if (isReduced) requirePeak(request, peakOf(shape, effective), currentUnits, weeks.length - first)
  return { weeks, currentUnits }
}

function checkBreaks (breaks: readonly Break[], { race }: PlanRequest, from: string): void {
  for (const { days, back, start } of breaks) {
    const isNow = back >= addDays(from, -REMEMBERED_WEEKS * 7)
    if (!isNow) continue
    if (days > LONGEST_BREAK_DAYS) {
      throw new NotFeasible('from', 'After more than eight weeks without running a plan cannot go on: generate a new one')
    }
    if (daysBetween(back, race.date) < days) {
      throw new NotFeasible(back > from ? 'unavailable' : 'from',
        `The ${days} days without a run from ${start} are too close to the race: it takes as long to come back. Choose a later race`)
    }
  }
}

/** Days of a week that its distance is for: the day of the race has the race. */
function daysIn ({ firstDay, lastDay, isFull, isRaceWeek }: WeekVolume): number {
  return isFull ? 7 : daysBetween(firstDay, lastDay) + (isRaceWeek ? 0 : 1)
}

/** The distance of a week, or part of one, as that of a whole week. */
function asWhole (units: number, days: number): number {
  return days === 0 ? 0 : units * 7 / days
}

function doneUnits (week: WeekVolume, { doneM, request }: Course): number {
  const done = (doneM.get(week.startDate) ?? 0) / UNIT_M
  const units = done >= week.units * DONE_SHARE ? week.units : done
  const whole = asWhole(units, daysIn(week))
  return week.isFull ? whole : Math.min(whole, request.currentWeeklyM / UNIT_M)
}

/** What a runner is used to before a week: the highest of the last ones, before the plan what was run then. */
function levelBefore (effective: readonly number[], index: number, request: PlanRequest): number {
  let level = index < REMEMBERED_WEEKS ? request.currentWeeklyM / UNIT_M : 0
  for (let i = Math.max(0, index - REMEMBERED_WEEKS); i < index; i++) level = Math.max(level, effective[i] ?? 0)
  return level
}

/** The most that a week may have, and what that builds on. */
function limitOf (
  shape: WeekVolume[],
  effective: readonly number[],
  index: number,
  first: number,
  { request, breaks }: Course
): { most: number, current: number } {
  let current = levelBefore(effective, index, request)
  let most = current * MOST_GROWTH
  for (const one of breaks) {
    const started = shape.findIndex(({ lastDay }) => lastDay >= one.start)
    const back = shape.findIndex(({ lastDay }) => lastDay >= one.back)
    if (back > index || index - back > REMEMBERED_WEEKS * 2) continue
    const begin = levelBefore(effective, started, request) * returnShare(one)
    const since = Math.max(back < first ? begin : 0, ...effective.slice(back, index))
    const [limit, base] = back === index ? [begin, begin] : [since * MOST_GROWTH, since]
    if (limit < most) [most, current] = [limit, base]
  }
  return { most, current }
}

interface Place {
  index: number
  first: number
  limit: number
  effective: number[]
  shape: WeekVolume[]
}

/** A week with at most its limit; its distance is added to `effective`. */
function weekWithin (week: WeekVolume, place: Place, { request, from, breaks, away }: Course): AdaptedWeek {
  const { index, effective } = place
  const days = daysIn(week)
  const most = Math.min(week.units, Math.floor(wholeLimit(week, place, request) * days / 7 + ROUNDING))
  const isCapped = most < week.units
  const isEasy = isEasyWeek(week, from, breaks)
  const gone = daysAwayIn(week, from, away)
  const isChanged = isCapped || isEasy || gone.size > 0
  const whole = asWhole(most, days)
  if (!isChanged) {
    effective.push(whole)
    return { ...week, index, isChanged, isCapped }
  }
  const free = daysFree(week, from, away)
  const base = { ...week, index, isChanged, isCapped, isEasy, away: gone }
  if (from > week.firstDay) {
    const units = Math.floor(whole * free / 7 + ROUNDING)
    effective.push(free === 0 ? whole : asWhole(units, free))
    return { ...base, firstDay: from, isFull: false, units }
  }
  // Where there are more days than runs, the same runs fit on them.
  const share = gone.size === 0 || free > request.runsPerWeek ? 1 : days === 0 ? 0 : free / days
  const units = Math.floor(most * share + ROUNDING)
  requireRuns(week, units, share, request)
  effective.push(whole)
  return { ...base, units }
}

/** The most that a week may have, as a whole week. In the taper it keeps its share of the highest week. */
function wholeLimit (week: WeekVolume, { index, first, limit, effective, shape }: Place, request: PlanRequest): number {
  const most = Math.min(limit, week.longestUnits * mostPerLongest(request.runsPerWeek))
  if (week.phase === 'taper') {
    const planned = peakOf(shape, shape.map((one) => asWhole(one.units, daysIn(one))))
    return Math.min(most, asWhole(week.units, daysIn(week)) * Math.min(1, peakOf(shape, effective) / planned))
  }
  return week.isRecovery && index > first ? Math.min(most, effective[index - 1]! * RECOVERY_SHARE) : most
}

function peakOf (shape: WeekVolume[], effective: readonly number[]): number {
  const taper = shape.findIndex(({ phase }) => phase === 'taper')
  const end = taper < 0 ? shape.length : taper
  return Math.max(0, ...effective.slice(Math.max(0, end - PEAK_WEEKS), end))
}

function isEasyWeek ({ firstDay, lastDay }: WeekVolume, from: string, breaks: readonly Break[]): boolean {
  return breaks.some((one) => {
    const day = [firstDay, from, one.back].reduce((a, b) => a > b ? a : b)
    return day <= lastDay && isComingBack(one, day)
  })
}

function daysAwayIn ({ firstDay, lastDay }: WeekVolume, from: string, away: ReadonlySet<string>): Set<string> {
  return new Set([...away].filter((day) => day >= firstDay && day >= from && day <= lastDay))
}

function daysFree (week: WeekVolume, from: string, away: ReadonlySet<string>): number {
  const begin = from > week.firstDay ? from : week.firstDay
  const days = daysBetween(begin, week.lastDay) + (week.isRaceWeek ? 0 : 1)
  return Math.max(0, days - daysAwayIn(week, from, away).size)
}

function requireRuns ({ phase, isFull }: WeekVolume, units: number, share: number, { runsPerWeek }: PlanRequest): void {
  if (phase === 'taper' || !isFull || units >= LEAST_RUN_UNITS * runsPerWeek * share) return
  throw new NotFeasible('from',
    'Too little is being run for the plan to go on from there: generate a new plan, with fewer runs a week or a later race')
}

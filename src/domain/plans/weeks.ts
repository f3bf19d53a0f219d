import type { Kind, WorkoutStep } from '../workouts/steps.ts'
import { METRES_PER_KM } from '../units.ts'
import { addDays, daysBetween, weekdayOf } from '../days.ts'
import type { PhaseName, PlanWeek } from './outline.ts'
import type { Form, PlanRequest } from './request.ts'
import {
  PLAIN, easySession, hardSession, longSession, purposesOf, raceSession, recoverySession, type Session
} from './sessions.ts'
import { UNIT_M, isMarathon, longShare, type WeekVolume } from './volume.ts'

/** A workout of a plan before it has an id. */
export interface PlannedWorkout {
  date: string
  kind: Kind
  name: string
  description: string
  steps: WorkoutStep[]
  distanceM: number
}

/** Nothing hard so many days before the race. */
const QUIET_DAYS = 2
/** And a run then is shorter than the others of the week. */
const QUIET_SHARE = 0.7
const UNITS_PER_KM = METRES_PER_KM / UNIT_M
/** The easy runs before a race are no longer than this, whatever few runs the week has: 50 minutes. */
const LONGEST_BEFORE_RACE_S = 50 * 60
/** A second hard run is for runners who run so much: three of these and the long run would leave no easy running. */
const SECOND_FROM_UNITS = 300
/**
 * Days after the long run that are run on, by the runs of a week: the day after it is free or for recovery; the hard
 * days, 2 and 5 days after it, never follow on each other or on the long run.
 */
const DAYS_AFTER_LONG: Record<number, readonly number[]> = {
  3: [0, 2, 5],
  4: [0, 2, 3, 5],
  5: [0, 2, 3, 5, 6],
  6: [0, 2, 3, 4, 5, 6],
  7: [0, 1, 2, 3, 4, 5, 6]
}
const HARD_AFTER_LONG = [2, 5] as const

/** A run to be planned on a day. `share`: its part of what the long run leaves. */
interface Slot {
  date: string
  role: 'long' | 'hard' | 'recovery' | 'easy'
  share: number
}

/** Fills a week with runs. */
export function planWeek (
  request: PlanRequest,
  form: Form,
  week: WeekVolume,
  index: number
): { workouts: PlannedWorkout[], week: PlanWeek } {
  const slots = slotsOf(request, week)
  const units = unitsOf(request, form, week, slots)
  const workouts: PlannedWorkout[] = []
  // The runs before a race may have less than the week was meant to.
  const weekUnits = units.reduce((sum, one) => sum + one, 0)
  let hard = 0
  for (const [place, slot] of slots.entries()) {
    const length = units[place]!
    if (length < 1) continue
    const session = sessionOf(request, form, week, slot, length, { index, place, hard, weekUnits })
    if (isHard(session)) hard++
    workouts.push({ date: slot.date, ...session, distanceM: length * UNIT_M })
  }
  if (week.isRaceWeek) {
    const { date, distanceM } = request.race
    workouts.push({ date, ...raceSession(form, distanceM, null), distanceM })
  }
  return { workouts, week: summaryOf(request, week, workouts) }
}

function slotsOf (request: PlanRequest, week: WeekVolume): Slot[] {
  if (week.isRaceWeek) return raceWeekSlots(request, week)
  if (!week.isFull) return partWeekSlots(request, week)
  return (week.away?.size ?? 0) > 0 ? brokenWeekSlots(request, week) : fullWeekSlots(request, week)
}

/** Whether a workout is a hard run: a quality session. */
export function isHard ({ kind }: { kind: Kind }): boolean {
  return kind === 'tempo' || kind === 'interval' || kind === 'repetition' || kind === 'hills'
}

function isQuiet ({ race }: PlanRequest, date: string): boolean {
  return daysBetween(date, race.date) <= QUIET_DAYS
}

function afterLong ({ longRunWeekday }: PlanRequest, date: string): number {
  return (weekdayOf(date) - longRunWeekday + 7) % 7
}

/** The days of the week that can be run on. */
function daysOf ({ firstDay, lastDay, away }: WeekVolume): string[] {
  return Array.from({ length: daysBetween(firstDay, lastDay) + 1 }, (_, day) => addDays(firstDay, day))
    .filter((day) => away?.has(day) !== true)
}

function isUsual (request: PlanRequest, date: string): boolean {
  return DAYS_AFTER_LONG[request.runsPerWeek]!.includes(afterLong(request, date))
}

function isHardDay (request: PlanRequest, date: string): boolean {
  return (HARD_AFTER_LONG as readonly number[]).includes(afterLong(request, date))
}

function fullWeekSlots (request: PlanRequest, week: WeekVolume): Slot[] {
  const hardDays = hardDaysOf(request, week)
  return daysOf(week).filter((date) => isUsual(request, date)).map((date) => {
    const after = afterLong(request, date)
    if (isQuiet(request, date)) return { date, role: 'easy', share: 0.9 }
    if (after === 0) return { date, role: 'long', share: 0 }
    if (hardDays.has(date)) return { date, role: 'hard', share: 1.15 }
    if (after === 1) return { date, role: 'recovery', share: 0.8 }
    return { date, role: 'easy', share: after === 6 ? 0.85 : 1 }
  })
}

/**
 * A week with days on which the runner is away: as many runs as fit on the others. The long run moves to the nearest
 * day, and a hard run next to it becomes easy; a week with few runs has none.
 */
function brokenWeekSlots (request: PlanRequest, week: WeekVolume): Slot[] {
  const days = daysOf(week)
  const count = Math.min(request.runsPerWeek, days.length)
  const slots = fullWeekSlots(request, week)
  const taken = new Set(slots.map(({ date }) => date))
  const free = days.filter((date) => !taken.has(date))
  // A day next to that of the long run first, for the long run to move to.
  const nearest = free.sort((a, b) => fromLong(request, week, a) - fromLong(request, week, b))
  const added = nearest.slice(0, count - slots.length)
  const all = [...slots, ...added.map((date): Slot => ({ date, role: 'easy', share: 1 }))]
    .sort((a, b) => a.date < b.date ? -1 : 1)
  const least = request.runsPerWeek > 4 ? 4 : 3
  const isLong = all.length >= least
  if (!isLong) return all.map((slot) => slot.role === 'long' ? { ...slot, role: 'easy', share: 1 } : slot)
  if (all.some(({ role }) => role === 'long')) return all
  const [moved] = all
    .filter(({ date }) => !isQuiet(request, date))
    .sort((a, b) => fromLong(request, week, a.date) - fromLong(request, week, b.date))
  if (moved === undefined) return all
  return all.map((slot) => {
    if (slot === moved) return { ...slot, role: 'long', share: 0 }
    const isNext = Math.abs(daysBetween(slot.date, moved.date)) === 1
    return isNext && slot.role === 'hard' ? { ...slot, role: 'easy', share: 1 } : slot
  })
}

/** How many days a day is from that of the long run of its week. */
function fromLong (request: PlanRequest, { startDate }: WeekVolume, date: string): number {
  return Math.abs(daysBetween(addDays(startDate, (request.longRunWeekday - weekdayOf(startDate) + 7) % 7), date))
}

/** The hard days of a week: one in recovery and before the race, and for runners who do not run enough for two. */
function hardDaysOf (request: PlanRequest, week: WeekVolume): Set<string> {
  if (week.isEasy === true) return new Set()
  const possible = daysOf(week).filter((date) => isHardDay(request, date) && !isQuiet(request, date))
  const isSingle = week.isRecovery || week.phase === 'taper' || week.phase === 'base' ||
    week.units < SECOND_FROM_UNITS || request.runsPerWeek < 4
  return new Set(isSingle ? possible.slice(0, 1) : possible)
}

/** As many runs as fit the part of the week, all of them easy, spread over its days. */
function partWeekSlots ({ runsPerWeek }: PlanRequest, week: WeekVolume): Slot[] {
  const days = daysOf(week)
  const count = Math.min(days.length, Math.ceil(runsPerWeek * days.length / 7))
  return Array.from({ length: count }, (_, i) => (
    { date: days[Math.floor((i + 0.5) * days.length / count)]!, role: 'easy', share: 1 }
  ))
}

/** Before the race one hard run, if there is time to recover from it, and easy ones; with the race as many as usual. */
function raceWeekSlots (request: PlanRequest, week: WeekVolume): Slot[] {
  const days = daysOf(week).slice(0, -1)
  const others = request.runsPerWeek - 1
  const count = Math.min(days.length, week.isFull ? others : Math.round(others * days.length / 6))
  const usual = days.filter((date) => isUsual(request, date))
  const rest = days.filter((date) => !isUsual(request, date))
  const chosen = new Set([...usual, ...rest].slice(0, count))
  const hard = hardDaysOf(request, week)
  return days.filter((date) => chosen.has(date))
    .map((date) => ({ date, role: hard.has(date) ? 'hard' : 'easy', share: isQuiet(request, date) ? QUIET_SHARE : 1 }))
}

/** Units for each slot: the long run its share, the others what it leaves, by theirs; rounding goes to the first. */
function unitsOf (request: PlanRequest, form: Form, week: WeekVolume, slots: Slot[]): number[] {
  const hasLong = slots.some(({ role }) => role === 'long')
  const long = hasLong ? Math.min(Math.floor(longShare(request, slots.length) * week.units), week.longestUnits) : 0
  const shares = slots.reduce((sum, { share }) => sum + share, 0)
  const longest = LONGEST_BEFORE_RACE_S / form.paces.easy.fast_s_per_km * UNITS_PER_KM
  const left = Math.min(week.units - long, week.isRaceWeek ? Math.floor(longest * shares) : Infinity)
  const units = slots.map(({ role, share }) => role === 'long' ? long : Math.floor(left * share / shares))
  let over = long + left - units.reduce((sum, one) => sum + one, 0)
  for (const [place, { role }] of slots.entries()) {
    if (over === 0) break
    if (role === 'long') continue
    units[place]!++
    over--
  }
  return units
}

interface Place {
  index: number
  place: number
  /** Hard runs of the week so far. */
  hard: number
  /** What all its runs have. */
  weekUnits: number
}

function sessionOf (
  request: PlanRequest,
  form: Form,
  week: WeekVolume,
  { role, date }: Slot,
  units: number,
  { index, place, hard, weekUnits }: Place
): Session {
  if (role === 'long') {
    // Neither hills nor a fast half in weeks that are there to recover.
    const isPlain = week.isRecovery || week.phase === 'taper' || week.isEasy === true
    return longSession(form, units, isPlain ? PLAIN : index, racePaceShare(request, week, date))
  }
  if (role === 'recovery') return recoverySession(form, units)
  if (role === 'hard') {
    const purposes = purposesOf(week.phase, request.race.distanceM)
    // A week with one hard run takes the first and the second purpose in turn.
    const purpose = purposes[(hard + (hardDaysOf(request, week).size > 1 ? 0 : index)) % 2]!
    const session = hardSession(purpose, form, units, weekUnits, Math.floor(index / 2) + index)
    if (session !== undefined) return session
  }
  return easySession(form, units, index + place)
}

/** How much of a long run is at the pace of the race: more the closer it is, none for races up to 10 km. */
function racePaceShare (request: PlanRequest, { phase, isRecovery, isEasy }: WeekVolume, date: string): number {
  if (phase !== 'peak' || isRecovery || isEasy === true || request.race.distanceM <= 15_000) return 0
  const weeks = daysBetween(date, request.race.date) / 7
  return (isMarathon(request) ? 0.4 : 0.3) / Math.max(1, weeks / 4)
}

const FOCUS: Record<PhaseName, string> = {
  base: 'Endurance and strength: easy running, and hills or short fast repetitions for economy',
  build: 'Threshold and speed: the hard runs get longer at paces that can be held',
  peak: 'The race: the hard runs come close to its pace',
  taper: 'Rest before the race: less distance, some of the pace kept'
}

/** The focus of a week after a break. */
export const COMING_BACK = 'Coming back: easy running only, less of it than before the break'
/** The focus of a week that lost its hard runs to days away. */
export const FEWER_DAYS = 'Fewer days: easy running on those that are left'
/** The focus of a week that cannot be run in. */
export const NO_RUNNING = 'Away: no running'

function focusOf (request: PlanRequest, week: WeekVolume): string {
  if (week.isRaceWeek) return 'The race: rested legs, and nothing new'
  if (week.isEasy === true) return COMING_BACK
  if (week.isRecovery) return 'Recovery: a fifth less, so that the weeks before can take effect'
  if (!week.isFull) return 'Getting started: easy running up to the first full week'
  return week.phase === 'peak' && racePaceShare(request, week, week.firstDay) > 0
    ? 'The race: long runs with a part at its pace, and hard runs close to it'
    : FOCUS[week.phase]
}

function summaryOf (request: PlanRequest, week: WeekVolume, workouts: PlannedWorkout[]): PlanWeek {
  const runs = workouts.filter(({ kind }) => kind !== 'race')
  return {
    start_date: week.startDate,
    distance_m: runs.reduce((sum, { distanceM }) => sum + distanceM, 0),
    long_run_distance_m: workouts.find(({ kind }) => kind === 'long')?.distanceM ?? 0,
    quality_sessions: workouts.filter(isHard).length,
    focus: focusOf(request, week)
  }
}

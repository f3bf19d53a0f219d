import { trainingPaces } from '../training/training-paces.ts'
import { raceTimeS } from '../training/vdot.ts'
import { METRES_PER_KM } from '../units.ts'
import type { Intensity, Kind, StepTarget, WorkoutStep } from '../workouts/steps.ts'
import { addDays, daysBetween, weekStart } from '../days.ts'
import { phasesOf } from './generate.ts'
import type { Outline } from './outline.ts'
import { originOf, type Form, type PlanRequest } from './request.ts'
import { weeksOf, type PlanTemplate } from './templates.ts'
import { RECOVERY_EVERY, UNIT_M, longestRunUnits, type WeekVolume } from './volume.ts'
import { planWeek, type PlannedWorkout } from './weeks.ts'

export interface DatedTemplate {
  startDate: string
  raceDate: string
  outline: Outline
  workouts: PlannedWorkout[]
}

/** Where a template is put in the calendar: by its first day, or by the day of the race. */
export type Anchor = { startDate: string } | { raceDate: string }

/**
 * A template with dates: its weeks are those of the runner's calendar. From a day in the middle of a week, the rest of
 * that week has easy runs, and the first week follows. The race is on the last day of the last week, or on its day.
 */
export function dateTemplate (template: PlanTemplate, anchor: Anchor, firstWeekday: number): DatedTemplate {
  const planned = weeksOf(template)
  const { startDate, firstWeek, raceDate } = datesOf(planned.length, anchor, firstWeekday)
  const request: PlanRequest = {
    race: { date: raceDate, distanceM: template.distanceM, targetTimeS: null },
    result: { distanceM: template.distanceM, timeS: raceTimeS(template.vdot, template.distanceM) },
    startDate,
    currentWeeklyM: planned[0]!.metres,
    runsPerWeek: template.runsPerWeek,
    // The long run is on the last day of the week, as the race is.
    longRunWeekday: (firstWeekday + 5) % 7 + 1,
    firstWeekday
  }
  const form = formAt(template)
  const longestUnits = longestRunUnits(request, form)
  const weeks = planned.map(({ phase, metres }, index) => volumeOf(
    { phase, metres, index, start: addDays(firstWeek, index * 7) }, raceDate, longestUnits
  ))
  if (startDate < firstWeek) weeks.unshift(partWeek(startDate, firstWeek, planned[0]!.metres, longestUnits))
  const filled = weeks.map((week, index) => planWeek(request, form, week, index))
  return {
    startDate,
    raceDate,
    outline: { phases: phasesOf(weeks), weeks: filled.map(({ week }) => week), origin: originOf(request, 'zone') },
    workouts: filled.flatMap(({ workouts }) => workouts).map(
      (workout) => ({ ...workout, steps: byZone(workout.steps, workout.kind, form) })
    )
  }
}

function datesOf (
  weeks: number,
  anchor: Anchor,
  firstWeekday: number
): { startDate: string, firstWeek: string, raceDate: string } {
  if ('raceDate' in anchor) {
    const { raceDate } = anchor
    const firstWeek = addDays(weekStart(raceDate, firstWeekday), -7 * (weeks - 1))
    return { startDate: firstWeek, firstWeek, raceDate }
  }
  const { startDate } = anchor
  const own = weekStart(startDate, firstWeekday)
  const firstWeek = own === startDate ? own : addDays(own, 7)
  return { startDate, firstWeek, raceDate: addDays(firstWeek, 7 * weeks - 1) }
}

function volumeOf (
  { phase, metres, index, start }: { phase: WeekVolume['phase'], metres: number, index: number, start: string },
  raceDate: string,
  longestUnits: number
): WeekVolume {
  const end = addDays(start, 6)
  const isFull = raceDate >= end
  const lastDay = isFull ? end : raceDate
  const share = isFull ? 1 : daysBetween(start, lastDay) / 7
  return {
    startDate: start,
    firstDay: start,
    lastDay,
    isFull,
    phase,
    isRecovery: phase !== 'taper' && (index + 1) % RECOVERY_EVERY === 0,
    isRaceWeek: raceDate <= end,
    units: Math.floor(metres / UNIT_M * share),
    longestUnits
  }
}

function partWeek (startDate: string, next: string, metres: number, longestUnits: number): WeekVolume {
  return {
    startDate: addDays(next, -7),
    firstDay: startDate,
    lastDay: addDays(next, -1),
    isFull: false,
    phase: 'base',
    isRecovery: false,
    isRaceWeek: false,
    units: Math.floor(metres / UNIT_M * daysBetween(startDate, next) / 7),
    longestUnits
  }
}

function formAt ({ vdot, distanceM }: PlanTemplate): Form {
  return {
    vdot,
    paces: trainingPaces(vdot),
    racePaceSPerKm: raceTimeS(vdot, distanceM) / distanceM * METRES_PER_KM
  }
}

/** Pace zones (Friel) by what a step is for: they follow the threshold pace of the runner who takes the template. */
const ZONES: Record<Kind, number | null> = {
  recovery: 1, easy: 2, long: 2, tempo: 5, interval: 6, repetition: 7, hills: null, race: null, rest: null, cross: null
}
/** Marathon and half-marathon pace. */
const RACE_PACE_ZONE = 4

/** The same steps, at zones instead of the paces of one form. */
export function byZone (steps: readonly WorkoutStep[], kind: Kind, form: Form): WorkoutStep[] {
  return steps.map((step) => {
    if (step.type === 'repeat') return { ...step, steps: byZone(step.steps, kind, form) }
    const { target, ...rest } = step
    const zone = target === undefined ? null : zoneOf(step.intensity, kind, isAtRacePace(target, form))
    return zone === null ? rest : { ...rest, target: { type: 'pace', zone } }
  })
}

function zoneOf (intensity: Intensity, kind: Kind, isAtRacePace: boolean): number | null {
  if (intensity !== 'active') return ZONES.easy
  return kind === 'long' && isAtRacePace ? RACE_PACE_ZONE : ZONES[kind]
}

function isAtRacePace ({ low, high }: StepTarget, { racePaceSPerKm: pace }: Form): boolean {
  return low !== undefined && high !== undefined && low <= pace && pace <= high
}

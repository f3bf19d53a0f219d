import { addDays, daysBetween } from '../days.ts'
import type { Kind } from './steps.ts'

/** A workout that no person has decided about. */
export interface OpenWorkout {
  id: string
  date: string
  kind: Kind
  distanceM: number | null
  durationS: number | null
}

/** An activity that no person has decided about. */
export interface OpenActivity {
  id: string
  date: string
  sport: string
  distanceM: number | null
  durationS: number | null
}

export interface RuleMatch {
  workoutId: string
  activityId: string
  reason: string
}

/** A workout may be done so many days early or late. */
export const MOST_SHIFT_DAYS = 1

/** More workouts, or activities, of one day are not looked at: each is compared with each. */
export const MOST_OF_A_DAY = 50

interface Pair {
  workout: OpenWorkout
  activity: OpenActivity
  difference: number
}

/**
 * Which activity fulfilled which workout: those of the same day first, then those a day early or late; of the same
 * sport; of several, the one closest to the planned duration, or distance where no duration was planned. An activity
 * fulfils one workout at most.
 */
export function matchWorkouts (workouts: readonly OpenWorkout[], activities: readonly OpenActivity[]): RuleMatch[] {
  const matches: RuleMatch[] = []
  const done = new Set<string>()
  const used = new Set<string>()
  for (let shift = 0; shift <= MOST_SHIFT_DAYS; shift++) {
    const pairs = pairsOf(workouts, activities, shift).sort((a, b) => a.difference - b.difference)
    for (const { workout, activity } of pairs) {
      if (done.has(workout.id) || used.has(activity.id)) continue
      done.add(workout.id)
      used.add(activity.id)
      matches.push({
        workoutId: workout.id, activityId: activity.id, reason: reasonOf(workout, activity)
      })
    }
  }
  return matches
}

function pairsOf (workouts: readonly OpenWorkout[], activities: readonly OpenActivity[], shift: number): Pair[] {
  const done = byDay(activities)
  // Days are looked up: comparing each workout with each day took 60 ms for a year.
  return [...byDay(workouts).values()].flat().flatMap((workout) => (shift === 0 ? [0] : [-shift, shift])
    .flatMap((days) => done.get(addDays(workout.date, days)) ?? [])
    .filter(({ sport }) => isSameSport(workout.kind, sport))
    .map((activity) => ({ workout, activity, difference: differenceOf(workout, activity) })))
}

function byDay<Dated extends { date: string }> (all: readonly Dated[]): Map<string, Dated[]> {
  const days = new Map<string, Dated[]>()
  for (const one of all) {
    const others = days.get(one.date)
    if (others === undefined) days.set(one.date, [one])
    else if (others.length < MOST_OF_A_DAY) others.push(one)
  }
  return days
}

/** Cross-training is any sport but running; a day of rest is fulfilled by nothing. */
function isSameSport (kind: Kind, sport: string): boolean {
  if (kind === 'rest') return false
  return kind === 'cross' ? sport !== 'running' : sport === 'running'
}

/** How far what was done is from what was planned, as the logarithm of their ratio: half and double are as far. */
function differenceOf (workout: OpenWorkout, activity: OpenActivity): number {
  const ratio = ratioOf(activity.durationS, workout.durationS) ?? ratioOf(activity.distanceM, workout.distanceM)
  return ratio === null ? Infinity : Math.abs(Math.log(ratio))
}

function ratioOf (done: number | null, planned: number | null): number | null {
  return done === null || planned === null || !(done > 0) || !(planned > 0) ? null : done / planned
}

function reasonOf (workout: OpenWorkout, activity: OpenActivity): string {
  const shift = daysBetween(workout.date, activity.date)
  const day = shift === 0 ? 'On the planned day' : shift < 0 ? 'A day early' : 'A day late'
  const measure = ratioOf(activity.durationS, workout.durationS) === null ? 'distance' : 'duration'
  const ratio = ratioOf(activity.durationS, workout.durationS) ?? ratioOf(activity.distanceM, workout.distanceM)
  return ratio === null ? `${day}, of the same sport` : `${day}, ${Math.round(ratio * 100)} % of the planned ${measure}`
}

import { daysBetween, weekStart } from '../days.ts'
import { rounded } from '../units.ts'
import type { Kind } from './steps.ts'

export type Status = 'on_time' | 'shifted' | 'missed' | 'upcoming'
export type Band = 'green' | 'yellow' | 'red'

/** Amounts of one workout or activity; null: unknown. */
export interface Amounts {
  distanceM: number | null
  durationS: number | null
  load: number | null
}

export interface PlannedDay extends Amounts {
  id: string
  date: string
  kind: Kind
}

export interface DoneDay extends Amounts {
  id: string
  date: string
  /** Null: it belongs to no workout. */
  workoutId: string | null
}

/** Records as they are answered. */
export interface WorkoutCompliance {
  workout_id: string
  date: string
  status: Status
  activity_id: string | null
  shift_days: number | null
  ratio: { distance: number | null, duration: number | null, load: number | null }
  band: Band | null
}

export interface ComplianceTotals {
  planned: number
  on_time: number
  shifted: number
  mean_shift_days: number | null
  missed: number
  unplanned: number
  upcoming: number
  planned_distance_m: number
  done_distance_m: number
}

export interface Compliance {
  totals: ComplianceTotals
  weeks: Array<ComplianceTotals & { start_date: string }>
  workouts: WorkoutCompliance[]
}

/** Bounds of the ratio of done to planned: [0.8, 1.2] is green, [0.5, 0.8) and (1.2, 1.5] yellow, the rest red. */
const GREEN = { from: 0.8, to: 1.2 } as const
const YELLOW = { from: 0.5, to: 1.5 } as const

export function bandOf (ratio: number): Band {
  // Ratios of decimal figures are not exact: 0.8 must not be 0.7999…
  const value = rounded(ratio, 9)!
  if (value >= GREEN.from && value <= GREEN.to) return 'green'
  return value >= YELLOW.from && value <= YELLOW.to ? 'yellow' : 'red'
}

/**
 * How a plan was followed up to `today`, by workout, week and in all. A day of rest is listed and not counted: there is
 * nothing to do. A run on a day of the plan that belongs to no workout is unplanned, and counts as distance done.
 */
export function complianceOf (
  planned: readonly PlannedDay[],
  done: readonly DoneDay[],
  today: string,
  firstWeekday: number
): Compliance {
  const byWorkout = new Map(done.filter(({ workoutId }) => workoutId !== null).map((one) => [one.workoutId, one]))
  const weeks = new Map<string, Entry[]>()
  const put = (day: string, entry: Entry): void => {
    const start = weekStart(day, firstWeekday)
    const others = weeks.get(start)
    if (others === undefined) weeks.set(start, [entry])
    else others.push(entry)
  }
  const workouts = planned.map((workout) => {
    const activity = byWorkout.get(workout.id)
    const compliance = workoutCompliance(workout, activity, today)
    if (workout.kind !== 'rest') {
      put(workout.date, { compliance, plannedM: workout.distanceM ?? 0, doneM: activity?.distanceM ?? 0 })
    }
    return compliance
  })
  for (const { workoutId, date, distanceM } of done) {
    if (workoutId === null && date <= today) put(date, { compliance: null, plannedM: 0, doneM: distanceM ?? 0 })
  }
  return {
    totals: totalsOf([...weeks.values()].flat()),
    weeks: [...weeks.entries()].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([start_date, entries]) => ({ start_date, ...totalsOf(entries) })),
    workouts
  }
}

function workoutCompliance (workout: PlannedDay, activity: DoneDay | undefined, today: string): WorkoutCompliance {
  const base = { workout_id: workout.id, date: workout.date }
  if (activity === undefined) {
    const isPast = workout.date < today
    const isMissed = isPast && workout.kind !== 'rest'
    return {
      ...base,
      status: isMissed ? 'missed' : isPast ? 'on_time' : 'upcoming',
      activity_id: null,
      shift_days: null,
      ratio: { distance: null, duration: null, load: null },
      band: isMissed ? 'red' : null
    }
  }
  const shift = daysBetween(workout.date, activity.date)
  const ratio = {
    distance: ratioOf(activity.distanceM, workout.distanceM),
    duration: ratioOf(activity.durationS, workout.durationS),
    load: ratioOf(activity.load, workout.load)
  }
  const telling = ratio.duration ?? ratio.distance ?? ratio.load
  return {
    ...base,
    status: shift === 0 ? 'on_time' : 'shifted',
    activity_id: activity.id,
    shift_days: shift,
    ratio: {
      distance: rounded(ratio.distance, 4), duration: rounded(ratio.duration, 4), load: rounded(ratio.load, 4)
    },
    band: telling === null ? null : bandOf(telling)
  }
}

function ratioOf (done: number | null, planned: number | null): number | null {
  return done === null || planned === null || !(planned > 0) ? null : done / planned
}

/** A workout of a week, or without `compliance` a run that was not planned. */
interface Entry {
  compliance: WorkoutCompliance | null
  plannedM: number
  doneM: number
}

function totalsOf (entries: Entry[]): ComplianceTotals {
  const workouts = entries.flatMap(({ compliance }) => compliance ?? [])
  const count = (status: Status): number => workouts.filter((one) => one.status === status).length
  const shifts = workouts.flatMap(({ status, shift_days }) => status === 'shifted' ? [Math.abs(shift_days!)] : [])
  return {
    planned: workouts.length,
    on_time: count('on_time'),
    shifted: shifts.length,
    mean_shift_days: shifts.length === 0 ? null : rounded(shifts.reduce((a, b) => a + b, 0) / shifts.length, 2),
    missed: count('missed'),
    unplanned: entries.length - workouts.length,
    upcoming: count('upcoming'),
    planned_distance_m: rounded(entries.reduce((sum, { plannedM }) => sum + plannedM, 0), 1)!,
    done_distance_m: rounded(entries.reduce((sum, { doneM }) => sum + doneM, 0), 1)!
  }
}

import { isDeepStrictEqual } from 'node:util'
import { addDays, daysBetween, weekStart } from '../days.ts'
import { TRAINING_INTENSITY, trainingPaces } from '../training/training-paces.ts'
import { oxygenUptake, raceTimeS, vdotOf } from '../training/vdot.ts'
import { settingsOn } from '../physiology.ts'
import { METRES_PER_KM, rounded } from '../units.ts'
import type { WorkoutFields } from '../workouts/fields.ts'
import type { Kind, Step, StepTarget } from '../workouts/steps.ts'
import { totalsOf } from '../workouts/totals.ts'
import { daysWithin, type Stretch } from './away.ts'
import type { Origin, Outline, PlanWeek } from './outline.ts'
import { COMING_BACK, FEWER_DAYS, NO_RUNNING, isHard, type PlannedWorkout } from './weeks.ts'

/** A workout as it is, or as it would be. */
export type ProposedWorkout = WorkoutFields

/** A workout of the plan on a day that may change. */
export interface ExistingWorkout extends ProposedWorkout {
  id: string
  /** Whether it stays as it is: it was done, linked by hand, or added or edited by the runner. */
  isKept: boolean
}

/** A change of a plan; a record of the API. */
export interface PlanEdit {
  action: 'add' | 'change' | 'remove'
  workout_id?: string
  before?: ProposedWorkout
  after?: ProposedWorkout
  /** The days away in its week, which it makes room for. */
  unavailable?: Stretch[]
}

/** Weeks, or parts of weeks, with the workouts that are planned anew in them. */
interface Replanned {
  spans: readonly Stretch[]
  workouts: readonly PlannedWorkout[]
}

/** Whether a workout is a run, be it the race. */
export function isRun ({ kind }: { kind: Kind }): boolean {
  return kind !== 'rest' && kind !== 'cross'
}

/**
 * What distinguishes the workouts of an adaptation from those that the plan has. A workout that stays takes the place
 * of the planned run of its day, else of one of its kind, else of the nearest.
 */
export function editsOf (existing: readonly ExistingWorkout[], { spans, workouts }: Replanned): PlanEdit[] {
  return spans.flatMap(({ from, to }) => {
    const isWithin = ({ date }: { date: string }): boolean => date >= from && date <= to
    const own = existing.filter(isWithin)
    const kept = own.filter(({ isKept }) => isKept)
    return editsWithin(own.filter(({ isKept }) => !isKept), besides(kept, workouts.filter(isWithin)))
  })
}

function editsWithin (open: readonly ExistingWorkout[], fresh: readonly ProposedWorkout[]): PlanEdit[] {
  const rest = [...fresh]
  const edits: PlanEdit[] = []
  const unpaired: ExistingWorkout[] = []
  for (const workout of open) {
    const place = rest.findIndex(({ date }) => date === workout.date)
    if (place < 0) unpaired.push(workout)
    else edits.push(...changed(workout, rest.splice(place, 1)[0]!))
  }
  // A run on another day is the same run, moved.
  for (const workout of unpaired) {
    const moved = rest.shift()
    edits.push(...moved === undefined
      ? [{ action: 'remove' as const, workout_id: workout.id, before: recordOf(workout) }]
      : changed(workout, moved))
  }
  edits.push(...rest.map((after) => ({ action: 'add' as const, after })))
  return edits.sort((a, b) => dayOfEdit(a) < dayOfEdit(b) ? -1 : 1)
}

function changed (workout: ExistingWorkout, after: ProposedWorkout): PlanEdit[] {
  if (isSameWorkout(workout, after)) return []
  return [{ action: 'change', workout_id: workout.id, before: recordOf(workout), after }]
}

/** Whether two ask for the same on the same day. Figures that follow from steps do not count. */
export function isSameWorkout (a: ProposedWorkout, b: ProposedWorkout): boolean {
  const isAlike = a.date === b.date && a.kind === b.kind && a.name === b.name && a.description === b.description
  if (!isAlike || !isDeepStrictEqual(a.steps, b.steps)) return false
  return a.steps !== null ||
    (a.planned_distance_m === b.planned_distance_m && a.planned_duration_s === b.planned_duration_s)
}

/** The day that an edit is about. */
export function dayOfEdit ({ before, after }: PlanEdit): string {
  return (after ?? before)!.date
}

/** The fields of a workout that a change of it has. */
export function recordOf (
  { date, kind, name, description, steps, planned_distance_m, planned_duration_s }: ProposedWorkout
): ProposedWorkout {
  return { date, kind, name, description, steps, planned_distance_m, planned_duration_s }
}

/** The planned workouts without those whose places are taken, none of them hard beside one that stays and is. */
function besides (kept: readonly ExistingWorkout[], workouts: readonly PlannedWorkout[]): ProposedWorkout[] {
  const fresh = [...workouts]
  for (const one of kept) {
    const place = placeFor(one, fresh)
    if (place >= 0) fresh.splice(place, 1)
  }
  const demanding = kept.filter((one) => isHard(one) || one.kind === 'long' || one.kind === 'race')
  return fresh.map((workout) => {
    const isNext = demanding.some(({ date }) => Math.abs(daysBetween(date, workout.date)) <= 1)
    return proposed(isNext && isHard(workout) ? madeEasy(workout) : workout)
  })
}

function placeFor ({ date, kind }: ExistingWorkout, fresh: readonly PlannedWorkout[]): number {
  if (kind === 'cross') return -1
  if (kind === 'race') return fresh.findIndex((one) => one.kind === 'race')
  const free = fresh.map((one, place) => ({ ...one, place })).filter((one) => one.kind !== 'race')
  const sameDay = free.find((one) => one.date === date)
  if (sameDay !== undefined || kind === 'rest') return sameDay?.place ?? -1
  const [nearest] = free.sort((a, b) =>
    Number(b.kind === kind) - Number(a.kind === kind) ||
    Math.abs(daysBetween(date, a.date)) - Math.abs(daysBetween(date, b.date)))
  return nearest?.place ?? -1
}

function proposed ({ distanceM, ...workout }: PlannedWorkout): ProposedWorkout {
  const { durationS } = totalsOf(
    { ...workout, planned_distance_m: distanceM, planned_duration_s: null }, settingsOn(workout.date, [])
  )
  return { ...workout, planned_distance_m: distanceM, planned_duration_s: rounded(durationS, 1) }
}

/** An easy run as long as a hard one, at the pace of its warm-up. */
function madeEasy ({ date, distanceM, steps }: PlannedWorkout): PlannedWorkout {
  const { target } = steps[0] as Step
  const step: Step = { type: 'step', intensity: 'active', end: { type: 'distance', value: distanceM } }
  return {
    date,
    kind: 'easy',
    name: 'Easy run',
    description: 'Relaxed, able to talk: the day before or after is hard.',
    steps: [target === undefined ? step : { ...step, target }],
    distanceM
  }
}

/** What the weeks of a plan are told from after edits of its workouts. */
interface EditedWeeks extends Pick<Outline, 'weeks' | 'origin'> {
  edits: readonly PlanEdit[]
  /** The workouts after the edits. */
  workouts: ReadonlyArray<Pick<ProposedWorkout, 'date' | 'kind' | 'planned_distance_m'>>
  /** Days without running. */
  unavailable: readonly Stretch[]
}

/** The weeks of a plan after edits; a week without any stays as it is. */
export function weeksWith ({ weeks, origin, edits, workouts, unavailable }: EditedWeeks): PlanWeek[] {
  const weekOf = ({ date }: { date: string }): string => weekStart(date, origin.first_weekday)
  const edited = new Set(edits.flatMap(({ before, after }) => [before, after].flatMap((one) => one ?? [])).map(weekOf))
  const generated = new Map((origin.weeks ?? weeks).map((week) => [week.start_date, week]))
  return weeks.map((week) => {
    const { start_date: start } = week
    if (!edited.has(start)) return week
    const all = workouts.filter((workout) => isRun(workout) && weekOf(workout) === start)
    const runs = all.filter(({ kind }) => kind !== 'race')
    const hard = runs.filter(isHard).length
    const left = {
      hard,
      isEmpty: all.length === 0,
      hasRace: all.length > runs.length,
      hasAway: daysWithin(unavailable, start, addDays(start, 6)).size > 0
    }
    return {
      start_date: start,
      distance_m: runs.reduce((sum, { planned_distance_m: metres }) => sum + (metres ?? 0), 0),
      long_run_distance_m: runs.find(({ kind }) => kind === 'long')?.planned_distance_m ?? 0,
      quality_sessions: hard,
      focus: focusWith(generated.get(start) ?? week, left)
    }
  })
}

/** What a week is for: what it was generated for, unless there is nothing left of that. */
function focusWith (
  { quality_sessions: hardOnce, distance_m: metres, focus }: PlanWeek,
  { hard, isEmpty, hasRace, hasAway }: { hard: number, isEmpty: boolean, hasRace: boolean, hasAway: boolean }
): string {
  if (isEmpty && metres > 0) return NO_RUNNING
  if (hasRace || hard > 0 || hardOnce === 0) return focus
  return hasAway ? FEWER_DAYS : COMING_BACK
}

/** The workouts of a plan after the edits. */
export function withEdits<Workout extends ProposedWorkout & { id: string }> (
  workouts: readonly Workout[],
  edits: readonly PlanEdit[]
): ProposedWorkout[] {
  const byId = new Map(edits.map((edit) => [edit.workout_id, edit]))
  const stay = workouts.flatMap((workout): ProposedWorkout[] => {
    const edit = byId.get(workout.id)
    if (edit === undefined) return [workout]
    return edit.after === undefined ? [] : [edit.after]
  })
  return [...stay, ...edits.flatMap(({ action, after }) => action === 'add' && after !== undefined ? [after] : [])]
}

/** The distance for which a result stands that only its paces are known of. */
const STANDARD_M = 10_000

/**
 * The result that the paces of accepted changes follow from, told from an easy run; undefined where they are those of
 * the plan. Whole seconds of both ends of easy tell the VDOT to about 0.1.
 */
export function resultBehind (edits: readonly PlanEdit[], origin: Origin): Origin['recent_result'] | undefined {
  if (origin.targets === 'zone') return undefined
  const target = edits.map(easyTarget).find((one) => one !== undefined)
  if (target === undefined) return undefined
  const { distance_m: metres, time_s: seconds } = origin.recent_result
  const { easy } = trainingPaces(vdotOf(metres, seconds))
  const { low, high } = target
  if (low === Math.round(easy.fast_s_per_km) && high === Math.round(easy.slow_s_per_km)) return undefined
  const vdot = (
    oxygenUptake(METRES_PER_KM / low) / TRAINING_INTENSITY.easyFast +
    oxygenUptake(METRES_PER_KM / high) / TRAINING_INTENSITY.easySlow
  ) / 2
  return vdot > 0 ? { distance_m: STANDARD_M, time_s: Math.round(raceTimeS(vdot, STANDARD_M)) } : undefined
}

function easyTarget ({ after }: PlanEdit): Required<Pick<StepTarget, 'low' | 'high'>> | undefined {
  const [step] = after?.kind === 'easy' ? after.steps ?? [] : []
  if (step?.type !== 'step' || step.target?.type !== 'pace') return undefined
  const { low, high } = step.target
  return low === undefined || high === undefined ? undefined : { low, high }
}

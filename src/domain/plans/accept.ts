import { awayAfter, daysWithin, replacedFrom, stretchesOf, type Stretch } from './away.ts'
import { resultBehind, weeksWith, withEdits, type ExistingWorkout, type PlanEdit } from './changes.ts'
import type { Outline } from './outline.ts'

/** What is accepted of an adaptation, and when. */
export interface Accepted {
  edits: readonly PlanEdit[]
  /** The days without running from today on; undefined: those that follow from the edits. */
  unavailable?: readonly Stretch[] | undefined
  today: string
  startDate: string
  endDate: string
  /** The target of the race that the edits are made for. */
  targetTimeS: number | null
}

/** The weeks and the origin of a plan after accepted edits. `workouts`: those before. */
export function outlineAfter (
  { weeks, origin }: Pick<Outline, 'weeks' | 'origin'>,
  workouts: readonly ExistingWorkout[],
  { edits, unavailable, today, startDate, endDate, targetTimeS }: Accepted
): Pick<Outline, 'weeks' | 'origin'> {
  const from = today < startDate ? startDate : today
  const accepted = daysWithin(origin.unavailable ?? [], startDate, endDate)
  const days = unavailable === undefined
    ? awayAfter(accepted, edits, { from, to: endDate, firstWeekday: origin.first_weekday })
    : replacedFrom(accepted, daysWithin(unavailable, from, endDate), from)
  const away = stretchesOf(days)
  return {
    weeks: weeksWith({ weeks, origin, edits, workouts: withEdits(workouts, edits), unavailable: away }),
    origin: {
      ...origin,
      recent_result: resultBehind(edits, origin) ?? origin.recent_result,
      race: { ...origin.race, target_time_s: targetTimeS },
      weeks: origin.weeks ?? weeks,
      unavailable: away
    }
  }
}

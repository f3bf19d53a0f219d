import { addDays, dayNumber, dayOf, weekStart } from '../days.ts'

/** Consecutive days, both ends included; a record of the API and of the database. */
export interface Stretch {
  from: string
  to: string
}

/** The days of stretches that are within two days. Their cost does not depend on how long the stretches are. */
export function daysWithin (stretches: readonly Stretch[], from: string, to: string): Set<string> {
  const days = new Set<string>()
  const [first, last] = [dayNumber(from), dayNumber(to)]
  const sorted = stretches
    .map((one) => [Math.max(first, dayNumber(one.from)), Math.min(last, dayNumber(one.to))] as const)
    .sort(([a], [b]) => a - b)
  let next = first
  for (const [begin, end] of sorted) {
    for (next = Math.max(next, begin); next <= end; next++) days.add(dayOf(next))
  }
  return days
}

/** Days as stretches, in their order. */
export function stretchesOf (days: Iterable<string>): Stretch[] {
  const stretches: Stretch[] = []
  for (const day of [...days].sort()) {
    const last = stretches.at(-1)
    if (last !== undefined && addDays(last.to, 1) === day) last.to = day
    else stretches.push({ from: day, to: day })
  }
  return stretches
}

/** The days away once `given` takes the place of the accepted ones from a day on; undefined: they stay. */
export function replacedFrom (
  accepted: ReadonlySet<string>,
  given: ReadonlySet<string> | undefined,
  from: string
): Set<string> {
  if (given === undefined) return new Set(accepted)
  return new Set([...accepted, ...given].filter((day) => day < from ? accepted.has(day) : given.has(day)))
}

/** What a change of a plan says about days away. */
interface EditOfDay {
  before?: { date: string }
  after?: { date: string, kind: string }
  unavailable?: Stretch[]
}

/**
 * The days away that follow from accepted changes alone: those that the changes were proposed for are added; a week of
 * such a change has no others, nor has a week in which a change plans a run on an accepted one.
 */
export function awayAfter (
  accepted: ReadonlySet<string>,
  edits: readonly EditOfDay[],
  { from, to, firstWeekday }: { from: string, to: string, firstWeekday: number }
): Set<string> {
  const replaced = new Set(edits.flatMap(({ before, after, unavailable }) => {
    const isBack = after !== undefined && after.kind !== 'rest' && after.kind !== 'cross' && accepted.has(after.date)
    const day = (after ?? before)?.date
    return day !== undefined && (isBack || unavailable !== undefined) ? [weekStart(day, firstWeekday)] : []
  }))
  const stay = [...accepted].filter((day) => day < from || !replaced.has(weekStart(day, firstWeekday)))
  return new Set([...stay, ...daysWithin(edits.flatMap(({ unavailable }) => unavailable ?? []), from, to)])
}

import { addDays } from '../days.ts'
import { METRES_PER_KM } from '../units.ts'
import type { Course } from './adapt-limits.ts'
import type { AdaptedWeek } from './adapt-volume.ts'
import { stretchesOf } from './away.ts'
import type { Origin } from './outline.ts'
import type { Form, PlanRequest } from './request.ts'
import { PEAK_PER_RACE, UNIT_M } from './volume.ts'

/** A break that ended earlier says nothing new. */
const RELEVANT_DAYS = 28
/** After so many days off Daniels lowers the VDOT by almost 3 %, after four weeks by 7 % (2014, table 9.3). */
const SLOWER_FROM_DAYS = 14

/** What was found of a plan. */
interface Findings {
  weeks: readonly AdaptedWeek[]
  /** Those of them whose workouts change. */
  changed: readonly AdaptedWeek[]
  /** The highest week before the taper, where weeks get shorter. */
  peakUnits: number | null
  /** Null: the paces stay. */
  form: Form | null
}

interface Question {
  course: Course
  result: PlanRequest['result'] | null
  targets: Origin['targets']
  /** Whether nothing changes. */
  isWithout: boolean
}

/** Why the rest of a plan changes, or does not, a sentence each. */
export function reasonsOf (findings: Findings, question: Question): string[] {
  const { course, isWithout } = question
  const isCapped = findings.changed.some((week) => week.isCapped)
  return [
    ...(isWithout ? stayReasons(findings.weeks, course) : distanceReasons(findings, question)),
    ...awayReasons(course),
    ...paceReasons(findings.form, question),
    ...peakReasons(findings.peakUnits, course.request),
    ...(isCapped ? ['What was missed is not made up for: it would be too much at once'] : [])
  ]
}

function stayReasons (weeks: readonly AdaptedWeek[], { from, away }: Course): string[] {
  const canReturn = weeks.some((week) => week.canReturn) && ![...away].some((day) => day >= from)
  return [
    'The plan fits what was run: nothing has to change',
    ...(canReturn ? ['More was run than weeks were shortened for: with "unavailable": [] they return to what was planned once'] : [])
  ]
}

function peakReasons (peakUnits: number | null, { race }: PlanRequest): string[] {
  const needed = race.distanceM * PEAK_PER_RACE / UNIT_M
  if (peakUnits === null || peakUnits >= needed) return []
  return [`The highest week has ${km(peakUnits)} km, less than the ${km(needed)} km that this race takes: ` +
    'run it slower than planned, or choose a later one']
}

function distanceReasons ({ changed }: Findings, { course, result }: Question): string[] {
  const { breaks, from, away, back: takenBack } = course
  if (changed.length === 0) return []
  const relevant = breaks.filter(({ back }) => back >= addDays(from, -RELEVANT_DAYS))
  const reasons = relevant.map(({ start, days, back }) =>
    `No run on the ${days} days from ${start}: from ${back} on the plan begins with less, all of it easy, ` +
    'and grows by at most 10 % a week')
  if (result === null && relevant.some(({ days }) => days >= SLOWER_FROM_DAYS)) {
    reasons.push('After so long a break the paces may be too fast: adapt the plan to a recent_result once there is one')
  }
  const capped = changed.find(({ isCapped }) => isCapped)
  if (relevant.length === 0 && capped !== undefined) {
    const isAhead = [...away].some((day) => day >= from && day < capped.firstDay)
    reasons.push(isAhead
      ? `Less is run in the weeks with days away: from ${capped.firstDay} on, the plan grows by at most 10 % a week again`
      : `Less was run than planned: about ${km(capped.baseUnits)} km a week is what the next weeks build on`)
  }
  const returning = changed.filter(({ isReturning }) => isReturning).length
  if (returning > 0) {
    const weeks = returning === 1 ? '1 week returns' : `${returning} weeks return`
    const cause = takenBack.size > 0 ? 'Days can be run on again' : 'Weeks can be longer again'
    reasons.push(`${cause}: ${weeks} to what was planned once, as far as the distance can grow`)
  }
  return reasons
}

function awayReasons ({ away, from }: Course): string[] {
  return stretchesOf([...away].filter((day) => day >= from))
    .map((one) => one.from === one.to ? `No running on ${one.from}` : `No running from ${one.from} to ${one.to}`)
}

function paceReasons (form: Form | null, { result, targets }: Question): string[] {
  if (form !== null) {
    return [result === null
      ? 'The target time of the race was changed: the paces follow from it'
      : `The new result stands for a VDOT of ${form.vdot}: the paces follow from it`]
  }
  if (result === null) return []
  return [targets === 'zone'
    ? 'The targets are zones: they follow the threshold pace of the physiology settings, not a result'
    : 'The new result stands for the same form: the paces stay']
}

function km (units: number): string {
  return (units * UNIT_M / METRES_PER_KM).toFixed(1)
}

import { across, type StepCourse } from './course.ts'
import type { ResolvedTarget } from './target.ts'

/** The time in a target along a course. */
export interface InTarget {
  /** The share of the time between two seconds of the running clock; null where the measure is not known in it. */
  share (fromS: number, toS: number): number | null
}

const cached = new WeakMap<StepCourse, Map<string, InTarget>>()

/** The time in a target, summed once for each target of a course. */
export function inTarget (course: StepCourse, target: ResolvedTarget): InTarget {
  const known = cached.get(course) ?? new Map<string, InTarget>()
  cached.set(course, known)
  const key = `${target.type} ${target.low} ${target.high}`
  const found = known.get(key) ?? summed(course, target)
  known.set(key, found)
  return found
}

function summed (course: StepCourse, { type, low, high }: ResolvedTarget): InTarget {
  const { clockS } = course
  const values = type === 'pace' ? course.paceSPerKm : course.heartRateBpm
  if (values === undefined) return { share: () => null }
  const measuredS = new Float64Array(clockS.length)
  const withinS = new Float64Array(clockS.length)
  for (let row = 1; row < clockS.length; row++) {
    const value = values[row]!
    const span = clockS[row]! - clockS[row - 1]!
    const isKnown = !Number.isNaN(value)
    const isWithin = isKnown && value >= (low ?? -Infinity) && value <= (high ?? Infinity) && value < Infinity
    measuredS[row] = measuredS[row - 1]! + (isKnown ? span : 0)
    withinS[row] = withinS[row - 1]! + (isWithin ? span : 0)
  }
  return {
    share (fromS, toS) {
      const seconds = across(clockS, measuredS, toS) - across(clockS, measuredS, fromS)
      return seconds > 0 ? (across(clockS, withinS, toS) - across(clockS, withinS, fromS)) / seconds : null
    }
  }
}

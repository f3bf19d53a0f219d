import type { Streams } from '../streams/fields.ts'
import type { Section } from '../training/sections.ts'
import { METRES_PER_KM, rounded } from '../units.ts'
import { across, courseOf, rowAt, type StepCourse } from './course.ts'
import { inTarget } from './in-target.ts'
import { fitLaps } from './lap-fit.ts'
import type { TargetedStep } from './run-steps.ts'
import { stretchesOf, type Stretch } from './step-stretches.ts'
import type { Intensity, StepEnd } from './steps.ts'
import type { ResolvedTarget } from './target.ts'

/** What was done of a step; a record of the API. */
export interface StepDone {
  start_s: number
  elapsed_s: number
  distance_m: number | null
  average_pace_s_per_km: number | null
  average_heart_rate_bpm: number | null
  /** The laps that answer it, by their index; null: told from the stream. */
  laps: number[] | null
}

/** A step as it was run; a record of the API. */
export interface StepCompliance {
  /** In the order in which they are run, from 1. */
  index: number
  intensity: Intensity
  end: StepEnd
  target: ResolvedTarget | null
  /** Null: it was not run. */
  done: StepDone | null
  in_target_share: number | null
}

/** The steps of a workout as they were run, or why that cannot be told. */
export type StepsAnswer = { steps: StepCompliance[], reason: null } | { steps: null, reason: string }

/** How the steps of a workout were run: by the laps where they fit, else by the stream. */
export function stepComplianceOf (
  steps: readonly TargetedStep[],
  laps: readonly Section[],
  streams: Streams
): StepsAnswer {
  const course = courseOf(streams)
  if (course === undefined) return { steps: null, reason: 'The recording has no records' }
  const byLaps = fitLaps(steps, laps)
  const stretches = byLaps === undefined
    ? stretchesOf(steps, course)
    : byLaps.map((range) => range === null ? null : stretchOfLaps(laps, range, course))
  if (typeof stretches === 'string') return { steps: null, reason: stretches }
  return {
    steps: steps.map((step, i) => complianceOf(step, i + 1, timed(steps, stretches, i, course), course)),
    reason: null
  }
}

function stretchOfLaps (
  laps: readonly Section[],
  { from, to }: { from: number, to: number },
  course: StepCourse
): Stretch {
  const last = laps[to]!
  const { start_s: startS } = laps[from]!
  const endS = last.start_s + last.elapsed_s
  const at = (seconds: number): number => across(course.timeS, course.clockS, seconds)
  return {
    fromS: at(startS),
    toS: at(endS),
    byLaps: { laps: laps.slice(from, to + 1).map(({ index }) => index), startS, endS }
  }
}

/** A stretch with its seconds since the start, pauses included. */
interface Timed extends Stretch {
  startS: number
  endS: number
}

/** A pause next to work belongs to the rest beside it. */
function timed (
  steps: readonly TargetedStep[],
  stretches: ReadonlyArray<Stretch | null>,
  place: number,
  course: StepCourse
): Timed | null {
  const stretch = stretches[place] ?? null
  if (stretch === null) return null
  const before = stretches.findLastIndex((one, i) => i < place && one !== null)
  const isWork = (i: number): boolean => steps[i]?.step.intensity === 'active'
  return {
    startS: stretch.byLaps?.startS ?? secondsAt(course, stretch.fromS, !isWork(before)),
    endS: stretch.byLaps?.endS ?? secondsAt(course, stretch.toS, !isWork(place)),
    ...stretch
  }
}

/** The seconds since the start at a second of the running clock, before a pause there or after it. */
function secondsAt ({ clockS, timeS }: StepCourse, atS: number, isAfter: boolean): number {
  let row = rowAt(clockS, atS - EQUAL_S)
  if (!isAfter || row >= clockS.length || clockS[row]! > atS + EQUAL_S) return across(clockS, timeS, atS)
  while (row + 1 < clockS.length && clockS[row + 1]! <= atS + EQUAL_S) row++
  return timeS[row]!
}

const EQUAL_S = 1e-6

function complianceOf (
  { step: { intensity, end }, target }: TargetedStep,
  index: number,
  stretch: Timed | null,
  course: StepCourse
): StepCompliance {
  const share = stretch === null || target === null ? null : inTarget(course, target).share(stretch.fromS, stretch.toS)
  return {
    index,
    intensity,
    end,
    target,
    done: stretch === null ? null : doneOf(stretch, course),
    in_target_share: rounded(share, 3)
  }
}

function doneOf ({ fromS, toS, startS, endS, byLaps }: Timed, course: StepCourse): StepDone {
  const { clockS, distanceM } = course
  const metres = distanceM === undefined ? null : across(clockS, distanceM, toS) - across(clockS, distanceM, fromS)
  return {
    start_s: rounded(startS, 1)!,
    elapsed_s: rounded(Math.max(0, endS - startS), 1)!,
    distance_m: rounded(metres, 1),
    average_pace_s_per_km: metres === null || metres <= 0 ? null : rounded((toS - fromS) / metres * METRES_PER_KM, 1),
    average_heart_rate_bpm: rounded(meanHeartRate(course, fromS, toS), 1),
    laps: byLaps?.laps ?? null
  }
}

/** Weighted by time; null where no heart rate is known. */
function meanHeartRate ({ clockS, heartRateBpm }: StepCourse, fromS: number, toS: number): number | null {
  if (heartRateBpm === undefined) return null
  let seconds = 0
  let sum = 0
  for (let row = Math.max(1, rowAt(clockS, fromS)); row < clockS.length && clockS[row]! <= toS; row++) {
    const bpm = heartRateBpm[row]!
    if (Number.isNaN(bpm)) continue
    const span = clockS[row]! - clockS[row - 1]!
    seconds += span
    sum += span * bpm
  }
  return seconds > 0 ? sum / seconds : null
}

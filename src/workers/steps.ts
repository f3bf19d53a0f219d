import { unpackStreams } from '../domain/streams/pack.ts'
import { COURSE_FIELDS } from '../domain/workouts/course.ts'
import type { Section } from '../domain/training/sections.ts'
import type { TargetedStep } from '../domain/workouts/run-steps.ts'
import { stepComplianceOf, type StepsAnswer } from '../domain/workouts/step-compliance.ts'

/** What the steps of a workout are compared with. */
export interface StepsTask {
  packed: Uint8Array
  steps: readonly TargetedStep[]
  laps: readonly Section[]
}

/** The work of a thread: unpacks the streams and compares the steps with them. */
export default function stepsTask ({ packed, steps, laps }: StepsTask): StepsAnswer {
  return stepComplianceOf(steps, laps, unpackStreams(packed, COURSE_FIELDS))
}

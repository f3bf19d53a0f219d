import { Type, type Static } from '@sinclair/typebox'
import type { PlanEdit } from '../src/domain/plans/changes.ts'
import { Day, Id, nullable, text } from './common.ts'
import { PlanWeek, RecentResult } from './plans.ts'
import { WorkoutKind, plannedDistanceM, plannedDurationS, steps } from './workouts.ts'

/** More changes than a plan of a year has days. */
const MOST_CHANGES = 500
const MOST_STRETCHES = 20
/** More than the days of a year, in stretches with days between them. */
const MOST_ACCEPTED = 200
/** A week has no more stretches. */
const MOST_OF_WEEK = 7

const Stretch = Type.Object({ from: Day, to: Day }, { additionalProperties: false })

export const AdaptationRequest = Type.Object({
  from: Type.Optional(Type.String({ format: 'date', description: 'The first day that may change; today if it is not given' })),
  recent_result: Type.Optional(RecentResult),
  unavailable: Type.Optional(Type.Array(Stretch, {
    maxItems: MOST_STRETCHES,
    description:
      'Days without running, such as an illness or a journey; both ends included. They take the place of those that were ' +
      'accepted before, from `from` on; without this field these stay. An empty list takes all of them back, and lets ' +
      'weeks that were shortened return to their distance'
  }))
}, {
  additionalProperties: false,
  examples: [{
    recent_result: { distance_m: 5000, time_s: 1410 },
    unavailable: [{ from: '2099-02-09', to: '2099-02-12' }]
  }]
})
export type AdaptationRequest = Static<typeof AdaptationRequest>

const ProposedWorkout = Type.Object({
  date: Day,
  kind: WorkoutKind,
  name: text(200),
  description: nullable(text(10_000)),
  steps: nullable(steps),
  planned_distance_m: nullable(plannedDistanceM),
  planned_duration_s: nullable(plannedDurationS)
}, { additionalProperties: false })

const EXAMPLE = {
  action: 'change',
  workout_id: '01927d3e-8a5b-7cc3-9f00-2a1c5d7e9b10',
  before: {
    date: '2099-02-13',
    kind: 'tempo',
    name: 'Tempo run',
    description: null,
    steps: null,
    planned_distance_m: 9000,
    planned_duration_s: null
  },
  after: {
    date: '2099-02-13',
    kind: 'easy',
    name: 'Easy run',
    description: null,
    steps: null,
    planned_distance_m: 7000,
    planned_duration_s: null
  }
}

const action = (name: string) => Type.String({ enum: [name] })
const unavailable = Type.Optional(Type.Array(Stretch, {
  maxItems: MOST_OF_WEEK, description: 'The days without running in the week of the change, where there are any or were'
}))
const Edit = Type.Union([
  Type.Object({ action: action('add'), after: ProposedWorkout, unavailable }, { additionalProperties: false }),
  Type.Object({ action: action('change'), workout_id: Id, before: ProposedWorkout, after: ProposedWorkout, unavailable }, {
    additionalProperties: false
  }),
  Type.Object({ action: action('remove'), workout_id: Id, before: ProposedWorkout, unavailable }, {
    additionalProperties: false
  })
])
const changes = Type.Unsafe<PlanEdit[]>(Type.Array(Edit, { maxItems: MOST_CHANGES, examples: [[EXAMPLE]] }))

export const ProposedAdaptation = Type.Object({
  changes,
  weeks: Type.Array(PlanWeek, { description: 'The weeks of the plan with the changes; empty for a plan made by hand' }),
  unavailable: Type.Array(Stretch, {
    description: 'The days without running from today on: those accepted before that stay, and those of the request'
  }),
  reasons: Type.Array(Type.String(), { description: 'Why, a sentence each' })
}, { title: 'ProposedAdaptation' })
export type ProposedAdaptation = Static<typeof ProposedAdaptation>

export const AcceptedAdaptation = Type.Object({
  changes,
  unavailable: Type.Optional(Type.Array(Stretch, {
    maxItems: MOST_ACCEPTED,
    description:
      'The days without running from today on, as the proposal has them: later adaptations keep them free. Without this ' +
      'field they are those accepted before and those that `changes` name, less those that `changes` plan runs on'
  }))
}, {
  additionalProperties: false, examples: [{ changes: [EXAMPLE], unavailable: [{ from: '2099-02-09', to: '2099-02-12' }] }]
})

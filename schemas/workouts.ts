import { Type, type Static } from '@sinclair/typebox'
import { INTENSITIES, KINDS, MAX_STEPS, MAX_TIMES, MIN_TIMES } from '../src/domain/workouts/steps.ts'
import { MAX_TEXT } from '../src/domain/workouts/step-text.ts'
import type { ResolvedRepeat, ResolvedStep } from '../src/domain/workouts/target.ts'
import type { WorkoutStep } from '../src/domain/workouts/steps.ts'
import { Day, Id, Moment, PageQuery, nullable, page, text, writtenList } from './common.ts'

export const WorkoutKind = Type.Unsafe<typeof KINDS[number]>({ type: 'string', enum: [...KINDS] })

/** The most workouts in one bulk upsert. */
export const MAX_BULK = 500
/** Enough for as many with as many steps as a workout may have, written as a tree. */
export const MAX_BULK_BYTES = 4 * 1024 * 1024

export const StepEnd = Type.Object({
  type: Type.String({ enum: ['distance', 'time', 'lap_button', 'heart_rate'] }),
  value: Type.Optional(
    Type.Number({ minimum: 1, maximum: 1_000_000, description: 'Metres, seconds or beats per minute; none for lap_button' })
  )
}, { additionalProperties: false, examples: [{ type: 'distance', value: 1000 }] })

const StepTarget = Type.Object({
  type: Type.String({ enum: ['pace', 'heart_rate', 'open'] }),
  low: Type.Optional(Type.Number({
    minimum: 25, maximum: 3600, description: 'Seconds per kilometre (the faster pace) or beats per minute'
  })),
  high: Type.Optional(Type.Number({
    minimum: 25, maximum: 3600, description: 'Seconds per kilometre (the slower pace) or beats per minute'
  })),
  zone: Type.Optional(Type.Integer({ minimum: 1, maximum: 7, description: 'A zone of the runner, instead of a range' }))
}, { additionalProperties: false, examples: [{ type: 'pace', low: 250, high: 260 }] })

const stepFields = {
  type: Type.Literal('step'),
  intensity: Type.String({ enum: [...INTENSITIES] }),
  end: StepEnd,
  target: Type.Optional(StepTarget)
}
const Step = Type.Object(stepFields, { additionalProperties: false })

/** Repeats within repeats, `depth` deep; `Leaf` is the schema of a step. */
function repeatOf (Leaf: ReturnType<typeof Type.Object>, depth: number): ReturnType<typeof Type.Object> {
  const inner = depth > 1 ? Type.Union([Leaf, repeatOf(Leaf, depth - 1)]) : Leaf
  return Type.Object({
    type: Type.Literal('repeat'),
    times: Type.Integer({ minimum: MIN_TIMES, maximum: MAX_TIMES }),
    steps: Type.Array(inner, { minItems: 1, maxItems: MAX_STEPS })
  }, { additionalProperties: false })
}

const EXAMPLE_STEPS = [
  { type: 'step', intensity: 'warmup', end: { type: 'distance', value: 2000 }, target: { type: 'heart_rate', zone: 2 } },
  {
    type: 'repeat',
    times: 4,
    steps: [
      { type: 'step', intensity: 'active', end: { type: 'distance', value: 1000 }, target: { type: 'pace', low: 250, high: 260 } },
      { type: 'step', intensity: 'rest', end: { type: 'time', value: 90 } }
    ]
  }
]

export const steps = Type.Unsafe<WorkoutStep[]>(Type.Array(Type.Union([Step, repeatOf(Step, 2)]), {
  minItems: 1,
  maxItems: MAX_STEPS,
  description: 'A tree of at most 50 steps and repeats; a repeat may contain repeats, which contain none',
  examples: [EXAMPLE_STEPS]
}))
const stepsText = text(MAX_TEXT, 'The steps as text, one a line, instead of `steps`; see docs/WORKOUTS.md for the grammar')

export const ResolvedTarget = nullable(Type.Object({
  type: Type.String({ enum: ['pace', 'heart_rate'] }),
  low: nullable(Type.Number()),
  high: nullable(Type.Number())
}, { description: 'What the target means in s/km or beats per minute, by the runner’s settings of that day' }))
const AnsweredStep = Type.Object({ ...stepFields, resolved: ResolvedTarget })
const resolvedSteps = Type.Unsafe<Array<ResolvedStep | ResolvedRepeat>>(
  writtenList(Type.Union([AnsweredStep, repeatOf(AnsweredStep, 2)]), {
    examples: [[{ ...EXAMPLE_STEPS[0], resolved: { type: 'heart_rate', low: 144.5, high: 153 } }]]
  })
)
const answeredSteps = nullable(resolvedSteps)

export const plannedDistanceM = Type.Number({
  exclusiveMinimum: 0, maximum: 1_000_000, description: 'Metres; where the steps do not tell'
})
export const plannedDurationS = Type.Number({
  exclusiveMinimum: 0, maximum: 1_000_000, description: 'Seconds; where the steps do not tell'
})
const name = text(200)
const description = text(10_000)
const externalId = text(200, 'The id of the workout in the client’s own system; unique in its plan')

export const WorkoutMatch = nullable(Type.Object({
  by: Type.String({ enum: ['rule', 'person'] }),
  reason: Type.String()
}, { description: 'Why the activity belongs to the workout. By a person without an activity: none does' }))

export const Workout = Type.Object({
  id: Id,
  plan_id: Id,
  date: Day,
  kind: WorkoutKind,
  name: Type.String(),
  description: nullable(Type.String()),
  steps: answeredSteps,
  steps_text: nullable(Type.String({ description: 'The same steps as text' })),
  planned_distance_m: nullable(Type.Number({ description: 'Metres, of the steps where they tell' })),
  planned_duration_s: nullable(Type.Number({ description: 'Seconds, of the steps where they tell' })),
  planned_load: nullable(Type.Number({ description: 'The training load to be expected' })),
  external_id: nullable(Type.String()),
  activity_id: nullable(Id),
  match: WorkoutMatch,
  created_at: Moment,
  updated_at: Moment
}, { title: 'Workout' })
export type Workout = Static<typeof Workout>

const fields = {
  date: Day,
  kind: WorkoutKind,
  name,
  description: Type.Optional(description),
  steps: Type.Optional(steps),
  steps_text: Type.Optional(stepsText),
  planned_distance_m: Type.Optional(plannedDistanceM),
  planned_duration_s: Type.Optional(plannedDurationS)
}
const EXAMPLE = { date: '2024-03-05', kind: 'interval', name: '4 × 1 km', steps_text: '- 2km @z2\n- 4x\n  - 1km 4:10-4:20/km\n  - 90s rest' }

export const NewWorkout = Type.Object({ ...fields, external_id: Type.Optional(externalId) }, {
  additionalProperties: false, examples: [EXAMPLE]
})
export type NewWorkout = Static<typeof NewWorkout>

export const WorkoutChange = Type.Object({
  date: Type.Optional(Day),
  kind: Type.Optional(WorkoutKind),
  name: Type.Optional(name),
  description: Type.Optional(nullable(description)),
  steps: Type.Optional(Type.Unsafe<WorkoutStep[] | null>(nullable(steps))),
  steps_text: Type.Optional(nullable(stepsText)),
  planned_distance_m: Type.Optional(nullable(plannedDistanceM)),
  planned_duration_s: Type.Optional(nullable(plannedDurationS)),
  external_id: Type.Optional(nullable(externalId))
}, { additionalProperties: false, minProperties: 1, examples: [{ date: '2024-03-06', name: '5 × 1 km' }] })
export type WorkoutChange = Static<typeof WorkoutChange>

export const WorkoutUpserts = Type.Object({
  workouts: Type.Array(Type.Object({ ...fields, external_id: externalId }, { additionalProperties: false }), {
    minItems: 1, maxItems: MAX_BULK
  })
}, { additionalProperties: false, examples: [{ workouts: [{ ...EXAMPLE, external_id: 'w-17' }] }] })
export type WorkoutUpserts = Static<typeof WorkoutUpserts>

export const UpsertedWorkouts = Type.Object({
  created: Type.Integer({ minimum: 0 }),
  updated: Type.Integer({ minimum: 0 }),
  items: Type.Array(Workout, { description: 'In the order of the request' })
}, { title: 'UpsertedWorkouts' })

export const WorkoutQuery = Type.Object({
  from: Type.Optional(Day),
  to: Type.Optional(Day),
  ...PageQuery
}, { additionalProperties: false })
export type WorkoutQuery = Static<typeof WorkoutQuery>

export const WorkoutParams = Type.Object({ workout_id: Id })
export const WorkoutPage = page(Workout)

export const ActivityLink = Type.Object({ activity_id: Id }, { additionalProperties: false })

export const WorkoutFileQuery = Type.Object({
  format: Type.Unsafe<'fit' | 'json'>({ type: 'string', enum: ['fit', 'json'], default: 'fit' })
}, { additionalProperties: false })

const WorkoutJson = Type.Object({
  id: Id,
  name: Type.String(),
  sport: Type.Unsafe<'running' | 'generic'>({ type: 'string', enum: ['running', 'generic'] }),
  description: nullable(Type.String()),
  steps: resolvedSteps,
  steps_text: nullable(Type.String()),
  updated_at: Moment
}, { title: 'WorkoutFile' })
export type WorkoutJson = Static<typeof WorkoutJson>

/** One of two media types, by `format`. */
export const WorkoutFile = Type.Unsafe<Buffer>({
  description: 'The file',
  content: {
    'application/vnd.ant.fit': { schema: { type: 'string', format: 'binary' } },
    'application/json': { schema: WorkoutJson }
  }
})

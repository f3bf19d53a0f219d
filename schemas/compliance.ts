import { Type } from '@sinclair/typebox'
import type { Band, Status, WorkoutCompliance } from '../src/domain/workouts/compliance.ts'
import type { StepsAnswer } from '../src/domain/workouts/step-compliance.ts'
import { INTENSITIES } from '../src/domain/workouts/steps.ts'
import { Activity } from './activities.ts'
import { Day, Id, nullable } from './common.ts'
import { ResolvedTarget, StepEnd, Workout } from './workouts.ts'

const totals = {
  planned: Type.Integer({ minimum: 0, description: 'Workouts, without days of rest' }),
  on_time: Type.Integer({ minimum: 0 }),
  shifted: Type.Integer({ minimum: 0, description: 'Done on another day' }),
  mean_shift_days: nullable(Type.Number({ description: 'Days early or late, of the shifted ones' })),
  missed: Type.Integer({ minimum: 0 }),
  unplanned: Type.Integer({ minimum: 0, description: 'Runs that belong to no workout' }),
  upcoming: Type.Integer({ minimum: 0 }),
  planned_distance_m: Type.Number({ description: 'Metres' }),
  done_distance_m: Type.Number({ description: 'Metres, of unplanned runs too' })
}
const ratio = nullable(Type.Number({ description: 'Done over planned' }))

const workout = {
  workout_id: Id,
  date: Day,
  status: Type.Unsafe<Status>({ type: 'string', enum: ['on_time', 'shifted', 'missed', 'upcoming'] }),
  activity_id: nullable(Id),
  shift_days: nullable(Type.Integer({ description: 'Negative: early' })),
  ratio: Type.Object({ distance: ratio, duration: ratio, load: ratio }),
  band: Type.Unsafe<Band | null>({ type: ['string', 'null'], enum: ['green', 'yellow', 'red', null] })
}

export const Compliance = Type.Object({
  totals: Type.Object(totals),
  weeks: Type.Array(Type.Object({ start_date: Day, ...totals })),
  workouts: Type.Array(Type.Object(workout))
}, { title: 'Compliance' })

const StepDone = Type.Object({
  start_s: Type.Number({ description: 'Seconds since the start of the activity' }),
  elapsed_s: Type.Number({ description: 'Seconds, pauses included' }),
  distance_m: nullable(Type.Number({ description: 'Metres' })),
  average_pace_s_per_km: nullable(Type.Number({ description: 'Without pauses' })),
  average_heart_rate_bpm: nullable(Type.Number()),
  laps: nullable(Type.Array(Type.Integer(), { description: 'The laps that answer it; null: told from the stream' }))
})

/** One workout with its steps as they were run. */
export const WorkoutDone = Type.Unsafe<WorkoutCompliance & StepsAnswer>(Type.Object({
  ...workout,
  steps: nullable(Type.Array(Type.Object({
    index: Type.Integer({ minimum: 1, description: 'In the order in which they are run' }),
    intensity: Type.String({ enum: [...INTENSITIES] }),
    end: StepEnd,
    target: ResolvedTarget,
    done: nullable(StepDone),
    in_target_share: nullable(Type.Number({
      minimum: 0, maximum: 1, description: 'Of the time in which pace, or heart rate, is known; null: no target, or not known'
    }))
  }), { description: 'Null: see `reason`' })),
  reason: nullable(Type.String({ description: 'Why there are no steps' }))
}, { title: 'WorkoutDone' }))

export const CalendarQuery = Type.Object({ from: Day, to: Day }, { additionalProperties: false })

export const CalendarDay = Type.Object({
  date: Day,
  workouts: Type.Array(Workout),
  activities: Type.Array(Activity)
})

export const Calendar = Type.Object({ days: Type.Array(CalendarDay) }, { title: 'Calendar' })

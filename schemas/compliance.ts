import { Type } from '@sinclair/typebox'
import type { Band, Status } from '../src/domain/workouts/compliance.ts'
import { Activity } from './activities.ts'
import { Day, Id, nullable } from './common.ts'
import { Workout } from './workouts.ts'

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

export const Compliance = Type.Object({
  totals: Type.Object(totals),
  weeks: Type.Array(Type.Object({ start_date: Day, ...totals })),
  workouts: Type.Array(Type.Object({
    workout_id: Id,
    date: Day,
    status: Type.Unsafe<Status>({ type: 'string', enum: ['on_time', 'shifted', 'missed', 'upcoming'] }),
    activity_id: nullable(Id),
    shift_days: nullable(Type.Integer({ description: 'Negative: early' })),
    ratio: Type.Object({ distance: ratio, duration: ratio, load: ratio }),
    band: Type.Unsafe<Band | null>({ type: ['string', 'null'], enum: ['green', 'yellow', 'red', null] })
  }))
}, { title: 'Compliance' })

export const CalendarQuery = Type.Object({ from: Day, to: Day }, { additionalProperties: false })

export const Calendar = Type.Object({
  days: Type.Array(Type.Object({
    date: Day,
    workouts: Type.Array(Workout),
    activities: Type.Array(Activity)
  }))
}, { title: 'Calendar' })

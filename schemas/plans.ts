import { Type, type Static } from '@sinclair/typebox'
import { Day, Id, Moment, PageQuery, nullable, page, text } from './common.ts'

export const PlanStatus = Type.String({ enum: ['draft', 'active', 'completed', 'archived'] })

const distanceM = Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000, description: 'Metres' })
const timeS = Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000, description: 'Seconds' })

export const PlanRace = Type.Object({
  name: Type.Optional(text(200)),
  date: Day,
  distance_m: distanceM,
  target_time_s: Type.Optional(timeS)
}, { additionalProperties: false })

export const Plan = Type.Object({
  id: Id,
  name: Type.String(),
  goal: nullable(Type.String()),
  status: PlanStatus,
  start_date: Day,
  end_date: Day,
  race: nullable(Type.Object({
    name: Type.Optional(Type.String()),
    date: Day,
    distance_m: Type.Number({ description: 'Metres' }),
    target_time_s: Type.Optional(Type.Number({ description: 'Seconds' }))
  })),
  notes: nullable(Type.String()),
  created_at: Moment,
  updated_at: Moment
}, { title: 'Plan' })
export type Plan = Static<typeof Plan>

export const NewPlan = Type.Object({
  name: text(200),
  goal: Type.Optional(text(500)),
  status: Type.Optional(PlanStatus),
  start_date: Day,
  end_date: Day,
  race: Type.Optional(PlanRace),
  notes: Type.Optional(text(10_000))
}, { additionalProperties: false })
export type NewPlan = Static<typeof NewPlan>

export const PlanChange = Type.Object({
  name: Type.Optional(text(200)),
  goal: Type.Optional(nullable(text(500))),
  status: Type.Optional(PlanStatus),
  start_date: Type.Optional(Day),
  end_date: Type.Optional(Day),
  race: Type.Optional(nullable(PlanRace)),
  notes: Type.Optional(nullable(text(10_000)))
}, { additionalProperties: false, minProperties: 1 })
export type PlanChange = Static<typeof PlanChange>

export const PlanQuery = Type.Object({
  status: Type.Optional(PlanStatus),
  from: Type.Optional(Day),
  to: Type.Optional(Day),
  ...PageQuery
}, { additionalProperties: false })
export type PlanQuery = Static<typeof PlanQuery>

export const PlanParams = Type.Object({ plan_id: Id })
export const PlanPage = page(Plan)

import { Type, type Static } from '@sinclair/typebox'
import { MOST_OVERLAPS } from '../src/domain/plans/overlaps.ts'
import { PHASES, type PhaseName } from '../src/domain/plans/outline.ts'
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

export const PlanPhase = Type.Object({
  name: Type.Unsafe<PhaseName>({ type: 'string', enum: [...PHASES] }),
  start_date: Day,
  end_date: Day
})

export const PlanWeek = Type.Object({
  start_date: Day,
  distance_m: Type.Number({ description: 'Metres, without the race' }),
  long_run_distance_m: Type.Number({ description: 'Metres; 0 in a week without a long run' }),
  quality_sessions: Type.Integer({ minimum: 0 }),
  focus: Type.String({ description: 'What the week is for' })
})

/** A plan with the shape that it was generated with, or that of its template. */
export const PlanDetail = Type.Object({
  ...Plan.properties,
  phases: nullable(Type.Array(PlanPhase, { description: 'As it was generated; null: a plan made by hand' })),
  weeks: nullable(Type.Array(PlanWeek, { description: 'As it was generated; null: a plan made by hand' }))
}, { title: 'PlanDetail' })
export type PlanDetail = Static<typeof PlanDetail>

export const GeneratedPlan = Type.Object({
  ...PlanDetail.properties,
  workouts_count: Type.Integer({ minimum: 0 })
}, { title: 'GeneratedPlan' })

const weekday = Type.Integer({ minimum: 1, maximum: 7, description: 'ISO: 1 = Monday … 7 = Sunday' })

export const RecentResult = Type.Object({ distance_m: distanceM, time_s: timeS }, {
  additionalProperties: false, description: 'A race or time trial of the last weeks: the paces follow from it'
})

export const PlanRequestBody = Type.Object({
  race: PlanRace,
  recent_result: RecentResult,
  start_date: Type.Optional(Type.String({ format: 'date', description: 'Today if it is not given' })),
  current_weekly_distance_m: Type.Number({ minimum: 0, maximum: 500_000, description: 'Metres a week, as of late' }),
  runs_per_week: Type.Integer({ minimum: 3, maximum: 7 }),
  long_run_weekday: Type.Optional(weekday),
  name: Type.Optional(text(200))
}, {
  additionalProperties: false,
  examples: [{
    race: { name: 'City half', date: '2099-04-26', distance_m: 21_097.5 },
    recent_result: { distance_m: 10_000, time_s: 3000 },
    start_date: '2099-01-05',
    current_weekly_distance_m: 30_000,
    runs_per_week: 4,
    long_run_weekday: 7
  }]
})
export type PlanRequestBody = Static<typeof PlanRequestBody>

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
const PlanOverlap = Type.Object({
  code: Type.Literal('PLANS_OVERLAP'),
  message: Type.String(),
  plan_ids: Type.Array(Id, { description: 'The two plans' }),
  from: Day,
  to: Day
}, { description: 'Two plans for the same days: a run fulfils one workout only' })

export const PlanPage = Type.Object({
  ...page(Plan).properties,
  warnings: Type.Array(PlanOverlap, {
    maxItems: MOST_OVERLAPS,
    description: 'The first overlaps among the plans of this page, without archived ones; empty: there are none'
  })
}, { title: 'PlanPage' })

export const PlanTemplate = Type.Object({
  id: Type.String({ description: 'The `template_id` of a plan made from it' }),
  name: Type.String(),
  description: Type.String(),
  level: Type.String({ enum: ['beginner', 'advanced'] }),
  distance_m: Type.Number({ description: 'Metres, of the race' }),
  runs_per_week: Type.Integer({ minimum: 1 }),
  weeks_count: Type.Integer({ minimum: 1 }),
  first_week_distance_m: Type.Number({ description: 'Metres; run about so much a week before it starts' }),
  peak_week_distance_m: Type.Number({ description: 'Metres' })
}, { title: 'PlanTemplate' })
export type PlanTemplate = Static<typeof PlanTemplate>

export const PlanTemplateList = Type.Object({
  items: Type.Array(PlanTemplate),
  next_cursor: Type.Null({ description: 'Always null: there is one page' })
}, { title: 'PlanTemplateList' })

export const TemplateChoice = Type.Object({
  template_id: text(100),
  start_date: Type.Optional(Type.String({ format: 'date', description: 'The first day, of a race that is not before today' })),
  race_date: Type.Optional(Type.String({ format: 'date', description: 'Not before today' })),
  name: Type.Optional(text(200))
}, { additionalProperties: false, examples: [{ template_id: 'half-beginner', start_date: '2099-01-05' }] })
export type TemplateChoice = Static<typeof TemplateChoice>

import { Type, type Static } from '@sinclair/typebox'
import { Sport } from './activities.ts'
import { Day, Id, Moment, PageQuery, nullable, page, text } from './common.ts'

const metric = Type.String({
  enum: ['distance', 'duration', 'count', 'elevation_gain'],
  description: 'distance and elevation_gain in metres, duration (moving time) in seconds, count of activities'
})
const period = Type.String({
  enum: ['week', 'month', 'year', 'custom'],
  description: 'week, month and year recur; custom is the days from `from` to `to`'
})
const target = Type.Number({
  exclusiveMinimum: 0, maximum: 100_000_000, description: 'In the unit of the metric; a whole number for count', examples: [100_000]
})
const sport = nullable(Type.String({ ...Sport, description: 'The sport that counts; null: all sports' }))
const from = 'The first day; required for custom, otherwise the goal recurs from then on'
const to = 'The last day, included; required for custom, otherwise the goal recurs until then'
const day = (description: string) => nullable(Type.String({ format: 'date', description }))

/** What a runner wants to reach in a period, and how far that is. */
export const Goal = Type.Object({
  id: Id,
  name: nullable(Type.String()),
  metric,
  period,
  target,
  sport,
  from: day(from),
  to: day(to),
  progress: Type.Object({
    start_date: Day,
    end_date: Day,
    done: Type.Number({ description: 'In the unit of the metric, from start_date to end_date' }),
    target: Type.Number(),
    ratio: Type.Number({ description: 'done / target' }),
    expected_today: Type.Number({ description: 'What an even pace makes of the target until the end of today' }),
    on_track: Type.Boolean({ description: 'Whether done is at least expected_today' })
  }, { description: 'In the period of today, by the calendar of the runner’s time zone and first weekday' }),
  created_at: Moment,
  updated_at: Moment
}, { title: 'Goal' })
export type Goal = Static<typeof Goal>

export const NewGoal = Type.Object({
  name: Type.Optional(text(200)),
  metric,
  period,
  target,
  sport: Type.Optional(nullable(Type.String({ ...Sport, description: 'running if it is not given; null: all sports' }))),
  from: Type.Optional(Type.String({ format: 'date', description: from })),
  to: Type.Optional(Type.String({ format: 'date', description: to }))
}, {
  additionalProperties: false,
  examples: [{ name: 'Marathon training', metric: 'distance', period: 'week', target: 50_000 }]
})
export type NewGoal = Static<typeof NewGoal>

export const GoalChange = Type.Object({
  name: Type.Optional(nullable(text(200))),
  metric: Type.Optional(metric),
  period: Type.Optional(period),
  target: Type.Optional(target),
  sport: Type.Optional(sport),
  from: Type.Optional(day(from)),
  to: Type.Optional(day(to))
}, { additionalProperties: false, minProperties: 1, examples: [{ target: 60_000 }] })
export type GoalChange = Static<typeof GoalChange>

export const GoalQuery = Type.Object(PageQuery, { additionalProperties: false })
export const GoalParams = Type.Object({ goal_id: Id })
export const GoalPage = page(Goal)

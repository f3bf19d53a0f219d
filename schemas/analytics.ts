import { Type, type Static } from '@sinclair/typebox'
import { Sport } from './activities.ts'
import { WorkloadRatio } from './calculators.ts'
import { Day, nullable, Pending } from './common.ts'

const from = (usual: string) => Type.Optional(Type.String({ format: 'date', description: `The first day; ${usual}` }))
const to = (usual: string) => Type.Optional(Type.String({ format: 'date', description: `The last day; ${usual}` }))

const by = { enum: ['day', 'week', 'month', 'year'] }

export const VolumeQuery = Type.Object({
  by: Type.String({ ...by, default: 'week' }),
  from: from('by default the start of the eleventh period before that of `to`'),
  to: to('by default today'),
  sport: Type.Optional(Type.String({ ...Sport, description: 'Only activities of this sport; by default of all' }))
}, { additionalProperties: false })
export type VolumeQuery = Static<typeof VolumeQuery>

export const ZonesQuery = Type.Object({
  from: from('by default the 89th before `to`'),
  to: to('by default today'),
  sport: Type.Optional(Type.String({ ...Sport, description: 'Only activities of this sport; by default of all' }))
}, { additionalProperties: false })
export type ZonesQuery = Static<typeof ZonesQuery>

export const VolumeAnswer = Type.Object({
  by: Type.String(by),
  from: Day,
  to: Day,
  items: Type.Array(Type.Object({
    start_date: Type.String({ format: 'date', description: 'The first day of the period' }),
    distance_m: Type.Number(),
    duration_s: Type.Number({ description: 'Moving time' }),
    count: Type.Integer(),
    elevation_gain_m: Type.Number()
  }))
}, { title: 'Volume' })
export type VolumeAnswer = Static<typeof VolumeAnswer>

export const LoadQuery = Type.Object({
  from: from('by default the 89th before today'),
  to: to('by default today, and with a forecast the 90th after it'),
  forecast: Type.Boolean({ default: false, description: 'Whether planned workouts that are still to be done count' })
}, { additionalProperties: false })
export type LoadQuery = Static<typeof LoadQuery>

const strain = nullable(Type.Number({ description: 'Null of fewer than seven days, or where all seven are equal' }))

export const LoadAnswer = Type.Object({
  days: Type.Array(Type.Object({
    date: Day,
    load: nullable(Type.Number({
      description: 'Of the activities of the day that have a load; 0 on a day of rest, and null where none of them has one'
    })),
    planned_load: nullable(Type.Number({ description: 'Of the workouts still to be done, with `forecast=true`' })),
    ctl: Type.Number({ description: 'Fitness: chronic training load' }),
    atl: Type.Number({ description: 'Fatigue: acute training load' }),
    form_prior_day: Type.Number({ description: 'CTL − ATL of the day before' }),
    form_same_day: Type.Number({ description: 'CTL − ATL of this day' }),
    acwr: WorkloadRatio,
    monotony: strain,
    strain,
    forecast: Type.Boolean({ description: 'Whether the load of this day includes planned load' })
  })),
  models: Type.Object({ fitness: Type.String(), acwr: Type.String(), strain: Type.String() }),
  reason: nullable(Type.String({ description: 'Why a figure is null' })),
  pending: Pending
}, { title: 'Load' })
export type LoadAnswer = Static<typeof LoadAnswer>

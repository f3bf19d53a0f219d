import { Type, type Static } from '@sinclair/typebox'
import { Day, nullable, Pending } from './common.ts'

const figure = (description: string) => nullable(Type.Number({ description }))

/** A lap or a split. */
const Section = Type.Object({
  index: Type.Integer({ minimum: 1, description: 'From 1' }),
  start_s: Type.Number({ description: 'Seconds since the start of the activity' }),
  distance_m: figure('Metres'),
  elapsed_s: Type.Number({ description: 'Seconds' }),
  moving_s: Type.Number({ description: 'Seconds in motion, never more than elapsed_s' }),
  elevation_gain_m: figure('Metres'),
  average_heart_rate_bpm: figure('Beats per minute, weighted by time')
}, {
  title: 'Section',
  examples: [{
    index: 1,
    start_s: 0,
    distance_m: 1000,
    elapsed_s: 312.4,
    moving_s: 309,
    elevation_gain_m: 7.5,
    average_heart_rate_bpm: 148.2
  }]
})

export const Sections = Type.Object({ items: Type.Array(Section) }, { title: 'Sections' })

export const SplitsQuery = Type.Object({
  unit: Type.String({ enum: ['km', 'mi'], default: 'km', description: 'Kilometres or miles' })
}, { additionalProperties: false })

export const BestEfforts = Type.Object({
  items: Type.Array(Type.Object({
    distance_m: Type.Number({ description: 'Metres' }),
    name: Type.String(),
    elapsed_s: Type.Number({ description: 'Seconds, pauses included' }),
    start_s: Type.Number({ description: 'Seconds since the start of the activity' }),
    pace_s_per_km: Type.Number({ description: 'Seconds per kilometre' })
  }, {
    title: 'BestEffort',
    examples: [{ distance_m: 5000, name: '5 km', elapsed_s: 1312.6, start_s: 418.5, pace_s_per_km: 262.52 }]
  }))
}, { title: 'BestEfforts' })

const Zones = Type.Array(Type.Object({
  zone: Type.Integer({ minimum: 0, description: 'From 1; 0: below zone 1, where any time was spent there' }),
  low: Type.Number({ description: 'The lower limit, which belongs to the zone' }),
  high: figure('The upper limit, which belongs to the next zone; null: none'),
  time_s: Type.Number({ description: 'Seconds' })
}, { examples: [{ zone: 2, low: 134, high: 148, time_s: 1260.5 }] }))

const heartRateModel = Type.String({ enum: ['friel', 'karvonen', 'percent_of_max'] })
const paceModel = Type.String({ enum: ['friel'] })
const limits_on = Type.String({
  format: 'date',
  description: 'The limits are those of the settings of this day; time of other days was counted by the limits of theirs'
})

export const ZonesAnswer = Type.Object({
  from: Day,
  to: Day,
  heart_rate: nullable(Type.Object({
    model: heartRateModel,
    limits_on,
    zones: Zones,
    other_models_s: Type.Number({
      description: 'Seconds in zones of another model, which the zones do not include: of other sports or settings'
    })
  }, { description: 'Limits in beats per minute, of the model with the most time' })),
  pace: nullable(Type.Object({
    model: paceModel,
    limits_on,
    zones: Zones
  }, { description: 'Of running. Limits in seconds per kilometre; zone 1 is the slowest' })),
  reason: nullable(Type.String({ description: 'Why a figure is null' })),
  pending: Pending
}, { title: 'Zones' })
export type ZonesAnswer = Static<typeof ZonesAnswer>

export const ZoneTimes = Type.Object({
  heart_rate: nullable(Type.Object({
    model: heartRateModel,
    zones: Zones
  }, { description: 'Limits in beats per minute. Null without a heart rate, or without settings for its zones' })),
  pace: nullable(Type.Object({
    model: paceModel,
    zones: Zones
  }, {
    description:
      'Limits in seconds per kilometre; zone 1 is the slowest. Null without a distance or a threshold pace, and for ' +
      'other sports than running'
  }))
}, { title: 'ZoneTimes' })

export const Crop = Type.Object({
  from_s: Type.Number({ description: 'Seconds since the start of the recording' }),
  to_s: Type.Number({ description: 'Seconds since the start of the recording' })
}, { additionalProperties: false, title: 'Crop', examples: [{ from_s: 30, to_s: 1740 }] })
export type Crop = Static<typeof Crop>

import { Type, type Static } from '@sinclair/typebox'
import { nullable } from './common.ts'

const Seconds = Type.Number({ description: 'Seconds' })
const Pace = Type.Number({ description: 'Seconds per kilometre' })

export const RaceQuery = Type.Object({
  distance_m: Type.Number({ exclusiveMinimum: 0, description: 'Metres', examples: [10_000] }),
  time_s: Type.Number({ description: 'Seconds: 60 to 21,600', examples: [2400] })
}, { additionalProperties: false })

/** Paces of the kinds of training. */
export const TrainingPaces = Type.Object({
  easy: Type.Object({ fast_s_per_km: Pace, slow_s_per_km: Pace }),
  marathon: Pace,
  threshold: Pace,
  interval: Pace,
  repetition: Pace
}, { title: 'TrainingPaces' })

/** The times of an equal performance over another distance. */
export const RaceEquivalent = Type.Object({
  distance_m: Type.Number({ description: 'Metres' }),
  name: Type.String(),
  daniels_s: Seconds,
  riegel_s: Seconds,
  cameron_s: Seconds,
  riegel_extrapolated: Type.Boolean({
    description: 'The distances are more than four times apart: further than Riegel’s law was made for'
  })
}, { title: 'RaceEquivalent' })

export const RaceModels = Type.Object({
  daniels: Type.String(),
  riegel: Type.String(),
  cameron: Type.String()
}, { title: 'RaceModels', description: 'The model behind each figure' })

export const RaceCalculation = Type.Object({
  vdot: Type.Number({ description: 'ml per kg and minute' }),
  extrapolated: Type.Boolean({ description: 'The time is outside the 3.5 to 240 minutes that the formula was made for' }),
  training_paces: TrainingPaces,
  equivalents: Type.Array(RaceEquivalent),
  models: RaceModels
}, { title: 'RaceCalculation' })
export type RaceCalculation = Static<typeof RaceCalculation>

export const LoadModelQuery = Type.Object({
  loads: Type.String({
    minLength: 1,
    maxLength: 6000,
    description: '1 to 400 daily loads, oldest first, with commas between them; a day without training is 0',
    examples: ['30,0,45,30,0,60,0']
  })
}, { additionalProperties: false })

/** The acute over the chronic load, three ways. */
export const WorkloadRatio = Type.Object({
  rolling: nullable(Type.Number()),
  ewma: nullable(Type.Number()),
  uncoupled: nullable(Type.Number())
}, { title: 'WorkloadRatio', description: 'Null until there are 28 days, or where the chronic load is 0' })

const monotony = nullable(Type.Number({ description: 'Null of fewer than seven days, or where all seven are equal' }))

export const LoadModelCalculation = Type.Object({
  days: Type.Array(Type.Object({
    ctl: Type.Number({ description: 'Fitness: chronic training load' }),
    atl: Type.Number({ description: 'Fatigue: acute training load' }),
    form_same_day: Type.Number({ description: 'CTL − ATL of this day' }),
    form_prior_day: Type.Number({ description: 'CTL − ATL of the day before' })
  })),
  acwr: WorkloadRatio,
  monotony,
  strain: monotony,
  models: Type.Object({ fitness: Type.String(), acwr: Type.String(), strain: Type.String() })
}, { title: 'LoadModelCalculation' })
export type LoadModelCalculation = Static<typeof LoadModelCalculation>

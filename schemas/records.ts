import { Type, type Static } from '@sinclair/typebox'
import { RaceEquivalent, RaceModels, TrainingPaces } from './calculators.ts'
import { Day, Id, nullable } from './common.ts'

const period = { enum: ['all', 'year', '90d'], description: 'All time, this calendar year, or the last 90 days' }

export const RecordsQuery = Type.Object({
  period: Type.String({ ...period, default: 'all' })
}, { additionalProperties: false })

const Effort = Type.Object({ elapsed_s: Type.Number(), activity_id: Id, date: Day })

export const RecordsAnswer = Type.Object({
  period: Type.String(period),
  items: Type.Array(Type.Object({
    distance_m: Type.Number(),
    name: Type.String(),
    best: Effort,
    top: Type.Array(Effort, { description: 'The ten fastest, fastest first' }),
    history: Type.Array(Effort, { description: 'Those that were the fastest when they were run, oldest first' })
  }))
}, { title: 'Records' })
export type RecordsAnswer = Static<typeof RecordsAnswer>

export const FitnessAnswer = Type.Object({
  vdot: nullable(Type.Number({ description: 'Of the effort, as it was run' })),
  effort: nullable(Type.Object({
    activity_id: Id,
    distance_m: Type.Number(),
    elapsed_s: Type.Number(),
    date: Day,
    why: Type.String({ description: 'Why this effort was taken' })
  })),
  predictions: Type.Array(RaceEquivalent),
  training_paces: nullable(TrainingPaces),
  critical_speed: nullable(Type.Object({
    speed_m_per_s: Type.Number(),
    d_prime_m: Type.Number({ description: 'The distance that can be run above critical speed' }),
    r_squared: Type.Number({ description: 'How well the efforts are on a line, 0 to 1' })
  })),
  reason: nullable(Type.String({ description: 'Why a figure is null' })),
  models: RaceModels
}, { title: 'Fitness' })
export type FitnessAnswer = Static<typeof FitnessAnswer>

import { Type, type Static } from '@sinclair/typebox'
import { Day, Id, Moment, PageQuery, nullable, page } from './common.ts'

export const Sex = Type.String({ enum: ['male', 'female'] })

const maxHeartRate = Type.Integer({ minimum: 100, maximum: 240, description: 'Beats per minute' })
const restingHeartRate = Type.Integer({ minimum: 25, maximum: 120, description: 'Beats per minute' })
const thresholdHeartRate = Type.Integer({
  minimum: 80,
  maximum: 230,
  description: 'Beats per minute that the runner can sustain for an hour'
})
const thresholdPace = Type.Number({
  minimum: 120,
  maximum: 1200,
  description: 'Seconds per kilometre that the runner can sustain for an hour'
})

/** A runner's physiological values from a day on. A null value is not given; the previous one stays in force. */
export const Physiology = Type.Object({
  id: Id,
  valid_from: Day,
  sex: nullable(Sex),
  max_heart_rate_bpm: nullable(maxHeartRate),
  resting_heart_rate_bpm: nullable(restingHeartRate),
  threshold_heart_rate_bpm: nullable(thresholdHeartRate),
  threshold_pace_s_per_km: nullable(thresholdPace),
  created_at: Moment
}, { title: 'Physiology' })
export type Physiology = Static<typeof Physiology>

// The day and at least one value.
export const NewPhysiology = Type.Object(
  {
    valid_from: Day,
    sex: Type.Optional(Sex),
    max_heart_rate_bpm: Type.Optional(maxHeartRate),
    resting_heart_rate_bpm: Type.Optional(restingHeartRate),
    threshold_heart_rate_bpm: Type.Optional(thresholdHeartRate),
    threshold_pace_s_per_km: Type.Optional(thresholdPace)
  },
  {
    additionalProperties: false,
    minProperties: 2,
    examples: [
      {
        valid_from: '2025-01-01',
        max_heart_rate_bpm: 190,
        resting_heart_rate_bpm: 50,
        threshold_heart_rate_bpm: 170,
        threshold_pace_s_per_km: 270
      }
    ]
  }
)
export type NewPhysiology = Static<typeof NewPhysiology>

export const PhysiologyQuery = Type.Object(PageQuery, { additionalProperties: false })
export const PhysiologyParams = Type.Object({ physiology_id: Id })
export const PhysiologyPage = page(Physiology)

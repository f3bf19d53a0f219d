import { Type } from '@sinclair/typebox'
import { STREAM_FIELDS, type StreamField } from '../src/domain/streams/fields.ts'
import { nullable } from './common.ts'

const FEWEST_POINTS = 10
const MOST_POINTS = 10_000

const stream = (description: string) => Type.Array(nullable(Type.Number()), { description })

const columns = {
  time_s: stream('Seconds since the start'),
  distance_m: stream('Metres since the start'),
  latitude_deg: stream('Degrees, WGS 84'),
  longitude_deg: stream('Degrees, WGS 84'),
  altitude_m: stream('Metres'),
  heart_rate_bpm: stream('Beats per minute'),
  cadence_spm: stream('Steps per minute of both feet'),
  speed_m_per_s: stream('Metres per second; of the distance over 10 s where the device recorded none'),
  power_w: stream('Watts')
} satisfies Record<StreamField, unknown>

export const Streams = Type.Object({
  points: Type.Integer({ minimum: 0, maximum: MOST_POINTS, description: 'The length of each stream' }),
  streams: Type.Partial(Type.Object(columns))
}, {
  title: 'Streams',
  examples: [{ points: 3, streams: { time_s: [0, 1, 2], heart_rate_bpm: [121, null, 122] } }]
})

const ONE = `(${STREAM_FIELDS.join('|')})`

export const StreamsQuery = Type.Object({
  fields: Type.Optional(Type.String({
    pattern: `^${ONE}(,${ONE})*$`,
    maxLength: 500,
    description: `A comma-separated list of ${STREAM_FIELDS.join(', ')}; all of them by default`
  })),
  points: Type.Integer({
    minimum: FEWEST_POINTS,
    maximum: MOST_POINTS,
    default: MOST_POINTS,
    description: 'At most so many points; more records are sampled down to as many'
  })
}, { additionalProperties: false })

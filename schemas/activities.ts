import { Type, type Static } from '@sinclair/typebox'
import { WARNING_CODES } from '../src/domain/warnings.ts'
import { Day, Id, Moment, PageQuery, nullable, page, text } from './common.ts'

export const Sport = Type.String({ enum: ['running', 'cycling', 'swimming', 'walking', 'hiking', 'strength', 'other'] })
export const SubSport = Type.String({ enum: ['road', 'trail', 'track', 'treadmill'] })
export const FileFormat = Type.String({ enum: ['fit', 'gpx', 'tcx', 'manual'] })

const figure = (description: string) => nullable(Type.Number({ description }))

/** One activity and its figures. A figure that cannot be computed is null, never 0. */
export const Activity = Type.Object({
  id: Id,
  sport: Sport,
  sub_sport: nullable(SubSport),
  name: nullable(Type.String()),
  start_time: Moment,
  timezone: Type.String({ description: 'IANA time zone that determines local_date' }),
  local_date: Day,
  distance_m: figure('Metres; as measured by the device if the file has it'),
  elapsed_s: figure('Seconds from the first to the last sample'),
  moving_s: figure('Seconds in motion, never more than elapsed_s'),
  elevation_gain_m: figure('Metres, smoothed'),
  elevation_loss_m: figure('Metres, smoothed'),
  average_heart_rate_bpm: figure('Beats per minute, weighted by time'),
  max_heart_rate_bpm: figure('Beats per minute'),
  average_cadence_spm: figure('Steps per minute'),
  average_pace_s_per_km: figure('Seconds per kilometre over moving time'),
  grade_adjusted_pace_s_per_km: figure('Seconds per kilometre on flat ground at the same energy cost (Minetti)'),
  elevation: nullable(Type.Object({
    threshold_m: Type.Number({ description: 'Metres; a climb or a descent of less is noise' }),
    source: Type.String({ enum: ['barometer', 'gps', 'unknown'] })
  }, { description: 'How the elevation figures were computed; null if it is not known' })),
  crop: nullable(Type.Object({
    from_s: Type.Number({ description: 'Seconds since the start of the recording' }),
    to_s: Type.Number({ description: 'Seconds since the start of the recording' })
  }, { description: 'The part of the recording that the figures are computed from; null: all of it' })),
  load: figure('Training load'),
  load_model: nullable(Type.String({ enum: ['rtss', 'hrtss', 'session_rpe'] })),
  perceived_effort: figure('0 to 10'),
  is_race: Type.Boolean(),
  gear_id: nullable(Id),
  notes: nullable(Type.String()),
  workout_id: nullable(Id),
  match: nullable(Type.Object({ by: Type.String({ enum: ['rule', 'person'] }), reason: Type.String() })),
  source: Type.Object({
    format: FileFormat,
    device: nullable(Type.String()),
    file_name: nullable(Type.String()),
    size_bytes: nullable(Type.Integer()),
    sha256: nullable(Type.String({ description: 'SHA-256 of the original file, uncompressed, in hexadecimal' }))
  }),
  device: nullable(Type.Object({
    distance_m: figure('Metres'),
    elapsed_s: figure('Seconds'),
    timer_s: figure('Seconds with the timer running'),
    elevation_gain_m: figure('Metres')
  }, { description: 'The figures reported by the device, for comparison with the computed ones' })),
  laps_count: Type.Integer({ minimum: 0 }),
  created_at: Moment,
  updated_at: Moment
}, { title: 'Activity' })
export type Activity = Static<typeof Activity>

export const ActivityQuery = Type.Object({
  from: Type.Optional(Day),
  to: Type.Optional(Day),
  sport: Type.Optional(Sport),
  min_distance_m: Type.Optional(Type.Number({ minimum: 0, maximum: 1e9 })),
  max_distance_m: Type.Optional(Type.Number({ minimum: 0, maximum: 1e9 })),
  is_race: Type.Optional(Type.Boolean()),
  gear_id: Type.Optional(Id),
  q: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'Text in the name or the notes' })),
  ...PageQuery
}, { additionalProperties: false })
export type ActivityQuery = Static<typeof ActivityQuery>

/** The longest activity that can be entered: a fortnight. */
const LONGEST_S = 14 * 86_400
const perceivedEffort = Type.Number({ minimum: 0, maximum: 10, description: 'Session RPE, 0 (rest) to 10 (maximal)' })

/** An activity entered by hand. */
export const ManualActivity = Type.Object({
  sport: Sport,
  sub_sport: Type.Optional(SubSport),
  name: Type.Optional(text(200)),
  start_time: Type.String({ format: 'date-time', description: 'ISO 8601, with any offset' }),
  distance_m: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000_000, description: 'Metres' })),
  elapsed_s: Type.Number({ exclusiveMinimum: 0, maximum: LONGEST_S, description: 'Seconds from start to end' }),
  moving_s: Type.Optional(Type.Number({
    exclusiveMinimum: 0, maximum: LONGEST_S, description: 'Seconds in motion; elapsed_s if it is not given'
  })),
  average_heart_rate_bpm: Type.Optional(
    Type.Number({ minimum: 25, maximum: 250, description: 'Beats per minute' })
  ),
  perceived_effort: Type.Optional(perceivedEffort),
  is_race: Type.Optional(Type.Boolean()),
  gear_id: Type.Optional(nullable(Type.String({
    format: 'uuid', description: 'The default gear of the sport if it is not given; null: no gear'
  }))),
  notes: Type.Optional(text(10_000))
}, {
  additionalProperties: false,
  examples: [{
    sport: 'running',
    name: 'Treadmill intervals',
    start_time: '2024-03-01T06:30:00.000Z',
    distance_m: 10_000,
    elapsed_s: 3024,
    moving_s: 2985,
    average_heart_rate_bpm: 146,
    perceived_effort: 6
  }]
})
export type ManualActivity = Static<typeof ManualActivity>

/** The fields of an activity that its owner may change. */
export const ActivityChange = Type.Object({
  name: Type.Optional(nullable(text(200))),
  notes: Type.Optional(nullable(text(10_000))),
  sport: Type.Optional(Sport),
  sub_sport: Type.Optional(nullable(SubSport)),
  perceived_effort: Type.Optional(nullable(perceivedEffort)),
  is_race: Type.Optional(Type.Boolean()),
  gear_id: Type.Optional(nullable(Id)),
  start_time: Type.Optional(
    Type.String({ format: 'date-time', description: 'ISO 8601, with any offset; only of an activity entered by hand' })
  )
}, {
  additionalProperties: false,
  minProperties: 1,
  examples: [{ name: 'Morning run', perceived_effort: 4, is_race: false, notes: 'Felt easy all the way.' }]
})
export type ActivityChange = Static<typeof ActivityChange>

export const ActivityParams = Type.Object({ activity_id: Id })
export const ExportQuery = Type.Object({
  format: Type.Unsafe<'gpx' | 'tcx' | 'fit'>(Type.String({ enum: ['gpx', 'tcx', 'fit'], description: 'The format of the file' }))
}, { additionalProperties: false })
export const ActivityPage = page(Activity)

export const ImportQuery = Type.Object(
  {
    allow_duplicate: Type.Boolean({
      default: false,
      description: 'Import the activity even if it was already imported from a different file'
    }),
    replace: Type.Boolean({
      default: false,
      description:
        'Put this recording in the place of that of the same activity, unless that one is better; the activity keeps ' +
        'its id and what was changed by hand'
    })
  },
  { additionalProperties: false }
)

export const ImportWarning = Type.Object({
  code: Type.String({ enum: Object.keys(WARNING_CODES), description: 'What was wrong; docs/IMPORTS.md lists the codes' }),
  message: Type.String()
}, { title: 'ImportWarning' })

export const ImportedActivity = Type.Object({
  activity: Activity,
  activities: Type.Optional(Type.Array(Activity, { description: 'All activities, if the file contains several' })),
  warnings: Type.Optional(Type.Array(Type.String(), { description: 'Damage found in the file, and how it was handled' })),
  warning_details: Type.Optional(Type.Array(ImportWarning, { description: 'The same warnings, each with its code' })),
  duplicate: Type.Optional(Type.Boolean({ description: 'True if the same file was imported before' }))
}, { title: 'ImportedActivity' })
export type ImportedActivity = Static<typeof ImportedActivity>

import { cropped, type Crop } from '../crop.ts'
import type { Columns, Recording } from '../recording.ts'
import type { Sport, SubSport } from '../sports.ts'
import { stepsOf, STREAM_FIELDS, type StreamColumns, type StreamField, type Streams } from '../streams/fields.ts'
import type { Warning } from '../warnings.ts'
import { basisOf } from './basis.ts'
import { bestEfforts, type BestEffort } from './best-efforts.ts'
import { curveOf, valueAt, type Curve } from './curve.ts'
import { lapsOf } from './laps.ts'
import { heartRateTimes, type HeartRateTimes } from './load.ts'
import { gradedSpeedOf } from './pace.ts'
import { courseOf, scaledTo, type Section } from './sections.ts'
import { splitsOf } from './splits.ts'
import { figuresOf, type ActivitySummary } from './summary.ts'
import { speedTimes } from './zones.ts'

/** What is computed of a recording, beside its streams. */
export interface RecordingFigures {
  summary: ActivitySummary
  /** With the timer running; null where there are no records. */
  activeS: number | null
  /** Normalized graded speed in m/s, null where there is no distance. */
  gradedSpeedMPerS: number | null
  heartRateTimes: HeartRateTimes
  /** Seconds at each speed in m/s. */
  speedTimes: Array<[number, number]>
  laps: Section[]
  splits: { km: Section[], mi: Section[] }
  /** Of running alone. */
  bestEfforts: BestEffort[]
  /** Of the whole recording, where this is a part of it. */
  wholeElapsedS: number
}

/** What the owner of an activity has made of its recording. */
export interface Edits {
  sport: Sport
  subSport: SubSport | null
  crop: Crop | null
}

/** Everything that is known of a recording. */
export interface Computed {
  figures: RecordingFigures
  /** The columns that the figures are told by. */
  streams: Streams
  /** What was wrong with the sources of the figures. */
  warnings: Warning[]
}

/** Computes a recording, or what its owner has made of it. */
export function activityFiguresOf (recording: Recording, edits?: Edits): Computed {
  if (edits === undefined) return figuresOfWhole(recording)
  const { crop, sport, subSport } = edits
  const whole = { ...recording, sport, subSport }
  if (crop === null) return figuresOfWhole(whole)
  const { distance_m, elapsed_s, device } = figuresOf(whole).summary
  const computed = figuresOfWhole(partOf(whole, crop, distance_m))
  const summary = { ...computed.figures.summary, device }
  return { ...computed, figures: { ...computed.figures, summary, wholeElapsedS: elapsed_s } }
}

/** The recording that an activity is made of: of its sport, and the part that its owner chose. */
export function editedRecording (recording: Recording, { sport, subSport, crop }: Edits): Recording {
  const whole = { ...recording, sport, subSport }
  return crop === null ? whole : partOf(whole, crop, figuresOf(whole).summary.distance_m)
}

function partOf (whole: Recording, crop: Crop, distanceM: number | null): Recording {
  const { columns } = whole
  return cropped({ ...whole, columns: { ...columns, distanceM: scaledTo(whole, distanceM) } }, crop)
}

function figuresOfWhole (recording: Recording): Computed {
  const { columns, laps, sport } = recording
  const basis = basisOf(recording)
  const { activeS, adjustedM } = basis
  const { summary, warnings } = figuresOf(recording, basis)
  const course = courseOf(recording, summary, basis)
  const isCovered = summary.distance_m !== null
  // A distance that cannot be is in no stream either, nor a speed that follows from it.
  const distanceM = isCovered
    ? scaledTo(recording, summary.distance_m)
    : columns.distanceM.map(() => Number.NaN)
  const covered = curveOf(activeS, distanceM)
  const lapped = lapsOf(laps, course, sport)
  return {
    figures: {
      summary,
      activeS: activeS.at(-1) ?? null,
      gradedSpeedMPerS: isCovered ? gradedSpeedOf(columns, activeS, adjustedM) : null,
      heartRateTimes: heartRateTimes(activeS, columns.heartRateBpm),
      speedTimes: speedTimes(covered),
      laps: lapped.laps,
      splits: { km: splitsOf(course, 'km'), mi: splitsOf(course, 'mi') },
      bestEfforts: sport === 'running' && isCovered ? bestEfforts(course.distanceM) : [],
      wholeElapsedS: summary.elapsed_s
    },
    streams: streamsOf({ ...columns, distanceM }, isCovered ? course.distanceM : covered),
    warnings: [...warnings, ...lapped.warnings]
  }
}

const COLUMN_OF: Record<StreamField, keyof Columns> = {
  time_s: 'timeS',
  distance_m: 'distanceM',
  latitude_deg: 'latitudeDeg',
  longitude_deg: 'longitudeDeg',
  altitude_m: 'altitudeM',
  heart_rate_bpm: 'heartRateBpm',
  cadence_spm: 'cadenceSpm',
  speed_m_per_s: 'speedMPerS',
  power_w: 'powerW'
}

function streamsOf (columns: Columns, distanceM: Curve): Streams {
  const streams: StreamColumns = {}
  for (const field of STREAM_FIELDS) {
    const column = stepsOf(field, columns[COLUMN_OF[field]])
    if (column !== undefined) streams[field] = column
  }
  const hasSpeed = streams.speed_m_per_s !== undefined || distanceM.timeS.length < 2
  const speed = hasSpeed ? undefined : stepsOf('speed_m_per_s', speedsOf(columns.timeS, distanceM))
  if (speed !== undefined) streams.speed_m_per_s = speed
  return { records: columns.timeS.length, columns: streams }
}

/** The speed at a record is that over so many seconds around it, where the device recorded none. */
const WINDOW_S = 10

function speedsOf (timeS: Float64Array, distanceM: Curve): Float64Array {
  const startS = distanceM.timeS[0]!
  const endS = distanceM.timeS.at(-1)!
  return timeS.map((time) => {
    const fromS = Math.max(startS, time - WINDOW_S / 2)
    const toS = Math.min(endS, time + WINDOW_S / 2)
    return toS > fromS ? (valueAt(distanceM, toS) - valueAt(distanceM, fromS)) / (toS - fromS) : Number.NaN
  })
}

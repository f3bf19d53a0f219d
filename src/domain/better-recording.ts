import type { Sport } from './sports.ts'

/** What tells the better of two recordings of one activity. */
export interface RecordingQuality {
  sport: Sport
  /** `fit`, `tcx` or `gpx`. */
  format: string
  distance_m: number | null
  elapsed_s: number | null
  average_heart_rate_bpm: number | null
  average_cadence_spm: number | null
  elevation_source: string | null
}

/** Recordings whose times differ by less are equally long. */
const SAME_TIME = 0.02
/** FIT is what devices write themselves; GPX is what has most often passed through another program. */
const FORMATS = ['gpx', 'tcx', 'fit']
const HEIGHTS = ['unknown', 'gps', 'barometer']

/**
 * Whether a recording is better than the one of the same activity that is there: it has more kinds of measurements
 * (distance, heart rate, cadence); with as many, it is longer; as long, its heights are measured better; else its
 * format is nearer to the device. Of equals the one that is there stays.
 */
export function isBetterRecording (one: RecordingQuality, there: RecordingQuality): boolean {
  if (one.sport !== there.sport) return false
  const [kinds, kindsThere] = [kindsOf(one), kindsOf(there)]
  if (kinds !== kindsThere) return kinds > kindsThere
  const [seconds, secondsThere] = [one.elapsed_s ?? 0, there.elapsed_s ?? 0]
  if (Math.abs(seconds - secondsThere) > SAME_TIME * Math.max(seconds, secondsThere)) return seconds > secondsThere
  const [heights, heightsThere] = [one, there].map((each) => HEIGHTS.indexOf(each.elevation_source ?? ''))
  if (heights !== heightsThere) return heights! > heightsThere!
  return FORMATS.indexOf(one.format) > FORMATS.indexOf(there.format)
}

type Measured = Pick<RecordingQuality, 'distance_m' | 'average_heart_rate_bpm' | 'average_cadence_spm'>

/** A recording that lacks more of the time is a part of the other one, whatever it measured. */
const PART_BELOW = 0.9

/**
 * Whether a recording that is to replace the one that is there would lose something: it is a part of it, or has fewer
 * kinds of measurements, or has as many and is shorter. Of equals the one that its owner asks for is taken.
 */
export function isWorseRecording (
  one: Measured & Pick<RecordingQuality, 'elapsed_s'>,
  there: Measured & Pick<RecordingQuality, 'elapsed_s'>
): boolean {
  const [seconds, secondsThere] = [one.elapsed_s ?? 0, there.elapsed_s ?? 0]
  if (seconds < secondsThere * PART_BELOW) return true
  // What has a part only may have measured more.
  if (secondsThere < seconds * PART_BELOW) return false
  const [kinds, kindsThere] = [kindsOf(one), kindsOf(there)]
  return kinds === kindsThere ? seconds < secondsThere * (1 - SAME_TIME) : kinds < kindsThere
}

function kindsOf ({ distance_m, average_heart_rate_bpm, average_cadence_spm }: Measured): number {
  return [distance_m, average_heart_rate_bpm, average_cadence_spm].filter((figure) => figure !== null).length
}

import type { DeviceFigures, DeviceMeans, Recording } from '../recording.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { recordingOf } from './assemble.ts'
import type { PauseMs } from './clock.ts'
import { sportOf } from './gpx.ts'
import type { FileLap } from './laps.ts'
import { numberIn } from './numerals.ts'
import { PointBuffer } from './points.ts'
import type { Point } from './points.ts'
import { heightSourceOfText, tidyText, unreadable } from './unreadable.ts'
import { momentOf, readXml } from './xml.ts'
import type { XmlListener } from './xml.ts'

interface Activity {
  sport: string | null
  notes: string | null
  deviceName: string | null
  idMs: number
  laps: FileLap[]
  points: PointBuffer
  pausesMs: PauseMs[]
}

/** An activity of the same sport that begins as soon after the one before, in ms, goes on with it. */
const JOINED_MS = 60_000
const MAX_ACTIVITIES = 1000
const MAX_LAPS = 10_000

/** The values of a track point or its extensions, by the name of the element. */
const FIGURES: Record<string, keyof Point> = {
  LatitudeDegrees: 'latitudeDeg',
  LongitudeDegrees: 'longitudeDeg',
  AltitudeMeters: 'altitudeM',
  DistanceMeters: 'distanceM',
  Cadence: 'cadence',
  RunCadence: 'cadence',
  Speed: 'speedMPerS',
  Watts: 'powerW'
}

/** What was read of a document. */
interface Document extends XmlListener {
  activities: Activity[]
  /** The other kinds of content. */
  seen: Set<string>
  tooMany: boolean
}

/**
 * The activities of a TCX file: one for each `<Activity>`, including those of a multisport session, but for those of
 * one sport that follow each other without a break, which are one. A new track within a lap follows a pause.
 *
 * Throws UNREADABLE_FILE for courses and workouts, which are not recordings.
 */
export function decodeTcx (bytes: Uint8Array): Recording[] {
  const { listener, warnings } = readXml(bytes, listening)
  if (listener.tooMany) warnings.push(warning('LIMIT_REACHED', `Activities after the first ${MAX_ACTIVITIES} ignored`))
  return recordingsOf(joined(listener.activities), listener.seen, warnings)
}

function listening (): Document {
  const path: string[] = []
  let activity: Activity | undefined
  let lap: FileLap | undefined
  let point: Point | undefined
  let newTrack = false
  let lapPoints = 0
  let unread = { time: false, values: 0 }
  const document: Document = {
    activities: [],
    seen: new Set(),
    tooMany: false,
    open (name, attributes) {
      path.push(name)
      if (name === 'Trackpoint') {
        point = { timeMs: Number.NaN }
        unread = { time: false, values: 0 }
      } else if (name === 'Track') {
        newTrack = lapPoints > 0
      } else if (name === 'Lap' && activity) {
        lapPoints = 0
        lap = emptyLap(momentOf(attributes.StartTime ?? ''))
        if (activity.laps.length < MAX_LAPS) activity.laps.push(lap)
      } else if (name === 'Activity') {
        if (document.activities.length >= MAX_ACTIVITIES) {
          document.tooMany = true
          return
        }
        activity = {
          sport: tidyText(attributes.Sport),
          notes: null,
          deviceName: null,
          idMs: Number.NaN,
          laps: [],
          points: new PointBuffer(),
          pausesMs: []
        }
        document.activities.push(activity)
      } else if (name === 'Course' || name === 'Workout') {
        document.seen.add(name)
      }
    },
    close (name, text) {
      path.pop()
      if (point) {
        if (name === 'Trackpoint') {
          if (activity) {
            addPoint(activity, point, newTrack)
            activity.points.unreadableValues += unread.values
            if (unread.time) activity.points.unreadableTimes++
          }
          if (!Number.isNaN(point.timeMs)) {
            // A lap without a start begins with its first point.
            if (lap && Number.isNaN(lap.startMs)) lap.startMs = point.timeMs
            lapPoints++
            newTrack = false
          }
          point = undefined
        } else {
          takeFigure(point, name, path.at(-1), text, unread)
        }
      } else if (name === 'Lap') {
        lap = undefined
      } else if (name === 'Activity') {
        activity = undefined
      } else if (lap) {
        takeOfLap(lap, name, path.at(-1), text)
      } else if (activity) {
        takeOfActivity(activity, name, path.at(-1), text)
      }
    }
  }
  return document
}

function addPoint ({ points, pausesMs }: Activity, point: Point, newTrack: boolean): void {
  if (newTrack && points.length > 0 && !Number.isNaN(point.timeMs)) {
    pausesMs.push({ startMs: points.timeMsAt(points.length - 1), endMs: point.timeMs })
  }
  points.push(point)
}

function takeFigure (
  point: Point,
  name: string,
  parent: string | undefined,
  text: string,
  unread: { time: boolean, values: number }
): void {
  if (name === 'Time') {
    point.timeMs = momentOf(text)
    unread.time = Number.isNaN(point.timeMs) && text.trim() !== ''
    return
  }
  // Some programs write the heart rate without the element of its value.
  const key = name === 'HeartRateBpm' || (name === 'Value' && parent === 'HeartRateBpm')
    ? 'heartRateBpm'
    : Object.hasOwn(FIGURES, name) ? FIGURES[name]! : undefined
  const value = key && numberIn(text)
  if (key === undefined || value === undefined) return
  if (Number.isNaN(value)) unread.values++
  else point[key] = value
}

function takeOfLap (lap: FileLap, name: string, parent: string | undefined, text: string): void {
  const value = positive(text)
  if (value === null && text.trim() !== '' && name !== 'TotalTimeSeconds' && name !== 'DistanceMeters') return
  if (name === 'TotalTimeSeconds') lap.timerS = value
  else if (name === 'DistanceMeters' && parent === 'Lap') lap.distanceM = value
  else if (name === 'Value' && parent === 'MaximumHeartRateBpm') lap.maxHeartRateBpm = value
  else if ((name === 'Value' && parent === 'AverageHeartRateBpm') || (name === 'HeartRateBpm' && parent === 'Lap')) {
    lap.averageHeartRateBpm ??= value
  }
}

function takeOfActivity (activity: Activity, name: string, parent: string | undefined, text: string): void {
  if (name === 'Id') activity.idMs = momentOf(text)
  else if (name === 'Notes' && parent === 'Activity') activity.notes ??= tidyText(text)
  else if (name === 'Name' && parent === 'Creator') activity.deviceName ??= tidyText(text)
}

/** Activities of one sport that follow each other without a break become one. */
function joined (activities: Activity[]): Activity[] {
  const whole: Activity[] = []
  for (const activity of activities) {
    const last = whole.at(-1)
    const gapMs = last && last.points.length > 0 && activity.points.length > 0
      ? activity.points.timeMsAt(0) - last.points.timeMsAt(last.points.length - 1)
      : Number.NaN
    if (last && last.sport === activity.sport && gapMs >= 0 && gapMs <= JOINED_MS) {
      last.points.append(activity.points)
      last.laps.push(...activity.laps)
      last.pausesMs.push(...activity.pausesMs)
    } else {
      whole.push(activity)
    }
  }
  return whole
}

function recordingsOf (activities: Activity[], seen: ReadonlySet<string>, warnings: Warning[]): Recording[] {
  if (activities.length === 0) {
    if (seen.has('Course')) throw unreadable('The TCX file contains a course: a route is not a recording')
    if (seen.has('Workout')) throw unreadable('The TCX file contains a planned workout, not a recording')
    throw unreadable(warnings.at(-1)?.message ?? 'The TCX file contains no activity')
  }
  const recordings: Recording[] = []
  const refused: string[] = []
  for (const activity of activities) {
    try {
      recordings.push(recordingOfActivity(activity))
    } catch (error) {
      refused.push((error as Error).message)
    }
  }
  // In a file truncated before its first point, the damage is the first thing to report.
  if (recordings.length === 0) throw unreadable(warnings.at(-1)?.message ?? refused[0]!)
  if (refused.length > 0) {
    const count = refused.length === 1 ? '1 activity' : `${refused.length} activities`
    warnings.push(warning('PARTS_IGNORED', `${count} ignored: ${refused[0]!}`))
  }
  recordings[0]!.warnings.unshift(...warnings)
  return recordings
}

function recordingOfActivity ({ points, laps, sport, notes, deviceName, pausesMs, idMs }: Activity): Recording {
  const timed = laps.filter(({ startMs }) => Number.isFinite(startMs))
  if (points.length === 0 && points.untimed > 0 && !timed.some(({ timerS }) => timerS !== null)) {
    throw unreadable(points.unreadableTimes > 0
      ? 'The times of the track cannot be read'
      : 'The track has no timestamps: it is a route, not a recording')
  }
  const { notes: sportNotes, ...named } = sportOf(sport)
  return recordingOf(points, {
    ...named,
    name: notes,
    // Without points, the laps give the start and the duration.
    startMs: points.length > 0 ? undefined : [...timed.map(({ startMs }) => startMs), idMs].find(Number.isFinite),
    laps: timed,
    pausesMs,
    device: figuresOf(laps, points.length === 0),
    deviceMeans: meansOf(laps),
    deviceSummed: true,
    deviceName,
    heightSource: heightSourceOfText(deviceName),
    warnings: sportNotes
  })
}

/**
 * The sums of the laps' totals; a total that no lap states is unknown. TCX states the timer time; only the points give
 * the elapsed time.
 */
function figuresOf (laps: FileLap[], withoutPoints: boolean): DeviceFigures {
  const sum = (value: (lap: FileLap) => number | null): number | null => {
    let total = 0
    for (const lap of laps) total += value(lap) ?? 0
    return total > 0 ? total : null
  }
  const timer = sum(({ timerS }) => timerS)
  return {
    distance_m: sum(({ distanceM }) => distanceM),
    elapsed_s: withoutPoints ? timer : null,
    timer_s: timer,
    elevation_gain_m: null
  }
}

/** The mean heart rate of the laps that have one, weighted by their time, and the highest. */
function meansOf (laps: FileLap[]): DeviceMeans {
  let beats = 0
  let seconds = 0
  let highest = 0
  for (const { timerS, averageHeartRateBpm: average, maxHeartRateBpm: max } of laps) {
    if (average !== null && average >= 20 && average <= 250 && timerS !== null) {
      beats += average * timerS
      seconds += timerS
    }
    if (max !== null && max >= 20 && max <= 250) highest = Math.max(highest, max)
  }
  return {
    averageHeartRateBpm: seconds > 0 ? beats / seconds : null,
    maxHeartRateBpm: highest > 0 ? highest : null,
    averageCadenceSpm: null
  }
}

function emptyLap (startMs: number): FileLap {
  return {
    startMs,
    elapsedS: null,
    timerS: null,
    distanceM: null,
    elevationGainM: null,
    averageHeartRateBpm: null,
    maxHeartRateBpm: null
  }
}

function positive (text: string): number | null {
  const value = numberIn(text)
  return value !== undefined && value > 0 ? value : null
}

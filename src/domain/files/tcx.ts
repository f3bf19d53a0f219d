import type { DeviceFigures, Lap, Recording } from '../recording.ts'
import { sportOfText } from '../sports.ts'
import { PointBuffer, recordingOf } from './points.ts'
import type { Point } from './points.ts'
import { tidyText, unreadable } from './unreadable.ts'
import { momentOf, numberOf, readXml } from './xml.ts'

type TcxLap = Omit<Lap, 'startS'> & { startMs: number }

interface Activity {
  sport: string | null
  notes: string | null
  deviceName: string | null
  idMs: number
  laps: TcxLap[]
  points: PointBuffer
  pausesMs: Array<{ startMs: number, endMs: number }>
}

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

/**
 * The activities of a TCX file: one for each `<Activity>`, including those of a multisport session. A new track within
 * a lap follows a pause.
 *
 * Throws UNREADABLE_FILE for courses and workouts, which are not recordings.
 */
export function decodeTcx (bytes: Uint8Array): Recording[] {
  const activities: Activity[] = []
  const seen = new Set<string>()
  const path: string[] = []
  let activity: Activity | undefined
  let lap: TcxLap | undefined
  let point: Point | undefined
  let newTrack = false
  let lapPoints = 0
  let tooMany = false
  const warnings = readXml(bytes, {
    open (name, attributes) {
      path.push(name)
      if (name === 'Trackpoint') {
        point = { timeMs: Number.NaN }
      } else if (name === 'Track') {
        newTrack = lapPoints > 0
      } else if (name === 'Lap' && activity) {
        lapPoints = 0
        lap = emptyLap(momentOf(attributes.StartTime ?? ''))
        if (activity.laps.length < MAX_LAPS) activity.laps.push(lap)
      } else if (name === 'Activity') {
        if (activities.length >= MAX_ACTIVITIES) {
          tooMany = true
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
        activities.push(activity)
      } else if (name === 'Course' || name === 'Workout') {
        seen.add(name)
      }
    },
    close (name, text) {
      path.pop()
      if (point) {
        if (name === 'Trackpoint') {
          if (activity) addPoint(activity, point, newTrack)
          if (!Number.isNaN(point.timeMs)) {
            lapPoints++
            newTrack = false
          }
          point = undefined
        } else {
          takeFigure(point, name, path.at(-1), text)
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
  })
  if (tooMany) warnings.push(`Activities after the first ${MAX_ACTIVITIES} ignored`)
  return recordingsOf(activities, seen, warnings)
}

function addPoint ({ points, pausesMs }: Activity, point: Point, newTrack: boolean): void {
  if (newTrack && points.length > 0 && !Number.isNaN(point.timeMs)) {
    pausesMs.push({ startMs: points.timeMsAt(points.length - 1), endMs: point.timeMs })
  }
  points.push(point)
}

function takeFigure (point: Point, name: string, parent: string | undefined, text: string): void {
  if (name === 'Time') {
    point.timeMs = momentOf(text)
  } else if (name === 'Value') {
    if (parent === 'HeartRateBpm') point.heartRateBpm = numberOf(text)
  } else if (Object.hasOwn(FIGURES, name)) {
    const value = numberOf(text)
    if (value !== undefined) point[FIGURES[name]!] = value
  }
}

function takeOfLap (lap: TcxLap, name: string, parent: string | undefined, text: string): void {
  const value = positive(text)
  if (name === 'TotalTimeSeconds') lap.timerS = value
  else if (name === 'DistanceMeters' && parent === 'Lap') lap.distanceM = value
  else if (name === 'Value' && parent === 'AverageHeartRateBpm') lap.averageHeartRateBpm = value
  else if (name === 'Value' && parent === 'MaximumHeartRateBpm') lap.maxHeartRateBpm = value
}

function takeOfActivity (activity: Activity, name: string, parent: string | undefined, text: string): void {
  if (name === 'Id') activity.idMs = momentOf(text)
  else if (name === 'Notes' && parent === 'Activity') activity.notes ??= tidyText(text)
  else if (name === 'Name' && parent === 'Creator') activity.deviceName ??= tidyText(text)
}

function recordingsOf (activities: Activity[], seen: ReadonlySet<string>, warnings: string[]): Recording[] {
  if (activities.length === 0) {
    if (seen.has('Course')) throw unreadable('The TCX file contains a course: a route is not a recording')
    if (seen.has('Workout')) throw unreadable('The TCX file contains a planned workout, not a recording')
    throw unreadable(warnings.at(-1) ?? 'The TCX file contains no activity')
  }
  const recordings: Recording[] = []
  const refused: string[] = []
  for (const activity of activities) {
    const { points, laps, sport, notes, deviceName, pausesMs, idMs } = activity
    try {
      if (
        points.length === 0 &&
        points.untimed > 0 &&
        !laps.some(({ startMs, timerS }) => timerS !== null && Number.isFinite(startMs))
      ) {
        throw unreadable('The track has no timestamps: it is a route, not a recording')
      }
      const timed = laps.filter(({ startMs }) => Number.isFinite(startMs))
      recordings.push(recordingOf(points, {
        ...sportOfText(sport ?? 'running'),
        name: notes,
        // Without points, the laps give the start and the duration.
        startMs: points.length > 0 ? undefined : [...timed.map(({ startMs }) => startMs), idMs].find(Number.isFinite),
        laps: timed,
        pausesMs,
        device: figuresOf(laps, points.length === 0),
        deviceName,
        warnings: []
      }))
    } catch (error) {
      refused.push((error as Error).message)
    }
  }
  // In a file truncated before its first point, the damage is the first thing to report.
  if (recordings.length === 0) throw unreadable(warnings.at(-1) ?? refused[0]!)
  if (refused.length > 0) {
    warnings.push(`${refused.length === 1 ? '1 activity' : `${refused.length} activities`} ignored: ${refused[0]!}`)
  }
  recordings[0]!.warnings.unshift(...warnings)
  return recordings
}

/**
 * The sums of the laps' totals; a total that no lap states is unknown. TCX states the timer time; only the points give
 * the elapsed time.
 */
function figuresOf (laps: TcxLap[], withoutPoints: boolean): DeviceFigures {
  const sum = (value: (lap: TcxLap) => number | null): number | null => {
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

function emptyLap (startMs: number): TcxLap {
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
  const value = numberOf(text)
  return value !== undefined && value > 0 ? value : null
}

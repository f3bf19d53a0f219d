import type { Recording } from '../recording.ts'
import { PLAUSIBLE_SPEED_M_PER_S, sportOfText } from '../sports.ts'
import type { NamedSport } from '../sports.ts'
import { haversineM } from '../training/distance.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { recordingOf } from './assemble.ts'
import type { PauseMs } from './clock.ts'
import type { FileLap } from './laps.ts'
import { numberIn } from './numerals.ts'
import { LATITUDE, LONGITUDE, PointBuffer } from './points.ts'
import type { Point } from './points.ts'
import { counted, heightSourceOfText, tidyText, unreadable } from './unreadable.ts'
import { momentOf, readXml } from './xml.ts'
import type { XmlListener } from './xml.ts'

interface Track {
  name: string | null
  type: string | null
  points: PointBuffer
  /** Where one segment ended and the next began. */
  breaksMs: PauseMs[]
  /** Where it joined others of one activity. */
  laps: FileLap[]
}

/** A file with more tracks than this is not a set of recordings. */
const MAX_TRACKS = 1000
/** A track of the same sport that begins as soon after the one before, in ms, goes on with its activity. */
const JOINED_MS = 60_000

/**
 * The values of a point or its extensions (Garmin's TrackPointExtension, power as from Strava, the distance since the
 * start in metres as in Cluetrust's GPXDATA), by the name of the element.
 */
const FIGURES: Record<string, keyof Point> = {
  ele: 'altitudeM',
  hr: 'heartRateBpm',
  heartrate: 'heartRateBpm',
  cad: 'cadence',
  cadence: 'cadence',
  speed: 'speedMPerS',
  distance: 'distanceM',
  power: 'powerW',
  PowerInWatts: 'powerW'
}

/** What was read of a document. */
interface Document extends XmlListener {
  tracks: Track[]
  creator: string | null
  name: string | null
  routes: number
  tooMany: number
}

/**
 * The activities of a GPX file, 1.0 or 1.1: one for each track, but for tracks of one sport that follow each other
 * without a break, which are the laps of one. A pause separates the segments of a track.
 *
 * Throws UNREADABLE_FILE for routes, waypoints and tracks without timestamps, which are not recordings.
 */
export function decodeGpx (bytes: Uint8Array): Recording[] {
  const { listener, warnings } = readXml(bytes, listening)
  if (listener.tooMany > 0) {
    warnings.push(warning('LIMIT_REACHED', `${counted(listener.tooMany, 'track')} ignored: the limit is ${MAX_TRACKS} per file`))
  }
  return recordingsOf(listener, warnings)
}

function listening (): Document {
  let track: Track | undefined
  let point: Point | undefined
  let newSegment = false
  let unreadableTime = false
  let unreadableValues = 0
  const figure = (text: string | undefined): number | undefined => {
    const value = numberIn(text)
    if (Number.isNaN(value)) unreadableValues++
    return value
  }
  const document: Document = {
    tracks: [],
    creator: null,
    name: null,
    routes: 0,
    tooMany: 0,
    open (name, attributes) {
      if (name === 'trkpt') {
        unreadableTime = false
        unreadableValues = 0
        point = { timeMs: Number.NaN, latitudeDeg: figure(attributes.lat), longitudeDeg: figure(attributes.lon) }
      } else if (name === 'trk') {
        if (document.tracks.length < MAX_TRACKS) {
          track = { name: null, type: null, points: new PointBuffer(), breaksMs: [], laps: [] }
          document.tracks.push(track)
        } else {
          document.tooMany++
        }
      } else if (name === 'trkseg') {
        newSegment = true
      } else if (name === 'rte') {
        document.routes++
      } else if (name === 'gpx') {
        document.creator = tidyText(attributes.creator)
      }
    },
    close (name, text) {
      if (point) {
        const key = Object.hasOwn(FIGURES, name) ? FIGURES[name]! : undefined
        if (key) point[key] = figure(text) ?? point[key] ?? Number.NaN
        else if (name === 'time') {
          point.timeMs = momentOf(text)
          unreadableTime = Number.isNaN(point.timeMs) && text.trim() !== ''
        } else if (name === 'trkpt') {
          if (track) {
            addPoint(track, point, newSegment)
            track.points.unreadableValues += unreadableValues
            if (unreadableTime) track.points.unreadableTimes++
          }
          if (!Number.isNaN(point.timeMs)) newSegment = false
          point = undefined
        }
      } else if (name === 'trk') {
        track = undefined
      } else if (name === 'name') {
        if (track) track.name ??= tidyText(text)
        else document.name ??= tidyText(text)
      } else if (track && name === 'type') {
        track.type ??= tidyText(text)
      }
    }
  }
  return document
}

function addPoint (track: Track, point: Point, newSegment: boolean): void {
  const { points } = track
  if (newSegment && points.length > 0 && !Number.isNaN(point.timeMs)) {
    track.breaksMs.push({ startMs: points.timeMsAt(points.length - 1), endMs: point.timeMs })
  }
  points.push(point)
}

function recordingsOf ({ tracks, creator, routes, name: documentName }: Document, warnings: Warning[]): Recording[] {
  const timed = joined(tracks.filter(({ points }) => points.length > 0), documentName)
  if (timed.length === 0) throw withoutTimes(tracks, routes, warnings)
  const recordings: Recording[] = []
  const refused: string[] = []
  for (const { points, name, type, breaksMs, laps } of timed) {
    const { notes, ...sport } = sportOf(type)
    try {
      recordings.push(
        recordingOf(points, {
          ...sport,
          name,
          pausesMs: breaksMs,
          laps,
          deviceName: creator,
          heightSource: heightSourceOfText(creator),
          warnings: notes
        })
      )
    } catch (error) {
      refused.push((error as Error).message)
    }
  }
  if (recordings.length === 0) throw unreadable(refused[0]!)
  if (refused.length > 0) warnings.push(warning('PARTS_IGNORED', `${counted(refused.length, 'track')} ignored: ${refused[0]!}`))
  const untimed = tracks.filter(({ points }) => points.length === 0 && points.untimed > 0).length
  if (untimed > 0) warnings.push(warning('PARTS_IGNORED', `${counted(untimed, 'track')} without timestamps ignored`))
  recordings[0]!.warnings.unshift(...warnings)
  return recordings
}

function withoutTimes (tracks: Track[], routes: number, warnings: Warning[]): Error {
  if (tracks.some(({ points }) => points.unreadableTimes > 0)) {
    return unreadable('The times of the track cannot be read')
  }
  // In a file truncated before its first point, the damage is the first thing to report.
  if (warnings.length > 0) return unreadable(warnings.at(-1)!.message)
  if (tracks.some(({ points }) => points.untimed > 0)) {
    return unreadable('The track has no timestamps: it is a route, not a recording')
  }
  if (routes > 0) return unreadable('The file contains a route but no track: a route is not a recording')
  return unreadable('The GPX file contains no track with points')
}

/** The sport of a `<type>`; running, with a warning, where there is none. */
export function sportOf (type: string | null): NamedSport & { notes: Warning[] } {
  if (type === null) {
    return { ...sportOfText('running'), notes: [warning('SPORT_MISSING', 'The file does not name the sport: running is assumed')] }
  }
  const { known, ...sport } = sportOfText(type)
  return {
    ...sport,
    notes: known ? [] : [warning('SPORT_UNKNOWN', `The file names a sport that is not known, "${type.slice(0, 60)}": the sport is "other"`)]
  }
}

/** Tracks of one sport that follow each other without a break, in time and place, become one with a lap for each. */
function joined (tracks: Track[], documentName: string | null): Track[] {
  const activities: Track[] = []
  for (const track of tracks) {
    const last = activities.at(-1)
    if (last && (track.type ?? last.type) === last.type && follows(last.points, track.points, last.type)) {
      if (last.laps.length === 0) {
        last.laps.push(lapOf(last.points))
        last.name = documentName ?? last.name
      }
      last.laps.push(lapOf(track.points))
      last.points.append(track.points)
      last.breaksMs.push(...track.breaksMs)
    } else {
      activities.push(track)
    }
  }
  return activities
}

function follows (before: PointBuffer, after: PointBuffer, type: string | null): boolean {
  const end = before.length - 1
  const gapMs = after.timeMsAt(0) - before.timeMsAt(end)
  if (!(gapMs >= 0 && gapMs <= JOINED_MS)) return false
  const gapM = haversineM(
    before.valueAt(end, LATITUDE), before.valueAt(end, LONGITUDE),
    after.valueAt(0, LATITUDE), after.valueAt(0, LONGITUDE)
  )
  return !(gapM > 100 + PLAUSIBLE_SPEED_M_PER_S[sportOf(type).sport] * gapMs / 1000)
}

/** A lap that the file tells by its points alone. */
function lapOf (points: PointBuffer): FileLap {
  const startMs = points.timeMsAt(0)
  return {
    startMs,
    elapsedS: (points.timeMsAt(points.length - 1) - startMs) / 1000,
    timerS: null,
    distanceM: null,
    elevationGainM: null,
    averageHeartRateBpm: null,
    maxHeartRateBpm: null
  }
}

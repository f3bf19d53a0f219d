import type { Recording } from '../recording.ts'
import { sportOfText } from '../sports.ts'
import { PointBuffer, recordingOf } from './points.ts'
import type { Point } from './points.ts'
import { counted, tidyText, unreadable } from './unreadable.ts'
import { momentOf, numberOf, readXml } from './xml.ts'

interface Track {
  name: string | null
  type: string | null
  points: PointBuffer
  /** Where one segment ended and the next began. */
  breaksMs: Array<{ startMs: number, endMs: number }>
}

/** A file with more tracks than this is not a set of recordings. */
const MAX_TRACKS = 1000

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

/**
 * The activities of a GPX file, 1.0 or 1.1: one for each track. A pause separates the segments of a track.
 *
 * Throws UNREADABLE_FILE for routes, waypoints and tracks without timestamps, which are not recordings.
 */
export function decodeGpx (bytes: Uint8Array): Recording[] {
  const tracks: Track[] = []
  let creator: string | null = null
  let routes = 0
  let track: Track | undefined
  let point: Point | undefined
  let newSegment = false
  let tooMany = 0
  const warnings = readXml(bytes, {
    open (name, attributes) {
      if (name === 'trkpt') {
        point = { timeMs: Number.NaN, latitudeDeg: numberOf(attributes.lat), longitudeDeg: numberOf(attributes.lon) }
      } else if (name === 'trk') {
        if (tracks.length < MAX_TRACKS) {
          track = { name: null, type: null, points: new PointBuffer(), breaksMs: [] }
          tracks.push(track)
        } else {
          tooMany++
        }
      } else if (name === 'trkseg') {
        newSegment = true
      } else if (name === 'rte') {
        routes++
      } else if (name === 'gpx') {
        creator = tidyText(attributes.creator)
      }
    },
    close (name, text) {
      if (point) {
        const figure = Object.hasOwn(FIGURES, name) ? FIGURES[name]! : undefined
        if (figure) point[figure] = numberOf(text) ?? point[figure] ?? Number.NaN
        else if (name === 'time') point.timeMs = momentOf(text)
        else if (name === 'trkpt') {
          if (track) addPoint(track, point, newSegment)
          if (!Number.isNaN(point.timeMs)) newSegment = false
          point = undefined
        }
      } else if (name === 'trk') {
        track = undefined
      } else if (track && name === 'name') {
        track.name ??= tidyText(text)
      } else if (track && name === 'type') {
        track.type ??= tidyText(text)
      }
    }
  })
  if (tooMany > 0) warnings.push(`${counted(tooMany, 'track')} ignored: the limit is ${MAX_TRACKS} per file`)
  return recordingsOf(tracks, { creator, routes, warnings })
}

function addPoint (track: Track, point: Point, newSegment: boolean): void {
  const { points } = track
  if (newSegment && points.length > 0 && !Number.isNaN(point.timeMs)) {
    track.breaksMs.push({ startMs: points.timeMsAt(points.length - 1), endMs: point.timeMs })
  }
  points.push(point)
}

function recordingsOf (
  tracks: Track[],
  { creator, routes, warnings }: { creator: string | null; routes: number; warnings: string[] }
): Recording[] {
  const timed = tracks.filter(({ points }) => points.length > 0)
  if (timed.length === 0) {
    // In a file truncated before its first point, the damage is the first thing to report.
    if (warnings.length > 0) throw unreadable(warnings.at(-1)!)
    if (tracks.some(({ points }) => points.untimed > 0)) {
      throw unreadable('The track has no timestamps: it is a route, not a recording')
    }
    if (routes > 0) throw unreadable('The file contains a route but no track: a route is not a recording')
    throw unreadable('The GPX file contains no track with points')
  }
  const recordings: Recording[] = []
  const refused: string[] = []
  for (const { points, name, type, breaksMs } of timed) {
    const notes: string[] = []
    if (type === null) notes.push('The file does not name the sport: running is assumed')
    try {
      recordings.push(
        recordingOf(points, {
          ...sportOfText(type ?? 'running'),
          name,
          pausesMs: breaksMs,
          deviceName: creator,
          warnings: notes
        })
      )
    } catch (error) {
      refused.push((error as Error).message)
    }
  }
  if (recordings.length === 0) throw unreadable(refused[0]!)
  if (refused.length > 0) warnings.push(`${counted(refused.length, 'track')} ignored: ${refused[0]!}`)
  const untimed = tracks.filter(({ points }) => points.length === 0 && points.untimed > 0).length
  if (untimed > 0) warnings.push(`${counted(untimed, 'track')} without timestamps ignored`)
  recordings[0]!.warnings.unshift(...warnings)
  return recordings
}

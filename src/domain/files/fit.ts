import { Decoder, Profile, Stream } from '@garmin/fitsdk'
import type { DeviceFigures, DeviceMeans, Recording } from '../recording.ts'
import { sportOfFit } from '../sports.ts'
import type { HeightSource } from '../training/elevation.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { fitFiles } from './fit-frames.ts'
import type { FitFile } from './fit-frames.ts'
import { SEMICIRCLES_PER_DEGREE, timeMsOf } from './fit-profile.ts'
import { recordingOf } from './assemble.ts'
import type { FileLap } from './laps.ts'
import type { PointBuffer } from './points.ts'
import { counted, heightSourceOfText, tidyText, unreadable } from './unreadable.ts'

const { FILE_ID, SPORT, SESSION, LAP, RECORD, EVENT, DEVICE_INFO } = Profile.MesgNum as Record<string, number>

/** The messages and fields requested from the official decoder, by their FIT numbers. */
const WANTED = new Map<number, ReadonlySet<number>>([
  [FILE_ID!, new Set([0, 1, 2, 4, 8])], // type, manufacturer, product, time_created, product_name
  [SPORT!, new Set([0, 1, 3])], // sport, sub_sport, name
  // timestamp, start, sport, sub-sport, elapsed, timer, distance, heart rates, cadence, ascent, profile name
  [SESSION!, new Set([253, 2, 5, 6, 7, 8, 9, 16, 17, 18, 22, 110])],
  [LAP!, new Set([253, 2, 7, 8, 9, 15, 16, 21])], // timestamp, start, elapsed, timer, distance, heart rates, ascent
  // timestamp, position, altitude, heart rate, cadence, distance, speed, power, both in one, the enhanced ones
  [RECORD!, new Set([253, 0, 1, 2, 3, 4, 5, 6, 7, 8, 53, 73, 78])],
  [EVENT!, new Set([253, 0, 1])], // timestamp, event, type
  [DEVICE_INFO!, new Set([0, 1, 2, 4, 25, 27])] // index, type, manufacturer, product, source type, product_name
])

/** Speed and distance in one field, in the records of old devices. */
const COMPRESSED_SPEED_DISTANCE = 8

/** The most laps or sessions that are read, far above any real recording. */
const MAX_LAPS = 10_000
const MAX_SESSIONS = 100

/** A message from the decoder: scaled, in the units of the profile, enumerations as words. */
type Message = Record<string, unknown>

/** The relevant content of one FIT file, before it is split into activities. */
interface Contents {
  fileId: Message | undefined
  sport: Message | undefined
  creator: Message | undefined
  /** The sensors of the device itself, by the names of the profile. */
  sensors: Set<unknown>
  sessions: Message[]
  laps: Message[]
  events: Message[]
  points: PointBuffer
  warnings: Warning[]
}

/**
 * The activities of a FIT file: one for each session of each file chained in it. Damage that leaves usable data becomes
 * a warning.
 *
 * Throws UNREADABLE_FILE for a file without an activity; the message names its kind.
 */
export function decodeFit (bytes: Uint8Array): Recording[] {
  const recordings: Recording[] = []
  const refused: unknown[] = []
  const notes: Warning[] = []
  for (const file of fitFiles(bytes, WANTED)) {
    try {
      const contents = contentsOf(file)
      // Heart-rate straps append their stored data as separate parts without an activity.
      if (isEmpty(contents) && recordings.length > 0 && file.warnings.length === 0) continue
      refuseOtherThanActivity(contents)
      recordings.push(...recordingsOf(contents))
    } catch (error) {
      refused.push(error)
      notes.push(...file.warnings)
    }
  }
  if (recordings.length === 0) throw refused[0] ?? unreadable('The FIT file is empty')
  if (refused.length > 0) {
    notes.push(warning('PARTS_IGNORED', `${counted(refused.length, 'part')} of the file ignored: ${(refused[0] as Error).message}`))
  }
  recordings[0]!.warnings.push(...notes)
  return recordings
}

function contentsOf (file: FitFile): Contents {
  const contents: Contents = {
    fileId: undefined,
    sport: undefined,
    creator: undefined,
    sensors: new Set(),
    sessions: [],
    laps: [],
    events: [],
    points: file.points,
    warnings: file.warnings
  }
  const { warnings } = file
  // Old devices count distance in 12 bits of 1/16 m; the decoder accumulates within a portion, this across portions.
  let distance = 0
  let offset = 0
  let begins = true
  // The decoder swallows errors thrown by its listener.
  let refusal: unknown
  const listen = (number: number, message: unknown): void => {
    const mesg = message as Message
    if (number === RECORD && mesg.compressedSpeedDistance !== undefined && typeof mesg.distance === 'number') {
      if (begins) offset = distance === 0 ? 0 : distance + modulo(mesg.distance - distance, 256) - mesg.distance
      begins = false
      distance = mesg.distance + offset
      mesg.distance = distance
    }
    try {
      take(contents, number, mesg)
    } catch (error) {
      refusal = error
    }
  }
  for (const portion of file.portions) {
    begins = true
    const decoder = new Decoder(Stream.fromArrayBuffer(portion))
    // The components of the other fields only repeat fields that are there, altitude for example. Not expanding them
    // saves a sixth of the cost of an import.
    const expandComponents = file.has(RECORD!, COMPRESSED_SPEED_DISTANCE)
    const { errors } = decoder.read({
      dataOnly: true,
      mergeHeartRates: false,
      convertDateTimesToDates: false,
      expandComponents,
      mesgListener: listen
    })
    if (refusal !== undefined) throw refusal
    if (errors.length > 0) {
      warnings.push(warning('FILE_DAMAGED', `A part that the decoder rejected was ignored (${errors[0]!.message})`))
    }
  }
  return contents
}

function modulo (value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor
}

function take (contents: Contents, number: number, message: Message): void {
  if (number === RECORD) {
    contents.points.push({
      timeMs: timeMs(message.timestamp),
      latitudeDeg: degrees(message.positionLat),
      longitudeDeg: degrees(message.positionLong),
      altitudeM: numeric(message.enhancedAltitude) ?? numeric(message.altitude),
      heartRateBpm: numeric(message.heartRate),
      cadence: cadenceOf(message),
      speedMPerS: numeric(message.enhancedSpeed) ?? numeric(message.speed),
      powerW: numeric(message.power),
      distanceM: numeric(message.distance)
    })
  } else if (number === LAP) {
    if (contents.laps.length < MAX_LAPS) contents.laps.push(message)
  } else if (number === SESSION) {
    if (contents.sessions.length < MAX_SESSIONS) contents.sessions.push(message)
  } else if (number === EVENT) {
    if (message.event === 'timer' && contents.events.length < MAX_LAPS) contents.events.push(message)
  } else if (number === FILE_ID) {
    contents.fileId ??= message
  } else if (number === SPORT) {
    contents.sport ??= message
  } else if (number === DEVICE_INFO) {
    if (message.deviceIndex === 'creator' || message.deviceIndex === 0) contents.creator ??= message
    const { localDeviceType: sensor } = message
    if (sensor !== undefined && contents.sensors.size < 100) contents.sensors.add(sensor)
  }
}

function isEmpty ({ sessions, points }: Contents): boolean {
  return sessions.length === 0 && points.length === 0
}

/** Throws unless the file is an activity; for the other kinds of FIT files, the message names the kind. */
function refuseOtherThanActivity (contents: Contents): void {
  const { fileId, points } = contents
  const type = fileId?.type
  if (type === undefined || type === 'activity') {
    if (isEmpty(contents)) {
      throw unreadable(points.untimed > 0
        ? 'The FIT file has no timestamps: it is a route, not a recording'
        : 'The FIT file contains no recording: neither points nor the summary of a session')
    }
    return
  }
  const word = typeof type === 'string' ? type.replaceAll(/([A-Z])/g, ' $1').toLowerCase() : `type ${String(type)}`
  throw unreadable(`The FIT file is not an activity; its type is "${word}"`)
}

function recordingsOf (contents: Contents): Recording[] {
  const { points, warnings } = contents
  const sessions = contents.sessions
    .filter((session) => Number.isFinite(startOf(session)))
    .sort((a, b) => startOf(a) - startOf(b))
  if (sessions.length === 0) {
    warnings.push(warning('SUMMARY_MISSING',
      'The summary that a device writes at the end is missing: the figures are computed from the records'))
    return [recordingOf(points, { ...frameOf(contents, {}), warnings: [...warnings] })]
  }
  if (sessions.length === 1) {
    const startMs = startOf(sessions[0]!)
    return [recordingOf(points, { ...frameOf(contents, sessions[0]!), startMs, warnings: [...warnings] })]
  }
  const recordings: Recording[] = []
  const empty: string[] = []
  let distanceBaseM: number | undefined
  sessions.forEach((session, i) => {
    const startMs = startOf(session)
    // Points before the first session belong to it, points after the last session to the last.
    const fromMs = i === 0 ? Number.NEGATIVE_INFINITY : startMs
    const toMs = i + 1 < sessions.length ? startOf(sessions[i + 1]!) : Number.POSITIVE_INFINITY
    const part = points.between(fromMs, toMs)
    try {
      recordings.push(
        recordingOf(part, { ...frameOf(contents, session, fromMs, toMs), startMs, distanceBaseM, warnings: [] })
      )
    } catch (error) {
      empty.push((error as Error).message)
    }
    for (let j = 0; j < part.length; j++) {
      if (!Number.isNaN(part.distanceMAt(j))) distanceBaseM = part.distanceMAt(j)
    }
  })
  if (recordings.length === 0) throw unreadable(empty[0]!)
  recordings[0]!.warnings.unshift(...warnings)
  if (empty.length > 0) {
    recordings[0]!.warnings.push(warning('PARTS_IGNORED', `${counted(empty.length, 'session')} ignored: ${empty[0]!}`))
  }
  return recordings
}

/** The data of one session beside its records; it includes the laps and pauses that started within it. */
function frameOf (
  contents: Contents,
  session: Message,
  fromMs = Number.NEGATIVE_INFINITY,
  toMs = Number.POSITIVE_INFINITY
) {
  const within = (ms: number): boolean => ms >= fromMs && ms < toMs
  const stated = session.sport ?? contents.sport?.sport
  return {
    ...sportOfFit(stated ?? 'running', session.subSport ?? contents.sport?.subSport),
    name: tidyText(session.sportProfileName) ?? (contents.sessions.length < 2 ? tidyText(contents.sport?.name) : null),
    laps: contents.laps
      .filter((lap) => within(startOf(lap)))
      .map(lapOf),
    pausesMs: pausesOf(contents.events).filter((pause) => within(pause.startMs)),
    device: figuresOf(session),
    deviceMeans: meansOf(session),
    deviceName: deviceNameOf(contents),
    heightSource: heightSourceOf(contents)
  }
}

/** Watches list their own sensors: one with GPS and without a barometer takes its heights from GPS. */
function heightSourceOf (contents: Contents): HeightSource {
  const { sensors } = contents
  if (sensors.has('barometer')) return 'barometer'
  return sensors.has('gps') ? 'gps' : heightSourceOfText(deviceNameOf(contents))
}

function lapOf (lap: Message): FileLap {
  return {
    startMs: startOf(lap),
    elapsedS: positive(lap.totalElapsedTime),
    timerS: positive(lap.totalTimerTime),
    distanceM: positive(lap.totalDistance),
    elevationGainM: numeric(lap.totalAscent) ?? null,
    averageHeartRateBpm: positive(lap.avgHeartRate),
    maxHeartRateBpm: positive(lap.maxHeartRate)
  }
}

function figuresOf (session: Message): DeviceFigures {
  return {
    distance_m: positive(session.totalDistance),
    elapsed_s: positive(session.totalElapsedTime),
    timer_s: positive(session.totalTimerTime),
    elevation_gain_m: numeric(session.totalAscent) ?? null
  }
}

function meansOf (session: Message): DeviceMeans {
  return {
    averageHeartRateBpm: positive(session.avgHeartRate),
    maxHeartRateBpm: positive(session.maxHeartRate),
    averageCadenceSpm: positive(session.avgCadence)
  }
}

/** The stretches from a stop of the timer to its next start. A final stop is not a pause. */
function pausesOf (events: Message[]): Array<{ startMs: number, endMs: number }> {
  const pauses: Array<{ startMs: number, endMs: number }> = []
  const ordered = events
    .filter(({ timestamp }) => Number.isFinite(timeMs(timestamp)))
    .sort((a, b) => timeMs(a.timestamp) - timeMs(b.timestamp))
  let stopped: number | undefined
  for (const { eventType, timestamp } of ordered) {
    if (eventType === 'start') {
      if (stopped !== undefined) pauses.push({ startMs: stopped, endMs: timeMs(timestamp) })
      stopped = undefined
    } else if (typeof eventType === 'string' && eventType.startsWith('stop')) {
      stopped ??= timeMs(timestamp)
    }
  }
  return pauses
}

function deviceNameOf ({ fileId, creator }: Contents): string | null {
  const named = tidyText(fileId?.productName) ?? tidyText(creator?.productName)
  const maker = tidyText(fileId?.manufacturer) ?? tidyText(creator?.manufacturer)
  const product = named ?? tidyText(fileId?.garminProduct) ?? tidyText(creator?.garminProduct)
  // Programs that are not a product write no manufacturer, or 'development'.
  if (maker === null || maker === 'development') return product
  const capital = maker.charAt(0).toUpperCase() + maker.slice(1).replaceAll(/([a-z])([A-Z])/g, '$1 $2')
  if (product === null) return capital
  return product.toLowerCase().startsWith(maker.toLowerCase()) ? product : `${capital} ${product}`
}

/** The start of a session or lap in ms; if not stated, its end minus its length. NaN if both are missing. */
function startOf (message: Message): number {
  const start = timeMs(message.startTime)
  return Number.isNaN(start)
    ? timeMs(message.timestamp) - (numeric(message.totalElapsedTime) ?? Number.NaN) * 1000
    : start
}

/** NaN where there is no time. */
function timeMs (seconds: unknown): number {
  return typeof seconds === 'number' ? timeMsOf(seconds) : Number.NaN
}

function degrees (semicircles: unknown): number | undefined {
  return typeof semicircles === 'number' ? semicircles / SEMICIRCLES_PER_DEGREE : undefined
}

function cadenceOf (message: Message): number | undefined {
  const whole = numeric(message.cadence)
  return whole === undefined ? undefined : whole + (numeric(message.fractionalCadence) ?? 0)
}

function numeric (value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** Devices write 0 for values that they did not measure. */
function positive (value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null
}

import { Profile, Utils } from '@garmin/fitsdk'
import type { Columns, Recording } from '../recording.ts'
import { hasSteps, type Sport, type SubSport } from '../sports.ts'
import { fitFileWriter, type FitFileWriter, type FitRecord } from './fit-encoding.ts'
import { SEMICIRCLES_PER_DEGREE } from './fit-profile.ts'
import { figuresOf, fileCadence, pausedS, writtenLaps, type Exportable } from './trail.ts'

const NUMBERS = Profile.MesgNum as Record<string, number>
/** A field has 255 bytes at most, its final zero included. */
const LONGEST_TEXT_BYTES = 254

/** Sports and sub-sports by the names of the profile. */
const SPORTS: Record<Sport, string> = {
  running: 'running',
  cycling: 'cycling',
  swimming: 'swimming',
  walking: 'walking',
  hiking: 'hiking',
  strength: 'training',
  other: 'generic'
}
const SUB_SPORTS: Record<SubSport, string> = { road: 'street', trail: 'trail', track: 'track', treadmill: 'treadmill' }

type Fields = Record<string, string | number | undefined>

/**
 * A recording as a FIT activity: records, events of the timer, laps and a session
 * with the totals. FIT counts whole seconds: of the records of one second the last is written.
 */
export function writeFit (exportable: Exportable): Uint8Array {
  const { recording, sport, subSport, name } = exportable
  const { startTime } = recording
  const file = fitFileWriter(fieldsOf(recording.columns))
  const write = (message: string, fields: Fields): void => {
    const known = Object.entries(fields).filter(([, value]) => value !== undefined && !Number.isNaN(value))
    file.message(NUMBERS[message]!, Object.fromEntries(known) as Record<string, string | number>)
  }
  const figures = figuresOf(exportable)
  const laps = writtenLaps(exportable)
  const totalElapsedTime = figures.elapsed_s
  const totalTimerTime = Math.min(
    totalElapsedTime,
    recording.device.timer_s ?? totalElapsedTime - pausedS(recording.pauses, 0, totalElapsedTime)
  )
  const legs = hasSteps(sport) ? 2 : 1
  const end = secondAt(startTime, totalElapsedTime)
  const kind = {
    sport: SPORTS[sport],
    subSport: sport === 'strength' ? 'strengthTraining' : subSport === null ? 'generic' : SUB_SPORTS[subSport]
  }

  write('FILE_ID', {
    type: 'activity',
    manufacturer: 'development',
    product: 0,
    timeCreated: secondAt(startTime, 0),
    productName: fitText(recording.deviceName)
  })
  writeTimeline(recording, legs, end, file, write)
  laps.forEach((lap, messageIndex) => write('LAP', {
    messageIndex,
    timestamp: secondAt(startTime, lap.endS),
    startTime: secondAt(startTime, lap.startS),
    totalElapsedTime: lap.endS - lap.startS,
    totalTimerTime: lap.timerS,
    totalDistance: lap.distanceM,
    avgHeartRate: lap.averageHeartRateBpm ?? undefined,
    maxHeartRate: lap.maxHeartRateBpm ?? undefined,
    totalAscent: rise(lap.elevationGainM),
    event: 'lap',
    eventType: 'stop',
    ...kind
  }))
  write('SESSION', {
    messageIndex: 0,
    timestamp: end,
    startTime: secondAt(startTime, 0),
    totalElapsedTime,
    totalTimerTime,
    totalDistance: figures.distance_m ?? undefined,
    avgHeartRate: figures.average_heart_rate_bpm ?? undefined,
    maxHeartRate: figures.max_heart_rate_bpm ?? undefined,
    avgCadence: figures.average_cadence_spm === null ? undefined : fileCadence(figures.average_cadence_spm, legs),
    totalAscent: rise(recording.device.elevation_gain_m),
    sportProfileName: fitText(name),
    firstLapIndex: 0,
    numLaps: laps.length,
    event: 'session',
    eventType: 'stop',
    trigger: 'activityEnd',
    ...kind
  })
  write('ACTIVITY', { timestamp: end, totalTimerTime, numSessions: 1, type: 'manual', event: 'activity', eventType: 'stop' })
  return file.close()
}

/** The columns that the fields of records are written of. */
const COLUMNS: Record<Exclude<keyof FitRecord, 'timestamp'>, keyof Columns> = {
  positionLat: 'latitudeDeg',
  positionLong: 'longitudeDeg',
  distance: 'distanceM',
  enhancedAltitude: 'altitudeM',
  enhancedSpeed: 'speedMPerS',
  heartRate: 'heartRateBpm',
  cadence: 'cadenceSpm',
  power: 'powerW'
}

/** The fields that any record has. */
function fieldsOf (columns: Columns): Set<keyof FitRecord> {
  const told = Object.entries(COLUMNS).filter(([, column]) => columns[column].some((value) => !Number.isNaN(value)))
  return new Set(['timestamp', ...told.map(([field]) => field as keyof FitRecord)])
}

/** The records and the events of the timer, in order of time. */
function writeTimeline (
  { startTime, columns, pauses }: Recording,
  legs: number,
  end: number,
  file: FitFileWriter,
  write: (message: string, fields: Fields) => void
): void {
  const events: Array<[second: number, eventType: string]> = [[secondAt(startTime, 0), 'start']]
  for (const { startS, endS } of pauses) {
    events.push([secondAt(startTime, startS), 'stopAll'], [secondAt(startTime, endS), 'start'])
  }
  events.push([end, 'stopAll'])
  let next = 0
  const writeEvents = (until: number): void => {
    for (; next < events.length && events[next]![0] <= until; next++) {
      const [timestamp, eventType] = events[next]!
      write('EVENT', { timestamp, event: 'timer', eventType })
    }
  }
  const { timeS } = columns
  for (let i = 0; i < timeS.length; i++) {
    const timestamp = secondAt(startTime, timeS[i]!)
    if (i + 1 < timeS.length && secondAt(startTime, timeS[i + 1]!) === timestamp) continue
    writeEvents(timestamp)
    file.record({
      timestamp,
      positionLat: Math.round(columns.latitudeDeg[i]! * SEMICIRCLES_PER_DEGREE),
      positionLong: Math.min(2 ** 31 - 1, Math.round(columns.longitudeDeg[i]! * SEMICIRCLES_PER_DEGREE)),
      distance: columns.distanceM[i]!,
      enhancedAltitude: columns.altitudeM[i]!,
      enhancedSpeed: columns.speedMPerS[i]!,
      heartRate: Math.round(columns.heartRateBpm[i]!),
      cadence: fileCadence(columns.cadenceSpm[i]!, legs),
      power: Math.min(65_534, Math.round(columns.powerW[i]!))
    })
  }
  writeEvents(Number.POSITIVE_INFINITY)
}

/** In seconds of FIT's own epoch, so many after the start. */
function secondAt (startMs: number, seconds: number): number {
  return Math.round((startMs - Utils.FIT_EPOCH_MS) / 1000 + seconds)
}

function rise (metres: number | null): number | undefined {
  return metres === null ? undefined : Math.min(65_534, Math.round(metres))
}

/** As much of a text as a field can hold. */
export function fitText (text: string | null): string | undefined {
  if (text === null) return undefined
  let fitting = ''
  let bytes = 0
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > LONGEST_TEXT_BYTES) break
    fitting += character
  }
  return fitting
}

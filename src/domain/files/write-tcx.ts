import { hasSteps, type Sport } from '../sports.ts'
import { figuresOf, fileCadence, trailOf, writtenLaps, type Exportable, type TrailPoint, type WrittenLap } from './trail.ts'
import { xmlMoment, xmlNumber, xmlText } from './write-xml.ts'

const NAMESPACES = [
  'xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"',
  'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
  'xmlns:ns3="http://www.garmin.com/xmlschemas/ActivityExtension/v2"'
].join(' ')

/** TCX knows three. */
const SPORTS: Partial<Record<Sport, string>> = { running: 'Running', cycling: 'Biking' }

/**
 * A recording as TCX, in pieces: an activity with its laps, in each of which a new track begins after a pause. A moment
 * without a record is a point that has a time alone.
 */
export function * writeTcx (exportable: Exportable): Generator<string> {
  const { recording, name, sport } = exportable
  const start = xmlMoment(recording.startTime, 0)
  const laps = writtenLaps(exportable)
  // The steps of one leg, where the file says that they are steps: TCX names no walk.
  const legs = hasSteps(sport) && SPORTS[sport] !== undefined ? 2 : 1
  yield '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<TrainingCenterDatabase ${NAMESPACES}>\n<Activities>\n<Activity Sport="${SPORTS[sport] ?? 'Other'}">\n<Id>${start}</Id>\n`
  let at = 0
  let isOpen = false
  yield openLap(recording.startTime, laps[0]!)
  for (const point of trailOf(recording, figuresOf(exportable).elapsed_s)) {
    // The end of a pause belongs to the lap in which it began: only within a lap a new track tells of a pause.
    const isLate = point.resumes && isOpen
    if (isLate) yield `</Track>\n<Track>\n${pointOf(exportable, point, legs)}`
    while (at + 1 < laps.length && point.timeS >= laps[at + 1]!.startS) {
      yield (isOpen ? '</Track>\n' : '') + closeLap() + openLap(recording.startTime, laps[++at]!)
      isOpen = false
    }
    if (isLate) continue
    if (!isOpen) yield '<Track>\n'
    isOpen = true
    yield pointOf(exportable, point, legs)
  }
  yield (isOpen ? '</Track>\n' : '') + closeLap()
  while (++at < laps.length) yield openLap(recording.startTime, laps[at]!) + closeLap()
  yield (name === null ? '' : `<Notes>${xmlText(name)}</Notes>\n`) + creator(recording.deviceName) +
    '</Activity>\n</Activities>\n</TrainingCenterDatabase>\n'
}

function openLap (startTime: number, lap: WrittenLap): string {
  const rate = (name: string, bpm: number | null) =>
    bpm === null ? '' : `<${name}>${xmlNumber('Value', bpm, 0)}</${name}>`
  return `<Lap StartTime="${xmlMoment(startTime, lap.startS)}">\n${xmlNumber('TotalTimeSeconds', lap.timerS, 3)}` +
    `${xmlNumber('DistanceMeters', lap.distanceM, 2)}<Calories>0</Calories>` +
    rate('AverageHeartRateBpm', lap.averageHeartRateBpm) + rate('MaximumHeartRateBpm', lap.maxHeartRateBpm) +
    '<Intensity>Active</Intensity><TriggerMethod>Manual</TriggerMethod>\n'
}

function closeLap (): string {
  return '</Lap>\n'
}

function pointOf ({ recording }: Exportable, { timeS, row }: TrailPoint, legs: number): string {
  const { columns, startTime } = recording
  const time = `<Time>${xmlMoment(startTime, timeS)}</Time>`
  if (row === null) return `<Trackpoint>${time}</Trackpoint>\n`
  const position = Number.isNaN(columns.latitudeDeg[row]!)
    ? ''
    : `<Position>${xmlNumber('LatitudeDegrees', columns.latitudeDeg[row], 8)}` +
      `${xmlNumber('LongitudeDegrees', columns.longitudeDeg[row], 8)}</Position>`
  const heartRate = xmlNumber('Value', columns.heartRateBpm[row], 0)
  const cadence = fileCadence(columns.cadenceSpm[row]!, legs)
  const extension = xmlNumber('ns3:Speed', columns.speedMPerS[row], 3) +
    (legs === 2 ? xmlNumber('ns3:RunCadence', cadence, 0) : '') + xmlNumber('ns3:Watts', columns.powerW[row], 0)
  return `<Trackpoint>${time}${position}${xmlNumber('AltitudeMeters', columns.altitudeM[row], 2)}` +
    xmlNumber('DistanceMeters', columns.distanceM[row], 2) +
    (heartRate === '' ? '' : `<HeartRateBpm>${heartRate}</HeartRateBpm>`) +
    (legs === 1 ? xmlNumber('Cadence', cadence, 0) : '') +
    (extension === '' ? '' : `<Extensions><ns3:TPX>${extension}</ns3:TPX></Extensions>`) + '</Trackpoint>\n'
}

function creator (deviceName: string | null): string {
  if (deviceName === null) return ''
  return `<Creator xsi:type="Device_t"><Name>${xmlText(deviceName)}</Name><UnitId>0</UnitId><ProductID>0</ProductID>` +
    '<Version><VersionMajor>0</VersionMajor><VersionMinor>0</VersionMinor></Version></Creator>\n'
}

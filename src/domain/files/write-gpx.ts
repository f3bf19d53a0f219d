import { AppError } from '../../errors.ts'
import { hasSteps } from '../sports.ts'
import { figuresOf, fileCadence, trailOf, type Exportable, type TrailPoint } from './trail.ts'
import { xmlMoment, xmlNumber, xmlText } from './write-xml.ts'

const NAMESPACES = [
  'xmlns="http://www.topografix.com/GPX/1/1"',
  'xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2"',
  'xmlns:gpxdata="http://www.cluetrust.com/XML/GPXDATA/1/0"'
].join(' ')

/** By how much the distances of the points may be corrected, so that the last one is the total. */
const LARGEST_CORRECTION = 0.05

/**
 * A recording as GPX 1.1, in pieces: a track with a segment for each stretch between pauses. Heart rate, cadence and
 * speed are in Garmin's extension, the distance in Cluetrust's, as the device measured another one than lies between
 * the positions. A moment without a position is put between those before and after, as GPX has no point
 * without.
 * @throws AppError CONFLICT where no position was recorded
 */
export function * writeGpx (exportable: Exportable): Generator<string> {
  const { recording, name, sport, subSport } = exportable
  const { columns } = recording
  if (columns.latitudeDeg.every(Number.isNaN)) {
    throw new AppError('CONFLICT', 'No position was recorded, and GPX consists of positions: export it as FIT or TCX')
  }
  const { distance_m, elapsed_s } = figuresOf(exportable)
  const recordedM = columns.distanceM.findLast((distance) => !Number.isNaN(distance)) ?? 0
  // GPX has no total: what the last point says is it. Totals that differ by more are not of the same thing.
  const ratio = distance_m === null || !(recordedM > 0) ? 1 : distance_m / recordedM
  const scale = Math.abs(ratio - 1) <= LARGEST_CORRECTION ? ratio : 1
  const legs = hasSteps(sport) ? 2 : 1
  const type = subSport === null || sport !== 'running' ? sport : `${subSport}_${sport}`
  yield '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<gpx version="1.1" creator="${xmlText(recording.deviceName ?? 'Running Trainer')}" ${NAMESPACES}>\n` +
    `<metadata><time>${xmlMoment(recording.startTime, 0)}</time></metadata>\n<trk>` +
    `${name === null ? '' : `<name>${xmlText(name)}</name>`}<type>${type}</type>\n<trkseg>\n`
  for (const point of trailOf(recording, elapsed_s)) {
    if (point.resumes) yield '</trkseg>\n<trkseg>\n'
    yield pointOf(exportable, point, scale, legs)
  }
  yield '</trkseg>\n</trk>\n</gpx>\n'
}

function pointOf (
  { recording }: Exportable,
  { timeS, row, latitudeDeg, longitudeDeg, distanceM }: TrailPoint,
  scale: number,
  legs: number
): string {
  const { columns, startTime } = recording
  const garmin = row === null
    ? ''
    : xmlNumber('gpxtpx:hr', columns.heartRateBpm[row], 0) +
      xmlNumber('gpxtpx:cad', fileCadence(columns.cadenceSpm[row]!, legs), 0) +
      xmlNumber('gpxtpx:speed', columns.speedMPerS[row], 3)
  const extensions = (row === null ? '' : xmlNumber('power', columns.powerW[row], 0)) +
    (garmin === '' ? '' : `<gpxtpx:TrackPointExtension>${garmin}</gpxtpx:TrackPointExtension>`) +
    xmlNumber('gpxdata:distance', distanceM * scale, 2)
  return `<trkpt lat="${Number(latitudeDeg.toFixed(8))}" lon="${Number(longitudeDeg.toFixed(8))}">` +
    (row === null ? '' : xmlNumber('ele', columns.altitudeM[row], 2)) +
    `<time>${xmlMoment(startTime, timeS)}</time>` +
    (extensions === '' ? '' : `<extensions>${extensions}</extensions>`) + '</trkpt>\n'
}

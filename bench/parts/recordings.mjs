import { fitWriter } from '../../scripts/fit-writer.mjs'

const METRES_PER_DEGREE = 111_195

/**
 * A run of so many seconds with position, height, heart rate, cadence and speed in each. `variant` moves it in time, so
 * that no two are the same.
 */
export function recordingOf (format, { records, variant }) {
  const points = Array.from({ length: records }, (_, t) => {
    const speed = 2.9 + 0.3 * Math.sin(t / 90)
    const distance = 2.9 * t - 27 * (Math.cos(t / 90) - 1)
    const angle = distance / 400
    return {
      at: new Date(Date.UTC(2020, 0, 1) + variant * 4 * 86_400_000 + t * 1000),
      lat: 52.5163 + 400 * Math.sin(angle) / METRES_PER_DEGREE,
      lon: 13.3777 + 400 * Math.cos(angle) / METRES_PER_DEGREE / 0.61,
      distance,
      altitude: 40 + 9 * Math.sin(t / 300),
      heartRate: Math.round(150 + 12 * Math.sin(t / 90)),
      cadence: 85,
      speed
    }
  })
  return { fit: fitOf, tcx: tcxOf, gpx: gpxOf }[format](points)
}

function fitOf (points) {
  const { write, record, close } = fitWriter()
  const [first, last] = [points[0], points.at(-1)]
  const elapsed = (last.at - first.at) / 1000
  write('FILE_ID', {
    type: 'activity',
    manufacturer: 'development',
    product: 1,
    serialNumber: 1,
    timeCreated: first.at
  })
  for (const point of points) record(point.at, point)
  write('SESSION', {
    messageIndex: 0,
    timestamp: last.at,
    startTime: first.at,
    totalElapsedTime: elapsed,
    totalTimerTime: elapsed,
    totalDistance: last.distance,
    sport: 'running',
    subSport: 'street'
  })
  return Buffer.from(close())
}

function tcxOf (points) {
  const start = points[0].at.toISOString()
  const track = points
    .map(
      ({ at, lat, lon, distance, altitude, heartRate, cadence }) =>
        `<Trackpoint><Time>${at.toISOString()}</Time>` +
        `<Position><LatitudeDegrees>${lat.toFixed(7)}</LatitudeDegrees><LongitudeDegrees>${lon.toFixed(7)}</LongitudeDegrees></Position>` +
        `<AltitudeMeters>${altitude.toFixed(1)}</AltitudeMeters><DistanceMeters>${distance.toFixed(1)}</DistanceMeters><HeartRateBpm><Value>${heartRate}</Value></HeartRateBpm>` +
        `<Extensions><TPX xmlns="http://www.garmin.com/xmlschemas/ActivityExtension/v2"><RunCadence>${cadence}</RunCadence></TPX></Extensions></Trackpoint>`
    )
    .join('')
  return Buffer.from(
    '<?xml version="1.0"?><TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"><Activities><Activity Sport="Running">' +
      `<Id>${start}</Id><Lap StartTime="${start}"><TotalTimeSeconds>${points.length - 1}</TotalTimeSeconds><DistanceMeters>${points.at(-1).distance.toFixed(1)}</DistanceMeters><Track>${track}</Track></Lap></Activity></Activities></TrainingCenterDatabase>`
  )
}

function gpxOf (points) {
  const track = points
    .map(
      ({ at, lat, lon, altitude, heartRate, cadence }) =>
        `<trkpt lat="${lat.toFixed(7)}" lon="${lon.toFixed(7)}"><ele>${altitude.toFixed(1)}</ele><time>${at.toISOString()}</time>` +
        `<extensions><n:TrackPointExtension><n:hr>${heartRate}</n:hr><n:cad>${cadence}</n:cad></n:TrackPointExtension></extensions></trkpt>`
    )
    .join('')
  return Buffer.from(
    '<?xml version="1.0"?><gpx version="1.1" creator="Bench" xmlns="http://www.topografix.com/GPX/1/1" xmlns:n="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">' +
      `<trk><name>Run</name><type>running</type><trkseg>${track}</trkseg></trk></gpx>`
  )
}

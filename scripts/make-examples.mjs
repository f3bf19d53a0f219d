// Writes examples/: small synthetic recordings for README, the tests, and for trying the service.
//   node scripts/make-examples.mjs [folder]
// The output is deterministic.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fitWriter } from './fit-writer.mjs'

const METRES_PER_DEGREE = 111_195

/**
 * A run sampled every `step` seconds on a closed course: `speed(t)` in m/s, heart rate and height following it.
 * @returns {Array<{ t: number, lat: number, lon: number, distance: number, altitude: number, heartRate: number,
 *   cadence: number, speed: number }>}
 */
function run ({ duration, step, lat, lon, lap, hill, speed, heartRate }) {
  const points = []
  const radius = lap / (2 * Math.PI)
  let distance = 0
  for (let t = 0; t <= duration; t += step) {
    const v = speed(t)
    if (t > 0) distance += (v + speed(t - step)) / 2 * step
    const angle = 2 * Math.PI * distance / lap
    points.push({
      t,
      lat: lat + radius * Math.sin(angle) / METRES_PER_DEGREE,
      lon: lon + radius * (1 - Math.cos(angle)) / METRES_PER_DEGREE / Math.cos(lat * Math.PI / 180),
      distance,
      altitude: 40 + hill * Math.sin(angle / 2) ** 2,
      heartRate: Math.round(heartRate(t)),
      cadence: Math.round(76 + 4 * v),
      speed: v
    })
  }
  return points
}

/** A FIT file of a watch, begun at a moment. */
function fitOfWatch (timeCreated) {
  const writer = fitWriter()
  writer.write('FILE_ID', {
    type: 'activity',
    manufacturer: 'development',
    product: 1,
    productName: 'Example Watch',
    serialNumber: 1,
    timeCreated
  })
  return writer
}

/** Half an hour of easy running on a road with a small hill, recorded by a watch. */
function easyRun () {
  const start = Date.UTC(2024, 3, 9, 6, 30)
  const points = run({
    duration: 1800,
    step: 2,
    lat: 52.5163,
    lon: 13.3777,
    lap: 2500,
    hill: 18,
    speed: (t) => 2.8 + 0.15 * Math.sin(t / 90),
    heartRate: (t) => 142 - 42 * Math.exp(-t / 120) + 4 * Math.sin(t / 90)
  })
  const last = points.at(-1)
  const moment = (t) => new Date(start + t * 1000)
  const mean = (name) => points.reduce((sum, point) => sum + point[name], 0) / points.length
  const { write, record, close } = fitOfWatch(moment(0))
  write('EVENT', { timestamp: moment(0), event: 'timer', eventType: 'start' })
  for (const point of points) record(moment(point.t), point)
  write('EVENT', { timestamp: moment(last.t), event: 'timer', eventType: 'stopAll' })
  const totals = {
    timestamp: moment(last.t),
    startTime: moment(0),
    totalElapsedTime: last.t,
    totalTimerTime: last.t,
    totalDistance: last.distance,
    avgHeartRate: Math.round(mean('heartRate')),
    maxHeartRate: Math.max(...points.map(({ heartRate }) => heartRate))
  }
  write('LAP', { messageIndex: 0, ...totals })
  write('SESSION', {
    messageIndex: 0,
    ...totals,
    sport: 'running',
    subSport: 'street',
    avgCadence: Math.round(mean('cadence')),
    totalAscent: 35,
    firstLapIndex: 0,
    numLaps: 1
  })
  write('ACTIVITY', {
    timestamp: moment(last.t),
    totalTimerTime: last.t,
    numSessions: 1,
    type: 'manual',
    event: 'activity',
    eventType: 'stop'
  })
  return close()
}

/** Over a hill of 120 m and back, recorded by a watch, with a lap each kilometre. */
function hillRun () {
  const start = Date.UTC(2024, 3, 6, 6)
  const duration = 1980
  const points = run({
    duration,
    step: 3,
    lat: 47.2692,
    lon: 11.4041,
    lap: 5000,
    hill: 120,
    speed: (t) => 2.6 - 0.5 * Math.sin(2 * Math.PI * t / duration),
    heartRate: (t) => 150 + 18 * Math.sin(2 * Math.PI * (t - 60) / duration) - 45 * Math.exp(-t / 90)
  })
  const last = points.at(-1)
  const moment = (t) => new Date(start + t * 1000)
  const { write, record, close } = fitOfWatch(moment(0))
  for (const point of points) record(moment(point.t), point)
  const part = (from, to) => {
    const inPart = points.filter(({ t }) => t >= from.t && t <= to.t)
    const rises = inPart.slice(1).map(({ altitude }, i) => Math.max(0, altitude - inPart[i].altitude))
    const climbed = rises.reduce((sum, rise) => sum + rise, 0)
    return {
      timestamp: moment(to.t),
      startTime: moment(from.t),
      totalElapsedTime: to.t - from.t,
      totalTimerTime: to.t - from.t,
      totalDistance: to.distance - from.distance,
      totalAscent: Math.round(climbed),
      avgHeartRate: Math.round(inPart.reduce((sum, { heartRate }) => sum + heartRate, 0) / inPart.length),
      maxHeartRate: Math.max(...inPart.map(({ heartRate }) => heartRate))
    }
  }
  const marks = [1, 2, 3, 4, 5].flatMap((km) => points.find(({ distance }) => distance >= km * 1000) ?? [])
  const bounds = [points[0], ...marks.filter(({ t }) => t < last.t), last]
  bounds.slice(1).forEach((to, i) => write('LAP', { messageIndex: i, ...part(bounds[i], to) }))
  write('SESSION', {
    messageIndex: 0,
    ...part(points[0], last),
    sport: 'running',
    subSport: 'trail',
    firstLapIndex: 0,
    numLaps: bounds.length - 1
  })
  return close()
}

/** Twenty minutes through a park, exported by a phone: positions, altitudes and heart rates only. */
function parkRun () {
  const start = Date.UTC(2024, 3, 13, 7)
  const points = run({
    duration: 1200,
    step: 8,
    lat: 51.5313,
    lon: -0.157,
    lap: 1800,
    hill: 6,
    speed: (t) => 3.4 + 0.2 * Math.sin(t / 60),
    heartRate: (t) => 168 - 60 * Math.exp(-t / 90)
  })
  const trackPoints = points.map(
    ({ t, lat, lon, altitude, heartRate }) => `
      <trkpt lat="${lat.toFixed(6)}" lon="${lon.toFixed(6)}"><ele>${altitude.toFixed(1)}</ele><time>${iso(start, t)}</time>\
<extensions><tpx:TrackPointExtension><tpx:hr>${heartRate}</tpx:hr></tpx:TrackPointExtension></extensions></trkpt>`
  )
  return `<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="Example Phone" xmlns="http://www.topografix.com/GPX/1/1" xmlns:tpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">
  <trk>
    <name>Park run</name>
    <type>running</type>
    <trkseg>${trackPoints.join('')}
    </trkseg>
  </trk>
</gpx>
`
}

/** Four fast kilometres on a track with recovery minutes in between, one lap each, exported by a website. */
function trackSession () {
  const start = Date.UTC(2024, 3, 16, 16, 15)
  const fast = (t) => t % 300 < 240
  const points = run({
    duration: 1200,
    step: 15,
    lat: 48.1731,
    lon: 11.5465,
    lap: 400,
    hill: 0,
    speed: (t) => fast(t) ? 4.17 : 2,
    heartRate: (t) => fast(t) ? 176 - 40 * Math.exp(-(t % 300) / 40) : 150
  })
  const bounds = [0, 240, 300, 540, 600, 840, 900, 1140, 1200]
  const laps = bounds.slice(1).map((end, i) => {
    const from = bounds[i]
    const inLap = points.filter(({ t }) => t >= from && (t < end || (end === 1200 && t === end)))
    const at = (t) => points[t / 15].distance
    const trackPoints = inLap.map(
      ({ t, lat, lon, distance, altitude, heartRate, cadence }) => `
          <Trackpoint><Time>${iso(start, t)}</Time><Position><LatitudeDegrees>${lat.toFixed(6)}</LatitudeDegrees>\
<LongitudeDegrees>${lon.toFixed(6)}</LongitudeDegrees></Position><AltitudeMeters>${altitude.toFixed(1)}</AltitudeMeters>\
<DistanceMeters>${distance.toFixed(1)}</DistanceMeters><HeartRateBpm><Value>${heartRate}</Value></HeartRateBpm>\
<Extensions><x:TPX><x:RunCadence>${cadence}</x:RunCadence></x:TPX></Extensions></Trackpoint>`
    )
    return `
      <Lap StartTime="${iso(start, from)}">
        <TotalTimeSeconds>${end - from}</TotalTimeSeconds>
        <DistanceMeters>${(at(end) - at(from)).toFixed(1)}</DistanceMeters>
        <Calories>0</Calories>
        <Intensity>${fast(from) ? 'Active' : 'Resting'}</Intensity>
        <TriggerMethod>Manual</TriggerMethod>
        <Track>${trackPoints.join('')}
        </Track>
      </Lap>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>
<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2" xmlns:x="http://www.garmin.com/xmlschemas/ActivityExtension/v2">
  <Activities>
    <Activity Sport="Running">
      <Id>${iso(start, 0)}</Id>${laps.join('')}
      <Creator><Name>Example Watch</Name></Creator>
    </Activity>
  </Activities>
</TrainingCenterDatabase>
`
}

function iso (start, t) {
  return new Date(start + t * 1000).toISOString()
}

const folder = process.argv[2] ?? new URL('../examples', import.meta.url).pathname
mkdirSync(folder, { recursive: true })
writeFileSync(`${folder}/easy-run.fit`, easyRun())
writeFileSync(`${folder}/hill-run.fit`, hillRun())
writeFileSync(`${folder}/park-run.gpx`, parkRun())
writeFileSync(`${folder}/track-session.tcx`, trackSession())

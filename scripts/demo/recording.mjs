import { fitWriter } from '../fit-writer.mjs'
import { random } from './random.mjs'

const METRES_PER_DEGREE = 111_195
const STEP_S = 3
/** Where the runner lives. */
const HOME = { lat: 52.5163, lon: 13.3777 }

/**
 * The recording of an activity of the history as a FIT file: warm-up, hills, intervals where it has some, a heart that
 * follows with a delay, and sometimes a traffic light.
 */
export function recordingOf (activity) {
  const points = pointsOf(activity)
  const { write, record, close } = fitWriter()
  const start = Date.parse(activity.start_time)
  const moment = (t) => new Date(start + t * 1000)
  const last = points.at(-1)
  write('FILE_ID', {
    type: 'activity', manufacturer: 'development', product: 1, productName: 'Demo Watch', serialNumber: 7, timeCreated: moment(0)
  })
  write('EVENT', { timestamp: moment(0), event: 'timer', eventType: 'start' })
  let before = points[0]
  for (const point of points) {
    if (point.t - before.t > STEP_S) {
      write('EVENT', { timestamp: moment(before.t), event: 'timer', eventType: 'stopAll' })
      write('EVENT', { timestamp: moment(point.t), event: 'timer', eventType: 'start' })
    }
    record(moment(point.t), point)
    before = point
  }
  write('EVENT', { timestamp: moment(last.t), event: 'timer', eventType: 'stopAll' })
  write('SESSION', {
    messageIndex: 0,
    timestamp: moment(last.t),
    startTime: moment(0),
    totalElapsedTime: last.t,
    totalTimerTime: last.timer,
    totalDistance: last.distance,
    sport: activity.sport,
    subSport: 'street'
  })
  return Buffer.from(close())
}

function pointsOf ({ kind, distance_m, moving_s, heart_rate_bpm, seed }) {
  const chance = random(seed * 7919 + 1)
  const [phase, wave, hill] = [chance() * 6, 40 + chance() * 60, 6 + chance() * 14]
  const lapM = 3000 + Math.round(chance() * 3000)
  const mean = distance_m / moving_s
  const pauseAt = kind === 'race' || chance() < 0.5 ? undefined : (0.2 + 0.6 * chance()) * moving_s
  const points = []
  let [distance, heartRate, pausedS] = [0, heart_rate_bpm * 0.7, 0]
  // Nobody runs the ideal line of a race.
  const goalM = distance_m + (kind === 'race' ? 30 : 0)
  for (let timer = 0; distance < goalM; timer += STEP_S) {
    const angle = 2 * Math.PI * distance / lapM
    const climb = (Math.cos(angle * 2 + phase) + Math.cos(angle * 3.3)) / 2
    const shape = shapeOf(kind, timer / moving_s)
    const speed = mean * shape * (1 - 0.03 * climb) * (1 + 0.015 * Math.sin(timer / wave) + 0.02 * (chance() - 0.5))
    // The heart follows the effort within half a minute or so, and drifts upwards.
    const wanted = heart_rate_bpm * (0.55 + 0.45 * shape ** 1.2) * (1 + 0.03 * timer / moving_s) *
      (1 + 0.025 * climb + 0.01 * Math.sin(timer / wave))
    heartRate += (wanted - heartRate) * STEP_S / 35
    if (pauseAt !== undefined && pausedS === 0 && timer > pauseAt) pausedS = 30 + Math.round(chance() * 70)
    points.push({
      t: timer + pausedS,
      timer,
      lat: HOME.lat + lapM / (2 * Math.PI) * Math.sin(angle) / METRES_PER_DEGREE,
      lon: HOME.lon + lapM / (2 * Math.PI) * (1 - Math.cos(angle)) / METRES_PER_DEGREE / 0.608,
      distance,
      altitude: 42 + hill * (Math.sin(angle * 2 + phase) + Math.sin(angle * 3.3) * 0.6),
      heartRate: Math.min(188, Math.round(heartRate + 2 * (chance() - 0.5))),
      cadence: Math.round(74 + 4.4 * speed),
      speed
    })
    distance += speed * STEP_S
  }
  return points
}

/** The speed at a share of the time, in shares of the mean. */
function shapeOf (kind, share) {
  if (kind === 'race') return share < 0.04 ? 1.03 : 0.99 + 0.02 * share
  if (kind === 'tempo') return share > 0.25 && share < 0.8 ? 1.1 : 0.88
  if (kind !== 'interval') return share < 0.08 ? 0.93 : 1.005
  if (share < 0.22 || share > 0.88) return 0.86
  return (share - 0.22) / 0.66 * 6 % 1 < 0.62 ? 1.22 : 0.74
}

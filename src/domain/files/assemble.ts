import { emptyColumns, NO_DEVICE_FIGURES, NO_DEVICE_MEANS } from '../recording.ts'
import type { Columns, DeviceFigures, DeviceMeans, Recording } from '../recording.ts'
import type { Sport, SubSport } from '../sports.ts'
import type { HeightSource } from '../training/elevation.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { countBothFeet } from './cadence.ts'
import { spreadBatches, timelineOf } from './clock.ts'
import { movedByTotals } from './clock-shifts.ts'
import type { PauseMs, Timeline } from './clock.ts'
import { chooseDistance } from './covered.ts'
import { mendHeights } from './heights.ts'
import { lapsOf } from './laps.ts'
import type { FileLap } from './laps.ts'
import { ALTITUDE, CADENCE, DISTANCE, HEART_RATE, LATITUDE, LONGITUDE, POWER, SPEED, WIDTH } from './points.ts'
import type { PointBuffer } from './points.ts'
import { believable } from './repairs.ts'
import { counted, unreadable } from './unreadable.ts'

/** FIT counts from the end of 1989; a date outside these bounds comes from a wrong clock. */
const EARLIEST_MS = Date.UTC(1989, 11, 31)
const LATEST_MS = Date.UTC(2100, 0, 1)
/** Before this, nothing that runners carry recorded: the clock counts from power-up, or from where GPS began. */
const CLOCKS_SET_FROM_MS = Date.UTC(2000, 0, 2)
/** A start stated this long before the first record, in ms, and longer before it than the records last, is wrong. */
const EARLY_START_MS = 3_600_000

/** The data of an activity beside its points. Times in ms since 1970. */
export interface Frame {
  sport: Sport
  subSport: SubSport | null
  name: string | null
  /** The start stated by the file; if absent, the time of the first point counts. */
  startMs?: number | undefined
  /** The device's distance counter at the start of the activity. */
  distanceBaseM?: number | undefined
  laps?: FileLap[]
  pausesMs?: PauseMs[]
  device?: DeviceFigures
  deviceMeans?: DeviceMeans
  deviceName?: string | null
  heightSource?: HeightSource
  deviceSummed?: boolean
  warnings?: Warning[]
}

/**
 * Turns the points into a recording: in order of time, one point per moment, without implausible values, and with
 * warnings about the repairs.
 *
 * Throws UNREADABLE_FILE if no duration is left, or if the clock was clearly wrong.
 */
export function recordingOf (points: PointBuffer, frame: Frame): Recording {
  const warnings = [...frame.warnings ?? []]
  const device = frame.device ?? { ...NO_DEVICE_FIGURES }
  warnOfLost(points, warnings)

  const timeline = timelineOf(points, frame.pausesMs ?? [], warnings)
  const moved = movedByTotals(timeline.timesMs, device.elapsed_s, frame.pausesMs ?? [])
  if (moved > 0) {
    warnings.push(warning('CLOCK_WRONG',
      `The device counted ${device.elapsed_s} s, and its records last longer: ${counted(moved, 'point')} moved next to the others`))
  }
  if (spreadBatches(points, timeline)) {
    warnings.push(warning('TIMES_REPEATED', 'Points that came in batches with one timestamp were spread over the time since the batch before'))
  }
  warnOfTwins(timeline, warnings)
  const { startTime, startRefuted } = startOf(timeline, frame.startMs, device.elapsed_s, warnings)
  const lastMs = timeline.timesMs.at(-1) ?? startTime
  if (!(lastMs > startTime) && !((device.elapsed_s ?? device.timer_s ?? 0) > 0)) {
    throw unreadable(points.length > timeline.order.length
      ? 'The points of the recording are more than 14 days apart, or single points with a wrong date: it has no duration'
      : 'The recording has fewer than two points with different timestamps, so it has no duration')
  }

  const columns = columnsOf(points, timeline, startTime)
  believable(columns, warnings)
  const heights = mendHeights(columns.timeS, columns.altitudeM)
  if (heights > 0) {
    warnings.push(warning('HEIGHTS_IMPOSSIBLE', `${counted(heights, 'height')} that cannot be: zeros and spikes are ignored, steps of the sensor are levelled`))
  }
  const seconds = (timeMs: number): number => (timeMs - startTime) / 1000
  const stated = (frame.pausesMs ?? [])
    .map(({ startMs, endMs }) => ({ startS: seconds(startMs), endS: seconds(endMs) }))
  const laps = lapsOf(frame.laps ?? [], startTime, columns, device, warnings)
  const clockRepaired = startRefuted || (timeline.repaired && frame.startMs === undefined)
  const pauses = chooseDistance(columns, { ...frame, device, laps, pauses: stated, clockRepaired }, warnings)
  const steps = countBothFeet(columns, frame.sport)
  // Sensors of steps have single spikes, which are of no consequence.
  if (steps > columns.timeS.length / 100) {
    warnings.push(warning('VALUES_IMPLAUSIBLE', `${counted(steps, 'implausible value')} of cadence ignored`))
  }

  return {
    sport: frame.sport,
    subSport: frame.subSport,
    name: frame.name,
    startTime,
    columns,
    laps,
    pauses,
    device,
    deviceMeans: frame.deviceMeans ?? { ...NO_DEVICE_MEANS },
    deviceName: frame.deviceName ?? null,
    heightSource: frame.heightSource ?? 'unknown',
    deviceSummed: frame.deviceSummed ?? false,
    clockRepaired,
    warnings
  }
}

function warnOfLost ({ untimed, unreadableTimes, unreadableValues }: PointBuffer, warnings: Warning[]): void {
  if (untimed - unreadableTimes > 0) {
    warnings.push(warning('TIMES_MISSING', `${counted(untimed - unreadableTimes, 'point')} without a timestamp ignored`))
  }
  if (unreadableTimes > 0) {
    warnings.push(warning('TIMES_UNREADABLE', `${counted(unreadableTimes, 'point')} with a timestamp that cannot be read ignored`))
  }
  if (unreadableValues > 0) {
    warnings.push(warning('VALUES_UNREADABLE', `${counted(unreadableValues, 'value')} that cannot be read ignored`))
  }
}

function warnOfTwins ({ timesMs }: Timeline, warnings: Warning[]): void {
  let twins = 0
  for (let i = 1; i < timesMs.length; i++) if (timesMs[i] === timesMs[i - 1]) twins++
  if (twins > 0) {
    warnings.push(warning('TIMES_REPEATED', `${counted(twins, 'point')} merged with the previous point, which has the same timestamp`))
  }
}

/** The start of the recording: the stated one, if the records agree with it, and not after the first record. */
function startOf (
  { timesMs }: Timeline,
  statedMs: number | undefined,
  elapsedS: number | null,
  warnings: Warning[]
): { startTime: number, startRefuted: boolean } {
  const [firstMs, lastMs] = [timesMs[0], timesMs.at(-1)]
  let startTime = statedMs ?? firstMs
  let startRefuted = false
  if (statedMs !== undefined && firstMs !== undefined && lastMs !== undefined) {
    const early = firstMs - statedMs
    startRefuted = statedMs > lastMs || early > Math.max(EARLY_START_MS, lastMs - firstMs) ||
      // The device would have counted its time before the first record.
      (elapsedS !== null && early > Math.max(60, elapsedS) * 1000)
    startTime = startRefuted ? firstMs : Math.min(statedMs, firstMs)
    if (startRefuted) {
      warnings.push(warning('CLOCK_WRONG', 'The start that the file states does not agree with its records: the first record is the start'))
    }
  }
  if (startTime === undefined) throw unreadable('The file contains no point with a timestamp')
  if (!(startTime >= EARLIEST_MS && startTime < LATEST_MS)) {
    const date =
      Math.abs(startTime) <= 8.64e15 ? new Date(startTime).toISOString().slice(0, 10) : 'a time that does not exist'
    throw unreadable(`The recording is dated ${date}: the clock of the device was wrong`)
  }
  if (startTime < CLOCKS_SET_FROM_MS) {
    warnings.push(warning('CLOCK_NOT_SET',
      `The recording is dated ${new Date(startTime).toISOString().slice(0, 10)}: the clock of the device was never set`))
  }
  return { startTime, startRefuted }
}

/**
 * The columns of the points: one row for each distinct time. Points of a batch with one time are spread; of other
 * points with the same time, a later one overrides the earlier values that it has.
 */
function columnsOf (points: PointBuffer, timeline: Timeline, startTime: number): Columns {
  const { order, timesMs } = timeline
  let length = 0
  for (let i = 0; i < order.length; i++) {
    if (i === 0 || timesMs[i] !== timesMs[i - 1]) length++
  }
  const columns = emptyColumns(length)
  const targets: Array<[number, Float64Array]> = [
    [LATITUDE, columns.latitudeDeg],
    [LONGITUDE, columns.longitudeDeg],
    [ALTITUDE, columns.altitudeM],
    [HEART_RATE, columns.heartRateBpm],
    [CADENCE, columns.cadenceSpm],
    [SPEED, columns.speedMPerS],
    [POWER, columns.powerW],
    [DISTANCE, columns.distanceM]
  ]
  let at = -1
  for (let i = 0; i < order.length; i++) {
    const row = order[i]! * WIDTH
    if (i === 0 || timesMs[i] !== timesMs[i - 1]) columns.timeS[++at] = (timesMs[i]! - startTime) / 1000
    for (const [place, column] of targets) {
      const value = points.rows[row + place]!
      if (!Number.isNaN(value)) column[at] = value
    }
  }
  return columns
}

import { emptyColumns, NO_DEVICE_FIGURES, NO_DEVICE_MEANS } from '../recording.ts'
import type { Columns, DeviceFigures, DeviceMeans, Lap, Pause, Recording } from '../recording.ts'
import { hasSteps, PLAUSIBLE_SPEED_M_PER_S } from '../sports.ts'
import type { Sport, SubSport } from '../sports.ts'
import { trackDistanceM } from '../training/distance.ts'
import { believable, cumulate } from './repairs.ts'
import { counted, unreadable } from './unreadable.ts'

/** Eleven days of one record per second. A larger file is not an activity, and would only take memory. */
export const MAX_POINTS = 1_000_000

/** No recording lasts longer; a point further away in time has a damaged timestamp. */
const LONGEST_MS = 14 * 86_400_000

/** FIT counts from the end of 1989; a date outside these bounds comes from a wrong clock. */
const EARLIEST_MS = Date.UTC(1989, 11, 31)
const LATEST_MS = Date.UTC(2100, 0, 1)

/** The position of each value in a row of the buffer; a point is a row of nine numbers. */
const TIME = 0
const LATITUDE = 1
const LONGITUDE = 2
const ALTITUDE = 3
const HEART_RATE = 4
const CADENCE = 5
const SPEED = 6
const POWER = 7
const DISTANCE = 8
const WIDTH = 9

/** One point of a file. A missing value or NaN is a gap. */
export interface Point {
  /** Milliseconds since 1970. */
  timeMs: number
  latitudeDeg?: number | undefined
  longitudeDeg?: number | undefined
  altitudeM?: number | undefined
  heartRateBpm?: number | undefined
  /** As in the file: steps of one leg. */
  cadence?: number | undefined
  speedMPerS?: number | undefined
  powerW?: number | undefined
  distanceM?: number | undefined
}

/** The points that a decoder collects: a growing buffer of rows, in any order and of any quality. */
export class PointBuffer {
  length = 0
  // Small at first: a hostile file may contain millions of empty tracks.
  rows = new Float64Array(WIDTH * 16)
  /** The number of points ignored because they have no timestamp. */
  untimed = 0

  push (point: Point): void {
    if (Number.isNaN(point.timeMs)) {
      this.untimed++
      return
    }
    const at = this.#room()
    const { rows } = this
    rows[at + TIME] = point.timeMs
    rows[at + LATITUDE] = point.latitudeDeg ?? Number.NaN
    rows[at + LONGITUDE] = point.longitudeDeg ?? Number.NaN
    rows[at + ALTITUDE] = point.altitudeM ?? Number.NaN
    rows[at + HEART_RATE] = point.heartRateBpm ?? Number.NaN
    rows[at + CADENCE] = point.cadence ?? Number.NaN
    rows[at + SPEED] = point.speedMPerS ?? Number.NaN
    rows[at + POWER] = point.powerW ?? Number.NaN
    rows[at + DISTANCE] = point.distanceM ?? Number.NaN
  }

  timeMsAt (index: number): number {
    return this.rows[index * WIDTH + TIME]!
  }

  distanceMAt (index: number): number {
    return this.rows[index * WIDTH + DISTANCE]!
  }

  /** The points from the first moment up to but excluding the second, as a new buffer. */
  between (fromMs: number, toMs: number): PointBuffer {
    const part = new PointBuffer()
    for (let i = 0; i < this.length; i++) {
      const time = this.timeMsAt(i)
      if (time < fromMs || time >= toMs) continue
      const at = part.#room()
      part.rows.set(this.rows.subarray(i * WIDTH, (i + 1) * WIDTH), at)
    }
    return part
  }

  /** Reserves space for one more point and returns its offset. */
  #room (): number {
    if (this.length >= MAX_POINTS) throw unreadable(`The file contains more than ${MAX_POINTS} points`)
    const at = this.length++ * WIDTH
    if (at + WIDTH > this.rows.length) {
      const larger = new Float64Array(this.rows.length * 2)
      larger.set(this.rows)
      this.rows = larger
    }
    return at
  }
}

/** The data of an activity beside its points. Times in ms since 1970. */
export interface Frame {
  sport: Sport
  subSport: SubSport | null
  name: string | null
  /** The start stated by the file; if absent, the time of the first point counts. */
  startMs?: number | undefined
  /** The device's distance counter at the start of the activity. */
  distanceBaseM?: number | undefined
  laps?: Array<Omit<Lap, 'startS'> & { startMs: number }>
  pausesMs?: Array<{ startMs: number, endMs: number }>
  device?: DeviceFigures
  deviceMeans?: DeviceMeans
  deviceName?: string | null
  warnings?: string[]
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
  if (points.untimed > 0) warnings.push(`${counted(points.untimed, 'point')} without a timestamp ignored`)

  const rows = inOrder(points, frame.startMs, warnings)
  const firstMs = rows.length > 0 ? points.timeMsAt(rows[0]!) : undefined
  const startTime = frame.startMs === undefined ? firstMs : Math.min(frame.startMs, firstMs ?? frame.startMs)
  if (startTime === undefined) throw unreadable('The file contains no point with a timestamp')
  if (!(startTime >= EARLIEST_MS && startTime < LATEST_MS)) {
    const date =
      Math.abs(startTime) <= 8.64e15 ? new Date(startTime).toISOString().slice(0, 10) : 'a time that does not exist'
    throw unreadable(`The recording is dated ${date}: the clock of the device was wrong`)
  }
  const lastMs = rows.length > 0 ? points.timeMsAt(rows.at(-1)!) : startTime
  if (!(lastMs > startTime) && !((device.elapsed_s ?? device.timer_s ?? 0) > 0)) {
    throw unreadable('The recording has fewer than two points with different timestamps, so it has no duration')
  }

  const columns = columnsOf(points, rows, startTime)
  believable(columns, warnings)
  const seconds = (timeMs: number): number => (timeMs - startTime) / 1000
  let pauses = tidyPauses(
    (frame.pausesMs ?? []).map(({ startMs, endMs }) => ({ startS: seconds(startMs), endS: seconds(endMs) }))
  )
  const limit = PLAUSIBLE_SPEED_M_PER_S[frame.sport]
  if (columns.distanceM.every(Number.isNaN)) {
    const gaps = interruptions(columns.timeS)
    const breaks = new Map([...gaps.breaks, ...breaksOf(columns.timeS, pauses)])
    columns.distanceM = trackDistanceM(columns, limit, breaks)
    pauses = tidyPauses([...pauses, ...gaps.pauses])
  } else {
    cumulate(columns, { baseM: frame.distanceBaseM, limitMPerS: limit }, warnings)
  }
  if (hasSteps(frame.sport)) stepsOfBothLegs(columns.cadenceSpm)

  return {
    sport: frame.sport,
    subSport: frame.subSport,
    name: frame.name,
    startTime,
    columns,
    laps: (frame.laps ?? []).map(({ startMs, ...lap }) => ({ startS: Math.max(0, seconds(startMs)), ...lap })),
    pauses,
    device,
    deviceMeans: frame.deviceMeans ?? { ...NO_DEVICE_MEANS },
    deviceName: frame.deviceName ?? null,
    warnings
  }
}

/** The indices of the usable points in order of time; points with equal times stay in the order of the file. */
function inOrder (points: PointBuffer, startMs: number | undefined, warnings: string[]): Uint32Array {
  const all = Uint32Array.from({ length: points.length }, (_, i) => i)
  let ordered = true
  for (let i = 1; i < all.length && ordered; i++) ordered = points.timeMsAt(i) >= points.timeMsAt(i - 1)
  const sorted = ordered ? all : all.sort((a, b) => points.timeMsAt(a) - points.timeMsAt(b) || a - b)
  // The middle point is reliable even if the first and the last are wrong.
  const anchorMs = startMs ?? (sorted.length > 0 ? points.timeMsAt(sorted[sorted.length >> 1]!) : 0)
  const usable = sorted.filter((i) => Math.abs(points.timeMsAt(i) - anchorMs) <= LONGEST_MS)
  if (!ordered) warnings.push('The timestamps were out of order: the points were sorted by time')
  if (usable.length < sorted.length) {
    warnings.push(`${counted(sorted.length - usable.length, 'point')} with an impossible timestamp ignored`)
  }
  let twins = 0
  for (let i = 1; i < usable.length; i++) {
    if (points.timeMsAt(usable[i]!) === points.timeMsAt(usable[i - 1]!)) twins++
  }
  if (twins > 0) warnings.push(`${counted(twins, 'point')} merged with the previous point, which has the same timestamp`)
  return usable
}

/**
 * The columns of the points in that order: one row for each distinct time. Of points with the same time, a later one
 * overrides the earlier values that it has.
 */
function columnsOf (points: PointBuffer, order: Uint32Array, startTime: number): Columns {
  let length = 0
  for (let i = 0; i < order.length; i++) {
    if (i === 0 || points.timeMsAt(order[i]!) !== points.timeMsAt(order[i - 1]!)) length++
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
    const timeMs = points.rows[row + TIME]!
    if (i === 0 || timeMs !== points.timeMsAt(order[i - 1]!)) columns.timeS[++at] = (timeMs - startTime) / 1000
    for (const [place, column] of targets) {
      const value = points.rows[row + place]!
      if (!Number.isNaN(value)) column[at] = value
    }
  }
  return columns
}

/** The pauses sorted, merged where they overlap, and without empty ones. */
function tidyPauses (pauses: Pause[]): Pause[] {
  const tidy: Pause[] = []
  const sorted = pauses
    .filter(({ startS, endS }) => Number.isFinite(startS) && endS > Math.max(0, startS))
    .sort((a, b) => a.startS - b.startS)
  for (const { startS, endS } of sorted) {
    const last = tidy.at(-1)
    if (last && startS <= last.endS) last.endS = Math.max(last.endS, endS)
    else tidy.push({ startS: Math.max(0, startS), endS })
  }
  return tidy
}

/** A device that records every second and then nothing for half a minute was not recording meanwhile. */
const INTERRUPTION_S = 30
const INTERRUPTION_STEPS = 10

/**
 * Pauses that the file does not state: gaps of at least 30 s and of ten times the usual step. If the distance comes
 * from positions, the straight line across the gap does not count, as it would not on the watch; only up to one step
 * after the last record and one before the next count.
 */
function interruptions (timeS: Float64Array): { pauses: Pause[], breaks: Map<number, number> } {
  const steps = new Float64Array(Math.max(0, timeS.length - 1)).map((_, i) => timeS[i + 1]! - timeS[i]!).sort()
  const usualS = steps[steps.length >> 1] ?? 0
  const shortest = Math.max(INTERRUPTION_S, INTERRUPTION_STEPS * usualS)
  const pauses: Pause[] = []
  const breaks = new Map<number, number>()
  for (let i = 1; i < timeS.length; i++) {
    if (timeS[i]! - timeS[i - 1]! < shortest) continue
    pauses.push({ startS: timeS[i - 1]!, endS: timeS[i]! })
    breaks.set(i - 1, 2 * usualS)
  }
  return { pauses, breaks }
}

/** The rows that are followed by a pause that the file states: the distance across it does not count. */
function breaksOf (timeS: Float64Array, pauses: Pause[]): Map<number, number> {
  const breaks = new Map<number, number>()
  let at = 0
  for (const { startS, endS } of pauses) {
    while (at + 1 < timeS.length && timeS[at + 1]! <= startS) at++
    if (at + 1 < timeS.length && timeS[at]! <= startS && timeS[at + 1]! >= endS) breaks.set(at, 0)
  }
  return breaks
}

/** No runner averages 240 steps per minute: from 120 on, the device has already counted both legs. */
const BOTH_LEGS_FROM = 120

function stepsOfBothLegs (cadence: Float64Array): void {
  let sum = 0
  let count = 0
  for (const value of cadence) {
    if (value > 0) {
      sum += value
      count++
    }
  }
  if (count === 0 || sum / count >= BOTH_LEGS_FROM) return
  for (let i = 0; i < cadence.length; i++) cadence[i]! *= 2
}

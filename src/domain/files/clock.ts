import { filled } from '../filled.ts'
import { haversineM } from '../training/distance.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { onOneClock } from './clock-shifts.ts'
import { DISTANCE, LATITUDE, LONGITUDE } from './points.ts'
import type { PointBuffer } from './points.ts'
import { counted } from './unreadable.ts'

/**
 * When the points of a file were recorded. The records that agree with each other give the time: the largest run of
 * times without a jump. A clock that was set late, or that jumped, is wrong for the others.
 */
export interface Timeline {
  /** The usable points in order of time, or in the order of the file where that is right; indices of the buffer. */
  order: Uint32Array
  /** Their times in ms since 1970, never decreasing. Equal times stand for one moment. */
  timesMs: Float64Array
  /** Whether the clock was wrong at the beginning, or jumped: more than single points with a damaged time. */
  repaired: boolean
}

/** A stretch in which the timer stood, as the file states it. */
export interface PauseMs {
  startMs: number
  endMs: number
}

/** No recording lasts longer; a point further away in time has a damaged time. */
const LONGEST_MS = 14 * 86_400_000
/** A step in time longer than this, in which the file states no pause, is a jump of the clock. */
const JUMP_MS = 86_400_000
/** A run of records as large as this share of all is kept beside the largest, and moved next to it. */
const KEPT_SHARE = 0.25
/** After a step back in time, a run of as many records is a clock set back, and fewer are points out of order. */
const SET_BACK_RECORDS = 30
/** An order that makes the way longer than the other by this factor is the wrong one. */
const DETOUR = 1.05

/** A maximal run of successive places in the order of time. */
interface Run {
  from: number
  /** Exclusive. */
  to: number
}

export function timelineOf (points: PointBuffer, pauses: readonly PauseMs[], warnings: Warning[]): Timeline {
  const sorted = new Uint32Array(points.length)
  for (let i = 0; i < sorted.length; i++) sorted[i] = i
  const time = (i: number): number => points.timeMsAt(i)
  let ordered = true
  for (let i = 1; i < sorted.length && ordered; i++) ordered = time(i) >= time(i - 1)
  if (!ordered) sorted.sort((a, b) => time(a) - time(b) || a - b)
  const timesMs = filled(sorted.length, (i) => time(sorted[i]!))
  const runs = runsOf(timesMs, pauses).map(({ from, to }) => sorted.slice(from, to))
  const largest = runs.reduce((best, run) => run.length >= best.length ? run : best, new Uint32Array(0))
  const kept = runs.filter((run) => run === largest || isLarge(run, sorted.length))
  warnOfJumps(sorted.length - kept.reduce((sum, run) => sum + run.length, 0), kept.length - 1, warnings)
  const parts = kept.map((run) => ordered
    ? { order: run, timesMs: filled(run.length, (i) => time(run[i]!)), repaired: false }
    : inOrder(points, run, warnings))
  return sideBySide(parts, kept.indexOf(largest), runs[0] !== kept[0])
}

function warnOfJumps (dropped: number, moved: number, warnings: Warning[]): void {
  if (dropped > 0) {
    warnings.push(warning('CLOCK_WRONG',
      `${counted(dropped, 'point')} with an impossible timestamp ignored: the clock of the device was wrong`))
  }
  if (moved > 0) {
    warnings.push(warning('CLOCK_WRONG',
      `The clock of the device jumped: the records ${moved === 1 ? 'on one side of the jump were' : 'beside the jumps were'} moved next to the others`))
  }
}

/** Sorts points by time, unless the order of the file is the shorter way. `sorted`: their indices, sorted. */
function inOrder (points: PointBuffer, sorted: Uint32Array, warnings: Warning[]): Timeline {
  const inFile = sorted.toSorted()
  const timesMs = filled(sorted.length, (i) => points.timeMsAt(sorted[i]!))
  if (inFile.every((i, at) => i === sorted[at])) return { order: sorted, timesMs, repaired: false }
  if (wayM(points, inFile) * DETOUR >= wayM(points, sorted)) {
    warnings.push(warning('TIMES_OUT_OF_ORDER', 'The timestamps were out of order: the points were sorted by time'))
    return { order: sorted, timesMs, repaired: false }
  }
  const forward = setForward(points, inFile, warnings)
  const ignored = inFile.length - forward.order.length
  warnings.push(warning('TIMES_OUT_OF_ORDER',
    'The timestamps were out of order: the points were kept in the order of the file, which is the shorter way' +
      (ignored > 0 ? `; ${counted(ignored, 'point')} with an earlier time ignored` : '')))
  return forward
}

/**
 * The order of the file with times that never decrease, by the clock that most of the points have: a long run after a
 * step back was recorded by a clock set back, and is moved on; single points with an earlier time are left out.
 */
function setForward (points: PointBuffer, inFile: Uint32Array, warnings: Warning[]): Timeline {
  const { timesMs: times, moved } = onOneClock(filled(inFile.length, (i) => points.timeMsAt(inFile[i]!)))
  if (moved > 0) {
    warnings.push(warning('CLOCK_WRONG',
      `The clock of the device jumped: ${counted(moved, 'point')} moved next to the others`))
  }
  const order: number[] = []
  const timesMs: number[] = []
  let repaired = moved >= SET_BACK_RECORDS
  let shift = 0
  let latest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < times.length; i++) {
    const time = times[i]! + shift
    if (time < latest) {
      if (runLength(times, i) < SET_BACK_RECORDS) continue
      shift += latest - time + 1000
      repaired = true
    }
    latest = times[i]! + shift
    order.push(inFile[i]!)
    timesMs.push(latest)
  }
  return { order: Uint32Array.from(order), timesMs: Float64Array.from(timesMs), repaired }
}

/** The number of points from `from` on whose times never decrease, as far as it matters. */
function runLength (times: Float64Array, from: number): number {
  let to = from + 1
  while (to < times.length && to - from < SET_BACK_RECORDS && times[to]! >= times[to - 1]!) to++
  return to - from
}

/** The way through the points in that order: by their positions, or by the device's distance where there are none. */
function wayM (points: PointBuffer, order: Uint32Array): number {
  let placedM = 0
  let countedM = 0
  let place = -1
  let count = -1
  for (const i of order) {
    if (!Number.isNaN(points.valueAt(i, LATITUDE) + points.valueAt(i, LONGITUDE))) {
      if (place >= 0) {
        placedM += haversineM(
          points.valueAt(place, LATITUDE), points.valueAt(place, LONGITUDE),
          points.valueAt(i, LATITUDE), points.valueAt(i, LONGITUDE)
        )
      }
      place = i
    }
    if (!Number.isNaN(points.distanceMAt(i))) {
      if (count >= 0) countedM += Math.abs(points.distanceMAt(i) - points.distanceMAt(count))
      count = i
    }
  }
  return place >= 0 ? placedM : countedM
}

function isLarge (run: Uint32Array, all: number): boolean {
  return run.length >= Math.max(10, all * KEPT_SHARE)
}

/** The runs of times, in order, between steps that are jumps of the clock. */
function runsOf (timesMs: Float64Array, pauses: readonly PauseMs[]): Run[] {
  const runs: Run[] = []
  let from = 0
  for (let i = 1; i <= timesMs.length; i++) {
    const goesOn = i < timesMs.length && timesMs[i]! - timesMs[from]! <= LONGEST_MS &&
      !isJump(timesMs[i - 1]!, timesMs[i]!, pauses)
    if (goesOn) continue
    runs.push({ from, to: i })
    from = i
  }
  return runs
}

/** A watch can be stopped one day and started again on another: that is a pause, which the file states. */
function isJump (fromMs: number, toMs: number, pauses: readonly PauseMs[]): boolean {
  if (toMs - fromMs <= JUMP_MS) return false
  if (toMs - fromMs > LONGEST_MS) return true
  return !pauses.some(({ startMs, endMs }) => startMs <= fromMs + JUMP_MS && endMs >= toMs - JUMP_MS && endMs > startMs)
}

/**
 * The parts in the order in which the file has them, each moved so that it begins one second after the one before ends;
 * that at `fixed` keeps its times.
 */
function sideBySide (parts: Timeline[], fixed: number, lateSet: boolean): Timeline {
  const fixedPart = parts[fixed]
  if (fixedPart === undefined) return { order: new Uint32Array(0), timesMs: new Float64Array(0), repaired: false }
  const inFile = parts.toSorted((a, b) => a.order[0]! - b.order[0]!)
  const at = inFile.indexOf(fixedPart)
  for (let i = at - 1; i >= 0; i--) shift(inFile[i]!, inFile[i + 1]!.timesMs[0]! - 1000 - inFile[i]!.timesMs.at(-1)!)
  for (let i = at + 1; i < inFile.length; i++) {
    shift(inFile[i]!, inFile[i - 1]!.timesMs.at(-1)! + 1000 - inFile[i]!.timesMs[0]!)
  }
  const length = inFile.reduce((sum, { order }) => sum + order.length, 0)
  const whole: Timeline = { order: new Uint32Array(length), timesMs: new Float64Array(length), repaired: lateSet }
  let placed = 0
  for (const { order, timesMs, repaired } of inFile) {
    whole.order.set(order, placed)
    whole.timesMs.set(timesMs, placed)
    whole.repaired ||= repaired || inFile.length > 1
    placed += order.length
  }
  return whole
}

function shift ({ timesMs }: Timeline, byMs: number): void {
  for (let i = 0; i < timesMs.length; i++) timesMs[i]! += byMs
}

/** As many points with one time, at as many places, were delivered together and recorded one after the other. */
const BATCH = 3

/**
 * Spreads the points of a batch, which came with one time, evenly over the time since the one before; the first batch
 * over as much time as the second. Answers whether there was any.
 */
export function spreadBatches (points: PointBuffer, { order, timesMs }: Timeline): boolean {
  let spread = false
  let previousMs: number | undefined
  for (let from = 0; from < order.length;) {
    let to = from + 1
    while (to < order.length && timesMs[to] === timesMs[from]) to++
    const endMs = timesMs[from]!
    if (to - from >= BATCH && placesIn(points, order.subarray(from, to)) >= BATCH) {
      const stepMs = previousMs === undefined
        ? to < order.length ? Math.min(60_000, (timesMs[to]! - endMs) / lengthAt(timesMs, to)) : 1000
        : (endMs - previousMs) / (to - from)
      for (let i = from; i < to; i++) timesMs[i] = endMs - (to - 1 - i) * stepMs
      spread = true
    }
    previousMs = endMs
    from = to
  }
  return spread
}

function lengthAt (timesMs: Float64Array, from: number): number {
  let to = from + 1
  while (to < timesMs.length && timesMs[to] === timesMs[from]) to++
  return to - from
}

/** The number of points that are at another place than the one before. */
function placesIn (points: PointBuffer, order: Uint32Array): number {
  let places = 0
  let last = ''
  for (const i of order) {
    const [latitude, longitude] = [points.valueAt(i, LATITUDE), points.valueAt(i, LONGITUDE)]
    const place = Number.isNaN(latitude) ? String(points.valueAt(i, DISTANCE)) : `${latitude} ${longitude}`
    if (place !== last && place !== 'NaN') places++
    last = place
  }
  return places
}

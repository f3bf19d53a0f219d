import type { Recording } from '../recording.ts'
import type { Sport, SubSport } from '../sports.ts'
import { summaryOf, type ActivitySummary } from '../training/summary.ts'

/** A recording to be written to a file, under the name and the sport that its owner gave it. */
export interface Exportable {
  recording: Recording
  name: string | null
  sport: Sport
  subSport: SubSport | null
}

/** A lap with all that a file states of it. */
export interface WrittenLap {
  startS: number
  endS: number
  timerS: number
  distanceM: number
  elevationGainM: number | null
  averageHeartRateBpm: number | null
  maxHeartRateBpm: number | null
}

/** A point of a file: a record, or a moment at which the timer started or stopped. */
export interface TrailPoint {
  timeS: number
  /** The row of the columns; null: there is no record of this moment. */
  row: number | null
  /** Where there is no position, between the positions before and after; NaN where there is none at all. */
  latitudeDeg: number
  longitudeDeg: number
  /** Since the start, in a pause that of the record before; NaN where it is unknown. */
  distanceM: number
  /** Whether a pause ended here. */
  resumes: boolean
}

/** The figures of a recording, as they are computed when it is imported. */
export function figuresOf ({ recording, sport, subSport }: Exportable): ActivitySummary {
  return summaryOf({ ...recording, sport, subSport })
}

/**
 * The points of a recording for formats that state no times but those of points: its start and its end are points, and
 * so are the start and the end of each pause; records within a pause are left out.
 */
export function * trailOf (recording: Recording, elapsedS: number): Generator<TrailPoint> {
  const { timeS, distanceM } = recording.columns
  const pauses = [...recording.pauses, ...silentPauses(recording, elapsedS)]
  const marks = marksOf(pauses, elapsedS)
  const placeAt = placesOf(recording.columns, pauses)
  let distance = Number.NaN
  let resumes = false
  let next = 0
  let writtenS = Number.NaN
  const pointAt = (time: number, row: number | null): TrailPoint => {
    if (row !== null && !Number.isNaN(distanceM[row]!)) distance = distanceM[row]!
    const point = {
      timeS: time, row, ...placeAt(time), distanceM: row === null ? distance : distanceM[row]!, resumes
    }
    resumes = false
    writtenS = time
    return point
  }
  for (let row = 0; row <= timeS.length; row++) {
    const time = row < timeS.length ? timeS[row]! : Number.POSITIVE_INFINITY
    for (; next < marks.length && marks[next]!.timeS <= time; next++) {
      const mark = marks[next]!
      if (mark.isEnd) resumes = true
      if (mark.timeS < time && mark.timeS !== writtenS) yield pointAt(mark.timeS, null)
    }
    const isInPause = marks[next - 1]?.isStop === true && time > marks[next - 1]!.timeS
    if (row < timeS.length && !isInPause) yield pointAt(time, row)
  }
}

/** The positions by time, between those known as if the runner stood in pauses; asked for in order of time. */
function placesOf (
  { timeS, latitudeDeg, longitudeDeg }: Recording['columns'],
  pauses: Recording['pauses']
): (time: number) => { latitudeDeg: number, longitudeDeg: number } {
  const nextFrom = (row: number): number => {
    let next = row
    while (next < timeS.length && Number.isNaN(latitudeDeg[next]!)) next++
    return next
  }
  let after = nextFrom(0)
  let before = after
  return (time) => {
    while (after < timeS.length && timeS[after]! <= time) {
      before = after
      after = nextFrom(after + 1)
    }
    const [one, two] = [before, Math.min(after, timeS.length)]
    const share = two < timeS.length && time > timeS[one]!
      ? runningBetween(pauses, timeS[one]!, time) / runningBetween(pauses, timeS[one]!, timeS[two]!)
      : 0
    // Where the line between them would go around the globe, there is none.
    if (!(share > 0) || Math.abs(longitudeDeg[two]! - longitudeDeg[one]!) > 180) {
      return { latitudeDeg: latitudeDeg[one] ?? Number.NaN, longitudeDeg: longitudeDeg[one] ?? Number.NaN }
    }
    return {
      latitudeDeg: latitudeDeg[one]! + share * (latitudeDeg[two]! - latitudeDeg[one]!),
      longitudeDeg: longitudeDeg[one]! + share * (longitudeDeg[two]! - longitudeDeg[one]!)
    }
  }
}

function runningBetween (pauses: Recording['pauses'], fromS: number, toS: number): number {
  return toS - fromS - pausedS(pauses, fromS, toS)
}

/** A stretch without a record is a pause only if it is as long as this, and twice as long as is usual. */
const SHORTEST_SILENCE_S = 5

/**
 * The pauses that a device does not state, but its timer does: the longest stretches without a record, as long as it
 * stood.
 */
function silentPauses ({ columns: { timeS }, pauses, device }: Recording, elapsedS: number): Recording['pauses'] {
  let missingS = device.timer_s === null ? 0 : elapsedS - pausedS(pauses, 0, elapsedS) - device.timer_s
  if (missingS < 1 || timeS.length < 3) return []
  const steps = timeS.map((time, i) => i === 0 ? 0 : time - timeS[i - 1]!)
  const usualS = steps.toSorted()[steps.length >> 1]!
  const silent: Recording['pauses'] = []
  const longest = [...steps.keys()]
    .filter((row) => steps[row]! >= Math.max(SHORTEST_SILENCE_S, 2 * usualS))
    .sort((a, b) => steps[b]! - steps[a]!)
  for (const row of longest) {
    const stoodS = Math.min(missingS, steps[row]! - usualS)
    const endS = timeS[row]! - usualS / 2
    if (stoodS < 1 || pausedS(pauses, timeS[row - 1]!, timeS[row]!) > 0) continue
    silent.push({ startS: endS - stoodS, endS })
    missingS -= stoodS
  }
  return silent
}

interface Mark {
  timeS: number
  isStop: boolean
  isEnd: boolean
}

/** The moments that must be points, in order. */
function marksOf (pauses: Recording['pauses'], elapsedS: number): Mark[] {
  const marks: Mark[] = [{ timeS: 0, isStop: false, isEnd: false }]
  for (const { startS, endS } of pauses.toSorted((a, b) => a.startS - b.startS)) {
    if (startS >= elapsedS) break
    marks.push({ timeS: startS, isStop: true, isEnd: false })
    marks.push({ timeS: Math.min(endS, elapsedS), isStop: false, isEnd: true })
  }
  if (elapsedS > marks.at(-1)!.timeS) marks.push({ timeS: elapsedS, isStop: false, isEnd: false })
  return marks
}

/** The laps of a recording, of which a file has one at least: the whole, where the device marked none. */
export function writtenLaps ({ recording, ...more }: Exportable): WrittenLap[] {
  const { columns, laps, pauses, device } = recording
  const figures = figuresOf({ recording, ...more })
  const { distance_m, elapsed_s: elapsedS, average_heart_rate_bpm, max_heart_rate_bpm } = figures
  // One lap is the whole, whatever the device says of it.
  if (laps.length <= 1 && !endsEarly(laps[0], elapsedS)) {
    return [{
      startS: 0,
      endS: elapsedS,
      timerS: Math.min(elapsedS, device.timer_s ?? elapsedS - pausedS(pauses, 0, elapsedS)),
      distanceM: distance_m ?? 0,
      elevationGainM: laps[0]?.elevationGainM ?? device.elevation_gain_m,
      averageHeartRateBpm: laps[0]?.averageHeartRateBpm ?? average_heart_rate_bpm,
      maxHeartRateBpm: laps[0]?.maxHeartRateBpm ?? max_heart_rate_bpm
    }]
  }
  const last = laps.length - 1
  const written = laps.map((lap, i): WrittenLap => {
    const startS = i === 0 ? 0 : lap.startS
    const endS = i < last ? Math.max(startS, laps[i + 1]!.startS) : Math.max(startS, elapsedS)
    const runningS = Math.max(0, endS - startS - pausedS(pauses, startS, endS))
    const timerS = lap.timerS ?? lap.elapsedS ?? runningS
    return {
      startS,
      endS,
      // A timer that runs on in pauses is none.
      timerS: timerS > runningS + TIMER_ROUNDING_S ? runningS : timerS,
      distanceM: lap.distanceM ?? distanceBetween(columns, startS, endS),
      elevationGainM: lap.elevationGainM,
      averageHeartRateBpm: lap.averageHeartRateBpm,
      maxHeartRateBpm: lap.maxHeartRateBpm
    }
  })
  return [...written, ...remainder(laps, written, distance_m, elapsedS)]
}

/** Whether a lap ends before the recording. */
function endsEarly (lap: Recording['laps'][number] | undefined, elapsedS: number): boolean {
  if (lap === undefined) return false
  return lap.startS + (lap.elapsedS ?? lap.timerS ?? elapsedS) < elapsedS - TIMER_ROUNDING_S
}

/** Pauses are told in whole seconds, and the timer in milliseconds. */
const TIMER_ROUNDING_S = 2
/** The distance that laps may lack for rounding. */
const ROUNDING = 0.0005

/** A lap of what is left, where those of the device end before the recording: formats without totals sum their laps. */
function remainder (
  laps: Recording['laps'],
  written: WrittenLap[],
  distanceM: number | null,
  elapsedS: number
): WrittenLap[] {
  const { startS, elapsedS: length, timerS } = laps.at(-1)!
  const lap = written.at(-1)!
  const endS = startS + (length ?? timerS ?? Number.POSITIVE_INFINITY)
  const leftM = (distanceM ?? 0) - written.reduce((sum, { distanceM }) => sum + distanceM, 0)
  if (!(elapsedS - endS >= 1) || !(leftM > (distanceM ?? 0) * ROUNDING)) return []
  lap.endS = endS
  return [{
    startS: endS,
    endS: elapsedS,
    timerS: elapsedS - endS,
    distanceM: leftM,
    elevationGainM: null,
    averageHeartRateBpm: null,
    maxHeartRateBpm: null
  }]
}

/** Seconds of pauses between two moments. */
export function pausedS (pauses: Recording['pauses'], fromS: number, toS: number): number {
  let sum = 0
  for (const { startS, endS } of pauses) sum += Math.max(0, Math.min(endS, toS) - Math.max(startS, fromS))
  return sum
}

function distanceBetween ({ timeS, distanceM }: Recording['columns'], fromS: number, toS: number): number {
  let first = Number.NaN
  let last = Number.NaN
  for (let i = 0; i < timeS.length && timeS[i]! <= toS; i++) {
    if (Number.isNaN(distanceM[i]!)) continue
    if (timeS[i]! <= fromS || Number.isNaN(first)) first = distanceM[i]!
    last = distanceM[i]!
  }
  return last > first ? last - first : 0
}

/** How often a leg steps a minute, as files state it; as it is for sports without steps. */
export function fileCadence (cadence: number, legs: number): number {
  return Math.min(254, Math.round(cadence / legs))
}

import type { Columns, DeviceFigures, Lap, Pause } from '../recording.ts'
import { PLAUSIBLE_SPEED_M_PER_S } from '../sports.ts'
import type { Sport, SubSport } from '../sports.ts'
import { interruptions, leastWayM, tidyPauses } from '../training/distance.ts'
import { withoutJitter } from '../training/jitter.ts'
import { activeTimeS, STANDING_M_PER_S } from '../training/moving.ts'
import { agree, CONTRADICTION, saying, weigh, wordsOf } from '../training/sources.ts'
import type { Source, Told } from '../training/sources.ts'
import { lastOf, sumOfLaps } from '../training/totals.ts'
import { trackOf } from '../training/track.ts'
import type { Interruptions, Track } from '../training/track.ts'
import { shortestTimeS } from '../training/limits.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { counterOf, integrated } from './repairs.ts'
import type { Counter } from './repairs.ts'
import { counted } from './unreadable.ts'

export interface Covering {
  sport: Sport
  subSport: SubSport | null
  device: DeviceFigures
  laps: readonly Lap[]
  /** The stretches in which the timer stood, as the file states them. */
  pauses: Pause[]
  distanceBaseM?: number | undefined
  /** Whether the summary is the sum of the laps, and no source of its own. */
  deviceSummed?: boolean | undefined
  /** Whether records were left out because of a wrong clock: what they covered does not count. */
  clockRepaired: boolean
}

/** Speeds further apart in time say nothing of what lies between them. */
const SPEEDS_APART_S = 60

/** What the records say of the distance. */
interface Series {
  counter: Counter | null
  track: Track | null
  speeds: Float64Array<ArrayBuffer> | null
}

/**
 * Decides which records tell the distance since the start, and puts that into `columns.distanceM`: the device's, or the
 * way along the positions, or the sum of the speeds. What is covered while the timer stands does not count. Positions
 * out of reach become gaps. Answers the pauses.
 */
export function chooseDistance (columns: Columns, covering: Covering, warnings: Warning[]): Pause[] {
  const { timeS } = columns
  const limitMPerS = PLAUSIBLE_SPEED_M_PER_S[covering.sport]
  let stated = believedPauses(tidyPauses(covering.pauses), covering, timeS)
  const gaps = interruptions(timeS)
  let activeS = activeTimeS(timeS, stated)
  let track = trackAlong(columns, limitMPerS, { activeS, breaks: gaps.breaks })
  const missing = track === null ? null : missingPause(columns, covering, track, stated)
  if (missing !== null) {
    warnings.push(warning('DISTANCE_CONTRADICTED',
      `The positions say ${Math.round(lastOf(track!.distanceM)!)} m: what they cover in the ${Math.round(missing.endS - missing.startS)} s that the timer lacks does not count`))
    stated = tidyPauses([...stated, missing])
    activeS = activeTimeS(timeS, stated)
    track = trackAlong(columns, limitMPerS, { activeS, breaks: gaps.breaks })
  }
  const series: Series = {
    counter: counterOf({
      timeS,
      distanceM: columns.distanceM,
      baseM: baseOf(columns.distanceM, covering),
      limitMPerS,
      isPaused: insideOf(timeS, stated)
    }),
    track,
    speeds: integrated(columns.speedMPerS, timeS, activeS, SPEEDS_APART_S)
  }
  if (series.track !== null) dropRefused(columns, series.track, warnings)
  const chosen = choose(columns, covering, series, stated, warnings)
  columns.distanceM = chosen === 'records'
    ? series.counter!.distanceM
    : chosen === 'positions'
      ? series.track!.distanceM
      : chosen === 'speeds' ? series.speeds! : columns.distanceM
  if (chosen === 'records' && series.counter!.leaps > 0) {
    warnings.push(warning('DISTANCE_LEAP', `${counted(series.counter!.leaps, 'implausibly fast leap')} in the distance ignored`))
  }
  return tidyPauses([...stated, ...gaps.pauses.filter((gap) => chosen === 'positions' || isStill(columns, gap, covering.device))])
}

/** The track without what standing jitters; null without positions. */
function trackAlong (columns: Columns, limitMPerS: number, interruptions: Interruptions): Track | null {
  if (columns.latitudeDeg.every(Number.isNaN)) return null
  const track = trackOf(columns, limitMPerS, interruptions)
  return { ...track, distanceM: withoutJitter(columns, track.distanceM) }
}

function baseOf (distanceM: Float64Array, { clockRepaired, distanceBaseM }: Covering): number | undefined {
  return clockRepaired ? distanceM.find((metres) => !Number.isNaN(metres)) : distanceBaseM
}

function dropRefused (columns: Columns, { refused }: Track, warnings: Warning[]): void {
  for (const row of refused) {
    columns.latitudeDeg[row] = Number.NaN
    columns.longitudeDeg[row] = Number.NaN
  }
  if (refused.length > 0) {
    warnings.push(warning('POSITIONS_IMPOSSIBLE', `${counted(refused.length, 'position')} out of reach of the others ignored`))
  }
}

/** The source of the distance at the records; undefined where none tells it. */
function choose (
  columns: Columns,
  covering: Covering,
  series: Series,
  stated: Pause[],
  warnings: Warning[]
): Source | undefined {
  const { device, sport, subSport, clockRepaired } = covering
  const told: Told[] = []
  const tell = (source: Source, value: number | null): void => {
    if (value !== null && value > 0) told.push({ source, value })
  }
  const ownM = series.counter && lastOf(series.counter.distanceM)
  const wayM = series.track && lastOf(series.track.distanceM)
  tell('records', series.counter?.runsBack ? null : ownM)
  // Under a roof, positions only drift.
  if (subSport !== 'treadmill' || (ownM === null && series.speeds === null)) tell('positions', wayM)
  tell('speeds', series.speeds && lastOf(series.speeds))
  if (told.length === 0) return series.counter ? 'records' : series.track ? 'positions' : undefined
  const recordedS = columns.timeS.at(-1) ?? 0
  const spanS = Math.max(recordedS, Math.min(device.elapsed_s ?? 0, recordedS + 86_400))
  const leastM = subSport === 'treadmill' ? 0 : leastWayM(columns, stated, PLAUSIBLE_SPEED_M_PER_S[sport]) * 0.95
  const canBe = (value: number): boolean => value >= leastM && shortestTimeS(sport, value) <= spanS
  const witnesses = !clockRepaired && covers(recordedS, device) ? statedTotals(covering, columns, stated, wayM) : []
  const { told: winner } = weigh([...told, ...witnesses], canBe)
  const own = told[0]!
  const chosen = winner === null || (canBe(own.value) && agree(own.value, winner.value))
    ? own
    : told.find(({ source }) => source === winner.source) ?? told.find(({ value }) => agree(value, winner.value)) ?? own
  if (chosen !== own || (series.counter?.runsBack && ownM! > 0)) {
    const refuted = series.counter?.runsBack ? { source: 'records' as const, value: ownM! } : own
    warnings.push(warning('DISTANCE_CONTRADICTED',
      `The distances contradict each other (${saying([refuted, chosen], 'm')}): ${wordsOf(chosen.source)} are used`))
  }
  return chosen.source
}

/** The totals that the device states, but for those that count what was covered while the timer stood. */
function statedTotals (
  { device, laps }: Covering,
  columns: Columns,
  pauses: Pause[],
  wayM: number | null
): Told[] {
  const totals: Told[] = []
  const lapsM = sumOfLaps(laps, ({ distanceM }) => distanceM)
  if (device.distance_m !== null) totals.push({ source: 'session', value: device.distance_m })
  if (lapsM !== null && lapsM !== device.distance_m) totals.push({ source: 'laps', value: lapsM })
  if (pauses.length === 0 || wayM === null || totals.length === 0) return totals
  const whole = trackOf(columns, Number.POSITIVE_INFINITY, { activeS: columns.timeS, breaks: new Map() })
  const wholeM = lastOf(whole.distanceM)!
  return agree(wholeM, wayM) ? totals : totals.filter(({ value }) => !agree(value, wholeM))
}

/** Whether the records last as long as the device says: the rest of a truncated file is missing. */
function covers (recordedS: number, { elapsed_s: elapsedS, timer_s: timerS }: DeviceFigures): boolean {
  return recordedS >= 0.9 * Math.min(elapsedS ?? recordedS, timerS ?? recordedS)
}

/**
 * The stated pauses, unless the timer of the device and of its laps agree that it ran meanwhile: a file can lack the
 * event of a start.
 */
function believedPauses (pauses: Pause[], { device, laps }: Covering, timeS: Float64Array): Pause[] {
  const timerS = device.timer_s
  const lapsS = sumOfLaps(laps, (lap) => lap.timerS)
  if (timerS === null || lapsS === null || !agree(timerS, lapsS)) return pauses
  const recordedS = timeS.at(-1) ?? 0
  const pausedS = pausedUntil(recordedS, pauses)
  return agree(timerS, recordedS) && !agree(timerS, recordedS - pausedS) ? [] : pauses
}

function pausedUntil (recordedS: number, pauses: readonly Pause[]): number {
  return pauses.reduce((sum, { startS, endS }) => sum + Math.max(0, Math.min(endS, recordedS) - startS), 0)
}

/** What a vehicle covers is faster than the rest by this factor. */
const VEHICLE_FACTOR = 1.3

/**
 * The stretch in which the timer must have stood, where the file lacks its events: the device states a shorter time and
 * a shorter way than its positions, which tell both if this stretch is left out. Null where there is none, or where the
 * records have a distance of their own.
 */
function missingPause (
  { timeS, distanceM: countedM }: Columns,
  { device, laps, deviceSummed }: Covering,
  { distanceM: wayM }: Track,
  pauses: readonly Pause[]
): Pause | null {
  const { timer_s: timerS, distance_m: totalM } = device
  const placedM = lastOf(wayM)
  if (timerS === null || totalM === null || placedM === null || !countedM.every(Number.isNaN)) return null
  if (!(totalM > 0 && totalM < placedM) || agree(totalM, placedM)) return null
  const recordedS = timeS.at(-1)!
  const runningS = recordedS - pausedUntil(recordedS, pauses)
  if (timerS > runningS || agree(timerS, runningS)) return null
  const [lapsM, lapsS] = [sumOfLaps(laps, (lap) => lap.distanceM), sumOfLaps(laps, (lap) => lap.timerS)]
  const isConfirmed = lapsM !== null && lapsS !== null && agree(lapsM, totalM) && agree(lapsS, timerS)
  const missingS = runningS - timerS
  if (!isConfirmed || (deviceSummed && (placedM - totalM) / missingS < VEHICLE_FACTOR * totalM / timerS)) return null
  return stretchCovering(timeS, wayM, { lengthS: missingS, metres: placedM - totalM, withinM: CONTRADICTION * totalM })
}

interface Wanted {
  lengthS: number
  metres: number
  withinM: number
}

/** The stretch of a length that comes closest to covering so many metres; null where none does. */
function stretchCovering (timeS: Float64Array, wayM: Float64Array, { lengthS, metres, withinM }: Wanted): Pause | null {
  let best: Pause | null = null
  let closestM = withinM
  let to = 0
  for (let from = 0; from < timeS.length; from++) {
    if (Number.isNaN(wayM[from]!)) continue
    while (to < timeS.length && (timeS[to]! - timeS[from]! < lengthS || Number.isNaN(wayM[to]!))) to++
    if (to === timeS.length) break
    const offM = Math.abs(wayM[to]! - wayM[from]! - metres)
    if (offM > closestM || (best !== null && offM === closestM)) continue
    closestM = offM
    best = { startS: timeS[from]!, endS: timeS[from]! + lengthS }
  }
  return best
}

/** Whether nothing was covered in a gap of the records, and the device's timer allows that it stood. */
function isStill ({ timeS, distanceM }: Columns, { startS, endS }: Pause, device: DeviceFigures): boolean {
  const lengthS = endS - startS
  let before = 0
  let after: number | undefined
  for (let i = 0; i < timeS.length && after === undefined; i++) {
    if (Number.isNaN(distanceM[i]!)) continue
    if (timeS[i]! <= startS) before = distanceM[i]!
    else if (timeS[i]! >= endS) after = distanceM[i]!
  }
  if (after === undefined || after - before >= STANDING_M_PER_S * lengthS) return false
  const stoodS = device.timer_s === null ? lengthS : Math.max(device.elapsed_s ?? 0, timeS.at(-1) ?? 0) - device.timer_s
  return stoodS >= lengthS * 0.95
}

/** Whether a row lies within one of the pauses, which are in order. A row at the end of one does not. */
function insideOf (timeS: Float64Array, pauses: readonly Pause[]): (row: number) => boolean {
  return (row) => {
    let [low, high] = [0, pauses.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (pauses[middle]!.endS <= timeS[row]!) low = middle + 1
      else high = middle
    }
    return low < pauses.length && pauses[low]!.startS < timeS[row]!
  }
}

import type { Lap, Pause, Recording } from '../recording.ts'
import { PLAUSIBLE_SPEED_M_PER_S } from '../sports.ts'
import type { Sport } from '../sports.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { shortestTimeS } from './limits.ts'
import { leastWayM, POSITION_NOISE_M, tidyPauses } from './distance.ts'
import { activeTimeS } from './moving.ts'
import type { Standing } from './moving.ts'
import { agree, saying, weigh, wordsOf } from './sources.ts'
import type { Told } from './sources.ts'
import { trackOf } from './track.ts'

/** The distance and times of a recording that are believed. */
export interface Totals {
  distanceM: number | null
  elapsedS: number
  movingS: number
  warnings: Warning[]
}

/** No recording lasts longer. */
const LONGEST_S = 14 * 86_400
/** An elapsed time that exceeds the records by more than this does not belong to them. */
const LONGEST_TAIL_S = 86_400
/** Records that last as long as this share of the elapsed time tell of all of it. */
const COVERING = 0.9
/** A timer that is shorter than the time in which the records move, by more than this share, is wrong. */
const TIMER_SHARE = 0.9

/**
 * Weighs the sources of the totals: the summary of the device, its laps, its records and the positions. First the
 * elapsed time, then the distance that can be covered in it, then the moving time in which it can be covered.
 */
export function totalsOf (recording: Recording, standing: Standing): Totals {
  const warnings: Warning[] = []
  const recordedS = recording.columns.timeS.at(-1) ?? 0
  const elapsedS = elapsedOf(recording, recordedS, warnings)
  const distanceM = distanceOf(recording, standing, { recordedS, elapsedS }, warnings)
  const movingS = movingOf(recording, standing, { recordedS, elapsedS, distanceM }, warnings)
  return { distanceM, elapsedS, movingS, warnings }
}

/** At least the span of the records. */
function elapsedOf (recording: Recording, recordedS: number, warnings: Warning[]): number {
  const { device, laps, clockRepaired } = recording
  const told = toldOf([
    ['session', clockRepaired ? null : device.elapsed_s],
    ['laps', clockRepaired || recording.deviceSummed ? null : sumOfLaps(laps, (lap) => lap.elapsedS)],
    ['records', recordedS > 0 ? recordedS : null]
  ])
  const timerS = device.timer_s
  // Records stop with the timer: an elapsed time beyond them is a pause at the end if the timer agrees.
  const longestS = recordedS * 1.05 + 60
  const beyond = (value: number): boolean =>
    recordedS > 0 && timerS !== null && timerS > longestS && value > longestS
  const canBe = (value: number): boolean =>
    value >= recordedS - 1 && value <= LONGEST_S && (recordedS === 0 || value <= recordedS + LONGEST_TAIL_S)
  const alone = weigh(told, canBe)
  const session = told.find(({ source }) => source === 'session')
  const isAlone = session && !told.some((other) => other !== session && agree(other.value, session.value))
  const { told: best, refuted } = isAlone && beyond(session.value)
    ? weigh(told, (value) => value !== session.value && canBe(value))
    : alone
  warnOfTimes(best, refuted.filter(({ source }) => source === 'session'), warnings)
  if (best === null || best.source === 'records') {
    // The timer may have continued after the last record; the elapsed time cannot be shorter than the timer.
    return timerS !== null && timerS >= recordedS && timerS <= recordedS * 1.05 + 60 && !clockRepaired
      ? timerS
      : recordedS > 0 ? recordedS : Math.min(timerS ?? 0, LONGEST_S)
  }
  // Records are of whole seconds, the time that the device states is not.
  return best.value
}

interface Known {
  recordedS: number
  elapsedS: number
}

function distanceOf (
  recording: Recording,
  standing: Standing,
  { recordedS, elapsedS }: Known,
  warnings: Warning[]
): number | null {
  const { sport, subSport, columns, device, laps, pauses } = recording
  const recordedM = lastOf(columns.distanceM)
  const covering = recordedS >= COVERING * Math.min(elapsedS, device.timer_s ?? elapsedS)
  const lapsM = sumOfLaps(laps, ({ distanceM }) => distanceM)
  const fromStart = !recording.clockRepaired || recordedM === null
  const told = toldOf([
    // With a wrong clock, the totals cover records that were left out.
    ['session', fromStart && (!recording.deviceSummed || lapsM === null) ? device.distance_m : null],
    ['laps', fromStart ? lapsM : null],
    // The records of a truncated file tell of its beginning only.
    ['records', covering || (device.distance_m === null && lapsM === null) ? recordedM : null]
  ])
  if (told.length === 0) return null
  if (told.every(({ value }) => value < POSITION_NOISE_M) && subSport !== 'treadmill' &&
    lengthOf(standing.stretches) >= COVERING * recordedS) return 0
  const leastM = subSport === 'treadmill' ? 0 : 0.95 * leastWayM(columns, pauses, PLAUSIBLE_SPEED_M_PER_S[sport])
  const canBe = (value: number): boolean =>
    value > 0 && value >= leastM && shortestTimeS(sport, value) <= elapsedS &&
    // A total cannot be less than its own records counted.
    !(covering && recordedM !== null && value < recordedM && !agree(value, recordedM) && value !== recordedM)
  const { told: best, refuted } = weighRecordsWithPositions(told, canBe, recording)
  if (best === null) {
    warnings.push(warning('DISTANCE_IMPOSSIBLE', `No source gives a distance that can be (${saying(told, 'm')}): it is unknown`))
    return null
  }
  if (refuted.length > 0) {
    warnings.push(warning('DISTANCE_CONTRADICTED',
      `The distances contradict each other (${saying([...refuted, best], 'm')}): ${wordsOf(best.source)} ${best.source === 'session' ? 'is' : 'are'} used`))
  }
  return best.value
}

/**
 * Where positions tell that the records are right, they count twice: the summary and the laps of a device are of one
 * computation, records and positions are not.
 */
function weighRecordsWithPositions (
  told: Told[],
  canBe: (value: number) => boolean,
  { sport, columns, pauses }: Recording
) {
  const records = told.find(({ source }) => source === 'records')
  const contradicted = records && told.some(({ value }) => !agree(value, records.value))
  if (!contradicted || columns.latitudeDeg.every(Number.isNaN)) return weigh(told, canBe)
  const activeS = activeTimeS(columns.timeS, pauses)
  const { distanceM } = trackOf(columns, PLAUSIBLE_SPEED_M_PER_S[sport], { activeS, breaks: new Map() })
  const placedM = lastOf(distanceM) ?? 0
  const witness: Told = { source: 'positions', value: placedM }
  const inOrder = agree(placedM, records.value)
    ? [records, witness, ...told.filter((one) => one !== records)]
    : [...told, witness]
  const weighed = weigh(inOrder, canBe)
  return { told: weighed.told, refuted: weighed.refuted.filter((one) => one !== witness) }
}

interface Covered extends Known {
  distanceM: number | null
}

/**
 * Moving time: the timer, or the elapsed time without the stretches of standing where that is less. What the timer left
 * out already is not taken off again. In swimming a stop cannot be told from a turn, and lifting has no distance: the
 * timer counts.
 */
function movingOf (recording: Recording, standing: Standing, known: Covered, warnings: Warning[]): number {
  const { sport, subSport } = recording
  const { elapsedS, distanceM } = known
  const timerS = timerOf(recording, standing, known, warnings)
  if (sport === 'swimming' || sport === 'strength') return timerS
  // A device that does not measure a treadmill writes a speed and a distance of 0.
  if (subSport === 'treadmill' && distanceM === null) return timerS
  const standingS = lengthOf(standing.stretches)
  if (distanceM === 0) return Math.max(0, Math.min(timerS, elapsedS - standingS))
  const goingS = standingS < elapsedS ? Math.min(timerS, elapsedS - standingS) : timerS
  return longEnough([goingS, timerS, elapsedS - pausedOf(recording), elapsedS], sport, distanceM, warnings)
}

/** The first of the times in which the distance can be covered. */
function longEnough (timesS: number[], sport: Sport, distanceM: number | null, warnings: Warning[]): number {
  const shortestS = distanceM === null ? 0 : shortestTimeS(sport, distanceM)
  const movingS = timesS.find((time) => time > 0 && time >= shortestS) ?? timesS.at(-1)!
  if (movingS !== timesS[0] && timesS[0]! < shortestS) {
    warnings.push(warning('MOVING_IMPOSSIBLE', 'The moving time is too short for the distance: the next longer time that can be is used'))
  }
  return movingS
}

/** The time on the timer: the device's if it can be, otherwise the elapsed time without the pauses. */
function timerOf (
  recording: Recording,
  standing: Standing,
  { recordedS, elapsedS, distanceM }: Covered,
  warnings: Warning[]
): number {
  const { sport, device, laps, pauses } = recording
  const lapsS = sumOfLaps(laps, (lap) => lap.timerS)
  const told = toldOf([
    ['session', recording.deviceSummed && lapsS !== null ? null : device.timer_s],
    ['laps', lapsS]
  ])
  const stillS = lengthOf(tidyPauses([...pauses, ...standing.byDistance]))
  const leastS = distanceM === null ? 0 : shortestTimeS(sport, distanceM)
  const shortestS = Math.max(leastS, TIMER_SHARE * (Math.min(recordedS, elapsedS) - stillS))
  const canBe = (value: number): boolean => value <= elapsedS * 1.02 + 1 && value >= leastS
  const best = told.find(({ value }) => canBe(value) && value >= shortestS) ??
    told.find((one) => canBe(one.value) && told.some((other) => other !== one && agree(other.value, one.value)))
  const ownS = Math.max(0, elapsedS - pausedOf(recording))
  if (told.length === 0) return ownS
  const chosen = best ?? { source: 'records' as const, value: ownS }
  // What the laps say against the summary of the device is of no consequence.
  const [first] = told
  warnOfTimes(chosen, first && !agree(first.value, chosen.value) ? [first] : [], warnings)
  return Math.min(elapsedS, chosen.value)
}

function warnOfTimes (best: Told | null, refuted: Told[], warnings: Warning[]): void {
  if (best === null || refuted.length === 0) return
  warnings.push(warning('TIME_CONTRADICTED',
    `The times contradict each other (${saying([...refuted, best], 's')}): ${wordsOf(best.source)} ${best.source === 'session' ? 'is' : 'are'} used`))
}

function toldOf (told: Array<[Told['source'], number | null | undefined]>): Told[] {
  return told.flatMap(([source, value]) => typeof value === 'number' && Number.isFinite(value) ? [{ source, value }] : [])
}

/** The sum of a figure over the laps; null if it is missing in any of them, or if there are none. */
export function sumOfLaps (laps: readonly Lap[], figure: (lap: Lap) => number | null): number | null {
  let sum = 0
  for (const lap of laps) {
    const value = figure(lap)
    if (value === null) return null
    sum += value
  }
  return laps.length === 0 ? null : sum
}

/** The last known value. */
export function lastOf (column: Float64Array): number | null {
  for (let i = column.length - 1; i >= 0; i--) {
    if (!Number.isNaN(column[i]!)) return column[i]!
  }
  return null
}

function pausedOf ({ pauses, columns }: Recording): number {
  const endS = columns.timeS.at(-1) ?? 0
  return pauses.reduce((sum, pause) => sum + Math.max(0, Math.min(pause.endS, endS) - pause.startS), 0)
}

function lengthOf (stretches: readonly Pause[]): number {
  return stretches.reduce((sum, { startS, endS }) => sum + endS - startS, 0)
}

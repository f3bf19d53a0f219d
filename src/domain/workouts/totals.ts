import type { BodySettings } from '../physiology.ts'
import { heartRateStress, runningStress, steadyImpulse } from '../training/load.ts'
import { METRES_PER_KM } from '../units.ts'
import { stepsWithCount, type Intensity, type Kind, type Step, type WorkoutStep } from './steps.ts'
import { resolveTarget } from './target.ts'

/** What a workout asks for; null where it cannot be told from what is known. */
export interface Totals {
  distanceM: number | null
  durationS: number | null
  load: number | null
}

/** A workout, as far as its totals depend on it. */
export interface Planned {
  kind: Kind
  steps: readonly WorkoutStep[] | null
  planned_distance_m: number | null
  planned_duration_s: number | null
}

/**
 * Speeds as shares of the threshold speed where no target says which. They are those of Daniels' training paces at
 * VDOT 50, where threshold is 4:15/km: the middle and the slow end of easy (5:23, 5:52), marathon (4:31), interval
 * (3:55) and repetition (3:37).
 *
 * Daniels, J. (2014), Daniels' Running Formula, 3rd ed.
 */
const EASY = 0.79
const SLOW = 0.725
const SHARES: Record<Kind, number | null> = {
  easy: EASY,
  long: EASY,
  recovery: SLOW,
  tempo: 1,
  interval: 1.086,
  repetition: 1.175,
  hills: 1,
  race: 1,
  rest: 0,
  cross: null
}
/** Walking, the pace of a rest that has a distance. */
const WALKING_M_PER_S = 1.4

/** Speeds that a heart rate can stand for, as shares of the threshold speed: beyond them it says little about speed. */
const LEAST_SHARE = 0.5
const MOST_SHARE = 1.1

interface Effort {
  seconds: number
  metres: number
  heartRateBpm: number | null
}

/**
 * The distance, duration and load of a workout: from its steps where they tell, else from the figures it was given.
 * The load is the running stress of the speeds, weighted as that of a run is (4th-power mean); without a threshold
 * pace, the heart-rate stress of the targets, where every step has one.
 */
export function totalsOf (workout: Planned, settings: BodySettings): Totals {
  const { steps, planned_distance_m: givenM, planned_duration_s: givenS } = workout
  if (steps === null || steps.length === 0) return totalsOfFigures(workout, settings)
  const efforts: Array<[effort: Partial<Effort>, count: number]> = []
  for (const [step, count] of stepsWithCount(steps)) efforts.push([effortOf(step, workout.kind, settings), count])
  const distanceM = sum(efforts, 'metres') ?? givenM
  const durationS = sum(efforts, 'seconds') ?? givenS
  return { distanceM, durationS, load: loadOfEfforts(efforts, settings) }
}

function sum (efforts: Array<[Partial<Effort>, number]>, name: 'metres' | 'seconds'): number | null {
  let total = 0
  for (const [{ [name]: value }, count] of efforts) {
    if (value === undefined) return null
    total += value * count
  }
  return total
}

function totalsOfFigures (
  { kind, planned_distance_m: distanceM, planned_duration_s: durationS }: Planned,
  settings: BodySettings
): Totals {
  if (kind === 'rest') return { distanceM, durationS, load: 0 }
  const share = SHARES[kind]
  const threshold = thresholdSpeed(settings)
  const usual = share === null || threshold === null ? null : share * threshold
  const seconds = durationS ?? (distanceM === null || usual === null ? null : distanceM / usual)
  const speed = distanceM === null || seconds === null ? usual : distanceM / seconds
  const load = threshold === null || seconds === null || speed === null || kind === 'cross'
    ? null
    : runningStress(seconds, speed, threshold)
  return { distanceM, durationS, load }
}

/** The time, distance and heart rate of a step, as far as they can be told. */
function effortOf (step: Step, kind: Kind, settings: BodySettings): Partial<Effort> {
  const { end, intensity, target } = step
  const resolved = resolveTarget(target, settings)
  const middle = resolved === null ? null : middleOf(resolved.low, resolved.high)
  const heartRateBpm = resolved?.type === 'heart_rate' ? middle : null
  const speed = resolved?.type === 'pace' && middle !== null
    ? METRES_PER_KM / middle
    : speedAt(heartRateBpm, intensity, kind, settings, end.type === 'time')
  const { value } = end
  if (value === undefined || end.type === 'heart_rate') return { heartRateBpm }
  if (end.type === 'distance') {
    return { metres: value, ...(speed === null ? {} : { seconds: value / speed }), heartRateBpm }
  }
  return { seconds: value, ...(speed === null ? {} : { metres: value * speed }), heartRateBpm }
}

/** The middle of a range, or its only bound. */
function middleOf (low: number | null, high: number | null): number | null {
  return low !== null && high !== null ? (low + high) / 2 : low ?? high
}

/** The speed of a step without a pace target, in m/s; null where it cannot be told. */
function speedAt (
  heartRateBpm: number | null,
  intensity: Intensity,
  kind: Kind,
  settings: BodySettings,
  isTimed: boolean
): number | null {
  if (intensity === 'rest') return isTimed ? 0 : WALKING_M_PER_S
  const threshold = thresholdSpeed(settings)
  if (threshold === null) return null
  const share = (heartRateBpm === null ? null : shareAt(heartRateBpm, settings)) ?? usualShare(intensity, kind)
  return share === null ? null : share * threshold
}

/**
 * The share of the threshold speed at a heart rate: that of the heart-rate reserve, which is close to that of the
 * oxygen uptake (Swain & Leutholtz 1997), on which speed depends about linearly.
 */
function shareAt (
  heartRateBpm: number,
  { resting_heart_rate_bpm: resting, threshold_heart_rate_bpm: threshold }: BodySettings
): number | null {
  if (resting === null || threshold === null || resting >= threshold) return null
  return Math.max(LEAST_SHARE, Math.min(MOST_SHARE, (heartRateBpm - resting) / (threshold - resting)))
}

function usualShare (intensity: Intensity, kind: Kind): number | null {
  if (intensity === 'warmup' || intensity === 'cooldown') return EASY
  if (intensity === 'recovery') return SLOW
  // Steps in a rest day or a cross-training workout are not runs of a known speed.
  return kind === 'rest' ? null : SHARES[kind]
}

function thresholdSpeed ({ threshold_pace_s_per_km: pace }: BodySettings): number | null {
  return pace === null ? null : METRES_PER_KM / pace
}

function loadOfEfforts (efforts: Array<[Partial<Effort>, number]>, settings: BodySettings): number | null {
  const threshold = thresholdSpeed(settings)
  if (threshold === null) return heartRateLoad(efforts, settings)
  let seconds = 0
  let weighted = 0
  for (const [effort, count] of efforts) {
    if (effort.seconds === undefined || effort.metres === undefined) return null
    if (effort.seconds === 0) continue
    seconds += effort.seconds * count
    weighted += effort.seconds * count * (effort.metres / effort.seconds) ** 4
  }
  return seconds === 0 ? null : runningStress(seconds, (weighted / seconds) ** (1 / 4), threshold)
}

function heartRateLoad (efforts: Array<[Partial<Effort>, number]>, settings: BodySettings): number | null {
  const {
    sex,
    max_heart_rate_bpm: max,
    resting_heart_rate_bpm: resting,
    threshold_heart_rate_bpm: threshold
  } = settings
  if (max === null || resting === null || threshold === null || resting >= max || resting >= threshold) return null
  const range = { resting, max }
  let impulse = 0
  for (const [{ seconds, heartRateBpm }, count] of efforts) {
    if (seconds === undefined || heartRateBpm === null || heartRateBpm === undefined) return null
    impulse += steadyImpulse(seconds * count, heartRateBpm, range, sex)
  }
  return heartRateStress(impulse, threshold, range, sex)
}

import type { TrainingPaces } from '../training/training-paces.ts'
import { raceTimeS, vdotOf } from '../training/vdot.ts'
import { recordTimeS } from '../training/world-records.ts'
import { METRES_PER_KM, rounded } from '../units.ts'
import { daysBetween } from '../days.ts'
import type { Origin } from './outline.ts'

/** What a plan is generated from. */
export interface PlanRequest {
  race: { date: string, distanceM: number, targetTimeS: number | null }
  result: { distanceM: number, timeS: number }
  startDate: string
  currentWeeklyM: number
  /** 3 to 7. */
  runsPerWeek: number
  /** ISO, 1 = Monday … 7. */
  longRunWeekday: number
  /** ISO: the day that the runner's week begins on. */
  firstWeekday: number
}

/** The runner's form, by which a plan is paced. */
export interface Form {
  vdot: number
  paces: TrainingPaces
  racePaceSPerKm: number
}

/** A plan that cannot be run safely, with the reason; `field` is the part of the request that it is about. */
export class NotFeasible extends Error {
  readonly field: string

  constructor (field: string, reason: string) {
    super(reason)
    this.name = 'NotFeasible'
    this.field = field
  }
}

/** Races that the training here is for. */
const SHORTEST_RACE_M = 1_000
const LONGEST_RACE_M = 43_000
/** A longer plan says little about its last months: it is generated when it is time. */
const LONGEST_DAYS = 371
/** Results from which VDOT still says something about training: the formula is fitted to 3.5 to 240 minutes. */
const SHORTEST_RESULT_S = 180
const LONGEST_RESULT_S = 360 * 60
/** Below it the paces are those of walking. */
const LEAST_VDOT = 12
/** A target this much above the present form is out of reach of one plan: a VDOT rises by a few per cent in a year. */
const MOST_IMPROVEMENT = 1.2

/** @throws NotFeasible for dates, a result or a target with which no plan can be made */
export function checkRequest ({ race, result, startDate }: PlanRequest): void {
  const days = daysBetween(startDate, race.date)
  if (days <= 0) throw new NotFeasible('race.date', 'The race must be after the day that the plan starts on')
  if (days > LONGEST_DAYS) {
    throw new NotFeasible('race.date', 'The race is more than a year after the start: start the plan later')
  }
  if (race.distanceM < SHORTEST_RACE_M || race.distanceM > LONGEST_RACE_M) {
    throw new NotFeasible('race.distance_m', 'Plans are generated for races from 1 km to the marathon')
  }
  checkTimes(race, result)
}

function checkTimes ({ distanceM, targetTimeS }: PlanRequest['race'], result: PlanRequest['result']): void {
  if (result.timeS < recordTimeS(result.distanceM)) {
    throw new NotFeasible('recent_result.time_s', 'The recent result is faster than the world record')
  }
  if (result.timeS < SHORTEST_RESULT_S || result.timeS > LONGEST_RESULT_S) {
    throw new NotFeasible('recent_result.time_s', 'Paces can be told from results of 3 minutes to 6 hours')
  }
  const vdot = vdotOf(result.distanceM, result.timeS)
  if (vdot < LEAST_VDOT) {
    throw new NotFeasible('recent_result.time_s', 'The recent result is at a walking pace: no running paces follow from it')
  }
  if (targetTimeS === null) return
  if (targetTimeS < recordTimeS(distanceM)) {
    throw new NotFeasible('race.target_time_s', 'The target time is faster than the world record')
  }
  if (vdotOf(distanceM, targetTimeS) > vdot * MOST_IMPROVEMENT) {
    const likelyS = Math.round(raceTimeS(vdot, distanceM))
    throw new NotFeasible('race.target_time_s',
      `The target time is out of reach: the recent result stands for about ${likelyS} s over the distance of the race`)
  }
}

/**
 * The form that a result shows: VDOT and the paces that follow from it, and the pace of the race, which is that of the
 * target where there is one.
 */
export function formOf (
  { race, result }: PlanRequest,
  pacesOf: (vdot: number) => TrainingPaces
): Form {
  const vdot = vdotOf(result.distanceM, result.timeS)
  const raceS = race.targetTimeS ?? raceTimeS(vdot, race.distanceM)
  return {
    vdot: rounded(vdot, 2)!,
    paces: pacesOf(vdot),
    racePaceSPerKm: raceS / race.distanceM * METRES_PER_KM
  }
}

/** The request as it is kept with its plan. */
export function originOf (request: PlanRequest, targets: Origin['targets']): Origin {
  const { race, result, currentWeeklyM, runsPerWeek, longRunWeekday, firstWeekday } = request
  return {
    recent_result: { distance_m: result.distanceM, time_s: result.timeS },
    current_weekly_distance_m: currentWeeklyM,
    runs_per_week: runsPerWeek,
    long_run_weekday: longRunWeekday,
    first_weekday: firstWeekday,
    race: { date: race.date, distance_m: race.distanceM, target_time_s: race.targetTimeS },
    targets
  }
}

/** The request that a plan, which starts on a day, was made from. */
export function requestBehind (origin: Origin, startDate: string): PlanRequest {
  const { race, recent_result: result } = origin
  return {
    race: { date: race.date, distanceM: race.distance_m, targetTimeS: race.target_time_s },
    result: { distanceM: result.distance_m, timeS: result.time_s },
    startDate,
    currentWeeklyM: origin.current_weekly_distance_m,
    runsPerWeek: origin.runs_per_week,
    longRunWeekday: origin.long_run_weekday,
    firstWeekday: origin.first_weekday
  }
}

import fc from './fast-check.ts'
import { addDays } from '../../src/domain/days.ts'
import type { PlanRequest } from '../../src/domain/plans/request.ts'
import { trainingPaces } from '../../src/domain/training/training-paces.ts'
import { raceTimeS, vdotOf } from '../../src/domain/training/vdot.ts'
import type { PlanFacts } from './plan-rules.ts'

export const HALF_M = 21_097.5
export const MARATHON_M = 42_195
/** A half marathon in 16 weeks. */
export const REQUEST: PlanRequest = {
  race: { date: '2026-04-26', distanceM: HALF_M, targetTimeS: null },
  result: { distanceM: 10_000, timeS: 3000 },
  startDate: '2026-01-05',
  currentWeeklyM: 30_000,
  runsPerWeek: 4,
  longRunWeekday: 7,
  firstWeekday: 1
}

/** What the plan of a request is checked against. */
export function factsOf (request: PlanRequest): PlanFacts {
  const paces = trainingPaces(vdotOf(request.result.distanceM, request.result.timeS))
  return {
    startDate: request.startDate,
    raceDate: request.race.date,
    raceM: request.race.distanceM,
    currentWeeklyM: request.currentWeeklyM,
    runsPerWeek: request.runsPerWeek,
    firstWeekday: request.firstWeekday,
    paces: {
      easyFast: paces.easy.fast_s_per_km,
      easySlow: paces.easy.slow_s_per_km,
      threshold: paces.threshold,
      interval: paces.interval,
      repetition: paces.repetition
    }
  }
}

const distances = fc.oneof(
  fc.constantFrom(1500, 5000, 10_000, 15_000, HALF_M, 25_000, MARATHON_M),
  fc.double({ min: 800, max: 45_000, noNaN: true })
)
/** Requests of every kind, most of which a plan can be made of: the race is up to a year away. */
export const requests: fc.Arbitrary<PlanRequest> = fc
  .record({
    raceM: distances,
    days: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 20, max: 250 }) }, fc.integer({ min: -5, max: 400 })),
    startDate: fc.integer({ min: 0, max: 3000 }).map((days) => addDays('2024-01-01', days)),
    vdot: fc.oneof(fc.double({ min: 25, max: 70, noNaN: true }), fc.double({ min: 10, max: 90, noNaN: true })),
    resultM: distances,
    currentWeeklyM: fc.oneof(
      fc.double({ min: 15_000, max: 90_000, noNaN: true }),
      fc.double({ min: 0, max: 250_000, noNaN: true }),
      fc.integer({ min: 0, max: 20_000 })
    ),
    runsPerWeek: fc.integer({ min: 3, max: 7 }),
    longRunWeekday: fc.integer({ min: 1, max: 7 }),
    firstWeekday: fc.integer({ min: 1, max: 7 }),
    improvement: fc.option(fc.double({ min: 0.8, max: 1.3, noNaN: true }), { nil: null })
  })
  .map(({ raceM, days, startDate, vdot, resultM, improvement, ...rest }) => ({
    race: {
      date: addDays(startDate, days),
      distanceM: raceM,
      targetTimeS: improvement === null ? null : raceTimeS(vdot * improvement, raceM)
    },
    result: { distanceM: resultM, timeS: raceTimeS(vdot, resultM) },
    startDate,
    ...rest
  }))

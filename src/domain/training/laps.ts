import type { Lap } from '../recording.ts'
import type { Sport } from '../sports.ts'
import { rounded } from '../units.ts'
import { warning } from '../warnings.ts'
import type { Warning } from '../warnings.ts'
import { HEART_RATE_BPM, shortestTimeS } from './limits.ts'
import { measured, type Course, type Measured, type Section } from './sections.ts'
import { agree } from './sources.ts'
import { sumOfLaps } from './totals.ts'

/** Times of laps are rounded to seconds, and their ends are between two records. */
const ROUNDING_S = 2
/** Distances that differ by no more than this, or by this share of the larger one, do not contradict each other. */
const TOLERANCE = { metres: 20, share: 0.2 } as const
/** A lap may end before the next one begins; one that lasts less than this share of the motion until then does not. */
const LEAST_SHARE = 0.25
/** A timer that is shorter than the time in motion by more than this share is wrong. */
const TIMER_SHARE = 0.9

/** What is believed of a lap. */
interface Believed {
  records: Measured
  elapsedS: number
  movingS: number
  distanceM: number | null
  /** Whether something that the device says of it cannot be. */
  isRefuted: boolean
}

/**
 * The laps as the device wrote them. What it left out is told by the records: the time until the next lap, the
 * distance, the gain and the heart rate in that time, and the moving time, which is never more than the timer ran.
 *
 * So is what cannot be, which is warned of: a time that is longer than that until the next lap, or shorter than the
 * motion in it; a distance that is longer than anybody covers in that time, or that neither the records nor the
 * total of the activity agree with. Together the laps move no longer than the activity.
 */
export function lapsOf (
  laps: readonly Lap[],
  course: Course,
  sport: Sport
): { laps: Section[], warnings: Warning[] } {
  const { totals } = course
  const sumM = sumOfLaps(laps, ({ distanceM }) => distanceM)
  const isWhole = totals.distance_m === null || (sumM !== null && agree(sumM, totals.distance_m))
  const sections = laps.map((lap, i) => {
    const endS = Math.min(laps[i + 1]?.startS ?? Number.POSITIVE_INFINITY, totals.elapsed_s)
    const untilNextS = Math.max(0, endS - lap.startS)
    return { lap, believed: believedOf(lap, untilNextS, course, sport, isWhole) }
  })
  const movingS = sections.reduce((sum, { believed }) => sum + believed.movingS, 0)
  const movingShare = movingS > totals.moving_s ? totals.moving_s / movingS : 1
  const gainShare = gainShareOf(course)
  const refuted = sections.filter(({ believed }) => believed.isRefuted).length
  return {
    laps: sections.map(({ lap, believed }, i) => sectionOf(i, lap, believed, { movingShare, gainShare })),
    warnings: refuted === 0
      ? []
      : [warning('LAPS_CONTRADICTED',
        `What the device says of ${refuted === 1 ? '1 lap' : `${refuted} laps`} cannot be: the records are used`)]
  }
}

function believedOf (
  { startS, elapsedS: statedS, timerS, distanceM }: Lap,
  untilNextS: number,
  course: Course,
  sport: Sport,
  isWhole: boolean
): Believed {
  const hasRecords = course.movingS.timeS.length > 1
  const motionS = hasRecords ? measured(course, startS, startS + untilNextS).movingS : 0
  const canLast = statedS === null || isBetween(statedS, LEAST_SHARE * motionS, untilNextS)
  // Without records, the last lap of several may end before the activity.
  const otherS = hasRecords ? untilNextS : Math.min(untilNextS, timerS ?? untilNextS)
  const elapsedS = canLast ? statedS ?? otherS : otherS
  const records = measured(course, startS, startS + elapsedS)
  const canRun = timerS === null || isBetween(timerS, hasRecords ? TIMER_SHARE * records.movingS : 0, elapsedS)
  const canBe = (metres: number): boolean => shortestTimeS(sport, metres) <= elapsedS + ROUNDING_S
  const hasDistance = course.totals.distance_m !== null && course.distanceM.timeS.length > 1
  const recordedM = hasDistance && canBe(records.distanceM) ? records.distanceM : null
  const canCover = distanceM === null ||
    (canBe(distanceM) && (isWhole || recordedM === null || isNear(distanceM, recordedM)))
  return {
    records,
    elapsedS,
    movingS: Math.min(elapsedS, hasRecords ? records.movingS : elapsedS, canRun ? timerS ?? elapsedS : elapsedS),
    distanceM: canCover ? distanceM ?? recordedM : recordedM,
    isRefuted: !(canLast && canRun && canCover)
  }
}

function isBetween (seconds: number, leastS: number, mostS: number): boolean {
  return seconds >= leastS - ROUNDING_S && seconds <= mostS * 1.02 + ROUNDING_S
}

function isNear (a: number, b: number): boolean {
  return Math.abs(a - b) <= Math.max(TOLERANCE.metres, TOLERANCE.share * Math.max(a, b))
}

/** The gain of the activity to all that its records climb; null where it has none to share. */
function gainShareOf (course: Course): number | null {
  const { totals: { elevation_gain_m: gainM, elapsed_s: elapsedS }, climbedM } = course
  if (gainM === null || climbedM.timeS.length < 2) return null
  const allM = measured(course, 0, elapsedS).climbedM
  return allM > 0 ? gainM / allM : 0
}

function sectionOf (
  place: number,
  lap: Lap,
  { records, elapsedS, movingS, distanceM }: Believed,
  { movingShare, gainShare }: { movingShare: number, gainShare: number | null }
): Section {
  const gainM = gainShare === null ? null : records.climbedM * gainShare
  const [lowest, highest] = HEART_RATE_BPM
  const rate = lap.averageHeartRateBpm
  return {
    index: place + 1,
    start_s: rounded(lap.startS, 2)!,
    distance_m: rounded(distanceM, 2),
    elapsed_s: rounded(elapsedS, 3)!,
    moving_s: rounded(Math.min(movingS * movingShare, elapsedS), 3)!,
    elevation_gain_m: rounded(lap.elevationGainM ?? gainM, 1),
    average_heart_rate_bpm: rounded(
      rate !== null && rate >= lowest && rate <= highest ? rate : records.heartRateBpm,
      1
    )
  }
}

import type { Recording } from '../recording.ts'
import { LEAST_THRESHOLD_M, thresholdOf } from './elevation.ts'
import { activeTimeS, standingOf, type Standing } from './moving.ts'
import { GRADE_WINDOW_M, gradeAdjustedDistanceM } from './pace.ts'

/** What several figures of a recording are told by, computed once for all of them. */
export interface Basis {
  /** Seconds on the running timer at each record. */
  activeS: Float64Array
  standing: Standing
  /** The grade-adjusted distance at each record; null where too few heights are known. */
  adjustedM: Float64Array | null
}

/** Metres over which the grade is measured, for each metre of the threshold of climbs: noise below it is no grade. */
const GRADE_WINDOWS = GRADE_WINDOW_M / LEAST_THRESHOLD_M.gps

export function basisOf ({ columns, pauses, heightSource }: Recording): Basis {
  const windowM = heightSource === 'gps'
    ? GRADE_WINDOWS * thresholdOf(columns.timeS, columns.altitudeM, 'gps')
    : GRADE_WINDOW_M
  return {
    activeS: activeTimeS(columns.timeS, pauses),
    standing: standingOf(columns),
    adjustedM: gradeAdjustedDistanceM(columns, windowM)
  }
}

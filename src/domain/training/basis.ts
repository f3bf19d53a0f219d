import type { Recording } from '../recording.ts'
import { activeTimeS, standingOf, type Standing } from './moving.ts'
import { gradeAdjustedDistanceM } from './pace.ts'

/** What several figures of a recording are told by, computed once for all of them. */
export interface Basis {
  /** Seconds on the running timer at each record. */
  activeS: Float64Array
  standing: Standing
  /** The grade-adjusted distance at each record; null where too few heights are known. */
  adjustedM: Float64Array | null
}

export function basisOf ({ columns, pauses }: Recording): Basis {
  return {
    activeS: activeTimeS(columns.timeS, pauses),
    standing: standingOf(columns),
    adjustedM: gradeAdjustedDistanceM(columns)
  }
}

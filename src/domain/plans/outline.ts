export const PHASES = ['base', 'build', 'peak', 'taper'] as const
export type PhaseName = typeof PHASES[number]

export interface Phase {
  name: PhaseName
  start_date: string
  end_date: string
}

export interface PlanWeek {
  start_date: string
  /** Without the race. */
  distance_m: number
  /** 0 in a week without a long run. */
  long_run_distance_m: number
  quality_sessions: number
  /** What the week is for, in words. */
  focus: string
}

/** The shape of a plan; a record of the database. */
export interface Outline {
  phases: Phase[]
  weeks: PlanWeek[]
}

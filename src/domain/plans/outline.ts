import type { Stretch } from './away.ts'

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

/** What a plan was made from, and what was accepted of it since: by it, its rest can be planned anew. */
export interface Origin {
  recent_result: { distance_m: number, time_s: number }
  current_weekly_distance_m: number
  runs_per_week: number
  /** ISO, 1 = Monday … 7. */
  long_run_weekday: number
  /** ISO: the day that the weeks of the plan begin on. */
  first_weekday: number
  race: { date: string, distance_m: number, target_time_s: number | null }
  /** Whether its targets are paces or zones of pace. */
  targets: 'pace' | 'zone'
  /** The weeks as they were generated, of a plan that was adapted since. */
  weeks?: PlanWeek[]
  /** Days without running that were accepted, in their order. */
  unavailable?: Stretch[]
}

/** The shape of a plan; a record of the database. */
export interface Outline {
  phases: Phase[]
  weeks: PlanWeek[]
  origin: Origin
}

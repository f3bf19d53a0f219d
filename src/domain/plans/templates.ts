import type { PhaseName } from './outline.ts'

/** A plan without dates. Weeks are given in kilometres, without the race. */
export interface PlanTemplate {
  id: string
  name: string
  description: string
  level: 'beginner' | 'advanced'
  distanceM: number
  runsPerWeek: number
  /** The form that its runs are laid out for: lengths of intervals, the longest run. */
  vdot: number
  weeks: ReadonlyArray<readonly [phase: PhaseName, ...km: number[]]>
}

/**
 * Plans of our own making. Each phase lists the distances of its weeks; every fourth week before the taper is one of
 * recovery. They keep the rules of generated plans, which a test checks.
 */
export const TEMPLATES: readonly PlanTemplate[] = [
  {
    id: '5k-beginner',
    name: '5 km, beginner',
    description: 'Eight weeks to a first 5 km race, for runners of 12 km a week in three runs.',
    level: 'beginner',
    distanceM: 5000,
    runsPerWeek: 3,
    vdot: 32,
    weeks: [['base', 12, 13], ['build', 14, 11], ['peak', 15, 16], ['taper', 11, 8]]
  },
  {
    id: '5k-advanced',
    name: '5 km, advanced',
    description: 'Ten weeks to a fast 5 km, for runners of 40 km a week in five runs.',
    level: 'advanced',
    distanceM: 5000,
    runsPerWeek: 5,
    vdot: 50,
    weeks: [['base', 40, 43], ['build', 46, 36, 49], ['peak', 52, 55, 44], ['taper', 38, 27]]
  },
  {
    id: '10k-beginner',
    name: '10 km, beginner',
    description: 'Ten weeks to a first 10 km race, for runners of 16 km a week in three runs.',
    level: 'beginner',
    distanceM: 10_000,
    runsPerWeek: 3,
    vdot: 34,
    weeks: [['base', 16, 17.5, 19], ['build', 15, 20.5, 22], ['peak', 24, 19], ['taper', 17, 12]]
  },
  {
    id: '10k-advanced',
    name: '10 km, advanced',
    description: 'Twelve weeks to a fast 10 km, for runners of 45 km a week in five runs.',
    level: 'advanced',
    distanceM: 10_000,
    runsPerWeek: 5,
    vdot: 50,
    weeks: [['base', 45, 48, 52], ['build', 41, 55, 58, 60], ['peak', 48, 62, 64], ['taper', 45, 32]]
  },
  {
    id: 'half-beginner',
    name: 'Half marathon, beginner',
    description: 'Twelve weeks to a first half marathon, for runners of 24 km a week in four runs.',
    level: 'beginner',
    distanceM: 21_097.5,
    runsPerWeek: 4,
    vdot: 36,
    weeks: [['base', 24, 26, 28], ['build', 22, 30, 32, 35], ['peak', 28, 37, 40], ['taper', 28, 20]]
  },
  {
    id: 'half-advanced',
    name: 'Half marathon, advanced',
    description: 'Fourteen weeks to a fast half marathon, for runners of 48 km a week in five runs.',
    level: 'advanced',
    distanceM: 21_097.5,
    runsPerWeek: 5,
    vdot: 50,
    weeks: [['base', 48, 51, 55, 44], ['build', 58, 61, 65, 52], ['peak', 67, 70, 72, 57], ['taper', 50, 35]]
  },
  {
    id: 'marathon-beginner',
    name: 'Marathon, beginner',
    description: 'Eighteen weeks to a first marathon, for runners of 32 km a week in four runs.',
    level: 'beginner',
    distanceM: 42_195,
    runsPerWeek: 4,
    vdot: 38,
    weeks: [
      ['base', 32, 35, 38, 30, 41], ['build', 44, 47, 37, 50, 53], ['peak', 56, 45, 58, 60, 62], ['taper', 48, 40, 27]
    ]
  },
  {
    id: 'marathon-advanced',
    name: 'Marathon, advanced',
    description: 'Eighteen weeks to a fast marathon, for runners of 60 km a week in six runs.',
    level: 'advanced',
    distanceM: 42_195,
    runsPerWeek: 6,
    vdot: 52,
    weeks: [
      ['base', 60, 64, 68, 54, 72], ['build', 76, 80, 64, 84, 87], ['peak', 90, 72, 92, 94, 96], ['taper', 74, 62, 42]
    ]
  }
]

/** The distances of its weeks in metres, the first one first. */
export function weeksOf ({ weeks }: PlanTemplate): Array<{ phase: PhaseName, metres: number }> {
  return weeks.flatMap(([phase, ...km]) => km.map((distance) => ({ phase, metres: distance * 1000 })))
}

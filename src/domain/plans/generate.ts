import { trainingPaces } from '../training/training-paces.ts'
import type { Outline, Phase } from './outline.ts'
import { checkRequest, formOf, originOf, type Form, type PlanRequest } from './request.ts'
import { planVolume, type WeekVolume } from './volume.ts'
import { planWeek, type PlannedWorkout } from './weeks.ts'

export interface GeneratedPlan {
  form: Form
  outline: Outline
  workouts: PlannedWorkout[]
}

/**
 * A plan from the start to the race. What it obeys for every request that it accepts, and why:
 *
 * - The first week is at most 10 % above what is run now, and no week more than 10 % above the highest before it
 *   (Nielsen et al. 2014: more injuries in runners who progressed by over 30 %; ten is the customary margin). It grows
 *   by at most 8 %.
 * - Every fourth full week up to the taper has 80 % of the week before: adaptation takes place in recovery.
 * - The long run has at most 35 % of its week (45 % with three or four runs), and 150 minutes at the fast end of
 *   easy, 180 for the marathon (Daniels 2014: 25–30 % and 150 minutes; with few runs a week it takes more of it).
 * - At most two hard runs a week, two and five days after the long run: never on consecutive days.
 * - In the last two weeks at most 75 and 60 % of the highest week, for the marathon 80, 70 and 60 % in the last three
 *   (Bosquet et al. 2007), nothing hard in the two days before the race.
 * - All paces are those of the VDOT of the result.
 *
 * Bosquet, L. et al. (2007), Effects of tapering on performance. Med. Sci. Sports Exerc. 39. Daniels, J. (2014),
 * Daniels' Running Formula, 3rd ed. Nielsen, R. O. et al. (2014), J. Orthop. Sports Phys. Ther. 44.
 * @throws NotFeasible where that cannot be done
 */
export function generatePlan (request: PlanRequest): GeneratedPlan {
  checkRequest(request)
  const form = formOf(request, trainingPaces)
  const volumes = planVolume(request, form)
  const filled = volumes.map((week, index) => planWeek(request, form, week, index))
  return {
    form,
    outline: {
      phases: phasesOf(volumes), weeks: filled.map(({ week }) => week), origin: originOf(request, 'pace')
    },
    workouts: filled.flatMap(({ workouts }) => workouts)
  }
}

/** The phases that the weeks are in, one after the other. */
export function phasesOf (weeks: WeekVolume[]): Phase[] {
  const phases: Phase[] = []
  for (const { phase, firstDay, lastDay } of weeks) {
    const last = phases.at(-1)
    if (last?.name === phase) last.end_date = lastDay
    else phases.push({ name: phase, start_date: firstDay, end_date: lastDay })
  }
  return phases
}

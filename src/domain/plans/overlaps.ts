/** A plan, as far as overlaps depend on it. */
export interface Dated {
  id: string
  name: string
  status: string
  start_date: string
  end_date: string
}

/** Two plans for the same days, of which a run fulfils one workout only. */
export interface Overlap {
  code: 'PLANS_OVERLAP'
  message: string
  plan_ids: string[]
  from: string
  to: string
}

/** More are left out: a runner with so many has to look at the dates of all plans. */
export const MOST_OVERLAPS = 10

/** The first overlaps among plans, in their order. Archived plans are put away, and overlap with nothing. */
export function overlapsAmong (plans: readonly Dated[]): Overlap[] {
  const overlaps: Overlap[] = []
  const current = plans.filter(({ status }) => status !== 'archived')
  for (const [index, one] of current.entries()) {
    for (let i = index + 1; i < current.length; i++) {
      const other = current[i] as Dated
      const from = one.start_date > other.start_date ? one.start_date : other.start_date
      const to = one.end_date < other.end_date ? one.end_date : other.end_date
      if (from > to) continue
      overlaps.push({
        code: 'PLANS_OVERLAP',
        message: `“${one.name}” and “${other.name}” overlap from ${from} to ${to}: a run of these days counts ` +
          'for the workout with the nearest planned duration, of either plan',
        plan_ids: [one.id, other.id],
        from,
        to
      })
      if (overlaps.length === MOST_OVERLAPS) return overlaps
    }
  }
  return overlaps
}

import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { addDays, daysBetween, weekStart } from '../../src/domain/days.ts'
import { daysWithin, type Stretch } from '../../src/domain/plans/away.ts'
import { returnShare } from '../../src/domain/plans/breaks.ts'
import { dateTemplate } from '../../src/domain/plans/from-template.ts'
import { generatePlan } from '../../src/domain/plans/generate.ts'
import { NotFeasible, requestBehind, type PlanRequest } from '../../src/domain/plans/request.ts'
import type { Wish } from '../../src/domain/plans/adapt.ts'
import { raceTimeS, vdotOf } from '../../src/domain/training/vdot.ts'
import { TEMPLATES } from '../../src/domain/plans/templates.ts'
import { brokenRules, type PlanFacts } from '../harness/plan-rules.ts'
import { factsOf, REQUEST, requests } from '../harness/plan-requests.ts'
import {
  accept, checked, dayAt, follow, metresByWeek, propose, seasonOf, workoutsAfter, type Season
} from '../harness/plan-season.ts'

const shares = fc.double({ min: 0, max: 1, noNaN: true })

/** Days away, as days after the day that they are told on. */
const absences = fc.array(
  fc.record({ after: fc.integer({ min: 0, max: 40 }), days: fc.integer({ min: 1, max: 16 }) }), { maxLength: 3 }
)

/** What happens until the plan is adapted again. */
interface Step {
  /** Days that pass before. */
  days: number
  /** The share of each workout that is run on them. */
  share: number
  /** Null: no days away are given. */
  away: Array<{ after: number, days: number }> | null
  /** How much better the form is by a new result; null: there is none. */
  form: number | null
  /** Whether the whole proposal is accepted, or its changes alone. */
  isWhole: boolean
}

const steps: fc.Arbitrary<Step[]> = fc.array(fc.record({
  days: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 25 })),
  share: fc.oneof(
    { weight: 3, arbitrary: fc.constant(1) }, fc.constant(0), fc.double({ min: 0, max: 1.3, noNaN: true })
  ),
  away: fc.option(absences),
  form: fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, fc.double({ min: 0.95, max: 1.05, noNaN: true })),
  isWhole: fc.boolean()
}), { minLength: 1, maxLength: 4 })

function planned (request: PlanRequest): Season | undefined {
  try {
    return seasonOf(request.startDate, generatePlan(request))
  } catch (error) {
    if (error instanceof NotFeasible) return undefined
    throw error
  }
}

const plans: fc.Arbitrary<Season | undefined> = fc.oneof(
  { weight: 5, arbitrary: requests.map(planned) },
  fc.record({
    template: fc.constantFrom(...TEMPLATES), day: fc.integer({ min: 0, max: 6 }), first: fc.integer({ min: 1, max: 7 })
  }).map(({ template, day, first }) => {
    const dated = dateTemplate(template, { startDate: addDays('2026-01-05', day) }, first)
    return seasonOf(dated.startDate, dated)
  })
)

const stretches = (from: string, away: Step['away']): Stretch[] | undefined =>
  away?.map(({ after, days }) => ({ from: addDays(from, after), to: addDays(from, after + days - 1) }))

const isWithin = (unavailable: readonly Stretch[], day: string): boolean =>
  unavailable.some(({ from, to }) => day >= from && day <= to)

/** A result over 10 km of a form in proportion to that which the plan is paced by. */
function resultAt ({ request: { startDate }, outline: { origin } }: Season, form: number): Wish['result'] {
  const { result } = requestBehind(origin, startDate)
  return { distanceM: 10_000, timeS: raceTimeS(vdotOf(result.distanceM, result.timeS) * form, 10_000) }
}

/** The whole plan is checked, but for growth, which depends on what was run. */
function factsAfter ({ request, outline }: Season, from: string, unavailable: Stretch[]): PlanFacts {
  const facts = factsOf(requestBehind(outline.origin, request.startDate))
  const { startDate, firstWeekday } = request
  const partDays = 7 - daysBetween(weekStart(startDate, firstWeekday), startDate)
  return {
    ...facts,
    from,
    // Of a part of a week that the plan begins with, its rate counts.
    before: { fullWeeks: 0, peakM: partDays === 7 ? 0 : outline.weeks[0]!.distance_m * 7 / partDays, isBreak: false },
    tolerance: Infinity,
    // What was paced by an earlier result stays in the past; a result is told from whole seconds of accepted paces.
    paces: null,
    easyFastSPerKm: facts.paces!.easyFast * 0.99,
    away: daysWithin([...outline.origin.unavailable ?? [], ...unavailable], request.startDate, request.race.date)
  }
}

t.test('however often a plan is adapted, no week grows, days away stay free, and what was accepted settles', async (t) => {
  const seen = { rounds: 0, changed: 0, away: 0, longer: 0 }
  fc.assert(fc.property(plans, shares, steps, (plan, begin, rounds) => {
    if (plan === undefined) return
    let season = plan
    let from = dayAt(plan.request, begin * 0.7)
    let shared = 1
    for (const { days, share, away, form, isWhole } of rounds) {
      season = follow(season, from, () => shared)
      const unavailable = stretches(from, away)
      const result = form === null ? null : resultAt(season, form)
      const adaptation = propose(season, from, { unavailable, result })
      if (adaptation === undefined) return
      seen.rounds++
      const next = accept(season, adaptation, from, isWhole)
      checkDistances(season, next, from, unavailable)
      checkAway(next, from, adaptation.unavailable)
      const facts = factsAfter(next, from, adaptation.unavailable)
      assert.deepEqual(brokenRules(workoutsAfter(season, adaptation), facts), [])
      checkGrowth(next, from)
      // What was accepted settles, asked the same again and asked without days away.
      assert.deepEqual(propose(next, from, { unavailable, result })?.edits, [], 'the same again')
      // The changes alone tell nothing of days away in weeks without any.
      const isKnown = isDeepStrictEqual(next.outline.origin.unavailable, adaptation.unavailable)
      assert.ok(isKnown || !isWhole)
      if (isKnown) assert.deepEqual(propose(next, from)?.edits, [], 'nothing new')
      if (adaptation.edits.length > 0) seen.changed++
      if (adaptation.unavailable.length > 0) seen.away++
      if (adaptation.reasons.some((reason) => reason.startsWith('Days can be run on again'))) seen.longer++
      season = next
      from = addDays(from, days)
      shared = share
    }
  }), { seed: 24, numRuns: 250, endOnFailure: true })
  t.ok(seen.rounds > 200 && seen.changed > 100 && seen.away > 80 && seen.longer > 20, JSON.stringify(seen))
})

/** No week has more than it had, unless days away are taken back; none has more than it was generated with. */
function checkDistances (before: Season, after: Season, from: string, unavailable: Stretch[] | undefined): void {
  const { request, outline } = before
  const accepted = daysWithin(outline.origin.unavailable ?? [], from, request.race.date)
  const given = daysWithin(unavailable ?? [], from, request.race.date)
  const mayGrow = unavailable !== undefined && (given.size === 0 || [...accepted].some((day) => !given.has(day)))
  const generated = new Map((outline.origin.weeks ?? outline.weeks).map((week) => [week.start_date, week.distance_m]))
  const then = metresByWeek(request, checked(before))
  for (const [week, metres] of metresByWeek(request, checked(after))) {
    assert.ok(metres <= generated.get(week)!, `${week}: ${metres} m of ${generated.get(week)} m`)
    if (!mayGrow) assert.ok(metres <= (then.get(week) ?? 0), `${week}: ${metres} m instead of ${then.get(week)} m`)
  }
}

/** No week that is still to be run has over a tenth more than the highest before it that was run, or is to be. */
function checkGrowth (after: Season, from: string): void {
  const { request, runs } = after
  const current = weekStart(from, request.firstWeekday)
  const ran = metresByWeek(request, [...runs].map(([date, distanceM]) => ({ date, kind: 'run', distanceM })))
  const left = metresByWeek(request, checked(after).filter(({ date }) => date >= from))
  let highest = request.currentWeeklyM
  for (const [week, metres] of [...metresByWeek(request, checked(after))].sort(([a], [b]) => a < b ? -1 : 1)) {
    const done = (ran.get(week) ?? 0) + (left.get(week) ?? 0)
    const most = highest * 1.1 / 0.98 + 1e-6
    assert.ok(week <= current || metres <= most, `${week}: ${metres} m, after ${highest} m at most`)
    // What is done to nine tenths counts as done.
    highest = Math.max(highest, done >= metres * 0.9 ? Math.max(done, metres) : done)
  }
}

/** No run is on a day away, and the plan knows these days, as far as runs fell on them. */
function checkAway (after: Season, from: string, unavailable: Stretch[]): void {
  const accepted = after.outline.origin.unavailable ?? []
  for (const { date } of after.workouts) {
    assert.ok(date < from || !isWithin(unavailable, date), `a run on ${date}, a day away`)
    assert.ok(date < from || !isWithin(accepted, date), `a run on ${date}, which is accepted as a day away`)
  }
}

t.test('what the runner edited or added stays, and the plan settles around it', async (t) => {
  let changed = 0
  const factors = fc.double({ min: 0.3, max: 2, noNaN: true })
  const edits = fc.array(fc.record({ place: shares, factor: factors }), { maxLength: 6 })
  fc.assert(fc.property(plans, shares, edits, absences, shares, (plan, begin, own, away, share) => {
    if (plan === undefined) return
    const from = dayAt(plan.request, begin * 0.7)
    const edited = new Map(own.map(({ place, factor }) => [Math.floor(place * plan.workouts.length), factor]))
    const workouts = plan.workouts.map((workout, index) => {
      const factor = edited.get(index)
      if (factor === undefined || workout.kind === 'race') return workout
      return { ...workout, planned_distance_m: Math.round(workout.planned_distance_m! * factor), isKept: true }
    })
    const season = follow({ ...plan, workouts }, from, () => share)
    const adaptation = propose(season, from, { unavailable: stretches(from, away) })
    if (adaptation === undefined) return
    const kept = new Set(workouts.filter(({ isKept }) => isKept).map(({ id }) => id))
    assert.deepEqual(adaptation.edits.filter(({ workout_id: id }) => id !== undefined && kept.has(id)), [])
    const next = accept(season, adaptation, from)
    for (const { date, isKept } of next.workouts) {
      assert.ok(date < from || isKept || !isWithin(adaptation.unavailable, date), `a run on ${date}, a day away`)
    }
    assert.deepEqual(propose(next, from)?.edits, [], 'nothing new')
    if (adaptation.edits.length > 0) changed++
  }), { seed: 24, numRuns: 200, endOnFailure: true })
  t.ok(changed > 40, `${changed} changed`)
})

t.test('days away that are taken back on the same day leave the plan as it was', async (t) => {
  let compared = 0
  fc.assert(fc.property(plans, shares, absences, fc.boolean(), (plan, begin, away, isWhole) => {
    if (plan === undefined) return
    const current = dayAt(plan.request, begin * 0.7)
    // On the first day of a week, as of the week that the day is in only what is left may change.
    const week = weekStart(current, plan.request.firstWeekday)
    const from = week < plan.request.startDate ? plan.request.startDate : week
    const season = follow(plan, from)
    const adaptation = propose(season, from, { unavailable: stretches(from, away) })
    if (adaptation === undefined || adaptation.edits.length === 0) return
    const shortened = accept(season, adaptation, from, isWhole)
    const back = propose(shortened, from, { unavailable: [] })
    assert.ok(back !== undefined, 'days away can always be taken back')
    const returned = accept(shortened, back, from, isWhole)
    // Nothing tells of a day without a run but the list of the proposal.
    if (isWhole) assert.deepEqual(returned.outline.origin.unavailable, [])
    const [once, then] = [daysAndKinds(season), daysAndKinds(returned)]
    assert.deepEqual(then.filter((line) => !once.includes(line)), [])
    assert.deepEqual(once.filter((line) => !then.includes(line)), [])
    for (const [index, { distance_m: metres, focus }] of returned.outline.weeks.entries()) {
      const week = season.outline.weeks[index]!
      assert.ok(metres > week.distance_m * 0.98 - 1e-6, `week ${index}: ${metres} m instead of ${week.distance_m} m`)
      assert.equal(focus, week.focus)
    }
    compared++
  }), { seed: 24, numRuns: 150, endOnFailure: true })
  t.ok(compared > 25, `${compared} compared`)
})

/** Without the week of the race, whose runs are so short that it may lose its hard one. */
function daysAndKinds ({ workouts, request: { race, firstWeekday } }: Season): string[] {
  return workouts.filter(({ date }) => date < weekStart(race.date, firstWeekday)).map(({ date, kind }) => `${date} ${kind}`)
}

/** A half marathon on 14 March 2027 in 15 weeks, 40 km a week in five runs. */
const HALF = planned({
  ...REQUEST,
  race: { date: '2027-03-14', distanceM: 21_097.5, targetTimeS: null },
  result: { distanceM: 10_000, timeS: 2700 },
  startDate: '2026-11-30',
  currentWeeklyM: 40_000,
  runsPerWeek: 5
})!

const weekly = ({ outline }: Season): number[] => outline.weeks.map(({ distance_m: metres }) => metres)

t.test('a week that was shortened for days away is not shortened again', async (t) => {
  const unavailable = [{ from: '2026-12-15', to: '2026-12-18' }]
  const first = propose(HALF, '2026-11-30', { unavailable })!
  const once = accept(HALF, first, '2026-11-30', false)
  t.ok(weekly(once)[2]! < weekly(HALF)[2]! * 0.6)
  t.equal(weekly(once)[3], weekly(HALF)[3], 'nor is the recovery week after it')
  t.same(once.outline.origin.unavailable, unavailable)
  for (const wish of [{}, { unavailable }]) t.same(propose(once, '2026-11-30', wish)!.edits, [])
  t.same(propose(follow(once, '2026-12-07'), '2026-12-07')!.edits, [], 'nor a week later')
})

t.test('a whole week away before a recovery week can be adapted again', async (t) => {
  const unavailable = [{ from: '2026-12-14', to: '2026-12-20' }]
  const once = accept(HALF, propose(HALF, '2026-11-30', { unavailable })!, '2026-11-30')
  t.equal(weekly(once)[2], 0)
  t.equal(once.outline.weeks[2]!.focus, 'Away: no running')
  for (const from of ['2026-11-30', '2026-12-07', '2026-12-14', '2026-12-21', '2026-12-24', '2026-12-28']) {
    t.same(propose(follow(once, from), from)?.edits, [], from)
  }
})

t.test('days away stay away until they are replaced, and the answer tells them', async (t) => {
  const unavailable = [{ from: '2026-12-15', to: '2026-12-16' }, { from: '2027-01-08', to: '2027-01-10' }]
  const once = accept(HALF, propose(HALF, '2026-11-30', { unavailable })!, '2026-11-30', false)
  // Three weeks in which little was run change the weeks after them.
  const later = follow(once, '2026-12-21', () => 0.5)
  const again = propose(later, '2026-12-21')!
  t.ok(again.edits.length > 10)
  t.same(again.unavailable.at(-1), unavailable[1])
  t.ok(again.reasons.includes('No running from 2027-01-08 to 2027-01-10'))
  const twice = accept(later, again, '2026-12-21', false)
  t.notOk(twice.workouts.some(({ date }) => isWithin([unavailable[1]!], date)))
  const others = [{ from: '2027-01-12', to: '2027-01-12' }]
  const moved = propose(twice, '2026-12-21', { unavailable: others })!
  t.same(accept(twice, moved, '2026-12-21', false).outline.origin.unavailable!.at(-1), others[0])
})

t.test('a runner comes back from any break that is not too long, behind or ahead', async (t) => {
  const season = planned({ ...HALF.request, race: { ...HALF.request.race, date: '2027-08-15' } })!
  for (const days of [6, 14, 27, 28, 29, 35, 42, 49, 56]) {
    const [start, from] = ['2027-01-04', addDays('2027-01-04', days)]
    const missed = propose(follow(follow(season, start), from, () => 0), from)
    const ahead = propose(season, '2026-11-30', { unavailable: [{ from: start, to: addDays(from, -1) }] })
    const first = weekStart(addDays(from, 6), 1)
    for (const adaptation of [missed, ahead]) {
      t.match(adaptation?.reasons[0], /^No run on the \d+ days from 2027-01-04/)
      const weeks = metresByWeek(season.request, workoutsAfter(season, adaptation!))
      // The highest week before the break has 41.9 km.
      let highest = returnShare({ days }) * 41_900
      for (let later = 0; later < 8; later++) {
        const metres = weeks.get(addDays(first, later * 7))!
        const most = later === 0 && from === first ? highest : highest * 1.1
        t.ok(metres <= most / 0.98 && metres > most * 0.7, `${days} days off, week ${later}: ${metres} m, at most ${most} m`)
        highest = Math.max(highest, metres)
      }
    }
  }
})

t.test('a highest week below what a race takes is warned of, and one below the race refused', async (t) => {
  const marathon = TEMPLATES.find(({ id }) => id === 'marathon-beginner')!
  const dated = dateTemplate(marathon, { startDate: '2026-12-02' }, 1)
  const season = seasonOf(dated.startDate, dated)
  const away = (days: number) => propose(season, dated.startDate, {
    unavailable: [{ from: '2027-01-01', to: addDays('2027-01-01', days - 1) }]
  })
  t.notMatch(away(7)!.reasons.join(), /The highest week/)
  t.match(away(14)!.reasons.join(), /The highest week has 4\d\.\d km, less than the 50\.6 km that this race takes/)
  t.equal(away(40), undefined)
})

t.test('runs that were imported late lengthen weeks again only where that is asked for', async (t) => {
  const from = '2026-12-21'
  const missed = follow(HALF, '2026-12-12')
  const shortened = accept(missed, propose(missed, from)!, from)
  t.ok(weekly(shortened)[4]! < weekly(HALF)[4]!)
  const imported = { ...shortened, runs: follow(HALF, from).runs }
  const answer = propose(imported, from)!
  t.same(answer.edits, [])
  t.match(answer.reasons[1], /^More was run than weeks were shortened for/)
  const back = propose(imported, from, { unavailable: [] })!
  t.match(back.reasons, [/^Weeks can be longer again/])
  t.same(weekly(accept(imported, back, from)), weekly(HALF))
})

t.test('the long run moves to the nearest day that can be run on', async (t) => {
  const unavailable = [{ from: '2027-01-09', to: '2027-01-10' }]
  const { workouts } = accept(HALF, propose(HALF, '2026-11-30', { unavailable })!, '2026-11-30')
  const week = workouts.filter(({ date }) => date >= '2027-01-04' && date <= '2027-01-10')
    .map(({ date, kind }) => `${date} ${kind}`).sort()
  t.same(week.filter((line) => line.endsWith('long')), ['2027-01-08 long'])
  t.notMatch(week.join(), /2027-01-07 (tempo|interval)/)
})

t.test('the rest of the current week never grows', async (t) => {
  const season = planned({ ...HALF.request, firstWeekday: 7 })!
  for (let day = 1; day < 40; day++) {
    const from = addDays('2026-11-30', day)
    const runner = follow(season, from, (one) => one < '2026-12-08' ? 1 : 0.6)
    const adaptation = propose(runner, from)
    if (adaptation === undefined) continue
    const [before, after] = [runner, accept(runner, adaptation, from)].map((one) => (
      metresByWeek(season.request, checked(one)).get(weekStart(from, 7)) ?? 0
    ))
    t.ok(after! <= before!, `${from}: ${before} m, then ${after} m`)
  }
})

t.test('a plan that was adapted before days away were kept adapts as it is', async (t) => {
  const unavailable = [{ from: '2026-12-14', to: '2026-12-20' }]
  const old = accept(HALF, propose(HALF, '2026-11-30', { unavailable })!, '2026-11-30')
  const { weeks: _, unavailable: __, ...origin } = old.outline.origin
  const season = { ...old, outline: { ...old.outline, origin } }
  t.same(propose(season, '2026-11-30')?.edits, [])
  t.same(propose(follow(season, '2026-12-21'), '2026-12-21')?.edits, [])
})

import assert from 'node:assert/strict'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { addDays, daysBetween } from '../../src/domain/days.ts'
import { bandOf, complianceOf, type DoneDay, type PlannedDay } from '../../src/domain/workouts/compliance.ts'
import { matchWorkouts, type OpenActivity, type OpenWorkout } from '../../src/domain/workouts/matching.ts'

function workout (id: string, date: string, durationS: number | null, fields: Partial<OpenWorkout> = {}): OpenWorkout {
  return { id, date, kind: 'easy', distanceM: null, durationS, ...fields }
}

function run (id: string, date: string, durationS: number, fields: Partial<OpenActivity> = {}): OpenActivity {
  return { id, date, sport: 'running', distanceM: null, durationS, ...fields }
}

const [MON, TUE, WED] = ['2026-01-05', '2026-01-06', '2026-01-07'] as const

t.test('the rules of matching', async (t) => {
  const cases: Array<[name: string, workouts: OpenWorkout[], activities: OpenActivity[], expected: string[]]> = [
    ['the same day', [workout('w', TUE, 1800)], [run('a', TUE, 3600)], ['w-a']],
    ['a day early', [workout('w', TUE, 1800)], [run('a', MON, 1800)], ['w-a']],
    ['a day late', [workout('w', TUE, 1800)], [run('a', WED, 1800)], ['w-a']],
    ['two days are too far', [workout('w', MON, 1800)], [run('a', WED, 1800)], []],
    ['the right day before a closer run of the next', [workout('w', MON, 1800)], [run('a', TUE, 1800), run('b', MON, 600)], ['w-b']],
    ['a run of the neighbouring day gives its workout up, and keeps none', [workout('w', TUE, 1800)],
      [run('early', MON, 1800), run('right', TUE, 1700)], ['w-right']],
    ['each run its own day, though the other is closer', [workout('m', MON, 1800), workout('t', TUE, 3600)],
      [run('a', MON, 3600), run('b', TUE, 1800)], ['m-a', 't-b']],
    ['the closest duration', [workout('w', TUE, 1800)], [run('long', TUE, 5400), run('short', TUE, 2000)], ['w-short']],
    ['overlapping plans: the nearest in duration', [workout('long', TUE, 5400), workout('short', TUE, 1800)],
      [run('a', TUE, 2000)], ['short-a']],
    ['the distance where no duration is planned', [workout('w', TUE, null, { distanceM: 5000 })],
      [run('far', TUE, 1, { distanceM: 9000 }), run('near', TUE, 2, { distanceM: 5500 })], ['w-near']],
    ['another sport', [workout('w', TUE, 1800)], [run('a', TUE, 1800, { sport: 'cycling' })], []],
    ['cross-training by any sport but running', [workout('w', TUE, 1800, { kind: 'cross' })],
      [run('r', TUE, 1800), run('b', TUE, 9000, { sport: 'cycling' })], ['w-b']],
    ['a day of rest', [workout('w', TUE, null, { kind: 'rest' })], [run('a', TUE, 1800)], []],
    ['nothing is known of the length', [workout('w', TUE, null)], [run('a', TUE, 1800)], ['w-a']],
    ['one activity, one workout', [workout('a', TUE, 1800), workout('b', TUE, 1800)], [run('r', TUE, 1800)], ['a-r']]
  ]
  for (const [name, workouts, activities, expected] of cases) {
    const found = matchWorkouts(workouts, activities).map(({ workoutId, activityId }) => `${workoutId}-${activityId}`)
    t.same(found.sort(), expected, name)
  }
})

t.test('a match says why', async (t) => {
  const reason = (date: string, fields: Partial<OpenActivity> = {}): string | undefined =>
    matchWorkouts([workout('w', TUE, 2000, { distanceM: 5000 })], [run('a', date, 1800, fields)])[0]?.reason
  t.equal(reason(TUE), 'On the planned day, 90 % of the planned duration')
  t.equal(reason(MON), 'A day early, 90 % of the planned duration')
  t.equal(reason(WED, { durationS: null, distanceM: 6000 }), 'A day late, 120 % of the planned distance')
  t.equal(reason(WED, { durationS: null }), 'A day late, of the same sport')
})

t.test('an activity and a workout are in one match at most, and days before neighbours', async () => {
  const days = fc.integer({ min: 0, max: 9 }).map((day) => addDays(MON, day))
  const lists = fc.array(fc.tuple(days, fc.integer({ min: 1, max: 9000 })), { maxLength: 15 })
  fc.assert(fc.property(lists, lists, (planned, done) => {
    const workouts = planned.map(([date, s], i) => workout(`w${i}`, date, s))
    const activities = done.map(([date, s], i) => run(`a${i}`, date, s))
    const matches = matchWorkouts(workouts, activities)
    assert.equal(new Set(matches.map(({ workoutId }) => workoutId)).size, matches.length)
    assert.equal(new Set(matches.map(({ activityId }) => activityId)).size, matches.length)
    const dayOf = (id: string): string => [...workouts, ...activities].find((one) => one.id === id)!.date
    const matched = new Set(matches.flatMap(({ workoutId, activityId }) => [workoutId, activityId]))
    const free = ({ id }: { id: string }): boolean => !matched.has(id)
    for (const { workoutId, activityId } of matches) {
      const shift = Math.abs(daysBetween(dayOf(workoutId), dayOf(activityId)))
      assert.ok(shift <= 1)
      if (shift === 0) continue
      assert.ok(!activities.some((one) => free(one) && one.date === dayOf(workoutId)))
    }
    for (const one of workouts.filter(free)) {
      assert.ok(!activities.some((other) => free(other) && Math.abs(daysBetween(one.date, other.date)) <= 1))
    }
  }), { numRuns: 500 })
})

t.test('of a day with thousands of workouts and runs, the first are matched', async (t) => {
  const workouts = Array.from({ length: 5000 }, (_, i) => workout(`w${i}`, TUE, 1800))
  const activities = Array.from({ length: 5000 }, (_, i) => run(`a${i}`, TUE, 1800))
  const matches = matchWorkouts(workouts, activities)
  t.same(matches.map(({ workoutId, activityId }) => [workoutId, activityId]),
    Array.from({ length: 50 }, (_, i) => [`w${i}`, `a${i}`]))
})

t.test('the bands are half-open: green from 0.8 to 1.2, yellow from 0.5 and to 1.5', async (t) => {
  const cases: Array<[number, string]> = [
    [0, 'red'], [0.4999, 'red'], [0.5, 'yellow'], [0.7999, 'yellow'], [0.8, 'green'], [1, 'green'], [1.2, 'green'],
    [1.2001, 'yellow'], [1.5, 'yellow'], [1.5001, 'red'], [2400 / 3000, 'green'], [0.3 / 0.25, 'green']
  ]
  for (const [ratio, band] of cases) t.equal(bandOf(ratio), band, String(ratio))
})

function day (id: string, date: string, fields: Partial<PlannedDay> = {}): PlannedDay {
  return { id, date, kind: 'easy', distanceM: null, durationS: null, load: null, ...fields }
}

function done (id: string, date: string, workoutId: string | null, fields: Partial<DoneDay> = {}): DoneDay {
  return { id, date, workoutId, distanceM: null, durationS: null, load: null, ...fields }
}

t.test('compliance by workout, week and in all', async (t) => {
  const planned = [
    day('on', '2026-01-05', { durationS: 3000, distanceM: 10_000, load: 50 }),
    day('early', '2026-01-08', { distanceM: 10_000 }),
    day('missed', '2026-01-09', { distanceM: 8000 }),
    day('rest', '2026-01-10', { kind: 'rest' }),
    day('load', '2026-01-12', { load: 80 }),
    day('today', '2026-01-14', { distanceM: 5000 }),
    day('unknown', '2026-01-13')
  ]
  const activities = [
    done('a', '2026-01-05', 'on', { durationS: 2400, distanceM: 12_500, load: 40 }),
    done('b', '2026-01-07', 'early', { distanceM: 4000, durationS: 1000 }),
    done('c', '2026-01-12', 'load', { load: 100 }),
    done('d', '2026-01-11', null, { distanceM: 3000 }),
    done('e', '2026-01-13', 'unknown', { distanceM: 3000 }),
    done('later', '2026-01-20', null, { distanceM: 99 })
  ]
  const { workouts, weeks, totals } = complianceOf(planned, activities, '2026-01-14', 1)
  t.match(workouts, [
    { workout_id: 'on', status: 'on_time', shift_days: 0, ratio: { duration: 0.8, distance: 1.25, load: 0.8 }, band: 'green' },
    { workout_id: 'early', status: 'shifted', activity_id: 'b', shift_days: -1, ratio: { duration: null, distance: 0.4 }, band: 'red' },
    { workout_id: 'missed', status: 'missed', activity_id: null, shift_days: null, ratio: { duration: null, distance: null, load: null }, band: 'red' },
    { workout_id: 'rest', status: 'on_time', band: null },
    { workout_id: 'load', status: 'on_time', ratio: { load: 1.25 }, band: 'yellow' },
    { workout_id: 'today', status: 'upcoming', band: null },
    { workout_id: 'unknown', status: 'on_time', band: null }
  ])
  t.same(weeks.map(({ start_date }) => start_date), ['2026-01-05', '2026-01-12'])
  t.match(weeks[0], {
    planned: 3,
    on_time: 1,
    shifted: 1,
    mean_shift_days: 1,
    missed: 1,
    unplanned: 1,
    upcoming: 0,
    planned_distance_m: 28_000,
    done_distance_m: 19_500
  })
  t.match(weeks[1], { planned: 3, on_time: 2, shifted: 0, mean_shift_days: null, missed: 0, unplanned: 0, upcoming: 1 })
  t.match(totals, { planned: 6, on_time: 3, shifted: 1, missed: 1, unplanned: 1, upcoming: 1, done_distance_m: 22_500 })
  t.same(complianceOf(planned, activities, '2026-01-14', 7).weeks.map(({ start_date }) => start_date), ['2026-01-04', '2026-01-11'])
  t.match(complianceOf([], [], '2026-01-14', 1), { weeks: [], workouts: [], totals: { planned: 0, mean_shift_days: null } })
})

import fc from '../harness/fast-check.ts'
import t from 'tap'
import { addDays } from '../../src/domain/days.ts'
import { loadDays } from '../../src/domain/training/load-days.ts'
import { loadModel } from '../../src/domain/training/load-model.ts'
import { laterPeriod, periodStart, periodStarts, type Period } from '../../src/domain/periods.ts'
import { volumeOf } from '../../src/domain/training/volume.ts'

const day = fc.integer({ min: 0, max: 60_000 }).map((days) => addDays('1950-01-01', days))
const period = fc.constantFrom<Period>('day', 'week', 'month', 'year')
const weekday = fc.integer({ min: 1, max: 7 })

t.test('periods begin where a calendar says', async (t) => {
  for (const [date, by, first, start, next] of [
    ['2026-11-30', 'week', 1, '2026-11-30', '2026-12-07'], ['2026-11-29', 'week', 1, '2026-11-23', '2026-11-30'],
    ['2026-11-29', 'week', 7, '2026-11-29', '2026-12-06'], ['2026-01-01', 'week', 3, '2025-12-31', '2026-01-07'],
    ['2024-02-29', 'month', 1, '2024-02-01', '2024-03-01'], ['2024-12-31', 'month', 1, '2024-12-01', '2025-01-01'],
    ['2024-12-31', 'year', 1, '2024-01-01', '2025-01-01'], ['2024-02-28', 'day', 1, '2024-02-28', '2024-02-29']
  ] as const) {
    t.equal(periodStart(date, by, first), start, `${by} of ${date}`)
    t.equal(laterPeriod(start, by), next, `${by} after ${start}`)
  }
  t.equal(laterPeriod('2026-03-01', 'month', -11), '2025-04-01')
})

t.test('every day is in one period, and the periods of a range follow each other', async () => {
  fc.assert(fc.property(day, fc.integer({ min: 0, max: 2000 }), period, weekday, (from, length, by, first) => {
    const to = addDays(from, length)
    const starts = periodStarts(from, to, by, first)
    return starts[0]! <= from && starts.at(-1)! <= to && laterPeriod(starts.at(-1)!, by) > to &&
      starts.every((start, i) => i === 0 || laterPeriod(starts[i - 1]!, by) === start) &&
      starts.every((start) => periodStart(start, by, first) === start)
  }))
})

t.test('the periods of a range add up to its days', async () => {
  const done = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 50 })
  fc.assert(fc.property(day, done, period, weekday, (from, offsets, by, firstWeekday) => {
    const days = offsets.map((offset) => ({
      date: addDays(from, offset), distance_m: 1000, duration_s: 300, count: 1, elevation_gain_m: 5
    }))
    const items = volumeOf(days, { from, to: addDays(from, 700), by, firstWeekday })
    return items.reduce((sum, { count }) => sum + count, 0) === days.length &&
      items.reduce((sum, { distance_m }) => sum + distance_m, 0) === days.length * 1000
  }))
})

t.test('a range shows the same figures as the whole history, however far back that goes', async () => {
  const history = fc.array(fc.constantFrom(0, 0, 40, 80, 200), { minLength: 1, maxLength: 2500 })
  fc.assert(fc.property(history, fc.nat(), (loads, seed) => {
    const first = '2010-01-01'
    const at = seed % loads.length
    const done = new Map(loads.map((load, i) => [addDays(first, i), load]))
    const [shown] = loadDays(addDays(first, at), addDays(first, at), { done, planned: new Map(), first })
    const whole = loadModel(loads)[at]!
    return Math.abs(shown!.ctl - whole.ctl) < 1e-4 && Math.abs(shown!.atl - whole.atl) < 1e-4 &&
      Math.abs((shown!.acwr.ewma ?? 0) - (whole.acwr.ewma ?? 0)) < 1e-4 &&
      (shown!.monotony === null) === (whole.monotony === null)
  }), { numRuns: 50 })
})

import fc from '../harness/fast-check.ts'
import t from 'tap'
import { daysBetween } from '../../src/domain/days.ts'
import { daysOf, progressOf, type GoalPeriod, type GoalTime } from '../../src/domain/goals.ts'

const recurring = (period: GoalPeriod): GoalTime => ({ period, from: null, to: null })

t.test('the days of a goal are those of the period of today', async (t) => {
  const cases: Array<[GoalTime, string, number, string, string]> = [
    [recurring('week'), '2026-03-01', 1, '2026-02-23', '2026-03-01'],
    [recurring('week'), '2026-03-02', 1, '2026-03-02', '2026-03-08'],
    [recurring('week'), '2026-03-01', 7, '2026-03-01', '2026-03-07'],
    [recurring('week'), '2026-02-28', 7, '2026-02-22', '2026-02-28'],
    [recurring('week'), '2026-02-28', 6, '2026-02-28', '2026-03-06'],
    [recurring('week'), '2024-12-31', 1, '2024-12-30', '2025-01-05'],
    [recurring('month'), '2024-02-10', 1, '2024-02-01', '2024-02-29'],
    [recurring('month'), '2026-02-28', 1, '2026-02-01', '2026-02-28'],
    [recurring('month'), '2026-12-31', 1, '2026-12-01', '2026-12-31'],
    [recurring('year'), '2026-06-01', 1, '2026-01-01', '2026-12-31'],
    [{ period: 'custom', from: '2026-01-10', to: '2026-01-20' }, '2026-06-01', 1, '2026-01-10', '2026-01-20'],
    [{ period: 'month', from: '2026-05-10', to: null }, '2026-03-05', 1, '2026-05-01', '2026-05-31'],
    [{ period: 'month', from: null, to: '2026-05-10' }, '2026-07-05', 1, '2026-05-01', '2026-05-31'],
    [{ period: 'month', from: '2026-01-01', to: '2026-05-10' }, '2026-03-05', 1, '2026-03-01', '2026-03-31']
  ]
  for (const [time, today, firstWeekday, from, to] of cases) {
    t.same(daysOf(time, today, firstWeekday), { from, to }, `${JSON.stringify(time)} ${today} ${firstWeekday}`)
  }
})

t.test('a week has seven days, begins on the first weekday and holds today, in every year', async () => {
  const day = fc.date({ min: new Date('1970-01-01'), max: new Date('2190-12-31'), noInvalidDate: true })
  fc.assert(fc.property(day, fc.integer({ min: 1, max: 7 }), (date, firstWeekday) => {
    const today = date.toISOString().slice(0, 10)
    const { from, to } = daysOf(recurring('week'), today, firstWeekday)
    return daysBetween(from, to) === 6 && from <= today && today <= to &&
      (new Date(from).getUTCDay() || 7) === firstWeekday
  }))
})

t.test('the even-pace line rises by the same amount each day, and includes today', async (t) => {
  const march = { from: '2026-03-01', to: '2026-03-31' }
  t.same(progressOf(310, 100, march, '2026-03-10'), {
    start_date: '2026-03-01',
    end_date: '2026-03-31',
    done: 100,
    target: 310,
    ratio: 0.3226,
    expected_today: 100,
    on_track: true
  })
  t.match(progressOf(310, 99.99, march, '2026-03-10'), { expected_today: 100, on_track: false })
  t.match(progressOf(310, 0, march, '2026-02-28'), { expected_today: 0, on_track: true, ratio: 0 }, 'not begun')
  t.match(progressOf(310, 310, march, '2026-05-01'), { expected_today: 310, on_track: true, ratio: 1 }, 'over')
  t.match(progressOf(10, 25, { from: '2026-03-05', to: '2026-03-05' }, '2026-03-05'), { expected_today: 10, ratio: 2.5 })
  // The clocks change on the 8th and the 29th.
  const steps = Array.from({ length: 31 }, (_, i) =>
    progressOf(310, 0, march, `2026-03-${String(i + 1).padStart(2, '0')}`).expected_today)
  t.same(steps, Array.from({ length: 31 }, (_, i) => (i + 1) * 10))
})

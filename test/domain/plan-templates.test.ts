import t from 'tap'
import { addDays, weekStart, weekdayOf } from '../../src/domain/days.ts'
import { dateTemplate, type Anchor } from '../../src/domain/plans/from-template.ts'
import { TEMPLATES, weeksOf, type PlanTemplate } from '../../src/domain/plans/templates.ts'
import { trainingPaces } from '../../src/domain/training/training-paces.ts'
import { stepProblem } from '../../src/domain/workouts/steps.ts'
import { brokenRules } from '../harness/plan-rules.ts'

function broken (template: PlanTemplate, anchor: Anchor, firstWeekday: number): string[] {
  const { startDate, raceDate, workouts } = dateTemplate(template, anchor, firstWeekday)
  const { easy } = trainingPaces(template.vdot)
  return brokenRules(workouts, {
    startDate,
    raceDate,
    raceM: template.distanceM,
    currentWeeklyM: weeksOf(template)[0]!.metres,
    runsPerWeek: template.runsPerWeek,
    firstWeekday,
    paces: null,
    easyFastSPerKm: easy.fast_s_per_km
  })
}

t.test('there are templates for each distance and level', async (t) => {
  t.same(TEMPLATES.map(({ distanceM, level }) => `${distanceM} ${level}`), [
    '5000 beginner', '5000 advanced', '10000 beginner', '10000 advanced',
    '21097.5 beginner', '21097.5 advanced', '42195 beginner', '42195 advanced'
  ])
  t.equal(new Set(TEMPLATES.map(({ id }) => id)).size, TEMPLATES.length)
})

for (const template of TEMPLATES) {
  t.test(`${template.name} keeps the rules, whatever day it starts or the race is on`, async (t) => {
    for (let day = 0; day < 7; day++) {
      for (const firstWeekday of [1, 6, 7]) {
        t.same(broken(template, { startDate: addDays('2026-01-05', day) }, firstWeekday), [], `starts on day ${day}`)
        t.same(broken(template, { raceDate: addDays('2026-10-05', day) }, firstWeekday), [], `race on day ${day}`)
      }
    }
  })

  t.test(`${template.name} is dated from a start, or back from a race`, async (t) => {
    const weeks = weeksOf(template).length
    const monday = dateTemplate(template, { startDate: '2026-01-05' }, 1)
    t.equal(monday.raceDate, addDays('2026-01-05', weeks * 7 - 1))
    const wednesday = dateTemplate(template, { startDate: '2026-01-07' }, 1)
    t.equal(wednesday.startDate, '2026-01-07')
    t.equal(wednesday.raceDate, addDays('2026-01-12', weeks * 7 - 1))
    t.equal(wednesday.outline.weeks.length, weeks + 1)
    const saturday = dateTemplate(template, { raceDate: '2026-10-10' }, 1)
    t.equal(saturday.raceDate, '2026-10-10')
    t.equal(weekdayOf(saturday.startDate), 1)
    t.equal(saturday.startDate, addDays(weekStart('2026-10-10', 1), -7 * (weeks - 1)))
    t.equal(saturday.outline.weeks.length, weeks)
    for (const { steps } of monday.workouts) {
      t.equal(stepProblem(steps), undefined)
      t.notMatch(JSON.stringify(steps), /"low"/, 'targets are zones')
    }
    t.same(monday.workouts.filter(({ kind }) => kind === 'race').map(({ date }) => date), [monday.raceDate])
  })
}

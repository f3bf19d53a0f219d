import t from 'tap'
import { inject, startService, type Runner } from '../harness/service.ts'

const { app, runner } = await startService(t)
const PLAN = { name: 'Two years', start_date: '2026-01-01', end_date: '2027-12-31', status: 'active' }
const FIRST = Date.parse(PLAN.start_date)

function dayAfterStart (days: number): string {
  return new Date(FIRST + days * 86_400_000).toISOString().slice(0, 10)
}

function workoutsFrom (first: number, count: number) {
  return Array.from({ length: count }, (_, i) => ({
    date: dayAfterStart((first + i) % 730),
    kind: 'easy',
    name: `Run ${first + i}`,
    external_id: String(first + i),
    steps_text: '- 2km @z2\n- 4x\n  - 1km 4:10-4:20/km\n  - 90s rest'
  }))
}

async function planOf ({ call }: Runner, fields: object = {}): Promise<string> {
  return (await call('POST', '/plans', { ...PLAN, ...fields })).body.id
}

t.test('two years of daily workouts are stored, listed, compared, shown and deleted', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  t.equal((await ann.call('PUT', `/plans/${plan}/workouts`, { workouts: workoutsFrom(0, 501) })).status, 422)
  for (const [first, count] of [[0, 500], [500, 500], [1000, 100]] as const) {
    const { status, body } = await ann.call('PUT', `/plans/${plan}/workouts`, { workouts: workoutsFrom(first, count) })
    t.match([status, body], [200, { created: count, updated: 0 }])
  }
  const listed = new Set<string>()
  let cursor: string | null = ''
  while (cursor !== null) {
    const { body } = await ann.call('GET', `/plans/${plan}/workouts?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`)
    for (const { external_id } of body.items) listed.add(external_id)
    cursor = body.next_cursor
  }
  t.equal(listed.size, 1100)
  const { body: compliance } = await ann.call('GET', `/plans/${plan}/compliance`)
  t.equal(compliance.workouts.length, 1100)
  t.equal(compliance.totals.missed + compliance.totals.upcoming, 1100)
  const { body: { days } } = await ann.call('GET', '/calendar?from=2026-01-01&to=2026-12-31')
  t.equal(days.length, 365)
  t.ok(days.every(({ workouts }: { workouts: unknown[] }) => workouts.length >= 1))
  const { body: { url } } = await ann.call('POST', '/me/calendar-feed')
  const feed = async () => (await inject(app, { method: 'GET', url: new URL(url).pathname })).body as string
  const events = [...(await feed()).matchAll(/\r\nDTSTART;VALUE=DATE:(\d+)\r\n/g)].map(([, date]) => date)
  t.equal(events.length, 1000, 'the feed has a bound')
  t.match([events[0], events.includes('20260101')], ['20271231', false], 'the latest are in it')
  t.equal((await ann.call('DELETE', `/plans/${plan}`)).status, 204)
  const cancelled = await feed()
  t.equal([...cancelled.matchAll(/\r\nSTATUS:CANCELLED\r\n/g)].length, 500)
  t.notMatch(cancelled, 'STATUS:CONFIRMED')
})

t.test('the first and the last day of the calendar have workouts, runs and templates as others', async (t) => {
  const ann = await runner()
  for (const [start_date, end_date, date] of [
    ['1900-01-01', '1900-12-31', '1900-01-01'], ['2199-01-01', '2199-12-31', '2199-12-31']
  ] as const) {
    const plan = await planOf(ann, { start_date, end_date })
    const workout = { date, kind: 'easy', name: 'Run', planned_distance_m: 5000, external_id: 'a' }
    t.equal((await ann.call('PUT', `/plans/${plan}/workouts`, { workouts: [workout] })).status, 200)
    t.equal((await ann.call('POST', `/plans/${plan}/workouts`, { ...workout, external_id: 'b' })).status, 201)
    t.equal((await ann.call('GET', `/calendar?from=${date}&to=${date}`)).body.days[0].workouts.length, 2)
    t.equal((await ann.call('GET', `/plans/${plan}/compliance`)).body.workouts.length, 2)
    t.equal((await ann.call('DELETE', `/plans/${plan}`)).status, 204)
  }
})

t.test('a long text of steps is read or refused at its place', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const send = (steps_text: string) => ann.call('POST', `/plans/${plan}/workouts`, {
    date: PLAN.start_date, kind: 'easy', name: 'Run', steps_text
  })
  const many = await send('- 1km\r\n'.repeat(10_000))
  t.match([many.status, many.body.details.field], [422, 'steps_text'])
  const lines = await send('- 1m\n'.repeat(2000))
  t.match([lines.status, lines.body.details], [422, { field: 'steps_text', line: 51, column: 1 }])
  const blank = await send(`${'\r\n'.repeat(4990)}- 1km 🏃`)
  t.match([blank.status, blank.body.details], [422, { field: 'steps_text', line: 4991, column: 7 }])
  const tabs = await send(`${'\n'.repeat(9000)}- 2x\r\n\t- 1km\t@z2\r\n\t- 90s rest`)
  t.match([tabs.status, tabs.body.steps_text], [201, '- 2x\n  - 1km @z2\n  - 90s rest'])
  t.equal((await ann.call('GET', `/plans/${plan}/workouts`)).body.items.length, 1, 'nothing of what was refused')
})

t.test('steps nested without end are refused as a body, and as a text', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const deep = `${'{"type":"repeat","times":2,"steps":['.repeat(10_000)}${']}'.repeat(10_000)}`
  const body = `{"date":"2026-01-01","kind":"easy","name":"Run","steps":[${deep}]}`
  const { status } = await ann.call('POST', `/plans/${plan}/workouts`, body, { 'content-type': 'application/json' })
  t.ok(status === 400 || status === 422, String(status))
  const text = Array.from({ length: 20 }, (_, i) => `${'  '.repeat(i)}- 2x`).join('\n')
  const answer = await ann.call('POST', `/plans/${plan}/workouts`, {
    date: '2026-01-01', kind: 'easy', name: 'Run', steps_text: text
  })
  t.match([answer.status, answer.body.details], [422, { field: 'steps_text', line: 3 }])
})

t.test('a template starts on any day, in weeks that begin on any day', async (t) => {
  const ann = await runner()
  for (const first_weekday of [1, 6, 7]) {
    await ann.call('PATCH', '/me', { first_weekday })
    // Wednesday, Saturday, Sunday.
    for (const start_date of ['2099-01-07', '2099-01-10', '2099-01-11']) {
      const { status, body } = await ann.call('POST', '/plans/from-template', { template_id: 'half-beginner', start_date })
      t.match([status, body], [201, { start_date }])
      const { body: { items } } = await ann.call('GET', `/plans/${body.id}/workouts?limit=200`)
      t.equal(items.length, body.workouts_count)
      t.ok(items.every(({ date }: { date: string }) => date >= start_date && date <= body.end_date))
      t.match(items.at(-1), { kind: 'race', date: body.race.date })
    }
  }
})

t.test('runs stay as they are when their plan is deleted', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const workout = { kind: 'easy', name: 'Run', planned_duration_s: 1800 }
  const runs = []
  for (const day of ['2026-02-01', '2026-02-03']) {
    await ann.call('POST', `/plans/${plan}/workouts`, { ...workout, date: day })
    runs.push((await ann.call('POST', '/activities', { sport: 'running', start_time: `${day}T07:00:00Z`, elapsed_s: 1800 })).body)
  }
  t.ok(runs.every(({ workout_id }) => workout_id !== null))
  t.equal((await ann.call('DELETE', `/plans/${plan}`)).status, 204)
  for (const run of runs) {
    const { body } = await ann.call('GET', `/activities/${run.id}`)
    const { updated_at, ...kept } = body
    const { updated_at: _, ...before } = run
    t.same(kept, { ...before, workout_id: null, match: null })
  }
})

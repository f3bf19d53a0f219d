import { v7 as uuidv7 } from 'uuid'
import t from 'tap'
import { startService, type Answer, type Runner } from '../harness/service.ts'

const PLAN = { name: 'Spring', start_date: '2026-01-05', end_date: '2026-04-26', status: 'active' }
const EASY = { date: '2026-01-06', kind: 'easy', name: 'Easy run', planned_distance_m: 8000 }
const TEXT = '- 2km @z2\n- 4x\n  - 1km 4:10-4:20/km\n  - 90s rest'
const STEPS = [
  { type: 'step', intensity: 'active', end: { type: 'distance', value: 2000 }, target: { type: 'heart_rate', zone: 2 } },
  {
    type: 'repeat',
    times: 4,
    steps: [
      { type: 'step', intensity: 'active', end: { type: 'distance', value: 1000 }, target: { type: 'pace', low: 250, high: 260 } },
      { type: 'step', intensity: 'rest', end: { type: 'time', value: 90 } }
    ]
  }
]
const { runner } = await startService(t)

async function planOf (who: Runner, fields: object = {}): Promise<string> {
  return (await who.call('POST', '/plans', { ...PLAN, ...fields })).body.id
}

t.test('a workout is created, read, changed and deleted by its owner', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const made = await ann.call('POST', `/plans/${plan}/workouts`, EASY)
  t.equal(made.status, 201)
  t.match(made.body, { ...EASY, plan_id: plan, description: null, steps: null, steps_text: null })
  t.match(made.body, { activity_id: null, match: null })
  t.equal(made.headers.location, `/api/v1/workouts/${made.body.id}`)
  const read = await ann.call('GET', `/workouts/${made.body.id}`)
  t.same(read.body, made.body)
  t.equal(read.headers.etag, made.headers.etag)
  const etag = String(made.headers.etag)
  t.equal((await ann.call('GET', `/workouts/${made.body.id}`, undefined, { 'if-none-match': etag })).status, 304)

  const changed = await ann.call('PATCH', `/workouts/${made.body.id}`, { date: '2026-01-07', name: 'Moved' }, { 'if-match': etag })
  t.match([changed.status, changed.body], [200, { ...EASY, date: '2026-01-07', name: 'Moved' }])
  const stale = await ann.call('PATCH', `/workouts/${made.body.id}`, { name: 'Late' }, { 'if-match': etag })
  t.match([stale.status, stale.body.error_code], [412, 'PRECONDITION_FAILED'])
  t.equal((await ann.call('DELETE', `/workouts/${made.body.id}`, undefined, { 'if-match': etag })).status, 412)
  t.equal((await ann.call('DELETE', `/workouts/${made.body.id}`)).status, 204)
  t.equal((await ann.call('GET', `/workouts/${made.body.id}`)).status, 404)
})

t.test('steps may be sent as a tree or as text, and are answered as both', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const base = { date: '2026-01-06', kind: 'interval', name: '4 × 1 km' }
  for (const body of [{ ...base, steps: STEPS }, { ...base, steps_text: TEXT.replaceAll('\n', '\r\n') }]) {
    const { status, body: workout } = await ann.call('POST', `/plans/${plan}/workouts`, body)
    t.equal(status, 201)
    t.equal(workout.steps_text, TEXT)
    t.match(workout.steps, STEPS)
    t.equal(workout.steps[0].resolved, null, 'without settings, a zone means nothing')
    t.same(workout.steps[1].steps[0].resolved, { type: 'pace', low: 250, high: 260 })
    t.match(workout, { planned_distance_m: 6000, planned_duration_s: null, planned_load: null })
    const without = await ann.call('PATCH', `/workouts/${workout.id}`, { steps: null, planned_duration_s: 3600 })
    t.match(without.body, { steps: null, steps_text: null, planned_duration_s: 3600 })
    const changed = await ann.call('PATCH', `/workouts/${workout.id}`, { steps_text: '- 30min' })
    t.match(changed.body, { steps_text: '- 30min', planned_duration_s: 1800 })
  }
})

t.test('targets and totals follow the settings of the day, and the entity tag with them', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const body = { date: '2026-02-01', kind: 'interval', name: 'Intervals', steps_text: TEXT }
  const { body: workout, headers } = await ann.call('POST', `/plans/${plan}/workouts`, body)
  await ann.call('POST', '/me/physiology', {
    valid_from: '2026-01-15', resting_heart_rate_bpm: 50, threshold_heart_rate_bpm: 170, threshold_pace_s_per_km: 250
  })
  await ann.call('POST', '/me/physiology', { valid_from: '2026-02-02', threshold_heart_rate_bpm: 150 })
  const read = await ann.call('GET', `/workouts/${workout.id}`)
  t.same(read.body.steps[0].resolved, { type: 'heart_rate', low: 144.5, high: 153 })
  t.match(read.body, { planned_distance_m: 6000, planned_duration_s: Number, planned_load: Number })
  t.not(read.headers.etag, headers.etag)
  const list = await ann.call('GET', `/plans/${plan}/workouts`)
  t.same(list.body.items, [read.body])
})

t.test('a step text that is not readable is refused with line and column', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const base = { date: '2026-01-06', kind: 'interval', name: 'Intervals' }
  const cases: Array<[text: string, line: number, column: number]> = [
    ['- 2km\r\n- 4x\r\n\t- 🏃 1km', 3, 4],
    ['- 2km 9:99/km', 1, 7],
    ['', 0, 0]
  ]
  for (const [steps_text, line, column] of cases) {
    const { status, body } = await ann.call('POST', `/plans/${plan}/workouts`, { ...base, steps_text })
    t.match([status, body.error_code, body.details.field], [422, 'REQUEST_VALIDATION_ERROR', 'steps_text'])
    if (line > 0) t.match(body.details, { line, column, errors: [{ field: 'steps_text', location: 'body' }] })
  }
  const bulk = await ann.call('PUT', `/plans/${plan}/workouts`, {
    workouts: [{ ...base, external_id: 'a', steps_text: '- 1km' }, { ...base, external_id: 'b', steps_text: '1km' }]
  })
  t.match([bulk.status, bulk.body.details], [422, { field: 'workouts.1.steps_text', line: 1, column: 1 }])
  t.same((await ann.call('GET', `/plans/${plan}/workouts`)).body.items, [])
})

t.test('bad workouts are refused, naming the field', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const step = { type: 'step', intensity: 'active', end: { type: 'distance', value: 1000 } }
  const nested = (depth: number): object => depth === 0 ? step : { type: 'repeat', times: 2, steps: [nested(depth - 1)] }
  const cases: Array<[fields: object, status: number, field: string]> = [
    [{ date: '2026-01-04' }, 400, 'date'],
    [{ date: '2026-04-27' }, 400, 'date'],
    [{ date: '2026-02-30' }, 422, 'date'],
    [{ kind: 'jog' }, 422, 'kind'],
    [{ name: '' }, 422, 'name'],
    [{ planned_distance_m: 0 }, 422, 'planned_distance_m'],
    [{ unknown: 1 }, 422, 'unknown'],
    [{ steps: [] }, 422, 'steps'],
    [{ steps: [step], steps_text: '- 1km' }, 400, 'steps_text'],
    [{ steps: [{ ...step, end: { type: 'distance', value: 0 } }] }, 422, 'steps.0.end.value'],
    [{ steps: [{ ...step, end: { type: 'time' } }] }, 400, 'steps.0.end.value'],
    [{ steps: [{ ...step, target: { type: 'pace', low: 260, high: 250 } }] }, 400, 'steps.0.target.low'],
    [{ steps: Array.from({ length: 51 }, () => step) }, 422, 'steps'],
    [{ steps: [{ type: 'repeat', times: 2, steps: Array.from({ length: 50 }, () => step) }] }, 400, 'steps']
  ]
  for (const [fields, status, field] of cases) {
    const answer = await ann.call('POST', `/plans/${plan}/workouts`, { ...EASY, ...fields })
    t.match([answer.status, answer.body.details], [status, { field }], JSON.stringify(fields))
  }
  const fifty = Array.from({ length: 50 }, () => step)
  for (const accepted of [{ steps: [nested(2)] }, { steps: fifty }, { date: PLAN.end_date }]) {
    t.equal((await ann.call('POST', `/plans/${plan}/workouts`, { ...EASY, ...accepted })).status, 201)
  }
})

t.test('a wrong step is refused by the one field that is wrong, however deep it is', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const step = { type: 'step', intensity: 'active', end: { type: 'distance', value: 1000 } }
  const repeat = (fields: object = {}): object => ({ type: 'repeat', times: 2, steps: [step], ...fields })
  const wrong: Array<[found: unknown, field: string]> = [
    [{ ...step, type: 'steps' }, 'type'],
    [{ ...step, type: 1 }, 'type'],
    [{ intensity: 'active', end: step.end }, 'type'],
    [{ ...step, intensity: 'hard' }, 'intensity'],
    [{ type: 'step', end: step.end }, 'intensity'],
    [{ ...step, end: { type: 'miles', value: 1 } }, 'end.type'],
    [{ ...step, end: { type: 'time', value: 0 } }, 'end.value'],
    [{ ...step, target: { type: 'watts' } }, 'target.type'],
    [{ ...step, target: { type: 'pace', zone: 8 } }, 'target.zone'],
    [{ ...step, times: 2 }, 'times'],
    [repeat({ times: 1 }), 'times'],
    [repeat({ steps: [] }), 'steps'],
    [repeat({ end: step.end }), 'end'],
    [{ type: 'repeat', times: 2 }, 'steps']
  ]
  // A body of ordinary size, of which every error is reported, and a large one, of which the first is.
  for (const count of [1, 120]) {
    for (const [found, field] of wrong) {
      for (const [wrongStep, path] of [[found, 'steps.0'], [repeat({ steps: [step, found] }), 'steps.0.steps.1']]) {
        const workouts = Array.from({ length: count }, (_, i) => (
          { ...EASY, external_id: `w-${i}`, steps: [i === 0 ? wrongStep : step, step] }
        ))
        const { status, body } = await ann.call('PUT', `/plans/${plan}/workouts`, { workouts })
        const fields = body.details.errors.map((error: { field: string }) => error.field)
        t.same([status, body.details.field, fields], [422, `workouts.0.${path}.${field}`, [`workouts.0.${path}.${field}`]])
      }
    }
  }
  const tooDeep = await ann.call('POST', `/plans/${plan}/workouts`, {
    ...EASY, steps: [repeat({ steps: [repeat({ steps: [repeat()] })] })]
  })
  t.match([tooDeep.status, tooDeep.body.message], [422, 'steps.0.steps.0.steps.0.type must be one of step'])
  const noObject = await ann.call('PATCH', `/workouts/${uuidv7()}`, { steps: [step, 5] })
  t.match([noObject.status, noObject.body.details.field], [422, 'steps.1'])
})

t.test('a workout cannot leave its plan, nor a plan its workouts', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const { body: workout } = await ann.call('POST', `/plans/${plan}/workouts`, EASY)
  const moved = await ann.call('PATCH', `/workouts/${workout.id}`, { date: '2026-05-01' })
  t.match([moved.status, moved.body.error_code, moved.body.details], [400, 'VALIDATION_ERROR', { field: 'date' }])
  const changes = [
    [{ start_date: '2026-01-07' }, 'start_date'], [{ end_date: '2026-01-05', start_date: '2026-01-01' }, 'end_date']
  ] as const
  for (const [change, field] of changes) {
    const { status, body } = await ann.call('PATCH', `/plans/${plan}`, change)
    t.match([status, body.error_code, body.details], [400, 'VALIDATION_ERROR', { field }])
  }
  t.equal((await ann.call('PATCH', `/plans/${plan}`, { start_date: '2026-01-06' })).status, 200)
})

t.test('many workouts are stored by their external ids, all or none', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const day = (i: number): string => new Date(Date.UTC(2026, 0, 5 + i % 112)).toISOString().slice(0, 10)
  const workouts = Array.from({ length: 500 }, (_, i) => ({
    date: day(i), kind: 'interval', name: `Workout ${i}`, steps: STEPS, external_id: `w-${i}`
  }))
  const first = await ann.call('PUT', `/plans/${plan}/workouts`, { workouts })
  t.match([first.status, first.body.created, first.body.updated], [200, 500, 0])
  t.same(first.body.items.map(({ name }: { name: string }) => name), workouts.map(({ name }) => name))
  const again = await ann.call('PUT', `/plans/${plan}/workouts`, { workouts: [...workouts].reverse() })
  t.match([again.body.created, again.body.updated], [0, 500])
  const idsOf = ({ body }: Answer): string[] => body.items.map(({ id }: { id: string }) => id)
  t.same(idsOf(again).reverse(), idsOf(first))
  const before = await ann.call('GET', `/workouts/${first.body.items[0].id}`)

  const mixed = await ann.call('PUT', `/plans/${plan}/workouts`, {
    workouts: [{ ...EASY, external_id: 'w-0' }, { ...EASY, external_id: 'new' }]
  })
  t.match([mixed.body.created, mixed.body.updated], [1, 1])
  t.match(mixed.body.items[0], { ...EASY, id: first.body.items[0].id, steps: null })
  const after = await ann.call('GET', `/workouts/${first.body.items[0].id}`)
  t.not(after.headers.etag, before.headers.etag)

  const outside = await ann.call('PUT', `/plans/${plan}/workouts`, {
    workouts: [{ ...EASY, name: 'No', external_id: 'w-0' }, { ...EASY, date: '2027-01-01', external_id: 'w-1' }]
  })
  t.match([outside.status, outside.body.details.field], [400, 'workouts.1.date'])
  t.equal((await ann.call('GET', `/workouts/${first.body.items[0].id}`)).body.name, EASY.name, 'nothing is stored')

  const twice = await ann.call('PUT', `/plans/${plan}/workouts`, {
    workouts: [{ ...EASY, external_id: 'same' }, { ...EASY, external_id: 'same' }]
  })
  t.match([twice.status, twice.body.details.field], [422, 'workouts.1.external_id'])
  const tooMany = [...workouts, { ...workouts[0], external_id: 'x' }]
  t.equal((await ann.call('PUT', `/plans/${plan}/workouts`, { workouts: tooMany })).status, 422)
  t.equal((await ann.call('PUT', `/plans/${plan}/workouts`, { workouts: [] })).status, 422)
  t.equal((await ann.call('PUT', `/plans/${uuidv7()}/workouts`, { workouts: [{ ...EASY, external_id: 'a' }] })).status, 404)
})

t.test('workouts stored by several clients at once exist once each', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const workouts = Array.from({ length: 40 }, (_, i) => ({ ...EASY, external_id: `w-${i}` }))
  const answers = await Promise.all(
    [workouts, [...workouts].reverse(), workouts].map((list) => ann.call('PUT', `/plans/${plan}/workouts`, { workouts: list }))
  )
  t.same(answers.map(({ status }) => status), [200, 200, 200])
  t.equal(answers.reduce((sum, { body }) => sum + Number(body.created), 0), 40)
  t.equal((await ann.call('GET', `/plans/${plan}/workouts?limit=200`)).body.items.length, 40)
})

t.test('an external id is unique in its plan only', async (t) => {
  const ann = await runner()
  const [one, two] = [await planOf(ann), await planOf(ann)]
  const body = { ...EASY, external_id: 'w' }
  t.equal((await ann.call('POST', `/plans/${one}/workouts`, body)).status, 201)
  const again = await ann.call('POST', `/plans/${one}/workouts`, body)
  t.match([again.status, again.body.error_code], [409, 'CONFLICT'])
  t.equal((await ann.call('POST', `/plans/${two}/workouts`, body)).status, 201)
  const other = await ann.call('POST', `/plans/${one}/workouts`, EASY)
  t.equal((await ann.call('PATCH', `/workouts/${other.body.id}`, { external_id: 'w' })).status, 409)
})

t.test('the same request with an Idempotency-Key adds one workout', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const headers = { 'idempotency-key': 'one' }
  const first = await ann.call('POST', `/plans/${plan}/workouts`, EASY, headers)
  const again = await ann.call('POST', `/plans/${plan}/workouts`, EASY, headers)
  t.same(again.body, first.body)
  t.equal(again.headers['idempotent-replayed'], 'true')
  t.equal((await ann.call('GET', `/plans/${plan}/workouts`)).body.items.length, 1)
})

t.test('pages of workouts go on by day, within the given days', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const days = ['2026-01-20', '2026-01-07', '2026-01-07', '2026-01-10', '2026-03-01']
  for (const date of days) await ann.call('POST', `/plans/${plan}/workouts`, { ...EASY, date })
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const url: string = `/plans/${plan}/workouts?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { body } = await ann.call('GET', url)
    for (const { date } of body.items) seen.push(date)
    cursor = body.next_cursor
  }
  t.same(seen, days.toSorted())
  const { body } = await ann.call('GET', `/plans/${plan}/workouts?from=2026-01-08&to=2026-01-20`)
  t.same(body.items.map(({ date }: { date: string }) => date), ['2026-01-10', '2026-01-20'])
  t.equal((await ann.call('GET', `/plans/${plan}/workouts?cursor=x`)).status, 422)
  t.equal((await ann.call('GET', `/plans/${uuidv7()}/workouts`)).status, 404)
})

t.test('workouts are their owner’s alone, in another runner’s plan too', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const plan = await planOf(ann)
  const { body: workout } = await ann.call('POST', `/plans/${plan}/workouts`, EASY)
  t.equal((await bob.call('POST', `/plans/${plan}/workouts`, EASY)).status, 404)
  t.equal((await bob.call('PUT', `/plans/${plan}/workouts`, { workouts: [{ ...EASY, external_id: 'a' }] })).status, 404)
  t.equal((await bob.call('GET', `/plans/${plan}/workouts`)).status, 404)
  t.equal((await bob.call('PATCH', `/workouts/${workout.id}`, { name: 'Bob’s' })).status, 404)
  t.equal((await bob.call('DELETE', `/workouts/${workout.id}`)).status, 404)
})

t.test('a plan takes its workouts along when it is deleted', async (t) => {
  const ann = await runner()
  const plan = await planOf(ann)
  const { body: workout } = await ann.call('POST', `/plans/${plan}/workouts`, EASY)
  t.equal((await ann.call('DELETE', `/plans/${plan}`)).status, 204)
  t.equal((await ann.call('GET', `/workouts/${workout.id}`)).status, 404)
})

t.test('a workout is downloaded as a FIT file or as JSON', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const plan = await planOf(ann)
  const { body: workout } = await ann.call('POST', `/plans/${plan}/workouts`, {
    date: '2026-01-06', kind: 'interval', name: 'Intervals', steps_text: TEXT
  })
  const fit = await ann.call('GET', `/workouts/${workout.id}/file?format=fit`)
  t.match([fit.status, fit.headers['content-type']], [200, 'application/vnd.ant.fit'])
  t.match(fit.headers['content-disposition'], 'attachment; filename="2026-01-06-interval.fit"')
  t.equal(fit.raw.subarray(8, 12).toString(), '.FIT')
  const etag = String(fit.headers.etag)
  t.equal((await ann.call('GET', `/workouts/${workout.id}/file`, undefined, { 'if-none-match': etag })).status, 304)
  const json = await ann.call('GET', `/workouts/${workout.id}/file?format=json`)
  t.same(json.body, {
    id: workout.id,
    name: 'Intervals',
    sport: 'running',
    description: null,
    steps: workout.steps,
    steps_text: TEXT,
    updated_at: workout.updated_at
  })
  const { body: plain } = await ann.call('POST', `/plans/${plan}/workouts`, EASY)
  t.match((await ann.call('GET', `/workouts/${plain.id}/file?format=json`)).body.steps, [
    { type: 'step', end: { type: 'distance', value: 8000 } }
  ])
  t.equal((await ann.call('GET', `/workouts/${workout.id}/file?format=gpx`)).status, 422)
  t.equal((await bob.call('GET', `/workouts/${workout.id}/file`)).status, 404)
})

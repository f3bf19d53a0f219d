import t from 'tap'
import { startService } from '../harness/service.ts'

const PLAN = { name: 'Spring marathon', start_date: '2026-01-05', end_date: '2026-04-26' }
const { runner } = await startService(t)

t.test('a plan is created, read, changed and deleted by its owner', async (t) => {
  const ann = await runner()
  const made = await ann.call('POST', '/plans', { ...PLAN, race: { date: '2026-04-26', distance_m: 42_195 } })
  t.equal(made.status, 201)
  t.match(made.body, { ...PLAN, status: 'draft', goal: null, race: { distance_m: 42_195 } })
  t.equal(made.headers.location, `/api/v1/plans/${made.body.id}`)
  const read = await ann.call('GET', `/plans/${made.body.id}`)
  t.same(read.body, made.body)
  t.equal(read.headers.etag, made.headers.etag)
  const changed = await ann.call('PATCH', `/plans/${made.body.id}`, { status: 'active', goal: 'Under four hours' })
  t.match(changed.body, { ...PLAN, status: 'active', goal: 'Under four hours' })
  t.not(changed.headers.etag, made.headers.etag)
  t.equal((await ann.call('DELETE', `/plans/${made.body.id}`)).status, 204)
  t.equal((await ann.call('GET', `/plans/${made.body.id}`)).status, 404)
})

t.test('a plan that does not end after its start is refused, naming the field', async (t) => {
  const ann = await runner()
  for (const end_date of ['2026-01-05', '2026-01-04']) {
    const { status, body } = await ann.call('POST', '/plans', { ...PLAN, end_date })
    t.equal(status, 400)
    t.match(body, {
      error_code: 'VALIDATION_ERROR',
      message: 'Plan end_date must be after start_date',
      details: { field: 'end_date' }
    })
  }
})

t.test('schema errors are named field by field, and no value is converted or dropped', async (t) => {
  const ann = await runner()
  const cases: Array<[object, string]> = [
    [{ ...PLAN, name: undefined }, 'name'],
    [{ ...PLAN, name: '' }, 'name'],
    [{ ...PLAN, name: 5 }, 'name'],
    [{ ...PLAN, start_date: '2026-02-30' }, 'start_date'],
    [{ ...PLAN, start_date: '0000-01-01' }, 'start_date'],
    [{ ...PLAN, start_date: null }, 'start_date'],
    [{ ...PLAN, unknown: 1 }, 'unknown'],
    [{ ...PLAN, race: { date: '2026-04-26', distance_m: '42195' } }, 'race.distance_m']
  ]
  for (const [body, field] of cases) {
    const answer = await ann.call('POST', '/plans', body)
    t.equal(answer.status, 422, JSON.stringify(body))
    t.match(answer.body, { error_code: 'REQUEST_VALIDATION_ERROR', details: { field } })
  }
  t.same((await ann.call('GET', '/plans')).body.items, [])
})

t.test('pages follow each other without a gap or a repetition while plans are added', async (t) => {
  const ann = await runner()
  const made: string[] = []
  for (let i = 0; i < 7; i++) made.unshift((await ann.call('POST', '/plans', PLAN)).body.id)
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page = await ann.call('GET', `/plans?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
    seen.push(...page.body.items.map(({ id }: { id: string }) => id))
    cursor = page.body.next_cursor
    await ann.call('POST', '/plans', PLAN)
  }
  t.same(seen, made)
  for (const name of ['One', 'Two']) await ann.call('POST', '/api-keys', { name, scopes: ['read'] })
  const { body: { next_cursor: ofKeys } } = await ann.call('GET', '/api-keys?limit=1')
  t.type(ofKeys, 'string')
  for (const query of [
    'cursor=nonsense',
    `cursor=${ofKeys}`,
    'limit=0',
    'limit=201',
    'limit=0x10',
    'limit=%205',
    'limit=1e1',
    'status=odd',
    'what=1',
    'from=2026-02-30'
  ]) {
    t.equal((await ann.call('GET', `/plans?${query}`)).status, 422, query)
  }
})

t.test('from and to ask for plans that overlap those days', async (t) => {
  const ann = await runner()
  await ann.call('POST', '/plans', PLAN)
  const count = async (query: string) => (await ann.call('GET', `/plans?${query}`)).body.items.length
  t.equal(await count('from=2026-04-26'), 1)
  t.equal(await count('from=2026-04-27'), 0)
  t.equal(await count('to=2026-01-05'), 1)
  t.equal(await count('to=2026-01-04'), 0)
})

t.test('a list of plans warns of those that overlap, and of archived ones never', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const made = async (name: string, start_date: string, end_date: string, status = 'active') =>
    (await ann.call('POST', '/plans', { name, start_date, end_date, status })).body.id
  const warnings = async (query = '') => (await ann.call('GET', `/plans${query}`)).body.warnings
  const spring = await made('Spring', '2026-01-05', '2026-04-26')
  t.same(await warnings(), [])
  await made('After', '2026-04-27', '2026-06-01')
  await made('Old', '2026-01-05', '2026-06-01', 'archived')
  await bob.call('POST', '/plans', PLAN)
  t.same(await warnings(), [], 'plans that follow each other, archived ones, and those of others')
  const draft = await made('Draft', '2026-02-02', '2026-04-26', 'draft')
  t.match(await warnings(), [{
    code: 'PLANS_OVERLAP', message: /“Draft” and “Spring”/, plan_ids: [draft, spring], from: '2026-02-02', to: '2026-04-26'
  }])
  t.equal((await warnings()).length, 1)
  t.same(await warnings('?limit=2'), [], 'of the plans of the page')
  await ann.call('PATCH', `/plans/${draft}`, { end_date: '2026-04-27' })
  t.match((await warnings()).map(({ from, to }: { from: string, to: string }) => [from, to]), [
    ['2026-04-27', '2026-04-27'], ['2026-02-02', '2026-04-26']
  ], 'the last day of one may be the first of the other')
  for (let i = 0; i < 6; i++) await made(`Plan ${i}`, '2027-01-01', '2027-02-01')
  t.equal((await warnings()).length, 10, 'at most ten')
})

t.test('a plan is visible to its owner alone', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const { body: { id } } = await ann.call('POST', '/plans', PLAN)
  for (const [method, payload] of [['GET'], ['PATCH', { name: 'Mine now' }], ['DELETE']] as const) {
    t.equal((await bob.call(method, `/plans/${id}`, payload)).status, 404, method)
    t.equal((await ann.call(method, `/plans/${id}`, payload, { authorization: '' })).status, 401, method)
  }
  t.same((await bob.call('GET', '/plans')).body.items, [])
  t.match((await ann.call('GET', `/plans/${id}`)).body, PLAN)
})

t.test('concurrent changes without If-Match are all applied', async (t) => {
  const ann = await runner()
  const { body: { id } } = await ann.call('POST', '/plans', PLAN)
  const changes = [
    { name: 'Another' },
    { goal: 'Another' },
    { notes: 'Another' },
    { status: 'active' },
    { start_date: '2020-01-01' }
  ]
  const answers = await Promise.all(
    changes.flatMap((change) => [change, change]).map(async (change) => await ann.call('PATCH', `/plans/${id}`, change))
  )
  t.same(answers.map(({ status }) => status), Array.from({ length: 10 }, () => 200))
  t.match((await ann.call('GET', `/plans/${id}`)).body, Object.assign({}, ...changes))
  t.equal(new Set(answers.map(({ headers }) => headers.etag)).size, 10, 'each made a state of its own')
  const ends = await Promise.all(Array.from({ length: 5 }, async () => await ann.call('DELETE', `/plans/${id}`)))
  t.same(ends.map(({ status }) => status).sort(), [204, 404, 404, 404, 404])
})

t.test('a change of an older revision of a plan is refused, and overwrites nothing', async (t) => {
  const ann = await runner()
  const { body: { id }, headers: { etag } } = await ann.call('POST', '/plans', PLAN)
  const match = { 'if-match': String(etag) }
  const unchanged = await ann.call('GET', `/plans/${id}`, undefined, { 'if-none-match': String(etag) })
  t.equal(unchanged.status, 304)
  t.notOk('content-type' in unchanged.headers || 'content-length' in unchanged.headers, 'a 304 describes no body')
  const answers = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => await ann.call('PATCH', `/plans/${id}`, { name: `Name ${i}` }, match))
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(answers.filter(({ status, body }) => status === 412 && body.error_code === 'PRECONDITION_FAILED').length, 9)
  t.equal((await ann.call('DELETE', `/plans/${id}`, undefined, match)).status, 412)
  t.equal((await ann.call('DELETE', `/plans/${id}`, undefined, { 'if-match': '*' })).status, 204)
})

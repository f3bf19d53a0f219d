import t from 'tap'
import { example, send } from '../harness/imports.ts'
import { startService, type Answer, type Runner } from '../harness/service.ts'

const { runner, lines } = await startService(t)

const RUN = { sport: 'running', start_time: '2026-03-01T06:30:00Z', distance_m: 10_000, elapsed_s: 3000 }

async function make (ann: Runner, path: string, body: object): Promise<Answer['body']> {
  const answer = await ann.call('POST', path, body)
  if (answer.status !== 201) throw new Error(`${path} ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

const distanceOf = async (ann: Runner, id: string) => (await ann.call('GET', `/gear/${id}`)).body.distance_m

t.test('gear is created, listed, read, changed and deleted by its owner', async (t) => {
  const ann = await runner()
  const made = await ann.call('POST', '/gear', { name: '👟 Blau', starting_distance_m: 120_000, retire_after_m: 800_000 })
  t.equal(made.status, 201)
  t.equal(made.headers.location, `/api/v1/gear/${made.body.id}`)
  const { id, created_at, updated_at, ...rest } = made.body
  t.same(rest, {
    name: '👟 Blau',
    sport: 'running',
    distance_m: 120_000,
    starting_distance_m: 120_000,
    retire_after_m: 800_000,
    is_default: false,
    retired: false,
    notes: null
  })
  const read = await ann.call('GET', `/gear/${id}`)
  t.same(read.body, made.body)
  t.equal(read.headers.etag, made.headers.etag)
  const bike = await make(ann, '/gear', { name: 'Bike', sport: 'cycling' })
  t.same((await ann.call('GET', '/gear')).body.items, [bike, made.body])
  t.same((await ann.call('GET', '/gear?sport=cycling')).body.items, [bike])
  const first = await ann.call('GET', '/gear?limit=1')
  t.same((await ann.call('GET', `/gear?limit=1&cursor=${first.body.next_cursor}`)).body.items, [made.body])
  const changed = await ann.call('PATCH', `/gear/${id}`, { retire_after_m: null, notes: 'Wide', starting_distance_m: 5 })
  t.match(changed.body, { name: '👟 Blau', retire_after_m: null, notes: 'Wide', starting_distance_m: 5, distance_m: 5 })
  t.equal((await ann.call('PATCH', `/gear/${id}`, { retired: true })).body.retired, true)
  t.same((await ann.call('GET', '/gear?retired=false')).body.items, [bike])
  t.equal((await ann.call('DELETE', `/gear/${id}`)).status, 204)
  t.equal((await ann.call('GET', `/gear/${id}`)).status, 404)
})

t.test('the distance of gear is right whatever happens to its activities', async (t) => {
  const ann = await runner()
  const [one, two] = [await make(ann, '/gear', { name: 'One', starting_distance_m: 1000 }), await make(ann, '/gear', { name: 'Two' })]
  const distances = async () => [await distanceOf(ann, one.id), await distanceOf(ann, two.id)]
  const run = await make(ann, '/activities', { ...RUN, gear_id: one.id })
  await make(ann, '/activities', { ...RUN, distance_m: 5000.25, gear_id: one.id })
  const without = await make(ann, '/activities', { ...RUN, distance_m: undefined, gear_id: one.id })
  t.same(await distances(), [16_000.25, 0])
  const patch = async (id: string, change: object) => await ann.call('PATCH', `/activities/${id}`, change)
  t.equal((await patch(run.id, { gear_id: two.id })).body.gear_id, two.id)
  t.same(await distances(), [6000.25, 10_000])
  await patch(run.id, { name: 'Another name' })
  t.same(await distances(), [6000.25, 10_000], 'a change of something else leaves it')
  await patch(without.id, { gear_id: null })
  await ann.call('DELETE', `/activities/${run.id}`)
  t.same(await distances(), [6000.25, 0])
  const { body: { activity } } = await send(ann, example('park-run.gpx'))
  t.equal(activity.gear_id, null)
  await patch(activity.id, { gear_id: two.id })
  t.same(await distances(), [6000.25, activity.distance_m])
  t.same((await ann.call('GET', `/activities?gear_id=${two.id}`)).body.items.map(({ id }: { id: string }) => id), [activity.id])
})

t.test('gear that is deleted leaves its activities, without gear and in another version', async (t) => {
  const ann = await runner()
  const { id } = await make(ann, '/gear', { name: 'Shoes' })
  const { body: run, headers: { etag } } = await ann.call('POST', '/activities', { ...RUN, gear_id: id })
  t.equal(run.gear_id, id)
  t.equal((await ann.call('DELETE', `/gear/${id}`)).status, 204)
  const left = await ann.call('GET', `/activities/${run.id}`, undefined, { 'if-none-match': String(etag) })
  t.equal(left.status, 200, 'what a client has of it is old')
  t.equal(left.body.gear_id, null)
})

t.test('the default gear of a sport is given to new activities of it', async (t) => {
  const ann = await runner()
  const shoes = await make(ann, '/gear', { name: 'Shoes', is_default: true })
  const bike = await make(ann, '/gear', { name: 'Bike', sport: 'cycling', is_default: true })
  const ride = { ...RUN, sport: 'cycling' }
  t.equal((await make(ann, '/activities', RUN)).gear_id, shoes.id)
  t.equal((await make(ann, '/activities', ride)).gear_id, bike.id)
  t.equal((await make(ann, '/activities', { ...RUN, sport: 'swimming', distance_m: 1000 })).gear_id, null)
  t.equal((await make(ann, '/activities', { ...RUN, gear_id: null })).gear_id, null, 'no gear is no gear')
  t.equal((await make(ann, '/activities', { ...RUN, gear_id: bike.id })).gear_id, bike.id)
  t.equal((await send(ann, example('easy-run.fit'))).body.activity.gear_id, shoes.id)
  const racers = await make(ann, '/gear', { name: 'Racers', is_default: true })
  t.equal((await ann.call('GET', `/gear/${shoes.id}`)).body.is_default, false, 'one default of a sport')
  t.equal((await ann.call('GET', `/gear/${bike.id}`)).body.is_default, true, 'that of another sport stays')
  t.equal((await make(ann, '/activities', RUN)).gear_id, racers.id)
  await ann.call('PATCH', `/gear/${racers.id}`, { retired: true })
  t.match((await ann.call('GET', `/gear/${racers.id}`)).body, { retired: true, is_default: false })
  t.equal((await make(ann, '/activities', RUN)).gear_id, null)
  t.equal((await make(ann, '/activities', { ...RUN, gear_id: racers.id })).gear_id, racers.id, 'an older run is entered')
  await ann.call('PATCH', `/gear/${shoes.id}`, { is_default: true })
  t.equal((await make(ann, '/activities', RUN)).gear_id, shoes.id)
  await ann.call('PATCH', `/gear/${shoes.id}`, { sport: 'cycling' })
  t.equal((await ann.call('GET', `/gear/${bike.id}`)).body.is_default, false)
  t.equal((await make(ann, '/activities', ride)).gear_id, shoes.id)
})

t.test('retired gear cannot be the default', async (t) => {
  const ann = await runner()
  const { id } = await make(ann, '/gear', { name: 'Old', retired: true })
  const answers = [
    await ann.call('PATCH', `/gear/${id}`, { is_default: true }),
    await ann.call('PATCH', `/gear/${id}`, { retired: true, is_default: true }),
    await ann.call('POST', '/gear', { name: 'Older', retired: true, is_default: true })
  ]
  for (const { status, body } of answers) {
    t.match([status, body.error_code, body.details], [400, 'VALIDATION_ERROR', { field: 'is_default' }])
  }
  t.equal((await ann.call('PATCH', `/gear/${id}`, { retired: false, is_default: true })).status, 200)
})

t.test('of concurrent defaults one is left, and no request fails', async (t) => {
  const ann = await runner()
  const ids: string[] = []
  for (let i = 0; i < 4; i++) ids.push((await make(ann, '/gear', { name: `Shoes ${i}` })).id)
  const answers = await Promise.all([
    ...ids.map((id) => ann.call('PATCH', `/gear/${id}`, { is_default: true })),
    ...ids.map((_, i) => ann.call('POST', '/gear', { name: `New ${i}`, is_default: true }))
  ])
  t.same(answers.map(({ status }) => status), [200, 200, 200, 200, 201, 201, 201, 201])
  const { body: { items } } = await ann.call('GET', '/gear')
  t.equal(items.length, 8)
  t.equal(items.filter(({ is_default }: { is_default: boolean }) => is_default).length, 1)
})

t.test('activities that are entered or changed while their gear is deleted keep no trace of it', async (t) => {
  const ann = await runner()
  for (let round = 0; round < 5; round++) {
    const { id } = await make(ann, '/gear', { name: 'Shoes', is_default: true })
    const run = await make(ann, '/activities', RUN)
    const [gone, ...others] = await Promise.all([
      ann.call('DELETE', `/gear/${id}`),
      ann.call('POST', '/activities', RUN),
      ann.call('PATCH', `/activities/${run.id}`, { name: 'Changed' }),
      ann.call('POST', '/activities', { ...RUN, gear_id: id })
    ])
    t.equal(gone.status, 204)
    t.ok(others.every(({ status }) => [200, 201, 404].includes(status)), others.map(({ status }) => status).join())
  }
  const { body: { items } } = await ann.call('GET', '/activities')
  t.ok(items.every(({ gear_id }: { gear_id: string | null }) => gear_id === null))
})

t.test('the version of gear changes with its distance, and a change of an older version is refused', async (t) => {
  const ann = await runner()
  const { body: { id }, headers: { etag } } = await ann.call('POST', '/gear', { name: 'Shoes' })
  const match = { 'if-match': String(etag) }
  t.equal((await ann.call('GET', `/gear/${id}`, undefined, { 'if-none-match': String(etag) })).status, 304)
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, i) => ann.call('PATCH', `/gear/${id}`, { name: `Name ${i}` }, match))
  )
  t.same(answers.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412])
  const { headers: { etag: before } } = await ann.call('GET', `/gear/${id}`)
  await make(ann, '/activities', { ...RUN, gear_id: id })
  const after = await ann.call('GET', `/gear/${id}`, undefined, { 'if-none-match': String(before) })
  t.match([after.status, after.body.distance_m], [200, 10_000])
  t.equal((await ann.call('DELETE', `/gear/${id}`, undefined, { 'if-match': String(before) })).status, 412)
  t.equal((await ann.call('DELETE', `/gear/${id}`, undefined, { 'if-match': String(after.headers.etag) })).status, 204)
})

t.test('gear is its owner’s alone, also as the gear of an activity', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const { id } = await make(ann, '/gear', { name: 'Shoes', is_default: true })
  for (const [method, payload] of [['GET'], ['PATCH', { name: 'Mine now' }], ['DELETE']] as const) {
    t.equal((await bob.call(method, `/gear/${id}`, payload)).status, 404, method)
    t.equal((await ann.call(method, `/gear/${id}`, payload, { authorization: '' })).status, 401, method)
  }
  const refused = await bob.call('POST', '/activities', { ...RUN, gear_id: id })
  t.match([refused.status, refused.body.error_code, refused.body.message], [404, 'NOT_FOUND', 'No such gear'])
  const run = await make(bob, '/activities', RUN)
  t.equal(run.gear_id, null)
  t.equal((await bob.call('PATCH', `/activities/${run.id}`, { gear_id: id })).status, 404)
  t.same((await bob.call('GET', `/activities?gear_id=${id}`)).body.items, [])
  t.equal((await bob.call('GET', '/activities')).body.items.length, 1)
  t.equal(await distanceOf(ann, id), 0)
})

t.test('bad gear is refused, and the field is named', async (t) => {
  const ann = await runner()
  const cases: Array<[string, unknown]> = [
    ['name', undefined], ['name', null], ['name', ''], ['name', 'x'.repeat(201)], ['name', 5], ['sport', 'quidditch'],
    ['starting_distance_m', -1], ['starting_distance_m', 1e9], ['starting_distance_m', null], ['retire_after_m', 0],
    ['retire_after_m', 1e9], ['retire_after_m', '800'], ['is_default', 'yes'], ['retired', 1], ['distance_m', 5], ['id', 'x']
  ]
  for (const [field, value] of cases) {
    const { status, body } = await ann.call('POST', '/gear', { name: 'Shoes', [field]: value })
    t.match([status, body.details?.field], [422, field], `${field} ${String(value).slice(0, 20)}`)
  }
  t.equal((await ann.call('POST', '/gear', '{"name":"Shoes","retire_after_m":NaN}', { 'content-type': 'application/json' })).status, 400)
  const { id } = await make(ann, '/gear', { name: 'Shoes' })
  for (const field of ['name', 'sport', 'starting_distance_m', 'is_default', 'retired']) {
    t.equal((await ann.call('PATCH', `/gear/${id}`, { [field]: null })).status, 422, field)
  }
  for (const query of ['retired=1', 'sport=no', 'cursor=nonsense', 'limit=0', 'what=1']) {
    t.equal((await ann.call('GET', `/gear?${query}`)).status, 422, query)
  }
})

t.test('there was no server error', async (t) => {
  t.same(lines.filter(({ level }) => level === 'ERROR' || level === 'CRITICAL'), [])
})

import t from 'tap'
import { RECOMPUTE_FIGURES } from '../../src/workflows/recompute-due.ts'
import { example, send } from '../harness/imports.ts'
import { startService, type Answer, type Runner } from '../harness/service.ts'

const { app, runner, database } = await startService(t)

const RUN = { sport: 'running', start_time: '2026-03-01T06:30:00Z', distance_m: 10_000, elapsed_s: 3000 }
const BODY = {
  valid_from: '2026-01-01',
  sex: 'male',
  max_heart_rate_bpm: 190,
  resting_heart_rate_bpm: 50,
  threshold_heart_rate_bpm: 170
}

async function enter (ann: Runner, body: object): Promise<Answer['body']> {
  const { status, body: activity } = await ann.call('POST', '/activities', body)
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(activity)}`)
  return activity
}

t.test('an activity entered by hand has the whole shape, and is read, changed and deleted', async (t) => {
  const ann = await runner()
  await ann.call('PATCH', '/me', { timezone: 'America/Los_Angeles' })
  const made = await ann.call('POST', '/activities', { ...RUN, name: '🏃‍♀️ Ünïcode', moving_s: 2900, is_race: true })
  t.equal(made.status, 201)
  t.equal(made.headers.location, `/api/v1/activities/${made.body.id}`)
  const { id, created_at, updated_at, ...rest } = made.body
  t.same(rest, {
    sport: 'running',
    sub_sport: null,
    name: '🏃‍♀️ Ünïcode',
    start_time: '2026-03-01T06:30:00.000Z',
    timezone: 'America/Los_Angeles',
    local_date: '2026-02-28',
    distance_m: 10_000,
    elapsed_s: 3000,
    moving_s: 2900,
    elevation_gain_m: null,
    elevation_loss_m: null,
    average_heart_rate_bpm: null,
    max_heart_rate_bpm: null,
    average_cadence_spm: null,
    average_pace_s_per_km: 290,
    grade_adjusted_pace_s_per_km: null,
    elevation: null,
    crop: null,
    load: null,
    load_model: null,
    perceived_effort: null,
    is_race: true,
    gear_id: null,
    notes: null,
    workout_id: null,
    match: null,
    source: { format: 'manual', device: null, file_name: null, size_bytes: null, sha256: null },
    device: null,
    laps_count: 0
  })
  const read = await ann.call('GET', `/activities/${id}`)
  t.same(read.body, made.body)
  t.equal(read.headers.etag, made.headers.etag)
  const again = await ann.call('GET', `/activities/${id}`, undefined, { 'if-none-match': String(read.headers.etag) })
  t.equal(again.status, 304)
  t.equal((await ann.call('GET', `/activities/${id}/file`)).status, 404, 'it has no file')
  const change = { name: null, notes: 'Hot', sub_sport: 'trail', is_race: false, start_time: '2026-03-01T09:00:00+01:00' }
  const changed = await ann.call('PATCH', `/activities/${id}`, change)
  t.match(changed.body, { ...change, start_time: '2026-03-01T08:00:00.000Z', local_date: '2026-03-01', distance_m: 10_000 })
  t.not(changed.headers.etag, made.headers.etag)
  t.equal((await ann.call('DELETE', `/activities/${id}`)).status, 204)
  t.equal((await ann.call('GET', `/activities/${id}`)).status, 404)
})

t.test('the load of an activity entered by hand is computed by the first model its figures allow', async (t) => {
  const ann = await runner()
  const hour = { sport: 'running', start_time: '2026-03-01T06:30:00Z', elapsed_s: 3600 }
  t.match(await enter(ann, hour), { load: null, load_model: null })
  t.match(await enter(ann, { ...hour, perceived_effort: 7 }), { load: 100, load_model: 'session_rpe' })
  t.match(await enter(ann, { ...hour, perceived_effort: 0 }), { load: 0, load_model: 'session_rpe' })
  await ann.call('POST', '/me/physiology', BODY)
  t.match(
    await enter(ann, { ...hour, perceived_effort: 7, average_heart_rate_bpm: 170 }),
    { load: 100, load_model: 'hrtss' }
  )
  await ann.call('POST', '/me/physiology', { valid_from: '2026-01-02', threshold_pace_s_per_km: 270 })
  const half = { ...hour, elapsed_s: 1800, distance_m: 6000, average_heart_rate_bpm: 170 }
  t.match(await enter(ann, half), { load: 40.5, load_model: 'rtss' })
  t.match(await enter(ann, { ...half, sport: 'cycling' }), { load: 50, load_model: 'hrtss' }, 'a pace is of running')
  t.match(await enter(ann, { ...half, start_time: '2026-01-01T12:00:00Z' }), { load: 50, load_model: 'hrtss' })
  t.match(await enter(ann, { ...half, start_time: '2025-12-31T12:00:00Z' }), { load: null, load_model: null })
})

t.test('the load follows a change of the perceived effort, the sport and the day', async (t) => {
  const ann = await runner()
  const { id } = await enter(ann, { ...RUN, elapsed_s: 3600 })
  const patch = async (change: object, of = id) => (await ann.call('PATCH', `/activities/${of}`, change)).body
  t.match(await patch({ perceived_effort: 3.5 }), { load: 50, load_model: 'session_rpe' })
  t.match(await patch({ perceived_effort: null }), { load: null, load_model: null })
  await ann.call('POST', '/me/physiology', { ...BODY, valid_from: '2026-03-02', threshold_pace_s_per_km: 360 })
  t.match(await patch({ name: 'Unchanged' }), { load: null, load_model: null })
  t.match(await patch({ start_time: '2026-03-02T06:30:00Z' }), { load: 100, load_model: 'rtss' })
  const { body: { activity } } = await send(ann, example('easy-run.fit'))
  t.equal(activity.load, null, 'no settings were valid then')
  await ann.call('POST', '/me/physiology', { ...BODY, valid_from: '2020-01-01', threshold_pace_s_per_km: 270 })
  const ridden = await patch({ sport: 'cycling' }, activity.id)
  t.match(ridden, { load_model: 'hrtss' }, 'by the recorded heart rates')
  t.match(await patch({ sport: 'running' }, activity.id), { load_model: 'rtss' })
  const { body: { activity: same } } = await send(ann, example('easy-run.fit'), { query: '?allow_duplicate=true' })
  t.equal(same.id, activity.id)
  await ann.call('DELETE', `/activities/${activity.id}`)
  const { body: { activity: anew } } = await send(ann, example('easy-run.fit'))
  t.match(await patch({ sport: 'running', perceived_effort: 5 }, anew.id), { load: anew.load, load_model: 'rtss' })
  t.match(await patch({ sport: 'cycling' }, anew.id), { load: ridden.load }, 'what is stored of it gives the same load')
})

t.test('what is computed of a recording follows a change of the sport', async (t) => {
  const ann = await runner()
  const { body: { activity: { id } } } = await send(ann, example('easy-run.fit'))
  const efforts = async () => (await ann.call('GET', `/activities/${id}/best-efforts`)).body.items.length
  const before = await efforts()
  t.ok(before > 0)
  for (const [sport, count] of [['cycling', 0], ['running', before]] as const) {
    await ann.call('PATCH', `/activities/${id}`, { sport })
    await app.jobs.run(RECOMPUTE_FIGURES)
    t.equal(await efforts(), count, sport)
  }
})

t.test('a start that was recorded cannot be changed, and neither can any figure', async (t) => {
  const ann = await runner()
  const { body: { activity: { id } } } = await send(ann, example('park-run.gpx'))
  const { status, body } = await ann.call('PATCH', `/activities/${id}`, { start_time: '2026-03-01T06:30:00Z' })
  t.match([status, body.error_code, body.details], [400, 'VALIDATION_ERROR', { field: 'start_time' }])
  for (const field of ['distance_m', 'elapsed_s', 'moving_s', 'load', 'id', 'source', 'created_at', 'laps_count']) {
    const { status, body } = await ann.call('PATCH', `/activities/${id}`, { [field]: 1 })
    t.match([status, body.details?.field], [422, field])
  }
})

t.test('bad figures are refused, and the field is named', async (t) => {
  const ann = await runner()
  const schema: Array<[string, unknown]> = [
    ['distance_m', 1e9], ['distance_m', -1], ['distance_m', '10'], ['elapsed_s', 0], ['elapsed_s', -5], ['elapsed_s', 1e9],
    ['elapsed_s', null], ['moving_s', 0], ['average_heart_rate_bpm', 1000], ['perceived_effort', 10.5],
    ['perceived_effort', -1], ['perceived_effort', true], ['name', ''], ['name', 'x'.repeat(201)], ['sport', 'quidditch'],
    ['sub_sport', 'moon'], ['start_time', '2026-02-30T00:00:00Z'], ['start_time', '2026-03-01'], ['is_race', 'yes'],
    ['gear_id', 'mine'], ['notes', 'x'.repeat(10_001)], ['what', 1]
  ]
  for (const [field, value] of schema) {
    const { status, body } = await ann.call('POST', '/activities', { ...RUN, [field]: value })
    t.match([status, body.details?.field], [422, field], `${field} ${String(value).slice(0, 20)}`)
  }
  for (const text of ['NaN', 'Infinity', '1e999']) {
    const { status } = await ann.call('POST', '/activities', `{"sport":"running","start_time":"2026-03-01T06:30:00Z","elapsed_s":${text}}`, {
      'content-type': 'application/json'
    })
    t.ok(status === 400 || status === 422, `${text} ${status}`)
  }
  const rules: Array<[string, object]> = [
    ['moving_s', { ...RUN, moving_s: 3001 }],
    ['distance_m', { ...RUN, distance_m: 42_195 }],
    ['distance_m', { ...RUN, distance_m: 5000, elapsed_s: 750 }],
    ['distance_m', { ...RUN, sport: 'swimming', distance_m: 20_000 }]
  ]
  for (const [field, body] of rules) {
    const answer = await ann.call('POST', '/activities', body)
    t.match([answer.status, answer.body.error_code, answer.body.details?.field], [400, 'VALIDATION_ERROR', field])
  }
  const { id } = await enter(ann, RUN)
  for (const field of ['sport', 'is_race', 'start_time']) {
    const { status, body } = await ann.call('PATCH', `/activities/${id}`, { [field]: null })
    t.match([status, body.details?.field], [422, field], 'what an activity always has cannot be cleared')
  }
  t.equal((await ann.call('PATCH', `/activities/${id}`, {})).status, 422)
  t.equal((await ann.call('GET', '/activities')).body.items.length, 1, 'nothing else was stored')
})

t.test('an activity is its owner’s alone', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const { id } = await enter(ann, RUN)
  for (const [method, payload] of [['GET'], ['PATCH', { name: 'Mine now' }], ['DELETE']] as const) {
    t.equal((await bob.call(method, `/activities/${id}`, payload)).status, 404, method)
    t.equal((await ann.call(method, `/activities/${id}`, payload, { authorization: '' })).status, 401, method)
  }
  t.equal((await ann.call('GET', `/activities/${id}`)).body.name, null)
})

t.test('the same entry sent twice with one key is one activity', async (t) => {
  const ann = await runner()
  const key = { 'idempotency-key': 'one run' }
  const answers = [await ann.call('POST', '/activities', RUN, key), await ann.call('POST', '/activities', RUN, key)]
  t.same(answers.map(({ status }) => status), [201, 201])
  t.same(answers[1]?.body, answers[0]?.body)
  t.equal(answers[1]?.headers['idempotent-replayed'], 'true')
  t.equal((await ann.call('GET', '/activities')).body.items.length, 1)
})

t.test('of concurrent changes of one version one is applied, and without If-Match all are', async (t) => {
  const ann = await runner()
  const { body: { id }, headers: { etag } } = await ann.call('POST', '/activities', RUN)
  const match = { 'if-match': String(etag) }
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) => ann.call('PATCH', `/activities/${id}`, { name: `Name ${i}` }, match))
  )
  t.same(answers.map(({ status }) => status).sort(), [200, ...Array<number>(7).fill(412)])
  t.equal((await ann.call('DELETE', `/activities/${id}`, undefined, match)).status, 412)
  const changes = [{ name: 'Last' }, { notes: 'Last' }, { perceived_effort: 7 }, { is_race: true }, { sport: 'walking' }]
  const all = await Promise.all(changes.map((change) => ann.call('PATCH', `/activities/${id}`, change)))
  t.same(all.map(({ status }) => status), [200, 200, 200, 200, 200])
  t.match((await ann.call('GET', `/activities/${id}`)).body, { ...Object.assign({}, ...changes), load: 83.33 })
  const ends = await Promise.all(Array.from({ length: 4 }, () => ann.call('DELETE', `/activities/${id}`)))
  t.same(ends.map(({ status }) => status).sort(), [204, 404, 404, 404])
})

t.test('an original goes with the last activity made of it, and can be imported again', async (t) => {
  const ann = await runner()
  const { body: { activity: { id } } } = await send(ann, example('easy-run.fit'))
  const originals = async () =>
    (await database.sql<{ count: number }>`select count(*)::int as count from recording_chunks where user_id = ${ann.id}`)[0]?.count
  t.ok(await originals() as number > 0)
  t.equal((await send(ann, example('easy-run.fit'))).status, 200)
  t.equal((await ann.call('DELETE', `/activities/${id}`)).status, 204)
  t.equal(await originals(), 0)
  const again = await send(ann, example('easy-run.fit'))
  t.equal(again.status, 201)
  t.not(again.body.activity.id, id)
})

/** Two tracks in one file: two activities of one original. */
function twoTracks (): Buffer {
  const lap = (hour: number) => `<Activity Sport="Running"><Id>2026-03-01T${hour}:00:00Z</Id><Lap StartTime="2026-03-01T${hour}:00:00Z">
    <TotalTimeSeconds>600</TotalTimeSeconds><DistanceMeters>2000</DistanceMeters><Track>${Array.from({ length: 11 }, (_, i) =>
    `<Trackpoint><Time>2026-03-01T${hour}:${String(i).padStart(2, '0')}:00Z</Time><DistanceMeters>${i * 200}</DistanceMeters></Trackpoint>`
  ).join('')}</Track></Lap></Activity>`
  return Buffer.from(
    '<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"><Activities>' +
    `${lap(10)}${lap(14)}</Activities></TrainingCenterDatabase>`
  )
}

t.test('an original stays while another activity is made of it, also when both are deleted at once', async (t) => {
  const ann = await runner()
  const { status, body: { activities } } = await send(ann, twoTracks())
  t.equal(status, 201)
  const [one, two] = activities.map(({ id }: { id: string }) => id)
  t.equal((await ann.call('DELETE', `/activities/${one}`)).status, 204)
  t.equal((await ann.call('GET', `/activities/${two}/file`)).status, 200)
  t.equal((await ann.call('DELETE', `/activities/${two}`)).status, 204)
  const { body: { activities: both } } = await send(ann, twoTracks())
  t.same(
    (await Promise.all(both.map(({ id }: { id: string }) => ann.call('DELETE', `/activities/${id}`))))
      .map(({ status }) => status),
    [204, 204]
  )
  t.equal((await send(ann, twoTracks())).status, 201)
})

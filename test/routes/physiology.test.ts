import t from 'tap'
import { startService } from '../harness/service.ts'

const SETTINGS = {
  valid_from: '2025-01-01',
  sex: 'male',
  max_heart_rate_bpm: 190,
  resting_heart_rate_bpm: 50,
  threshold_heart_rate_bpm: 170,
  threshold_pace_s_per_km: 270.5
}
const { runner } = await startService(t)

t.test('settings are created, listed with the latest day first, and deleted', async (t) => {
  const ann = await runner()
  const made = await ann.call('POST', '/me/physiology', SETTINGS)
  t.equal(made.status, 201)
  t.match(made.body, SETTINGS)
  const older = await ann.call('POST', '/me/physiology', { valid_from: '2023-07-01', sex: 'male' })
  t.same(older.body, {
    ...older.body,
    valid_from: '2023-07-01',
    sex: 'male',
    max_heart_rate_bpm: null,
    resting_heart_rate_bpm: null,
    threshold_heart_rate_bpm: null,
    threshold_pace_s_per_km: null
  })
  t.same((await ann.call('GET', '/me/physiology')).body, { items: [made.body, older.body], next_cursor: null })
  t.equal((await ann.call('DELETE', `/me/physiology/${older.body.id}`)).status, 204)
  t.equal((await ann.call('DELETE', `/me/physiology/${older.body.id}`)).status, 404)
  t.same((await ann.call('GET', '/me/physiology')).body.items, [made.body])
})

t.test('a day has one entry of settings, also when twenty are created concurrently', async (t) => {
  const ann = await runner()
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => await ann.call('POST', '/me/physiology', SETTINGS))
  )
  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  t.equal(answers.filter(({ status, body }) => status === 409 && body.error_code === 'CONFLICT').length, 19)
})

t.test('contradictory values are refused, naming the field', async (t) => {
  const ann = await runner()
  const cases: Array<[object, string]> = [
    [{ resting_heart_rate_bpm: 100, threshold_heart_rate_bpm: 100 }, 'threshold_heart_rate_bpm'],
    [{ threshold_heart_rate_bpm: 191 }, 'threshold_heart_rate_bpm'],
    [
      { resting_heart_rate_bpm: 110, threshold_heart_rate_bpm: undefined, max_heart_rate_bpm: 105 },
      'resting_heart_rate_bpm'
    ]
  ]
  for (const [change, field] of cases) {
    const { status, body } = await ann.call('POST', '/me/physiology', { ...SETTINGS, ...change })
    t.equal(status, 400, JSON.stringify(change))
    t.match(body, { error_code: 'VALIDATION_ERROR', details: { field } })
  }
})

t.test('impossible values and empty settings do not fit the schema', async (t) => {
  const ann = await runner()
  const cases: Array<[object, string]> = [
    [{ ...SETTINGS, max_heart_rate_bpm: 300 }, 'max_heart_rate_bpm'],
    [{ ...SETTINGS, resting_heart_rate_bpm: 10 }, 'resting_heart_rate_bpm'],
    [{ ...SETTINGS, resting_heart_rate_bpm: 50.5 }, 'resting_heart_rate_bpm'],
    [{ ...SETTINGS, threshold_heart_rate_bpm: null }, 'threshold_heart_rate_bpm'],
    [{ ...SETTINGS, threshold_pace_s_per_km: 60 }, 'threshold_pace_s_per_km'],
    [{ ...SETTINGS, sex: 'unknown' }, 'sex'],
    [{ ...SETTINGS, valid_from: '2025-02-29' }, 'valid_from'],
    [{ ...SETTINGS, weight_kg: 70 }, 'weight_kg'],
    [{ sex: 'male' }, 'valid_from'],
    [{ valid_from: '2025-01-01' }, '']
  ]
  for (const [body, field] of cases) {
    const answer = await ann.call('POST', '/me/physiology', body)
    t.equal(answer.status, 422, JSON.stringify(body))
    t.ok(answer.body.details.errors.some((problem: { field: string }) => problem.field === field), field)
  }
  t.same((await ann.call('GET', '/me/physiology')).body.items, [])
})

t.test('pages follow each other without a gap or a repetition', async (t) => {
  const ann = await runner()
  for (const month of ['03', '01', '05', '02', '04']) { await ann.call('POST', '/me/physiology', { valid_from: `2025-${month}-01`, sex: 'female' }) }
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page = await ann.call('GET', `/me/physiology?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
    seen.push(...page.body.items.map(({ valid_from }: { valid_from: string }) => valid_from))
    cursor = page.body.next_cursor
  }
  t.same(seen, ['2025-05-01', '2025-04-01', '2025-03-01', '2025-02-01', '2025-01-01'])
  t.equal((await ann.call('GET', '/me/physiology?cursor=nonsense')).status, 422)
})

t.test('settings are visible to their owner alone', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const { body: { id } } = await ann.call('POST', '/me/physiology', SETTINGS)
  t.equal((await bob.call('DELETE', `/me/physiology/${id}`)).status, 404)
  t.equal((await ann.call('DELETE', `/me/physiology/${id}`, undefined, { authorization: '' })).status, 401)
  t.equal((await ann.call('DELETE', '/me/physiology/nonsense')).status, 422)
  t.same((await bob.call('GET', '/me/physiology')).body.items, [])
})

t.test('DELETE honours If-Match', async (t) => {
  const ann = await runner()
  const { body: { id }, headers: { etag } } = await ann.call('POST', '/me/physiology', SETTINGS)
  t.equal((await ann.call('DELETE', `/me/physiology/${id}`, undefined, { 'if-match': '"another"' })).status, 412)
  t.equal((await ann.call('DELETE', `/me/physiology/${id}`, undefined, { 'if-match': String(etag) })).status, 204)
})

t.test('the load of a recording is computed with the settings of its day', async (t) => {
  const ann = await runner()
  const points = Array.from({ length: 1801 }, (_, second) => {
    // 1000 m in 300 s, due north.
    const latitude = 50 + second * (1000 / 300) / 111_195.0802
    return `<trkpt lat="${latitude.toFixed(8)}" lon="8"><time>${new Date(Date.UTC(2025, 2, 1, 6, 0, second)).toISOString()}</time></trkpt>`
  })
  const file = (name: string) =>
    Buffer.from(
      `<?xml version="1.0"?><gpx version="1.1" creator="${name}" xmlns="http://www.topografix.com/GPX/1/1"><trk><type>running</type><trkseg>${points.join('')}</trkseg></trk></gpx>`
    )
  const imported = async (name: string) => {
    const { status, body } = await ann.call('POST', '/activities/import?allow_duplicate=true', file(name), {
      'content-type': 'application/gpx+xml'
    })
    t.equal(status, 201)
    return body.activity
  }
  t.match(await imported('before any settings'), { load: null, load_model: null })
  await ann.call('POST', '/me/physiology', { valid_from: '2025-03-01', threshold_pace_s_per_km: 270 })
  await ann.call('POST', '/me/physiology', { valid_from: '2025-03-02', threshold_pace_s_per_km: 200 })
  const { load, load_model } = await imported('by the threshold of its day')
  t.equal(load_model, 'rtss')
  t.ok(Math.abs(load - 40.5) < 0.2, `${load}, where 40.5 is the reference`)
})

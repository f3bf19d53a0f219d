import t from 'tap'
import { example, send } from '../harness/imports.ts'
import { fitOf, moment } from '../harness/fixtures/recordings.ts'
import { startService } from '../harness/service.ts'
import { unzip } from '../harness/zip.ts'

const { runner, lines } = await startService(t)

const WHOLE = example('park-run.gpx')
/** As an upload that broke off leaves it: about seven tenths of the run. */
const TRUNCATED = WHOLE.subarray(0, Math.round(WHOLE.length * 0.7))
const REPLACE = { query: '?replace=true' }

t.test('a truncated copy is named where the whole run is refused, with the share of the run it has', async (t) => {
  const ann = await runner()
  const { status, body: { activity } } = await send(ann, TRUNCATED)
  t.equal(status, 201)
  const refused = await send(ann, WHOLE)
  t.match([refused.status, refused.body.error_code], [409, 'DUPLICATE_ACTIVITY'])
  t.match(refused.body.message, /replace=true/)
  const { activity_id, share } = refused.body.details
  t.equal(activity_id, activity.id)
  t.ok(share > 0.6 && share < 0.8, `${share}`)
})

t.test('a better recording takes the place of the one before: the id and the edits stay, the figures follow', async (t) => {
  const ann = await runner()
  const { body: { activity } } = await send(ann, TRUNCATED)
  const gear = (await ann.call('POST', '/gear', { name: 'Shoes' })).body
  const edits = { name: 'My run', notes: 'Rain', perceived_effort: 6, is_race: true, sub_sport: 'trail', gear_id: gear.id }
  const { body: edited, headers: { etag } } = await ann.call('PATCH', `/activities/${activity.id}`, edits)
  const replaced = await send(ann, WHOLE, REPLACE)
  t.equal(replaced.status, 200)
  t.equal(replaced.body.duplicate, undefined)
  const now = replaced.body.activity
  t.match(now, { id: activity.id, ...edits, created_at: activity.created_at, source: { size_bytes: WHOLE.length } })
  t.ok(now.distance_m > 1.2 * edited.distance_m && now.elapsed_s > 1.2 * edited.elapsed_s)
  const bob = await runner()
  const { body: { activity: alone } } = await send(bob, WHOLE)
  for (const figure of ['distance_m', 'elapsed_s', 'moving_s', 'elevation_gain_m', 'average_heart_rate_bpm', 'start_time', 'laps_count']) {
    t.equal(now[figure], alone[figure], figure)
  }
  const read = await ann.call('GET', `/activities/${activity.id}`, undefined, { 'if-none-match': String(etag) })
  t.equal(read.status, 200)
  t.same(read.body, now)
  t.ok((await ann.call('GET', `/activities/${activity.id}/file`)).raw.equals(WHOLE))
  t.equal((await ann.call('GET', `/gear/${gear.id}`)).body.distance_m, now.distance_m)
  for (const part of ['laps', 'splits', 'best-efforts', 'streams?points=10']) {
    const [mine, his] = [
      await ann.call('GET', `/activities/${activity.id}/${part}`), await bob.call('GET', `/activities/${alone.id}/${part}`)
    ]
    t.same(mine.body, his.body, part)
  }
  t.equal((await ann.call('GET', '/activities')).body.items.length, 1)
})

t.test('the original before stays in the export until the activity is deleted, and is still known', async (t) => {
  const ann = await runner()
  const { body: { activity } } = await send(ann, TRUNCATED)
  await send(ann, WHOLE, REPLACE)
  const originals = [...unzip((await ann.call('GET', '/me/export')).raw)].filter(([name]) => name.startsWith('originals/'))
  t.same(originals.map(([, bytes]) => bytes.length).sort((a, b) => a - b), [TRUNCATED.length, WHOLE.length])
  for (const bytes of [TRUNCATED, WHOLE]) {
    for (const query of ['', '?replace=true', '?allow_duplicate=true']) {
      const again = await send(ann, bytes, { query })
      t.match([again.status, again.body.duplicate, again.body.activity.id], [200, true, activity.id], query)
    }
  }
  t.equal((await ann.call('DELETE', `/activities/${activity.id}`)).status, 204)
  t.equal((await send(ann, TRUNCATED)).status, 201, 'deleted with its activity')
  t.equal((await send(ann, WHOLE, REPLACE)).status, 200)
})

t.test('a worse recording does not take the place of the better one', async (t) => {
  const whole = WHOLE.toString()
  const withoutHeartRate = Buffer.from(whole.replaceAll(/<tpx:hr>\d+<\/tpx:hr>/g, ''))
  t.not(withoutHeartRate.length, WHOLE.length)
  const shares = [0.3, 0.5, 0.7].map((share) => WHOLE.subarray(0, Math.round(WHOLE.length * share)))
  for (const worse of [...shares, withoutHeartRate]) {
    const ann = await runner()
    const { body: { activity } } = await send(ann, WHOLE)
    const refused = await send(ann, worse, REPLACE)
    t.match([refused.status, refused.body.error_code], [409, 'DUPLICATE_ACTIVITY'])
    t.equal(refused.body.details?.activity_id, activity.id)
    t.match(refused.body.message, /better/)
    t.same((await ann.call('GET', `/activities/${activity.id}`)).body, activity)
  }
  // Of two that are as good, the one that is asked for is taken.
  const ann = await runner()
  const { body: { activity: { id } } } = await send(ann, WHOLE)
  const renamed = await send(ann, Buffer.from(whole.replace('<name>', '<name>Again ')), REPLACE)
  t.match([renamed.status, renamed.body.activity.id, renamed.body.duplicate], [200, id, undefined])
})

t.test('a recording takes the place of a run that was entered by hand', async (t) => {
  const ann = await runner()
  const { body: { activity: { start_time, elapsed_s, id: recorded } } } = await send(ann, WHOLE)
  await ann.call('DELETE', `/activities/${recorded}`)
  const run = { sport: 'running', start_time, elapsed_s, perceived_effort: 7, name: 'Park' }
  const { body: { id } } = await ann.call('POST', '/activities', run)
  t.equal((await send(ann, WHOLE)).body.details?.activity_id, id)
  const { status, body } = await send(ann, WHOLE, REPLACE)
  t.equal(status, 200)
  t.match(body.activity, { id, name: 'Park', perceived_effort: 7, source: { format: 'gpx' } })
  t.ok(body.activity.distance_m > 4000)
})

t.test('where there is nothing to replace, the recording is imported', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  await send(bob, TRUNCATED)
  const { status, body } = await send(ann, WHOLE, REPLACE)
  t.equal(status, 201)
  t.equal((await bob.call('GET', `/activities/${body.activity.id}`)).status, 404)
})

t.test('of concurrent replacements each is answered, and one activity is left', async (t) => {
  const ann = await runner()
  const { body: { activity } } = await send(ann, TRUNCATED)
  const answers = await Promise.all([
    send(ann, WHOLE, REPLACE), send(ann, WHOLE, REPLACE), ann.call('PATCH', `/activities/${activity.id}`, { name: 'Kept' })
  ])
  t.same(answers.map(({ status }) => status), [200, 200, 200])
  const { body: { items } } = await ann.call('GET', '/activities')
  t.match(items, [{ id: activity.id, name: 'Kept', source: { size_bytes: WHOLE.length } }])
  t.equal(items.length, 1)
})

t.test('an activity of several in one file comes back when it was deleted and is imported again', async (t) => {
  const session = (from: number, sport: string): [string, Record<string, unknown>] => ['SESSION', {
    timestamp: moment(from + 99),
    startTime: moment(from),
    totalElapsedTime: 99,
    totalTimerTime: 99,
    totalDistance: 297,
    sport
  }]
  const bytes = Buffer.from(fitOf([
    ['FILE_ID', { type: 'activity' }],
    ...Array.from({ length: 500 }, (_, s): [string, Record<string, unknown>] =>
      ['RECORD', { timestamp: moment(s), distance: s * 3 }]),
    ...['running', 'cycling', 'running', 'cycling', 'running'].map((sport, i) => session(100 * i, sport))
  ]))
  const ann = await runner()
  const { body: { activities } } = await send(ann, bytes)
  t.equal(activities.length, 5)
  for (const query of ['', '?allow_duplicate=true', '?replace=true']) {
    for (const place of [0, 2, 4]) {
      const { body: { items } } = await ann.call('GET', '/activities')
      const starts: string[] = items.map((item: { start_time: string }) => item.start_time).sort()
      const { id, start_time } = items.find((item: { start_time: string }) => item.start_time === starts[place])
      t.equal((await ann.call('DELETE', `/activities/${id}`)).status, 204)
      const again = await send(ann, bytes, { query })
      t.match([again.status, again.body.duplicate, again.body.activity.start_time], [201, undefined, start_time], query)
      t.equal(again.body.activities.length, 5)
      t.equal((await ann.call('GET', '/activities')).body.items.length, 5)
      const same = await send(ann, bytes, { query })
      t.match([same.status, same.body.duplicate, same.body.activities.length], [200, true, 5])
    }
  }
})

t.test('there was no server error', async (t) => {
  t.same(lines.filter(({ level }) => level === 'ERROR' || level === 'CRITICAL'), [])
})

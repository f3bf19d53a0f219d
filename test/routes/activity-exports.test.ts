import t from 'tap'
import { decode, formatOf } from '../../src/domain/files/decode.ts'
import { EXAMPLES, example, send } from '../harness/imports.ts'
import { startService } from '../harness/service.ts'

const { runner, lines } = await startService(t)

const FORMATS = ['fit', 'gpx', 'tcx'] as const
const TYPES = { fit: 'application/vnd.ant.fit', gpx: 'application/gpx+xml', tcx: 'application/vnd.garmin.tcx+xml' }

t.test('every example is exported in every format, and imported again has the same figures', async (t) => {
  for (const name of EXAMPLES) {
    for (const format of FORMATS) {
      const [ann, bob] = [await runner(), await runner()]
      const { body: { activity } } = await send(ann, example(name))
      const exported = await ann.call('GET', `/activities/${activity.id}/export?format=${format}`)
      if (format === 'gpx' && exported.status === 409) {
        t.match(exported.body, { error_code: 'CONFLICT', message: /positions/ }, `${name} has no positions`)
        t.equal(decode(example(name))[0]!.columns.latitudeDeg.some(Number.isFinite), false)
        continue
      }
      t.equal(exported.status, 200, `${name} ${format}`)
      t.equal(formatOf(exported.raw), format)
      t.equal(exported.headers['content-type'], TYPES[format])
      t.equal(Number(exported.headers['content-length']), exported.raw.length)
      const { status, body } = await send(bob, exported.raw)
      t.equal(status, 201)
      t.same(body.warnings, [])
      for (const figure of ['distance_m', 'elapsed_s', 'moving_s', 'average_heart_rate_bpm', 'max_heart_rate_bpm']) {
        const [was, is] = [activity[figure], body.activity[figure]]
        t.ok(was === is || Math.abs(is / was - 1) <= 0.001, `${name} ${format} ${figure}: ${is}, and was ${was}`)
      }
      t.match(body.activity, { start_time: activity.start_time, sport: activity.sport })
    }
  }
})

t.test('an export has the name and the sport that its owner gave it, and another version after a change', async (t) => {
  const ann = await runner()
  const { body: { activity } } = await send(ann, example('park-run.gpx'))
  const path = `/activities/${activity.id}/export?format=gpx`
  const before = await ann.call('GET', path)
  t.equal(before.headers['cache-control'], 'private, no-cache')
  const known = { 'if-none-match': String(before.headers.etag) }
  t.equal((await ann.call('GET', path, undefined, known)).status, 304)
  t.equal((await ann.call('GET', path.replace('gpx', 'tcx'), undefined, known)).status, 200, 'of another format')
  await ann.call('PATCH', `/activities/${activity.id}`, { name: 'Über/Berg "1"', sub_sport: 'trail' })
  const after = await ann.call('GET', path, undefined, known)
  t.equal(after.status, 200)
  t.match(decode(after.raw)[0], { name: 'Über/Berg "1"', sport: 'running', subSport: 'trail' })
  t.equal(
    after.headers['content-disposition'],
    `attachment; filename="${activity.local_date} _ber-Berg _1_.gpx"; ` +
    `filename*=UTF-8''${encodeURIComponent(`${activity.local_date} Über-Berg "1".gpx`)}`
  )
  const head = await ann.call('HEAD', path)
  t.match([head.status, head.raw.length, head.headers.etag], [200, 0, after.headers.etag])
  t.equal(head.headers['content-length'], String(after.raw.length))
})

t.test('an activity that is cropped is exported as it is', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const { body: { activity } } = await send(ann, example('park-run.gpx'))
  const { body: part } = await ann.call('PUT', `/activities/${activity.id}/crop`, { from_s: 120, to_s: 720 })
  for (const format of FORMATS) {
    const { raw } = await ann.call('GET', `/activities/${activity.id}/export?format=${format}`)
    const { body } = await send(bob, raw, { query: '?allow_duplicate=true' })
    t.equal(body.activity.start_time, part.start_time)
    for (const figure of ['distance_m', 'elapsed_s']) {
      t.ok(Math.abs(body.activity[figure] / part[figure] - 1) <= 0.001, `${format} ${figure} ${body.activity[figure]}`)
    }
  }
})

t.test('each activity of a file is exported by itself', async (t) => {
  const ann = await runner()
  const track = (hour: string, latitude: number) => `<trk><type>running</type><trkseg>${Array.from({ length: 60 }, (_, i) =>
    `<trkpt lat="${latitude + i / 10_000}" lon="8"><time>2026-03-01T${hour}:00:${String(i).padStart(2, '0')}Z</time></trkpt>`
  ).join('')}</trkseg></trk>`
  const file = `<gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1">${track('10', 50)}${track('14', 60)}</gpx>`
  const { body: { activities } } = await send(ann, Buffer.from(file))
  t.equal(activities.length, 2)
  for (const { id, start_time } of activities) {
    const { raw } = await ann.call('GET', `/activities/${id}/export?format=tcx`)
    const recordings = decode(raw)
    t.equal(recordings.length, 1)
    t.equal(new Date(recordings[0]!.startTime).toISOString(), start_time)
  }
})

t.test('an activity entered by hand, of somebody else or in no format has no export', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const run = { sport: 'running', start_time: '2026-03-01T06:30:00Z', elapsed_s: 600 }
  const { body: { id } } = await ann.call('POST', '/activities', run)
  const byHand = await ann.call('GET', `/activities/${id}/export?format=fit`)
  t.match([byHand.status, byHand.body.error_code, byHand.body.message], [404, 'NOT_FOUND', /by hand/])
  const { body: { activity } } = await send(ann, example('easy-run.fit'))
  t.equal((await bob.call('GET', `/activities/${activity.id}/export?format=fit`)).status, 404)
  for (const query of ['', '?format=kml', '?format=', '?format=FIT', '?format=fit&points=1']) {
    t.equal((await ann.call('GET', `/activities/${activity.id}/export${query}`)).status, 422, query)
  }
})

t.test('many exports at once are all answered', async (t) => {
  const ann = await runner()
  const { body: { activity } } = await send(ann, example('easy-run.fit'))
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) =>
    ann.call('GET', `/activities/${activity.id}/export?format=${FORMATS[i % 3]}`)))
  t.same(answers.map(({ status }) => status), Array<number>(20).fill(200))
  t.same(lines.filter(({ level }) => level === 'ERROR' || level === 'CRITICAL'), [])
})

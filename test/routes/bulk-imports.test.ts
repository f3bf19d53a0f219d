import { gzipSync } from 'node:zlib'
import t from 'tap'
import { fitRun } from '../harness/fixtures/recordings.ts'
import { ended, importAll, sendAll } from '../harness/bulk-imports.ts'
import { EXAMPLES, example, send } from '../harness/imports.ts'
import { startService } from '../harness/service.ts'
import { writeZip } from '../harness/zip-writer.ts'

t.setTimeout(120_000)
const service = await startService(t, { parts: { scheduled: true } })
const { runner } = service

t.test('each recording of an upload becomes an activity, and each file is reported', async (t) => {
  const ann = await runner()
  const files = EXAMPLES.map((name) => ({ name, bytes: example(name) }))
  const accepted = await sendAll(ann, [...files, { name: 'notes.txt', bytes: Buffer.from('Not a run') }])
  t.equal(accepted.status, 202)
  const { id } = accepted.body.import
  t.equal(accepted.headers.location, `/api/v1/imports/${id}`)
  t.match(accepted.body.import, { status: 'queued', files_total: 5, imported: 0, finished_at: null })
  const { import: found, files: reported } = await ended(ann, id)
  t.match(found, { status: 'done', files_total: 5, imported: 4, duplicates: 0, skipped: 1, failed: 0, finished_at: /Z$/ })
  t.same(reported.map(({ name, status }) => [name, status]), [...EXAMPLES.map((name) => [name, 'imported']), ['notes.txt', 'skipped']])
  t.match(reported.at(-1), { reason: 'The file is not a FIT, GPX or TCX recording.', activity_id: null })
  const activities = (await ann.call('GET', '/activities')).body.items
  const ids = reported.slice(0, 4).map(({ activity_id }) => activity_id)
  t.same(activities.map(({ id }: { id: string }) => id).sort(), ids.sort())
  for (const { name, activity_id } of reported.slice(0, 4)) {
    const original = await ann.call('GET', `/activities/${activity_id}/file`)
    t.ok(original.raw.equals(example(name)), name)
    t.match((await ann.call('GET', `/activities/${activity_id}`)).body, { source: { file_name: name } })
  }
  t.same((await ann.call('GET', '/imports')).body.items, [found])
})

t.test('an archive is read file by file, one bad file does not stop the rest', async (t) => {
  const ann = await runner()
  const zip = writeZip([
    { name: 'activities/1.fit.gz', data: gzipSync(example('easy-run.fit')) },
    { name: 'activities/2.gpx', data: example('park-run.gpx').subarray(0, 500) },
    { name: 'media/photo.jpg', data: Buffer.from('a picture') },
    { name: '../outside.gpx', data: example('park-run.gpx') },
    { name: 'inner.zip', data: writeZip([{ name: 'deep.tcx', data: example('track-session.tcx') }]) }
  ])
  const { import: found, files } = await importAll(ann, [{ name: 'export.zip', bytes: zip }])
  t.match(found, { status: 'done', files_total: 5, imported: 2, skipped: 1, failed: 2 })
  t.same(files.map(({ name, status }) => [name.split('/').at(-1), status]), [
    ['1.fit.gz', 'imported'], ['2.gpx', 'failed'], ['photo.jpg', 'skipped'], ['outside.gpx', 'failed'], ['deep.tcx', 'imported']
  ])
  const again = await importAll(ann, [{ name: 'export.zip', bytes: zip }])
  t.match(again.import, { status: 'done', imported: 0, duplicates: 2 }, 'the same archive again changes nothing')
  t.equal(again.files[0]?.activity_id, files[0]?.activity_id)
  t.equal((await ann.call('GET', '/activities')).body.items.length, 2)
})

t.test('an upload without a recording is done with nothing', async (t) => {
  const ann = await runner()
  const empty = await importAll(ann, [{ name: 'empty.zip', bytes: writeZip([]) }])
  t.match(empty.import, { status: 'done', files_total: 0, imported: 0, failed: 0 })
  const pictures = await importAll(ann, [{ name: 'pictures.zip', bytes: writeZip([{ name: 'a.jpg', data: Buffer.from('a') }]) }])
  t.match(pictures.import, { status: 'done', files_total: 1, skipped: 1 })
  const cut = writeZip([{ name: 'a.fit', data: example('easy-run.fit') }])
  const truncated = await importAll(ann, [{ name: 'cut.zip', bytes: cut.subarray(0, cut.length - 50) }])
  t.match(truncated.import, { status: 'done', files_total: 1, failed: 1 })
  t.match(truncated.files, [{ name: 'cut.zip', status: 'failed', reason: /damaged or cut off/ }])
  t.match((await importAll(ann, [{ name: 'nothing.fit', bytes: Buffer.alloc(0) }])).files, [{ status: 'skipped', reason: 'The file is empty.' }])
})

t.test('an import is taken back as if it had never been', async (t) => {
  const ann = await runner()
  const kept = (await send(ann, example('park-run.gpx'))).body.activity
  const before = await ann.call('GET', '/activities')
  const { import: found } = await importAll(ann, EXAMPLES.map((name) => ({ name, bytes: example(name) })))
  t.match(found, { imported: 3, duplicates: 1 })
  t.equal((await ann.call('DELETE', `/imports/${found.id}`)).status, 204)
  const after = await ann.call('GET', '/activities')
  t.same(after.body.items, before.body.items)
  t.equal(after.body.items[0].id, kept.id)
  t.match((await ended(ann, found.id)).import, { status: 'reverted', imported: 3 })
  t.equal((await ann.call('DELETE', `/imports/${found.id}`)).status, 204)
  t.match((await importAll(ann, [{ name: 'easy-run.fit', bytes: example('easy-run.fit') }])).import, { imported: 1 })
})

t.test('of two recordings of one run in an upload the better one is kept', async (t) => {
  const ann = await runner()
  const good = Buffer.from(fitRun({ count: 600 }))
  const records = Array.from({ length: 600 }, () => ({ heartRate: undefined }))
  const poor = Buffer.from(fitRun({ count: 600, records }))
  const { import: found, files } = await importAll(ann, [{ name: 'phone.fit', bytes: poor }, { name: 'watch.fit', bytes: good }])
  t.match(found, { imported: 1, duplicates: 1 })
  t.match(files, [
    { name: 'phone.fit', status: 'duplicate', reason: 'The same activity was recorded better in watch.fit' },
    { name: 'watch.fit', status: 'imported' }
  ])
  t.equal(files[0]?.activity_id, files[1]?.activity_id)
  t.match((await ann.call('GET', '/activities')).body.items, [{ average_heart_rate_bpm: 150, source: { file_name: 'watch.fit' } }])
  const ben = await runner()
  const kept = await importAll(ben, [{ name: 'watch.fit', bytes: good }, { name: 'phone.fit', bytes: poor }])
  t.match(kept.files, [{ status: 'imported' }, { status: 'duplicate', reason: /with 100 % of this recording/ }])
  const both = await importAll(await runner(), [{ name: 'watch.fit', bytes: good }, { name: 'phone.fit', bytes: poor }], { query: '?allow_duplicate=true' })
  t.match(both.import, { imported: 2, duplicates: 0 })
  t.equal((await ann.call('DELETE', `/imports/${found.id}`)).status, 204)
  t.same((await ann.call('GET', '/activities')).body.items, [])
})

t.test('names, notes, gear and races of an export are kept, and its gear goes with it', async (t) => {
  const ann = await runner()
  const csv = [
    'Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Activity Gear,Filename,Competition',
    '1,"Apr 13, 2024, 7:00:00 AM",Park race,Run,"Fast, and happy",Blue shoes,activities/1.gpx,1'
  ].join('\n')
  const zip = writeZip([
    { name: 'activities.csv', data: Buffer.from(csv) },
    { name: 'activities/1.gpx', data: example('park-run.gpx') }
  ])
  const { import: found, files } = await importAll(ann, [{ name: 'export.zip', bytes: zip }])
  t.match(found, { imported: 1 })
  const activity = (await ann.call('GET', `/activities/${files.find(({ status }) => status === 'imported')?.activity_id}`)).body
  t.match(activity, { name: 'Park race', notes: 'Fast, and happy' })
  const [gear] = (await ann.call('GET', '/gear')).body.items
  t.match(gear, { name: 'Blue shoes', id: activity.gear_id })
  t.equal((await ann.call('DELETE', `/imports/${found.id}`)).status, 204)
  t.same((await ann.call('GET', '/gear')).body.items, [])
})

t.test('an import is its owner\'s alone', async (t) => {
  const ann = await runner()
  const ben = await runner()
  const { import: { id } } = await importAll(ann, [{ name: 'easy-run.fit', bytes: example('easy-run.fit') }])
  for (const [method, path] of [['GET', ''], ['GET', '/files'], ['DELETE', '']] as const) {
    t.equal((await ben.call(method, `/imports/${id}${path}`)).status, 404, `${method} ${path}`)
  }
  t.same((await ben.call('GET', '/imports')).body.items, [])
  t.equal((await ann.call('GET', '/activities')).body.items.length, 1)
})

import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { ZipFile } from 'yazl'
import { madeAs, straight } from '../harness/fixtures/kinds.ts'
import { example, form, send } from '../harness/imports.ts'
import { startService } from '../harness/service.ts'
import { openTestSpool, unlinkedFiles } from '../harness/spool.ts'

const { spool, directory } = await openTestSpool(t)
const { runner } = await startService(t, { parts: { spool } })

async function zipOf (files: Record<string, Buffer>): Promise<Buffer> {
  const zip = new ZipFile()
  for (const [name, bytes] of Object.entries(files)) zip.addReadStream(Readable.from([bytes]), name)
  zip.end()
  return await buffer(zip.outputStream)
}

const FIT = example('easy-run.fit')
const GPX = example('park-run.gpx')

t.test('a recording in an archive is taken as itself', async (t) => {
  for (const [name, archive, plain, fileName] of [
    ['gzip', gzipSync(FIT), FIT, null],
    ['a ZIP', await zipOf({ 'run.fit': FIT }), FIT, 'run.fit'],
    ['a folder in a ZIP', await zipOf({ 'a/b/run.gpx': GPX, '__MACOSX/a/._run.gpx': Buffer.from('x') }), GPX, 'run.gpx'],
    ['gzip in a ZIP', await zipOf({ 'runs/1.gpx.gz': gzipSync(GPX), 'read me.txt': Buffer.from('x') }), GPX, '1.gpx']
  ] as const) {
    const ann = await runner()
    const imported = await send(ann, archive)
    t.equal(imported.status, 201, name)
    const { activity } = imported.body
    t.match(activity.source, { size_bytes: plain.length, file_name: fileName }, name)
    const original = await ann.call('GET', `/activities/${activity.id}/file`)
    t.ok(original.raw.equals(plain), `${name}: the original is the plain file`)
    t.match(await send(ann, plain), { status: 200, body: { duplicate: true } }, `${name}: the plain file is the same`)
    const again = await send(ann, archive, { headers: { 'content-type': 'application/zip' } })
    t.match(again, { status: 200 }, `${name}, once more`)
  }
  const ann = await runner()
  const { payload, headers } = form('evening.gpx.gz', gzipSync(GPX))
  const uploaded = await ann.call('POST', '/activities/import', payload, headers)
  t.match(uploaded, { status: 201, body: { activity: { source: { file_name: 'evening.gpx' } } } })
})

t.test('an archive that is damaged, too large or of several recordings is refused with the reason', async (t) => {
  const ann = await runner()
  const zip = await zipOf({ 'run.fit': FIT })
  const encrypted = Buffer.from(zip)
  for (const signature of ['PK\x03\x04', 'PK\x01\x02']) {
    const at = encrypted.indexOf(signature, 0, 'latin1') + (signature.endsWith('\x04') ? 6 : 8)
    encrypted[at] = encrypted[at]! | 1
  }
  const outside = (await zipOf({ 'xx/yy/run.fit': FIT })).toString('latin1').replaceAll('xx/yy', '../..')
  for (const [name, bytes, status, words] of [
    ['several recordings', await zipOf({ 'a.fit': FIT, 'b.gpx': GPX }), 422, /several/],
    ['no file', await zipOf({ '__MACOSX/._a': Buffer.from('x') }), 422, /no file/],
    ['an empty file', await zipOf({ 'a.fit': Buffer.alloc(0) }), 422, /empty/],
    ['no recording', await zipOf({ 'a.txt': Buffer.from('hello') }), 422, /neither FIT nor GPX nor TCX/],
    ['a ZIP cut off', zip.subarray(0, zip.length - 60), 422, /damaged or cut off/],
    ['a ZIP damaged inside', Buffer.from(zip).fill(0xff, 60, 400), 422, /damaged/],
    ['an encrypted ZIP', encrypted, 422, /encrypted|damaged/],
    ['gzip cut off', gzipSync(FIT).subarray(0, 500), 422, /damaged or cut off/],
    ['a gzip bomb', gzipSync(Buffer.alloc(40 * 1024 * 1024)), 413, /32 MiB/],
    ['a ZIP bomb', await zipOf({ 'a.fit': Buffer.alloc(40 * 1024 * 1024) }), 413, /32 MiB/],
    ['a bomb in a ZIP', await zipOf({ 'a.fit.gz': gzipSync(Buffer.alloc(40 * 1024 * 1024)) }), 413, /32 MiB/],
    ['a path out of the folder', Buffer.from(outside, 'latin1'), 422, /leads out of it/],
    ['an absolute path', await zipOf({ 'x.fit': FIT }).then((zip) => Buffer.from(zip.toString('latin1').replaceAll('x.fit', '/.fit'), 'latin1')), 422, /is absolute/],
    ['an empty archive', await zipOf({}), 422, /contains no file/]
  ] as const) {
    const answer = await send(ann, bytes)
    t.equal(answer.status, status, name)
    t.match(answer.body.message, words, name)
  }
  t.same((await ann.call('GET', '/activities')).body.items, [])
  t.equal(unlinkedFiles(directory), 0, 'no file is left')
})

t.test('warnings have codes beside their texts', async (t) => {
  const ann = await runner()
  const points = straight(600).map((point, i) => ({ ...point, ele: i === 100 ? 4000 : 100 }))
  const { status, body } = await send(ann, Buffer.from(madeAs('gpx', { points, sport: 'Quidditch' })))
  t.equal(status, 201)
  t.same(body.warning_details.map(({ code }: { code: string }) => code), ['SPORT_UNKNOWN', 'HEIGHTS_IMPOSSIBLE'])
  t.same(body.warnings, body.warning_details.map(({ message }: { message: string }) => message))
  t.match(body.activity.elevation, { threshold_m: 2, source: 'unknown' })
})

t.test('the same activity under another sport is a duplicate', async (t) => {
  const laps = [{ from: 0, timer: 600, dist: 1800, points: 301 }]
  const made = { points: straight(600), laps, session: { elapsed: 600, timer: 600, dist: 1800 } }
  for (const [first, second] of [['fit', 'tcx'], ['tcx', 'gpx'], ['gpx', 'fit']] as const) {
    const ann = await runner()
    const { body } = await send(ann, Buffer.from(madeAs(first, { ...made, sport: 'hiking' })))
    const sport = second === 'fit' ? 'running' : 'Other'
    const again = await send(ann, Buffer.from(madeAs(second, { ...made, sport })))
    const details = { activity_id: body.activity.id }
    t.match(again, { status: 409, body: { error_code: 'DUPLICATE_ACTIVITY', details } })
    const shorter = { points: straight(600, { speed: 2 }), laps: [{ ...laps[0]!, dist: 1200 }], sport: 'Biking' }
    t.equal((await send(ann, Buffer.from(madeAs('tcx', shorter)))).status, 201, 'another distance is another activity')
  }
})

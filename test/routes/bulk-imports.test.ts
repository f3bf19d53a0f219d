import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { connect, type AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { identifier } from '../../db/sql.ts'
import { DecodingPool } from '../../src/workers/decoding.ts'
import { ended, formOf, importAll, sendAll } from '../harness/bulk-imports.ts'
import { fitRun } from '../harness/fixtures/recordings.ts'
import { EXAMPLES, example, send, until } from '../harness/imports.ts'
import { PASSWORD, startService } from '../harness/service.ts'
import { openTestSpool } from '../harness/spool.ts'
import { writeZip, type ZipEntry } from '../harness/zip-writer.ts'

t.setTimeout(480_000)
const service = await startService(t, { parts: { scheduled: true } })
const { runner, database: { sql } } = service

/** A minute of running on each of so many days. */
function manyRuns (count: number): ZipEntry[] {
  return Array.from({ length: count }, (_, day) => (
    { name: `activities/${day}.fit`, data: Buffer.from(fitRun({ later: day * 86_400 })) }
  ))
}

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

t.test('what is no import is refused, and leaves nothing', async (t) => {
  const ann = await runner()
  const { payload, headers } = formOf([{ name: 'a.fit', bytes: example('easy-run.fit') }])
  for (const [what, answer, status, code] of [
    ['a raw body', await ann.call('POST', '/imports', example('easy-run.fit'), { 'content-type': 'application/zip' }), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['JSON', await ann.call('POST', '/imports', { files: [] }), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no body', await ann.call('POST', '/imports'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['a form without a file', await sendAll(ann, []), 422, 'UNREADABLE_FILE'],
    ['another field', await sendAll(ann, [{ name: 'a.fit', bytes: Buffer.from('a'), field: 'file' }]), 422, 'REQUEST_VALIDATION_ERROR'],
    ['an unknown parameter', await ann.call('POST', '/imports?replace=true', payload, headers), 422, 'REQUEST_VALIDATION_ERROR'],
    ['a form cut off', await ann.call('POST', '/imports', payload.subarray(0, payload.length - 100), headers), 400, 'BAD_REQUEST'],
    ['10,001 files', await sendAll(ann, Array.from({ length: 10_001 }, () => ({ name: 'a', bytes: Buffer.alloc(0) }))), 422, 'REQUEST_VALIDATION_ERROR']
  ] as const) {
    t.match(answer, { status, body: { error_code: code } }, what)
  }
  t.same((await ann.call('GET', '/imports')).body.items, [])
  t.same(await sql`/* test */ select 1 from imports where user_id = ${ann.id}`, [])
})

t.test('an upload that is larger than the setting is refused with 413, as a whole or in its parts', async (t) => {
  const small = await startService(t, { env: { IMPORT_MAX_MIB: '1' }, parts: { scheduled: true } })
  const ann = await small.runner()
  const half = { name: 'half.bin', bytes: Buffer.alloc(600_000) }
  for (const files of [[{ name: 'a.zip', bytes: Buffer.alloc(1_100_000) }], [half, half]]) {
    t.match(await sendAll(ann, files), { status: 413, body: { error_code: 'PAYLOAD_TOO_LARGE', message: /1 MiB/ } })
  }
  t.match((await importAll(ann, [half])).import, { status: 'done', skipped: 1 })
})

t.test('an upload with an Idempotency-Key is accepted once, and another one with the key is not', async (t) => {
  const ann = await runner()
  const headers = { 'idempotency-key': 'the-whole-history' }
  const files = [{ name: 'easy-run.fit', bytes: example('easy-run.fit') }]
  const first = await sendAll(ann, files, { headers })
  const again = await sendAll(ann, files, { headers })
  t.same([again.status, again.body, again.headers['idempotent-replayed']], [202, first.body, 'true'])
  t.equal(again.headers.location, first.headers.location)
  t.match(await sendAll(ann, [{ ...files[0]!, name: 'other.fit' }], { headers }), { status: 422, body: { error_code: 'IDEMPOTENCY_KEY_REUSED' } })
  await ended(ann, first.body.import.id)
  t.equal((await ann.call('GET', '/imports')).body.items.length, 1)
  t.same(await sql`/* test */ select 1 from imports where user_id = ${ann.id} and status = 'receiving'`, [])
})

t.test('an upload that breaks off at 90 % leaves nothing, and can be sent again with its key', async (t) => {
  const process = await startService(t, { parts: { scheduled: true } })
  await process.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = process.app.server.address() as AddressInfo
  const ann = await process.runner()
  const { payload, headers } = formOf([{ name: 'export.zip', bytes: writeZip([{ name: 'a.fit', data: example('hill-run.fit'), method: 0 }]) }])
  const key = { 'idempotency-key': randomUUID() }
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const closed = once(socket, 'close')
  socket.write(`POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.access_token}\r\nIdempotency-Key: ${key['idempotency-key']}\r\n`)
  socket.write(`Content-Type: ${headers['content-type']}\r\nContent-Length: ${payload.length}\r\n\r\n`)
  socket.write(payload.subarray(0, Math.floor(payload.length * 0.9)), () => socket.destroy())
  await closed
  await until(() => process.lines.some(({ message, extra }) => message === 'request completed' && extra?.aborted === true))
  t.same(await process.database.sql`/* test */ select 1 from imports`, [])
  t.match((await importAll(ann, [{ name: 'export.zip', bytes: writeZip([{ name: 'a.fit', data: example('hill-run.fit'), method: 0 }]) }], { headers: key })).import, { imported: 1 })
})

t.test('a full disk is answered with 503, and an import under way waits for it', async (t) => {
  let full = true
  const { spool } = await openTestSpool(t, {
    open: async (...path) => {
      if (full) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      return await open(...path)
    }
  })
  const { runner, app } = await startService(t, { parts: { spool, scheduled: true } })
  const ann = await runner()
  const files = [{ name: 'easy-run.fit', bytes: example('easy-run.fit') }]
  t.match(await sendAll(ann, files), { status: 503, headers: { 'retry-after': '30' }, body: { error_code: 'SERVICE_UNAVAILABLE' } })
  full = false
  t.match((await importAll(ann, files)).import, { imported: 1 })
  t.equal(app.jobs.problem(), undefined)
})

t.test('an account is deleted while its import runs, and nothing is left of either', async (t) => {
  const ann = await runner()
  const runs = writeZip(manyRuns(40))
  const { body } = await sendAll(ann, [{ name: 'export.zip', bytes: runs }])
  await until(async () => (await ann.call('GET', `/imports/${body.import.id}`)).body.imported > 2)
  t.equal((await ann.call('DELETE', '/me', { password: PASSWORD })).status, 204)
  for (const table of ['imports', 'import_files', 'import_chunks', 'activities', 'recordings']) {
    t.same(await sql`/* test */ select 1 from ${identifier(table)} where user_id = ${ann.id} limit 1`, [], table)
  }
  await until(async () => (await sql`/* test */ select 1 from pgboss_job where data ->> 'user_id' = ${ann.id}`).length === 0)
  t.same(await sql`/* test */ select 1 from activities where user_id = ${ann.id} limit 1`, [])
})

t.test('an import is taken back while it runs', async (t) => {
  const ann = await runner()
  const { body } = await sendAll(ann, [{ name: 'export.zip', bytes: writeZip(manyRuns(40)) }])
  await until(async () => (await ann.call('GET', `/imports/${body.import.id}`)).body.imported > 2)
  t.equal((await ann.call('DELETE', `/imports/${body.import.id}`)).status, 204)
  t.same((await ann.call('GET', '/activities')).body.items, [])
  await until(async () => (await sql`/* test */ select 1 from imports where user_id = ${ann.id} and ended_at is null`).length === 0)
  t.same((await ann.call('GET', '/activities')).body.items, [])
  t.same(await sql`/* test */ select 1 from import_chunks where user_id = ${ann.id}`, [])
  t.match((await ann.call('GET', `/imports/${body.import.id}`)).body, { status: 'reverted' })
})

t.test('imports of one runner are read in their order, and those of ten runners all end', async (t) => {
  const ann = await runner()
  const ids: string[] = []
  for (const runs of [manyRuns(12), manyRuns(3)]) {
    ids.push((await sendAll(ann, [{ name: 'export.zip', bytes: writeZip(runs) }])).body.import.id)
  }
  const others = await Promise.all(Array.from({ length: 9 }, async () => await runner()))
  const all = await Promise.all(others.map(async (ben) => await importAll(ben, [{ name: 'export.zip', bytes: writeZip(manyRuns(2)) }])))
  for (const { import: found } of all) t.match(found, { status: 'done', imported: 2 })
  const [one, two] = [await ended(ann, ids[0]!), await ended(ann, ids[1]!)]
  t.match([one.import, two.import], [{ imported: 12, duplicates: 0 }, { imported: 0, duplicates: 3 }])
  t.ok(one.import.finished_at <= two.import.finished_at)
})

t.test('with If-Match only the given version of an import is taken back', async (t) => {
  const ann = await runner()
  const { import: { id } } = await importAll(ann, [{ name: 'easy-run.fit', bytes: example('easy-run.fit') }])
  const { etag } = (await ann.call('GET', `/imports/${id}`)).headers
  t.equal((await ann.call('DELETE', `/imports/${id}`, undefined, { 'if-match': '"other"' })).status, 412)
  t.equal((await ann.call('GET', '/activities')).body.items.length, 1)
  t.equal((await ann.call('DELETE', `/imports/${id}`, undefined, { 'if-match': String(etag) })).status, 204)
  t.same((await ann.call('GET', '/activities')).body.items, [])
})

t.test('a file whose reading fails each time for another reason than itself fails alone', async (t) => {
  const bad = example('hill-run.fit')
  const decoding = new DecodingPool()
  t.teardown(async () => { await decoding.close() })
  const broken = await startService(t, {
    parts: {
      scheduled: true,
      async decode (file, signal, again) {
        // As if its process had died each time.
        if (file.sizeBytes === bad.length) throw new Error('the process has died')
        return await decoding.decode(file, { signal, again })
      }
    }
  })
  const ann = await broken.runner()
  const { body } = await sendAll(ann, [
    { name: 'a.fit', bytes: example('easy-run.fit') }, { name: 'b.fit', bytes: bad }, { name: 'c.gpx', bytes: example('park-run.gpx') }
  ])
  // As if the time between its tries had passed.
  const soon = setInterval(() => {
    broken.database.sql`/* test */ update pgboss_job set start_after = now() - interval '1 second' where state = 'retry'`.catch(() => {})
    broken.app.jobs.run('work-imports-1')
  }, 100)
  t.teardown(() => clearInterval(soon))
  const { import: found, files } = await ended(ann, body.import.id)
  clearInterval(soon)
  t.match(found, { status: 'done', imported: 2, failed: 1 })
  t.match(files[1], { name: 'b.fit', status: 'failed', reason: 'Reading this file has failed repeatedly' })
})

t.test('pages of files follow each other', async (t) => {
  const ann = await runner()
  const files = Array.from({ length: 5 }, (_, n) => ({ name: `${n}.txt`, bytes: Buffer.from('no run') }))
  const { import: { id } } = await importAll(ann, files)
  const names: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body } = await ann.call('GET', `/imports/${id}/files?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
    names.push(...body.items.map(({ name }: { name: string }) => name))
    cursor = body.next_cursor
  }
  t.same(names, files.map(({ name }) => name))
  t.equal((await ann.call('GET', `/imports/${id}/files?cursor=x`)).status, 422)
})

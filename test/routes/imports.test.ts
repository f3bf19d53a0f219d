import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { UploadBudget } from '../../src/uploads/budget.ts'
import type { Decode } from '../../src/workflows/imports.ts'
import { fitRun, tcxActivity, tcxOf } from '../harness/fixtures/recordings.ts'
import { EXAMPLES, example, form, send, until } from '../harness/imports.ts'
import { startService, type Ending, type Runner } from '../harness/service.ts'
import { openTestSpool, unlinkedFiles } from '../harness/spool.ts'

const SAMPLES = join(process.cwd(), '..', 'shared', 'samples')
const { runner, lines, app, database } = await startService(t)

for (const name of EXAMPLES) {
  t.test(`${name} becomes an activity whose original is given back byte for byte`, async (t) => {
    const ann = await runner()
    const bytes = example(name)
    const imported = await send(ann, bytes)
    t.equal(imported.status, 201)
    const { activity } = imported.body
    t.match(activity, { sport: 'running', source: { format: name.slice(-3), size_bytes: bytes.length } })
    t.ok(activity.distance_m > 1000 && activity.moving_s <= activity.elapsed_s && activity.average_heart_rate_bpm > 60)
    const read = await ann.call('GET', `/activities/${activity.id}`)
    t.same(read.body, activity)
    t.equal(
      (await ann.call('GET', `/activities/${activity.id}`, undefined, { 'if-none-match': String(read.headers.etag) }))
        .status,
      304
    )
    const original = await ann.call('GET', `/activities/${activity.id}/file`)
    t.ok(original.raw.equals(bytes))
    t.equal(
      (
        await ann.call('GET', `/activities/${activity.id}/file`, undefined, {
          'if-none-match': String(original.headers.etag)
        })
      ).status,
      304
    )
    const head = await ann.call('HEAD', `/activities/${activity.id}/file`)
    t.equal(head.status, 200)
    t.equal(Number(head.headers['content-length']), bytes.length)
    t.same((await ann.call('GET', '/activities')).body.items, [activity])
  })
}

t.test('an import that meets a conflict is stored whole when its transaction runs again', async (t) => {
  const ann = await runner()
  // Of several pieces, and of no format that packs well.
  const bytes = Buffer.from(
    example('park-run.gpx')
      .toString()
      .replace('<trk>', `<metadata><keywords>${randomBytes(500_000).toString('base64')}</keywords></metadata><trk>`)
  )
  t.ok(bytes.length > 600_000)
  const { sql } = database
  // A sequence is not rolled back: only the first run meets the conflict.
  await sql`create sequence import_runs`
  await sql`grant usage on sequence import_runs to public`
  await sql`create function conflict_once() returns trigger language plpgsql as 'begin if nextval(''import_runs'') = 1 then raise exception ''conflict'' using errcode = ''40001''; end if; return null; end'`
  await sql`create trigger conflict_once after insert on activities for each row execute function conflict_once()`
  const imported = await send(ann, bytes)
  await sql`drop trigger conflict_once on activities`
  const [row] = await sql`select last_value::integer as runs from import_runs`
  t.equal(row?.runs, 2)
  t.equal(imported.status, 201)
  t.ok((await ann.call('GET', `/activities/${imported.body.activity.id}/file`)).raw.equals(bytes))
})

t.test('the same bytes again change nothing, however they are sent', async (t) => {
  const ann = await runner()
  const bytes = example('easy-run.fit')
  const first = await send(ann, bytes)
  const { payload, headers } = form('again.fit', bytes)
  for (const again of [
    await send(ann, bytes),
    await send(ann, gzipSync(bytes), { headers: { 'content-encoding': 'gzip' } }),
    await ann.call('POST', '/activities/import', payload, headers)
  ]) {
    t.equal(again.status, 200)
    t.equal(again.body.duplicate, true)
    t.equal(again.body.activity.id, first.body.activity.id)
  }
  t.equal((await ann.call('GET', '/activities')).body.items.length, 1)
})

t.test('a form keeps the name of its file, without folders', async (t) => {
  const ann = await runner()
  const { payload, headers } = form('../../etc/morning run é.gpx', example('park-run.gpx'))
  const { status, body } = await ann.call('POST', '/activities/import', payload, headers)
  t.equal(status, 201)
  t.equal(body.activity.source.file_name, 'morning run é.gpx')
  const { headers: sent } = await ann.call('GET', `/activities/${body.activity.id}/file`)
  t.match(sent['content-disposition'], /filename\*=UTF-8''morning%20run%20%C3%A9\.gpx/)
})

t.test('a form with several files is refused, and nothing of it kept', async (t) => {
  const ann = await runner()
  const { payload, headers } = form('run.gpx', example('park-run.gpx'), example('park-run.gpx'))
  const { status, body } = await ann.call('POST', '/activities/import', payload, headers)
  t.same([status, body.error_code], [422, 'REQUEST_VALIDATION_ERROR'])
  t.same((await ann.call('GET', '/activities')).body.items, [])
})

t.test('a form with anything but the file is refused, and nothing of it kept', async (t) => {
  const ann = await runner()
  const { payload, headers } = form('run.gpx', example('park-run.gpx'))
  const field = Buffer.from(
    '--a-boundary-of-the-tests\r\nContent-Disposition: form-data; name="allow_duplicate"\r\n\r\ntrue\r\n'
  )
  const end = payload.lastIndexOf('--a-boundary-of-the-tests--')
  for (const body of [
    Buffer.concat([field, payload]),
    Buffer.concat([payload.subarray(0, end), field, payload.subarray(end)])
  ]) {
    t.match(await ann.call('POST', '/activities/import', body, headers), {
      status: 422,
      body: { error_code: 'REQUEST_VALIDATION_ERROR', details: { field: 'allow_duplicate' } }
    })
  }
  t.same((await ann.call('GET', '/activities')).body.items, [])
  t.equal((await ann.call('POST', '/activities/import', payload, headers)).status, 201)
})

t.test('the same run from other bytes is refused with the id of the first, unless duplicates are allowed', async (t) => {
  const ann = await runner()
  const bytes = example('park-run.gpx')
  const first = await send(ann, bytes)
  const other = Buffer.from(bytes.toString('utf8').replace('</gpx>', '<!-- exported again --></gpx>'))
  const refused = await send(ann, other)
  t.equal(refused.status, 409)
  t.match(refused.body, { error_code: 'DUPLICATE_ACTIVITY', details: { activity_id: first.body.activity.id } })
  t.equal((await send(ann, other, { query: '?allow_duplicate=true' })).status, 201)
  t.equal((await ann.call('GET', '/activities')).body.items.length, 2)
})

t.test('twenty uploads of one file at once make one activity', async (t) => {
  const ann = await runner()
  const bytes = example('track-session.tcx')
  const answers = await Promise.all(Array.from({ length: 20 }, async () => await send(ann, bytes)))
  t.same([...new Set(answers.map(({ status }) => status))].sort(), [200, 201])
  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  t.equal(new Set(answers.map(({ body }) => body.activity.id)).size, 1)
})

t.test('the same file is another activity for another runner, and each sees only their own', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const bytes = example('easy-run.fit')
  const [hers, his] = [await send(ann, bytes), await send(bob, bytes)]
  t.equal(his.status, 201)
  t.not(his.body.activity.id, hers.body.activity.id)
  for (const path of ['', '/file']) { t.equal((await bob.call('GET', `/activities/${hers.body.activity.id}${path}`)).status, 404) }
  t.same((await bob.call('GET', '/activities')).body.items.map(({ id }: { id: string }) => id), [his.body.activity.id])
})

t.test('an upload that is not a recording is refused with the reason, and nothing is stored', async (t) => {
  const ann = await runner()
  const cases: Array<[string, Buffer, Record<string, string>, number, string]> = [
    ['nothing', Buffer.alloc(0), {}, 422, 'UNREADABLE_FILE'],
    ['text', Buffer.from('hello'), {}, 422, 'UNREADABLE_FILE'],
    ['half a FIT header', example('easy-run.fit').subarray(0, 9), {}, 422, 'UNREADABLE_FILE'],
    ['no gzip', Buffer.from('hello'), { 'content-encoding': 'gzip' }, 422, 'UNREADABLE_FILE'],
    [
      'gzip cut off',
      gzipSync(example('easy-run.fit')).subarray(0, 500),
      { 'content-encoding': 'gzip' },
      422,
      'UNREADABLE_FILE'
    ],
    ['an encoding nobody knows', example('easy-run.fit'), { 'content-encoding': 'br' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['a bomb', gzipSync(Buffer.alloc(40 * 1024 * 1024)), { 'content-encoding': 'gzip' }, 413, 'PAYLOAD_TOO_LARGE'],
    ['33 MiB', Buffer.alloc(33 * 1024 * 1024), {}, 413, 'PAYLOAD_TOO_LARGE'],
    ['JSON', Buffer.from('{}'), { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE']
  ]
  for (const [name, bytes, headers, status, code] of cases) {
    const answer = await send(ann, bytes, { headers })
    t.equal(answer.status, status, name)
    t.equal(answer.body.error_code, code, name)
  }
  t.same((await ann.call('GET', '/activities')).body.items, [])
})

t.test('imports are counted by format and outcome', async (t) => {
  const { body } = await app.inject('/metrics')
  for (const format of ['fit', 'gpx', 'tcx']) { t.match(body, new RegExp(`imports_total\\{format="${format}",outcome="imported"\\} [1-9]`)) }
  t.match(body, /imports_total\{format="unknown",outcome="failed"\} [1-9]/)
})

/** The beginning of an import over a connection of its own, whose rest is up to the test. */
function beginImport (t: Ending, port: number, ann: Runner, length: number, bytes: Buffer): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  t.teardown(() => socket.destroy())
  socket.write(
    `POST /api/v1/activities/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ann.access_token}\r\ncontent-type: application/octet-stream\r\ncontent-length: ${length}\r\n\r\n`
  )
  socket.write(bytes)
  return socket
}

t.test('the file of a client that goes away is removed, and its import counted apart', async (t) => {
  let begun = 0
  const aborted: unknown[] = []
  const decode: Decode = (_bytes, signal) => new Promise((_resolve, reject) => {
    begun++
    signal.addEventListener('abort', () => { aborted.push(signal.reason); reject(signal.reason) }, { once: true })
  })
  const budget = new UploadBudget()
  const whole = budget.leftBytes
  const { spool, directory } = await openTestSpool(t, { budget })
  const service = await startService(t, { parts: { decode, spool } })
  await service.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = service.app.server.address() as AddressInfo
  const ann = await service.runner()
  const bytes = example('easy-run.fit')

  const decoding = beginImport(t, port, ann, bytes.length, bytes)
  await until(() => begun === 1)
  t.equal(budget.leftBytes, whole - bytes.length, 'what is decoded is still held')
  decoding.destroy()
  await until(() => aborted.length === 1 && budget.leftBytes === whole)
  t.match(aborted, [{ code: 'SERVICE_UNAVAILABLE' }])

  const receiving = beginImport(t, port, ann, bytes.length, bytes.subarray(0, 1000))
  await until(() => budget.leftBytes < whole)
  receiving.destroy()
  await until(() => budget.leftBytes === whole)
  t.equal(begun, 1, 'half a file is not decoded')
  if (process.platform === 'linux') await until(() => unlinkedFiles(directory) === 0)
  const { body } = await service.app.inject('/metrics')
  t.match(body, /imports_total\{format="unknown",outcome="aborted"\} 2/)
  t.notMatch(body, /outcome="(failed|imported)"/)
})

t.test('a body that does not arrive in time is removed when the request is answered', async (t) => {
  const budget = new UploadBudget()
  const whole = budget.leftBytes
  const { spool } = await openTestSpool(t, { budget })
  const service = await startService(t, { env: { REQUEST_TIMEOUT: '1' }, parts: { spool } })
  await service.app.listen({ host: '127.0.0.1', port: 0 })
  const ann = await service.runner()
  const socket = beginImport(t, (service.app.server.address() as AddressInfo).port, ann, 100_000, Buffer.alloc(1000))
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => { answer += text })
  await until(() => budget.leftBytes < whole)
  await until(() => budget.leftBytes === whole)
  await until(() => answer !== '')
  t.match(answer, /^HTTP\/1.1 408 /)
  t.same(service.lines.filter(({ level }) => level === 'ERROR'), [], 'it is nobody’s fault here')
  t.match((await service.app.inject('/metrics')).body, /imports_total\{format="unknown",outcome="aborted"\} 1/)
})

t.test('uploads beyond the budget are refused, and what was received of them is given back', async (t) => {
  const bytes = example('easy-run.fit')
  const budget = new UploadBudget(bytes.length)
  const { spool } = await openTestSpool(t, { budget })
  const service = await startService(t, { parts: { spool } })
  const ann = await service.runner()
  const larger = gzipSync(Buffer.alloc(bytes.length + 1))
  const refused = await send(ann, larger, { headers: { 'content-encoding': 'gzip' } })
  t.equal(refused.status, 503)
  t.equal(refused.body.error_code, 'SERVICE_UNAVAILABLE')
  t.equal(refused.headers['retry-after'], '1')
  for (const status of [201, 200]) t.equal((await send(ann, bytes)).status, status, 'after it, there is room')
  t.equal(budget.leftBytes, bytes.length)
})

t.test('over a connection too, an original is given back byte for byte, however it was sent', async (t) => {
  const service = await startService(t)
  const address = await service.app.listen({ host: '127.0.0.1', port: 0 })
  // Of several pieces, and none like another.
  const bytes = Buffer.from(
    example('park-run.gpx')
      .toString()
      .replace('</gpx>', `<!-- ${randomBytes(150_000).toString('hex')} --></gpx>`)
  )
  const { payload, headers } = form('run.gpx', bytes)
  const ways: Array<[Buffer, Record<string, string>]> = [
    [bytes, { 'content-type': 'application/gpx+xml' }],
    [gzipSync(bytes), { 'content-type': 'application/gpx+xml', 'content-encoding': 'gzip' }],
    [payload, headers]
  ]
  for (const [body, headers] of ways) {
    const authorization = `Bearer ${(await service.runner()).access_token}`
    const imported = await fetch(`${address}/api/v1/activities/import`, {
      method: 'POST',
      headers: { ...headers, authorization },
      body: new Uint8Array(body)
    })
    t.equal(imported.status, 201)
    const { activity } = await imported.json() as { activity: { id: string } }
    const original = await fetch(`${address}/api/v1/activities/${activity.id}/file`, { headers: { authorization } })
    t.ok(Buffer.from(await original.arrayBuffer()).equals(bytes))
  }
})

t.test('a burst of 50 imports of an hour’s run is served', async (t) => {
  const runners = await Promise.all(Array.from({ length: 50 }, () => runner()))
  const bytes = Buffer.from(fitRun({ count: 3600 }))
  const answers = await Promise.all(runners.map((ann) => send(ann, bytes)))
  t.same(answers.filter(({ status }) => status !== 201).map(({ status, body }) => ({ status, body })), [])
})

t.test('a full disk is answered with 503, and told once in the log', { skip: process.platform !== 'linux' }, async (t) => {
  const { spool } = await openTestSpool(t, { open: async () => await open('/dev/full', 'r+') })
  const service = await startService(t, { parts: { spool } })
  const ann = await service.runner()
  const { status, headers, body } = await send(ann, example('easy-run.fit'))
  t.match({ status, headers, body }, {
    status: 503,
    headers: { 'retry-after': '30' },
    body: { error_code: 'SERVICE_UNAVAILABLE', message: 'Uploads cannot be stored at the moment' }
  })
  t.match(service.lines.filter(({ level }) => level === 'ERROR'), [
    { message: 'request completed', error_code: 'SERVICE_UNAVAILABLE', error_id: body.error_id, exception: /ENOSPC/ }
  ])
  t.match((await service.app.inject('/metrics')).body, /imports_total\{format="unknown",outcome="failed"\} 1/)
})

t.test('each activity of a recording is judged by the settings of its day, which are read once', async (t) => {
  const service = await startService(t)
  const ann = await service.runner()
  for (const [valid_from, threshold_heart_rate_bpm] of [['2024-01-01', 150], ['2024-01-17', 180]] as const) {
    const settings = { valid_from, max_heart_rate_bpm: 190, resting_heart_rate_bpm: 50, threshold_heart_rate_bpm }
    t.equal((await ann.call('POST', '/me/physiology', settings)).status, 201)
  }
  const DAY_S = 86_400
  const days = [0, DAY_S, 2 * DAY_S].map((from) => tcxActivity({ count: 600, from }))
  const { status, body } = await send(ann, Buffer.from(tcxOf(`<Activities>${days.join('')}</Activities>`)))
  t.equal(status, 201)
  const [first, second, third] = body.activities.map(({ load }: { load: number }) => load)
  t.equal(first, second)
  t.ok(third < second, 'the same heart rate is less of a load below a higher threshold')
  t.match((await service.app.inject('/metrics')).body, /count\{query="listPhysiologyUntil"[^}]*\} 1$/m)
})

t.test('uploads that were not decoded leave nothing in memory', async (t) => {
  const ann = await runner()
  const known = Buffer.concat([example('park-run.gpx'), Buffer.alloc(20_000_000, ' ')])
  t.equal((await send(ann, known)).status, 201)
  const tooLarge = gzipSync(Buffer.alloc(40_000_000))
  const before = process.memoryUsage.rss()
  for (let i = 0; i < 12; i++) {
    t.equal((await send(ann, known)).status, 200)
    t.equal((await send(ann, tooLarge, { headers: { 'content-encoding': 'gzip' } })).status, 413)
  }
  const grownMib = (process.memoryUsage.rss() - before) / 1_048_576
  t.ok(grownMib < 300, `${Math.round(grownMib)} MiB more, of 610 that came`)
})

t.test('with a key as well, an import is counted and logged once, when it is committed', async (t) => {
  const service = await startService(t)
  const ann = await service.runner()
  const headers = { 'idempotency-key': 'one import' }
  for (const name of ['easy-run.fit', 'easy-run.fit']) { t.equal((await send(ann, example(name), { headers })).status, 201) }
  const text = { 'idempotency-key': 'no import' }
  for (const bytes of [Buffer.from('hello'), Buffer.from('hello')]) { t.equal((await send(ann, bytes, { headers: text })).status, 422) }
  const { body } = await service.app.inject('/metrics')
  t.same(body.match(/^imports_total.*/gm)?.sort(), [
    'imports_total{format="fit",outcome="imported"} 1',
    'imports_total{format="unknown",outcome="failed"} 1'
  ])
  t.equal(service.lines.filter(({ message }) => message === 'activity imported').length, 1)
})

t.test(
  'real recordings give the figures of their README over HTTP',
  { skip: existsSync(SAMPLES) ? false : 'the samples are not beside the project' },
  async (t) => {
    const ann = await runner()
    const figures = [
      ['fit/run-bloemendaal.fit', 6458, 2195.998, 148],
      ['fit/run-trosku.fit', 10_743.64, 2922, 160],
      ['fit/run-treadmill.fit', 10_630.37, 3763.503, 145]
    ] as const
    for (const [name, distanceM, elapsedS, heartRateBpm] of figures) {
      const { status, body } = await send(ann, readFileSync(join(SAMPLES, name)))
      t.equal(status, 201, name)
      t.equal(body.activity.distance_m, distanceM, name)
      t.equal(body.activity.elapsed_s, elapsedS, name)
      t.ok(Math.abs(body.activity.average_heart_rate_bpm - heartRateBpm) <= 1, name)
    }
  }
)

t.test('nothing a runner sent is in the log: no position, no body, no address', async (t) => {
  const text = lines.map((line) => JSON.stringify(line)).join('\n')
  t.notMatch(text, /latitude|longitude|@example\.org|correct horse/)
  t.same(lines.filter(({ level }) => level === 'ERROR' || level === 'CRITICAL'), [])
})

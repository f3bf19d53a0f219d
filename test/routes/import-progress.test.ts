import t from 'tap'
import { openJobQueue } from '../../db/job-queue.ts'
import { eventStream } from '../../src/http/event-stream.ts'
import type { Spool, SpooledFile } from '../../src/uploads/spool.ts'
import { DecodingPool } from '../../src/workers/decoding.ts'
import { acceptImport, storeUpload } from '../../src/workflows/bulk-imports.ts'
import { importEvents } from '../../src/workflows/import-events.ts'
import { workOnImports, type ImportJob, type ImportWork } from '../../src/workflows/import-work.ts'
import { ended, importAll, sendAll, type ReportedFile } from '../harness/bulk-imports.ts'
import { fitRun } from '../harness/fixtures/recordings.ts'
import { example } from '../harness/imports.ts'
import { PASSWORD, startService } from '../harness/service.ts'
import { openTestSpool } from '../harness/spool.ts'
import { writeZip } from '../harness/zip-writer.ts'

t.setTimeout(240_000)
const { spool } = await openTestSpool(t)
/** What is done when an upload has been received, and before each part of it is read. */
const during = { received: async () => {}, read: async () => {} }
const watchedSpool: Spool = {
  ...spool,
  file: (budget) => watched(spool.file(budget), {
    received: async () => await during.received(),
    read: async () => await during.read()
  })
}
const { app, runner, database: { sql } } = await startService(t, { parts: { spool: watchedSpool } })
const queue = openJobQueue(sql)
const decoding = new DecodingPool()
t.teardown(async () => { await decoding.close() })
const { signal } = new AbortController()

interface Watch {
  received?: () => Promise<void>
  read?: () => Promise<void>
}

function watched (file: SpooledFile, { received, read }: Watch): SpooledFile {
  return {
    get sizeBytes () { return file.sizeBytes },
    append: async (bytes) => await file.append(bytes),
    async finish () {
      await file.finish()
      await received?.()
    },
    lend: async (use) => await file.lend(use),
    account: (bytes) => file.account(bytes),
    resize: (bytes) => file.resize(bytes),
    async read (part) {
      await read?.()
      return await file.read(part)
    },
    close: async () => await file.close()
  }
}

/** An import that is stored and waits, while no process looks for work. */
async function waitingImport (userId: string, bytes: Buffer): Promise<string> {
  const file = spool.file()
  await file.append(bytes)
  await file.finish()
  const received = { file, uploads: [{ name: 'export.zip', offset_bytes: 0, size_bytes: bytes.length }], sha256: Buffer.alloc(32) }
  const id = await storeUpload(sql, userId, received, false)
  await acceptImport(sql, queue, userId, id, received)
  await file.close()
  return id
}

function minuteRuns (count: number) {
  return Array.from({ length: count }, (_, day) => ({ name: `${day}.fit`, data: Buffer.from(fitRun({ later: day * 86_400 })) }))
}

/** The files of a stream of events, by their place in the report. */
function filesIn (text: string): Array<[id: number, file: ReportedFile]> {
  const events = text.matchAll(/^event: file\nid: (\d+)\ndata: (.*)$/gm)
  return Array.from(events, ([, id, data]) => [Number(id), JSON.parse(data!)])
}

t.test('while nothing happens to an import its events are comments, and they end with it', async (t) => {
  const ann = await runner()
  const id = await waitingImport(ann.id, writeZip([{ name: 'a.fit', data: example('easy-run.fit') }]))
  const texts: string[] = []
  for await (const text of eventStream(importEvents(sql, ann.id, id, { after: -1, signal }), { heartbeatMs: 0 })) {
    texts.push(text)
    // The import begins after two of them.
    if (texts.filter((one) => one === ': still here\n\n').length === 2) app.jobs.wake('work-imports-1')
  }
  t.equal(texts[0], ': events\n\n')
  t.match(texts[1], /^event: progress\ndata: .*"status":"queued"/)
  t.same(texts.slice(2, 4), [': still here\n\n', ': still here\n\n'])
  t.match(filesIn(texts.join('')), [[0, { name: 'a.fit', status: 'imported', reason_code: null }]])
  t.match(texts.at(-1), /^event: done\ndata: .*"status":"done"/)
  const rare = { heartbeatMs: Number.MAX_SAFE_INTEGER }
  const late = eventStream(importEvents(sql, ann.id, id, { after: -1, signal }), rare)
  for await (const text of late) t.notMatch(text, /still here/)
})

t.test('a file that becomes a duplicate later is told again, so that readers end with what the report says', async (t) => {
  const ann = await runner()
  const records = Array.from({ length: 600 }, () => ({ heartRate: undefined }))
  const { import: { id }, files: report } = await importAll(ann, [
    { name: 'phone.fit', bytes: Buffer.from(fitRun({ count: 600, records })) },
    { name: 'other.gpx', bytes: example('park-run.gpx') },
    { name: 'watch.fit', bytes: Buffer.from(fitRun({ count: 600 })) },
    { name: 'notes.txt', bytes: Buffer.from('no run') }
  ])
  t.match(report, [
    { status: 'duplicate', reason_code: 'RECORDED_BETTER' }, { status: 'imported', reason_code: null },
    { status: 'imported' }, { status: 'skipped', reason_code: 'NOT_A_RECORDING' }
  ])
  for (const after of [undefined, 0, 1, 2, 3]) {
    const headers: Record<string, string> = after === undefined ? {} : { 'last-event-id': String(after) }
    const events = filesIn((await ann.call('GET', `/imports/${id}/events`, undefined, headers)).body)
    // What a reader had before: the files until then, the first one as imported until the third one was told.
    const picture = report.slice(0, (after ?? -1) + 1)
    if (after !== undefined && after < 2) {
      picture[0] = { ...report[0]!, status: 'imported', reason: null, reason_code: null }
    }
    for (const [place, file] of events) picture[place] = file
    t.same(picture, report, `after ${after ?? 'nothing'}`)
    t.equal(events.length, after === undefined ? 4 : after < 2 ? 4 - after : 3 - after)
  }
})

t.test('a ZIP in the ZIP that takes longer to open than a turn is read in the turn that opened it', async (t) => {
  let nowMs = 0
  let openings = 0
  const opened = async () => {
    openings++
    nowMs += 60_000
  }
  const work: ImportWork = {
    sql,
    // Another runner waits all the time.
    queue: { ...queue, isWaiting: async () => true },
    spool: {
      ...spool,
      file: (budget) => budget === undefined ? spool.file() : watched(spool.file(budget), { received: opened })
    },
    unpack: async (file, member, signal) => await decoding.unpack(file, member, { signal }),
    decode: async (file, signal, again) => await decoding.decode(file, { signal, again }),
    observe () {},
    ended () {},
    nowMs: () => nowMs,
    signal,
    log: { info () {}, warning () {}, error () {} }
  }
  const zip = writeZip([{ name: 'inner.zip', data: writeZip(minuteRuns(6)) }])
  /** Turns until the import has ended. */
  const turnsOf = async (work: ImportWork): Promise<number> => {
    for (let turns = 0; ; turns++) {
      const job = await queue.take<ImportJob>('imports')
      if (job === undefined) return turns
      await workOnImports(work, job)
    }
  }
  const ann = await runner()
  const id = await waitingImport(ann.id, zip)
  t.equal(await turnsOf(work), 1)
  t.equal(openings, 1)
  t.match((await ended(ann, id)).import, { status: 'done', imported: 6 })

  const ben = await runner()
  const other = await waitingImport(ben.id, zip)
  // A clock by which each step takes longer than a turn.
  const slowly = (): number => {
    nowMs += 120_000
    return nowMs
  }
  t.ok(await turnsOf({ ...work, nowMs: slowly }) <= 7, 'each turn stores a file at least')
  t.match((await ended(ben, other)).import, { status: 'done', imported: 6 })
})

t.test('an import whose job has used up its tries is given up, and the next one of its runner is read', async (t) => {
  const ann = await runner()
  const first = await waitingImport(ann.id, writeZip([{ name: 'a.fit', data: example('easy-run.fit') }]))
  const second = await waitingImport(ann.id, writeZip([{ name: 'b.fit', data: example('hill-run.fit') }]))
  // As pg-boss sends it where the last try of a job has failed.
  await queue.send(sql, 'imports-failed', ann.id, { user_id: ann.id })
  await app.jobs.run('give-up-imports')
  t.match((await ann.call('GET', `/imports/${first}`)).body, { status: 'failed', reason: /failed repeatedly/, imported: 0, finished_at: /Z$/ })
  await app.jobs.run('work-imports-1')
  t.match((await ann.call('GET', `/imports/${first}`)).body, { status: 'failed', imported: 0 })
  t.match((await ended(ann, second)).import, { status: 'done', imported: 1 })
  t.same(await sql`/* test */ select 1 from import_chunks where user_id = ${ann.id}`, [], 'the bytes of both are gone')
  t.same(await sql`/* test */ select 1 from pgboss_job where data ->> 'user_id' = ${ann.id}`, [])
})

t.test('an account that is deleted while its upload is stored is gone, as everywhere else', async (t) => {
  const big = { name: 'big.bin', bytes: Buffer.alloc(600_000) }
  for (const moment of ['received', 'read'] as const) {
    const ann = await runner()
    let reads = 0
    during[moment] = async () => {
      if (moment === 'read' && ++reads < 2) return
      during[moment] = async () => {}
      t.equal((await ann.call('DELETE', '/me', { password: PASSWORD })).status, 204)
    }
    t.match(await sendAll(ann, [big]), { status: 401, body: { error_code: 'UNAUTHENTICATED' } }, moment)
    t.same(await sql`/* test */ select 1 from imports where user_id = ${ann.id}`, [])
  }
})

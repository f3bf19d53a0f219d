import t, { type Test } from 'tap'
import { identifier } from '../../db/sql.ts'
import { formOf, type ReportedFile } from '../harness/bulk-imports.ts'
import { createDatabase } from '../harness/database.ts'
import { fitRun } from '../harness/fixtures/recordings.ts'
import { ask, signUp } from '../harness/http-client.ts'
import { until } from '../harness/imports.ts'
import { bareDriver, openDatabase } from '../harness/open-database.ts'
import { startProcess } from '../harness/service.ts'
import { writeZip } from '../harness/zip-writer.ts'

t.setTimeout(240_000)

const FILES = 25
/** The files at which the work is held until the test lets it go on. */
const [STOPPED_AT, KILLED_AT] = [4, 15]

/** Runs on as many days. */
function manyRuns (): Buffer {
  return writeZip(Array.from({ length: FILES }, (_, day) => (
    { name: `activities/${day}.fit`, data: Buffer.from(fitRun({ count: 120, later: day * 86_400 })) }
  )))
}

t.test('an import goes on after a shutdown and after kill -9, every file exactly once, and is taken back whole', async (t) => {
  const databaseUrl = await createDatabase(t)
  const { sql } = openDatabase(t, databaseUrl)
  const gates = await gatesAt(t, databaseUrl)
  const env = { DATABASE_QUERY_TIMEOUT: '60', DATABASE_URL: databaseUrl, JWT_SECRET: 'one secret for all processes of this test' }
  const done = async (): Promise<number> => {
    const [row] = await sql<{ files_done: number }>`/* test */ select files_done from imports`
    return row?.files_done ?? 0
  }
  const jobs = async () => await sql`/* test */ select state from pgboss_job where name = 'imports'`
  const first = await startProcess(t, env)
  const headers = await signUp(first.port)
  const form = formOf([{ name: 'export.zip', bytes: manyRuns() }])
  const accepted = await ask(first.port, '/api/v1/imports', {
    method: 'POST', headers, bytes: form.payload, type: form.headers['content-type']!
  })
  t.equal(accepted.status, 202)
  const { import: { id } } = JSON.parse(accepted.text)

  await gates.reached(STOPPED_AT)
  const stopping = first.stop('SIGTERM')
  await first.line(({ message }) => message === 'the service is draining')
  await gates.open(STOPPED_AT)
  t.match(await stopping, { code: 0 })
  const stoppedAt = await done()
  t.ok(stoppedAt < KILLED_AT, `the shutdown waited for the file at hand, and not for all: ${stoppedAt}`)
  t.same(await jobs(), [{ state: 'created' }], 'its job waits for another process')

  const second = await startProcess(t, env)
  await gates.reached(KILLED_AT)
  await second.stop('SIGKILL')
  await gates.open(KILLED_AT)
  t.equal(await done(), KILLED_AT, 'nothing is kept of the file at hand')
  t.same(await jobs(), [{ state: 'active' }])

  // As if the time had passed after which a process is taken for dead.
  await sql`/* test */ update pgboss_job set started_on = started_on - interval '1 minute'`
  await sql`/* test */ update imports set worked_until = worked_until - interval '1 minute'`
  const third = await startProcess(t, env)
  const get = async (path: string) => JSON.parse((await ask(third.port, `/api/v1${path}`, { headers })).text)
  // The events of an import end with it.
  const events = await ask(third.port, `/api/v1/imports/${id}/events`, { headers, patienceMs: 200_000 })
  t.match(events.text, /\nevent: done\n/)
  t.match(await get(`/imports/${id}`), { files_total: FILES, imported: FILES, duplicates: 0, skipped: 0, failed: 0 })
  const { items } = await get(`/imports/${id}/files?limit=200`) as { items: ReportedFile[] }
  t.same(items.map(({ name }) => name), Array.from({ length: FILES }, (_, day) => `activities/${day}.fit`))
  t.equal(new Set(items.map(({ activity_id }) => activity_id)).size, FILES)
  const [stored] = await sql`/* test */
    select (select count(*)::int from activities) as activities, (select count(*)::int from recordings) as recordings
  `
  t.same(stored, { activities: FILES, recordings: FILES })
  await until(async () => (await sql`/* test */ select 1 from import_chunks limit 1`).length === 0)

  t.equal((await ask(third.port, `/api/v1/imports/${id}`, { method: 'DELETE', headers })).status, 204)
  const tables = ['activities', 'recordings', 'recording_chunks', 'activity_figures', 'activity_streams', 'best_efforts']
  for (const table of tables) {
    t.same(await sql`/* test */ select count(*)::int as rows from ${identifier(table)}`, [{ rows: 0 }], table)
  }
  t.match(await third.stop('SIGTERM'), { code: 0 })
})

/** Holds the work on an import at some files: by a lock that the transaction of the file waits for. */
async function gatesAt (t: Test, url: string): Promise<{
  reached (file: number): Promise<void>
  open (file: number): Promise<void>
}> {
  const sql = bareDriver(t, url, { max: 1 })
  await sql`
    create function hold() returns trigger language plpgsql
    as 'begin perform pg_advisory_xact_lock(new.position); return new; end'
  `
  await sql`create trigger hold before insert on import_files for each row execute function hold()`
  for (const file of [STOPPED_AT, KILLED_AT]) await sql`select pg_advisory_lock(${file})`
  return {
    async reached (file) {
      await until(async () => (await sql`
        select 1 from pg_locks where locktype = 'advisory' and objid = ${file} and not granted
      `).length > 0)
    },
    async open (file) { await sql`select pg_advisory_unlock(${file})` }
  }
}

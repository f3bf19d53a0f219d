import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import postgres from 'postgres'
import t from 'tap'
import { CHUNK_BYTES, packChunks } from '../../src/uploads/chunks.ts'
import { EXPORTED_TABLES, NOT_EXPORTED } from '../../db/export.ts'
import { bind } from '../../db/driver/bind.ts'
import type { Sql } from '../../db/sql.ts'
import { exportAll } from '../../src/workflows/export.ts'
import { startService, type Runner } from '../harness/service.ts'
import { unzip } from '../harness/zip.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const MIB = 1024 * 1024
const PIECES = 32
const { app, database, runner, databaseUrl, lines } = await startService(t)
await app.listen({ host: '127.0.0.1', port: 0 })
const sql = postgres(databaseUrl, { max: 2, fetch_types: false, onnotice: () => {} })
t.teardown(() => sql.end({ timeout: 5 }))

/**
 * Stores an original of 8 MiB and an activity that came of it: every other piece as importing does, the others as
 * before pieces were packed.
 */
async function addRecording (userId: string, format = 'fit'): Promise<{ name: string, bytes: Buffer }> {
  const bytes = randomBytes(PIECES * CHUNK_BYTES)
  const [id, day] = [randomUUID(), '2025-03-01']
  await sql`
    insert into recordings (user_id, recording_id, format, sha256, size_bytes, file_name)
    values (${userId}, ${id}, ${format}, ${createHash('sha256').update(bytes).digest()}, ${bytes.length}, 'run.fit')
  `
  for (const [position, gzip] of [...packChunks(bytes)].entries()) {
    await sql`insert into recording_chunks ${sql({ user_id: userId, recording_id: id, position, gzip })}`
  }
  await sql`
    insert into activities (user_id, activity_id, sport, start_time, timezone, local_date, format, recording_id)
    values (${userId}, ${randomUUID()}, 'running', ${'2025-03-01T06:00:00Z'}, 'UTC', ${day}, ${format}, ${id})
  `
  return { name: `originals/${day}-${id}.${format}`, bytes }
}

async function request (who: Runner): Promise<IncomingMessage> {
  const { port } = app.server.address() as AddressInfo
  const asked = get(`http://127.0.0.1:${port}/api/v1/me/export`, {
    headers: { authorization: `Bearer ${who.access_token}` },
    agent: false
  })
  const [response] = await once(asked, 'response') as [IncomingMessage]
  return response
}

/** The same Sql, counting the pieces of originals that are read through it. */
function counting (sql: Sql): { sql: Sql, pieces (): number } {
  let pieces = 0
  const counted = bind({
    run (strings, values) {
      if (strings[0]?.includes('findChunk')) pieces++
      return sql.executor.run(strings, values)
    },
    transaction: (work, options) => sql.executor.transaction(work, options)
  })
  return { sql: counted, pieces: () => pieces }
}

/** So long that a reader that goes on has gone on. */
async function manyRoundTrips (): Promise<void> {
  for (let i = 0; i < 300; i++) await sql`select 1`
}

t.test('the export contains all rows, and every original byte for byte', async (t) => {
  const ann = await runner()
  const plans: string[] = []
  for (let i = 0; i < 201; i++) {
    plans.push(
      (await ann.call('POST', '/plans', { name: `Plan “${i}”`, start_date: '2026-01-05', end_date: '2026-04-26' })).body
        .id
    )
  }
  const settings = await ann.call('POST', '/me/physiology', { valid_from: '2025-01-01', max_heart_rate_bpm: 190 })
  const originals = [await addRecording(ann.id), await addRecording(ann.id, 'gpx')]
  const { status, headers, raw } = await ann.call('GET', '/me/export')
  t.equal(status, 200)
  t.match(headers, {
    'content-type': 'application/zip',
    'cache-control': 'no-store',
    'content-disposition': /^attachment; filename="running-trainer-\d{4}-\d\d-\d\d\.zip"$/
  })
  const files = unzip(raw)
  const read = (name: string) => JSON.parse(String(files.get(name)))
  t.match(read('user.json'), { user_id: ann.id, email: ann.email, timezone: 'UTC' })
  t.same(read('plans.json').map(({ plan_id }: { plan_id: string }) => plan_id), plans)
  t.match(read('plans.json')[200], { name: 'Plan “200”', start_date: '2026-01-05' })
  t.match(read('physiology.json'), [{ physiology_id: settings.body.id, max_heart_rate_bpm: 190 }])
  t.equal(read('activities.json').length, 2)
  for (const { name, bytes } of originals) t.ok(files.get(name)?.equals(bytes), name)
  t.same(
    [...files.keys()].sort(),
    [
      'user.json',
      ...EXPORTED_TABLES.map(({ table }) => `${table.replaceAll('_', '-')}.json`),
      ...originals.map(({ name }) => name)
    ].sort()
  )
})

t.test('a new account has an export too, and HEAD reads nothing', async (t) => {
  const ann = await runner()
  const files = unzip((await ann.call('GET', '/me/export')).raw)
  t.same(JSON.parse(String(files.get('plans.json'))), [])
  const head = await ann.call('HEAD', '/me/export')
  t.equal(head.status, 200)
  t.equal(head.headers['content-type'], 'application/zip')
  t.equal(head.raw.length, 0)
  t.equal((await ann.call('GET', '/me/export', undefined, { authorization: '' })).status, 401)
})

t.test('the export contains no other runner’s data, and no secret', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const plan = await bob.call('POST', '/plans', { name: 'Bob’s', start_date: '2026-01-05', end_date: '2026-04-26' })
  await addRecording(bob.id)
  const files = unzip((await ann.call('GET', '/me/export')).raw)
  const text = [...files.values()].join('\n')
  for (const other of [bob.id, bob.email, plan.body.id, 'Bob’s']) t.notOk(text.includes(other), other)
  t.notOk([...files.keys()].some((name) => name.startsWith('originals/')))
  t.notMatch(text, /password_hash|secret|argon2/)
})

t.test('every table of a runner’s data is exported, or excluded for a stated reason', async (t) => {
  const tables =
    await sql`select table_name as name from information_schema.columns where table_schema = 'public' and column_name = 'user_id' order by 1`
  const known = [...EXPORTED_TABLES.map(({ table }) => table), ...Object.keys(NOT_EXPORTED)]
  t.same(known.sort(), tables.map(({ name }) => name))
  for (const { table, key } of EXPORTED_TABLES) {
    const columns = await sql`
      select a.attname as name from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
      where i.indrelid = ${table}::regclass and i.indisprimary order by array_position(i.indkey, a.attnum)
    `
    t.same(key.map(([column]) => column), columns.map(({ name }) => name).filter((name) => name !== 'user_id'), table)
  }
})

t.test('memory holds some chunks of the export, never the whole', async (t) => {
  const ann = await runner()
  for (let i = 0; i < 4; i++) await addRecording(ann.id)
  const used = () => {
    collectGarbage()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = used()
  let most = 0
  let size = 0
  let sampledAt = 0
  for await (const chunk of await request(ann)) {
    size += chunk.length
    if (size - sampledAt < MIB) continue
    sampledAt = size
    most = Math.max(most, used() - before)
  }
  t.ok(size > 32 * MIB)
  t.ok(most < 8 * MIB, `${Math.round(most / 1024)} KiB at the most`)
})

t.test('the export is read only as fast as the client takes it', async (t) => {
  const ann = await runner()
  for (let i = 0; i < 2; i++) await addRecording(ann.id)
  const { sql: counted, pieces } = counting(database.sql)
  const zip = exportAll(counted, ann.id, {})
  await once(zip, 'readable')
  zip.read()
  await manyRoundTrips()
  t.ok(pieces() < PIECES / 2, `${pieces()} pieces were read ahead`)
  zip.destroy()
  const atTheEnd = pieces()
  await manyRoundTrips()
  t.ok(pieces() <= atTheEnd + 1, 'nor when the reader has gone')
})

t.test('a client that leaves stops the reading', async (t) => {
  const ann = await runner()
  for (let i = 0; i < 2; i++) await addRecording(ann.id)
  const read = async () =>
    Number(
      /db_queries_total\{query="findChunk",outcome="ok"\} (\d+)/.exec((await app.inject('/metrics')).body)?.[1] ?? 0
    )
  const before = await read()
  const response = await request(ann)
  await once(response, 'readable')
  response.destroy()
  const isTold = () =>
    lines.some(
      ({ path, status_code, user_id }) => path === '/api/v1/me/export' && status_code === 499 && user_id === ann.id
    )
  while (!isTold()) await sql`select 1`
  const after = await read()
  await manyRoundTrips()
  t.ok(await read() <= after + 1)
  t.ok(after - before < 2 * PIECES)
  t.notOk(
    lines.some(({ error_code, user_id }) => error_code === 'EXPORT_BROKE_OFF' && user_id === ann.id),
    'and is no error of ours'
  )
})

t.test('an export that fails midway is aborted, so that it cannot be taken for complete', async (t) => {
  const ann = await runner()
  await addRecording(ann.id)
  await sql`delete from recording_chunks where user_id = ${ann.id} and position = ${PIECES - 1}`
  const response = await request(ann)
  t.equal(response.statusCode, 200)
  await t.rejects(async () => { for await (const chunk of response) t.ok(chunk) }, { code: 'ECONNRESET' })
  t.match(
    lines.filter(({ error_code, user_id }) => error_code === 'EXPORT_BROKE_OFF' && user_id === ann.id),
    [{ level: 'ERROR', exception: /Piece 31/ }]
  )
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { migrate, pending, type MigrateOptions } from '../../db/migrate.ts'
import { createDatabase } from '../harness/database.ts'
import { listener } from '../harness/listener.ts'

const MODULE = new URL('../../db/migrate.js', import.meta.url).href

/** An empty database, a connection to it and a folder of migrations. */
async function prepare (t: Test, files: Record<string, string>) {
  const url = await createDatabase(t, { migrated: false })
  const sql = postgres(url, { max: 4, fetch_types: false, onnotice: () => {} })
  t.teardown(() => sql.end({ timeout: 2 }))
  // Connected first, since postgres.js 3.4.9 never answers a `reserve` that has to connect when `fetch_types` is false.
  await sql`select 1`
  const dir = t.testdir(files)
  const { log, lines, said } = listener()
  const run = (options: Partial<MigrateOptions> = {}) => migrate(url, { log, dir, ...options })
  return { url, sql, dir, lines, said, run }
}

const TWO = {
  '0001-first.sql': 'create table first (id integer);\ninsert into first values (1);\n',
  '0002-second.sql': 'create table second (id integer);\n'
}

t.test('pending migrations are applied in order, once, and recorded', async (t) => {
  const { sql, dir, run } = await prepare(t, TWO)
  t.same(await pending(sql, dir), ['0001-first', '0002-second'])
  t.same(await run(), { applied: ['0001-first', '0002-second'] })
  t.same(await run(), { applied: [] })
  t.same(await pending(sql, dir), [])
  t.same(await sql`select id from first`, [{ id: 1 }])
  const rows =
    await sql`select version, name, length(checksum) as length, applied_at <= now() as past from schema_migrations order by version`
  t.same(rows, [
    { version: 1, name: 'first', length: 64, past: true },
    { version: 2, name: 'second', length: 64, past: true }
  ])
})

t.test('eight processes at once apply each migration once', async (t) => {
  // The pause keeps the lock long enough that the others have to wait for it.
  const { url, sql, dir } = await prepare(t, {
    ...TWO,
    '0003-slow.sql': 'select pg_sleep(0.5); create table slow (id integer);'
  })
  const program = `
    import { migrate } from ${JSON.stringify(MODULE)}
    const log = { debug () {}, info () {}, warning () {}, error () {} }
    console.log(JSON.stringify((await migrate(${JSON.stringify(url)}, { log, dir: ${JSON.stringify(dir)} })).applied))
  `
  const answers = await Promise.all(Array.from({ length: 8 }, async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: process.cwd(),
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
    t.equal(code, 0)
    return JSON.parse(said) as string[]
  }))
  t.same(answers.flat().sort(), ['0001-first', '0002-second', '0003-slow'])
  t.same(await sql`select count(*)::int as rows from first`, [{ rows: 1 }])
})

t.test('a migration that fails is rolled back, and those before it stay applied', async (t) => {
  const { sql, dir, run } = await prepare(t, {
    ...TWO,
    '0003-bad.sql': 'create table third (id integer);\nselect 1 / 0;\n'
  })
  await t.rejects(run(), { name: 'MigrationError', message: /0003-bad failed: division by zero/ })
  t.same(await sql`select to_regclass('third') as found`, [{ found: null }])
  t.same(await pending(sql, dir), ['0003-bad'])
  t.testdir({ ...TWO, '0003-bad.sql': 'create table third (id integer);\n' })
  t.same(await run(), { applied: ['0003-bad'] })
})

t.test('a migration that was changed after it was applied is refused before anything is done', async (t) => {
  const { dir, sql, run } = await prepare(t, TWO)
  await run()
  t.testdir({
    ...TWO,
    '0001-first.sql': 'create table other (id integer);\n',
    '0003-third.sql': 'create table third (id integer);\n'
  })
  await t.rejects(run(), { name: 'MigrationError', message: /0001-first is not the one that was applied/ })
  t.same(await sql`select to_regclass('third') as found`, [{ found: null }])
  t.testdir(Object.fromEntries(Object.entries(TWO).map(([name, text]) => [name, text.replaceAll('\n', '\r\n')])))
  t.same(await run({ dir }), { applied: [] }, 'other line ends are no change')
})

t.test('a database ahead of the code is left alone, and a warning says so', async (t) => {
  const { run, lines, dir, sql } = await prepare(t, TWO)
  await run()
  t.testdir({ '0001-first.sql': TWO['0001-first.sql'] })
  t.same(await run(), { applied: [] })
  t.match(
    lines.filter(({ level }) => level === 'warning'),
    [{ message: /does not know/, fields: { migrations: ['0002-second'] } }]
  )
  t.same(await pending(sql, dir), [])
})

t.test('a migration marked "no transaction" runs statement by statement', async (t) => {
  const { run, sql } = await prepare(t, {
    ...TWO,
    '0003-index.sql':
      "-- no transaction: the table is in use; it's long\ncreate index concurrently one on first (id); /* a ; here */\n" +
      "create function f() returns text language plpgsql as $body$ begin return 'a;b'; end $body$;\ncreate index concurrently two on second (id)"
  })
  t.same((await run()).applied, ['0001-first', '0002-second', '0003-index'])
  t.same(await sql`select f(), to_regclass('one')::text as one, to_regclass('two')::text as two`, [
    { f: 'a;b', one: 'one', two: 'two' }
  ])
})

t.test('a migration that ends its own transaction is refused', async (t) => {
  const { run, sql, dir } = await prepare(t, {
    '0001-first.sql': 'create table first (id integer); commit; create table second (id integer);'
  })
  await t.rejects(run(), /ends its transaction itself/)
  t.same(await pending(sql, dir), ['0001-first'])
})

t.test('a migration waits for its locks for a limited time, and is tried again', async (t) => {
  const { run, sql, said, lines } = await prepare(t, TWO)
  await run()
  t.testdir({ ...TWO, '0003-alter.sql': 'alter table first add column more integer;' })
  const held = await sql.reserve()
  await held.unsafe('begin; lock table first in access share mode')
  const migrating = run({ lockMs: 50, attempts: 20 })
  await said('is tried again')
  await held.unsafe('rollback')
  held.release()
  t.same(await migrating, { applied: ['0003-alter'] })
  t.ok(lines.some(({ level, message }) => level === 'warning' && message.includes('is tried again')))
})

t.test('the wait for another process that migrates is limited', async (t) => {
  const { run, sql, lines } = await prepare(t, TWO)
  const [one, two] = [0x52756e54, 0x4d696772]
  const held = await sql.reserve()
  await held`select pg_advisory_lock(${one}::int, ${two}::int)`
  await t.rejects(run({ waitMs: 200 }), { name: 'MigrationError', message: /Another process has been migrating/ })
  t.ok(lines.some(({ message }) => message.includes('waits for another process')))
  await held`select pg_advisory_unlock(${one}::int, ${two}::int)`
  held.release()
  t.same((await run()).applied.length, 2)
})

t.test('a connection lost half way is an error, and the next run continues from there', async (t) => {
  const { run, sql, dir } = await prepare(t, {
    ...TWO,
    '0003-third.sql': 'create table third (id integer); select pg_advisory_xact_lock(42);'
  })
  const held = await sql.reserve()
  await held`select pg_advisory_lock(42)`
  const migrating = t.rejects(run(), { name: 'MigrationError', message: /0003-third failed/ })
  // Ends the migrating session as soon as it waits in the middle of the third one.
  await sql.unsafe(`
    do $$ begin
      loop
        perform pg_stat_clear_snapshot();
        exit when (select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'advisory') as ended) > 0;
        perform pg_sleep(0.01);
      end loop;
    end $$`)
  await migrating
  await held`select pg_advisory_unlock(42)`
  held.release()
  t.same(await sql`select to_regclass('third') as found`, [{ found: null }])
  t.same(await pending(sql, dir), ['0003-third'])
  t.same(await run(), { applied: ['0003-third'] })
})

t.test('a server that cannot be reached is an error at once', async (t) => {
  const dir = t.testdir(TWO)
  await t.rejects(migrate('postgres://nobody@127.0.0.1:1/none', { log: listener().log, dir }), { code: 'ECONNREFUSED' })
})

t.test('a folder with a misnamed file or two files of one number is refused', async (t) => {
  const { run } = await prepare(t, { 'first.sql': 'select 1' })
  await t.rejects(run(), /first\.sql is not the name of a migration/)
  t.testdir({ '0001-a.sql': 'select 1', '0001-b.sql': 'select 1' })
  await t.rejects(run(), /Two migrations have the number 1/)
})

t.test('the service\'s own migrations apply to an empty database', async (t) => {
  const url = await createDatabase(t, { migrated: false })
  const { log } = listener()
  const { applied } = await migrate(url, { log })
  const sql = postgres(url, { max: 1, fetch_types: false })
  t.teardown(() => sql.end({ timeout: 2 }))
  t.same(await pending(sql), [])
  t.same((await migrate(url, { log })).applied, [])
  t.equal(applied.length, (await sql`select from schema_migrations`).length)
})

t.test(
  'migrations connect by libpq\'s rules too: an unreachable host before a reachable one, and a root certificate',
  async (t) => {
    const url = await createDatabase(t, { migrated: false })
    const { host } = new URL(url)
    const dir = t.testdir({ ...TWO, 'root.pem': 'of no use without TLS\n' })
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const { port } = gone.address() as AddressInfo
    gone.close()
    await once(gone, 'close')
    const several = `${url.replace(host, `127.0.0.1:${port},${host}`)}?target_session_attrs=read-write&sslmode=prefer&sslrootcert=${encodeURIComponent(join(dir, 'root.pem'))}&connect_timeout=5`
    t.same(await migrate(several, { log: listener().log, dir }), { applied: ['0001-first', '0002-second'] })
  }
)

t.test('a test database has the service\'s schema, and is dropped after the test', async (t) => {
  let url = ''
  await t.test('in use', async (t) => {
    let close = async () => {}
    // What is registered first runs last: the database goes while this connection to it is still open.
    t.teardown(() => close())
    url = await createDatabase(t)
    const sql = postgres(url, { max: 1, fetch_types: false })
    close = () => sql.end({ timeout: 1 })
    t.same(await pending(sql), [])
  })
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(() => sql.end({ timeout: 1 }))
  await t.rejects(Promise.resolve(sql`select 1`), { code: '3D000' })
})

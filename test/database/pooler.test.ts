import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import postgres from 'postgres'
import t from 'tap'
import { parseAddress } from '../../db/driver/address.ts'
import { columns, sqlState, transaction } from '../../db/sql.ts'
import type { Sql } from '../../db/sql.ts'
import { createDatabase } from '../harness/database.ts'
import {
  bareDriver,
  kindOf,
  openDatabase,
  pause,
  rejection,
  running,
  until,
  untilIdle,
  within
} from '../harness/open-database.ts'

const url = await createDatabase(t, { migrated: false })
const port = parseAddress(url).hosts[0]?.port as number
const admin = bareDriver(t, url, { max: 1 })
await admin`create table steps (run text, step int)`

/** The same database under another name of the pooler, for which it makes connections of its own. */
const AGAIN = 'again'
const PGBOUNCER = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path))

t.test(
  'all of it works through PgBouncer in transaction mode',
  { skip: PGBOUNCER === undefined && 'pgbouncer is not installed: SKIPPED' },
  async (t) => {
    const bouncerUrl = await startBouncer(t)
    const { sql, stats, forRequest, log } = openDatabase(t, bouncerUrl, { pooler: 'transaction' })

    await t.test('which refuses what a direct connection is told at its start', async (t) => {
      t.match(await rejection(openDatabase(t, bouncerUrl).sql`select 1`), {
        kind: 'unreachable',
        cause: { code: '08P01' }
      })
    })

    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await transaction(sql, async (sql) => {
          await sql`insert into steps ${columns({ run: 'bouncer', step: i })}`
          t.match(await sql`select step from steps where run = ${'bouncer'} and step = ${i}`, [{ step: i }])
        })
      })
    )
    t.equal((await admin`select step from steps`).length, 40)
    t.match(
      await sql`select ${'2024-03-31T01:30:00Z'}::timestamptz as at, current_setting('statement_timeout') as deadline`,
      [{ at: '2024-03-31T01:30:00.000Z', deadline: '0' }]
    )
    t.match(
      await transaction(
        sql,
        (sql) =>
          sql`select current_setting('statement_timeout') as deadline, current_setting('idle_in_transaction_session_timeout') as idle`
      ),
      [{ deadline: '7s', idle: '7s' }]
    )
    t.equal(sqlState(await rejection(sql`select ${'abc'}::uuid`)), '22P02')
    await t.test('values are the same whatever the settings of the database', async (t) => {
      const { database } = parseAddress(url)
      const settings = [
        "bytea_output = 'escape'",
        "DateStyle = 'German, DMY'",
        "TimeZone = 'America/St_Johns'",
        'standard_conforming_strings = off',
        'extra_float_digits = 0',
        'array_nulls = off'
      ]
      for (const setting of settings) await admin.unsafe(`alter database ${database} set ${setting}`)
      t.teardown(() => admin.unsafe(`alter database ${database} reset all`))
      // The pooler's connections under the other name were made before.
      const again = new URL(bouncerUrl)
      again.pathname = `/${AGAIN}`
      const { sql, log } = openDatabase(t, again.href, { pooler: 'transaction' })
      const values = { bytes: Buffer.from([0, 92, 255]), at: '2024-03-31T01:30:00.000Z', day: '2024-03-01', text: 'a\\b' }
      const read = (sql: Sql) => sql`
        select ${values.bytes}::bytea as bytes, ${values.at}::timestamptz as at, ${values.day}::date as day, 'a\\b' as text`
      t.strictSame(await read(sql), [values])
      t.strictSame(await transaction(sql, read), [values])
      t.match(
        log.lines.filter(({ level }) => level === 'WARNING'),
        [{ fields: { setting: 'extra_float_digits', value: '0' } }, { fields: { setting: 'array_nulls', value: 'off' } }],
        'what a pooler does not pass on is said, once'
      )
    })

    const impatient = openDatabase(t, bouncerUrl, { pooler: 'transaction', queryTimeoutMs: 400 })
    t.equal(await kindOf(impatient.sql`/* throughBouncer */ select pg_sleep(20)`), 'query_timeout')
    t.strictSame(await running(admin, 'throughBouncer'), [])
    const request = forRequest({ log })
    const gone = kindOf(request`/* goneThroughBouncer */ select pg_sleep(20)`)
    await until(async () => (await running(admin, 'goneThroughBouncer')).length === 1)
    request.cancel('client_gone')
    t.equal(await gone, 'cancelled')
    t.strictSame(await running(admin, 'goneThroughBouncer'), [])
    await untilIdle({ stats } as never)
  }
)

async function startBouncer (t: { teardown (f: () => Promise<void>): void }): Promise<string> {
  const folder = mkdtempSync('/tmp/pgbouncer-')
  chmodSync(folder, 0o755)
  const free = net.createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const bouncerPort = (free.address() as net.AddressInfo).port
  free.close()
  const { user, password, database } = parseAddress(url)
  writeFileSync(`${folder}/users.txt`, `"${user}" "${password}"\n`)
  writeFileSync(`${folder}/pgbouncer.ini`, `
[databases]
${database} = host=127.0.0.1 port=${port} dbname=${database}
${AGAIN} = host=127.0.0.1 port=${port} dbname=${database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${bouncerPort}
unix_socket_dir =
auth_type = trust
auth_file = ${folder}/users.txt
pool_mode = transaction
default_pool_size = 2
`)
  // It refuses to run as root.
  const bouncer = spawn(PGBOUNCER as string, [`${folder}/pgbouncer.ini`], {
    stdio: 'ignore',
    ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {})
  })
  t.teardown(async () => {
    bouncer.kill('SIGKILL')
    await once(bouncer, 'exit')
    rmSync(folder, { recursive: true, force: true })
  })
  const bouncerUrl = url.replace(/@[^/]+/, `@127.0.0.1:${bouncerPort}`)
  await until(async () => {
    const probe = postgres(bouncerUrl, { max: 1, onnotice () {}, prepare: false, connect_timeout: 1 })
    const answered = await within(500, probe`select 1`.then(() => true, () => false))
    await Promise.race([probe.end({ timeout: 0 }), pause(100)])
    return answered === true
  })
  return bouncerUrl
}

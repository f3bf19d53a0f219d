import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { startEmbedded } from '../../db/embedded/start.ts'
import { failureOf } from '../../db/failure.ts'
import { inspectDatabase } from '../../db/inspect.ts'
import { migrate, pending } from '../../db/migrate.ts'
import { diagnose } from '../../src/commands/check.ts'
import type { Check } from '../../src/commands/checks/check.ts'
import { readConfig } from '../../src/config/read.ts'
import { createDatabase, testServer } from '../harness/database.ts'
import { listener } from '../harness/listener.ts'
import { rejection } from '../harness/open-database.ts'
import { until } from '../harness/live-service.ts'
import { runNode } from '../harness/plain-node.ts'
import { startProcess, type LogLine, type ServiceProcess } from '../harness/service.ts'

t.setTimeout(480_000)
// Most of the time is waiting for intervals of the service.
t.jobs = 4

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
const PASSWORD = 'Xq7Tz-right'
let roles = 0

/** A superuser's connection. */
function administrator (t: Test, url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(() => sql.end({ timeout: 2 }))
  return sql
}

/** A role that may log in and nothing else, and an empty database. */
async function prepare (t: Test, { migrated = false } = {}) {
  const role = `unusable_${process.pid}_${++roles}`
  const server = administrator(t, await testServer())
  await server.unsafe(`create role ${role} login password '${PASSWORD}'`)
  t.teardown(async () => {
    await server.unsafe(`drop owned by ${role}; drop role ${role}`)
  })
  const ownerUrl = await createDatabase(t, { migrated })
  const url = new URL(ownerUrl)
  url.username = role
  url.password = PASSWORD
  return { role, server, ownerUrl, url, admin: administrator(t, ownerUrl), database: url.pathname.slice(1) }
}

async function ask ({ port }: { port: number }, path: string) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { accept: 'application/json' } })
  return { status: answer.status, text: await answer.text() }
}

/** Resolves once it is ready: on a busy machine a look at the database may take longer than a check waits for it. */
async function isReady (service: ServiceProcess): Promise<void> {
  await until('/health/ready answers 200', 120_000, async () =>
    (await ask(service, '/health/ready')).status === 200 || undefined)
}

/** Started and listening, with a health interval of a second. */
async function start (t: Test, url: string, env: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await startProcess(t, { DATABASE_URL: url, HEALTH_CHECK_INTERVAL: '1', ...env }, { ready: false })
  service.port = (await service.line(({ message }) => message === 'listening')).extra?.['port'] as number
  return service
}

const isNotReady = ({ message }: LogLine) => message === 'the database is not ready for use yet'

/** Resolves with as many ERROR lines about the database. */
async function errors (service: ServiceProcess, count: number): Promise<LogLine[]> {
  const found: LogLine[] = []
  await service.line((line) => isNotReady(line) && line.level === 'ERROR' && found.push(line) >= count)
  return found
}

async function checksOf (t: Test, url: string, env: Record<string, string> = {}): Promise<Record<string, Check>> {
  const { checks } = await diagnose(() => readConfig({ PORT: '0', DATABASE_URL: url, ...env }, t.testdir({})))
  return Object.fromEntries(checks.map((check) => [check.name, check]))
}

function migrateCommand (url: string) {
  return runNode([CLI, 'migrate'], { env: { DATABASE_URL: url }, cwd: '/tmp' })
}

interface Case {
  name: string
  /** Makes the database unusable. */
  spoil (prepared: Awaited<ReturnType<typeof prepare>>): Promise<unknown>
  reason: string
  /** The check that fails, and the SQL in its remedy: what puts it right. Otherwise `repair` does. */
  check: string
  remedy: RegExp
  repair? (prepared: Awaited<ReturnType<typeof prepare>>): Promise<unknown>
  code?: string
}

const owns = ({ server, database, role }: Awaited<ReturnType<typeof prepare>>) =>
  server.unsafe(`alter database ${database} owner to ${role}`)

const CASES: Case[] = [
  {
    name: 'a role that may not create tables in the schema public',
    spoil: async () => {},
    reason: 'the database user may not create tables',
    check: 'migrations',
    remedy: /GRANT CREATE ON SCHEMA public TO "unusable_\w+";/,
    code: 'MIGRATION_FAILED'
  },
  {
    name: 'a wrong password',
    spoil: async (prepared) => {
      await owns(prepared)
      prepared.url.password = 'Wr0ng'
    },
    reason: 'the database refuses the user name or the password',
    check: 'database',
    remedy: /Check user and password in DATABASE_URL/,
    repair: ({ server, role }) => server.unsafe(`alter role ${role} password 'Wr0ng'`)
  },
  {
    name: 'a database that is not there',
    spoil: async ({ url, database, server }) => {
      url.pathname = `/${database}_more`
      return await server.unsafe(`drop database if exists ${database}_more`)
    },
    reason: 'the database does not exist on the server',
    check: 'database',
    remedy: /CREATE DATABASE "test_\w+" OWNER "unusable_\w+" ENCODING 'UTF8' TEMPLATE template0;/
  },
  {
    name: 'a role that may not log in',
    spoil: async (prepared) => {
      await owns(prepared)
      await prepared.server.unsafe(`alter role ${prepared.role} nologin`)
    },
    reason: 'the database user may not log in',
    check: 'database',
    remedy: /ALTER ROLE "unusable_\w+" LOGIN;/
  },
  {
    name: 'a database that is read-only',
    spoil: async (prepared) => {
      await owns(prepared)
      await prepared.server.unsafe(`alter database ${prepared.database} set default_transaction_read_only = on`)
    },
    reason: 'the database is read-only, and migrations are to be applied',
    check: 'migrations',
    remedy: /Point DATABASE_URL at the primary/,
    repair: ({ server, database }) =>
      server.unsafe(`alter database ${database} set default_transaction_read_only = off`),
    code: 'MIGRATION_FAILED'
  },
  {
    name: "a table schema_migrations of another program's",
    spoil: async (prepared) => {
      await owns(prepared)
      await prepared.admin`create table schema_migrations (version bigint primary key, dirty boolean not null)`
      await prepared.admin`insert into schema_migrations values (1, false)`
      await prepared.admin.unsafe(`alter table schema_migrations owner to ${prepared.role}`)
    },
    reason: "the table schema_migrations in this database is another program's",
    check: 'migrations',
    remedy: /database of its own/,
    repair: ({ admin }) => admin`drop table schema_migrations`,
    code: 'MIGRATION_FAILED'
  }
]

for (const { name, spoil, reason, check, remedy, repair, code = 'DATABASE_ERROR' } of CASES) {
  t.test(`${name}: readiness, /health, the log, check and migrate say so, and once put right it is ready`, async (t) => {
    const prepared = await prepare(t)
    const { server, admin, role, url } = prepared
    await spoil(prepared)
    t.teardown(() => server.unsafe(`drop database if exists ${url.pathname.slice(1)} with (force)`))
    const service = await start(t, url.href)
    const [first, second] = await errors(service, 2)
    t.match(first, { logger_name: 'app.db', error_code: code, extra: { reason, remedy: String, cause: String } })
    t.ok(Date.parse(second!.timestamp as string) - Date.parse(first!.timestamp as string) > 900, 'once an interval')

    const ready = await ask(service, '/health/ready')
    t.equal(ready.status, 503)
    t.same(JSON.parse(ready.text), { status: 'not_ready', reason })
    const health = await ask(service, '/health')
    t.equal(health.status, 503)
    t.match(JSON.parse(health.text), { status: 'unhealthy', checks: { database: { status: 'unhealthy', error: reason } } })
    for (const { text } of [ready, health]) t.notMatch(text, new RegExp(`${role}|127\\.0\\.0\\.1|Wr0ng|${PASSWORD}`))
    t.notMatch(JSON.stringify(service.lines), /Wr0ng|Xq7Tz/)

    const [checks, command] = await Promise.all([checksOf(t, url.href), migrateCommand(url.href)])
    const found = checks[check]!
    t.equal(found.status, 'failed')
    t.match(found.remedy, remedy)
    t.equal(command.status, 1)
    t.match(command.stdout, new RegExp(`The migration failed: ${reason}\\.\n[^]*→ `))

    const statement = /\b(?:GRANT|CREATE DATABASE|ALTER ROLE) .*;/.exec(found.remedy ?? '')?.[0]
    if (repair !== undefined) await repair(prepared)
    else await (/DATABASE/.test(statement!) ? server : admin).unsafe(statement!)
    await service.line(({ message }) => message === 'the service is ready')
    t.match(service.lines.find(({ message }) => message === 'the database is ready for use'), { level: 'INFO' })
    t.match(JSON.parse((await ask(service, '/health')).text), { checks: { database: { status: 'healthy' } } })
  })
}

t.test('nothing is written to a database whose schema_migrations is another program\'s', async (t) => {
  for (const columns of ['version varchar primary key', 'version bigint primary key, dirty boolean']) {
    const url = await createDatabase(t, { migrated: false })
    const sql = administrator(t, url)
    await sql.unsafe(`create table schema_migrations (${columns})`)
    await sql`insert into schema_migrations (version) values (1)`
    const error = await rejection(migrate(url, { log: listener().log }))
    t.match(error, { name: 'MigrationError', message: /another program's \(its columns are version/ })
    t.same([...await sql`select tablename from pg_tables where schemaname = 'public'`], [{ tablename: 'schema_migrations' }])
    t.equal((await sql`select from schema_migrations`).length, 1)
    t.match(await rejection(pending(sql)), { name: 'MigrationError', message: /another program's/ })
  }
})

t.test('a server older than PostgreSQL 15 is named as what it is', async (t) => {
  const url = await createDatabase(t, { migrated: false })
  const [row] = await administrator(t, url)`select current_setting('server_version_num') as number`
  const { port } = new URL(url)
  const old = await forward(t, Number(port), (chunk) =>
    Buffer.from(chunk.toString('latin1').replaceAll(String(row!.number), '140011'), 'latin1'))
  const error = await rejection(migrate(url.replace(`:${port}/`, `:${old}/`), { log: listener().log }))
  t.match(failureOf(error, url), { reason: 'the database server is older than PostgreSQL 15', lasting: true })
})

/** Forwards to a port of this machine, what comes back changed; answers where it listens. */
async function forward (t: Test, port: number, change = (chunk: Buffer) => chunk, at = 0): Promise<number> {
  const server: Server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.pipe(upstream)
    upstream.on('data', (chunk) => client.write(change(chunk)))
  }).listen(at, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('a refusal by pg_hba.conf is told from a wrong password', async (t) => {
  const folder = t.testdir({})
  const embedded = await startEmbedded({ dataDir: folder, log: listener().log, settings: { fsync: 'off' } })
  t.teardown(() => embedded.stop())
  const sql = administrator(t, embedded.url)
  const [row] = await sql`select current_database()::text as database`
  const files = readdirSync(folder, { recursive: true }) as string[]
  const path = join(folder, files.find((file) => file.endsWith('pg_hba.conf')) as string)
  writeFileSync(path, `host all refused all reject\n${readFileSync(path, 'utf8')}`)
  await sql`select pg_reload_conf()`
  await sql.unsafe(`create role refused login password '${PASSWORD}'`)
  const url = new URL(embedded.url)
  url.username = 'refused'
  url.password = PASSWORD
  const reason = 'the database accepts no connection of this user from here (pg_hba.conf)'
  const found = await inspectDatabase(url.href, { timeoutMs: 5000 })
  t.match(found, { reachable: false, code: '28000', reason, lasting: true })
  t.match(found, { remedy: new RegExp(`database "${row!.database}", user "refused"`) })
  t.equal(failureOf(await rejection(migrate(url.href, { log: listener().log })), url.href).reason, reason)
})

t.test('a database that comes later than the service is waited for: a WARNING, an ERROR while it lasts, then ready', async (t) => {
  const url = await createDatabase(t, { migrated: false })
  const { port } = new URL(url)
  const late = createServer().listen(0, '127.0.0.1')
  await once(late, 'listening')
  const { port: latePort } = late.address() as AddressInfo
  late.close()
  await once(late, 'close')
  const service = await start(t, url.replace(`:${port}/`, `:${latePort}/`))
  const reason = 'the database does not answer'
  t.match(await service.line(isNotReady), { level: 'WARNING', error_code: 'DATABASE_ERROR', extra: { reason } })
  t.same(JSON.parse((await ask(service, '/health/ready')).text), { status: 'not_ready', reason })
  await errors(service, 1)
  await forward(t, Number(port), undefined, latePort)
  await service.line(({ message }) => message === 'the service is ready')
  await isReady(service)
})

t.test('what the database refuses later is said as well', async (t) => {
  const { role, server, url, database, admin } = await prepare(t)
  await server.unsafe(`alter database ${database} owner to ${role}`)
  await admin.unsafe(`grant create on schema public to ${role}`)
  const service = await start(t, url.href)
  await service.line(({ message }) => message === 'the service is ready')
  await server.unsafe(`alter role ${role} nologin`)
  await server`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`
  const reason = 'the database user may not log in'
  await service.line(({ message, extra }) => message === 'the service is not ready' && extra?.['reason'] === reason)
  t.match(JSON.parse((await ask(service, '/health')).text), { checks: { database: { error: reason } } })
  const refused = await service.line(({ message }) => message === 'the database refuses the service')
  t.match(refused, { level: 'ERROR', error_code: 'DATABASE_ERROR', extra: { reason, remedy: /ALTER ROLE/ } })
  await server.unsafe(`alter role ${role} login`)
  await service.line(({ message, extra }) => message === 'health check recovered' && extra?.['check'] === 'database')
  await isReady(service)
})

t.test('with MIGRATE_ON_START=false, pending migrations are the reason until they are applied', async (t) => {
  const url = await createDatabase(t, { migrated: false })
  const service = await start(t, url, { MIGRATE_ON_START: 'false' })
  t.match(await service.line(isNotReady), { level: 'WARNING', error_code: 'MIGRATION_FAILED' })
  const reason = 'migrations are not applied yet'
  t.same(JSON.parse((await ask(service, '/health/ready')).text), { status: 'not_ready', reason })
  await service.line(({ message, extra }) => message === 'health check failed' && extra?.['reason'] === reason)
  t.equal((await ask(service, '/health')).status, 503)
  t.equal((await migrateCommand(url)).status, 0)
  await service.line(({ message }) => message === 'the service is ready')
})

t.test('a read-only database that has all migrations serves reads from the start', async (t) => {
  const url = await createDatabase(t)
  const sql = administrator(t, url)
  await sql.unsafe(`alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`)
  const service = await start(t, url)
  await service.line(({ message }) => message === 'the service is ready')
  await isReady(service)
})

t.test('a database that does not store UTF8: the service warns and check fails', async (t) => {
  const { server, ownerUrl } = await prepare(t)
  const name = `latin_${process.pid}`
  await server.unsafe(`create database ${name} encoding 'LATIN1' locale 'C' template template0`)
  t.teardown(() => server.unsafe(`drop database ${name} with (force)`))
  const url = new URL(ownerUrl)
  url.pathname = `/${name}`
  const service = await start(t, url.href)
  const warned = await service.line(({ error_code: code }) => code === 'DATABASE_ENCODING')
  t.match(warned, { level: 'WARNING', message: /LATIN1/ })
  await service.line(({ message }) => message === 'the service is ready')
  const { database_encoding: found } = await checksOf(t, url.href)
  t.match(found, { status: 'failed', message: /LATIN1/, remedy: /ENCODING 'UTF8'/ })
  t.match((await checksOf(t, ownerUrl)).database_encoding, { status: 'ok' })
})

t.test('of a role that migrates and one that serves, the one that is refused is named', async (t) => {
  const { url, role, ownerUrl } = await prepare(t)
  url.password = 'Wr0ng'
  const [migrating, serving] = await Promise.all([
    start(t, ownerUrl, { DATABASE_MIGRATION_URL: url.href }),
    start(t, url.href, { DATABASE_MIGRATION_URL: ownerUrl })
  ])
  t.match((await errors(migrating, 1))[0]?.extra, { remedy: new RegExp(`DATABASE_MIGRATION_URL.*"${role}"`) })
  t.match((await errors(serving, 1))[0]?.extra, { remedy: new RegExp(`in DATABASE_URL.*"${role}"`) })
})

t.test('a certificate that cannot be read is named as that', async (t) => {
  const { ownerUrl } = await prepare(t)
  const { database } = await checksOf(t, `${ownerUrl}?sslmode=verify-full&sslrootcert=/no/such.pem`)
  t.match(database, { status: 'failed', message: /a file that the database URL names/, remedy: /sslrootcert/ })
})

t.test('check looks at where migrations connect, and names the variable', async (t) => {
  const { url, ownerUrl } = await prepare(t)
  const migrating = await checksOf(t, ownerUrl, { DATABASE_MIGRATION_URL: url.href })
  t.match(migrating.migrations, { status: 'failed', remedy: /GRANT CREATE ON SCHEMA public TO "unusable_/ })
  t.match(migrating.database_migration_url, { status: 'ok' })
  url.password = 'Wr0ng'
  const wrong = await checksOf(t, ownerUrl, { DATABASE_MIGRATION_URL: url.href })
  t.match(wrong.database_migration_url, { status: 'failed', remedy: /in DATABASE_MIGRATION_URL/ })
})

import { createHash, randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { migrate, readMigrations } from '../../db/migrate.ts'
import { sharedPostgres } from './setup.ts'

/** The part of a tap test that is used here. */
interface Ending { teardown (end: () => Promise<void>): unknown }

const silent = { debug () {}, info () {}, warning () {}, error () {} }

/** Runs `work` with a superuser's connection to the test server. */
async function onServer<T> (url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

function withName (url: string, database: string): string {
  const address = new URL(url)
  address.pathname = `/${database}`
  return address.href
}

/** The URL of the test server: `DATABASE_URL_TEST`, or the server that all tests of a run share. */
export async function testServer (): Promise<string> {
  return process.env['DATABASE_URL_TEST'] ?? await sharedPostgres()
}

/** The template database with all migrations and no data, created by the first test that needs it. */
async function ensureTemplate (server: string): Promise<string> {
  const migrations = await readMigrations()
  const key = createHash('sha256')
    .update(JSON.stringify(migrations.map(({ version, checksum }) => [version, checksum])))
    .digest('hex')
  const name = `template_${key.slice(0, 16)}`
  await onServer(server, async (sql) => {
    const isThere = async () =>
      (await sql`select 1 from pg_database where datname = ${name} and datistemplate`).length > 0
    if (await isThere()) return
    await sql`select pg_advisory_lock(7236517, 1)`
    if (await isThere()) return
    // A database that is not a template is incomplete.
    await sql`drop database if exists ${sql(name)} with (force)`
    await sql`create database ${sql(name)} template template0`
    await migrate(withName(server, name), { log: silent })
    await sql`alter database ${sql(name)} with is_template true allow_connections false`
  })
  return name
}

let template: Promise<string> | undefined

/**
 * A database for one test, dropped when the test ends: with the service's schema, or empty if `migrated` is false.
 *
 * @returns its URL.
 */
export async function createDatabase (t: Ending, { migrated = true }: { migrated?: boolean } = {}): Promise<string> {
  const server = await testServer()
  const source = migrated ? await (template ??= ensureTemplate(server)) : 'template0'
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`
  await onServer(server, (sql) => sql`create database ${sql(name)} template ${sql(source)}`)
  t.teardown(async () => {
    await onServer(server, (sql) => sql`drop database if exists ${sql(name)} with (force)`)
  })
  return withName(server, name)
}

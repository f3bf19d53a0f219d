import { createHash, randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { migrate, readMigrations } from '../../db/migrate.ts'
import { sharedPostgres } from './setup.ts'

/** The part of a tap test that is needed here. */
interface Ending { teardown (end: () => Promise<void>): unknown }

const silent = { debug () {}, info () {}, warning () {}, error () {} }

/** A superuser's connection to the server of the tests, for as long as `work` takes. */
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

/** Where the tests' server is: `DATABASE_URL_TEST`, or one that all tests of a run share. */
export async function testServer (): Promise<string> {
  return process.env['DATABASE_URL_TEST'] ?? await sharedPostgres()
}

/** The database that has all migrations and nothing else, made by whoever needs it first. */
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
    // One that is no template was left half made.
    await sql`drop database if exists ${sql(name)} with (force)`
    await sql`create database ${sql(name)} template template0`
    await migrate(withName(server, name), { log: silent })
    await sql`alter database ${sql(name)} with is_template true allow_connections false`
  })
  return name
}

let template: Promise<string> | undefined

/**
 * A database of the test's own, dropped when the test ends: with the service's schema, or empty when `migrated` is
 * false.
 *
 * @returns where to connect.
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

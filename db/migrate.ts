import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { connectDirectly } from './driver/direct.ts'
import { parseAddress } from './driver/address.ts'
import { sqlState } from './driver/errors.ts'
import type { DatabaseLog } from './embedded/error.ts'
import { MigrationError } from './failure.ts'
import {
  findTarget, foreignTable, grantOf, refuseReadOnly, refuseTarget, refuseUnprivileged, type MigrationTarget
} from './migration-target.ts'

import { isSpread, listTables, MadeTables, spreadTables } from './spread.ts'

export { MigrationError } from './failure.ts'

/** One step of the schema: `0007-best-efforts.sql` is version 7, named `best-efforts`. */
export interface Migration {
  version: number
  name: string
  sql: string
  /** SHA-256 of the file, in hex. */
  checksum: string
  /** Its first line says `-- no transaction`: for `create index concurrently` and its like. */
  alone: boolean
}

/** Anything that runs SQL: postgres.js, or the service's own `Sql`. */
export type Query = (strings: TemplateStringsArray) => PromiseLike<object[]>

export interface MigrateOptions {
  log: DatabaseLog
  /** The folder of the migrations; the service's own by default. */
  dir?: string | URL
  /** How long to wait for another process that is migrating, in ms. */
  waitMs?: number
  /** How long one migration waits for the locks it needs, in ms, and how often it is tried. */
  lockMs?: number
  attempts?: number
  /** Called when a step begins: a migration, by its name, or the wait for another process. */
  onStep?: (step: string) => void
}

const OWN = new URL('./migrations/', import.meta.url)
/** How long a connection may take to be made. */
const CONNECT_MS = 10_000
/** The key of the advisory lock: two numbers that stand for "running-trainer migrations". */
const LOCK = [0x52756e54, 0x4d696772] as const

/** The migrations in a folder, in order. @throws MigrationError when a file's name is none, or two have one number. */
export async function readMigrations (dir: string | URL = OWN): Promise<Migration[]> {
  const folder = dir instanceof URL ? fileURLToPath(dir) : dir
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  const migrations = await Promise.all(names.map(async (file) => {
    const [, version, name] = /^(\d{4})-([a-z0-9-]+)\.sql$/.exec(file) ?? []
    if (version === undefined || name === undefined) { throw new MigrationError(`${file} is not the name of a migration: NNNN-what-it-does.sql`) }
    const sql = await readFile(`${folder}/${file}`, 'utf8')
    // The same migration with other line ends has the same checksum.
    const checksum = createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex')
    return { version: Number(version), name, sql, checksum, alone: /^-- no transaction\b/.test(sql) }
  }))
  for (const [index, { version }] of migrations.entries()) {
    if (migrations[index - 1]?.version === version) { throw new MigrationError(`Two migrations have the number ${version}.`) }
  }
  return migrations
}

const known = new Map<string, Promise<Migration[]>>()

/**
 * The migrations that the code has and the database lacks, as `0007-best-efforts`; none when it is up to date. One
 * small query: the files are read once.
 */
export async function pending (sql: Query, dir: string | URL = OWN): Promise<string[]> {
  const key = String(dir)
  let reading = known.get(key)
  if (reading === undefined) {
    reading = readMigrations(dir)
    reading.catch(() => known.delete(key))
    known.set(key, reading)
  }
  const migrations = await reading
  let applied: Set<number>
  try {
    const rows =
      await sql`/* listAppliedVersions */ select version, checksum from schema_migrations` as Array<{ version: number }>
    applied = new Set(rows.map(({ version }) => version))
  } catch (error) {
    // Undefined column: the table is not the one that `migrate` makes.
    if (sqlState(error) === '42703') throw foreignTable()
    if (sqlState(error) !== '42P01') throw error
    applied = new Set()
  }
  return migrations.filter(({ version }) => !applied.has(version)).map(label)
}

/**
 * Applies the pending migrations, and answers which they were. Any number of processes may do so at once: one works,
 * the others wait and then find nothing left to do. Each migration is applied whole or not at all, unless its first
 * line says otherwise; after a failure or a lost connection, the next call continues where this one ended.
 *
 * @param url where to connect, past any pooler: an advisory lock belongs to one session.
 * @throws MigrationError when a migration fails or was changed after it was applied, when another process migrates for
 *   too long, for a server older than PostgreSQL 15, where the role may not create tables, and where the table
 *   `schema_migrations` belongs to another program. An error of connecting is passed on as it is.
 */
export async function migrate (
  url: string,
  { log, dir = OWN, waitMs = 60_000, lockMs = 5000, attempts = 5, onStep = () => {} }: MigrateOptions
): Promise<{ applied: string[] }> {
  const migrations = await readMigrations(dir)
  const session = await connect(url, log)
  try {
    const target = await findTarget((strings) => session.sql(strings))
    refuseTarget(target)
    await take(session, waitMs, log, onStep)
    try {
      return {
        applied: await apply(session, target, migrations, {
          log,
          lockMs,
          attempts,
          onStep,
          spreads: await isSpread(session.sql)
        })
      }
    } finally {
      // A session that was lost has freed its lock already.
      await session.sql`/* unlockMigrations */ select pg_advisory_unlock(${LOCK[0]}::int, ${LOCK[1]}::int)`.catch(
        () => {}
      )
    }
  } finally {
    await session.end()
  }
}

/** The one connection that migrates. */
interface Session {
  sql <Row extends object>(strings: TemplateStringsArray, ...values: Array<string | number>): Promise<Row[]>
  /** Runs a text as it is, of several statements even. */
  run (text: string): Promise<void>
  end (): Promise<void>
}

async function connect (url: string, log: DatabaseLog): Promise<Session> {
  let isLost = false
  let lose: (error: Error) => void = () => {}
  const lost = new Promise<never>((_resolve, reject) => { lose = reject })
  lost.catch(() => {})
  const driver = await connectDirectly(parseAddress(url), CONNECT_MS, {
    onnotice: (notice) => log.debug('notice of a migration', { notice: notice['message'] }),
    onclose: () => {
      isLost = true
      // Later than the driver's own error, which says more, where there is one.
      setTimeout(lose, 50, new Error('The connection to the database was lost'))
    }
  })
  const guarded = async <T>(run: () => PromiseLike<T>): Promise<T> => isLost ? lost : Promise.race([run(), lost])
  return {
    sql: async <Row extends object>(strings: TemplateStringsArray, ...values: Array<string | number>) =>
      guarded(async () => [...await driver<Row[]>(strings, ...values)] as Row[]),
    run: async (text) => { await guarded(() => driver.unsafe(text)) },
    // The driver's `end` never resolves for a connection that was lost.
    end: () => Promise.race([driver.end({ timeout: 2 }), delay(isLost ? 0 : 4000, undefined, { ref: isLost })])
  }
}

function label ({ version, name }: { version: number, name: string }): string {
  return `${String(version).padStart(4, '0')}-${name}`
}

/**
 * Takes the lock. It is polled rather than waited for in the server, because a `create index concurrently` of the
 * holder would wait for our statement.
 */
async function take (
  { sql }: Session,
  waitMs: number,
  log: DatabaseLog,
  onStep: (step: string) => void
): Promise<void> {
  const deadline = performance.now() + waitMs
  for (let told = false; ; told = true) {
    const [row] = await sql<{
      taken: boolean
    }>`/* lockMigrations */ select pg_try_advisory_lock(${LOCK[0]}::int, ${LOCK[1]}::int) as taken`
    if (row?.taken === true) return
    if (performance.now() > deadline) {
      throw new MigrationError(
        `Another process has been migrating the database for more than ${Math.round(waitMs / 1000)} s. ` +
          'Wait for it, or end its session, and start again.',
        { reason: 'another process is migrating the database', lasting: false }
      )
    }
    if (!told) {
      onStep('wait')
      log.info('waits for another process that migrates the database', {})
    }
    await delay(50 + Math.random() * 50)
  }
}

interface Applied { version: number, name: string, checksum: string }

interface Applying extends Required<Pick<MigrateOptions, 'log' | 'lockMs' | 'attempts' | 'onStep'>> {
  /** Whether the tables are spread over a cluster, so that what is made is spread as well. */
  spreads: boolean
}

async function apply (
  session: Session,
  target: MigrationTarget,
  migrations: Migration[],
  applying: Applying
): Promise<string[]> {
  const { log, onStep } = applying
  const { sql } = session
  await sql`/* unboundMigrations */ select set_config('statement_timeout', '0', false)`
  if (target.columns === null) await createTable(session, target)
  const rows =
    await sql<Applied>`/* listApplied */ select version, name, checksum from schema_migrations order by version`
  const applied = new Map(rows.map((row) => [row.version, row]))
  for (const migration of migrations) {
    const before = applied.get(migration.version)
    if (before !== undefined && before.checksum !== migration.checksum) {
      throw new MigrationError(
        `Migration ${label(migration)} is not the one that was applied (${label(before)}): a migration is never changed once landed. ` +
          'Restore the file, and put the change into a new one.'
      )
    }
  }
  const newest = migrations.at(-1)?.version ?? 0
  const unknown = rows.filter((row) => !migrations.some(({ version }) => version === row.version))
  if (unknown.length > 0) {
    log.warning('the database has migrations that this version does not know', {
      error_code: 'DATABASE_ERROR',
      migrations: unknown.map(label)
    })
  }
  const done: string[] = []
  for (const migration of migrations) {
    if (applied.has(migration.version)) continue
    refuseReadOnly(target)
    const later = rows.find(({ version }) => version > migration.version && version <= newest)
    if (later !== undefined) {
      log.warning('a migration is applied after a later one', { migration: label(migration), after: label(later) })
    }
    onStep(label(migration))
    await applyOne(session, target, migration, applying)
    done.push(label(migration))
  }
  return done
}

/** Another process may create it at the same time. */
async function createTable ({ sql }: Session, target: MigrationTarget): Promise<void> {
  refuseReadOnly(target)
  refuseUnprivileged(target)
  await sql`
    /* createMigrations */ create table if not exists schema_migrations (
      version integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now()
    )
  `
}

async function applyOne (
  session: Session,
  target: MigrationTarget,
  migration: Migration,
  { log, lockMs, attempts, spreads }: Applying
): Promise<void> {
  const began = performance.now()
  for (let attempt = 1; ; attempt++) {
    try {
      await (migration.alone ? runAlone : runWhole)(session, migration, lockMs, spreads)
      log.info('migration applied', { migration: label(migration), duration_ms: Math.round(performance.now() - began) })
      return
    } catch (error) {
      // 55P03: not given a lock in time, since the table is in use; 40P01: a deadlock.
      if (!['55P03', '40P01'].includes(sqlState(error) ?? '') || attempt === attempts) {
        throw failed(migration, target, error)
      }
      log.warning('migration did not get the locks it needs and is tried again', {
        error_code: 'DATABASE_ERROR',
        migration: label(migration),
        attempt
      })
      await delay(Math.min(100 * 2 ** attempt, 2000) * (0.5 + Math.random()))
    }
  }
}

/** The server's message goes into the log; it may quote names and values, so the reason has its SQLSTATE alone. */
function failed (migration: Migration, target: MigrationTarget, error: unknown): MigrationError {
  const message = error instanceof Error ? error.message : String(error)
  const state = sqlState(error)
  const remedy = state !== '42501'
    ? 'Put right what the message names; the migration is applied whole at the next attempt.'
    : target.may_create
      ? 'Let the role that owns the tables migrate: name it in DATABASE_MIGRATION_URL.'
      : grantOf(target)
  const why = state === '42501' ? ': the database user may not do what it does' : state && ` (SQLSTATE ${state})`
  return new MigrationError(`Migration ${label(migration)} failed: ${message}`, {
    cause: error,
    reason: `migration ${label(migration)} failed${why ?? ''}`,
    remedy,
    lasting: state === undefined || !/^(08|40|53|55|57)/.test(state)
  })
}

/** Applies and records the migration in one transaction. */
async function runWhole (session: Session, migration: Migration, lockMs: number, spreads: boolean): Promise<void> {
  const { sql, run } = session
  const transaction = () => sql<{ id: string }>`/* findTransaction */ select pg_current_xact_id()::text as id`
  await run('begin')
  try {
    await sql`/* boundMigration */ select set_config('lock_timeout', ${String(lockMs)}, true)`
    const [before] = await transaction()
    await runStatements(session, migration, spreads, async () => await spreadMade(session))
    const [after] = await transaction()
    if (after?.id !== before?.id) { throw new MigrationError('it ends its transaction itself, so part of it may have been applied') }
    await note(sql, migration)
    await run('commit')
  } catch (error) {
    await run('rollback').catch(() => {})
    throw error
  }
}

/**
 * Runs the statements one by one, outside a transaction, and records the migration when all are done. After a failure
 * the statements before it stay done, so they must be repeatable.
 */
async function runAlone (session: Session, migration: Migration, lockMs: number, spreads: boolean): Promise<void> {
  const { sql, run } = session
  await sql`/* boundMigration */ select set_config('lock_timeout', ${String(lockMs)}, false)`
  await runStatements(session, migration, spreads, async () => {
    await run('begin')
    try {
      await spreadMade(session)
      await run('commit')
    } catch (error) {
      await run('rollback').catch(() => {})
      throw error
    }
  })
  await note(sql, migration)
}

/**
 * Runs the statements one by one: sent together they would form one transaction, and a cluster refuses several in one
 * text. Over a cluster, tables are spread as soon as they are made.
 */
async function runStatements (
  { run }: Session,
  { sql: text }: Migration,
  spreads: boolean,
  spread: () => Promise<void>
): Promise<void> {
  const made = new MadeTables()
  for (const statement of split(text)) {
    if (spreads && made.isBefore(statement)) await spread()
    await run(statement)
  }
  if (spreads) await spread()
}

async function spreadMade ({ sql, run }: Session): Promise<void> {
  await spreadTables(sql, run, await listTables(sql))
}

async function note (sql: Session['sql'], { version, name, checksum }: Migration): Promise<void> {
  await sql`/* insertMigration */ insert into schema_migrations (version, name, checksum) values (${version}, ${name}, ${checksum})`
}

/**
 * A string, a name, a comment, a dollar-quoted body, the semicolon that ends a statement, or any other character.
 */
const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$([A-Za-z_]\w*|)\$[\s\S]*?\$\1\$|;|[\s\S]/g

/** The statements of a file, without their semicolons and without comments. */
function split (text: string): string[] {
  const statements = ['']
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === ';') statements.push('')
    else statements.push(statements.pop() + (/^(--|\/\*)/.test(token) ? ' ' : token))
  }
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '')
}

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import t from 'tap'
import { inspectDatabase, type Reachable } from '../../db/inspect.ts'
import { migrate, MigrationError } from '../../db/migrate.ts'
import { spread } from '../../db/spread-database.ts'
import { createDatabase } from '../harness/database.ts'
import { installFakeCitus } from '../harness/fake-citus.ts'
import { listener } from '../harness/listener.ts'

const url = await createDatabase(t)
const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
t.teardown(() => sql.end({ timeout: 5 }))
const { log } = listener()

async function refusal (): Promise<{ reason: string, remedy: string }> {
  try {
    await spread(url)
  } catch (error) {
    if (error instanceof MigrationError) return error.failure
    throw error
  }
  throw new Error('It was not refused')
}

const cluster = async () => (await inspectDatabase(url, { timeoutMs: 5000 }) as Reachable).cluster
const spreadTables = async () =>
  (await sql<Array<{ name: string }>>`select logicalrelid::text as name from pg_dist_partition order by 1`)
    .map(({ name }) => name)
const runners = (await sql<Array<{ name: string }>>`
  select c.relname as name from pg_index i
  join pg_class c on c.oid = i.indrelid
  join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
  where i.indisprimary and a.attname = 'user_id' and c.relnamespace = 'public'::regnamespace
  order by c.relname`).map(({ name }) => name)

t.test('a single server is not spread, and check does not speak of it', async (t) => {
  t.match(await refusal(), { reason: /not part of a Citus cluster/, remedy: /create extension citus/ })
  t.equal(await cluster(), undefined)
})

t.test('what stands in the way is refused, with what to do about it', async (t) => {
  await installFakeCitus(sql)
  t.match(await cluster(), { workers: 2, isSpread: false, problem: undefined })
  for (const [cause, undo, expected] of [
    ['update pg_dist_local_group set groupid = 1', 'update pg_dist_local_group set groupid = 0', {
      reason: /not the coordinator/,
      remedy: /Name the coordinator in DATABASE_URL/
    }],
    ['update pg_dist_node set isactive = groupid = 0', 'update pg_dist_node set isactive = true', {
      reason: /no workers/,
      remedy: /citus_add_node/
    }],
    ['update schema_migrations set version = -2 where version = 2', 'update schema_migrations set version = 2 where version = -2', {
      reason: /migrations are not applied yet: 0002-plans/,
      remedy: /npm run migrate/
    }],
    ["update pg_dist_node set timezone = 'Europe/Berlin' where nodeid = 3", "update pg_dist_node set timezone = 'UTC'", {
      reason: /node 3 keeps the time zone Europe\/Berlin/,
      remedy: /alter system set timezone = 'UTC'/
    }],
    [
      'alter table activities add constraint clearing foreign key (user_id, gear_id) references gear on delete set null (gear_id)',
      'alter table activities drop constraint clearing',
      { reason: /clear columns.*clearing/ }
    ]
  ] as const) {
    await sql.unsafe(cause)
    t.match(await refusal(), expected)
    t.same(await spreadTables(), [])
    await sql.unsafe(undo)
  }
})

t.test('nothing is spread where one table cannot be', async (t) => {
  await sql`create function nothing() returns trigger language plpgsql as 'begin return new; end'`
  await sql`create trigger nothing after insert on plans for each row execute function nothing()`
  await t.rejects(spread(url), /triggers are not supported/)
  t.same(await spreadTables(), [])
  await sql`drop trigger nothing on plans`
})

t.test('every table of runners is spread, parents first, and a repetition changes nothing', async (t) => {
  const keys = async () => (await sql`
    select conrelid::regclass::text as table, conname, pg_get_constraintdef(oid) as definition
    from pg_constraint where contype = 'f' order by 1, 2`).map((row) => ({ ...row }))
  const before = await keys()
  t.same((await spread(url)).sort(), runners)
  t.same(await spreadTables(), runners)
  t.same(await keys(), before, 'the foreign keys are what they were')
  const calls = await sql<Array<{ call: string }>>`select call from fake_calls`
  t.equal(calls[0]?.call, 'users sequential')
  t.ok(calls.every(({ call }) => call.endsWith(' sequential')))
  t.same(await spread(url), [])
  t.match(await cluster(), { workers: 2, isSpread: true, problem: undefined })
})

t.test('a table that a migration makes is spread by it, before another one refers to it', async (t) => {
  const dir = t.testdir({})
  const write = (name: string, text: string) => writeFileSync(join(dir, name), text)
  write('9001-shoes.sql', `
    create table shoes (user_id uuid references users on delete cascade, shoe_id uuid, photo bytea, primary key (user_id, shoe_id));
    alter table shoes alter column photo set storage external;
    alter table plans add column shoe_id uuid;
    alter table plans add constraint plans_shoe foreign key (user_id, shoe_id) references shoes not valid;
    create table look_ups (name text primary key);
  `)
  write('9002-laces.sql', `-- no transaction
    create table if not exists laces (
      user_id uuid, shoe_id uuid, lace_id uuid, primary key (user_id, lace_id),
      foreign key (user_id, shoe_id) references shoes on delete cascade
    );
    create index concurrently if not exists laces_of on laces (user_id, shoe_id);
  `)
  await migrate(url, { log, dir })
  t.same(await spreadTables(), [...runners, 'laces', 'shoes'].sort())
  await sql`create table forgotten (user_id uuid primary key references users on delete cascade)`
  t.match(await cluster(), { problem: { problem: /forgotten/, remedy: /npm run spread/ } })
  t.same(await spread(url), ['forgotten'])
})

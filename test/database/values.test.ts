import t from 'tap'
import { parseAddress } from '../../db/driver/address.ts'
import { isReadOnly } from '../../db/driver/statement-text.ts'
import { columns, fragment, identifier, json, sqlState, transaction } from '../../db/sql.ts'
import type { Sql } from '../../db/sql.ts'
import { createDatabase } from '../harness/database.ts'
import { bareDriver, openDatabase, rejection } from '../harness/open-database.ts'

const url = await createDatabase(t, { migrated: false })
const admin = bareDriver(t, url)
await admin`create table gear (id int primary key, name text not null, km int not null default 0, tags text[], about jsonb)`

t.test('a date is stored as it was given or not at all', async (t) => {
  const { sql } = openDatabase(t, url)

  await t.test('the bare driver stores the 30th of February as the 1st of March', async (t) => {
    const bare = bareDriver(t, url)
    const [row] = await bare`select ${'2024-02-30'}::date::text as day`
    t.equal(row?.day, '2024-03-01')
    const thrown = await rejection(
      bare`select 'infinity'::timestamptz as at, to_jsonb(now()) as now`.then(([row]) => row?.at.toISOString())
    )
    t.equal(thrown.message, 'Invalid time value')
  })

  t.equal(sqlState(await rejection(sql`select ${'2024-02-30'}::date as day`)), '22008')
  t.equal(sqlState(await rejection(sql`select ${'2024-13-01'}::date as day`)), '22008')
  t.equal(sqlState(await rejection(sql`select ${'yesterday-ish'}::timestamptz as at`)), '22007')
  const [row] = await sql`
    select ${'2024-02-29'}::date as day, ${'2024-03-31 02:30:00 Europe/Berlin'}::timestamptz as spring, ${'2024-10-27T02:30:00+02:00'}::timestamptz as autumn,
      ${'2024-01-15T10:30:00.1239Z'}::timestamptz as fine, ${'infinity'}::timestamptz as never, ${'-infinity'}::date as before, ${'0044-03-15 BC'}::date as ides,
      ${'2024-01-15 10:30:00'}::timestamp as local, ${new Date(0)}::timestamptz as epoch, ${'12024-01-01T00:00Z'}::timestamptz as far, ${'1999-12-31T23:59:59Z'}::timestamptz as whole,
      array[${'2024-01-15T10:30:00Z'}::timestamptz] as instants, ${['2024-02-29']}::date[] as days
  `
  t.strictSame(row, {
    day: '2024-02-29',
    spring: '2024-03-31T01:30:00.000Z',
    autumn: '2024-10-27T00:30:00.000Z',
    fine: '2024-01-15T10:30:00.123Z',
    never: 'infinity',
    before: '-infinity',
    ides: '0044-03-15 BC',
    local: '2024-01-15 10:30:00',
    epoch: '1970-01-01T00:00:00.000Z',
    far: '12024-01-01 00:00:00+00',
    whole: '1999-12-31T23:59:59.000Z',
    instants: ['2024-01-15T10:30:00.000Z'],
    days: ['2024-02-29']
  })
})

t.test('values arrive as they are meant', async (t) => {
  const { sql } = openDatabase(t, url)
  const awkward = ['a', 'with "quotes"', 'back\\slash', '{braces},', '', 'NULL', 'ünï', "it's"]
  const [row] = await sql`
    select ${awkward}::text[] as texts, ${[1, null, 3]}::int[] as numbers, ${[true, false]}::boolean[] as flags, ${[]}::int[] as none, ${[
      [1, 2],
      [3, 4]
    ]}::int[] as table,
      ${['0190b3f4-0000-7000-8000-000000000000']}::uuid[] as ids, 2 = any(${[1, 2]}::int[]) as found, ${[0.5, -1e300]}::float8[] as floats, '[0:1]={1,2}'::int[] as from_zero,
      array['{"a":[1]}'::jsonb] as documents,
      ${json({ a: ['x', null] })}::jsonb as object, ${json('text')}::jsonb as string, ${json([1, 2])}::jsonb as list, ${json(null)}::jsonb as nothing,
      ${'true'}::boolean as said_true, ${false}::boolean as no, count(*) as count, ${9007199254740991n}::bigint as big, ${'1.50'}::numeric as exact,
      ${Buffer.from([0, 255])}::bytea as bytes, ${1.5}::float8 as float, ${null}::text as missing
  `
  t.strictSame(row, {
    texts: awkward,
    numbers: [1, null, 3],
    flags: [true, false],
    none: [],
    table: [[1, 2], [3, 4]],
    ids: ['0190b3f4-0000-7000-8000-000000000000'],
    found: true,
    floats: [0.5, -1e300],
    from_zero: [1, 2],
    documents: [{ a: [1] }],
    object: { a: ['x', null] },
    string: 'text',
    list: [1, 2],
    nothing: null,
    said_true: true,
    no: false,
    count: 1,
    big: 9007199254740991,
    exact: '1.50',
    bytes: Buffer.from([0, 255]),
    float: 1.5,
    missing: null
  })

  const missing = await rejection(sql`/* findGear */ select ${1}::int, ${undefined as never}::int`)
  t.ok(missing instanceof TypeError)
  t.match(missing.message, /Value 2 of statement findGear is undefined/)
  t.throws(() => fragment`x = ${undefined as never}`, TypeError)
  t.throws(() => json(undefined), TypeError)
  t.ok((await rejection(sql`select ${{ a: 1 } as never}`)) instanceof TypeError, 'an object is given by json()')
  t.ok(
    (await rejection(sql`select ${sql`select 1` as never}`)) instanceof TypeError,
    'a statement that was not awaited is no value'
  )
  t.equal(sqlState(await rejection(sql`select ${'a\0b'}::text`)), '22021')
  t.equal(sqlState(await rejection(sql`select ${'abc'}::uuid`)), '22P02')
  t.equal(sqlState(await rejection(sql`select ${[1, 2]}::jsonb`)), '22P02', 'a list is an SQL array: json() is a JSON one')
  t.equal(sqlState(await rejection(sql`select ${2 ** 40}::int`)), '22003')
})

t.test('statements are put together from fragments', async (t) => {
  const { sql } = openDatabase(t, url)
  await sql`insert into gear ${columns(
    [
      { id: 1, name: 'old', tags: ['red', 'flat'], about: json({ drop_mm: 4 }) },
      { id: 2, name: 'new', tags: null, about: null }
    ],
    'id',
    'name',
    'tags',
    'about'
  )}`
  await sql`update gear set ${columns({ name: 'older', km: 900 })} where id = 1`
  t.throws(() => columns({}), TypeError)
  t.ok((await rejection(sql`update gear set ${columns([{ km: 1 }, { km: 2 }])}`)) instanceof TypeError)
  const onlyTagged = fragment`and tags @> ${['red']}::text[]`
  const find = (filter: ReturnType<typeof fragment>) =>
    sql`select id, name, km, tags, about from gear where id = any(${[1, 2]}::int[]) ${filter} order by ${identifier('id')}`
  t.match(await find(onlyTagged), [{ id: 1, name: 'older', km: 900, tags: ['red', 'flat'], about: { drop_mm: 4 } }])
  t.equal((await find(onlyTagged)).length, 1, 'a fragment can be used again')
  t.equal((await find(fragment``)).length, 2)
  t.match(await sql`select id from gear where true ${[fragment`and id > ${0}`, fragment`and id < ${2}`]}`, [{ id: 1 }])
  t.match(await rejection(Promise.resolve(onlyTagged as never)), { message: /A fragment is a piece of SQL/ })
  await sql`update gear set ${columns({ km: fragment`km + ${5}` })} where id = 1`
  t.match(await sql`select km from gear where id = 1`, [{ km: 905 }], 'a column can be set to an expression')
  t.strictSame(await sql`select 1 as ${identifier('a "quoted" name')}`, [{ 'a "quoted" name': 1 }])
})

t.test(
  'a statement is the text of the fragments it has each time, also where the place in the code is one',
  async (t) => {
    const { sql } = openDatabase(t, url)
    const [both, one] = [fragment`1 as a, 2 as b`, fragment`3 as a`]
    const select = (columns: typeof both, value: number) => sql`/* pieces */ select ${columns}, ${value}::int as value`
    t.strictSame(await select(both, 4), [{ a: 1, b: 2, value: 4 }])
    t.strictSame(await select(both, 5), [{ a: 1, b: 2, value: 5 }])
    t.strictSame(await select(one, 6), [{ a: 3, value: 6 }])
    t.strictSame(await select(fragment`${7}::int as a`, 8), [{ a: 7, value: 8 }])
    t.strictSame(await select(both, 9), [{ a: 1, b: 2, value: 9 }])
  }
)

t.test('a value is written once, also where the server has forgotten the statement and is sent it again', async (t) => {
  const { sql } = openDatabase(t, url, { poolSize: 1 })
  await sql`create table if not exists notes (note jsonb, bytes bytea)`
  const insert = () =>
    sql`/* insertNote */ insert into notes (note, bytes) values (${json({ a: 1 })}, ${Buffer.from('hi')})`
  await insert()
  await sql`deallocate all`
  await insert()
  t.strictSame(await sql`select note, encode(bytes, 'escape') as text from notes`, [
    { note: { a: 1 }, text: 'hi' },
    { note: { a: 1 }, text: 'hi' }
  ])
})

t.test('a value that cannot be written is the error of its own statement', async (t) => {
  const { sql, log } = openDatabase(t, url, { poolSize: 1 })
  const moment = (at: Date) => sql`/* moment */ select ${at}::timestamptz as at`
  await moment(new Date(0))
  const [before, wrong, after] = await Promise.allSettled([
    sql`select pg_sleep(0.05)`,
    moment(new Date(Number.NaN)),
    moment(new Date(0))
  ])
  t.match([before.status, after.status], ['fulfilled', 'fulfilled'])
  t.match(wrong, { status: 'rejected', reason: { message: /Invalid time value/ } })
  t.notMatch(JSON.stringify(log.lines), /lost/)
})

t.test('an error says what is wrong and nothing about the data', async (t) => {
  const { sql, log } = openDatabase(t, url)
  const secret = 'runner@example.org'
  const everything = (error: unknown): string =>
    error instanceof Error
      ? Object.getOwnPropertyNames(error)
        .map((name) => `${name}: ${String((error as unknown as Record<string, unknown>)[name])}`)
        .join('\n') + everything(error.cause)
      : ''
  await sql`create table if not exists people (email text primary key)`
  const insert = () => sql`/* insertPerson */ insert into people (email) values (${secret})`
  await insert()

  await t.test('the bare driver hangs the parameters on its error', async (t) => {
    const bare = bareDriver(t, url)
    t.match(everything(await rejection(bare`insert into people (email) values (${secret})`)), secret)
  })

  const error = await rejection(insert())
  t.equal(error.name, 'PostgresError')
  t.match(error, { code: '23505', constraint_name: 'people_pkey', table_name: 'people', statement: 'insertPerson' })
  t.match(error.stack, /PostgresError: duplicate key/)
  t.notMatch(everything(error), secret)
  const undefinedValue = await rejection(sql`select ${secret}, ${undefined as never}`)
  t.match(undefinedValue.message, /Value 2 of statement unnamed is undefined/)
  t.notMatch(everything(undefinedValue), secret)
  t.notMatch(JSON.stringify(log.lines), secret)
})

t.test('a statement is taken for one that only reads where it surely is', (t) => {
  const reads = [
    'select 1',
    '/* findPlan */ select updated_at, deleted from plans',
    '\n  /* listPlans */\n    with own as (select 1) select * from own',
    'SELECT pg_sleep(1)'
  ]
  const writes = [
    'insert into plans values (1)',
    '/* select */ update plans set name = 1',
    'with gone as (delete from plans returning 1) select count(*) from gone',
    'merge into plans using other on true when matched then delete',
    'select * into copy from plans',
    'select 1 from plans for update',
    'select 1 from plans for no key update',
    'select 1 from plans for share',
    'select 1 from plans for key share skip locked',
    "select nextval('numbers')",
    "select set_config('a.b', '', false)",
    'select pg_advisory_lock(1)',
    'select pg_try_advisory_xact_lock(1)',
    "select pg_notify('a', 'b')",
    'select pg_terminate_backend(1)',
    'explain analyze delete from plans',
    'begin',
    ''
  ]
  t.strictSame(reads.filter((text) => !isReadOnly(text)), [])
  t.strictSame(writes.filter((text) => isReadOnly(text)), [])
  t.end()
})

/** Each is read as follows, and nothing else, under the settings a host may have chosen for a role or a database. */
const READ = {
  bytes: Buffer.from([0, 92, 65, 255, 39]),
  none: Buffer.alloc(0),
  several: [Buffer.from([0, 92]), Buffer.from('a"b')],
  at: '2024-03-31T01:30:00.000Z',
  day: '2024-03-01',
  sum: 0.1 + 0.2,
  sums: [0.1 + 0.2],
  nothing: [null, 'NULL'],
  text: 'back\\slash',
  document: { at: '2024-03-31T01:30:00+00:00', sum: 0.1 + 0.2 },
  span: '1 day 02:00:00'
}
const SETTINGS = [
  ["bytea_output = 'escape'"],
  ["DateStyle = 'German, DMY'"],
  ["TimeZone = 'America/St_Johns'"],
  ["IntervalStyle = 'sql_standard'"],
  ['extra_float_digits = -15'],
  ['array_nulls = off'],
  ['standard_conforming_strings = off'],
  ["client_encoding = 'LATIN1'"]
]

for (const [setting] of SETTINGS) {
  t.test(`values are the same where the database has ${setting}`, async (t) => {
    const { database } = parseAddress(url)
    await admin.unsafe(`alter database ${database} set ${setting}`)
    t.teardown(() => admin.unsafe(`alter database ${database} reset all`))
    const { sql } = openDatabase(t, url)
    const read = (sql: Sql) => sql`
      select ${READ.bytes}::bytea as bytes, ${READ.none}::bytea as none, ${READ.several}::bytea[] as several,
        ${READ.at}::timestamptz as at, ${READ.day}::date as day, ${READ.sum}::float8 as sum, ${READ.sums}::float8[] as sums,
        ${READ.nothing}::text[] as nothing, 'back\\slash' as text, ${READ.span}::interval as span,
        jsonb_build_object('at', ${READ.at}::timestamptz, 'sum', ${READ.sum}::float8) as document
    `
    t.strictSame(await read(sql), [READ])
    t.strictSame(await transaction(sql, read), [READ])
  })
}

t.test('both forms of bytea are read, also of a session that was not asked for the one', async (t) => {
  const { sql } = openDatabase(t, url, { poolSize: 1 })
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  for (const form of ['escape', 'hex']) {
    await sql`select set_config('bytea_output', ${form}, false)`
    t.strictSame(await sql`select ${every}::bytea as bytes, ${[every]}::bytea[] as list`, [{ bytes: every, list: [every] }])
  }
})

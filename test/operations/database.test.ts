import t from 'tap'
import type { Sql } from '../../db/sql.ts'
import { columns, DatabaseError, fragment, identifier, json, sqlState, transaction } from '../../db/sql.ts'
import { createDatabase } from '../database.ts'
import { bareDriver, kindOf, openDatabase, pause, rejection, running, until, untilIdle, within } from './open-database.ts'

/** Where so many wait for each other. */
function meeting (size: number): () => Promise<void> {
  let open = () => {}
  const all = new Promise<void>((resolve) => { open = resolve })
  return () => {
    if (--size === 0) open()
    return all
  }
}

const url = await createDatabase(t)
const admin = bareDriver(t, url)
await admin`create table gear (id int primary key, name text not null, km int not null default 0, tags text[], about jsonb, bought date)`

t.test('a date is stored as it was given or not at all', async (t) => {
  const { sql } = openDatabase(t, url)

  await t.test('the bare driver stores the 30th of February as the 1st of March', async (t) => {
    const bare = bareDriver(t, url)
    const [row] = await bare`select ${'2024-02-30'}::date::text as day`
    t.equal(row?.day, '2024-03-01')
    const thrown = await rejection(bare`select 'infinity'::timestamptz as at, to_jsonb(now()) as now`.then(([row]) => row?.at.toISOString()))
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
    select ${awkward}::text[] as texts, ${[1, null, 3]}::int[] as numbers, ${[true, false]}::boolean[] as flags, ${[]}::int[] as none, ${[[1, 2], [3, 4]]}::int[] as table,
      ${['0190b3f4-0000-7000-8000-000000000000']}::uuid[] as ids, 2 = any(${[1, 2]}::int[]) as found, ${[0.5, -1e300]}::float8[] as floats, '[0:1]={1,2}'::int[] as from_zero,
      array['{"a":[1]}'::jsonb] as documents,
      ${json({ a: ['x', null] })}::jsonb as object, ${json('text')}::jsonb as string, ${json([1, 2])}::jsonb as list, ${[1, 2]}::jsonb as bare_list, ${json(null)}::jsonb as nothing,
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
    bare_list: [1, 2],
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
  t.ok(await rejection(sql`select ${sql`select 1` as never}`) instanceof TypeError, 'a statement that was not awaited is no value')
  t.equal(sqlState(await rejection(sql`select ${'a\0b'}::text`)), '22021')
  t.equal(sqlState(await rejection(sql`select ${'abc'}::uuid`)), '22P02')
  t.equal(sqlState(await rejection(sql`select ${2 ** 40}::int`)), '22003')
})

t.test('statements are put together from fragments', async (t) => {
  const { sql } = openDatabase(t, url)
  await sql`insert into gear ${columns([{ id: 1, name: 'old', tags: ['red', 'flat'], about: json({ drop_mm: 4 }) }, { id: 2, name: 'new', tags: null, about: null }], 'id', 'name', 'tags', 'about')}`
  await sql`update gear set ${columns({ name: 'older', km: 900 })} where id = 1`
  const onlyTagged = fragment`and tags @> ${['red']}::text[]`
  const find = (filter: ReturnType<typeof fragment>) => sql`select id, name, km, tags, about from gear where id = any(${[1, 2]}::int[]) ${filter} order by ${identifier('id')}`
  t.match(await find(onlyTagged), [{ id: 1, name: 'older', km: 900, tags: ['red', 'flat'], about: { drop_mm: 4 } }])
  t.equal((await find(onlyTagged)).length, 1, 'a fragment can be used again')
  t.equal((await find(fragment``)).length, 2)
  t.match(await sql`select id from gear where true ${[fragment`and id > ${0}`, fragment`and id < ${2}`]}`, [{ id: 1 }])
  t.match(await rejection(Promise.resolve(onlyTagged)), { message: /A fragment is a piece of SQL/ })
})

t.test('an error says what is wrong and nothing about the data', async (t) => {
  const { sql, log } = openDatabase(t, url)
  const secret = 'runner@example.org'
  const everything = (error: unknown): string => error instanceof Error
    ? Object.getOwnPropertyNames(error).map((name) => `${name}: ${String((error as unknown as Record<string, unknown>)[name])}`).join('\n') + everything(error.cause)
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
  const undefinedValue = await rejection(sql`select ${secret}, ${json(undefined)}`)
  t.match(undefinedValue.message, /Undefined values are not allowed/)
  t.notMatch(everything(undefinedValue), secret)
  t.notMatch(JSON.stringify(log.lines), secret)
})

t.test('who waits for a connection waits in line, only so long, and only with so many others', async (t) => {
  const acquired: number[] = []
  const { sql, stats } = openDatabase(t, url, { poolSize: 1, maxWaiting: 3, acquireTimeoutMs: 300, observe: { query () {}, acquire: (seconds) => acquired.push(seconds) } })

  await t.test('the bare driver lets them wait without end, whatever its connect timeout', async (t) => {
    const bare = bareDriver(t, url, { max: 1, connect_timeout: 1 })
    const slow = bare`select pg_sleep(1.6)`.execute()
    t.equal(await within(1300, Promise.all([1, 2].map(() => bare`select 1`))), 'pending')
    await slow
  })

  await sql`select 1`
  const slow = sql`/* slow */ select pg_sleep(0.8)`
  const waiting = [1, 2, 3].map(() => sql`select 1`)
  t.equal(stats().waiting, 3)
  t.equal(await kindOf(sql`select 1`), 'queue_full')
  t.strictSame(await Promise.all(waiting.map(kindOf)), ['acquire_timeout', 'acquire_timeout', 'acquire_timeout'])
  t.equal(await within(0, slow), 'pending', 'told before the slow one ended')
  await slow
  const order: number[] = []
  await Promise.all([1, 2, 3].map(async (i) => { await sql`select 1`; order.push(i) }))
  t.strictSame(order, [1, 2, 3])
  t.ok(acquired.some((seconds) => seconds >= 0.3), 'the waits are observed')
  t.strictSame(stats(), { active: 0, idle: 1, connecting: 0, max: 1, waiting: 0, oldestWaitMs: 0 })
})

t.test('a fast query does not stand behind a slow one while a connection is free', async (t) => {
  const overtakes = async (sql: (strings: TemplateStringsArray, ...values: never[]) => Promise<unknown>) => {
    const slow = Array.from({ length: 2 }, () => sql`select pg_sleep(0.1)`)
    slow.push(sql`select pg_sleep(1.2)`)
    // More than there are connections: in the bare driver some of these are written behind the slow ones.
    const fast = Array.from({ length: 6 }, () => sql`select 1`)
    const all = Promise.all(slow)
    await Promise.race([Promise.all(fast), all])
    const overtook = await within(0, all) === 'pending'
    await all
    return overtook
  }
  await t.test('in the bare driver it does', async (t) => {
    const bare = bareDriver(t, url)
    await Promise.all([1, 2, 3].map(() => bare`select pg_sleep(0.02)`))
    t.notOk(await overtakes((strings, ...values) => bare(strings, ...values).execute() as Promise<unknown>))
  })
  const { sql } = openDatabase(t, url)
  t.ok(await overtakes(sql))
})

t.test('a query that takes too long is ended, on the server too', async (t) => {
  const observed: string[] = []
  const { sql, stats, log } = openDatabase(t, url, { queryTimeoutMs: 300, observe: { query: (name, outcome) => observed.push(`${name} ${outcome}`), acquire () {} } })
  await sql`select 1`
  const started = performance.now()
  const error = await rejection(sql`/* tooSlow */ select pg_sleep(20)`) as unknown as DatabaseError
  t.ok(performance.now() - started < 2000)
  t.equal(error.kind, 'query_timeout')
  t.ok(Number.isInteger(error.retryAfterS))
  t.equal(sqlState(error), '57014', 'the server said so itself')
  t.strictSame(await running(admin, 'tooSlow'), [])
  t.match(await sql`select 2 as two`, [{ two: 2 }])
  t.strictSame(stats(), { active: 0, idle: 1, connecting: 0, max: 3, waiting: 0, oldestWaitMs: 0 }, 'on the same connection')
  t.strictSame(observed, ['unnamed ok', 'tooSlow timeout', 'unnamed ok'])
  t.match(log.lines, [{ level: 'WARNING', logger: 'app.db', message: 'slow query', fields: { query: 'tooSlow', duration_ms: Number } }])

  await t.test('also in a transaction, after a pause in it', async (t) => {
    t.equal(await kindOf(transaction(sql, async (sql) => {
      await sql`insert into gear (id, name) values (100, 'never')`
      await pause(150)
      await sql`select pg_sleep(20)`
    })), 'query_timeout')
    t.strictSame(await sql`select id from gear where id = 100`, [])
  })

  await t.test('and by the server itself, should this process be gone', async (t) => {
    t.match(await sql`select current_setting('statement_timeout') as deadline, current_setting('idle_in_transaction_session_timeout') as idle`, [{ deadline: '2300ms', idle: '2300ms' }])
  })
  await untilIdle({ stats } as never)
})

t.test('what belongs to a request ends with it', async (t) => {
  const { sql, forRequest, stats, log } = openDatabase(t, url, { poolSize: 2 })
  const request = forRequest({ log })
  const other = sql`/* others */ select pg_sleep(0.6), 'untouched' as word`
  const active = request`/* abandoned */ select pg_sleep(20)`
  await until(async () => (await running(admin, 'abandoned')).length === 1)
  const waiting = request`/* waits */ select 1`
  const transacting = transaction(request, (sql) => sql`select 1`)
  t.equal(stats().waiting, 2)
  const kinds = Promise.all([active, waiting, transacting].map(kindOf))
  request.cancel('client_gone')
  t.equal(stats().waiting, 0, 'what waits is refused at once')
  t.strictSame(await kinds, ['cancelled', 'cancelled', 'cancelled'])
  t.strictSame(await running(admin, 'abandoned'), [])
  t.equal(await kindOf(request`select 1`), 'cancelled')
  t.match(await other, [{ word: 'untouched' }])

  await t.test('a transaction under way then is not committed', async (t) => {
    const request = forRequest({ log })
    t.equal(await kindOf(transaction(request, async (sql) => {
      await sql`insert into gear (id, name) values (200, 'never')`
      request.cancel('deadline')
    })), 'cancelled')
    t.strictSame(await sql`select id from gear where id = 200`, [])
  })

  await t.test('a late cancel never hits the next statement of the connection', async (t) => {
    const { sql, forRequest, log } = openDatabase(t, url, { poolSize: 1 })
    for (let i = 0; i < 40; i++) {
      const request = forRequest({ log })
      const brief = request`select pg_sleep(0.001)`.catch(() => {})
      await pause(i % 3)
      request.cancel('client_gone')
      const [row] = await sql`select count(*) as n from generate_series(1, 3000)`
      t.equal(row?.n, 3000)
      await brief
    }
  })
  await untilIdle({ stats } as never)
})

t.test('a transaction is all or nothing', async (t) => {
  const { sql, stats } = openDatabase(t, url, { poolSize: 2 })
  const names = async (from: number) => (await sql<{ name: string }>`select name from gear where id >= ${from} and id < ${from + 10} order by id`).map(({ name }) => name)
  const insert = (sql: Sql, id: number, name = `n${id}`) => sql`/* insertGear */ insert into gear (id, name) values (${id}, ${name})`

  t.equal(await transaction(sql, async (sql) => { await insert(sql, 300); await insert(sql, 301); return 'done' }), 'done')
  t.strictSame(await names(300), ['n300', 'n301'])

  const thrown = new Error('no')
  t.equal(await rejection(transaction(sql, async (sql) => { await insert(sql, 310); throw thrown })), thrown)
  t.strictSame(await names(310), [])

  t.equal(sqlState(await rejection(transaction(sql, async (sql) => {
    await insert(sql, 320)
    await insert(sql, 320).catch(() => {})
    t.equal(sqlState(await rejection(insert(sql, 321))), '23505', 'told of the first failure')
    return 'goes on as if nothing had happened'
  }))), '23505')
  t.strictSame(await names(320), [])

  await transaction(sql, async (sql) => {
    await insert(sql, 330)
    t.equal(sqlState(await rejection(transaction(sql, async (sql) => { await insert(sql, 331); await insert(sql, 330) }))), '23505')
    await transaction(sql, (sql) => insert(sql, 332))
    await transaction(sql, (outer) => transaction(outer, async () => { throw thrown }).catch(() => insert(outer, 333)))
  })
  t.strictSame(await names(330), ['n330', 'n332', 'n333'], 'a nested one is undone alone')

  await transaction(sql, async (sql) => {
    await transaction(sql, async () => { t.equal(await kindOf(insert(sql, 340)), 'transaction_ended', 'the outer one rests meanwhile') })
    await Promise.all([insert(sql, 341), insert(sql, 342), insert(sql, 343)])
    insert(sql, 344)
  })
  t.strictSame(await names(340), ['n341', 'n342', 'n343', 'n344'], 'who was not awaited belongs to it too')

  let inner: Sql | undefined
  await transaction(sql, async (sql) => { inner = sql })
  t.equal(await kindOf(insert(inner as Sql, 350)), 'transaction_ended')
  t.equal(await kindOf(transaction(inner as Sql, (sql) => insert(sql, 351))), 'transaction_ended')

  await t.test('a constraint that is checked at the end fails it', async (t) => {
    await sql`create table pairs (id int primary key, other int references pairs (id) deferrable initially deferred)`
    t.equal(sqlState(await rejection(transaction(sql, (sql) => sql`insert into pairs values (1, 2)`))), '23503')
    t.strictSame(await sql`select id from pairs`, [])
  })
  t.equal(sqlState(await rejection(transaction(sql, (sql) => insert(sql, 360), { readOnly: true }))), '25006')
  await untilIdle({ stats } as never)
})

t.test('a conflict between transactions is tried again, three times', async (t) => {
  const { sql, stats, log } = openDatabase(t, url)
  await sql`insert into gear (id, name, km) values (400, 'a', 0), (401, 'b', 0)`
  let runs = 0
  const bothHaveRead = meeting(2)
  const increment = () => transaction(sql, async (sql) => {
    const [row] = await sql<{ km: number }>`select km from gear where id = 400`
    if (runs++ < 2) await bothHaveRead()
    await sql`update gear set km = ${(row?.km ?? 0) + 1} where id = 400`
  }, { isolation: 'serializable' })
  await Promise.all([increment(), increment()])
  t.match(await sql`select km from gear where id = 400`, [{ km: 2 }])
  t.equal(runs, 3)

  await t.test('deadlocks', async (t) => {
    let begun = 0
    const bothHaveOne = meeting(2)
    const both = (first: number, second: number) => transaction(sql, async (sql) => {
      await sql`update gear set km = km + 1 where id = ${first}`
      if (begun++ < 2) await bothHaveOne()
      await sql`update gear set km = km + 1 where id = ${second}`
    })
    await Promise.all([both(400, 401), both(401, 400)])
    t.match(await sql`select km from gear where id in (400, 401) order by id`, [{ km: 4 }, { km: 2 }])
  })

  await t.test('and no more than that', async (t) => {
    let attempts = 0
    const error = await rejection(transaction(sql, async (sql) => {
      attempts++
      await sql`do $$ begin raise exception 'no' using errcode = '40001'; end $$`.catch(() => {})
    }))
    t.equal(attempts, 4)
    t.match(error, { kind: 'retries_exhausted', cause: { code: '40001' } })
    t.equal(await kindOf(sql`do $$ begin raise exception 'no' using errcode = '40P01'; end $$`), 'retries_exhausted', 'a lone statement too')
  })
  t.notOk(log.lines.some(({ level }) => level === 'ERROR'))
  await untilIdle({ stats } as never)
})

t.test('what the server remarks becomes a log line of whoever asked', async (t) => {
  const { forRequest, log } = openDatabase(t, url)
  const written: unknown[] = []
  const { log: print } = console
  console.log = (...args) => { written.push(args) }
  t.teardown(() => { console.log = print })
  await t.test('the bare driver prints it', async (t) => {
    const bare = bareDriver(t, url, { onnotice: undefined })
    await bare`drop table if exists missing_table`
    t.equal(written.length, 1)
  })
  written.length = 0
  await forRequest({ log: log.named('app.request') })`/* tidyUp */ drop table if exists missing_table`
  await forRequest({ log })`do $$ begin raise warning 'mind the gap'; end $$`
  t.strictSame(written, [])
  t.match(log.lines, [
    { level: 'INFO', logger: 'app.db', message: /missing_table/, fields: { query: 'tidyUp' } },
    { level: 'WARNING', logger: 'app.db', message: /mind the gap/ }
  ])
})

t.test('connections are replaced when they are old, and only then', async (t) => {
  const { sql, stats } = openDatabase(t, url, { recycleS: 0.6, poolSize: 1 })
  const pid = async () => (await sql<{ pid: number }>`select pg_backend_pid() as pid`)[0]?.pid
  const first = await pid()
  t.equal(await pid(), first)
  await until(() => stats().idle === 0)
  t.not(await pid(), first)
})

t.test('closing lets finish what is under way, and always comes to its end', async (t) => {
  const database = openDatabase(t, url, { poolSize: 1 })
  const { sql } = database
  const active = sql`select pg_sleep(0.2), 1 as one`
  const waiting = sql`select 2 as two`
  const closing = database.close({ timeoutMs: 3000 })
  t.equal(await kindOf(sql`select 3`), 'closed')
  t.match(await active, [{ one: 1 }])
  t.match(await waiting, [{ two: 2 }])
  await closing
  t.strictSame(database.stats(), { active: 0, idle: 0, connecting: 0, max: 1, waiting: 0, oldestWaitMs: 0 })

  await t.test('the bare driver leaves the server at it', async (t) => {
    const bare = bareDriver(t, url)
    const left = bare`/* leftBehind */ select pg_sleep(3)`.catch(() => {})
    await until(async () => (await running(admin, 'leftBehind')).length === 1)
    await bare.end({ timeout: 0 })
    await left
    t.equal((await running(admin, 'leftBehind')).length, 1)
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where query like '/* leftBehind */%' and pid <> pg_backend_pid()`
  })

  await t.test('what takes longer is ended on the server', async (t) => {
    const { sql, close } = openDatabase(t, url, { poolSize: 2 })
    const slow = kindOf(sql`/* cutOff */ select pg_sleep(20)`)
    let inTransaction = () => {}
    const begun = new Promise<void>((resolve) => { inTransaction = resolve })
    const forgotten = kindOf(transaction(sql, async (sql) => {
      await sql`select 1`
      inTransaction()
      await pause(400)
      await sql`select 2`
    }))
    const late = kindOf(sql`select 3`)
    await begun
    await close({ timeoutMs: 100 })
    t.strictSame(await Promise.all([slow, late, forgotten]), ['closed', 'closed', 'unreachable'])
    t.strictSame(await running(admin, 'cutOff'), [])
  })
})

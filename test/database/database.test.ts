import t from 'tap'
import type { Sql } from '../../db/sql.ts'
import { DatabaseError, sqlState, transaction } from '../../db/sql.ts'
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

/** Where so many wait for each other. */
function meeting (size: number): () => Promise<void> {
  let open = () => {}
  const all = new Promise<void>((resolve) => { open = resolve })
  return () => {
    if (--size === 0) open()
    return all
  }
}

const url = await createDatabase(t, { migrated: false })
const admin = bareDriver(t, url)
await admin`create table gear (id int primary key, name text not null, km int not null default 0)`

t.test('statements wait for a connection in order, for a bounded time, and in a bounded number', async (t) => {
  const acquired: number[] = []
  const { sql, stats } = openDatabase(t, url, {
    poolSize: 1,
    maxWaiting: 3,
    acquireTimeoutMs: 300,
    observe: { query () {}, acquire: (seconds) => acquired.push(seconds) }
  })

  await t.test('the bare driver lets them wait without end, whatever its connect timeout', async (t) => {
    const bare = bareDriver(t, url, { max: 1, connect_timeout: 1 })
    const slow = bare`select pg_sleep(1.6)`.execute()
    t.equal(await within(1300, Promise.all([1, 2].map(() => bare`select 1`))), 'pending')
    await slow
  })

  await sql`select 1`
  const slow = sql`/* slow */ select pg_sleep(1.2)`
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
  t.strictSame(stats(), { active: 0, idle: 1, connecting: 0, max: 1, waiting: 0, oldestWaitMs: 0, waitingCommits: 0 })
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
  const { sql, stats, log } = openDatabase(t, url, {
    queryTimeoutMs: 300,
    observe: { query: (name, outcome) => observed.push(`${name} ${outcome}`), acquire () {} }
  })
  await sql`select 1`
  const started = performance.now()
  const error = await rejection(sql`/* tooSlow */ select pg_sleep(20)`) as unknown as DatabaseError
  t.ok(performance.now() - started < 5000)
  t.equal(error.kind, 'query_timeout')
  t.ok(Number.isInteger(error.retryAfterS))
  t.equal(sqlState(error), '57014', 'the server said so itself')
  t.strictSame(await running(admin, 'tooSlow'), [])
  t.match(await sql`select 2 as two`, [{ two: 2 }])
  t.strictSame(
    stats(),
    { active: 0, idle: 1, connecting: 0, max: 3, waiting: 0, oldestWaitMs: 0, waitingCommits: 0 },
    'on the same connection'
  )
  t.strictSame(observed, ['unnamed ok', 'tooSlow timeout', 'unnamed ok'])
  t.match(
    log.lines.find(({ fields }) => fields.query === 'tooSlow'),
    { level: 'WARNING', logger: 'app.db', message: 'slow query', fields: { duration_ms: Number } }
  )

  await t.test('also in a transaction, after a pause in it', async (t) => {
    t.equal(await kindOf(transaction(sql, async (sql) => {
      await sql`insert into gear (id, name) values (100, 'never')`
      await pause(150)
      await sql`select pg_sleep(20)`
    })), 'query_timeout')
    t.strictSame(await sql`select id from gear where id = 100`, [])
  })

  await t.test('and by the server itself, should this process be gone', async (t) => {
    t.match(
      await sql`select current_setting('statement_timeout') as deadline, current_setting('idle_in_transaction_session_timeout') as idle`,
      [{ deadline: '2300ms', idle: '2300ms' }]
    )
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

t.test('a statement that fails after some of its rows leaves nothing in those of the next one', async (t) => {
  const { sql, stats } = openDatabase(t, url, { poolSize: 1 })
  for (const work of [
    () => sql`select 1 / (10 - n) as share from generate_series(1, 20) n`,
    () => sql`/* shares */ select 1 / (${10}::int - n) as share from generate_series(1, 20) n`,
    () => transaction(sql, (sql) => sql`select 1 / (10 - n) as share from generate_series(1, 20) n`)
  ]) {
    await t.rejects(work(), { code: '22012' })
    t.strictSame(await sql`select n from generate_series(1, 3) n`, [{ n: 1 }, { n: 2 }, { n: 3 }])
  }
  await untilIdle({ stats } as never)
})

t.test('a transaction is all or nothing', async (t) => {
  const { sql, stats } = openDatabase(t, url, { poolSize: 2 })
  const names = async (from: number) =>
    (await sql<{ name: string }>`select name from gear where id >= ${from} and id < ${from + 10} order by id`).map(
      ({ name }) => name
    )
  const insert = (sql: Sql, id: number, name = `n${id}`) =>
    sql`/* insertGear */ insert into gear (id, name) values (${id}, ${name})`

  t.equal(
    await transaction(sql, async (sql) => {
      await insert(sql, 300)
      await insert(sql, 301)
      return 'done'
    }),
    'done'
  )
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
    t.equal(
      sqlState(
        await rejection(
          transaction(sql, async (sql) => {
            await insert(sql, 331)
            await insert(sql, 330)
          })
        )
      ),
      '23505'
    )
    await transaction(sql, (sql) => insert(sql, 332))
    await transaction(sql, (outer) => transaction(outer, async () => { throw thrown }).catch(() => insert(outer, 333)))
  })
  t.strictSame(await names(330), ['n330', 'n332', 'n333'], 'a nested one is undone alone')

  await transaction(sql, async (sql) => {
    await transaction(sql, async () => {
      t.equal(await kindOf(insert(sql, 340)), 'transaction_ended', 'the outer one rests meanwhile')
    })
    await Promise.all([insert(sql, 341), insert(sql, 342), insert(sql, 343)])
    insert(sql, 344)
  })
  t.strictSame(await names(340), ['n341', 'n342', 'n343', 'n344'], 'a statement that was not awaited belongs to the transaction, too')

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
    t.equal(
      await kindOf(sql`do $$ begin raise exception 'no' using errcode = '40P01'; end $$`),
      'retries_exhausted',
      'a lone statement too'
    )
  })
  t.notOk(log.lines.some(({ level }) => level === 'ERROR'))
  await untilIdle({ stats } as never)
})

t.test('notices of the server are logged with the context of the statement', async (t) => {
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
  t.match(log.lines.filter(({ message }) => message !== 'slow query'), [
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
  t.match(database.stats(), { active: 0, idle: 0, connecting: 0, max: 1, waiting: 0, oldestWaitMs: 0 })

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

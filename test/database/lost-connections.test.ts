import t from 'tap'
import { parseAddress } from '../../db/driver/address.ts'
import { transaction } from '../../db/sql.ts'
import { createDatabase } from '../harness/database.ts'
import { ToxicProxy } from '../harness/toxic-proxy.ts'
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
const steps = async (run: string) =>
  (await admin<Array<{ step: number }>>`select step from steps where run = ${run} order by step`).map(
    ({ step }) => step
  )

async function proxied (t: { teardown (f: () => Promise<void>): void }): Promise<ToxicProxy> {
  const proxy = await ToxicProxy.to(port)
  t.teardown(() => proxy.close())
  return proxy
}

/** Ends a backend from outside and waits until the process is gone. */
async function kill (pid: number): Promise<void> {
  await admin`select pg_terminate_backend(${pid}, 5000)`
}

t.test('a transaction whose connection died runs no further statement', async (t) => {
  await t.test('the bare driver runs the rest of it on the next connection, where it stays', async (t) => {
    const bare = bareDriver(t, url, { max: 1 })
    await rejection(bare.begin(async (sql) => {
      const [row] = await sql`select pg_backend_pid() as pid`
      await sql`insert into steps values ('bare', 1)`
      await kill(row?.pid)
      await pause(50)
      await bare`select 1`
      await sql`insert into steps values ('bare', 2)`
    }))
    await until(async () => (await steps('bare')).length > 0)
    t.strictSame(await steps('bare'), [2], 'half a transaction')
  })

  const { sql, stats } = openDatabase(t, url, { poolSize: 1 })
  const half = async (run: string, meanwhile: () => Promise<unknown>) => {
    const refused: string[] = []
    const outcome = await kindOf(transaction(sql, async (inner) => {
      const [row] = await inner<{ pid: number }>`select pg_backend_pid() as pid`
      await inner`insert into steps values (${run}, 1)`
      await kill(row?.pid as number)
      await meanwhile()
      for (const step of [2, 3]) refused.push(await kindOf(inner`insert into steps values (${run}, ${step})`))
    }))
    t.strictSame(
      { outcome, refused, kept: await steps(run) },
      { outcome: 'unreachable', refused: ['unreachable', 'unreachable'], kept: [] }
    )
  }
  await half('at once', async () => {})
  await half('after others used the pool', async () => { await untilIdle({ stats } as never); await sql`select 1` })

  await t.test('not even its commit, where it says nothing more', async (t) => {
    t.equal(await kindOf(transaction(sql, async (inner) => {
      const [row] = await inner<{ pid: number }>`select pg_backend_pid() as pid`
      await inner`insert into steps values ('silent', 1)`
      await kill(row?.pid as number)
    })), 'unreachable')
    t.strictSame(await steps('silent'), [])
  })
  t.match(await sql`select 1 as one`, [{ one: 1 }])
  await untilIdle({ stats } as never)
})

t.test('a statement whose backend is killed fails at once, and only that one', async (t) => {
  await t.test('the bare driver answers the next statement with the same error', async (t) => {
    const bare = bareDriver(t, url, { max: 1 })
    const killed = bare`/* bareKilled */ select pg_sleep(20)`.catch((error) => error)
    await until(async () => (await running(admin, 'bareKilled')).length === 1)
    for (const pid of await running(admin, 'bareKilled')) await kill(pid)
    await killed
    t.match(await rejection(bare`select 1`), { code: '57P01' })
  })
  const { sql, stats } = openDatabase(t, url, { poolSize: 1 })
  const killed = kindOf(sql`/* killed */ insert into steps select 'killed', 1 from pg_sleep(20)`)
  await until(async () => (await running(admin, 'killed')).length === 1)
  for (const pid of await running(admin, 'killed')) await kill(pid)
  t.equal(await killed, 'unreachable')
  t.match(await sql`select 1 as one`, [{ one: 1 }])
  t.strictSame(await steps('killed'), [], 'it is not run again')

  await t.test('one killed while idle is never noticed', async (t) => {
    const [row] = await sql<{ pid: number }>`select pg_backend_pid() as pid`
    await kill(row?.pid as number)
    await until(() => stats().idle === 0)
    t.match(await sql`select 1 as one`, [{ one: 1 }])
  })
  await untilIdle({ stats } as never)
})

t.test('a statement that only reads is run once more when its connection was lost, and no other is', async (t) => {
  const { sql, stats } = openDatabase(t, url, { poolSize: 2 })
  const cut = async (name: string, but?: number): Promise<number> => {
    const others = async () => (await running(admin, name)).filter((pid) => pid !== but)
    await until(async () => (await others()).length === 1)
    const [pid] = await others() as [number]
    await kill(pid)
    return pid
  }
  const read = sql<{ pid: number }>`/* readAgain */ select pg_backend_pid() as pid from pg_sleep(0.3)`
  const first = await cut('readAgain')
  const [row] = await read
  t.type(row?.pid, 'number')
  t.not(row?.pid, first, 'on another connection')

  const unlucky = kindOf(sql`/* readTwice */ select pg_sleep(20)`)
  await cut('readTwice', await cut('readTwice'))
  t.equal(await unlucky, 'unreachable', 'once, and not again and again')

  const inTransaction = kindOf(transaction(sql, (sql) => sql`/* readInside */ select pg_sleep(20)`))
  await cut('readInside')
  t.equal(await inTransaction, 'unreachable')
  await admin`insert into steps values ('locked', 1)`
  const locking = kindOf(sql`/* readForUpdate */ select pg_sleep(20) from steps where run = 'locked' for update`)
  await cut('readForUpdate')
  t.equal(await locking, 'unreachable')
  await untilIdle({ stats } as never)
})

t.test('connections that the server ends while they are idle fail no statement', async (t) => {
  const { sql, stats } = openDatabase(t, url, { poolSize: 10 })
  const fill = () => Promise.all(Array.from({ length: 10 }, () => sql`select pg_sleep(0.02)`))
  const endIdle = async () => {
    await pause(10)
    await admin`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'running-trainer' and state = 'idle'`
  }
  for (let round = 0; round < 5; round++) {
    for (const [kind, work] of [
      ['writes', (i: number) => sql`insert into steps values (${`idle writes ${round}`}, ${i})`],
      ['transactions', (i: number) => transaction(sql, (sql) => sql`insert into steps values (${`idle transactions ${round}`}, ${i})`)],
      ['reads', (i: number) => sql`select ${i}::int as i`]
    ] as const) {
      await fill()
      await endIdle()
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => work(i)))
      t.strictSame(outcomes.filter(({ status }) => status === 'rejected'), [], kind)
    }
    const once = Array.from({ length: 20 }, (_, i) => i)
    t.strictSame(await steps(`idle writes ${round}`), once)
    t.strictSame(await steps(`idle transactions ${round}`), once)
  }
  await untilIdle({ stats } as never)
})

t.test('statements whose connection is being checked take no place in the queue', async (t) => {
  const { sql } = openDatabase(t, url, { poolSize: 2, maxWaiting: 2 })
  await Promise.all([1, 2].map(() => sql`select pg_sleep(0.05)`))
  await pause(10)
  const work = (i: number) => sql`insert into steps values ('burst', ${i})`
  const outcomes = await Promise.allSettled([1, 2, 3, 4, 5].map(work))
  t.strictSame(outcomes.map(({ status }) => status), [...Array(4).fill('fulfilled'), 'rejected'])
})

t.test('a transaction whose connection is lost before it has begun is begun on another', async (t) => {
  const proxy = await proxied(t)
  const { sql } = openDatabase(t, proxy.url(url), { poolSize: 1 })
  await sql`select 1`
  // The connection is reset when the server answers, and no other after it.
  proxy.resetAfterBytes = 1
  proxy.onReset = () => { proxy.resetAfterBytes = undefined }
  t.match(await transaction(sql, (sql) => sql`select 1 as one`), [{ one: 1 }])
  t.equal(proxy.accepted, 2)
})

t.test('a server that stands still holds nobody longer than the deadline', async (t) => {
  const proxy = await proxied(t)
  const { sql, stats, ping, close } = openDatabase(t, proxy.url(url), {
    queryTimeoutMs: 300,
    acquireTimeoutMs: 400,
    connectTimeoutMs: 300
  })
  const bare = bareDriver(t, proxy.url(url), { max: 1, connect_timeout: 1 })
  await Promise.all([sql`select 1`, sql`select 1`, ping(), bare`select 1`])
  for (const mode of ['freeze', 'black-hole'] as const) {
    await t.test(mode, async (t) => {
      await Promise.all([sql`select pg_sleep(0.05)`, sql`select pg_sleep(0.05)`])
      await proxy.setMode(mode)
      const started = performance.now()
      const transacting = transaction(sql, (sql) => sql`select 1`)
      t.equal(await kindOf(sql`select 2`), 'query_timeout')
      t.ok(['query_timeout', 'acquire_timeout'].includes(await kindOf(transacting)), 'or was not even begun')
      t.ok(performance.now() - started < 5000)
      t.ok(
        ['unreachable', 'acquire_timeout'].includes(await kindOf(sql`select 3`)),
        'no connection is left, and none to be had'
      )
      t.equal(await kindOf(ping()), 'unreachable')
      if (mode === 'freeze') {
        t.equal(
          await within(
            600,
            bare`select 4`.catch(() => {})
          ),
          'pending',
          'the bare driver waits on'
        )
      }
      await untilIdle({ stats } as never)
      await proxy.setMode('pass')
      t.match(await sql`select 5 as five`, [{ five: 5 }])
      t.type(await ping(), 'number')
    })
  }

  await t.test(
    'and a backend that is stopped is left to itself',
    { skip: process.getuid?.() !== 0 && 'only root can stop the server' },
    async (t) => {
      const [row] = await sql<{ pid: number }>`select pg_backend_pid() as pid`
      const pid = row?.pid as number
      t.teardown(() => {
        try {
          process.kill(pid, 'SIGCONT')
        } catch {}
      })
      process.kill(pid, 'SIGSTOP')
      t.equal(await kindOf(sql`/* stopped */ select pg_sleep(20)`), 'query_timeout')
      t.match(await sql`select 1 as one`, [{ one: 1 }])
      process.kill(pid, 'SIGCONT')
      await until(async () => (await running(admin, 'stopped')).length === 0)
    }
  )

  await t.test('closing does not wait for it', async (t) => {
    await proxy.setMode('freeze')
    const outcomes = Promise.all([kindOf(sql`select 6`), kindOf(sql`select 7`)])
    t.not(await within(3000, close({ timeoutMs: 50 })), 'pending')
    t.ok((await outcomes).every((kind) => ['closed', 'query_timeout', 'unreachable'].includes(kind)))
    await until(() => proxy.connections <= 1)
  })
})

t.test('while the server is down the answer comes at once, and soon after it is back all is well', async (t) => {
  const proxy = await proxied(t)
  const { sql, stats, ping, log } = openDatabase(t, proxy.url(url), { connectTimeoutMs: 1000 })
  const bare = bareDriver(t, proxy.url(url), { max: 1 })
  await Promise.all([sql`select 1`, sql`select 1`, ping()])
  await proxy.setMode('refuse')
  const kinds = new Set<string>()
  let longestMs = 0
  for (let bareFailures = 0; bareFailures < 5; bareFailures++) {
    const started = performance.now()
    kinds.add(await kindOf(sql`select 1`))
    longestMs = Math.max(longestMs, performance.now() - started)
    await rejection(bare`select 1`)
  }
  t.strictSame([...kinds], ['unreachable'])
  t.ok(longestMs < 2000, `told within ${longestMs} ms`)
  t.equal(await kindOf(ping()), 'unreachable')
  await proxy.setMode('pass')
  t.match(await sql`select 1 as one`, [{ one: 1 }], 'the first after it succeeds')
  t.equal(await within(300, bare`select 1`), 'pending', 'the bare driver has not even tried by then')
  t.match(await Promise.all([1, 2, 3].map(() => sql`select 1 as one`)), [{}, {}, {}])
  t.type(await ping(), 'number')
  await untilIdle({ stats } as never)
  t.strictSame(
    log.lines
      .filter(({ message }) => message !== 'slow query')
      .map(({ level, logger, message }) => ({ level, logger, message })),
    [
      { level: 'WARNING', logger: 'app.db', message: 'database connection failed' },
      { level: 'INFO', logger: 'app.db', message: 'database reachable again' }
    ],
    'said once'
  )
})

t.test('statements that the network swallowed do not keep the pool when it is back', async (t) => {
  const proxy = await proxied(t)
  const { sql, stats } = openDatabase(t, proxy.url(url), {
    poolSize: 2,
    queryTimeoutMs: 20_000,
    acquireTimeoutMs: 5000
  })
  await Promise.all([sql`select pg_sleep(0.05)`, sql`select pg_sleep(0.05)`])
  const healthy = sql`/* healthy */ select pg_sleep(3), 'unharmed' as word`
  await until(async () => (await running(admin, 'healthy')).length === 1)
  await proxy.setMode('black-hole')
  const swallowed = sql`select 1 as one`
  await pause(500)
  await proxy.setMode('pass')
  t.match(await sql`select 2 as two`, [{ two: 2 }], 'a connection for this one came free long before the deadline')
  t.match(await swallowed, [{ one: 1 }], 'run again')
  t.match(await healthy, [{ word: 'unharmed' }], 'one that only takes its time is left alone')
  await untilIdle({ stats } as never)
})

t.test('a listener with nothing behind it is no database', async (t) => {
  await t.test('the bare driver calls again and again, and never says so', async (t) => {
    const proxy = await proxied(t)
    await proxy.setMode('drop')
    const bare = bareDriver(t, proxy.url(url), { max: 1, connect_timeout: 1 })
    t.equal(await within(500, bare`select 1`.catch(() => {})), 'pending')
    t.ok(proxy.accepted > 20, `${proxy.accepted} connections in half a second for one query`)
  })
  const proxy = await proxied(t)
  await proxy.setMode('drop')
  const { sql, stats } = openDatabase(t, proxy.url(url))
  t.equal(await kindOf(sql`select 1`), 'unreachable')
  t.equal(proxy.accepted, 1)
  await proxy.setMode('pass')
  t.match(await sql`select 1 as one`, [{ one: 1 }])
  await untilIdle({ stats } as never)
})

t.test('a connection that breaks in the middle of an answer fails that answer only', async (t) => {
  const proxy = await proxied(t)
  const { sql, stats } = openDatabase(t, proxy.url(url), { poolSize: 1 })
  proxy.resetAfterBytes = 20_000
  t.equal(await kindOf(sql`select repeat('x', 1000) from generate_series(1, 100)`), 'unreachable')
  proxy.resetAfterBytes = undefined
  t.equal((await sql`select repeat('x', 1000) from generate_series(1, 100)`).length, 100)
  proxy.latencyMs = 30
  t.match(await Promise.all([1, 2].map(() => sql`select 1 as one`)), [[{ one: 1 }], [{ one: 1 }]])
  await untilIdle({ stats } as never)
})

t.test('closing ends though a backend was killed in the middle of a query', async (t) => {
  const database = openDatabase(t, url)
  const killed = kindOf(database.sql`/* killedAtClose */ insert into steps select 'closing', 1 from pg_sleep(20)`)
  await until(async () => (await running(admin, 'killedAtClose')).length === 1)
  const closing = database.close({ timeoutMs: 5000 })
  for (const pid of await running(admin, 'killedAtClose')) await kill(pid)
  t.not(await within(2000, closing), 'pending')
  t.equal(await killed, 'unreachable')
})

t.test('a server that takes no more connections does not stop those there are', async (t) => {
  const role = `narrow_${process.pid}`
  await admin.unsafe(`create role ${role} login password 'narrow' connection limit 2`)
  t.teardown(() => admin.unsafe(`drop role ${role}`))
  const asRole = new URL(url)
  Object.assign(asRole, { username: role, password: 'narrow' })
  const { sql, stats, ping } = openDatabase(t, asRole.href, { poolSize: 5 })
  t.match(
    await Promise.all(Array.from({ length: 10 }, (_, i) => sql`select ${i}::int as i, pg_sleep(0.01)`)),
    Array.from({ length: 10 }, (_, i) => [{ i }])
  )
  t.equal(stats().idle, 2)
  t.equal(await kindOf(ping()), 'too_many_connections')
  const error = await rejection(openDatabase(t, asRole.href).sql`select 1`)
  t.match(error, { kind: 'too_many_connections', cause: { code: '53300' } })
  await untilIdle({ stats } as never)
})

t.test('many clients leaving and coming lose no connection', async (t) => {
  const proxy = await proxied(t)
  const { sql, stats, forRequest, log } = openDatabase(t, proxy.url(url), {
    poolSize: 4,
    queryTimeoutMs: 200,
    acquireTimeoutMs: 300
  })
  const outcomes = await Promise.all(Array.from({ length: 120 }, async (_, i) => {
    await pause(i * 5)
    if (i % 30 === 29) proxy.cutAll()
    const request = forRequest({ log })
    const statement =
      i % 3 === 0
        ? transaction(request, async (sql) => {
          await sql`select pg_sleep(0.01)`
          await sql`select pg_sleep(${i % 2 === 0 ? 0.01 : 3})`
        })
        : request`select pg_sleep(${i % 5 === 0 ? 3 : 0.005})`
    if (i % 7 === 0) setTimeout(() => request.cancel('client_gone'), 8)
    return await statement.then(() => 'done', (error) => error.kind)
  }))
  t.strictSame(
    [...new Set(outcomes)].filter(
      (kind) => !['done', 'query_timeout', 'acquire_timeout', 'cancelled', 'unreachable'].includes(kind)
    ),
    []
  )
  for (const kind of ['done', 'cancelled']) t.ok(outcomes.includes(kind), kind)
  await untilIdle({ stats } as never)
  t.match(
    await Promise.all(Array.from({ length: 8 }, () => sql`select 1 as one`)),
    Array.from({ length: 8 }, () => [{ one: 1 }])
  )
  t.ok(stats().idle <= 4)
  // The server has yet to hear of those that were cut last.
  await until(
    async () =>
      (
        await admin`select 1 from pg_stat_activity where application_name = 'running-trainer' and state like 'idle in transaction%'`
      ).length === 0
  )
})

t.test('of several hosts the first that answers is used', async (t) => {
  const proxy = await proxied(t)
  const { sql } = openDatabase(t, url.replace(/@[^/]+/, `@127.0.0.1:${proxy.port},127.0.0.1:${port}`), { poolSize: 1 })
  await sql`select 1`
  t.equal(proxy.accepted, 1)
  await proxy.setMode('refuse')
  t.match(await sql`select 1 as one`.catch(() => sql`select 1 as one`), [{ one: 1 }])
})

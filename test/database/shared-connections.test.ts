import t, { type Test } from 'tap'
import { parseAddress } from '../../db/driver/address.ts'
import { transaction } from '../../db/sql.ts'
import type { Sql } from '../../db/sql.ts'
import { createDatabase } from '../harness/database.ts'
import { bareDriver, kindOf, openDatabase, pause, running, until, untilIdle } from '../harness/open-database.ts'
import { ToxicProxy } from '../harness/toxic-proxy.ts'

const url = await createDatabase(t, { migrated: false })
const port = parseAddress(url).hosts[0]?.port as number
const admin = bareDriver(t, url)
await admin`create table steps (run text, step int)`

/** Of a kind that is quick, unless it is told to be slow. */
const quick = (sql: Sql, i: number, seconds = 0) =>
  sql<{ i: number }>`/* quick */ select ${i}::int as i from pg_sleep(${seconds}::float8)`
const insert = (sql: Sql, run: string, step: number) =>
  sql`/* insertStep */ insert into steps values (${run}, ${step})`
const hold = (sql: Sql, seconds = 0.15) => sql`/* hold */ select pg_sleep(${seconds}::float8)`

/** A pool of one connection on which the kinds above are known to be quick, and a count of the writes to the server. */
async function warm (t: Test, options: Parameters<typeof openDatabase>[2] = {}) {
  const proxy = await ToxicProxy.to(port)
  t.teardown(() => proxy.close())
  const database = openDatabase(t, proxy.url(url), { poolSize: 1, ...options })
  await quick(database.sql, 0)
  await insert(database.sql, 'warm', 0)
  proxy.received.length = 0
  return { ...database, proxy }
}

const numbers = async (results: Array<Promise<Array<{ i: number }>>>) =>
  (await Promise.all(results)).map(([row]) => row?.i)

t.test('a connection that is given back takes up to four quick statements, in one write', async (t) => {
  const { sql, proxy, stats } = await warm(t)
  const held = hold(sql)
  const results = [1, 2, 3, 4, 5].map((i) => quick(sql, i))
  t.equal(stats().waiting, 5)
  await held
  const writes = proxy.received.length
  t.strictSame(await numbers(results), [1, 2, 3, 4, 5])
  t.equal(proxy.received.length, writes + 2, 'four, and then the fifth')
  await untilIdle({ stats } as never)
})

t.test('a kind that is not known to be quick, and a transaction, have the connection to themselves', async (t) => {
  const { sql, proxy } = await warm(t)
  const held = hold(sql)
  const results = Promise.all([
    quick(sql, 1),
    sql`/* unknown */ select ${2}::int as i`,
    quick(sql, 3),
    transaction(sql, (sql) => quick(sql, 4)),
    quick(sql, 5)
  ])
  await held
  const writes = proxy.received.length
  t.match(await results, [[{ i: 1 }], [{ i: 2 }], [{ i: 3 }], [{ i: 4 }], [{ i: 5 }]])
  // The unknown one is described first; a transaction begins and commits.
  t.equal(proxy.received.length, writes + 1 + 2 + 1 + 3 + 1)

  await quick(sql, 6, 0.12)
  const again = hold(sql)
  const slow = [7, 8].map((i) => quick(sql, i))
  await again
  const before = proxy.received.length
  t.strictSame(await numbers(slow), [7, 8])
  t.equal(proxy.received.length, before + 2, 'one that was slow the last time neither')
})

t.test('while another connection can be had, none is shared', async (t) => {
  const { sql, proxy } = await warm(t, { poolSize: 3 })
  await Promise.all([1, 2, 3].map(() => hold(sql, 0.05)))
  await Promise.all([1, 2, 3].map((i) => quick(sql, i)))
  const writes = proxy.received.length
  await numbers([1, 2, 3].map((i) => quick(sql, i)))
  t.equal(proxy.received.length, writes + 3)
})

t.test('a cancellation ends no statement but its own', async (t) => {
  const { sql, forRequest, log, stats } = await warm(t)
  await t.test('the first of several', async (t) => {
    const held = hold(sql)
    const request = forRequest({ log })
    const first = kindOf(quick(request, 1, 20))
    const others = [2, 3, 4].map((i) => quick(sql, i))
    const writing = insert(sql, 'behind', 1)
    await held
    await until(async () => (await running(admin, 'quick')).length === 1)
    request.cancel('client_gone')
    t.equal(await first, 'cancelled')
    t.strictSame(await numbers(others), [2, 3, 4])
    await writing
    t.strictSame(await sql`select step from steps where run = 'behind'`, [{ step: 1 }], 'stored once')
  })

  await t.test('one in the middle, whose caller does not wait for those before it', async (t) => {
    await quick(sql, 0)
    const held = hold(sql)
    const request = forRequest({ log })
    let firstEnded = false
    const first = quick(sql, 1, 0.3).then((rows) => { firstEnded = true; return rows })
    const middle = kindOf(quick(request, 2, 20))
    const last = quick(sql, 3)
    await held
    await until(async () => (await running(admin, 'quick')).length === 1)
    request.cancel('client_gone')
    t.equal(await middle, 'cancelled')
    t.notOk(firstEnded)
    t.strictSame(await numbers([first, last]), [1, 3])
    t.strictSame(await running(admin, 'quick'), [], 'it has ended on the server, too')
  })

  await t.test('at any moment', async (t) => {
    for (let round = 0; round < 40; round++) {
      await quick(sql, 0)
      const held = hold(sql, 0.005)
      const request = forRequest({ log })
      const brief = quick(request, 1, 0.001).catch(() => {})
      const others = [2, 3].map((i) => quick(sql, i, 0.001))
      const writing = insert(sql, `round ${round}`, 1)
      await held
      await pause(round % 4)
      request.cancel('client_gone')
      t.strictSame(await numbers(others), [2, 3])
      await writing
      await brief
    }
    t.match(await sql`select count(*) as count from steps where run like 'round %'`, [{ count: 40 }])
  })
  await untilIdle({ stats } as never)
})

t.test('a statement behind a slow one keeps its own deadline', async (t) => {
  const { sql, stats } = await warm(t, { queryTimeoutMs: 300 })
  const held = hold(sql, 0.05)
  const kinds = [quick(sql, 1, 20), quick(sql, 2)].map(kindOf)
  const writing = insert(sql, 'late', 1)
  await held
  t.strictSame(await Promise.all(kinds), ['query_timeout', 'query_timeout'])
  await writing
  t.match(await sql`select count(*) as count from steps where run = 'late'`, [{ count: 1 }], 'a write shares with none')
  t.strictSame(await numbers([quick(sql, 3)]), [3])
  await untilIdle({ stats } as never)
})

t.test('when a shared connection is lost, all that was sent is run again, as it only reads', async (t) => {
  const { sql, proxy, stats } = await warm(t)
  const held = hold(sql)
  const first = quick(sql, 1, 0.5)
  const writing = insert(sql, 'lost', 1)
  const last = quick(sql, 2)
  await held
  await until(async () => (await running(admin, 'quick')).length === 1)
  proxy.cutAll()
  t.strictSame(await numbers([first, last]), [1, 2])
  await writing
  t.match(await sql`select count(*) as count from steps where run = 'lost'`, [{ count: 1 }], 'a write was not sent')
  await untilIdle({ stats } as never)
})

t.test('statements sent together that the server has forgotten get their own results', async (t) => {
  const { sql } = await warm(t)
  const other = (i: number) => sql`/* other */ select ${i}::int as other, ${'text'}::text as text`
  await other(0)
  for (let round = 0; round < 3; round++) {
    await Promise.all([quick(sql, 0), other(0)])
    await sql`deallocate all`
    const held = hold(sql)
    const results = [quick(sql, 1), other(2), quick(sql, 3), other(4)]
    await held
    t.strictSame(await Promise.all(results as Array<Promise<unknown>>), [
      [{ i: 1 }], [{ other: 2, text: 'text' }], [{ i: 3 }], [{ other: 4, text: 'text' }]
    ])
  }
})

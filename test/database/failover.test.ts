import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { inspectDatabase, type Unreachable } from '../../db/inspect.ts'
import { migrate } from '../../db/migrate.ts'
import { transaction } from '../../db/sql.ts'
import { fits, ROLE, startSite, type Site } from '../harness/fault-site.ts'
import { ENDPOINTS, FAILOVERS, type FailoverName, type Outcomes } from '../harness/fault-matrix.ts'
import { ask, newPlan, signUp, type HttpAnswer } from '../harness/http-client.ts'
import { listener } from '../harness/listener.ts'
import { openDatabase, until } from '../harness/open-database.ts'
import { startServer, startStandby, type Server } from '../harness/replica.ts'
import { ToxicProxy } from '../harness/toxic-proxy.ts'

t.setTimeout(480_000)

const PASSWORD = 'secret'
const PATIENCE_MS = 20_000

// The primary, the standby that follows it, and what stands before each of them.
const primary = await startServer(t)
await primary.admin.unsafe(`create role ${ROLE} login password '${PASSWORD}'`)
await primary.admin.unsafe(`create database ${ROLE} owner ${ROLE}`)
const replication = await proxyTo(primary.port)
const standby = await startStandby(t, primary, replication.port)
const toPrimary = await proxyTo(primary.port)
const toStandby = await proxyTo(standby.port)
const url = (hosts: string, parameters = '') => `postgres://${ROLE}:${PASSWORD}@${hosts}/${ROLE}${parameters}`
const [first, second] = [`127.0.0.1:${toStandby.port}`, `127.0.0.1:${toPrimary.port}`]
const several = url(`${first},${second}`)

async function proxyTo (port: number): Promise<ToxicProxy> {
  const proxy = await ToxicProxy.to(port)
  t.teardown(() => proxy.close())
  return proxy
}

/** The service's database as a superuser, past every proxy. */
function urlOn ({ embedded }: Server): string {
  const address = new URL(embedded.url)
  address.pathname = ROLE
  return address.href
}

/** How often a plan of that name is there, read past every proxy. */
async function countOn (server: Server, name: string): Promise<number> {
  const sql = postgres(urlOn(server), { max: 1, fetch_types: false })
  try {
    const [row] = await sql<Array<{ count: number }>>`select count(*)::int as count from plans where name = ${name}`
    return row?.count as number
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** Asks until everything has once been answered as the matrix says. */
async function isAnswered (t: Test, site: Site, name: FailoverName): Promise<void> {
  const expected = FAILOVERS.find((each) => each.name === name)?.during as Outcomes
  await Promise.all(ENDPOINTS.map(async (endpoint) => {
    let found = ''
    const patience = AbortSignal.timeout(PATIENCE_MS)
    while (!fits(found = await site.ask(endpoint), expected[endpoint]) && !patience.aborted);
    t.ok(fits(found, expected[endpoint]), `${endpoint}: ${found}, expected ${expected[endpoint]}`)
  }))
}

async function setting (server: Server, name: string, value: string, isSo: () => Promise<boolean>): Promise<void> {
  await server.admin.unsafe(`alter system set ${name} = '${value}'`)
  await server.admin`select pg_reload_conf()`
  await until(isSo)
}

// The standby is named first: that the service is ready at all shows that it has found and migrated the primary.
const site = await startSite(t, url(second), { DATABASE_URL: several })
const { port } = site.service
const runner = await signUp(port)
const post = async (name: string, key: string) => await ask(port, '/api/v1/plans', {
  method: 'POST',
  headers: { ...runner, 'idempotency-key': key },
  body: newPlan(name)
})

t.test('everything finds the host that takes writes, and a standby with nothing pending is left alone', async (t) => {
  const { log } = listener()
  t.same(await migrate(several, { log }), { applied: [] })
  t.match(await inspectDatabase(several, { timeoutMs: 5000 }), { reachable: true, writable: true })
  t.match(await inspectDatabase(url(first), { timeoutMs: 5000 }), { reachable: true, writable: false })
  await until(async () => await countOn(standby, 'the first') === 1)
  t.same(await migrate(url(first), { log }), { applied: [] }, 'nothing is written where nothing is pending')
  const { code, reason } = await inspectDatabase(url(`${first},${first}`), { timeoutMs: 5000 }) as Unreachable
  t.match({ code, reason }, { reason: 'the database is read-only: no host takes writes' })
})

t.test('synchronous standby lost: a write that only the primary has is not confirmed, nor by its retry', async (t) => {
  const { admin } = primary
  await setting(primary, 'synchronous_standby_names', '*', async () =>
    (await admin`select 1 from pg_stat_replication where sync_state = 'sync'`).length === 1)
  await replication.setMode('freeze')
  const [name, key] = [randomUUID(), randomUUID()]
  const attempts: HttpAnswer[] = []
  const seen = new AbortController()
  const attempting = (async () => {
    while (attempts.length < 2 || !seen.signal.aborted) attempts.push(await post(name, key))
  })()
  await isAnswered(t, site, 'synchronous standby lost')
  seen.abort()
  await attempting
  for (const { status, text, headers } of attempts) {
    t.equal(status, 503)
    t.match(JSON.parse(text), { error_code: 'DATABASE_ERROR', message: /not known whether it is kept/ })
    t.equal(headers['retry-after'], '5')
  }
  t.equal(await countOn(primary, name), 1, 'it is there, visible, and would be lost with the primary')
  await replication.setMode('pass')
  const after = await post(name, key)
  t.equal(after.status, 201)
  t.equal(after.headers['idempotent-replayed'], 'true')
  t.equal(await countOn(primary, name), 1)
  await isAnswered(t, site, 'address moved')
})

t.test('primary fenced: with no host that takes writes the service is not ready, and says why', async (t) => {
  const isFenced = async (value: string) =>
    (await primary.admin`select current_setting('default_transaction_read_only') as is`)[0]?.is === value
  await setting(primary, 'default_transaction_read_only', 'on', async () => await isFenced('on'))
  await isAnswered(t, site, 'primary fenced')
  t.match(JSON.parse((await ask(port, '/health/ready')).text), { reason: /no host takes writes/ })
  await setting(primary, 'default_transaction_read_only', 'off', async () => await isFenced('off'))
  await isAnswered(t, site, 'address moved')
})

t.test('address moved: what has lost every connection at once answers all the same', async (t) => {
  await Promise.all(Array.from({ length: 8 }, () => site.ask('list')))
  toPrimary.move('reset')
  const answers = await site.askAll(['read', 'list', 'write', 'import'])
  t.same(answers, { read: '200', list: '200', write: '201', import: '201' })
  await isAnswered(t, site, 'address moved')
})

t.test('a statement that waits for a lock is not ended because the probe is on another server', async (t) => {
  const single = await proxyTo(primary.port)
  const database = openDatabase(t, url(`127.0.0.1:${single.port}`), { applicationName: 'apart' })
  await database.sql`create table locked (id int)`
  single.retarget(standby.port)
  await database.ping()
  await until(async () => (await standby.admin`select 1 from pg_stat_activity where application_name = 'apart'`).length > 0)
  const locks = postgres(urlOn(primary), { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(() => locks.end({ timeout: 1 }))
  const waiting = await locks.begin(async (locks) => {
    await locks`lock table locked`
    const insert = database.sql`insert into locked values (1) returning id`
    // The probe is asked every half second; after the second question the first was judged by.
    const asked = new Set<string>()
    await until(async () => {
      const [row] = await standby.admin`
        select query_start::text as at from pg_stat_activity
        where application_name = 'apart' and query like '%as backend%'`
      if (row !== undefined) asked.add(row.at)
      return asked.size > 1
    })
    return { insert }
  })
  t.match(await waiting.insert, [{ id: 1 }])
})

t.test('primary lost: every acknowledged write is on the standby that is promoted, once', async (t) => {
  const acknowledged: string[] = []
  const over = new AbortController()
  const client = async () => {
    while (!over.signal.aborted) {
      const [name, key] = [randomUUID(), randomUUID()]
      for (;;) {
        const status = await post(name, key).then((answer) => answer.status, () => 0)
        if (status === 201) break
        if (status !== 0 && status !== 409 && status !== 503) throw new Error(`answered ${status}`)
      }
      acknowledged.push(name)
    }
  }
  const clients = Promise.all([client(), client(), client()])
  const more = async (count: number) => {
    const before = acknowledged.length
    await Promise.race([clients, until(() => acknowledged.length >= before + count, PATIENCE_MS)])
  }
  await more(20)
  await Promise.all([toPrimary.setMode('refuse'), replication.setMode('refuse')])
  await isAnswered(t, site, 'primary lost')
  const [row] = await standby.admin`select pg_promote(true, 20) as promoted`
  t.equal(row?.promoted, true)
  await more(20)
  over.abort()
  await clients
  await isAnswered(t, site, 'address moved')
  const found = new Map<string, number>()
  const sql = postgres(urlOn(standby), { max: 1, fetch_types: false })
  t.teardown(() => sql.end({ timeout: 1 }))
  for (const { name, count } of await sql`select name, count(*)::int as count from plans group by name`) {
    found.set(name, count)
  }
  t.same(acknowledged.filter((name) => found.get(name) !== 1), [], `${acknowledged.length} writes`)
  t.same([...found].filter(([name, count]) => count !== 1 && name !== 'the first'), [], 'nothing is there twice')
})

t.test('a first host that keeps silent is tried once, and remembered', async (t) => {
  await toPrimary.setMode('pass')
  await toPrimary.setMode('freeze')
  const database = openDatabase(t, url(`${second},${first}`), { connectTimeoutMs: 600 })
  t.match(await database.sql`select 1 as one`, [{ one: 1 }])
  const tried = toPrimary.accepted
  const opened = toStandby.accepted
  await transaction(database.sql, async () => await transaction(database.sql, async (sql) => await sql`select 1`))
  await database.ping()
  t.equal(toStandby.accepted, opened + 2, 'two more connections')
  t.equal(toPrimary.accepted, tried)
})

for (const how of ['reset', 'silent'] as const) {
  t.test(`an address that moves to another server, and leaves connections ${how}, fails no read and no begin`, async (t) => {
    const moving = await proxyTo(primary.port)
    const database = openDatabase(t, url(`127.0.0.1:${moving.port}`), { poolSize: 20 })
    const servers = async () => new Set((await Promise.all(Array.from({ length: 20 }, async (_, i) => i % 2 === 0
      ? await database.sql<{ port: string }>`select current_setting('port') as port from pg_sleep(0.02)`
      : await transaction(database.sql, async (sql) => await sql<{ port: string }>`select current_setting('port') as port`)
    ))).map(([row]) => Number(row?.port)))
    t.same(await servers(), new Set([primary.port]))
    moving.move(how, standby.port)
    t.same(await servers(), new Set([standby.port]))
    await database.ping()
  })
}

t.test('a ping whose connection keeps silent is sent again on another', async (t) => {
  const proxy = await proxyTo(standby.port)
  const database = openDatabase(t, url(`127.0.0.1:${proxy.port}`))
  await database.ping()
  proxy.move('silent')
  t.ok(await database.ping() > 0)
  proxy.move('reset')
  t.ok(await database.ping() > 0)
})

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cannotMount, mountSmall, unmount } from '../harness/fixtures/log-directory.ts'
import { lockTable } from '../harness/table-lock.ts'
import {
  describeFaults,
  ENDPOINTS,
  FAULTS,
  type Fault,
  type FaultName,
  type Outcomes
} from '../harness/fault-matrix.ts'
import {
  fits,
  POOL_SIZE,
  ROLE,
  startBouncer,
  startGround,
  startSite,
  type Bouncer,
  type Ground,
  type Site
} from '../harness/fault-site.ts'

t.setTimeout(480_000)

/** The contract says 2 s; twice that, as the machine has other things to do as well. */
const RECOVERY_MS = 4000
const PATIENCE_MS = 15_000

/** A fault under way: what was answered by causing it, and how it is ended. */
interface Caused { observed?: Partial<Outcomes>, end? (): Promise<void> }
interface Stage { t: Test, site: Site, ground: Ground, bouncer: Bouncer | undefined }

const notMountable = cannotMount()
const noBouncer = hasPgBouncer() ? false : 'PgBouncer is not here (apt-get install pgbouncer): NOT TESTED'

function hasPgBouncer (): boolean {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Cuts the service's connections (or those that fit), and waits until the server has. */
async function cut ({ admin }: Ground, which = 'true'): Promise<void> {
  const mine = `from pg_stat_activity where usename = '${ROLE}' and ${which}`
  const rows = await admin.unsafe<Array<{ pid: number }>>(`select pid, pg_terminate_backend(pid) ${mine}`)
  const pids = rows.map(({ pid }) => pid).join(', ')
  if (pids === '') throw new Error('There was nothing to cut')
  await eventually(
    'the server has cut the connections',
    async () => (await admin.unsafe(`select ${mine} and pid in (${pids})`)).length === 0
  )
}

/**
 * Cuts those that do nothing, and waits until the service knows it: the server forgets them a moment before it closes
 * them.
 */
async function cutIdle ({ site, ground }: Stage): Promise<void> {
  await cut(ground)
  await eventually('the service has seen it', async () => await site.figure('db_pool_connections{state="idle"}') === 0)
}

const WAITING = "wait_event_type = 'Lock'"

const CAUSES: Record<FaultName, (stage: Stage) => Promise<Caused>> = {
  async 'connections cut while idle' ({ ground }) {
    await cut(ground)
    return {}
  },
  async 'connections cut while they work' ({ t, site, ground }) {
    const lock = await lockTable(t, databaseAs(ground), 'plans')
    const answers = site.askAll(['read', 'list', 'write'])
    await lock.awaited(3)
    await cut(ground, WAITING)
    await lock.release()
    return { observed: await answers }
  },
  async 'connection cut in a transaction' ({ t, site, ground }) {
    const lock = await lockTable(t, databaseAs(ground), 'activities')
    const answers = site.askAll(['import'])
    await lock.awaited(1)
    await cut(ground, WAITING)
    await lock.release()
    return { observed: await answers }
  },
  async 'Postgres stopped and started' ({ site, ground: { embedded, admin } }) {
    await site.proxy.setMode('refuse')
    const { restarts } = embedded
    process.kill(embedded.pid as number, 'SIGINT')
    return {
      async end () {
        await eventually('Postgres is back', async () => {
          if (embedded.restarts === restarts || embedded.state !== 'running') return false
          return await admin`select 1`.then(() => true, () => false)
        })
        await site.proxy.setMode('pass')
      }
    }
  },
  'database frozen': ({ site }) => network(site, 'freeze'),
  'database behind a black hole': ({ site }) => network(site, 'black-hole'),
  async 'connections reset in the middle of a result' ({ site: { proxy } }) {
    proxy.resetAfterBytes = 20
    return { async end () { proxy.resetAfterBytes = undefined } }
  },
  async 'slow network' ({ site: { proxy } }) {
    proxy.latencyMs = 150
    return { async end () { proxy.latencyMs = 0 } }
  },
  async 'no connection left' ({ ground }) {
    await ground.admin.unsafe(`alter role ${ROLE} connection limit 0`)
    await cut(ground)
    return { async end () { await ground.admin.unsafe(`alter role ${ROLE} connection limit -1`) } }
  },
  async 'read-only database' (stage) {
    const { ground } = stage
    await ground.admin.unsafe(`alter role ${ROLE} set default_transaction_read_only = on`)
    await cutIdle(stage)
    return {
      async end () {
        await ground.admin.unsafe(`alter role ${ROLE} reset default_transaction_read_only`)
        await cut(ground)
      }
    }
  },
  async 'pool exhausted' ({ t, site, ground }) {
    const lock = await lockTable(t, databaseAs(ground), 'plans')
    const holders = site.askAll([]).then(() => Promise.all(Array.from({ length: POOL_SIZE }, () => site.ask('write'))))
    await lock.awaited(POOL_SIZE)
    return {
      async end () {
        await lock.release()
        const answers = await holders
        if (!answers.every((answer) => fits(answer, '201 or 503 DATABASE_ERROR'))) throw new Error(answers.join())
      }
    }
  },
  async 'disk full' ({ site }) {
    const file = join(site.logDir, '..', 'filler')
    fill(file)
    // The last page of the log has room for some lines yet.
    for (let line = 0; line < 40; line++) await site.ask('list')
    return { async end () { rmSync(file) } }
  },
  async 'log directory gone' ({ site: { logDir } }) {
    rmSync(logDir, { recursive: true })
    writeFileSync(logDir, '')
    return { async end () { rmSync(logDir) } }
  },
  async 'event loop blocked' ({ site }) {
    site.service.child.kill('SIGSTOP')
    const answers = site.askAll(['read', 'list', 'write', 'import', 'live', 'ready'])
    await sleep(1500)
    site.service.child.kill('SIGCONT')
    return { observed: await answers }
  },
  async 'PgBouncer: connections cut while idle' ({ ground }) {
    await cut(ground)
    return {}
  },
  async 'PgBouncer gone' ({ bouncer }) {
    await bouncer?.stop()
    return { async end () { await bouncer?.start() } }
  }
}

/** Takes all the room there is, the last of it a byte at a time. */
function fill (file: string): void {
  for (const size of [1 << 16, 1]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
}

function databaseAs ({ embedded }: Ground): string {
  const url = new URL(embedded.url)
  url.pathname = ROLE
  return url.href
}

async function network ({ proxy }: Site, mode: 'freeze' | 'black-hole'): Promise<Caused> {
  await proxy.setMode(mode)
  return { async end () { await proxy.setMode('pass') } }
}

async function eventually (what: string, isSo: () => Promise<boolean>, patienceMs = PATIENCE_MS): Promise<number> {
  const began = performance.now()
  while (!await isSo()) {
    if (performance.now() - began > patienceMs) throw new Error(`It did not come to be that ${what}`)
    await sleep(10)
  }
  return performance.now() - began
}

/** What the service answers now, to everything; `ready` is given the time it has to find out. */
async function observe (site: Site, during: Outcomes, observed: Partial<Outcomes>): Promise<Partial<Outcomes>> {
  const left = ENDPOINTS.filter((endpoint) => observed[endpoint] === undefined && endpoint !== 'health')
  const [answers] = await Promise.all([
    site.askAll(left),
    found(site, 'ready', during.ready),
    found(site, 'health', during.health)
  ])
  // By now it has found out.
  return { ...answers, ...await site.askAll(['ready', 'health']), ...observed }
}

async function found (site: Site, endpoint: 'ready' | 'health', expected: string): Promise<void> {
  await eventually(`${endpoint} says ${expected}`, async () => fits(await site.ask(endpoint), expected)).catch(() => {})
}

/** Causes it, compares what is answered meanwhile, ends it, and sees that nothing of it is left. */
async function show (stage: Stage, { name, during }: Fault): Promise<void> {
  const { t, site } = stage
  await eventually('all is well before', async () => isFine(await site.askAll(ENDPOINTS)))
  const { observed, end } = await CAUSES[name as FaultName](stage)
  const answers = await observe(site, during, observed ?? {})
  for (const endpoint of ENDPOINTS) {
    t.ok(
      fits(answers[endpoint], during[endpoint]),
      `${endpoint}: ${answers[endpoint] ?? ''}, expected ${during[endpoint]}`
    )
  }
  await end?.()
  const tookMs = await eventually('all is well again', async () => isFine(await site.askAll(ENDPOINTS)))
  t.comment(`${name}: well again after ${Math.round(tookMs)} ms`)
  t.ok(tookMs < RECOVERY_MS, `well again after ${Math.round(tookMs)} ms`)
  await checkAftermath(stage)
}

const WELL = FAULTS.find(({ name }) => name === 'slow network')?.during as Outcomes

function isFine (answers: Partial<Outcomes>): boolean {
  return ENDPOINTS.every((endpoint) => answers[endpoint] === WELL[endpoint])
}

async function checkAftermath ({ t, site, ground: { admin, url } }: Stage): Promise<void> {
  const { service } = site
  t.equal(service.child.exitCode, null, 'the process is there')
  t.same(
    service.lines.filter(({ level, exception }) => level === 'CRITICAL' || /unhandled/i.test(String(exception))),
    []
  )
  t.same(service.stderr().split('\n'), [''])
  for (const figure of [
    'db_pool_connections{state="active"}',
    'db_pool_connections{state="connecting"}',
    'db_pool_waiting_requests'
  ]) {
    await t.resolves(eventually(`${figure} is 0`, async () => (await site.figure(figure)) === 0))
  }
  await t.resolves(
    eventually(
      'nothing is in flight but the question',
      async () => (await site.figure('http_requests_in_flight')) === 1
    )
  )
  const busy = `select state, query from pg_stat_activity where usename = '${ROLE}' and state <> 'idle'`
  await t.resolves(eventually('nothing is left on the server', async () => (await admin.unsafe(busy)).length === 0))
  await t.resolves(eventually('each request has one line', async () => {
    const completed = service.lines.filter(
      ({ message, request_id: id }) => message === 'request completed' && site.asked.has(id ?? '')
    )
    return (
      completed.length === site.asked.size &&
      new Set(completed.map(({ request_id: id }) => id)).size === site.asked.size
    )
  }))
  await checkRows(t, site, url)
}

async function checkRows (t: Test, { stored }: Site, url: string): Promise<void> {
  const { default: postgres } = await import('postgres')
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  try {
    const plans = await sql<
      Array<{ mark: string; count: number }>
    >`select name as mark, count(*)::int as count from plans group by 1`
    // An import is whole or not at all: so many recordings, chunks and activities belong together.
    const imports = await sql<Array<{ mark: string; count: number }>>`
      select (extract(epoch from start_time) - extract(epoch from '2024-01-15T10:30:00Z'::timestamptz))::int::text as mark, count(*)::int as count
      from activities join recordings using (user_id, recording_id) join recording_chunks using (user_id, recording_id) group by 1`
    const counts = {
      write: new Map(plans.map(({ mark, count }) => [mark, count])),
      import: new Map(imports.map(({ mark, count }) => [mark, count]))
    }
    const wrong = stored.filter(({ kind, mark, status }) => {
      const count = counts[kind].get(mark) ?? 0
      return status === 201 ? count !== 1 : count > 1
    })
    t.same(wrong, [], 'every 201 is one row, and nothing is there twice')
    const [rows] =
      await sql`select (select count(*) from recordings)::int as recordings, (select count(*) from recording_chunks)::int as chunks, (select count(*) from activities)::int as activities`
    t.equal(rows?.recordings, rows?.activities)
    t.equal(rows?.chunks, rows?.activities)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

const folder = mkdtempSync(join(tmpdir(), 'running-trainer-disk-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
if (notMountable === false) {
  mountSmall(folder, 8192)
  t.teardown(() => unmount(folder))
}

const ground = await startGround(t)
const site = await startSite(t, ground.url, { LOG_DIR: logDir('direct') })

function logDir (name: string): string {
  mkdirSync(join(folder, name))
  return join(folder, name, 'logs')
}

for (const fault of FAULTS.filter((fault: Fault) => fault.pooled !== true)) {
  const skip = fault.name === 'disk full' ? notMountable : false
  t.test(`${fault.name}: it answers as the matrix says, and is as before within seconds`, { skip }, async (t) => {
    await show({ t, site, ground, bouncer: undefined }, fault)
  })
}

t.test('behind PgBouncer in transaction mode', { skip: noBouncer }, async (t) => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  const bouncer = await startBouncer(t, ground, port)
  const url = ground.url.replace(/:\d+\//, `:${port}/`)
  const pooled = await startSite(
    t,
    url,
    { LOG_DIR: logDir('pooled'), DATABASE_POOLER: 'transaction', DATABASE_MIGRATION_URL: ground.url },
    10_000
  )
  // Both sites are this role's: the other's connections would be seen as left over.
  await site.service.stop()
  for (const fault of FAULTS.filter((fault: Fault) => fault.pooled === true)) {
    await t.test(`${fault.name}: it answers as the matrix says, and is as before within seconds`, async (t) => {
      await show({ t, site: pooled, ground, bouncer }, fault)
    })
  }
})

t.test('docs/RELIABILITY.md says what is tested here', async (t) => {
  t.ok(
    readFileSync('docs/RELIABILITY.md', 'utf8').includes(`\n${describeFaults()}\n`),
    'else: node scripts/write-reliability-docs.mjs'
  )
})

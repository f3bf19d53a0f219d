import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { EmbeddedError, startEmbedded, type EmbeddedOptions } from '../../db/embedded/start.ts'
import { findNative } from '../../db/embedded/binaries.ts'
import { isThere, ownIdentity, postgresOn, startOf } from '../../db/embedded/identity.ts'
import { listener } from '../harness/listener.ts'

const MODULE = new URL('../../db/embedded/start.js', import.meta.url).href
const isRoot = process.getuid?.() === 0

// Run without tap's settings a file has 30 s, and each of these starts Postgres several times.
t.setTimeout(480_000)

/** A folder of the test's own, with nothing running in it when the test is over. */
function folder (t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'running-trainer-test-'))
  t.teardown(() => {
    const cluster = join(dir, 'postgres', 'cluster')
    if (existsSync(cluster)) { for (const pid of postgresOn(cluster, join(cluster, 'postmaster.pid'))) process.kill(pid, 'SIGKILL') }
    rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  })
  return dir
}

async function start (t: Test, dataDir: string, options: Partial<EmbeddedOptions> = {}) {
  const heard = listener()
  const embedded = await startEmbedded({ dataDir, log: heard.log, ...options })
  t.teardown(() => embedded.stop())
  return { ...heard, embedded }
}

/** One statement on a connection of its own. */
async function ask (url: string, statement: string): Promise<object[]> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {}, connect_timeout: 5 })
  try {
    return [...await sql.unsafe(statement)]
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** A service in a process of its own, that says what came of its start and then stays. */
async function inProcess (t: Test, dataDir: string, environment: Record<string, string> = {}) {
  const program = `
    import { startEmbedded } from ${JSON.stringify(MODULE)}
    const log = { debug () {}, info () {}, warning () {}, error () {} }
    process.on('message', () => {})
    startEmbedded({ dataDir: ${JSON.stringify(dataDir)}, log }).then(
      ({ url, pid }) => process.send({ url, pid }),
      (error) => process.send({ name: error.name, message: error.message }))
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: process.cwd(), env: { ...process.env, ...environment }, stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  const answer = once(child, 'message').then(
    ([message]) => message as { url?: string; pid?: number; name?: string; message?: string }
  )
  return { child, answer }
}

/** The moment a process that is not our child is gone. */
async function gone (pid: number): Promise<void> {
  while (isThere(pid) && startOf(pid) !== null) await new Promise((resolve) => setTimeout(resolve, 10))
}

t.test('an interrupted initdb does not poison the next start', async (t) => {
  const dir = folder(t)
  const { child } = await inProcess(t, dir)
  const holder = join(dir, 'postgres')
  const made = () =>
    existsSync(holder) ? readdirSync(holder).find((name) => name.startsWith('cluster.new-')) : undefined
  // Killed as soon as there are files of a cluster, long before there is one.
  while (made() === undefined || readdirSync(join(holder, made() as string)).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(existsSync(join(holder, 'cluster')), false)
  const { embedded } = await start(t, dir)
  t.same(await ask(embedded.url, 'select 1 as id'), [{ id: 1 }])
  t.same(readdirSync(holder).filter((name) => name.includes('-')), [])
})

// The one above has to see initdb at work. The others mostly wait for processes: they run side by side.
t.jobs = 4

t.test('the first start creates a cluster, a later one finds its data', async (t) => {
  const dir = folder(t)
  const first = await start(t, dir)
  t.match(
    await ask(
      first.embedded.url,
      "create table kept as select 1 as id; select current_database() as name, current_setting('fsync') as fsync, current_setting('server_encoding') as encoding"
    ),
    [[], [{ name: 'running_trainer', fsync: 'on', encoding: 'UTF8' }]]
  )
  t.same(await ask(first.embedded.url, "select lower('ÄÖ') as lower, 'Ä' ~* 'ä' as matches"), [
    { lower: 'äö', matches: true }
  ])
  t.match(
    first.lines.filter(({ message }) => message === 'embedded Postgres started'),
    [{ level: 'info', fields: { pid: Number, port: Number } }]
  )
  const { pid } = first.embedded
  await first.embedded.stop()
  t.equal(isThere(pid as number), false)
  t.equal(first.embedded.state, 'stopped')

  const second = await start(t, dir)
  t.same(await ask(second.embedded.url, 'select id from kept'), [{ id: 1 }])
  t.equal(new URL(second.embedded.url).password, new URL(first.embedded.url).password)
  t.equal(statSync(join(dir, 'postgres', 'password')).mode & 0o777, 0o600)
  const stranger = new URL(second.embedded.url)
  stranger.password = 'guess'
  await t.rejects(ask(stranger.href, 'select 1'), { code: '28P01' })
  t.notMatch(readFileSync(join(dir, 'postgres.log'), 'utf8'), new RegExp(new URL(second.embedded.url).password))
})

t.test('the Postgres that a killed service left running is replaced, with its data', async (t) => {
  const dir = folder(t)
  const { child, answer } = await inProcess(t, dir)
  const { url, pid } = await answer
  await ask(url as string, 'create table kept as select 1 as id')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(isThere(pid as number), 'Postgres outlived the service')
  const { embedded, lines } = await start(t, dir)
  t.same(await ask(embedded.url, 'select id from kept'), [{ id: 1 }])
  t.equal(startOf(pid as number), null)
  t.ok(
    lines.some(
      ({ level, message, fields }) => level === 'warning' && message.includes('left running') && fields['pid'] === pid
    )
  )
})

t.test('Postgres ends with a service that exits without stopping it', async (t) => {
  const dir = folder(t)
  const { child, answer } = await inProcess(t, dir)
  const { pid } = await answer
  child.kill('SIGTERM')
  await once(child, 'exit')
  // A signal without a handler runs no exit handlers: that is the case above. This one does.
  const again = await inProcess(t, dir)
  const { pid: second } = await again.answer
  again.child.disconnect()
  await once(again.child, 'exit')
  await gone(second as number)
  t.not(second, pid)
  t.equal(existsSync(join(dir, 'postgres', 'cluster', 'postmaster.pid')), false, 'it ended in order')
})

t.test('of services that start at once on one folder exactly one wins, and the others name it', async (t) => {
  const dir = folder(t)
  const services = await Promise.all(Array.from({ length: 5 }, () => inProcess(t, dir)))
  const answers = await Promise.all(services.map(({ answer }) => answer))
  const winners = services.filter((_, index) => answers[index]?.url !== undefined)
  t.equal(winners.length, 1)
  for (const { url, name, message } of answers) {
    if (url !== undefined) continue
    t.equal(name, 'EmbeddedError')
    t.match(message, new RegExp(`in use by process ${winners[0]?.child.pid}.*Stop that service first`))
  }
  await t.rejects(startEmbedded({ dataDir: dir, log: listener().log }), EmbeddedError)
})

t.test('a lock whose process id was reused by another process does not block', async (t) => {
  const dir = folder(t)
  mkdirSync(join(dir, 'postgres'))
  // This very process, as it would be had it started at another time; as in a container, where the number is always 1.
  writeFileSync(join(dir, 'postgres', 'lock.3'), JSON.stringify({ ...ownIdentity(), started: '1' }))
  const { embedded } = await start(t, dir)
  t.same(readdirSync(join(dir, 'postgres')).filter((name) => name.startsWith('lock')), ['lock.4'])
  await embedded.stop()
  // And so with the file of Postgres: its number is this process's now.
  writeFileSync(join(dir, 'postgres', 'cluster', 'postmaster.pid'), `${process.pid}\n`)
  t.equal((await start(t, dir)).embedded.state, 'running')
})

t.test('a lock of another container counts as long as it is refreshed', async (t) => {
  const dir = folder(t)
  mkdirSync(join(dir, 'postgres'))
  const path = join(dir, 'postgres', 'lock.1')
  const other = JSON.stringify({ ...ownIdentity(), host: 'other', space: 'pid:[1]', pid: 1 })
  writeFileSync(path, other)
  const touching = setInterval(() => writeFileSync(path, other), 200)
  await t.rejects(startEmbedded({ dataDir: dir, log: listener().log }), {
    name: 'EmbeddedError',
    message: /in use by process 1 on other/
  })
  clearInterval(touching)
  t.equal((await start(t, dir)).embedded.state, 'running')
})

t.test(
  'as root it runs under a home that is closed to all others',
  { skip: isRoot ? false : 'only root can try this' },
  async (t) => {
    const home = folder(t)
    t.equal(statSync(home).mode & 0o777, 0o700)
    const dir = join(home, 'clone', 'data')
    // The binaries lie there too.
    const native = join(home, 'clone', 'package', 'native')
    await cp(findNative(), native, { recursive: true, verbatimSymlinks: true })
    await cp(join(findNative(), '..', 'package.json'), join(native, '..', 'package.json'))
    const { embedded } = await start(t, dir, { native })
    t.not(statSync(`/proc/${embedded.pid}`).uid, 0)
    for (const statement of [
      'create table big as select g as id from generate_series(1, 200000) as g',
      'checkpoint',
      'create database other',
      'drop database other with (force)'
    ]) {
      t.same(await ask(embedded.url, statement), [], statement)
    }
    const sql = postgres(embedded.url, { max: 1, fetch_types: false })
    await sql.unsafe(
      'set max_parallel_workers_per_gather = 2; set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0; set parallel_tuple_cost = 0'
    )
    const plan = await sql.unsafe('explain (analyze) select count(*) from big')
    t.match(plan.map((row) => row['QUERY PLAN']).join('\n'), /Workers Launched: [12]/)
    await sql.end({ timeout: 1 })
    process.kill(embedded.pid as number, 'SIGKILL')
    await embedded.stop()
    const again = await start(t, dir, { native })
    t.same(
      await ask(again.embedded.url, 'select count(*)::int as rows from big'),
      [{ rows: 200_000 }],
      'recovered from the crash'
    )
  }
)

t.test(
  'library links that npm did not create are created in a copy, which is repaired when a file is missing',
  async (t) => {
    const home = folder(t)
    chmodSync(home, 0o755)
    const native = join(home, 'native')
    await cp(findNative(), native, { recursive: true, verbatimSymlinks: true })
    await cp(join(findNative(), '..', 'package.json'), join(home, 'package.json'))
    // Another size of a file nobody reads makes a copy of this test's own.
    writeFileSync(join(native, 'share', `marker-${process.pid}`), 'x')
    for (const { target } of JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as Array<{
      target: string
    }>) { rmSync(join(home, target), { force: true }) }
    const { embedded, lines } = await start(t, join(home, 'data'), { native })
    const place = lines.find(({ message }) => message.includes('copy of its binaries'))?.fields['place'] as string
    t.teardown(() => rmSync(place, { recursive: true, force: true }))
    t.equal(lstatSync(place).mode & 0o777, 0o755)
    t.equal(lstatSync(place).uid, process.getuid?.())
    await embedded.stop()
    rmSync(join(place, 'share', `marker-${process.pid}`))
    await (await start(t, join(home, 'data'), { native })).embedded.stop()
    t.ok(existsSync(join(place, 'share', `marker-${process.pid}`)))

    if (!isRoot) return
    // What another user has put there is not run.
    chownSync(place, 12345, 12345)
    const { lines: later } = await start(t, join(home, 'data'), { native })
    const other = later.find(({ message }) => message.includes('copy of its binaries'))?.fields['place'] as string
    t.teardown(() => rmSync(other, { recursive: true, force: true }))
    t.not(other, place)
    t.equal(dirname(other), dirname(place))
  }
)

t.test('a postmaster that dies is started again at the same address', async (t) => {
  const dir = folder(t)
  const { embedded, said, lines } = await start(t, dir)
  await ask(embedded.url, 'create table kept as select 1 as id')
  const { pid } = embedded
  process.kill(pid as number, 'SIGKILL')
  await said('runs again')
  t.equal(embedded.state, 'running')
  t.equal(embedded.restarts, 1)
  t.not(embedded.pid, pid)
  t.same(await ask(embedded.url, 'select id from kept'), [{ id: 1 }])
  t.ok(
    lines.some(
      ({ level, fields }) =>
        level === 'error' && fields['error_code'] === 'DATABASE_ERROR' && fields['ended_with'] === 'SIGKILL'
    )
  )
})

t.test('a failed start is repeated until Postgres runs, and stop ends the attempts', async (t) => {
  const dir = folder(t)
  const control = join(dir, 'postgres', 'cluster', 'global', 'pg_control')
  const fall = (pid: number | undefined) => {
    renameSync(control, `${control}.away`)
    process.kill(pid as number, 'SIGKILL')
  }
  const { embedded, said } = await start(t, dir)
  fall(embedded.pid)
  await said('could not be started again', 2)
  t.equal(embedded.state, 'restarting')
  renameSync(`${control}.away`, control)
  await said('runs again')
  t.same(await ask(embedded.url, 'select 1 as id'), [{ id: 1 }])
  fall(embedded.pid)
  await said('could not be started again', 4)
  await embedded.stop()
  t.equal(embedded.state, 'stopped')
  renameSync(`${control}.away`, control)
  t.equal((await start(t, dir)).embedded.state, 'running')
})

t.test('stop ends a Postgres that does not listen, and may be called twice', async (t) => {
  const dir = folder(t)
  const { embedded } = await start(t, dir, { patienceMs: 100 })
  const { pid } = embedded
  process.kill(pid as number, 'SIGSTOP')
  await Promise.all([embedded.stop(), embedded.stop()])
  t.equal(startOf(pid as number), null)
  t.equal((await start(t, dir)).embedded.state, 'running', 'and the folder is free')
})

t.test('stop ends a statement that runs', async (t) => {
  const { embedded } = await start(t, folder(t))
  const sql = postgres(embedded.url, { max: 1, fetch_types: false })
  const running = t.rejects(Promise.resolve(sql`select pg_sleep(600)`))
  await ask(embedded.url, `do $$ begin
    while not exists (select from pg_stat_activity where wait_event = 'PgSleep' and pid <> pg_backend_pid()) loop
      perform pg_stat_clear_snapshot(), pg_sleep(0.01);
    end loop; end $$`)
  await embedded.stop()
  await running
  await sql.end({ timeout: 0 })
})

t.test('a folder that cannot be used is refused with what to do', async (t) => {
  const dir = folder(t)
  const { log } = listener()
  await t.test('a file', async (t) => {
    writeFileSync(join(dir, 'file'), '')
    await t.rejects(startEmbedded({ dataDir: join(dir, 'file'), log }), {
      name: 'EmbeddedError',
      message: /not a folder/
    })
  })
  await t.test(
    'one where nothing can be made',
    { skip: existsSync('/proc/self') ? false : 'no such folder is known here' },
    async (t) => {
      await t.rejects(startEmbedded({ dataDir: '/proc/none', log }), {
        name: 'EmbeddedError',
        message: /cannot be used.*DATABASE_URL/
      })
    }
  )
  await t.test('data of another major version', async (t) => {
    mkdirSync(join(dir, 'old', 'postgres', 'cluster'), { recursive: true })
    writeFileSync(join(dir, 'old', 'postgres', 'cluster', 'PG_VERSION'), '12\n')
    await t.rejects(startEmbedded({ dataDir: join(dir, 'old'), log }), {
      name: 'EmbeddedError',
      message: /made by PostgreSQL 12/
    })
  })
  await t.test('something else than a cluster', async (t) => {
    mkdirSync(join(dir, 'else', 'postgres', 'cluster'), { recursive: true })
    await t.rejects(startEmbedded({ dataDir: join(dir, 'else'), log }), {
      name: 'EmbeddedError',
      message: /not a PostgreSQL cluster/
    })
  })
})

t.test('a lost password is replaced', async (t) => {
  const dir = folder(t)
  const { embedded } = await start(t, dir)
  await embedded.stop()
  rmSync(join(dir, 'postgres', 'password'))
  const again = await start(t, dir)
  t.not(new URL(again.embedded.url).password, new URL(embedded.url).password)
  t.same(await ask(again.embedded.url, 'select 1 as id'), [{ id: 1 }])
})

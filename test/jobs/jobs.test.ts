import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import t from 'tap'
import { DatabaseError } from '../../db/driver/errors.ts'
import { createLogger } from '../../src/log/logger.ts'
import { JobRunner, type Job } from '../../src/jobs/runner.ts'
import { sweepIdempotencyKeys } from '../../jobs/sweep-idempotency-keys.ts'
import { sweepRefreshTokens } from '../../jobs/sweep-refresh-tokens.ts'
import { startService, type LogLine } from '../harness/service.ts'
import { lockTable } from '../harness/table-lock.ts'
import { ToxicProxy } from '../harness/toxic-proxy.ts'

function runnerOf (...jobs: Array<Partial<Job> & Pick<Job, 'batch'>>) {
  const lines: LogLine[] = []
  const log = createLogger({ sink: { write: (line) => { lines.push(JSON.parse(line) as LogLine) } }, name: 'app.jobs' })
  const runner = new JobRunner({
    jobs: jobs.map((job) => ({ name: 'job', intervalMs: 1000, ...job })),
    log,
    mayRun: () => true
  })
  return { runner, lines }
}

function gate () {
  let open = () => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { open, opened }
}

t.test('batches run until one reports that there is nothing left', async (t) => {
  let left = 4
  const { runner } = runnerOf({ batch: async () => --left === 0 ? 'done' : 'more' })
  await runner.run('job')
  t.equal(left, 0)
  await t.rejects(runner.run('another'), TypeError)
})

t.test('a job never runs concurrently with itself', async (t) => {
  const { open, opened } = gate()
  let running = 0
  let most = 0
  let runs = 0
  const { runner } = runnerOf({
    batch: async () => {
      runs++
      most = Math.max(most, ++running)
      await opened
      running--
      return 'done'
    }
  })
  const all = [runner.run('job'), runner.run('job'), runner.run('job')]
  open()
  await Promise.all(all)
  t.same([most, runs], [1, 1])
})

t.test('a job that is woken while it runs looks once more', async (t) => {
  const { open, opened } = gate()
  let runs = 0
  const { runner } = runnerOf({
    batch: async () => {
      if (++runs === 1) await opened
      return 'done'
    }
  })
  const run = runner.run('job')
  runner.wake('job')
  open()
  await run
  t.equal(runs, 2)
})

t.test('stopping waits for the running batch and begins no other', async (t) => {
  const { open, opened } = gate()
  let begun = 0
  let ended = 0
  const { runner } = runnerOf({
    batch: async () => {
      begun++
      await opened
      ended++
      return 'more'
    }
  })
  const run = runner.run('job')
  let stopped = false
  const stop = runner.stop().then(() => { stopped = true })
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(stopped, false)
  open()
  await Promise.all([stop, run])
  t.same([begun, ended], [1, 1])
  await runner.run('job')
  t.equal(begun, 1)
})

t.test('a failing job is logged as ERROR each time, degrades health, and recovers by itself', async (t) => {
  let failures = 2
  const { runner, lines } = runnerOf({
    batch: async () => {
      if (failures-- > 0) throw new Error('broken')
      return 'done'
    }
  })
  await runner.run('job')
  t.match(runner.problem(), /^job: /)
  t.notMatch(runner.problem(), /broken/, 'what went wrong is for the log only')
  await runner.run('job')
  await runner.run('job')
  t.equal(runner.problem(), undefined)
  t.match(lines, [
    { level: 'ERROR', logger_name: 'app.jobs', error_code: 'JOB_FAILED', exception: /broken/, extra: { job: 'job' } },
    { level: 'ERROR' },
    { level: 'INFO', message: 'job recovered' }
  ])
  t.equal(lines.length, 3)
})

t.test('a database outage is logged once, and so is the recovery', async (t) => {
  let away = true
  const { runner, lines } = runnerOf({
    batch: async () => {
      if (away) throw new DatabaseError('unreachable', 'gone')
      return 'done'
    }
  })
  for (let i = 0; i < 5; i++) await runner.run('job')
  t.match(runner.problem(), /database/)
  away = false
  for (let i = 0; i < 5; i++) await runner.run('job')
  t.equal(runner.problem(), undefined)
  t.same(lines.map(({ level }) => level), ['WARNING', 'INFO'])
})

t.test('jobs start by themselves when they are allowed to', async (t) => {
  const { open, opened } = gate()
  let may = false
  const log = createLogger({ sink: { write () {} } })
  const runner = new JobRunner({
    jobs: [{ name: 'job', intervalMs: 1, batch: async () => { t.equal(may, true); open(); return 'done' } }],
    log,
    mayRun: () => { const now = may; may = true; return now }
  })
  const alive = setInterval(() => {}, 1000)
  runner.start()
  await opened
  await runner.stop()
  clearInterval(alive)
})

t.test('expired rows are deleted batch by batch, and no others', async (t) => {
  const { app, runner, databaseUrl } = await startService(t)
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(() => sql.end({ timeout: 5 }))
  const ann = await runner()
  await ann.call(
    'POST',
    '/plans',
    { name: 'Plan', start_date: '2026-01-05', end_date: '2026-04-26' },
    { 'idempotency-key': randomUUID() }
  )
  await sql`
    insert into idempotency_keys (user_id, key_hash, fingerprint, answer, expires_at)
    select ${ann.id}, sha256(i::text::bytea), sha256(''), '', now() - interval '1 minute' from generate_series(1, 2500) i
  `
  await sql`
    insert into refresh_tokens (user_id, token_id, session_id, secret_hash, expires_at)
    select user_id, gen_random_uuid(), session_id, sha256(''), now() - interval '1 minute'
    from sessions, generate_series(1, 1001) where user_id = ${ann.id}
  `
  const count = async () => {
    const [row] =
      await sql`select (select count(*) from idempotency_keys)::integer as keys, (select count(*) from refresh_tokens)::integer as tokens`
    return { ...row }
  }
  t.same(await count(), { keys: 2501, tokens: 1002 })
  await app.jobs.run('sweep-idempotency-keys')
  t.same(await count(), { keys: 1, tokens: 1002 })
  await app.jobs.run('sweep-refresh-tokens')
  t.same(await count(), { keys: 1, tokens: 1 })
  t.equal(app.jobs.problem(), undefined)
})

t.test('a job that runs in another process is left to it', async (t) => {
  const { database, databaseUrl } = await startService(t)
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(() => sql.end({ timeout: 5 }))
  const first = sweepIdempotencyKeys(database.sql)
  const second = sweepRefreshTokens(database.sql)
  await sql.begin(async (sql) => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${first.name}, 7236517))`
    t.equal(await first.batch(), 'elsewhere')
    t.equal(await second.batch(), 'done')
  })
  t.equal(await first.batch(), 'done')
})

t.test('a job that waits for the database does not hold up a shutdown', async (t) => {
  const { app, databaseUrl, lines } = await startService(t, { env: { DATABASE_QUERY_TIMEOUT: '600' } })
  const lock = await lockTable(t, databaseUrl, 'refresh_tokens')
  const running = app.jobs.run('sweep-refresh-tokens')
  await lock.awaited()
  await app.close()
  await running
  t.same(lines.filter(({ logger_name: name }) => name === 'app.jobs'), [], 'and is no failure')
})

t.test('a job continues after an outage of the database', async (t) => {
  const { databaseUrl } = await startService(t)
  const address = new URL(databaseUrl)
  const proxy = await ToxicProxy.to(Number(address.port), address.hostname)
  t.teardown(() => proxy.close())
  const { app, lines } = await startService(t, { env: { DATABASE_URL: proxy.url(databaseUrl) } })
  await proxy.setMode('refuse')
  for (let i = 0; i < 3; i++) await app.jobs.run('sweep-refresh-tokens')
  t.match(app.jobs.problem(), /^sweep-refresh-tokens: the database/)
  await proxy.setMode('pass')
  while (app.jobs.problem() !== undefined) await app.jobs.run('sweep-refresh-tokens')
  t.same(lines.filter(({ logger_name }) => logger_name === 'app.jobs').map(({ level }) => level), ['WARNING', 'INFO'])
})

t.test('a job that the database has kept from its work runs as soon as the database is back', async (t) => {
  const { open, opened } = gate()
  let away = true
  const { runner } = runnerOf(
    {
      intervalMs: 3_600_000,
      batch: async () => {
        if (away) throw new DatabaseError('unreachable', 'gone')
        open()
        return 'done'
      }
    },
    { name: 'broken', intervalMs: 3_600_000, batch: async () => { throw new Error('broken') } }
  )
  t.teardown(() => runner.stop())
  await runner.run('job')
  t.equal(runner.problem(), undefined, 'once is none: it is tried again soon')
  await Promise.all([runner.run('job'), runner.run('broken')])
  t.match(runner.problem(), /^job: the database/)
  away = false
  runner.resume()
  await opened
  await runner.run('job')
  t.match(runner.problem(), /^broken: /, 'what has another reason waits for its time')
})

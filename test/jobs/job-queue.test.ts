import t from 'tap'
import { openJobQueue } from '../../db/job-queue.ts'
import { transaction } from '../../db/sql.ts'
import { createDatabase } from '../harness/database.ts'
import { openDatabase } from '../harness/open-database.ts'

const url = await createDatabase(t)
const { sql } = openDatabase(t, url)
const queue = openJobQueue(sql)

interface Data { user_id: string }

t.afterEach(async () => { await sql`delete from pgboss_job` })

/** As if so much time had passed since the jobs were last heard of. */
async function timePasses (seconds: number): Promise<void> {
  await sql`
    update pgboss_job set started_on = started_on - make_interval(secs => ${seconds}), start_after = start_after - make_interval(secs => ${seconds})
  `
}

async function statesOf (name: string): Promise<string[]> {
  return (await sql<{ state: string }>`select state from pgboss_job where name = ${name} order by created_on`).map(({ state }) => state)
}

t.test('jobs are taken in the order they were sent, each once, and one waits for each key', async (t) => {
  for (const user_id of ['ann', 'ben', 'ann']) await queue.send(sql, 'imports', user_id, { user_id })
  const taken = await Promise.all([1, 2, 3].map(async () => await queue.take<Data>('imports')))
  t.same(taken.map((job) => job?.data.user_id).filter((id) => id !== undefined).sort(), ['ann', 'ben'])
  await queue.send(sql, 'imports', 'ann', { user_id: 'ann' })
  t.same(await statesOf('imports'), ['active', 'active', 'created'], 'one that is being worked on does not keep the next from waiting')
  for (const job of taken) if (job !== undefined) await queue.finish(sql, 'imports', job.id)
  t.same(await statesOf('imports'), ['created'], 'nothing is left of a job that is done')
  t.match(await queue.figures(), [{ queue: 'imports', waiting: 1, active: 0, failed: 0 }, { queue: 'imports-failed', waiting: 0 }])
})

t.test('a job is sent with its transaction or not at all', async (t) => {
  await t.rejects(transaction(sql, async (sql) => {
    await queue.send(sql, 'imports', 'ann', { user_id: 'ann' })
    throw new Error('changed its mind')
  }))
  t.equal(await queue.take('imports'), undefined)
})

t.test('a job whose process is not heard of for 20 s is tried again; one that is kept is not', async (t) => {
  await queue.send(sql, 'imports', 'ann', { user_id: 'ann' })
  const job = await queue.take<Data>('imports')
  await timePasses(19)
  await queue.keep('imports', job!.id)
  await timePasses(19)
  await queue.expire()
  t.same(await statesOf('imports'), ['active'])
  await timePasses(2)
  await queue.expire()
  t.same(await statesOf('imports'), ['retry'])
  await timePasses(60)
  t.equal((await queue.take('imports'))?.id, job?.id)
})

t.test('a job that fails each time goes to the queue of failures after its tries', async (t) => {
  await queue.send(sql, 'imports', 'ann', { user_id: 'ann' })
  let tries = 0
  for (let job = await queue.take('imports'); job !== undefined; job = await queue.take('imports')) {
    tries++
    await queue.fail('imports', job.id, 'It cannot be done')
    await timePasses(100_000)
  }
  t.equal(tries, 11)
  t.same(await statesOf('imports'), ['failed'])
  t.same((await queue.take<Data>('imports-failed'))?.data, { user_id: 'ann' })
  await sql`update pgboss_job set completed_on = completed_on - interval '8 days' where state = 'failed'`
  await queue.sweep()
  t.same(await statesOf('imports'), [])
  await sql`update pgboss_archive set archived_on = archived_on - interval '2 days'`
  await queue.sweep()
  t.same(await sql`select name from pgboss_archive`, [])
})

t.test('a database that is in trouble is told, and not taken for an empty queue', async (t) => {
  const { sql, close } = openDatabase(t, url)
  await close({ timeoutMs: 100 })
  await t.rejects(openJobQueue(sql).take('imports'), { name: 'DatabaseError' })
})

t.test('the tables are those that pg-boss expects: where this fails, another version of it wants others', async (t) => {
  const { default: PgBoss } = await import('pg-boss')
  const wanted = new Map<string, string[]>()
  const tables = PgBoss.getConstructionPlans('pgboss')
  for (const [, table, body] of tables.matchAll(/CREATE TABLE pgboss\.(version|queue|job) \(([^;]*)\)/g)) {
    const columns = body!.split('\n').map((line) => /^\s*([a-z_]+) /.exec(line)?.[1]).filter((name) => name !== undefined)
    wanted.set(table!, columns.sort())
  }
  t.same([...wanted.keys()].sort(), ['job', 'queue', 'version'])
  for (const [table, columns] of wanted) {
    const rows = await sql<{ name: string }>`
      select attname::text as name from pg_attribute
      where attrelid = ${`pgboss_${table}`}::regclass and attnum > 0 and not attisdropped
    `
    t.same(rows.map(({ name }) => name).sort(), columns, table)
  }
  const [version] = await sql`select version from pgboss_version`
  t.match(tables, `VALUES ('${String(version?.version)}')`)
})

import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { Agent } from 'node:http'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { HAPROXY_CONFIG, hasHaproxy, startBalancer } from '../harness/balancer.ts'
import { createDatabase } from '../harness/database.ts'
import { ask, newPlan, signUp, type HttpAnswer, type HttpCall } from '../harness/http-client.ts'
import { tcxActivity, tcxOf } from '../harness/fixtures/recordings.ts'
import { freePort, until } from '../harness/live-service.ts'
import { startProcess, type ServiceProcess } from '../harness/service.ts'

t.setTimeout(300_000)

const INSTANCES = 3
const COUNTS = /^http_request_duration_seconds_count\{.*route="\/api\/v1\/plans".*\} (\d+)$/gm

t.test('an instance of three that dies, freezes or restarts fails no idempotent request', async (t) => {
  if (hasHaproxy()) t.equal(spawnSync('haproxy', ['-c', '-f', HAPROXY_CONFIG]).status, 0)
  const databaseUrl = await createDatabase(t)
  const ports = [await freePort(), await freePort(), await freePort()]
  const env = (port: number) => ({
    PORT: String(port),
    DATABASE_URL: databaseUrl,
    JWT_SECRET: 'one secret for all of these processes',
    SHUTDOWN_DRAIN_DELAY: '2',
    REQUEST_TIMEOUT: '2',
    MAX_POOL_SIZE: '5'
  })
  const instances = await Promise.all(ports.map(async (port) => await startProcess(t, env(port)))) as
    [ServiceProcess, ServiceProcess, ServiceProcess]
  const balancer = await startBalancer(t, ports)
  const { port } = balancer
  t.comment(`behind ${balancer.name}`)
  const sql = postgres(databaseUrl, { max: 2, fetch_types: false })
  t.teardown(() => sql.end({ timeout: 5 }))
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const headers = await signUp(port)
  const registered = await ask(port, '/api/v1/auth/register', {
    method: 'POST',
    body: { email: `${randomUUID()}@example.org`, password: 'correct horse battery' }
  })
  const ended = JSON.parse(registered.text) as { access_token: string, refresh_token: string }
  const { refresh_token } = ended
  t.equal((await ask(port, '/api/v1/auth/logout', { method: 'POST', body: { refresh_token } })).status, 204)
  await sql`
    insert into sessions (user_id, session_id, expires_at)
    select user_id, gen_random_uuid(), now() - interval '1 hour' from users, generate_series(1, 1500)
  `

  /** As the documentation tells a client: asks again what still runs, and what is not possible for the moment. */
  const persistently = async (path: string, call: HttpCall): Promise<HttpAnswer> => {
    for (;;) {
      const answer = await ask(port, path, { agent, ...call })
      if ((answer.status !== 409 && answer.status !== 503) || answer.headers['retry-after'] === undefined) return answer
      if (!answer.headers['content-type']?.startsWith('application/json')) return answer
    }
  }

  const failures: string[] = []
  const plans: string[] = []
  const days: number[] = []
  let day = 0
  const done = { read: 0, write: 0, upload: 0 }
  const progress = new EventEmitter()
  const over = new AbortController()
  const client = async (kind: keyof typeof done) => {
    while (!over.signal.aborted) {
      const key = { ...headers, 'idempotency-key': randomUUID() }
      const plan = newPlan(randomUUID())
      const from = ++day * 86_400
      const bytes = Buffer.from(tcxOf(`<Activities>${tcxActivity({ count: 300, from })}</Activities>`))
      const [path, call, wanted] = {
        read: ['/api/v1/plans?limit=5', { headers }, 200],
        write: ['/api/v1/plans', { method: 'POST', headers: key, body: plan }, 201],
        upload: ['/api/v1/activities/import', {
          method: 'POST', headers: key, bytes, type: 'application/vnd.garmin.tcx+xml'
        }, 201]
      }[kind] as [string, HttpCall, number]
      try {
        const { status, text } = await persistently(path, call)
        if (status !== wanted) failures.push(`${kind}: ${status} ${text.slice(0, 200)}`)
        else if (kind === 'write') plans.push(plan.name)
        else if (kind === 'upload') days.push(from)
      } catch (error) {
        failures.push(`${kind}: ${String(error)}`)
      }
      done[kind]++
      progress.emit('answer')
    }
  }
  const load = Promise.all((['read', 'write', 'upload', 'read', 'write'] as const).map(client))
  /** Resolves when more requests of these kinds were answered. */
  const answered = async (...kinds: Array<keyof typeof done>) => {
    const before = { ...done }
    const signal = AbortSignal.timeout(120_000)
    while (kinds.some((kind) => done[kind] < before[kind] + 2)) await once(progress, 'answer', { signal })
  }
  await answered('read', 'write', 'upload')

  await t.test('each background job is done once', async (t) => await jobsOnce(t, sql))

  // One is killed, and started again.
  let turned = balancer.turned(0, false)
  await instances[0].stop('SIGKILL')
  await turned
  await answered('read', 'write', 'upload')
  turned = balancer.turned(0, true)
  const [again] = await Promise.all([startProcess(t, env(ports[0] as number)), turned])
  await answered('read', 'write', 'upload')

  // One is frozen under its requests, and goes on.
  turned = balancer.turned(2, false)
  instances[2].child.kill('SIGSTOP')
  await turned
  await answered('read', 'write')
  turned = balancer.turned(2, true)
  instances[2].child.kill('SIGCONT')
  await turned
  await answered('read', 'write', 'upload')

  // One is shut down as in a rolling restart.
  turned = balancer.turned(1, false)
  const stopped = instances[1].stop()
  await turned
  t.match(await stopped, { code: 0 })
  await answered('read', 'write', 'upload')
  over.abort()
  await load
  t.same(failures, [])
  t.comment(JSON.stringify(done))

  const names = await sql<Array<{ name: string }>>`select name from plans`
  t.same(names.map(({ name }) => name).sort(), plans.sort(), 'each write is there, once')
  const [row] = await sql<Array<{ count: number }>>`select count(*)::int as count from activities`
  t.equal(row?.count, days.length, 'each upload is there, once')

  await t.test('what has expired is swept', async (t) => {
    // Half a minute after its start, an instance sweeps for the first time.
    await until('no expired session is left', 90_000, async () => {
      const [row] = await sql<Array<{ count: number }>>`
        select count(*)::int as count from sessions where expires_at <= now()
      `
      return row?.count === 0 ? true : undefined
    })
    const failed = [...instances, again].flatMap(({ lines }) => lines.filter(({ message }) => message === 'job failed'))
    t.same(failed, [])
  })

  await t.test('metrics of the instances add up', async (t) => {
    const count = async () => {
      const texts = await Promise.all([again, instances[2]].map(async (each) => (await ask(each.port, '/metrics')).text))
      return texts.flatMap((text) => [...text.matchAll(COUNTS)]).reduce((sum, [, value]) => sum + Number(value), 0)
    }
    const before = await count()
    await Promise.all(Array.from({ length: 20 }, async () => await ask(port, '/api/v1/plans', { headers, agent })))
    t.equal(await count() - before, 20)
  })

  await t.test('a session that was ended at one instance has ended at the others', async (t) => {
    for (const each of [again, instances[2]]) {
      const patience = AbortSignal.timeout(60_000)
      let status = 0
      while (status !== 401 && !patience.aborted) {
        status = (await ask(each.port, '/api/v1/me', { headers: { authorization: `Bearer ${ended.access_token}` } })).status
      }
      t.equal(status, 401)
    }
  })
})

/**
 * Queues all activities to be computed again, behind a lock for which every instance waits: when it is released, they
 * all ask for the same work at the same time.
 */
async function jobsOnce (t: Test, sql: postgres.Sql): Promise<void> {
  const revisions = async () => await sql<Array<{ activity_id: string, revision: number }>>`
    select activity_id, revision from activity_figures order by activity_id
  `
  const isWaited = async () => {
    const [row] = await sql<Array<{ count: number }>>`
      select count(distinct pid)::int as count from pg_locks where relation = 'recomputations'::regclass and not granted
    `
    return row?.count === INSTANCES ? true : undefined
  }
  const queued = await sql.begin(async (locked) => {
    await locked`lock table recomputations in share row exclusive mode`
    const rows = await locked<Array<{ activity_id: string, revision: number }>>`
      with queued as (
        insert into recomputations (user_id, activity_id, start_time, formula_version)
        select user_id, activity_id, start_time, 1 from activities
        returning activity_id
      )
      select activity_id, revision from queued join activity_figures using (activity_id)
    `
    await until('every instance waits for the lock', 60_000, isWaited)
    return rows
  })
  t.ok(queued.length > 0, `${queued.length} activities`)
  await until('nothing is queued', 60_000, async () => {
    const [row] = await sql<Array<{ count: number }>>`select count(*)::int as count from recomputations`
    return row?.count === 0 ? true : undefined
  })
  const after = new Map((await revisions()).map(({ activity_id, revision }) => [activity_id, revision]))
  for (const { activity_id, revision } of queued) t.equal(after.get(activity_id), revision + 1, 'was computed once')
}

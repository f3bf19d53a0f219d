import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { Agent } from 'node:http'
import { createInterface } from 'node:readline'
import postgres from 'postgres'
import t from 'tap'
import { createDatabase } from '../harness/database.ts'
import { ask, newPlan, signUp, type HttpAnswer, type HttpCall } from '../harness/http-client.ts'
import { tcxActivity, tcxOf } from '../harness/fixtures/recordings.ts'
import { freePort, until } from '../harness/live-service.ts'
import { startProcess, type ServiceProcess } from '../harness/service.ts'

t.setTimeout(120_000)

const COUNTS = /^http_request_duration_seconds_count\{.*route="\/api\/v1\/plans".*\} (\d+)$/gm
const CONFIG = 'deploy/haproxy/haproxy.cfg'
const skip = spawnSync('haproxy', ['-v']).status === 0
  ? false
  : 'HAProxy is not here (apt-get install haproxy): NOT TESTED'

/** HAProxy as it is deployed, before the three ports; `line` resolves when it logs what fits. */
async function startHaproxy (ports: number[]) {
  const port = await freePort()
  const child = spawn('haproxy', ['-db', '-f', CONFIG], {
    env: {
      PATH: process.env.PATH,
      HAPROXY_BIND: `127.0.0.1:${port}`,
      HAPROXY_SERVER_TIMEOUT: '3s',
      ...Object.fromEntries(ports.map((each, i) => [`INSTANCE_${i + 1}`, `127.0.0.1:${each}`]))
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const seen: string[] = []
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      seen.push(line)
      for (const listener of listeners) listener()
    })
  }
  /** The first line that fits, of those after `from`. */
  const line = async (pattern: RegExp, from = 0) => await new Promise<void>((resolve) => {
    const look = () => {
      if (!seen.slice(from).some((line) => pattern.test(line))) return
      listeners.delete(look)
      resolve()
    }
    listeners.add(look)
    look()
  })
  await until('HAProxy listens', 10_000, async () =>
    await ask(port, '/health/live').then(() => true, () => undefined))
  return { port, line, mark: () => seen.length }
}

t.test('an instance of three that dies, freezes or restarts fails no idempotent request', { skip }, async (t) => {
  t.equal(spawnSync('haproxy', ['-c', '-f', CONFIG]).status, 0)
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
  const { port, line, mark } = await startHaproxy(ports)
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
    const signal = AbortSignal.timeout(30_000)
    while (kinds.some((kind) => done[kind] < before[kind] + 2)) await once(progress, 'answer', { signal })
  }
  await answered('read', 'write', 'upload')

  // One is killed, and started again.
  let from = mark()
  await instances[0].stop('SIGKILL')
  await line(/instance-1 is DOWN/, from)
  await answered('read', 'write', 'upload')
  from = mark()
  const [again] = await Promise.all([startProcess(t, env(ports[0] as number)), line(/instance-1 is UP/, from)])
  await answered('read', 'write', 'upload')

  // One is frozen under its requests, and goes on.
  from = mark()
  instances[2].child.kill('SIGSTOP')
  await line(/instance-3 is DOWN/, from)
  await answered('read', 'write')
  instances[2].child.kill('SIGCONT')
  await line(/instance-3 is UP/, from)
  await answered('read', 'write', 'upload')

  // One is shut down as in a rolling restart.
  from = mark()
  const stopped = instances[1].stop()
  await line(/instance-2 is DOWN/, from)
  t.match(await stopped, { code: 0 })
  await answered('read', 'write', 'upload')
  over.abort()
  await load
  t.same(failures, [])
  t.comment(JSON.stringify(done))

  const sql = postgres(databaseUrl, { max: 1, fetch_types: false })
  t.teardown(() => sql.end({ timeout: 5 }))
  const names = await sql<Array<{ name: string }>>`select name from plans`
  t.same(names.map(({ name }) => name).sort(), plans.sort(), 'each write is there, once')
  const [row] = await sql<Array<{ count: number }>>`select count(*)::int as count from activities`
  t.equal(row?.count, days.length, 'each upload is there, once')

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
      const patience = AbortSignal.timeout(20_000)
      let status = 0
      while (status !== 401 && !patience.aborted) {
        status = (await ask(each.port, '/api/v1/me', { headers: { authorization: `Bearer ${ended.access_token}` } })).status
      }
      t.equal(status, 401)
    }
  })
})

import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { startProcess, type LogLine, type ServiceProcess } from '../harness/service.ts'

t.setTimeout(480_000)
// Each test has its own service and mostly waits for it: they run side by side.
t.jobs = 3

const WORKERS = 2

/** Each on a connection of its own, so that they are spread over the workers. Answers their ids. */
async function askAll ({ url }: ServiceProcess, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID())
  for (const id of ids) {
    const answer = await fetch(url, { headers: { 'x-request-id': id, connection: 'close' } })
    if (answer.status !== 200 || answer.headers.get('x-request-id') !== id) throw new Error(`answered ${answer.status}`)
    await answer.arrayBuffer()
  }
  return ids
}

async function metric ({ url }: ServiceProcess, series: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text()
  return Number(text.split('\n').find((line) => line.startsWith(`${series} `))?.split(' ').at(-1))
}

async function linesIn (service: ServiceProcess, file: string): Promise<LogLine[]> {
  const text = await readFile(join(service.directory, 'logs', file), 'utf8')
  return text.trimEnd().split('\n').map((line) => JSON.parse(line) as LogLine)
}

const ROOT = 'http_request_duration_seconds_count{method="GET",route="/",status_code="200"}'
const isListening = ({ message }: LogLine) => message === 'listening'
const isReady = ({ message }: LogLine) => message === 'the service is ready'
const alive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The processes the service has started, by their parent's number. */
async function workersOf (service: ServiceProcess): Promise<number[]> {
  const children = await readFile(`/proc/${service.child.pid}/task/${service.child.pid}/children`, 'utf8')
  return children.trim().split(' ').map(Number)
}

/** Resolves when so many lines that fit have come. */
async function times (service: ServiceProcess, count: number, fits: (line: LogLine) => boolean): Promise<void> {
  let seen = 0
  const counted = new Set<LogLine>()
  await service.line((line) => fits(line) && !counted.has(line) && (counted.add(line), ++seen >= count))
}

t.test('several workers share one port, their metrics add up and their log files are their own', async (t) => {
  const service = await startProcess(t, { WORKERS: String(WORKERS) })
  await times(service, WORKERS, isReady)
  t.equal(new Set(service.lines.filter(isListening).map(({ extra }) => extra?.port)).size, 1)

  const ids = await askAll(service, 20)
  for (let look = 0; look < WORKERS; look++) { t.equal(await metric(service, ROOT), ids.length, 'whichever worker is asked') }
  t.match(await metric(service, 'db_pool_max_connections'), WORKERS * 20)

  const pids = await workersOf(service)
  t.equal(pids.length, WORKERS)
  const { code } = await service.stop()
  t.equal(code, 0)
  t.notOk(pids.some(alive))

  const files = await Promise.all(['app.log', 'app-2.log'].map((file) => linesIn(service, file)))
  const logged = files.map((lines) =>
    lines
      .filter(({ message, path }) => message === 'request completed' && path === '/')
      .map(({ request_id }) => request_id)
  )
  t.ok(logged.every((lines) => lines.length > 0), 'each worker had its share')
  t.same(logged.flat().sort(), [...ids].sort(), 'each request is in one file, once')
  t.ok((await linesIn(service, 'app-primary.log')).some(({ message }) => message === 'stopped'))
  t.same(
    ids.filter(
      (id) =>
        service.lines.filter(({ request_id, message }) => request_id === id && message === 'request completed')
          .length !== 1
    ),
    [],
    'and on standard output once'
  )
})

t.test('SIGUSR1 opens no inspector in production, in the primary or in a worker; SIGHUP stops them all', async (t) => {
  const service = await startProcess(t, {
    NODE_ENV: 'production',
    JWT_SECRET: 'k9Vw2rXq7TzB4nLs8dYfGh1JmCpR6eUa',
    SHUTDOWN_DRAIN_DELAY: '0',
    WORKERS: String(WORKERS)
  })
  await times(service, WORKERS, isReady)
  const pids = [service.child.pid as number, ...await workersOf(service)]
  for (const pid of pids) process.kill(pid, 'SIGUSR1')
  await times(service, pids.length, ({ message }) => message === 'the inspector is not opened in production')
  t.match(await service.stop('SIGHUP'), { code: 0 })
  t.notMatch(service.stderr(), 'Debugger')
  t.notOk(pids.some(alive))
})

t.test('one worker of several stops responding, then each of them dies', async (t) => {
  const service = await startProcess(t, { WORKERS: String(WORKERS) })
  await times(service, WORKERS, isReady)
  let asked = (await askAll(service, 20)).length
  t.equal(await metric(service, ROOT), asked)
  const [first, second] = await workersOf(service) as [number, number]

  await t.test('the counts of a worker stay in the sum while it does not respond', async (t) => {
    process.kill(first, 'SIGSTOP')
    // Node may give one of the connections to the stopped worker, which does not accept it: the other one gets through.
    const looks = [metric(service, ROOT), metric(service, ROOT)]
    t.equal(await Promise.any(looks), asked)
    process.kill(first, 'SIGCONT')
    t.same(await Promise.all(looks), [asked, asked])
  })

  await t.test('a worker that dies is replaced, the other one serves, and no count is lost', async (t) => {
    let ready = WORKERS
    for (const [victim, other] of [[first, second], [second, first]] as const) {
      process.kill(victim, 'SIGKILL')
      await times(service, ++ready - WORKERS, ({ message }) => message === 'a worker died')
      t.equal(await metric(service, ROOT), asked, 'without the one that died')
      asked += (await askAll(service, 4)).length
      await times(service, ready, isReady)
      const after = await workersOf(service)
      t.equal(after.length, WORKERS)
      t.notOk(after.includes(victim))
      if (victim === first) t.ok(after.includes(other))
      t.equal(await metric(service, ROOT), asked, 'with the one that took its place')
      asked += (await askAll(service, 10)).length
      t.equal(await metric(service, ROOT), asked)
      t.equal(await metric(service, 'db_pool_max_connections'), WORKERS * 20, 'gauges are those of the living workers')
    }
    t.match(service.lines.find(({ message }) => message === 'a worker died'), {
      level: 'ERROR',
      error_code: 'WORKER_DIED',
      extra: { ended_with: 'SIGKILL' }
    })
  })
  t.equal((await service.stop('SIGINT')).code, 0)
})

t.test('when no worker can serve, all processes end with an error', async (t) => {
  const squatter = createServer().listen(0, '127.0.0.1')
  t.teardown(() => squatter.close())
  await once(squatter, 'listening')
  const { port } = squatter.address() as AddressInfo
  const service = await startProcess(
    t,
    { WORKERS: String(WORKERS), PORT: String(port), DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' },
    { ready: false }
  )
  const [code] = await once(service.child, 'exit')
  t.equal(code, 1)
  t.match(service.lines.find(({ error_code }) => error_code === 'WORKER_DIED'), { level: 'ERROR' })
})

import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.ts'
import { readLog } from '../harness/fixtures/log-directory.ts'
import { ask, newPlan, signUp, type HttpAnswer } from '../harness/http-client.ts'
import { spawnNode } from '../harness/plain-node.ts'
import { startProcess, type LogLine, type ServiceProcess } from '../harness/service.ts'
import { lockTable } from '../harness/table-lock.ts'
import { ToxicProxy } from '../harness/toxic-proxy.ts'

t.setTimeout(480_000)
// Each test has its own service and mostly waits for it: they run side by side.
t.jobs = 4

/** Long enough for any machine, and far from the 72 s that an idle connection may be kept. */
const PROMPT_MS = 40_000

const logged = ({ directory }: ServiceProcess) => readLog(join(directory, 'logs')) as unknown as LogLine[]
const isDraining = ({ message }: LogLine) => message === 'the service is draining'

/** Sends the signal, unless told none, and checks how it ends. */
async function stops (
  t: Test,
  service: ServiceProcess,
  code: number,
  signal: NodeJS.Signals | 0 = 'SIGTERM'
): Promise<void> {
  const began = performance.now()
  const exited = service.child.exitCode ?? once(service.child, 'exit').then(([code]) => code as number | null)
  if (signal !== 0) service.child.kill(signal)
  t.equal(await exited, code)
  t.ok(performance.now() - began < PROMPT_MS, 'it ends by itself in good time')
  t.equal(service.stderr(), '')
}

async function listening (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function listenerCloses (port: number): Promise<void> {
  while (await listening(port)) await sleep(20)
}

/** A connection that says so much and no more; `closed` resolves with all it was answered. */
async function halfSent (port: number, text: string): Promise<{ socket: Socket, closed: Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => { answer += chunk })
  if (text !== '') socket.write(text)
  return { socket, closed: once(socket, 'close').then(() => answer) }
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) {
  t.test(
    `${signal}: an idle service closes idle connections at once, exits with 0, and its last lines are in the file`,
    async (t) => {
      const service = await startProcess(t)
      const agent = new Agent({ keepAlive: true })
      for (let i = 0; i < 3; i++) { await Promise.all(Array.from({ length: 5 }, () => ask(service.port, '/health/live', { agent }))) }
      const silent = await halfSent(service.port, '')
      await stops(t, service, 0, signal)
      t.equal(await silent.closed, '', 'a connection opened ahead of any request is no work')
      agent.destroy()
      const lines = logged(service)
      t.same(lines, service.lines, 'the same lines in the file and on standard output')
      t.same(
        lines.slice(-4).map(({ message }) => message),
        ['stopping', 'the service is draining', 'the service is stopped', 'stopped']
      )
      t.match(lines.at(-1), { level: 'INFO', extra: { exit_code: 0 } })
    }
  )
}

t.test(
  'under load, every request during the drain is answered, with the last response on its connection',
  async (t) => {
    const databaseUrl = await createDatabase(t)
    const service = await startProcess(t, { DATABASE_URL: databaseUrl, SHUTDOWN_DRAIN_DELAY: '4' })
    const { port } = service
    const headers = await signUp(port)
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    const answers: Array<HttpAnswer & { late: boolean }> = []
    let draining = false
    const client = async (name: string) => {
      for (let n = 0, late = 0; late < 2; n++) {
        const isLate = draining
        if (isLate) late++
        answers.push({
          ...(await ask(port, '/api/v1/plans', { method: 'POST', headers, body: newPlan(`${name}-${n}`), agent })),
          late: isLate
        })
      }
    }
    const load = Promise.all(Array.from({ length: 8 }, (_, i) => client(`client-${i}`)))
    while (answers.length < 40) await sleep(5)
    service.child.kill('SIGTERM')
    await service.line(isDraining)
    draining = true
    const ready = await ask(port, '/health/ready')
    t.equal(ready.status, 503)
    t.same(JSON.parse(ready.text), { status: 'not_ready', reason: 'draining' })
    const alive = await ask(port, '/health/live')
    t.equal(alive.status, 200)
    t.same(JSON.parse(alive.text), { status: 'alive' })
    await load
    await stops(t, service, 0, 0)

    t.same(
      answers.filter(({ status }) => status !== 201).map(({ status, text }) => `${status} ${text}`),
      [],
      'nothing failed'
    )
    t.ok(
      answers.some(({ reused }) => reused),
      'connections were kept before'
    )
    const late = answers.filter(({ late }) => late)
    t.equal(late.length, 16)
    t.same(
      [...late, ready, alive].filter(({ headers }) => headers.connection !== 'close'),
      []
    )
    const sql = postgres(databaseUrl, { max: 1, fetch_types: false })
    t.teardown(() => sql.end({ timeout: 5 }))
    const [row] = await sql`select count(*)::int as count, count(distinct name)::int as names from plans`
    t.same({ ...row }, { count: answers.length, names: answers.length })
  }
)

t.test('work in flight when the signal comes is finished, though it takes longer than everything else', async (t) => {
  const databaseUrl = await createDatabase(t)
  const service = await startProcess(t, { DATABASE_URL: databaseUrl })
  const headers = await signUp(service.port)
  const lock = await lockTable(t, databaseUrl, 'plans')
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const answer = ask(service.port, '/api/v1/plans', { method: 'POST', headers, body: newPlan('in flight'), agent })
  await lock.awaited()
  service.child.kill('SIGTERM')
  await service.line(isDraining)
  await listenerCloses(service.port)
  await lock.release()
  t.match(await answer, { status: 201, headers: { connection: 'close' } })
  await stops(t, service, 0, 0)
})

t.test('work that is not done within REQUEST_TIMEOUT is cut off, on the server too, and logged: exit code 1', async (t) => {
  const databaseUrl = await createDatabase(t)
  const service = await startProcess(t, { DATABASE_URL: databaseUrl, REQUEST_TIMEOUT: '2' })
  const headers = { ...await signUp(service.port), 'x-request-id': 'cut-off' }
  const lock = await lockTable(t, databaseUrl, 'plans')
  const answer = ask(service.port, '/api/v1/plans', { method: 'POST', headers, body: newPlan('never done') })
  await lock.awaited()
  const [{ status, text, headers: answered }] = await Promise.all([answer, stops(t, service, 1)])
  t.equal(status, 503)
  t.match(JSON.parse(text), { error_code: 'REQUEST_TIMEOUT', error_id: String })
  t.match(answered, { connection: 'close', 'retry-after': /^\d+$/ })
  const lines = logged(service)
  t.match(
    lines.find(({ message, request_id: id }) => message === 'request completed' && id === 'cut-off'),
    { level: 'ERROR', status_code: 503, error_code: 'REQUEST_TIMEOUT' }
  )
  t.match(
    lines.find(({ message }) => message === 'work in flight was cut off'),
    { level: 'WARNING', extra: { requests: 1 } }
  )
  t.match(lines.at(-1), { message: 'stopped', extra: { exit_code: 1 } })
  await lock.release()
  const sql = postgres(databaseUrl, { max: 1, fetch_types: false })
  t.teardown(() => sql.end({ timeout: 5 }))
  t.equal((await sql`select from plans`).length, 0, 'and nothing of it came to be')
})

t.test('a request that has not arrived completely is cut at the deadline: exit code 0', async (t) => {
  const service = await startProcess(t, { REQUEST_TIMEOUT: '2' })
  const head = await halfSent(service.port, 'GET /health/live HTTP/1.1\r\nHos')
  const body = await halfSent(
    service.port,
    'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"em'
  )
  await stops(t, service, 0)
  const answers = await Promise.all([head.closed, body.closed])
  for (const answer of answers) t.match(answer, /^$|^HTTP\/1\.1 408 [^]*"error_code":"REQUEST_TIMEOUT"/)
})

t.test('a signal that comes while the service is being loaded is handled once it is', async (t) => {
  const program = `
    const { StopSignals } = await import(${JSON.stringify(new URL('../../src/process/stop-signals.js', import.meta.url).href)})
    const signals = new StopSignals()
    process.once('SIGTERM', () => signals.on({ stop: (signal) => { console.log('heard ' + signal) } }))
    process.kill(process.pid, 'SIGTERM')
    setTimeout(() => {}, ${PROMPT_MS})
  `
  const child = spawnNode(['--input-type=module', '-e', program], { env: { PATH: process.env.PATH } })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    if (output.includes('heard')) child.kill('SIGKILL')
  })
  await once(child, 'exit')
  t.match(output, 'heard SIGTERM')
})

t.test('SIGUSR1 opens the inspector in development, and never in production', async (t) => {
  const env = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' }
  const production = { NODE_ENV: 'production', JWT_SECRET: 'k9Vw2rXq7TzB4nLs8dYfGh1JmCpR6eUa' }
  const isRefused = ({ message }: LogLine) => message === 'the inspector is not opened in production'

  const [closed, open] = await Promise.all([
    startProcess(t, { ...env, ...production }, { ready: false }),
    startProcess(t, env, { ready: false })
  ])
  await closed.line(({ message }) => message === 'listening')
  closed.child.kill('SIGUSR1')
  t.match(await closed.line(isRefused), { level: 'WARNING', extra: { signal: 'SIGUSR1' } })
  t.match(await closed.stop(), { code: 0 })
  t.notMatch(closed.stderr(), 'Debugger')

  await open.line(({ message }) => message === 'listening')
  open.child.kill('SIGUSR1')
  // The second where another process has the port of inspectors.
  while (!/Debugger listening on|Starting inspector .* failed/.test(open.stderr())) await once(open.child.stderr!, 'data')
  t.notOk(open.lines.some(isRefused))
})

t.test('a second signal ends the process at once with exit code 1, and that is the last line', async (t) => {
  const databaseUrl = await createDatabase(t)
  const service = await startProcess(t, { DATABASE_URL: databaseUrl })
  const headers = await signUp(service.port)
  const lock = await lockTable(t, databaseUrl, 'plans')
  const answer = ask(service.port, '/api/v1/plans', { headers }).then(() => 'answered', () => 'cut')
  await lock.awaited()
  service.child.kill('SIGTERM')
  await service.line(isDraining)
  // Two at the same time are one signal that came by two ways.
  await sleep(100)
  await stops(t, service, 1)
  t.equal(await answer, 'cut')
  t.match(logged(service).at(-1), { level: 'WARNING', message: 'stopped at once by a second signal' })
})

t.test(
  'a signal during start, before it listens, while another process migrates or with no database: exit code 0, and never ready',
  async (t) => {
    const starts: Array<[name: string, env: (t: Test) => Promise<Record<string, string>>, when: RegExp]> = [
      ['before it listens', async () => ({ DATABASE_URL: '', ALLOWED_ORIGINS: '*' }), /ALLOWED_ORIGINS/],
      [
        'while another migrates',
        async (t) => {
          const databaseUrl = await createDatabase(t, { migrated: false })
          const sql = postgres(databaseUrl, { max: 1, fetch_types: false })
          t.teardown(() => sql.end({ timeout: 5 }))
          await sql`select pg_advisory_lock(${0x52756e54}, ${0x4d696772})`
          return { DATABASE_URL: databaseUrl }
        },
        /^listening$/
      ],
      [
        'while there is no database',
        async () => ({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' }),
        /^the database is not ready for use yet$/
      ]
    ]
    t.jobs = starts.length
    await Promise.all(starts.map(([name, env, when]) => t.test(name, async (t) => {
      const service = await startProcess(t, { ...(await env(t)), SHUTDOWN_DRAIN_DELAY: '60' }, { ready: false })
      await service.line(({ message }) => when.test(message))
      await stops(t, service, 0)
      t.match(logged(service).at(-1), { message: 'stopped', extra: { exit_code: 0 } })
      t.notOk(service.lines.some(({ message }) => message === 'the service is ready'))
    })))
  }
)

t.test('without its database it stops too: exit code 0 when idle, 1 with work that waits for it', async (t) => {
  await Promise.all([false, true].map(async (busy) => {
    const databaseUrl = await createDatabase(t)
    const { hostname, port } = new URL(databaseUrl)
    const proxy = await ToxicProxy.to(Number(port), hostname)
    t.teardown(() => proxy.close())
    const service = await startProcess(t, { DATABASE_URL: proxy.url(databaseUrl), REQUEST_TIMEOUT: '2' })
    const headers = await signUp(service.port)
    await proxy.setMode('freeze')
    const answer = busy ? ask(service.port, '/api/v1/plans', { headers }) : undefined
    // The answer to a later request that needs no database shows that the first one has arrived.
    t.equal((await ask(service.port, '/health/live')).status, 200)
    await stops(t, service, busy ? 1 : 0)
    if (answer !== undefined) t.equal((await answer).status, 503)
  }))
})

t.test(
  'an invalid configuration: exit code 78 before it listens, every bad variable named, no secret shown',
  async (t) => {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    probe.close()
    const secret = 'hunter2-hunter2'
    const env = {
      NODE_ENV: 'production',
      PORT: String(port),
      LOG_LEVEL: 'loud',
      MAX_POOL_SIZE: '0',
      DATABASE_URL: `mysql://root:${secret}@db/x`,
      JWT_SECRET: secret
    }
    const service = await startProcess(t, env, { ready: false })
    const [code] = await once(service.child, 'close')
    t.equal(code, 78)
    t.notOk(await listening(port))
    t.equal(service.lines.length, 1)
    const [line] = service.lines
    t.match(line, { level: 'CRITICAL', error_code: 'CONFIGURATION' })
    t.same((line?.extra?.problems as Array<{ variable: string }>).map(({ variable }) => variable).sort(), [
      'DATABASE_URL',
      'JWT_SECRET',
      'LOG_LEVEL',
      'MAX_POOL_SIZE'
    ])
    for (const name of ['DATABASE_URL', 'JWT_SECRET', 'LOG_LEVEL', 'MAX_POOL_SIZE']) t.match(service.stderr(), name)
    t.notMatch(service.stderr() + JSON.stringify(service.lines), secret)
  }
)

t.test('a data folder that cannot be used: exit code 78, with the reason in the log and on stderr', async (t) => {
  const service = await startProcess(t, { DATABASE_URL: '', DATA_DIR: '/dev/null' }, { ready: false })
  const [code] = await once(service.child, 'close')
  t.equal(code, 78)
  const reason = 'is not writable (EEXIST); expected a directory that this user can create or write to'
  const told = service.lines.filter(({ level }) => level === 'CRITICAL')
  t.match(told, [{ error_code: 'CONFIGURATION', extra: { problems: [{ variable: 'DATA_DIR', message: reason }] } }])
  t.match(service.stderr(), `DATA_DIR: ${reason}`)
})

t.test('a port that is in use: exit code 1 and one CRITICAL line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const service = await startProcess(t, { PORT: String((other.address() as AddressInfo).port) }, { ready: false })
  const [code] = await once(service.child, 'close')
  t.equal(code, 1)
  const critical = logged(service).filter(({ level }) => level === 'CRITICAL')
  t.equal(critical.length, 1)
  t.match(critical[0], { error_code: 'START_FAILED', exception: /EADDRINUSE/ })
})

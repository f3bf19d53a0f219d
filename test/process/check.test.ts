import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startEmbedded } from '../../db/embedded/start.ts'
import { inspectDatabase } from '../../db/inspect.ts'
import { migrate } from '../../db/migrate.ts'
import { diagnose } from '../../src/commands/check.ts'
import type { Diagnosis } from '../../src/commands/check.ts'
import { readConfig } from '../../src/config/read.ts'
import { runNode } from '../harness/plain-node.ts'
import { startProcess } from '../harness/service.ts'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
const SECRET = 'k9Vw2rXq7TzB4nLs8dYfGh1JmCpR6eUa'
const QUIET = { debug: () => {}, info: () => {}, warning: () => {}, error: () => {} }

/** A port at which nothing listens. */
async function deadPort (): Promise<string> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return String(port)
}

/** A new folder, gone after the test. */
function emptyFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'check-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function diagnosisOf (t: Test, env: Record<string, string>): Promise<Diagnosis> {
  const folder = emptyFolder(t)
  const port = env['PORT'] ?? await deadPort()
  return diagnose(() => readConfig({ HOST: '127.0.0.1', ...env, PORT: port }, folder))
}

function statuses ({ checks }: Diagnosis): Record<string, string> {
  return Object.fromEntries(checks.map(({ name, status }) => [name, status]))
}

function messageOf ({ checks }: Diagnosis, name: string): string {
  return checks.filter((check) => check.name === name).map(({ message }) => message).join('\n')
}

/** Listens on a free port until the test is over; answers the port. */
async function listen (t: Test, server: net.Server): Promise<string> {
  const sockets = new Set<net.Socket>()
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
    await once(server, 'close')
  })
  return String((server.address() as AddressInfo).port)
}

const HEADERS = {
  'x-request-id': 'abc',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1; mode=block',
  'content-security-policy': "default-src 'self';base-uri 'self'"
}

type Answers = Record<string, [status: number, body: unknown]>

const WELL: Answers = {
  '/health/live': [200, { status: 'alive' }],
  '/health/ready': [200, { status: 'ready' }],
  '/health': [200, { status: 'healthy', checks: { database: { status: 'healthy' } } }],
  '/metrics': [
    200,
    [
      `process_start_time_seconds ${Date.now() / 1000 - 60}`,
      'http_request_duration_seconds_count{method="GET",route="/metrics",status_code="200"} 4'
    ].join('\n')
  ],
  '*': [
    404,
    {
      error_id: 'a1b2c3d4-e5f6-7890-abcd-ef1234567890',
      error_code: 'NOT_FOUND',
      message: 'No such path',
      timestamp: '2024-01-15T10:30:00.123Z'
    }
  ]
}

/** What answers like the service, some answers or headers exchanged. */
function service (t: Test, answers: Answers = {}, headers: Record<string, string> = HEADERS): Promise<string> {
  const handle: RequestListener = (request, response) => {
    const all = { ...WELL, ...answers }
    const [status, body] = (all[request.url ?? ''] ?? all['*']) as [number, unknown]
    response.writeHead(status, { ...headers, connection: 'close' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
  return listen(t, createServer(handle))
}

t.test('with no setting and no running service, no check fails', async (t) => {
  const diagnosis = await diagnosisOf(t, {})
  t.equal(diagnosis.status, 'warning')
  t.match(statuses(diagnosis), {
    configuration: 'ok',
    environment: 'warning',
    debug: 'ok',
    log_level: 'ok',
    allowed_origins: 'warning',
    https: 'warning',
    database_url: 'warning',
    jwt_secret: 'ok',
    metrics_token: 'warning',
    data_directory: 'ok',
    log_directory: 'ok',
    log_file: 'warning',
    database: 'ok',
    liveness: 'warning',
    readiness: 'warning',
    error_tracking: 'warning',
    security_headers: 'warning',
    monitoring: 'warning'
  })
  t.ok(
    diagnosis.checks.every(({ status, remedy }) => (status === 'ok') === (remedy === null)),
    'what is not ok has a remedy'
  )
})

t.test('every bad variable is a failed check of its own', async (t) => {
  const { status, checks } = await diagnosisOf(t, { LOG_LEVEL: 'verbose', MAX_POOL_SIZE: '0' })
  t.equal(status, 'failed')
  t.same(
    checks.map(({ name, status, message }) => [name, status, message.split(':')[0]]),
    [
      ['configuration', 'failed', 'LOG_LEVEL'],
      ['configuration', 'failed', 'MAX_POOL_SIZE']
    ]
  )
})

t.test('a setting that is unsafe in production fails there', async (t) => {
  const insecure = await diagnosisOf(t, {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://postgres:pw4x@db.invalid/trainer_test',
    JWT_SECRET: 'change-me-change-me-change-me-change-me',
    DEBUG: 'true',
    USE_JSON_LOGS: 'false',
    RATE_LIMIT_AUTH_MAX: '0',
    LOG_LEVL: 'INFO'
  })
  t.match(statuses(insecure), {
    environment: 'ok',
    debug: 'failed',
    log_level: 'warning',
    log_format: 'warning',
    allowed_origins: 'failed',
    https: 'warning',
    database_url: 'warning',
    jwt_secret: 'failed',
    database_tls: 'failed',
    rate_limit: 'warning',
    metrics_token: 'warning',
    database: 'failed'
  })
  t.match(messageOf(insecure, 'database_url'), /trainer_test.*postgres/)
  t.match(messageOf(insecure, 'configuration'), /LOG_LEVL.*LOG_LEVEL/)
  t.notMatch(JSON.stringify(insecure), /pw4x/)

  const secure = await diagnosisOf(t, {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://trainer:pw4x@db.invalid/trainer?sslmode=verify-full',
    JWT_SECRET: `${SECRET},${SECRET}-old`,
    ALLOWED_ORIGINS: 'https://app.example.com',
    TRUST_PROXY: '1',
    METRICS_TOKEN: 'w7Kd03nfQp5sLx9z'
  })
  for (const name of [
    'environment',
    'debug',
    'log_level',
    'log_format',
    'allowed_origins',
    'https',
    'database_url',
    'jwt_secret',
    'database_tls',
    'rate_limit',
    'metrics_token',
    'data_directory'
  ]) {
    t.equal(statuses(secure)[name], 'ok', `${name}: ${messageOf(secure, name)}`)
  }
  t.match(messageOf(secure, 'jwt_secret'), '2 secrets')
})

t.test('a folder that cannot be written to and a log that is not JSON are found', async (t) => {
  const folder = t.testdir({
    data: 'a file',
    logs: { 'app.log': '{"timestamp":"2024-01-15T10:30:00.123Z","level":"INFO","message":"fine"}\nplain text\n{"half' }
  })
  const port = await deadPort()
  const found = await diagnose(() => readConfig({ PORT: port }, folder))
  t.match(statuses(found), { data_directory: 'failed', log_directory: 'ok', log_file: 'failed' })
  t.match(messageOf(found, 'log_file'), '1 of the last 2 lines')

  const line = `${JSON.stringify({ timestamp: '2024-01-15T10:30:00.123Z', level: 'INFO', message: 'x'.repeat(900) })}\n`
  writeFileSync(join(folder, 'logs', 'app.log'), `not JSON, but long ago\n${line.repeat(200)}{"still being wri`)
  t.equal(
    statuses(await diagnose(() => readConfig({ PORT: port }, folder)))['log_file'],
    'ok',
    'only whole lines at the end count'
  )
  mkdirSync(join(folder, 'other'))
  t.equal(
    statuses(await diagnose(() => readConfig({ PORT: port, LOG_DIR: 'data/logs', DATA_DIR: 'other' }, folder)))[
      'log_directory'
    ],
    'warning',
    'a log without its file is no failure'
  )
})

t.test('a running service is checked against the checklist', async (t) => {
  const found = statuses(await diagnosisOf(t, { PORT: await service(t) }))
  t.match(found, {
    liveness: 'ok',
    readiness: 'ok',
    health: 'ok',
    error_tracking: 'ok',
    security_headers: 'ok',
    monitoring: 'ok'
  })
})

t.test('each fault of a running service is found', async (t) => {
  const { 'x-frame-options': _, ...fewer } = HEADERS
  const cases: Array<[what: string, port: Promise<string>, expected: Record<string, string>]> = [
    [
      'not ready',
      service(t, { '/health/ready': [503, { status: 'not_ready', reason: 'database' }] }),
      { readiness: 'failed', liveness: 'ok' }
    ],
    [
      'degraded',
      service(t, { '/health': [200, { status: 'degraded', checks: { disk: { status: 'degraded' } } }] }),
      { health: 'warning' }
    ],
    ['unhealthy', service(t, { '/health': [503, { status: 'unhealthy', checks: {} }] }), { health: 'failed' }],
    ['errors without ids', service(t, { '*': [404, 'Not found'] }), { error_tracking: 'failed' }],
    ['headers missing', service(t, {}, fewer), { security_headers: 'failed', error_tracking: 'ok' }],
    ['metrics closed', service(t, { '/metrics': [401, {}] }), { monitoring: 'failed' }],
    [
      'nobody scrapes',
      service(t, { '/metrics': [200, `process_start_time_seconds ${Date.now() / 1000 - 7200}\n`] }),
      { monitoring: 'warning' }
    ],
    ['somebody else', service(t, { '/health/live': [404, {}] }), { liveness: 'failed' }],
    [
      'no HTTP',
      listen(
        t,
        net.createServer((socket) => socket.end('SSH-2.0-x\r\n'))
      ),
      { liveness: 'failed' }
    ]
  ]
  for (const [what, port, expected] of cases) {
    t.match(statuses(await diagnosisOf(t, { PORT: await port })), expected, what)
  }
  t.match(messageOf(await diagnosisOf(t, { PORT: await (cases[0] as typeof cases[0])[1] }), 'readiness'), 'database')
})

t.test('a database is inspected in whatever state it is', async (t) => {
  const embedded = await startEmbedded({ dataDir: emptyFolder(t), log: QUIET, settings: { fsync: 'off' } })
  t.teardown(() => embedded.stop())
  const url = embedded.url

  const found = await inspectDatabase(url, { timeoutMs: 5000 })
  if (!found.reachable) return t.fail(found.error)
  t.match(found, { major: Number, version: String, tls: false, writable: true, superuser: true })
  t.ok(found.latency_ms > 0 && found.connections >= 1 && found.max_connections > 10)

  t.match(statuses(await diagnosisOf(t, { DATABASE_URL: url })), {
    database: 'ok',
    database_version: 'ok',
    database_latency: 'ok',
    database_writable: 'ok',
    database_connection: 'ok',
    database_connections: 'ok'
  })
  t.match(statuses(await diagnosisOf(t, { DATABASE_URL: url, MAX_POOL_SIZE: '1000' })), {
    database_connections: 'warning'
  })

  await migrate(url, { log: QUIET })
  t.match(statuses(await diagnosisOf(t, { DATABASE_URL: url, MIGRATE_ON_START: 'false' })), { migrations: 'ok' })
  const migrated = await runNode([CLI, 'migrate'], { env: { DATABASE_URL: url } })
  t.match(migrated, { status: 0, stdout: 'The database is up to date.\n' })

  const wrong = new URL(url)
  wrong.pathname = '/no_such_database'
  t.match(await inspectDatabase(wrong.href, { timeoutMs: 5000 }), { reachable: false, code: '3D000' })
  wrong.password = 'Wr0ngPassw0rd'
  const denied = await diagnosisOf(t, { DATABASE_URL: wrong.href })
  t.equal(statuses(denied)['database'], 'failed')
  t.notMatch(JSON.stringify(denied), /Wr0ngPassw0rd/)
})

t.test('an unreachable or silent database is reported in bounded time', async (t) => {
  t.match(await inspectDatabase(`postgres://u:p@127.0.0.1:${await deadPort()}/d`, { timeoutMs: 2000 }), {
    reachable: false,
    code: 'ECONNREFUSED'
  })
  t.match(await inspectDatabase('postgres://u:p@127.0.0.1:99999/d', { timeoutMs: 2000 }), { reachable: false })
  const port = await listen(t, net.createServer())
  const began = performance.now()
  t.match(await inspectDatabase(`postgres://u:p@127.0.0.1:${port}/d`, { timeoutMs: 300 }), {
    reachable: false,
    error: String
  })
  t.ok(performance.now() - began < 5000, 'not the 30 s that the driver waits by itself')
})

t.test('the command prints text or JSON, and exits with 1 when a check failed', async (t) => {
  const cwd = t.testdir({})
  const env = { PORT: await deadPort() }
  const [json, text] = await Promise.all([
    runNode([CLI, 'check', '--json'], { cwd, env }),
    runNode([CLI, 'check'], { cwd, env: { ...env, LOG_LEVEL: 'loud' } })
  ])
  t.equal(json.status, 0)
  const { status, checks, ...rest } = JSON.parse(json.stdout)
  t.equal(status, 'warning')
  t.same(rest, {})
  t.ok(checks.every((check: object) => Object.keys(check).join() === 'name,status,message,remedy'))

  t.equal(text.status, 1)
  t.match(text.stdout, /^failed +configuration +LOG_LEVEL: expected DEBUG/)
  t.match(text.stdout, /\nfailed: 0 ok, 0 warning, 1 failed\n$/)
})

t.test('wrong usage is answered with the usage, and a bad configuration with every problem', async (t) => {
  const cwd = t.testdir({})
  const bad = { PORT: 'x', DATABASE_URL: 'mysql://u:pw4x@h/d' }
  const unreachable = { DATABASE_URL: `postgres://u:pw4x@127.0.0.1:${await deadPort()}/d` }
  const cases: Array<[args: string[], expected: object, env?: Record<string, string>]> = [
    [['--help'], { status: 0, stdout: /check \[--json\][\s\S]*migrate[\s\S]*explain ERROR_ID/ }],
    [[], { status: 0 }],
    [['check', '--help'], { status: 0, stdout: 'Usage: npm run check' }],
    [['chek'], { status: 64, stderr: 'no verb' }],
    [['constructor'], { status: 64 }],
    [['check', '--jsn'], { status: 64, stderr: 'Usage: npm run check' }],
    [['migrate', 'now'], { status: 64 }],
    [['migrate'], { status: 78, stderr: /PORT[\s\S]*DATABASE_URL/ }, bad],
    [['migrate'], { status: 1, stdout: 'ECONNREFUSED' }, unreachable]
  ]
  await Promise.all(cases.map(async ([args, expected, env]) => {
    t.match(await runNode([CLI, ...args], { cwd, env }), expected, args.join(' '))
  }))
})

t.test('the command ends when its output is no longer read', async (t) => {
  const child = spawn(process.execPath, [CLI, 'check'], {
    cwd: t.testdir({}),
    env: { PORT: await deadPort() },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { said += text })
  child.stdout.destroy()
  const [status] = await once(child, 'close')
  t.equal(status, 0)
  t.equal(said, '')
})

t.test(
  'the real service is checked: healthy, without its database, and with another metrics token',
  async (t) => {
    const env = {
      NODE_ENV: 'production',
      JWT_SECRET: SECRET,
      METRICS_TOKEN: 'w7Kd03nfQp5sLx9z',
      SHUTDOWN_DRAIN_DELAY: '0'
    }
    const asked = async (t: Test, given: Record<string, string>, port: number) =>
      statuses(await diagnosisOf(t, { ...given, PORT: String(port) }))

    const settings = { ...env, DATABASE_URL: 'postgres://u:p@127.0.0.1:1/d' }
    const [well, without] = await Promise.all([startProcess(t, env), startProcess(t, settings, { ready: false })])
    const wanted = {
      liveness: 'ok',
      readiness: 'ok',
      health: 'ok',
      error_tracking: 'ok',
      security_headers: 'ok',
      monitoring: 'warning'
    }
    t.match(await asked(t, settings, well.port), wanted)
    t.match(await asked(t, { ...settings, METRICS_TOKEN: 'another one, as long'.replaceAll(/\W/g, '-') }, well.port), {
      ...wanted,
      monitoring: 'failed'
    })
    t.match(
      await asked(t, { ...settings, NODE_ENV: 'development' }, well.port),
      { security_headers: 'ok' },
      'headers of production are no fault elsewhere'
    )

    const { extra } = await without.line(({ message }) => message === 'listening')
    t.match(await asked(t, settings, extra?.['port'] as number), { ...wanted, readiness: 'failed', health: 'failed' })
  }
)

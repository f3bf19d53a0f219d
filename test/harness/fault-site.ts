import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { startEmbedded, type Embedded } from '../../db/embedded/start.ts'
import { ask, newPlan, signUp, type HttpAnswer } from './http-client.ts'
import { startProcess, type Ending, type ServiceProcess } from './service.ts'
import { listener } from './listener.ts'
import { tcxActivity, tcxOf } from './fixtures/recordings.ts'
import { ToxicProxy } from './toxic-proxy.ts'
import { type Endpoint, type Outcomes } from './fault-matrix.ts'

/** The service's role, which unlike a superuser can be refused. */
export const ROLE = 'service'
const PASSWORD = 'secret'
export const POOL_SIZE = 4

/** A Postgres in which a test can cause any fault. */
export interface Ground {
  embedded: Embedded
  /** A superuser's connection, bypassing every proxy. */
  admin: postgres.Sql
  /** The URL of the database for the service's role. */
  url: string
}

/** Starts it with a role and a database for the service. */
export async function startGround (t: Ending): Promise<Ground> {
  const dataDir = mkdtempSync(join(tmpdir(), 'running-trainer-faults-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
  const embedded = await startEmbedded({ dataDir, log: listener().log, settings: { fsync: 'off' } })
  t.teardown(() => embedded.stop())
  const admin = postgres(embedded.url, { max: 2, fetch_types: false, onnotice: () => {}, backoff: () => 0.1 })
  t.teardown(() => admin.end({ timeout: 1 }))
  await admin.unsafe(`create role ${ROLE} login password '${PASSWORD}'`)
  await admin.unsafe(`create database ${ROLE} owner ${ROLE}`)
  const url = new URL(embedded.url)
  return { embedded, admin, url: `postgres://${ROLE}:${PASSWORD}@127.0.0.1:${url.port}/${ROLE}` }
}

/** A PgBouncer in transaction mode in front of a Postgres; it can be stopped and started. */
export interface Bouncer { port: number, start (): Promise<void>, stop (): Promise<void> }

export async function startBouncer (t: Ending, { url }: Ground, port: number): Promise<Bouncer> {
  const folder = mkdtempSync(join(tmpdir(), 'running-trainer-bouncer-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const target = new URL(url).port
  writeFileSync(join(folder, 'users.txt'), `"${ROLE}" "${PASSWORD}"\n`)
  writeFileSync(join(folder, 'pgbouncer.ini'), [
    '[databases]',
    `${ROLE} = host=127.0.0.1 port=${target} user=${ROLE} password=${PASSWORD}`,
    '[pgbouncer]',
    `listen_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =`,
    `auth_type = plain\nauth_file = ${join(folder, 'users.txt')}`,
    'pool_mode = transaction\ndefault_pool_size = 10\nserver_login_retry = 1\n'
  ].join('\n'))
  // PgBouncer refuses to run as root.
  const isRoot = process.getuid?.() === 0
  chmodSync(folder, 0o755)
  if (isRoot) for (const name of ['', 'users.txt', 'pgbouncer.ini']) chownSync(join(folder, name), 65534, 65534)
  let end = async () => {}
  const bouncer: Bouncer = {
    port,
    async start () {
      const child = spawn('pgbouncer', [join(folder, 'pgbouncer.ini')], {
        stdio: 'ignore',
        ...(isRoot ? { uid: 65534, gid: 65534 } : {})
      })
      const exited = once(child, 'exit')
      end = async () => {
        child.kill('SIGKILL')
        await exited
      }
      while (!await accepts(port)) {
        if (child.exitCode !== null) throw new Error('PgBouncer does not start')
        await sleep(20)
      }
    },
    stop: () => end()
  }
  t.teardown(() => bouncer.stop())
  await bouncer.start()
  return bouncer
}

async function accepts (port: number): Promise<boolean> {
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

/** A write and its response. */
interface Stored { kind: 'write' | 'import', mark: string, status: number }

/** The service on a network and a disk in which a test can cause any fault. */
export interface Site {
  service: ServiceProcess
  proxy: ToxicProxy
  logDir: string
  /** All writes so far. */
  stored: Stored[]
  /** The ids of the requests answered so far, without probes. */
  asked: Set<string>
  ask (endpoint: Endpoint): Promise<string>
  /** Requests all of these at the same time. */
  askAll (endpoints: readonly Endpoint[]): Promise<Partial<Outcomes>>
  /** A value of `/metrics` by its full name with labels. */
  figure (name: string): Promise<number>
}

/**
 * Starts it and waits until it is ready. The timeouts are short, so that a fault shows soon. Each import is of a
 * different day, from `firstDay` on.
 */
export async function startSite (t: Ending, url: string, env: Record<string, string>, firstDay = 1): Promise<Site> {
  const proxy = await ToxicProxy.to(Number(new URL(url).port))
  t.teardown(() => proxy.close())
  const service = await startProcess(t, {
    DATABASE_URL: proxy.url(url),
    MAX_POOL_SIZE: String(POOL_SIZE),
    DATABASE_QUERY_TIMEOUT: '2',
    DATABASE_ACQUIRE_TIMEOUT: '1.5',
    DATABASE_CONNECT_TIMEOUT: '3',
    REQUEST_TIMEOUT: '10',
    ...env
  })
  const token = await signUp(service.port)
  const first = await ask(service.port, '/api/v1/plans', { method: 'POST', headers: token, body: newPlan('the first') })
  const planId = JSON.parse(first.text).id as string
  let day = firstDay
  const site: Site = {
    service,
    proxy,
    logDir: env.LOG_DIR as string,
    stored: [],
    asked: new Set(),
    ask: outcome,
    askAll,
    figure
  }

  async function outcome (endpoint: Endpoint): Promise<string> {
    const id = randomUUID()
    const answer = await call(endpoint, { ...token, 'x-request-id': id })
    if (!(endpoint in PROBES)) site.asked.add(id)
    const body =
      answer.headers['content-type']?.startsWith('application/json') === true
        ? (JSON.parse(answer.text) as Record<string, unknown>)
        : {}
    const word = answer.status >= 400 ? body.error_code ?? body.status : endpoint in PROBES ? body.status : undefined
    return word === undefined ? String(answer.status) : `${answer.status} ${String(word)}`
  }

  async function call (endpoint: Endpoint, headers: Record<string, string>): Promise<HttpAnswer> {
    switch (endpoint) {
      case 'read': return await ask(service.port, `/api/v1/plans/${planId}`, { headers })
      case 'list': return await ask(service.port, '/api/v1/plans?limit=1', { headers })
      case 'write': {
        const mark = randomUUID()
        const answer = await ask(service.port, '/api/v1/plans', { method: 'POST', headers, body: newPlan(mark) })
        site.stored.push({ kind: endpoint, mark, status: answer.status })
        return answer
      }
      case 'import': {
        const from = day++ * 86_400
        const bytes = Buffer.from(tcxOf(`<Activities>${tcxActivity({ count: 20, from })}</Activities>`))
        const answer = await ask(service.port, '/api/v1/activities/import', {
          method: 'POST',
          headers,
          bytes,
          type: 'application/vnd.garmin.tcx+xml'
        })
        site.stored.push({ kind: endpoint, mark: String(from), status: answer.status })
        return answer
      }
      default: return await ask(service.port, PROBES[endpoint] as string)
    }
  }

  async function askAll (endpoints: readonly Endpoint[]): Promise<Partial<Outcomes>> {
    return Object.fromEntries(await Promise.all(endpoints.map(async (endpoint) => [endpoint, await outcome(endpoint)])))
  }

  async function figure (name: string): Promise<number> {
    const { text } = await ask(service.port, '/metrics')
    const line = text.split('\n').find((line) => line.startsWith(`${name} `))
    return line === undefined ? 0 : Number(line.slice(name.length + 1))
  }

  return site
}

/** The endpoints without a token, which are logged at DEBUG only. */
const PROBES: Record<string, string> = {
  live: '/health/live',
  ready: '/health/ready',
  health: '/health',
  metrics: '/metrics'
} satisfies Partial<Record<Endpoint, string>>

/** Whether the observation matches the matrix. */
export function fits (observed: string | undefined, expected: string): boolean {
  return observed !== undefined && expected.split(' or ').includes(observed)
}

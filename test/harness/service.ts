import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { createDatabase as connect, type Database } from '../../db/database.ts'
import { buildApp, type Parts } from '../../src/app.ts'
import { AccessTokens } from '../../src/auth/access-tokens.ts'
import { Passwords } from '../../src/auth/passwords.ts'
import type { Config } from '../../src/config/config.ts'
import { readConfig } from '../../src/config/read.ts'
import { Availability } from '../../src/health/availability.ts'
import { createLogger } from '../../src/log/logger.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import { DecodingPool } from '../../src/workers/decoding.ts'
import { SamplingPool } from '../../src/workers/sampling.ts'
import { createDatabase } from './database.ts'
import { spawnNode } from './plain-node.ts'
import { problemsIn } from './log-check.ts'
import { openTestSpool } from './spool.ts'

export interface Ending { teardown (end: () => unknown): unknown }

export const PASSWORD = 'correct horse battery'

export interface LogLine extends Record<string, unknown> {
  level: string
  logger_name: string
  message: string
  request_id?: string
  extra?: Record<string, unknown>
}

/** The service in this process, on a database of its own. */
export interface Service {
  app: FastifyInstance
  database: Database
  databaseUrl: string
  config: Config
  /** Every line logged so far. */
  lines: LogLine[]
  /** Signs somebody up: `call` asks as that runner. */
  runner (email?: string): Promise<Runner>
}

export interface Runner {
  id: string
  email: string
  access_token: string
  refresh_token: string
  call(
    method: InjectOptions['method'],
    url: string,
    payload?: unknown,
    headers?: Record<string, string>
  ): Promise<Answer>
}

export interface Answer {
  status: number
  headers: Record<string, string | string[] | number | undefined>
  // What a route answers is for each test to look into.
  body: any
  raw: Buffer
}

/** Cheap, as what it protects is not worth more. */
const TEST_COST = { memoryKiB: 1024, passes: 1, parallelism: 1 }

export interface ServiceOptions {
  /** As the process would be started with. */
  env?: Record<string, string>
  parts?: Partial<Parts>
  /** Adds to the instance before it is ready: routes that do what no route of ours does. */
  boot? (app: FastifyInstance): void
}

/** Ready, with every plugin and route; closed when the test ends. */
export async function startService (t: Ending, { env = {}, parts = {}, boot }: ServiceOptions = {}): Promise<Service> {
  const databaseUrl = env.DATABASE_URL ?? await createDatabase(t)
  const config = readConfig(
    {
      NODE_ENV: 'test',
      RATE_LIMIT_MAX: '0',
      RATE_LIMIT_AUTH_MAX: '0',
      LOG_LEVEL: 'DEBUG',
      DATABASE_URL: databaseUrl,
      MAX_POOL_SIZE: '5',
      ...env
    },
    tmpdir()
  )
  const lines: LogLine[] = []
  const logger = createLogger({
    level: config.log.level,
    sink: {
      write: (line) => {
        lines.push(JSON.parse(line) as LogLine)
      }
    }
  })
  const metrics = new Metrics(config.app)
  const database = connect({ ...config.database, url: databaseUrl, log: logger, observe: metrics })
  const spool = parts.spool ?? (await openTestSpool(t)).spool
  const decoding = new DecodingPool()
  const sampling = new SamplingPool()
  const availability = new Availability()
  const checks = [{ name: 'database', critical: true, look: async () => { await database.ping() } }]
  const accessTokens = new AccessTokens(config.auth.secrets ?? ['a secret of the tests that is long enough'])
  const app = await buildApp({
    config,
    logger,
    availability,
    database,
    metrics,
    decode: (file, signal, again) => decoding.decode(file, { signal, again }),
    convert: (file, conversion, signal) => decoding.convert(file, conversion, { signal }),
    unpack: (file, member, signal) => decoding.unpack(file, member, { signal }),
    sample: (packed, wanted) => sampling.sample(packed, wanted),
    compareSteps: (task) => sampling.compareSteps(task),
    checks,
    // A job that runs at a moment of its own changes what a test counts.
    scheduled: false,
    accessTokens,
    passwords: new Passwords(TEST_COST),
    ...parts,
    spool
  })
  t.teardown(async () => {
    await app.close()
    await decoding.close()
    await sampling.close()
    refuse(problemsIn(lines))
  })
  boot?.(app)
  await app.ready()
  availability.clear('start')
  await app.health.ready()
  return { app, database, databaseUrl, config, lines, runner: (email) => signUp(app, email) }
}

/** Whatever a test is about, every line logged meanwhile is one of ours, and holds no secret. */
function refuse (problems: string[]): void {
  if (problems.length > 0) { throw new Error(`Lines of the log are not as they must be: ${problems.slice(0, 5).join('; ')}`) }
}

/** As `app.inject`, with the body read. */
export async function inject (app: FastifyInstance, options: InjectOptions): Promise<Answer> {
  const response = await app.inject(options)
  const isJson = response.body !== '' && String(response.headers['content-type']).startsWith('application/json')
  return {
    status: response.statusCode,
    headers: response.headers,
    body: isJson ? response.json() : response.body,
    raw: response.rawPayload
  }
}

async function signUp (app: FastifyInstance, email = `${randomUUID()}@example.org`): Promise<Runner> {
  const { status, body } = await inject(app, {
    method: 'POST',
    url: '/api/v1/auth/register',
    payload: { email, password: PASSWORD }
  })
  if (status !== 201) throw new Error(`Sign-up answered ${status}: ${JSON.stringify(body)}`)
  const call: Runner['call'] = async (method, url, payload, headers = {}) => await inject(app, {
    method,
    url: url.startsWith('/api/') ? url : `/api/v1${url}`,
    headers: { authorization: `Bearer ${body.access_token}`, ...headers },
    ...(payload === undefined ? {} : { payload: payload as object })
  })
  return { id: body.user.id, email, access_token: body.access_token, refresh_token: body.refresh_token, call }
}

/** The built service as a process of its own, as `npm start` runs it. */
export interface ServiceProcess {
  child: ChildProcess
  /** Where it listens, `http://127.0.0.1:PORT`. */
  url: string
  port: number
  directory: string
  lines: LogLine[]
  stderr (): string
  /** Resolves with the first line, written already or to come, that fits. */
  line (fits: (line: LogLine) => boolean): Promise<LogLine>
  /** Sends the signal, and answers how the process ended. */
  stop (signal?: NodeJS.Signals): Promise<{ code: number | null, signal: NodeJS.Signals | null }>
}

const SERVER = fileURLToPath(new URL('../../src/server.js', import.meta.url))

/** Started and ready (or, with `ready: false`, only started); killed when the test ends, if it still runs. */
export async function startProcess (
  t: Ending,
  env: Record<string, string> = {},
  { ready = true, descriptors, script = SERVER }: { ready?: boolean, descriptors?: number, script?: string } = {}
): Promise<ServiceProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'running-trainer-'))
  const own: Record<string, string> = {
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    PORT: '0',
    RATE_LIMIT_MAX: '0',
    RATE_LIMIT_AUTH_MAX: '0',
    LOG_DIR: join(directory, 'logs'),
    DATA_DIR: join(directory, 'data')
  }
  if (env.DATABASE_URL === undefined) own.DATABASE_URL = await createDatabase(t)
  const child = spawnNode([script], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? '', ...own, ...env },
    descriptors
  })
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    refuse(problemsIn(lines))
    await rm(directory, { recursive: true, force: true })
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const lines: LogLine[] = []
  const listeners = new Set<(line: LogLine) => void>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    let line: LogLine
    try {
      line = JSON.parse(text) as LogLine
    } catch (error) {
      // What a killed process had begun to write is no line.
      if (child.killed) return
      throw error
    }
    lines.push(line)
    for (const listener of listeners) listener(line)
  })
  const line = async (fits: (line: LogLine) => boolean) => {
    const found = lines.find(fits)
    if (found !== undefined) return found
    return await new Promise<LogLine>((resolve, reject) => {
      const listener = (line: LogLine) => {
        if (!fits(line)) return
        listeners.delete(listener)
        resolve(line)
      }
      listeners.add(listener)
      exited.then(([code]) => reject(new Error(`The service ended with ${code}: ${stderr}`)), reject)
    })
  }
  const stop: ServiceProcess['stop'] = async (signal = 'SIGTERM') => {
    child.kill(signal)
    const [code, by] = await exited
    return { code, signal: by }
  }
  const started = { child, url: '', port: 0, directory, lines, stderr: () => stderr, line, stop }
  if (ready) {
    const listening = await line(({ message }) => message === 'listening')
    started.port = listening.extra?.port as number
    started.url = `http://127.0.0.1:${started.port}`
    await line(({ message }) => message === 'the service is ready')
  }
  return started
}

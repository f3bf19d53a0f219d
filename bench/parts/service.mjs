import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ServerProcess } from './process.mjs'

const SERVER = fileURLToPath(new URL('../../dist/src/server.js', import.meta.url))
const PASSWORD = 'correct horse battery'

/**
 * The service as it runs in production, everything on: the limits are high instead of off, so that counting towards
 * them is paid for. Standard output goes nowhere, the file is a real one.
 */
export async function startService ({ databaseUrl, cores, env = {}, node = [] }) {
  const folder = mkdtempSync(join(tmpdir(), 'running-trainer-service-'))
  const server = await ServerProcess.start({
    name: 'service',
    script: SERVER,
    cores,
    // As npm start has it.
    node: ['--v8-pool-size=0', ...node],
    cwd: folder,
    readyPath: '/health/ready',
    env: {
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      JWT_SECRET: 'a secret of the bench that is long enough',
      LOG_DIR: join(folder, 'logs'),
      RATE_LIMIT_MAX: '1000000',
      RATE_LIMIT_AUTH_MAX: '0',
      SHUTDOWN_DRAIN_DELAY: '0',
      ...env
    }
  })
  server.logFile = join(folder, 'logs', 'app.log')
  const { stop } = server
  server.stop = async () => {
    await stop.call(server)
    rmSync(folder, { recursive: true, force: true })
  }
  return server
}

/** Signs `count` runners up. */
export async function signUp (server, count) {
  const runners = []
  for (let n = 1; n <= count; n++) {
    const { user, access_token: token } = await ask(server, 'POST', '/api/v1/auth/register', {
      body: { email: `signed-in-${n}-${server.pid}@example.org`, password: PASSWORD }
    })
    runners.push({ id: user.id, email: user.email, token, sinceMs: Date.now() })
  }
  return runners
}

/** Tokens live a quarter of an hour: those that are old are replaced. */
export async function refresh (server, runners) {
  for (const runner of runners) {
    if (Date.now() - runner.sinceMs < 300_000) continue
    const { access_token: token } = await ask(server, 'POST', '/api/v1/auth/login', {
      body: { email: runner.email, password: PASSWORD }
    })
    Object.assign(runner, { token, sinceMs: Date.now() })
  }
}

export async function ask ({ url }, method, path, { token, body, headers = {} } = {}) {
  const answer = await fetch(url + path, {
    method,
    headers: {
      ...headers,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return await answer.json()
}

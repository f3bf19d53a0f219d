// The version before beside this one, on its schema, under load: `node bench/upgrade.mjs`. Forward, back one
// step, and forward again, behind a proxy that follows readiness and sends no request twice; what fails is printed. The
// version before is the one without the newest migration, or that of `--before COMMIT`. Build with --all first.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { Agent } from 'node:http'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask, newPlan, signUp } from '../dist/test/harness/http-client.js'
import { ReadinessProxy } from '../dist/test/harness/readiness-proxy.js'
import { readArguments } from './parts/arguments.mjs'
import { openDatabase } from './parts/database.mjs'
import { ServerProcess } from './parts/process.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const git = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 30 }).trim()
const { before } = readArguments({ before: `${git('log', '-1', '--format=%H', '--', 'db/migrations')}~1` })

const folder = mkdtempSync(join(tmpdir(), 'running-trainer-upgrade-'))
const database = await openDatabase({ migrated: false })
const proxy = await ReadinessProxy.start(50)
const agent = new Agent({ keepAlive: true })
const failed = []
const done = { read: 0, write: 0 }
const over = new AbortController()
try {
  console.log(`builds ${git('log', '-1', '--format=%h %s', before)}`)
  const old = join(folder, 'before')
  execFileSync('sh', ['-c', 'mkdir "$1" && git archive "$2" | tar -x -C "$1"', 'sh', old, before], { cwd: ROOT })
  symlinkSync(join(ROOT, 'node_modules'), join(old, 'node_modules'))
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: old, stdio: 'inherit' })

  const versions = { before: join(old, 'dist/src/server.js'), newest: join(ROOT, 'dist/src/server.js') }
  const start = async (version) => {
    const server = await ServerProcess.start({
      name: version,
      script: versions[version],
      cwd: folder,
      readyPath: '/health/ready',
      env: {
        NODE_ENV: 'test',
        DATABASE_URL: database.url,
        JWT_SECRET: 'one secret for all of these processes',
        LOG_DIR: join(folder, `logs-${randomUUID()}`),
        DATA_DIR: join(folder, `data-${randomUUID()}`),
        RATE_LIMIT_MAX: '0',
        RATE_LIMIT_AUTH_MAX: '0',
        SHUTDOWN_DRAIN_DELAY: '1'
      }
    })
    await proxy.add(server.port)
    return server
  }
  /** Another version takes the place of a server, as in a rolling upgrade. */
  const replace = async (server, version) => {
    const next = await start(version)
    await server.stop()
    proxy.remove(server.port)
    return next
  }
  const serving = [await start('before'), await start('before')]
  const headers = await signUp(proxy.port)
  const load = Promise.all(['read', 'write', 'read', 'write'].map((kind) => client(kind, headers)))
  for (const version of ['newest', 'before', 'newest']) {
    for (let n = 0; n < serving.length; n++) {
      serving[n] = await replace(serving[n], version)
      console.log(`${n + 1} of ${serving.length}: ${version}; ${done.read} reads and ${done.write} writes, ${failed.length} failed`)
    }
  }
  over.abort()
  await load
  const [{ count }] = await database.sql`select count(*)::int as count from plans`
  if (count !== done.write) failed.push(`${count} plans of ${done.write} that were acknowledged`)
  for (const server of serving) await server.stop()
} finally {
  over.abort()
  agent.destroy()
  proxy.close()
  await database.close()
  rmSync(folder, { recursive: true, force: true })
}
for (const each of failed.slice(0, 20)) console.error(each)
process.exit(failed.length > 0 ? 1 : 0)

async function client (kind, headers) {
  while (!over.signal.aborted) {
    const body = newPlan(randomUUID())
    try {
      const { status, text } = kind === 'read'
        ? await ask(proxy.port, '/api/v1/plans?limit=5', { headers, agent })
        : await ask(proxy.port, '/api/v1/plans', { method: 'POST', headers, body, agent })
      if (status === (kind === 'read' ? 200 : 201)) done[kind]++
      else failed.push(`${kind}: ${status} ${text.slice(0, 300)}`)
    } catch (error) {
      failed.push(`${kind}: ${String(error)}`)
    }
  }
}

// Where the processor time of one route goes: `node bench/profile.mjs --route read`. Prints the functions with the most time of their own.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments } from './parts/arguments.mjs'
import { CORES } from './parts/cores.mjs'
import { openDatabase, seed } from './parts/database.mjs'
import { closedLoad } from './parts/load.mjs'
import { ServerProcess } from './parts/process.mjs'
import { ROUTES } from './parts/routes.mjs'
import { signUp, startService } from './parts/service.mjs'

const { route, seconds, connections, top, bare } = readArguments({ route: 'read', seconds: 5, connections: 64, top: 45, bare: false })
const folder = mkdtempSync(join(tmpdir(), 'running-trainer-profile-'))
const database = await openDatabase()
const service = await startService({ databaseUrl: database.url, cores: CORES.server, node: bare ? [] : [`--cpu-prof-dir=${folder}`, '--cpu-prof'] })
const runners = await signUp(service, 50)
await seed(database.sql, { runners: 1000, plans: 100_000, known: runners })
const planIds = new Map(runners.map(({ id }) => [id, []]))
for (const { user_id, plan_id } of await database.sql`select user_id, plan_id from plans where user_id in ${database.sql([...planIds.keys()])}`) planIds.get(user_id).push(plan_id)
const server = bare
  ? await ServerProcess.start({ name: 'bare', script: fileURLToPath(new URL('bare.mjs', import.meta.url)), cores: CORES.server, node: [`--cpu-prof-dir=${folder}`, '--cpu-prof'], env: { NODE_ENV: 'production', DATABASE_URL: database.url } })
  : service
const before = server.cpuUs()
const figures = await closedLoad({ port: server.port, requests: ROUTES[route].requests({ runners, planIds }), connections, seconds })
console.log(figures, `${((server.cpuUs() - before) / figures.requests).toFixed(1)} µs a request`)
await server.stop()
if (bare) await service.stop()
await database.close()

const [file] = readdirSync(folder).map((name) => join(folder, name)).sort((a, b) => readFileSync(b).length - readFileSync(a).length)
const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'))
rmSync(folder, { recursive: true })
const own = new Map()
for (const [i, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + timeDeltas[i])
const byFunction = new Map()
for (const { id, callFrame: { functionName, url, lineNumber } } of nodes) {
  const name = `${functionName || '(anonymous)'} ${url.replace(/.*\/(node_modules|dist)\//, '').replace('file://', '')}:${lineNumber + 1}`
  byFunction.set(name, (byFunction.get(name) ?? 0) + (own.get(id) ?? 0))
}
const idle = [...byFunction].filter(([name]) => /^\((idle|program)\)/.test(name))
console.log('outside of JavaScript:', idle.map(([name, us]) => `${name} ${(us / 1000).toFixed(0)} ms`).join(', '))
for (const [name, us] of [...byFunction].filter((entry) => !idle.includes(entry)).sort((a, b) => b[1] - a[1]).slice(0, top)) {
  console.log(`${(us / figures.requests).toFixed(2).padStart(7)} µs  ${name}`)
}

// Where the processor time of one route goes: `node bench/profile.mjs --route read`, of bare with `--bare`. Prints what
// each part of the code took of its own, and the functions that took most.
import { fileURLToPath } from 'node:url'
import { readArguments } from './parts/arguments.mjs'
import { CORES } from './parts/cores.mjs'
import { openFixture } from './parts/fixture.mjs'
import { closedLoad } from './parts/load.mjs'
import { ServerProcess } from './parts/process.mjs'
import { ROUTES } from './parts/routes.mjs'

const { route, seconds, connections, top, bare } = readArguments({
  route: 'read',
  seconds: 5,
  connections: 64,
  top: 40,
  bare: false
})
/** In the server: begins at the first message, ends and answers at the second. */
const PROFILER = `import { Session } from 'node:inspector'
const session = new Session(); session.connect(); let on = false
process.on('message', () => {
  if (on) session.post('Profiler.stop', (_error, { profile }) => process.send(profile))
  else { session.post('Profiler.enable'); session.post('Profiler.setSamplingInterval', { interval: 200 }); session.post('Profiler.start', () => process.send({})) }
  on = true
})`
const node = ['--import', `data:text/javascript,${encodeURIComponent(PROFILER)}`]
const fixture = await openFixture({ node: bare ? [] : node })
const { database, service, given } = fixture
const server = bare
  ? await ServerProcess.start({
    name: 'bare',
    script: fileURLToPath(new URL('bare.mjs', import.meta.url)),
    cores: CORES.server,
    node,
    env: { NODE_ENV: 'production', DATABASE_URL: database.url }
  })
  : service
const requests = ROUTES[route].requests(given)
await closedLoad({ port: server.port, requests, connections, seconds: 2 })
await server.ask('profile')
const before = server.cpuUs()
const figures = await closedLoad({ port: server.port, requests, connections, seconds })
const cpuUs = (server.cpuUs() - before) / figures.requests
const { nodes, samples, timeDeltas } = await server.ask('profile')
if (bare) await server.stop()
await fixture.close()

const own = new Map()
for (const [i, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + timeDeltas[i])
const [byFunction, byPart] = [new Map(), new Map()]
const add = (sums, name, us) => sums.set(name, (sums.get(name) ?? 0) + us)
for (const { id, callFrame: { functionName, url, lineNumber } } of nodes) {
  const file = url.replace(/.*\/(node_modules|dist)\//, '').replace('file://', '')
  add(byFunction, `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`, own.get(id) ?? 0)
  add(
    byPart,
    file === ''
      ? `(native) ${functionName.startsWith('(') ? functionName : ''}`
      : file.startsWith('node:')
        ? file.replace(/[/_].*/, '')
        : file.split('/').slice(0, 2).join('/'),
    own.get(id) ?? 0
  )
}
const idle = byFunction.get('(idle) :0') ?? 0
const busy = [...byFunction.values()].reduce((sum, us) => sum + us, 0) - idle
console.log(
  `${figures.requests} requests, ${cpuUs.toFixed(1)} µs each; ${((idle / (busy + idle)) * 100).toFixed(0)} % idle. As shares of that:`
)
const print = (sums, count) => {
  for (const [name, us] of [...sums]
    .filter(([name]) => !name.startsWith('(idle)') && !name.endsWith('(idle)'))
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)) { console.log(`${((us / busy) * cpuUs).toFixed(2).padStart(7)} µs  ${name}`) }
}
print(byPart, 25)
console.log('')
print(byFunction, top)

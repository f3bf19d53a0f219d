// Twice as many requests as the service can do, whether the ones before are answered or not: `node bench/shedding.mjs`.
// Says how much of its capacity it still answers in time, how soon the rest is refused, whether probes were answered
// all the while, and how soon all is as before. The generator has a core to itself: one that shared it could not tell
// its own waiting from the service's. So the server has the other with its Postgres, as `npm start` has; `--beside
// load` is the other way. `node bench/shedding.mjs --burst`: many requests at once at an idle service, beside bare.
import { fileURLToPath } from 'node:url'
import { readArguments } from './parts/arguments.mjs'
import { coresWith, moveTo } from './parts/cores.mjs'
import { fixed, median, quantile } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'
import { burst as burstOf, closedLoad, openLoad } from './parts/load.mjs'
import { ServerProcess } from './parts/process.mjs'
import { ROUTES } from './parts/routes.mjs'
import { refresh } from './parts/service.mjs'

const { burst, seconds, times, connections, routes, rounds, patience, beside } = readArguments({
  burst: false,
  seconds: 10,
  times: 2,
  connections: 6000,
  routes: 'read,list,insert',
  rounds: 5,
  patience: 1000,
  beside: ['server', 'load']
})
const cores = coresWith(beside)
// This process asks the probes.
moveTo(cores.load, process.pid)
const fixture = await openFixture({ cores })
const { service, given } = fixture

/**
 * For so long each generator asks first without counting: until its own code is compiled it takes answers late, in the
 * first second of a storm by 200 ms.
 */
const WARM_MS = 1500
/** Requests at once, by route. */
const BURSTS = { list: 1000, insert: 200 }
const BARE = fileURLToPath(new URL('./bare.mjs', import.meta.url))

try {
  if (burst) await bursts()
  else await storms()
} finally {
  await fixture.close()
}

/** Bare is started fresh for each burst, and asked a little first, as the service was while its runners signed up. */
async function bursts () {
  for (const [name, count] of Object.entries(BURSTS)) {
    const found = []
    for (let round = 1; round <= rounds; round++) {
      await refresh(service, given.runners)
      const some = ROUTES[name].requests(given)
      const requests = Array.from({ length: count }, (_, i) => some[i % some.length])
      const bare = await ServerProcess.start({
        name: 'bare',
        script: BARE,
        cores: cores.server,
        env: { NODE_ENV: 'production', DATABASE_URL: fixture.database.url, POOL_SIZE: '20' }
      })
      const both = {}
      for (const server of round % 2 === 0 ? [bare, service] : [service, bare]) {
        await burstOf({ port: server.port, requests: requests.slice(0, 50) })
        await new Promise((resolve) => { setTimeout(resolve, 2000) })
        both[server.name] = await burstOf({ port: server.port, requests })
      }
      await bare.stop()
      await ROUTES[name].after?.(fixture.database.sql)
      found.push({ ...both, ratio: both.service.ms / both.bare.ms })
      console.log(
        `${name}, ${count} at once: service ${fixed(both.service.ms, 0)} ms ${JSON.stringify(both.service.statuses)}, ` +
        `bare ${fixed(both.bare.ms, 0)} ms ${JSON.stringify(both.bare.statuses)}`
      )
    }
    const served = found.every((each) => Object.keys(each.service.statuses).every((status) => status.startsWith('2')))
    line(`${name}: times bare's`, range(found.map(({ ratio }) => ratio), 2), '≤ 1.5, all 2xx',
      served && median(found.map(({ ratio }) => ratio)) <= 1.5)
  }
}

/** Several storms, and the capacity before and after each: on a noisy machine it changes from second to second. */
async function storms () {
  // To warm up, then what the service does at its best. By the same generator: code that was compiled for the headers
  // of another is compiled again.
  await closedLoad({ own: true, port: service.port, requests: mixed(), connections: 64, seconds: 4 })
  const found = []
  let before = await capacity()
  for (let round = 1; round <= rounds; round++) {
    await refresh(service, given.runners)
    found.push(await storm(round, before))
    before = found.at(-1).after
  }
  report(found)
}

/** Some of each route, one after the other. */
function mixed () {
  const some = routes.split(',').flatMap((name) => ROUTES[name].requests(given).slice(0, 50))
  return some.map((_, i) => some[(i * 51) % some.length])
}

/** Answers a second, to the same generator. */
async function capacity () {
  const {
    requests: done,
    failed,
    seconds: took
  } = await closedLoad({
    own: true,
    port: service.port,
    requests: mixed(),
    connections: 64,
    seconds: 2,
    warmMs: WARM_MS
  })
  return (done - failed) / took
}

async function storm (round, before) {
  const rate = Math.round(before * times)
  const probing = probe(100)
  const load = await openLoad({
    port: service.port,
    requests: mixed(),
    connections,
    seconds,
    rate,
    patienceMs: patience,
    warmMs: WARM_MS,
    pid: service.pid
  })
  const probes = await probing.stop()
  const recoveredMs = await recovery(before)
  const after = await capacity()
  const of = (fits) => Object.entries(load.byStatus).filter(([status]) => fits(status)).map(([, each]) => each)
  const count = (of, name = 'count') => of.reduce((total, each) => total + each[name], 0)
  const refusals = of((status) => status === '503')
  const done = of((status) => status.startsWith('2'))
  const found = {
    after,
    goodput: count(done, 'inTime') / seconds / ((before + after) / 2) * 100,
    p99: Math.max(0, ...refusals.map(({ p99 }) => p99)),
    withoutRetryAfter: load.withoutRetryAfter,
    other: load.requests - count(done) - count(refusals) + load.unanswered,
    unsent: load.unsent,
    probes,
    recoveredMs
  }
  console.log(
    `${round}: ${fixed(before, 0)} to ${fixed(after, 0)} a second, asked ${rate}: ${fixed(found.goodput, 0)} % done in time, ` +
      `${count(done) - count(done, 'inTime')} late, ${count(refusals)} refused in p50 ` +
      `${fixed(Math.max(0, ...refusals.map(({ p50 }) => p50)))}, p99 ${fixed(found.p99)} ms; ` +
      `service ${fixed(load.ofPidUs / seconds / 1e4, 0)} % of a core, generator ${fixed(load.cpuUs / seconds / 1e4, 0)} %, ` +
      `late by p99 ${fixed(load.lateP99)} ms`
  )
  return found
}

function range (values, digits) {
  return `${fixed(median(values), digits)} (${fixed(Math.min(...values), digits)}–${fixed(Math.max(...values), digits)})`
}

function line (what, value, target, good) {
  console.log(`${good ? 'ok    ' : 'missed'}  ${what}: ${value} (${target})`)
}

function report (found) {
  const all = (name) => found.map((each) => each[name])
  const total = (name) => all(name).reduce((sum, value) => sum + value, 0)
  line(`answered within ${patience} ms, % of capacity`, range(all('goodput'), 0), '≥ 60', median(all('goodput')) >= 60)
  line('refused in, p99 ms', range(all('p99'), 0), '≤ 100', median(all('p99')) <= 100)
  line('refused without Retry-After', total('withoutRetryAfter'), '0', total('withoutRetryAfter') === 0)
  line('neither done nor refused', total('other'), '0', total('other') === 0)
  line('not sent for want of a connection', total('unsent'), '0', total('unsent') === 0)
  const probes = all('probes')
  const failed = probes.reduce((sum, each) => sum + each.failed, 0)
  const count = probes.reduce((sum, each) => sum + each.count, 0)
  const p99 = quantile(probes.flatMap(({ ms }) => ms), 0.99)
  line('probes failed', `${failed} of ${count}, p99 ${fixed(p99)} ms`, '0', failed === 0)
  const recovered = all('recoveredMs').map((ms) => ms / 1000)
  line('recovery, s', range(recovered, 1), '< 5', Math.max(...recovered) < 5)
}

/** Asks whether the process lives, all the time. */
function probe (everyMs) {
  const ms = []
  const underway = new Set()
  let failed = 0
  const timer = setInterval(() => {
    const since = performance.now()
    const asked = Promise.all(['/health/live', '/health/ready'].map(async (path) => {
      const answer = await fetch(service.url + path, { signal: AbortSignal.timeout(5000) })
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`)
      await answer.arrayBuffer()
    })).then(() => { ms.push(performance.now() - since) }, () => { failed++ }).finally(() => underway.delete(asked))
    underway.add(asked)
  }, everyMs)
  return {
    async stop () {
      clearInterval(timer)
      await Promise.all(underway)
      return { count: ms.length + failed, failed, ms }
    }
  }
}

/** How long after the storm until a fifth of the capacity is answered for half a second without one refusal. */
async function recovery (before) {
  const since = performance.now()
  while (performance.now() - since < 30_000) {
    const { failed } = await openLoad({
      port: service.port,
      requests: mixed(),
      connections: 200,
      seconds: 0.5,
      rate: Math.round(before / 5)
    })
    if (failed === 0) return Math.max(0, performance.now() - since - 500)
  }
  return Infinity
}

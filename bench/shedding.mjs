// Twice as many requests as the service can do, whether the ones before are answered or not: `node bench/shedding.mjs`.
// Says how much of its capacity it still gives, how soon the rest is refused, whether probes were answered all the
// while, and how soon all is as before. Several storms, and its capacity before and after each: on a noisy machine that
// is another one from one second to the next. Then some that tcpdump listens to, where it may: what they say of the
// time of refusals is all the service's. Where there are two cores only, the generator has one to itself: here it asks
// so much that what it took would be missed by whoever it shared with, and it could not tell its own waiting from the
// service's. So the server has the other with its Postgres, as `npm start` has; `--beside load` is the other way.
import { readArguments } from './parts/arguments.mjs'
import { coresWith, moveTo } from './parts/cores.mjs'
import { fixed, median, quantile } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'
import { closedLoad, openLoad } from './parts/load.mjs'
import { ROUTES } from './parts/routes.mjs'
import { refresh } from './parts/service.mjs'
import { canListen, listen } from './parts/wire.mjs'

const { seconds, times, connections, routes, rounds, wires, beside } = readArguments({
  seconds: 5,
  times: 2,
  connections: 2000,
  routes: 'read,list,insert',
  rounds: 7,
  wires: 3,
  beside: ['server', 'load']
})
const cores = coresWith(beside)
// This process asks the probes.
moveTo(cores.load, process.pid)
const fixture = await openFixture({ cores })
const { service, given } = fixture
let requests = mixed()

/**
 * For so long each generator asks first without counting: until its own code is compiled it takes answers late, in the
 * first second of a storm by 200 ms.
 */
const WARM_MS = 1500

// To warm up, then what the service does at its best. By the same generator: code that was compiled for the headers of
// another is compiled again.
await closedLoad({ own: true, port: service.port, requests, connections: 64, seconds: 4 })
const storms = []
let before = await capacity()
for (let round = 1; round <= rounds; round++) storms.push(await storm(round))
const heard = []
if (canListen) for (let round = 1; round <= wires; round++) heard.push(await storm(`listened to, ${round}`, true))
else console.log('no storm was listened to: that takes tcpdump, and root')
report()
await fixture.close()

/** Some of each route, one after the other. */
function mixed () {
  const some = routes.split(',').flatMap((name) => ROUTES[name].requests(given).slice(0, 50))
  return some.map((_, i) => some[(i * 51) % some.length])
}

/**
 * Answers a second, to the same generator: what it takes for itself, where it shares, is taken from the one as from the
 * other.
 */
async function capacity () {
  const {
    requests: done,
    failed,
    seconds: took
  } = await closedLoad({ own: true, port: service.port, requests, connections: 64, seconds: 2, warmMs: WARM_MS })
  return (done - failed) / took
}

/** What was found in one of them. Listened to, less is done in it: that takes of the core of the database. */
async function storm (round, listened = false) {
  await refresh(service, given.runners)
  requests = mixed()
  const rate = Math.round(before * times)
  const probing = probe(100)
  const wire = listened ? await listen(service.port) : undefined
  const load = await openLoad({
    port: service.port,
    requests,
    connections,
    seconds,
    rate,
    warmMs: WARM_MS,
    pid: service.pid
  })
  const answers = await wire?.close()
  const busy = load.ofPidUs / seconds / 1e4
  const probes = await probing.stop()
  const recoveredMs = await recovery()
  const after = await capacity()
  const sum = (isCounted) =>
    Object.entries(load.byStatus).reduce((total, [status, { count }]) => total + (isCounted(status) ? count : 0), 0)
  const refusals = Object.entries(load.byStatus)
    .filter(([status]) => status === '503' || status === '429')
    .map(([, each]) => each)
  const done = sum((status) => status.startsWith('2'))
  const refused = sum((status) => status === '503' || status === '429')
  const found = {
    goodput: done / seconds / ((before + after) / 2) * 100,
    p50: Math.max(0, ...refusals.map(({ p50 }) => p50)),
    p99: Math.max(0, ...refusals.map(({ p99 }) => p99)),
    ownP99: Math.max(0, ...refusals.map(({ ownP99 }) => ownP99)),
    wireMs: [503, 429].flatMap((status) => answers?.get(status) ?? []),
    withoutRetryAfter: load.withoutRetryAfter,
    other: load.requests - done - refused + load.unanswered,
    unsent: load.unsent,
    probes,
    recoveredMs
  }
  console.log(
    `${round}: ${fixed(before, 0)} to ${fixed(after, 0)} a second, asked ${rate}: ${fixed(found.goodput, 0)} % done, ${refused} refused in p50 ${fixed(found.p50)}, p99 ${fixed(found.p99)} ms, ${fixed(found.ownP99)} since sent; ` +
      `service ${fixed(busy, 0)} % of a core, generator ${fixed(load.cpuUs / seconds / 1e4, 0)} %, late by p99 ${fixed(load.lateP99)} ms` +
      (listened
        ? `; on the wire p50 ${fixed(quantile(found.wireMs, 0.5))}, p99 ${fixed(quantile(found.wireMs, 0.99))} ms, none longer than ${fixed(quantile(found.wireMs, 1))}`
        : '')
  )
  before = after
  return found
}

function report () {
  const all = (name, of = storms) => of.map((each) => each[name])
  const range = (values, digits) =>
    `${fixed(median(values), digits)} (${fixed(Math.min(...values), digits)}–${fixed(Math.max(...values), digits)})`
  const total = (name) => all(name).reduce((sum, value) => sum + value, 0)
  const line = (what, value, target, good) =>
    console.log(`${good ? 'ok    ' : 'missed'}  ${what}: ${value} (${target})`)
  line('goodput, % of capacity', range(all('goodput'), 0), '≥ 80', median(all('goodput')) >= 80)
  line('refused in, p99 ms since it was sent', range(all('ownP99'), 0), '< 50', median(all('ownP99')) < 50)
  line('the same since it should have been', range(all('p99'), 0), '< 50', median(all('p99')) < 50)
  if (heard.length > 0) {
    const wireP99 = all('wireMs', heard).map((ms) => quantile(ms, 0.99))
    line('refused in, p99 ms on the wire', range(wireP99, 0), '< 50', median(wireP99) < 50)
  }
  line('refused without Retry-After', total('withoutRetryAfter'), '0', total('withoutRetryAfter') === 0)
  line('neither done nor refused', total('other'), '0', total('other') === 0)
  line('not sent for want of a connection', total('unsent'), '0', total('unsent') === 0)
  const probes = all('probes')
  const failed = probes.reduce((sum, each) => sum + each.failed, 0)
  line(
    'probes failed',
    `${failed} of ${probes.reduce((sum, { count }) => sum + count, 0)}, p99 ${fixed(
      quantile(
        probes.flatMap(({ ms }) => ms),
        0.99
      )
    )} ms`,
    '0',
    failed === 0
  )
  line(
    'recovery, s',
    range(
      all('recoveredMs').map((ms) => ms / 1000),
      1
    ),
    '< 5',
    Math.max(...all('recoveredMs')) < 5000
  )
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
async function recovery () {
  const since = performance.now()
  while (performance.now() - since < 30_000) {
    const { failed } = await openLoad({
      port: service.port,
      requests,
      connections: 200,
      seconds: 0.5,
      rate: Math.round(before / 5)
    })
    if (failed === 0) return Math.max(0, performance.now() - since - 500)
  }
  return Infinity
}

// Twice as many requests as the service can do, whether the ones before are answered or not: `node bench/shedding.mjs`. Says how much of its capacity it
// still gives, how soon the rest is refused, whether probes were answered all the while, and how soon all is as before.
import { readArguments } from './parts/arguments.mjs'
import { fixed, quantile } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'
import { closedLoad, openLoad } from './parts/load.mjs'
import { ROUTES } from './parts/routes.mjs'

const { seconds, times, connections, routes } = readArguments({ seconds: 8, times: 2, connections: 2000, routes: 'read,list,insert' })
const fixture = await openFixture()
const { service, given } = fixture
const mixed = routes.split(',').flatMap((name) => ROUTES[name].requests(given).slice(0, 50))
const requests = mixed.map((_, i) => mixed[(i * 51) % mixed.length])

// Once to warm up, then what the service does at its best.
await closedLoad({ port: service.port, requests, connections: 64, seconds: 3 })
const calm = await closedLoad({ port: service.port, requests, connections: 64, seconds: 4 })
const capacity = (calm.requests - calm.failed) / calm.seconds
console.log(`Capacity ${fixed(capacity, 0)} requests a second, p99 ${fixed(calm.p99)} ms; now ${times} times that for ${seconds} s.`)

const cpuUs = service.cpuUs()
const probing = probe(100)
const storm = await openLoad({ port: service.port, requests, connections, seconds, rate: Math.round(capacity * times) })
const stormCpuUs = service.cpuUs() - cpuUs
const probes = await probing.stop()
const recoveredMs = await recovery()

const ok = Object.entries(storm.byStatus).filter(([status]) => status.startsWith('2'))
const refused = Object.entries(storm.byStatus).filter(([status]) => status === '503' || status === '429')
const sum = (entries) => entries.reduce((total, [, { count }]) => total + count, 0)
const line = (what, value, target, good) => console.log(`${good ? 'ok    ' : 'missed'}  ${what}: ${value} (${target})`)
const goodput = sum(ok) / seconds / capacity
line('goodput', `${fixed(goodput * 100, 0)} % of capacity`, '≥ 80 %', goodput >= 0.8)
line('refused', `${sum(refused)} of ${storm.requests}, p50 ${fixed(Math.max(0, ...refused.map(([, { p50 }]) => p50)))} ms, p99 ${fixed(Math.max(0, ...refused.map(([, { p99 }]) => p99)))} ms`, 'p99 < 50 ms', refused.every(([, { p99 }]) => p99 < 50))
line('refused without Retry-After', storm.withoutRetryAfter, '0', storm.withoutRetryAfter === 0)
line('neither', `${storm.requests - sum(ok) - sum(refused)} other, ${storm.unanswered} unanswered, ${storm.unsent} not sent for want of a connection`, '0', storm.requests === sum(ok) + sum(refused) && storm.unanswered === 0)
line('probes', `${probes.failed} of ${probes.count} failed, p99 ${fixed(quantile(probes.ms, 0.99))} ms, longest ${fixed(Math.max(...probes.ms))} ms`, '0 failed', probes.failed === 0)
line('recovery', `${fixed(recoveredMs / 1000)} s`, '< 5 s', recoveredMs < 5000)
console.log(`The service had ${fixed(stormCpuUs / seconds / 1e4, 0)} % of a core, ${fixed(stormCpuUs / storm.requests, 0)} µs a request, the generator ${fixed(storm.cpuUs / seconds / 1e4, 0)} %.`)
console.log('by status:', JSON.stringify(storm.byStatus))
await fixture.close()

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
    const { failed } = await openLoad({ port: service.port, requests, connections: 200, seconds: 0.5, rate: Math.round(capacity / 5) })
    if (failed === 0) return Math.max(0, performance.now() - since - 500)
  }
  return Infinity
}

// The same load for minutes: `node bench/soak.mjs --minutes 10`. Memory, descriptors, timers and metric series must not
// grow. The first fifth is for warming up and is left out.
import { readArguments } from './parts/arguments.mjs'
import { fixed, slope } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'
import { openLoad } from './parts/load.mjs'
import { ROUTES } from './parts/routes.mjs'
import { refresh } from './parts/service.mjs'

const { minutes, rate } = readArguments({ minutes: 10, rate: 1500 })
const SAMPLES = 40
/** What a line through the samples may rise by over the whole run, as a share of where it began. */
const FLAT = 0.1

/** In the server: what it holds, when it is asked. */
const WITNESS = `process.on('message', () => {
  gc()
  process.send({ timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, heapBytes: process.memoryUsage().heapUsed })
})`
const fixture = await openFixture({
  node: ['--expose-gc', '--import', `data:text/javascript,${encodeURIComponent(WITNESS)}`]
})
const { service, given } = fixture
const samples = []
let asked = 0
let refused = 0
const seconds = minutes * 60 / SAMPLES
for (let n = 0; n < SAMPLES; n++) {
  await refresh(service, given.runners)
  const requests = ['probe', 'read', 'list', 'insert'].flatMap((name) => ROUTES[name].requests(given).slice(0, 50))
  const {
    failed,
    requests: sent,
    byStatus
  } = await openLoad({ port: service.port, requests, connections: 64, seconds, rate })
  if (failed > 0) process.stderr.write(`\n${failed} of ${sent} failed: ${JSON.stringify(byStatus)}\n`)
  asked += sent
  refused += failed
  if (n % 10 === 9) await ROUTES.insert.after(fixture.database.sql)
  samples.push({ at: n, ...await look() })
  process.stderr.write('.')
}
process.stderr.write('\n')
await fixture.close()

console.log(`${refused === 0 ? 'ok    ' : 'missed'}  ${refused} of ${asked} requests failed`)
const kept = samples.slice(SAMPLES / 5)
for (const [name, unit, scale] of [
  ['heapBytes', 'MB', 1e6],
  ['rssBytes', 'MB', 1e6],
  ['descriptors', '', 1],
  ['timers', '', 1],
  ['series', '', 1]
]) {
  const values = kept.map((sample) => sample[name] / scale)
  const rise =
    slope(
      kept.map(({ at }) => at),
      values
    ) * kept.length
  const flat = rise <= Math.max(values[0] * FLAT, unit === '' ? 2 : 0)
  console.log(
    `${flat ? 'ok    ' : 'missed'}  ${name}: ${fixed(values[0], 1)} to ${fixed(values.at(-1), 1)} ${unit}, highest ${fixed(Math.max(...values), 1)}, trend ${fixed(rise, 1)} over the run`
  )
}

/** After the answers, and after a full collection. */
async function look () {
  const text = await (await fetch(`${service.url}/metrics`)).text()
  const { timers, heapBytes } = await service.ask('look')
  return {
    heapBytes,
    rssBytes: service.rssBytes(),
    descriptors: service.descriptors(),
    timers,
    series: text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length
  }
}

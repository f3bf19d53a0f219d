// Imports of one hour and of 100,000 records in each format: `node bench/import.mjs`. How long they take, how long the
// event loop that answers requests is held at a time, and how much memory they take.
import { readArguments } from './parts/arguments.mjs'
import { CORES, moveTo } from './parts/cores.mjs'
import { fixed, median } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'
import { recordingOf } from './parts/recordings.mjs'

const { times, records } = readArguments({ times: 3, records: 100_000 })
/**
 * The longest hold is asked of Node itself, in the service's process; each look starts anew. Before that garbage is
 * collected, as a process that has served for a while has done: until its first full collection V8 allows a heap to
 * grow further than ever again.
 */
const WATCH = `import { monitorEventLoopDelay } from 'node:perf_hooks'
const delay = monitorEventLoopDelay({ resolution: 1 }); delay.enable(); delay.reset()
let rss = 0; setInterval(() => { rss = Math.max(rss, process.memoryUsage.rss()) }, 5).unref()
process.on('message', (what) => { if (what === 'collect') for (let i = 0; i < 3; i++) gc(); process.send({ holdMs: delay.max / 1e6, rss }); delay.reset(); rss = process.memoryUsage.rss() })`

let turn = 0
// This process sends what is imported: on the service's core it would hold up its loop, for 7 ms at a time.
moveTo(CORES.load, process.pid)
const fixture = await openFixture({
  runners: 60,
  plans: 600,
  node: ['--expose-gc', '--import', `data:text/javascript,${encodeURIComponent(WATCH)}`]
})
const { service, given: { runners } } = fixture
for (const format of ['fit', 'tcx', 'gpx']) {
  // The thread starts and its code is compiled with the first file.
  await send(format, recordingOf(format, { records: 600, variant: 0 }))
  await service.ask('collect')
  // More TCX than that is over the limit of 32 MiB.
  for (const count of [3600, format === 'tcx' ? Math.min(records, 70_000) : records]) {
    const figures = []
    for (let n = 1; n <= times; n++) {
      figures.push(await send(format, recordingOf(format, { records: count, variant: n })))
    }
    const of = (name) => median(figures.map((each) => each[name]))
    const missed = of('holdMs') > 10 || of('ms') > 2000 || of('rssMb') > 200
    console.log(
      `${missed ? 'missed' : 'ok    '}  ${format}, ${count} records, ${fixed(figures[0].mb)} MB: ${fixed(of('ms'), 0)} ms, ${fixed((count / of('ms')) * 1000, 0)} records/s, loop held ${fixed(of('holdMs'))} ms at most, ${fixed(of('cpuUs') / 1000, 0)} ms of processor time, ${fixed(of('rssMb'), 0)} MB more (10 ms, 2 s, 200 MB)`
    )
  }
}
await fixture.close()

async function send (format, bytes) {
  const { token } = runners[turn++ % runners.length]
  const before = await look()
  const cpuUs = service.cpuUs()
  const since = performance.now()
  const answer = await fetch(`${service.url}/api/v1/activities/import?allow_duplicate=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
    body: bytes
  })
  if (answer.status !== 201) throw new Error(`${format}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
  const ms = performance.now() - since
  const after = await look()
  return {
    ms,
    mb: bytes.length / 1e6,
    holdMs: after.holdMs,
    cpuUs: service.cpuUs() - cpuUs,
    rssMb: Math.max(0, after.rss - before.rssNow) / 1e6
  }
}

async function look () {
  return { ...await service.ask('look'), rssNow: service.rssBytes() }
}

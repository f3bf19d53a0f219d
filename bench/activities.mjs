// What an activity costs: `node bench/activities.mjs`. The whole import of an hour's run beside what decoding it with
// the official SDK alone costs, in processor time; how long each part of it takes to read; and 10,000 points of a
// recording of 100,000 records, with the longest hold of the event loop meanwhile.
import { fileURLToPath } from 'node:url'
import { readArguments } from './parts/arguments.mjs'
import { CORES, moveTo } from './parts/cores.mjs'
import { fixed, median, quantile } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'
import { ServerProcess } from './parts/process.mjs'
import { recordingOf } from './parts/recordings.mjs'

const { rounds, imports, reads, records } = readArguments({ rounds: 5, imports: 20, reads: 200, records: 100_000 })
const WATCH = `import { monitorEventLoopDelay } from 'node:perf_hooks'
const delay = monitorEventLoopDelay({ resolution: 1 }); delay.enable()
process.on('message', () => { process.send({ holdMs: delay.max / 1e6 }); delay.reset() })`
const PARTS = ['streams', 'laps', 'splits', 'splits?unit=mi', 'best-efforts', 'zones']

moveTo(CORES.load, process.pid)
const signedIn = (rounds + 1) * imports + 1
const fixture = await openFixture({
  runners: signedIn,
  plans: signedIn,
  signedIn,
  node: ['--import', `data:text/javascript,${encodeURIComponent(WATCH)}`]
})
const { service, given: { runners } } = fixture
const peer = await ServerProcess.start({
  name: 'peer',
  script: fileURLToPath(new URL('parts/peer-decoding.mjs', import.meta.url)),
  cores: CORES.server
})
const hour = recordingOf('fit', { records: 3600, variant: 0 })
await compareImports()
const reader = runners.at(-1)
const { activity: { id: hourId } } = await send(hour, reader)
const { activity: { id: longId } } = await send(recordingOf('fit', { records, variant: 1 }), reader)
for (const part of PARTS) await readPart(`an hour's ${part}`, `${hourId}/${part}`, 5)
await readPart(`10,000 points of ${records} records`, `${longId}/streams?points=10000`, 20)
await readPart('a list of 50', '?limit=50', 5)
await peer.stop()
await fixture.close()

async function compareImports () {
  const ratios = []
  for (let round = 0; round <= rounds; round++) {
    const cpuUs = service.cpuUs()
    for (const runner of runners.slice(round * imports, (round + 1) * imports)) await send(hour, runner)
    const own = (service.cpuUs() - cpuUs) / imports
    const theirs = await peer.ask({ base64: hour.toString('base64'), times: imports })
    // The first is to warm up.
    if (round > 0) ratios.push({ own, theirs, ratio: own / theirs })
  }
  const of = (name) => median(ratios.map((each) => each[name]))
  report(of('ratio') <= 1.5, `an hour from request to stored: ${fixed(of('own') / 1000)} ms, decoding alone ${fixed(of('theirs') / 1000)} ms, ${fixed(of('ratio'), 2)} of it (1.5)`)
}

async function send (bytes, { token }) {
  const answer = await fetch(`${service.url}/api/v1/activities/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
    body: bytes
  })
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
  return await answer.json()
}

async function readPart (name, path, limitMs) {
  const times = []
  let size = 0
  for (let n = 0; n < reads * 1.5; n++) {
    if (n === reads / 2) await service.ask('reset')
    const since = performance.now()
    const answer = await fetch(`${service.url}/api/v1/activities${path.startsWith('?') ? '' : '/'}${path}`, {
      headers: { authorization: `Bearer ${reader.token}` }
    })
    size = (await answer.arrayBuffer()).byteLength
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`)
    // The first third is to warm up.
    if (n >= reads / 2) times.push(performance.now() - since)
  }
  const { holdMs } = await service.ask('look')
  report(median(times) < limitMs, `${name}: ${fixed(median(times), 2)} ms, 95 % within ${fixed(quantile(times, 0.95), 2)} ms, ${fixed(size / 1000, 0)} kB, loop held ${fixed(holdMs)} ms at most (${limitMs} ms)`)
}

function report (isWithin, text) {
  console.log(`${isWithin ? 'ok    ' : 'missed'}  ${text}`)
}

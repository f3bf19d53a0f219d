// What one FIT recording costs from request to stored, once all is compiled, beside what decoding it alone costs: `node
// bench/hour.mjs`. Of one made here, and of those in `--samples` where that folder is. In turn, on the same core, in
// processor time: how many a core can do.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Decoder, Stream } from '@garmin/fitsdk'
import { readArguments } from './parts/arguments.mjs'
import { CORES, moveTo } from './parts/cores.mjs'
import { fixed, median } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'
import { ServerProcess } from './parts/process.mjs'
import { recordingOf } from './parts/recordings.mjs'

const { rounds, imports, samples } = readArguments({ rounds: 5, imports: 20, samples: '../shared/samples/fit' })
/** What has less is no run of half an hour. */
const FEWEST_RECORDS = 1800

moveTo(CORES.load, process.pid)
const recordings = [['an hour, made here', recordingOf('fit', { records: 3600, variant: 0 })], ...sampled()]
// Nobody sends a recording twice: a runner for each time.
const signedIn = (rounds + 1) * imports
const fixture = await openFixture({ runners: signedIn, plans: signedIn, signedIn })
const { service, given: { runners } } = fixture
const peer = await ServerProcess.start({
  name: 'peer',
  script: fileURLToPath(new URL('parts/peer-decoding.mjs', import.meta.url)),
  cores: CORES.server
})
const figures = new Map(recordings.map(([name]) => [name, []]))
for (let round = 0; round <= rounds; round++) {
  for (const [name, bytes] of recordings) {
    const own = await importAll(bytes, runners.slice(round * imports, (round + 1) * imports))
    const theirs = await peer.ask({ base64: bytes.toString('base64'), times: imports })
    // The first is to warm up.
    if (round > 0) figures.get(name).push({ own, theirs, ratio: own / theirs })
  }
}
for (const [name, bytes] of recordings) {
  const of = (which) => median(figures.get(name).map((each) => each[which]))
  const records = recordsOf(bytes)
  const rate = (us) => fixed(records / us * 1e3, 0)
  console.log(
    `${name}, ${records} records: ${fixed(of('own') / 1000)} ms from request to stored (${rate(of('own'))} thousand a second), ${fixed(of('theirs') / 1000)} ms decoding alone (${rate(of('theirs'))} thousand), ${fixed(of('ratio'), 2)} of it`
  )
}
console.log(`all: ${fixed(median([...figures.values()].flat().map(({ ratio }) => ratio)), 2)} of decoding alone`)
await peer.stop()
await fixture.close()

function sampled () {
  if (!existsSync(samples)) {
    console.log(`no recordings in ${samples}: only the one made here`)
    return []
  }
  return readdirSync(samples)
    .map((name) => [name, readFileSync(join(samples, name))])
    .filter(([, bytes]) => recordsOf(bytes) >= FEWEST_RECORDS)
}

function recordsOf (bytes) {
  return new Decoder(Stream.fromBuffer(bytes)).read().messages.recordMesgs?.length ?? 0
}

/** Microseconds of the service's processor time for each. */
async function importAll (bytes, senders) {
  const cpuUs = service.cpuUs()
  for (const { token } of senders) {
    const answer = await fetch(`${service.url}/api/v1/activities/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
      body: bytes
    })
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
  }
  return (service.cpuUs() - cpuUs) / senders.length
}

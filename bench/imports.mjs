// A whole history in one upload: `node bench/imports.mjs`. An export of 1,000 runs through `POST /imports`, to a runner
// without activities and to one with 10,000: files a second beside what one decoding thread does alone, the longest
// hold of the event loop, the memory it takes, and how long other requests take meanwhile.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readArguments } from './parts/arguments.mjs'
import { exportOf } from './parts/export.mjs'
import { fixed, quantile } from './parts/figures.mjs'
import { openFixture } from './parts/fixture.mjs'
import { addActivities } from './parts/histories.mjs'

const { runs, seed, idle, there, file } = readArguments({ runs: 1000, seed: 1, idle: 10, there: 10_000, file: '' })
/** From one of the other requests to the next. */
const EACH_MS = 20
/** The longest hold and the memory are asked of Node itself, in the service's process; each look starts anew. */
const WATCH = `import { monitorEventLoopDelay } from 'node:perf_hooks'
const delay = monitorEventLoopDelay({ resolution: 1 }); delay.enable()
let rss = 0; setInterval(() => { rss = Math.max(rss, process.memoryUsage.rss()) }, 20).unref()
process.on('message', (what) => { if (what === 'collect') for (let i = 0; i < 3; i++) gc()
process.send({ holdMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6, rss }); delay.reset(); rss = process.memoryUsage.rss() })`

const folder = mkdtempSync(join(tmpdir(), 'running-trainer-export-'))
const path = file || join(folder, 'export.zip')
const zip = file ? readFileSync(file) : await exportOf({ runs, seed })
if (!file) writeFileSync(path, zip)
console.log(`an export of ${file ? 'that file' : `${runs} runs`}, ${fixed(zip.length / 1e6)} MB, SHA-256 ${createHash('sha256').update(zip).digest('hex').slice(0, 16)}`)
const thread = JSON.parse(execFileSync(process.execPath, [
  fileURLToPath(new URL('parts/one-thread.mjs', import.meta.url)), path, '300'
], { encoding: 'utf8' }))
console.log(`one thread decodes ${fixed(thread.filesPerS)} files/s, with nothing else to do`)

// The service and its database share both cores, as with npm start.
const cores = { server: '0-1', load: '1', database: '0-1' }
const fixture = await openFixture({
  runners: 100,
  plans: 1000,
  signedIn: 4,
  cores,
  node: ['--expose-gc', '--import', `data:text/javascript,${encodeURIComponent(WATCH)}`]
})
const { service, database, given: { runners: [other, warm, without, having] } } = fixture
await importAll(await exportOf({ runs: 20, seed: seed + 1 }), warm)
await addActivities(database.sql, having.id, there)
await database.sql`analyze`
const idleMs = await probing(pause(idle * 1000))
console.log(`other requests at idle: 95 % within ${fixed(quantile(idleMs, 0.95))} ms`)
const rates = []
for (const [runner, what] of [[without, 'without activities'], [having, `with ${there} activities`]]) {
  const { rss: before } = await service.ask('collect')
  await service.ask('look')
  const cpuUs = service.cpuUs()
  const since = performance.now()
  let found
  const timesMs = await probing(importAll(zip, runner).then((end) => { found = end }))
  const seconds = (performance.now() - since) / 1000
  const { holdMs, p99Ms, rss } = await service.ask('look')
  const files = found.imported + found.duplicates + found.failed
  const [rate, p95] = [files / seconds, quantile(timesMs, 0.95)]
  rates.push(rate)
  console.log(`${what}: ${found.imported} imported, ${found.duplicates} duplicates, ${found.skipped} skipped, ${found.failed} failed in ${fixed(seconds)} s; ${fixed((service.cpuUs() - cpuUs) / 1e6)} s of processor time`)
  report(rate >= 25, `${fixed(rate)} files/s (25)`)
  report(rate >= thread.filesPerS, `${fixed(rate / thread.filesPerS, 2)} of what one thread decodes (1)`)
  report(holdMs <= 10, `loop held ${fixed(holdMs)} ms at most, 99 % within ${fixed(p99Ms)} ms (10)`)
  report(rss - before <= 150e6, `${fixed((rss - before) / 1e6, 0)} MB more (150)`)
  report(p95 <= 2 * quantile(idleMs, 0.95), `other requests: 95 % within ${fixed(p95)} ms, ${fixed(p95 / quantile(idleMs, 0.95), 2)} of idle (2)`)
}
report(rates[1] >= rates[0] * 0.9, `${fixed(rates[1] / rates[0], 2)} of the rate without activities (0.9)`)
await fixture.close()
rmSync(folder, { recursive: true })

async function importAll (bytes, { token }) {
  const headers = { authorization: `Bearer ${token}` }
  const form = new FormData()
  form.append('files', new Blob([bytes]), 'export.zip')
  const sent = await fetch(`${service.url}/api/v1/imports`, { method: 'POST', headers, body: form })
  if (sent.status !== 202) throw new Error(`${sent.status} ${await sent.text()}`)
  let found = (await sent.json()).import
  while (found.status === 'queued' || found.status === 'running') {
    await pause(200)
    found = await (await fetch(`${service.url}/api/v1/imports/${found.id}`, { headers })).json()
  }
  if (found.status !== 'done') throw new Error(JSON.stringify(found))
  return found
}

/** The times of another runner's requests until `work` is done. */
async function probing (work) {
  const state = { ended: false }
  const ended = work.finally(() => { state.ended = true })
  const times = []
  while (!state.ended) {
    const since = performance.now()
    const answer = await fetch(`${service.url}/api/v1/plans?limit=20`, { headers: { authorization: `Bearer ${other.token}` } })
    await answer.arrayBuffer()
    if (answer.status !== 200) throw new Error(`another request: ${answer.status}`)
    times.push(performance.now() - since)
    await pause(EACH_MS)
  }
  await ended
  return times
}

function report (isWithin, text) {
  console.log(`  ${isWithin ? 'ok    ' : 'missed'}  ${text}`)
}

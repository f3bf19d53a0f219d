import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { leaveCoreToRequests } from '../../src/one-core.ts'

const MODULE = new URL('../../src/one-core.js', import.meta.url).href
/** Holds 30 MB, turns over ten times as much, and says how often garbage was collected as a whole. */
const BUSY = `
import { PerformanceObserver } from 'node:perf_hooks'
import { leaveCoreToRequests } from '${MODULE}'
leaveCoreToRequests(1)
let majors = 0
new PerformanceObserver((list) => { majors += list.getEntries().filter(({ detail }) => detail.kind === 4).length }).observe({ entryTypes: ['gc'] })
const held = []
for (let turn = 0; turn < 300; turn++) {
  held[turn % 30] = Array.from({ length: 10_000 }, (_, i) => ({ lap: i, pace: [i] }))
  await new Promise(setImmediate)
}
while (majors === 0) await new Promise(setImmediate)
console.log(held.every((laps) => laps.every(({ lap, pace }) => pace[0] === lap)))
`

t.test('only where there is one core, garbage is not marked beside requests', async (t) => {
  const flags: string[] = []
  for (const cores of [1, 2, 8]) leaveCoreToRequests(cores, (flag) => flags.push(flag))
  t.same(flags, ['--no-concurrent-marking'])
})

t.test('a process so set collects its garbage, and nothing else', async (t) => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', BUSY])
  t.equal(stdout, 'true\n')
  t.equal(stderr, '')
})

// From the start of the process to readiness, with a database there and nothing to migrate, and what the idle process
// then holds: `node bench/start.mjs`.
import { setTimeout as delay } from 'node:timers/promises'
import { readArguments } from './parts/arguments.mjs'
import { fixed, summary } from './parts/figures.mjs'
import { CORES } from './parts/cores.mjs'
import { openDatabase } from './parts/database.mjs'
import { startService } from './parts/service.mjs'

const { times, idle } = readArguments({ times: 5, idle: 60 })
const database = await openDatabase()
const readyMs = []
const rssBytes = []
for (let n = 0; n < times; n++) {
  const service = await startService({ databaseUrl: database.url, cores: CORES.server })
  readyMs.push(service.readyMs)
  // What starting takes is given back once the process has been idle for half a minute or so.
  if (n === times - 1) {
    await delay(idle * 1000)
    rssBytes.push(service.rssBytes())
  }
  await service.stop()
}
await database.close()
const told = (what, { median, low, high }, limit) =>
  console.log(
    `${median < limit ? 'ok    ' : 'missed'}  ${what}: ${fixed(median, 0)} [${fixed(low, 0)}–${fixed(high, 0)}] (< ${limit})`
  )
told('start to ready, ms', summary(readyMs), 2000)
told('idle, resident MB', summary(rssBytes.map((bytes) => bytes / 1e6)), 120)

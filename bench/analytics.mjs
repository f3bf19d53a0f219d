// What analytics cost: `node bench/analytics.mjs`. 1,000 runners with 1,000 activities each, and three whose histories
// are 1×, 10× and 100× as long: 100, 1,000 and 10,000 activities, 500 a year. For each call: the service time of a
// request on an otherwise idle machine, the processor time of the service in it, and the rows and buffers that its
// statements read. Beside them, the time to change a run of ten years ago.
import { bind } from '../dist/db/driver/bind.js'
import { createDatabase } from '../dist/db/database.js'
import { load, volume } from '../dist/src/workflows/analytics.js'
import { fitness, records } from '../dist/src/workflows/records.js'
import { zones } from '../dist/src/workflows/zones.js'
import { readArguments } from './parts/arguments.mjs'
import { CORES, moveTo } from './parts/cores.mjs'
import { openDatabase } from './parts/database.mjs'
import { fixed, median, quantile } from './parts/figures.mjs'
import { ask, signUp, startService } from './parts/service.mjs'
import { addActivities, addRunners } from './parts/histories.mjs'

const { runners, activities, requests } = readArguments({ runners: 1000, activities: 1000, requests: 60 })
/** Activities of the runners that are measured. */
const HISTORIES = [100, 1000, 10_000]
/** Milliseconds, for the longest history. */
const GOALS = { year: 30, all: 80, change: 100 }

const day = (daysAgo) => new Date(Date.now() - daysAgo * 86_400_000).toISOString().slice(0, 10)
const LONGEST = day(7300)
/** Each call by its address, and the same without HTTP, for its statements to be counted. */
const CALLS = [
  ['year', `volume?by=week&from=${day(364)}`, (sql, id) => volume(sql, id, { by: 'week', from: day(364) })],
  ['year', `load?from=${day(364)}&forecast=true`, (sql, id) => load(sql, id, { from: day(364), forecast: true })],
  ['year', `zones?from=${day(364)}`, (sql, id) => zones(sql, id, { from: day(364) })],
  ['year', 'records?period=year', (sql, id) => records(sql, id, 'year')],
  ['year', 'records?period=90d', (sql, id) => records(sql, id, '90d')],
  ['year', 'fitness', (sql, id) => fitness(sql, id)],
  ['year', `load.svg?from=${day(364)}`],
  ['all', `volume?by=month&from=${LONGEST}`, (sql, id) => volume(sql, id, { by: 'month', from: LONGEST })],
  ['all', `load?from=${day(1099)}`, (sql, id) => load(sql, id, { from: day(1099), forecast: false })],
  ['all', `zones?from=${LONGEST}`, (sql, id) => zones(sql, id, { from: LONGEST })],
  ['all', 'records', (sql, id) => records(sql, id, 'all')],
  ['all', 'records.svg']
]

moveTo(CORES.load, process.pid)
const database = await openDatabase()
const service = await startService({ databaseUrl: database.url, cores: CORES.server })
const quiet = { debug () {}, info () {}, warning: console.error, error: console.error, named: () => quiet }
const own = createDatabase({
  url: database.url,
  poolSize: 2,
  recycleS: 3600,
  pooler: 'none',
  queryTimeoutMs: 60_000,
  acquireTimeoutMs: 60_000,
  connectTimeoutMs: 10_000,
  log: quiet
})
try {
  const measured = await signUp(service, HISTORIES.length)
  await seed(measured)
  let missed = 0
  console.log(`${'call'.padEnd(44)}${HISTORIES.map((count) => `${count} activities`.padStart(44)).join('')}`)
  console.log(`${''.padEnd(44)}${HISTORIES.map(() => '    ms  (95 %)  cpu ms    rows  buffers'.padStart(44)).join('')}`)
  for (const [range, path, work] of CALLS) {
    const cells = []
    let longest = 0
    for (const runner of measured) {
      const { ms, slowMs, cpuMs } = await timed(() => get(`/api/v1/analytics/${path}`, runner))
      const counts = work === undefined
        ? { rows: Number.NaN, buffers: Number.NaN }
        : await counted((sql) => work(sql, runner.id))
      longest = ms
      cells.push([fixed(ms, 1), `(${fixed(slowMs, 1)})`, fixed(cpuMs, 1), fixed(counts.rows, 0), fixed(counts.buffers, 0)])
    }
    const within = longest < GOALS[range]
    if (!within) missed++
    console.log(`${`${within ? 'ok    ' : 'missed'} ${path.replace(/\d{4}-\d\d-\d\d/g, '…')}, ${range}`.padEnd(44)}${
      cells.map((cell) => cell.map((text) => text.padStart(8)).join('').padStart(44)).join('')}`)
  }
  const change = await changeOld(measured.at(-1))
  const within = change.ms < GOALS.change
  if (!within) missed++
  console.log(`${within ? 'ok    ' : 'missed'} change of a ten-year-old run: ${fixed(change.ms, 1)} ms (${fixed(change.slowMs, 1)})`)
  console.log(`goals for the longest history: a year ${GOALS.year} ms, all ${GOALS.all} ms, a change ${GOALS.change} ms`)
  process.exitCode = missed === 0 ? 0 : 1
} finally {
  await own.close({ timeoutMs: 1000 })
  await service.stop()
  await database.close()
}

/** The bytes of an answer, which may be a picture. */
async function get (path, { token }) {
  const answer = await fetch(service.url + path, { headers: { authorization: `Bearer ${token}` } })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
}

async function seed (measured) {
  const began = performance.now()
  const { sql } = database
  await addRunners(sql, runners, activities)
  for (const [i, { id }] of measured.entries()) await addActivities(sql, id, HISTORIES[i])
  await sql`vacuum analyze`
  const [{ rows, bytes }] = await sql`
    select (select count(*)::int from activities) as rows,
      (pg_total_relation_size('activities') + pg_total_relation_size('best_efforts'))::float8 as bytes
  `
  console.log(`${rows} activities, ${fixed(bytes / 1e6, 0)} MB with their efforts, in ${fixed((performance.now() - began) / 1000, 0)} s`)
}

/** Milliseconds of one request after the other, and the processor time of the service in each; a third warms up. */
async function timed (work) {
  const times = []
  let cpuUs = 0
  for (let n = 0; n < requests * 1.5; n++) {
    if (n === Math.floor(requests / 2)) cpuUs = service.cpuUs()
    const since = performance.now()
    await work(n)
    if (n >= Math.floor(requests / 2)) times.push(performance.now() - since)
  }
  return { ms: median(times), slowMs: quantile(times, 0.95), cpuMs: (service.cpuUs() - cpuUs) / times.length / 1000 }
}

/** What the statements of some work read: rows of tables and indexes, and buffers. */
async function counted (work) {
  const counts = { rows: 0, buffers: 0 }
  const counting = bind({
    async run (strings, values) {
      const parts = [strings[0].replace(/^\/\* \w+ \*\//, '/* explain */ explain (analyze, buffers, format json) '), ...strings.slice(1)]
      const [row] = await own.sql(Object.assign(parts, { raw: parts }), ...values)
      const { Plan } = row['QUERY PLAN'][0]
      counts.rows += rowsOf(Plan)
      counts.buffers += Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']
      return await own.sql(strings, ...values)
    },
    transaction: async (inner) => await inner(counting)
  })
  await work(counting)
  return counts
}

function rowsOf (node) {
  const inner = (node.Plans ?? []).reduce((sum, each) => sum + rowsOf(each), 0)
  const reads = node['Relation Name'] !== undefined || node['Index Name'] !== undefined
  return inner + (reads ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'] : 0)
}

/** Changes runs of ten years ago; the load of every later day follows with the next look at it. */
async function changeOld (runner) {
  const { items } = await ask(service, 'GET', `/api/v1/activities?limit=1&to=${day(3650)}`, runner)
  return await timed(async (n) => {
    await ask(service, 'PATCH', `/api/v1/activities/${items[0].id}`, { ...runner, body: { perceived_effort: n % 10 } })
  })
}

// Writes docs/CAPACITY.md from bench/results/capacity.json, which bench/capacity.mjs measures.
//   node scripts/write-capacity-docs.mjs           writes the page
//   node scripts/write-capacity-docs.mjs --check   exits with 1 if the page is out of date
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const PAGE = 'docs/CAPACITY.md'
const measured = JSON.parse(readFileSync('bench/results/capacity.json', 'utf8'))

/** What a runner does in a year: runs, and for each of them an import and some reads. */
const RUNS = 200
const READS = 7
/** How much busier the busiest hour of the week is than the mean, and how busy a core or a server may be in it. */
const PEAK = 10
const BUSY = 0.6
/** A core of a database that is kept in memory, and what is kept in memory of it. */
const YEAR_S = 365 * 86_400
const HOT_SHARE = 0.1

const { few, many, summaryBytes, importBytes, runners, activities } = measured
const perYear = {
  serviceS: RUNS * (many.import.serviceUs + READS * many.list.serviceUs) / 1e6,
  databaseS: RUNS * (many.import.databaseUs + READS * many.list.databaseUs) / 1e6,
  bytes: RUNS * (summaryBytes + importBytes)
}
const aCore = (seconds) => Math.floor(YEAR_S * BUSY / PEAK / seconds / 1000) * 1000
const [serviceCore, databaseCore] = [aCore(perYear.serviceS), aCore(perYear.databaseS)]
/** A server of the database: cores, memory, disk. */
const SERVER = { cores: 16, memoryGib: 64, diskTib: 4 }
const GIB = 2 ** 30
const bounds = {
  'processor time': databaseCore * SERVER.cores,
  disk: Math.floor(SERVER.diskTib * 1024 * GIB / (5 * perYear.bytes) / 1000) * 1000,
  memory: Math.floor(SERVER.memoryGib * GIB / (HOT_SHARE * RUNS * summaryBytes * 5) / 1000) * 1000
}
const [bound, carried] = Object.entries(bounds).sort((a, b) => a[1] - b[1])[0]
const KINDS = [
  ['list', 'a page of 50 activities'],
  ['filtered', 'the runs of a month'],
  ['volume', 'the volume of a year by week'],
  ['load', 'the load of a year by day'],
  ['import', 'a FIT recording of an hour']
]
const number = (value, digits = 0) => value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
const ratio = (kind) => number(many[kind].databaseUs / few[kind].databaseUs, 2)

const text = `# Capacity

What a runner costs, computed from measured figures: \`node bench/capacity.mjs\` measures them, \`node scripts/write-capacity-docs.mjs\` writes this page. They are of
${measured.cpu} with Node ${measured.node}, on ${measured.date.slice(0, 10)}; another machine has other figures, so measure yours.

## Measured

With ${number(runners.many)} runners of ${activities} activities each, and with ${runners.few}:

| request | service, µs of processor time | database, µs of processor time | median, ms | database, with ${number(runners.many)} : ${runners.few} runners |
| --- | --- | --- | --- | --- |
${KINDS.filter(([kind]) => kind in many).map(([kind, name]) =>
  `| ${name} | ${number(many[kind].serviceUs)} | ${number(many[kind].databaseUs)} | ${number(many[kind].ms, 1)} | ${ratio(kind)} |`).join('\n')}

The times in milliseconds are of a machine that did other things as well. Every statement names its runner and runs on an index, so that the last column is
about 1, and below 2 where rows come from disk: each costs the same however many runners there are. A summary takes ${number(summaryBytes)} bytes with its indexes; a recording of an hour takes ${number(importBytes / 1000)} kB beside it, most of it the original file.

## A runner and year

With ${RUNS} recordings of an hour, and ${READS} reads for each of them:

| | a runner and year |
| --- | --- |
| processor time of the service | ${number(perYear.serviceS, 1)} s |
| processor time of the database | ${number(perYear.databaseS, 1)} s |
| bytes in the database | ${number(perYear.bytes / 1e6, 1)} MB |

## What carries how many

If the busiest hour is ${PEAK} times as busy as the mean, and a core is busy for ${BUSY * 100} % of it:

| | runners |
| --- | --- |
| one core of the service | ${number(serviceCore)} |
| one core of the database | ${number(databaseCore)} |
| one database server of ${SERVER.cores} cores, ${SERVER.memoryGib} GiB of memory and ${SERVER.diskTib} TiB of disk, with five years of data | ${number(carried)} |
| a cluster of n such workers | n × ${number(carried)}, as each statement goes to one worker |

The first bound of a database server is its ${bound}: ${Object.entries(bounds).map(([name, value]) => `${name} ${number(value)}`).join(', ')}. Memory means that a tenth of the
summaries, the recent ones, stay in it.

## What to do at the bound

1. **Service.** Add processes and instances: they share the database alone ([DEPLOYMENT.md](DEPLOYMENT.md)).
2. **Disk.** Grow the volume first. The originals are most of it, and are read only when a file is downloaded or computed anew.
3. **Processor time and memory of the database.** A larger server; then a cluster, spread by runner (\`npm run spread\`). Its coordinator passes every statement on, and
   is the next bound. How many workers one coordinator feeds was not measured.
`

if (!existsSync(PAGE) || readFileSync(PAGE, 'utf8') !== text) {
  if (process.argv.includes('--check')) {
    console.error(`${PAGE} is out of date: run node scripts/write-capacity-docs.mjs`)
    process.exitCode = 1
  } else {
    writeFileSync(PAGE, text)
    console.log(`${PAGE} written`)
  }
}

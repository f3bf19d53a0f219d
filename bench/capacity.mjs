// What a runner costs, and whether that depends on how many there are: `node bench/capacity.mjs --runners 100000`, some
// minutes and 15 GB of disk. The result is stored in results/capacity.json, of which
// `node scripts/write-capacity-docs.mjs` makes docs/CAPACITY.md. Build with --all first.
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { readArguments } from './parts/arguments.mjs'
import { CORES, moveTo } from './parts/cores.mjs'
import { cpuUsOf } from './parts/cpu.mjs'
import { openDatabase } from './parts/database.mjs'
import { median, quantile } from './parts/figures.mjs'
import { recordingOf } from './parts/recordings.mjs'
import { signUp, startService } from './parts/service.mjs'

const { runners: wanted, activities, times, output } = readArguments({
  runners: 100_000,
  activities: 200,
  times: 400,
  output: fileURLToPath(new URL('./results/capacity.json', import.meta.url))
})
const SIGNED_IN = 10
/** Imports are of an hour, a record a second. */
const HOUR = 3600
const COLUMNS = [
  'user_id', 'activity_id', 'sport', 'name', 'start_time', 'timezone', 'local_date', 'distance_m', 'elapsed_s', 'moving_s',
  'average_heart_rate_bpm', 'load', 'load_model', 'format', 'device'
]

moveTo(CORES.load, process.pid)
const database = await openDatabase()
const { sql } = database
const service = await startService({ databaseUrl: database.url, cores: CORES.server })
let variant = 0
try {
  const known = await signUp(service, SIGNED_IN)
  await copyActivities(known.map(({ id }) => id))
  const few = await measure(known)
  const sizes = await sizesOf(known)
  const began = performance.now()
  await addRunners(wanted - SIGNED_IN)
  const seededS = (performance.now() - began) / 1000
  console.error(`seeded in ${Math.round(seededS)} s`)
  const many = await measure(known)
  const [{ bytes, rows }] = await sql`
    select pg_total_relation_size('activities')::float8 as bytes, (select count(*)::int from activities) as rows
  `
  const result = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0].model.trim(),
    runners: { few: SIGNED_IN, many: wanted },
    activities,
    seededS,
    summaryBytes: bytes / rows,
    importBytes: sizes,
    few,
    many
  }
  writeFileSync(output, `${JSON.stringify(result, null, 2)}\n`)
  console.log(JSON.stringify(result, null, 2))
} finally {
  await service.stop()
  await database.close()
}

/** What each kind of request costs the service and the database, and how long it takes. */
async function measure (known) {
  // New summaries and statistics are taken in.
  await sql`vacuum analyze`
  const get = (path) => async ({ token }) => await fetch(`${service.url}/api/v1${path}`, {
    headers: { authorization: `Bearer ${token}` }
  })
  const put = async ({ token }) => await fetch(`${service.url}/api/v1/activities/import?allow_duplicate=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
    body: recordingOf('fit', { records: HOUR, variant: variant++ })
  })
  return {
    list: await repeat(known, times, get('/activities?limit=50')),
    filtered: await repeat(known, times, get('/activities?sport=running&from=2025-06-01&to=2025-06-30')),
    volume: await repeat(known, times, get('/analytics/volume?by=week&from=2025-01-01&to=2025-12-31')),
    load: await repeat(known, times, get('/analytics/load?from=2025-01-01&to=2025-12-31')),
    import: await repeat(known, Math.ceil(times / 10), put)
  }
}

async function repeat (known, count, send) {
  const once = async (n) => {
    const began = performance.now()
    const answer = await send(known[n % known.length])
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
    return performance.now() - began
  }
  // What is compiled and cached by then is, in a service that runs for long.
  for (let n = 0; n < count; n++) await once(n)
  const before = [service.cpuUs(), databaseCpuUs()]
  const ms = []
  for (let n = 0; n < count; n++) ms.push(await once(n))
  return {
    serviceUs: (service.cpuUs() - before[0]) / count,
    databaseUs: (databaseCpuUs() - before[1]) / count,
    ms: median(ms),
    p95Ms: quantile(ms, 0.95)
  }
}

/** Processor time of all that Postgres runs for its clients: its children. */
function databaseCpuUs () {
  const [pid] = readFileSync(`${database.dataDir}/postgres/cluster/postmaster.pid`, 'utf8').split('\n')
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).reduce((sum, name) => {
    try {
      const parent = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ')[1]
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8')
      return parent === pid && /\d+\.\d+\.\d+\.\d+\(/.test(command) ? sum + cpuUsOf(Number(name)) : sum
    } catch {
      return sum
    }
  }, 0)
}

/** Bytes in the database of one import of an hour, beside its summary. */
async function sizesOf () {
  const [{ bytes, imports }] = await sql`
    select
      sum(pg_total_relation_size(c.oid))::float8 as bytes,
      (select count(*)::int from recordings) as imports
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname not in ('activities', 'users', 'plans')
      and (c.relname like 'recording%' or c.relname like 'activity\\_%')
  `
  return bytes / imports
}

/**
 * Adds runners with their activities: millions of rows in minutes, as the indexes beside the primary key are made when
 * all rows are there, and the owner of a row that is written here is not looked up.
 */
async function addRunners (count) {
  const indexes = await sql`
    select indexname, indexdef from pg_indexes
    where tablename = 'activities' and indexname not in (select conname from pg_constraint where contype in ('p', 'u'))
  `
  await sql`set session_replication_role = replica`
  await sql`set maintenance_work_mem = '512MB'`
  for (const { indexname } of indexes) await sql`drop index ${sql(indexname)}`
  await copyRunners(count)
  for (const { indexdef } of indexes) await sql.unsafe(indexdef)
  await sql`set session_replication_role = default`
}

async function copyRunners (count) {
  for (let left = count; left > 0; left -= 1000) {
    const rows = await sql`
      insert into users (user_id, email, name)
      select gen_random_uuid(), 'runner' || ${left}::int + n || '@example.org', 'Runner' from generate_series(1, ${Math.min(1000, left)}) n
      returning user_id
    `
    await copyActivities(rows.map(({ user_id: id }) => id))
  }
}

/** Two hundred summaries, or as many as are asked for, of each of these runners, by `copy`. */
async function copyActivities (ids) {
  const stream = await sql`copy activities (${sql(COLUMNS)}) from stdin`.writable()
  // All but the ids is the same for each of them.
  const rest = Array.from({ length: activities }, (_, n) => {
    const start = new Date(Date.UTC(2025, 0, 1, 6) + n * 1.8 * 86_400_000).toISOString()
    return '\t' + [
      n % 10 === 0 ? 'cycling' : 'running', 'Morning run', start, 'Europe/Berlin', start.slice(0, 10),
      8000 + n, 2700 + n, 2650 + n, 140 + n % 20, 45, 'rtss', 'manual', '\\N'
    ].join('\t') + '\n'
  })
  for (const id of ids) {
    let text = ''
    for (let n = 0; n < activities; n++) text += `${id}\t${randomUUID()}${rest[n]}`
    if (!stream.write(text)) await once(stream, 'drain')
  }
  stream.end()
  await once(stream, 'finish')
}

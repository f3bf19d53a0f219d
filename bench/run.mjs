// Measures the service against bare Fastify + postgres.js: `npm run bench`, `npm run bench -- --route read --rounds 4
// --seconds 2`.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { readArguments } from './parts/arguments.mjs'
import { CORES, pinned } from './parts/cores.mjs'
import { fixed, summary } from './parts/figures.mjs'
import { ROUTES } from './parts/routes.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
spawnSync(process.execPath, [`${root}scripts/build.mjs`, '--if-needed'], { stdio: 'inherit' })
const { openFixture } = await import('./parts/fixture.mjs')
const { closedLoad, generator } = await import('./parts/load.mjs')
const { ServerProcess } = await import('./parts/process.mjs')
const { refresh } = await import('./parts/service.mjs')
const { assertParity } = await import('./parts/parity.mjs')

const { route, rounds, processes, seconds, warmup, age, pool, connections, keep } = readArguments({
  route: 'all',
  rounds: 6,
  processes: 2,
  seconds: 4,
  warmup: 1,
  age: 15,
  pool: 20,
  connections: 64,
  keep: false
})
const routes = Object.fromEntries(
  Object.entries(ROUTES).filter(([name]) => route === 'all' || route.split(',').includes(name))
)
if (Object.keys(routes).length === 0) {
  throw new Error(`There is no such route: ${route}. There are ${Object.keys(ROUTES).join(', ')}`)
}
const RUNNERS = 1000
const PLANS = 100_000
const SIGNED_IN = 50
/** Rounds of the service that do not count, while its code is compiled: it is a process that lives. */
const FIRST_ROUNDS = 1

const script = (name) => fileURLToPath(new URL(name, import.meta.url))
if (generator !== 'wrk') {
  console.log(
    'wrk is not installed (apt-get install wrk): the bench’s own generator is used, which takes more of its core.'
  )
}
if (!pinned) console.log('Processes cannot be kept on cores of their own here: expect wide ranges.')

const fixture = await openFixture({
  runners: RUNNERS,
  plans: PLANS,
  signedIn: SIGNED_IN,
  env: { MAX_POOL_SIZE: String(pool) }
})
const { database, given } = fixture
const SERVERS = ['bare', 'service', 'aged']
const measured = Object.fromEntries(
  Object.keys(routes).map((name) => [name, Object.fromEntries(SERVERS.map((server) => [server, []]))])
)
try {
  for (let n = 0; n < processes; n++) {
    if (n > 0) await fixture.restart()
    else await checkParity()
    // As many rounds more by the first processes as do not divide.
    await measureAll(Math.ceil((rounds - n) / processes))
  }
} finally {
  await fixture.close()
}
report(measured)

async function startBare () {
  return await ServerProcess.start({
    name: 'bare',
    script: script('bare.mjs'),
    cores: CORES.server,
    env: { NODE_ENV: 'production', DATABASE_URL: database.url, POOL_SIZE: String(pool) }
  })
}

async function checkParity () {
  const bare = await startBare()
  await assertParity(fixture.service, bare, routes, given)
  await bare.stop()
  console.log(
    `The service has everything on. ${rounds} rounds of ${seconds} s, by ${processes} processes of the service, ` +
      `bare started fresh for each; ${connections} connections, pools of ${pool}, ${generator}.`
  )
}

/**
 * All routes, each in so many rounds, the order changing from round to round. Bare is started fresh for each round of a
 * route, since postgres.js becomes slower for good once it has had more callers than connections. The last of them is
 * driven on for `age` seconds and measured again beside the service.
 */
async function measureAll (rounds) {
  for (const [name, { requests, after }] of Object.entries(routes)) {
    process.stderr.write(`${name} `)
    for (let round = -FIRST_ROUNDS; round < rounds; round++) {
      await refresh(fixture.service, given.runners)
      const load = requests(given)
      const bare = await startBare()
      const keeps = round >= 0 ? measured[name] : undefined
      for (const server of round % 2 === 0 ? [bare, fixture.service] : [fixture.service, bare]) {
        await drive(server, name, load, warmup)
        keeps?.[server.name].push(await drive(server, name, load, seconds))
      }
      if (round === rounds - 1) {
        await drive(bare, name, load, age)
        const old = await drive(bare, name, load, seconds)
        const beside = await drive(fixture.service, name, load, seconds)
        keeps.aged.push({ ...old, ratio: beside.rate / old.rate })
      }
      await bare.stop()
      await after?.(database.sql)
      if (round >= 0) process.stderr.write('.')
    }
    process.stderr.write('\n')
  }
}

/** Loads a server for so long; answers its rate, its p99 in ms and its processor time for each request. */
async function drive (server, name, load, forS) {
  const before = server.cpuUs()
  const figures = await closedLoad({ port: server.port, requests: load, connections, seconds: forS })
  if (figures.failed > 0) {
    console.error(server.logFile === undefined ? '' : complaints(server.logFile))
    throw new Error(`${server.name}, ${name}: ${figures.failed} of ${figures.requests} failed`)
  }
  return {
    rate: figures.requests / figures.seconds,
    p99: figures.p99,
    cpuUs: (server.cpuUs() - before) / figures.requests
  }
}

/** What the log has to say of it: one line of each kind. */
function complaints (file) {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /"level":"(WARNING|ERROR|CRITICAL)"/.test(line))
    .map((line) => JSON.parse(line))
  const kinds = new Map(lines.map((line) => [`${line.message} ${line.error_code}`, line]))
  return [...kinds.values()].map((line) => JSON.stringify(line)).join('\n')
}

function report (measured) {
  mkdirSync(script('results'), { recursive: true })
  const figures = Object.fromEntries(
    Object.entries(measured).map(([name, { bare, service, aged }]) => {
      const against = (own, of) => summary(own.map((each, i) => of(each) / of(bare[i])))
      return [
        name,
        {
          ratio: against(service, ({ rate }) => rate),
          ratioToAged: summary(aged.map(({ ratio }) => ratio)),
          cpuRatio: against(service, ({ cpuUs }) => 1 / cpuUs),
          p99Ratio: against(service, ({ p99 }) => p99),
          cpuUs: Object.fromEntries(
            Object.entries({ bare, service, aged }).map(([of, runs]) => [of, summary(runs.map(({ cpuUs }) => cpuUs))])
          ),
          bareRate: summary(bare.map(({ rate }) => rate)),
          agedRate: summary(aged.map(({ rate }) => rate))
        }
      ]
    })
  )
  const titles = Object.keys(figures).map((name) => ROUTES[name].title)
  const range = ({ median, low, high }) => `${fixed(median, 2)} [${fixed(low, 2)}–${fixed(high, 2)}]`
  const row = (title, cell) => `| ${[title, ...Object.keys(figures).map(cell)].join(' | ')} |`
  const micros = (name) => ['service', 'bare', 'aged'].map((of) => fixed(figures[name].cpuUs[of].median, 0)).join(' / ')
  console.log(
    [
      '',
      `| service to bare | ${titles.join(' | ')} |`,
      `|${' --- |'.repeat(titles.length + 1)}`,
      row('requests a second, bare fresh', (name) => range(figures[name].ratio)),
      row(`the same, bare after ${age} s`, (name) => range(figures[name].ratioToAged)),
      row('asked, bare fresh', (name) =>
        ROUTES[name].target === undefined ? '–' : `≥ ${fixed(ROUTES[name].target, 2)}`
      ),
      row('by CPU alone', (name) => range(figures[name].cpuRatio)),
      row('p99', (name) => range(figures[name].p99Ratio)),
      row('CPU µs a request: service / bare / bare aged', micros),
      row(
        'bare, requests a second: fresh / aged',
        (name) => `${fixed(figures[name].bareRate.median, 0)} / ${fixed(figures[name].agedRate.median, 0)}`
      ),
      ''
    ].join('\n')
  )
  compare(figures)
  const { model } = cpus()[0]
  const record = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: model,
    cores: cpus().length,
    generator,
    pinned,
    rounds,
    processes,
    seconds,
    age,
    pool,
    connections,
    figures
  }
  const file = `results/${record.date.slice(0, 16).replace(':', '')}${keep ? '.kept' : ''}.json`
  writeFileSync(script(file), `${JSON.stringify(record, null, 2)}\n`)
  console.log(`Written to bench/${file}${keep ? '' : '; --keep makes it what later runs are compared with'}.`)
}

/** Against the last run that was kept: ratios, which another machine changes little. */
function compare (figures) {
  const last = readdirSync(script('results')).filter((name) => name.endsWith('.kept.json')).sort().at(-1)
  if (last === undefined) return
  const kept = JSON.parse(readFileSync(script(`results/${last}`), 'utf8'))
  for (const [name, { ratio }] of Object.entries(figures)) {
    const before = kept.figures[name]?.ratio
    if (before === undefined) continue
    const outside =
      ratio.high < before.low
        ? 'slower'
        : ratio.low > before.high
          ? 'faster'
          : 'the same within the ranges'
    console.log(
      `${ROUTES[name].title}: ${fixed(ratio.median, 2)} now, ${fixed(before.median, 2)} on ${kept.date.slice(0, 10)}: ${outside}`
    )
  }
}

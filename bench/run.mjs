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

const { route, rounds, processes, seconds, warmup, connections, keep } = readArguments({
  route: 'all',
  rounds: 12,
  processes: 3,
  seconds: 2,
  warmup: 1,
  connections: 64,
  keep: false
})
const routes = Object.fromEntries(
  Object.entries(ROUTES).filter(([name]) => route === 'all' || route.split(',').includes(name))
)
if (Object.keys(routes).length === 0) { throw new Error(`There is no such route: ${route}. There are ${Object.keys(ROUTES).join(', ')}`) }
const RUNNERS = 1000
const PLANS = 100_000
const SIGNED_IN = 50
/** Rounds that do not count, while the code of a process is compiled. */
const FIRST_ROUNDS = 2

const script = (name) => fileURLToPath(new URL(name, import.meta.url))
if (generator !== 'wrk') {
  console.log(
    'wrk is not installed (apt-get install wrk): the bench’s own generator is used, which takes more of its core.'
  )
}
if (!pinned) console.log('Processes cannot be kept on cores of their own here: expect wide ranges.')

const fixture = await openFixture({ runners: RUNNERS, plans: PLANS, signedIn: SIGNED_IN })
const { database, given } = fixture
const measured = Object.fromEntries(Object.keys(routes).map((name) => [name, { bare: [], service: [] }]))
try {
  for (let n = 0; n < processes; n++) {
    if (n > 0) await fixture.restart()
    const bare = await ServerProcess.start({
      name: 'bare',
      script: script('bare.mjs'),
      cores: CORES.server,
      env: { NODE_ENV: 'production', DATABASE_URL: database.url }
    })
    if (n === 0) {
      await assertParity(fixture.service, bare, routes, given)
      console.log(
        `The service has everything on. ${rounds} rounds of ${seconds} s, by ${processes} processes of each, ${connections} connections, ${generator}.`
      )
    }
    // As many rounds more by the first processes as do not divide.
    await measure([bare, fixture.service], Math.ceil((rounds - n) / processes))
    await bare.stop()
  }
} finally {
  await fixture.close()
}
report(measured)

/** All routes, each in so many rounds in which every server has its turn, the order changing from round to round. */
async function measure (servers, rounds) {
  for (const [name, { requests, after }] of Object.entries(routes)) {
    process.stderr.write(`${name} `)
    for (let round = -FIRST_ROUNDS; round < rounds; round++) {
      await refresh(fixture.service, given.runners)
      const load = requests(given)
      for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
        await closedLoad({ port: server.port, requests: load, connections, seconds: warmup })
        const before = server.cpuUs()
        const figures = await closedLoad({ port: server.port, requests: load, connections, seconds })
        if (figures.failed > 0) {
          console.error(server.logFile === undefined ? '' : complaints(server.logFile))
          throw new Error(`${server.name}, ${name}: ${figures.failed} of ${figures.requests} failed`)
        }
        if (round >= 0) {
          measured[name][server.name].push({
            rate: figures.requests / figures.seconds,
            p99: figures.p99,
            cpuUs: (server.cpuUs() - before) / figures.requests
          })
        }
      }
      await after?.(database.sql)
      if (round >= 0) process.stderr.write('.')
    }
    process.stderr.write('\n')
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
  const figures = Object.fromEntries(
    Object.entries(measured).map(([name, runs]) => [
      name,
      Object.fromEntries(
        Object.entries(runs).map(([server, own]) => [
          server,
          {
            ratio: summary(own.map(({ rate }, i) => rate / runs.bare[i].rate)),
            cpuRatio: summary(own.map(({ cpuUs }, i) => runs.bare[i].cpuUs / cpuUs)),
            p99Ratio: summary(own.map(({ p99 }, i) => p99 / runs.bare[i].p99)),
            cpuUs: summary(own.map(({ cpuUs }) => cpuUs)),
            rate: summary(own.map(({ rate }) => rate)),
            p99Ms: summary(own.map(({ p99 }) => p99))
          }
        ])
      )
    ])
  )
  const titles = Object.keys(figures).map((name) => ROUTES[name].title)
  const servers = Object.keys(Object.values(figures)[0])
  const range = ({ median, low, high }) => `${fixed(median, 2)} [${fixed(low, 2)}–${fixed(high, 2)}]`
  const row = (title, cell) => `| ${[title, ...Object.keys(figures).map(cell)].join(' | ')} |`
  console.log(
    [
      '',
      `| requests a second, as a ratio to bare (CPU µs a request) | ${titles.join(' | ')} |`,
      `|${' --- |'.repeat(titles.length + 1)}`,
      ...servers.map((server) =>
        row(server, (name) => `${range(figures[name][server].ratio)} (${fixed(figures[name][server].cpuUs.median, 0)})`)
      ),
      ...servers
        .filter((server) => server !== 'bare')
        .flatMap((server) => [
          row(`${server}, by CPU alone`, (name) => range(figures[name][server].cpuRatio)),
          row(`${server}, p99 to bare’s`, (name) => range(figures[name][server].p99Ratio))
        ]),
      row('asked of the service', (name) =>
        ROUTES[name].target === undefined ? '–' : `≥ ${fixed(ROUTES[name].target, 2)}, p99 ≤ 1.5`
      ),
      row('bare, requests a second', (name) => fixed(figures[name].bare.rate.median, 0)),
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
    connections,
    figures
  }
  mkdirSync(script('results'), { recursive: true })
  const file = `results/${record.date.slice(0, 16).replace(':', '')}${keep ? '.kept' : ''}.json`
  writeFileSync(script(file), `${JSON.stringify(record, null, 2)}\n`)
  console.log(`Written to bench/${file}${keep ? '' : '; --keep makes it what later runs are compared with'}.`)
}

/** Against the last run that was kept: ratios, which another machine changes little. */
function compare (figures) {
  const last = readdirSync(script('results')).filter((name) => name.endsWith('.kept.json')).sort().at(-1)
  if (last === undefined) return
  const kept = JSON.parse(readFileSync(script(`results/${last}`), 'utf8'))
  for (const [name, { service }] of Object.entries(figures)) {
    const before = kept.figures[name]?.service.ratio
    if (before === undefined) continue
    const outside =
      service.ratio.high < before.low
        ? 'slower'
        : service.ratio.low > before.high
          ? 'faster'
          : 'the same within the ranges'
    console.log(
      `${ROUTES[name].title}: ${fixed(service.ratio.median, 2)} now, ${fixed(before.median, 2)} on ${kept.date.slice(0, 10)}: ${outside}`
    )
  }
}

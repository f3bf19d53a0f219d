import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { alertGroups, dashboards, expressions, ROOT, text } from '../harness/deploy-files.ts'
import { baseName, declaredMetrics, METRICS, metricNames } from '../harness/metric-names.ts'
import { freePort, notBuilt, post, startService, until } from '../harness/live-service.ts'
import { notInstalled, promtool, startPrometheus } from '../harness/prometheus.ts'

// Most of the time is waiting for a service, for Prometheus and for promtool: the tests run side by side.
t.jobs = 4

const TOKEN = 'a-token-of-more-than-sixteen'
const rules = alertGroups().flatMap((group) => group.rules)
const alerts = rules.filter(({ alert }) => alert)
const recorded = new Set(rules.flatMap(({ record }) => record ?? []))
const isHistogram = (base: string) => METRICS.get(base) === 'histogram'

t.test('metrics of an expression are distinguished from functions, labels, strings and durations', async (t) => {
  const examples: [string, string[]][] = [
    [
      'sum by (job, le) (rate(a_bucket{b="c{d}",e=~"f.*"}[5m])) / on (job) group_left (x) max without (y) (g)',
      ['a_bucket', 'g']
    ],
    ['job:h:ratio5m > 14.4 * 0.001 and i unless j offset 5m', ['job:h:ratio5m', 'i', 'j']],
    [
      'histogram_quantile(0.95, sum(rate(k_bucket[$__rate_interval])) by (le)) > bool 1e3 or 0 * absent(up{job="l"})',
      ['k_bucket', 'up']
    ],
    ['m + m', ['m']]
  ]
  for (const [expr, names] of examples) t.strictSame(metricNames(expr), names, expr)
})

t.test('rules and dashboards use only existing metrics', async (t) => {
  const known = (name: string) => name === 'up' || recorded.has(name) || METRICS.has(baseName(name, isHistogram))
  const used = expressions().map(({ where, expr }) => ({ where, names: metricNames(expr) }))
  t.ok(used.length > 60)
  t.strictSame(used.filter(({ names }) => names.length === 0), [], 'each reads something')
  t.strictSame(
    used.flatMap(({ where, names }) => names.filter((name) => !known(name)).map((name) => `${where}: ${name}`)),
    []
  )
  const read = new Set(used.flatMap(({ names }) => names.map((name) => baseName(name, isHistogram))))
  t.strictSame([...METRICS.keys()].filter((name) => !read.has(name)), [], 'and none is there for nothing')
  t.strictSame([...recorded].filter((name) => !read.has(name)), [])
})

t.test('rates are computed of counters only', async (t) => {
  for (const { where, expr } of expressions()) {
    for (const [, called, name] of expr.matchAll(/\b(rate|increase)\(\s*([\w:]+)/g)) {
      const type = METRICS.get(baseName(name!, isHistogram))
      t.ok(type === 'counter' || type === 'histogram', `${where}: ${called} of ${name}`)
    }
  }
})

t.test('the five alerts of the guide exist with its thresholds and a description', async (t) => {
  const expected: Record<string, RegExp> = {
    HighErrorRate: /> 0\.01$/,
    SlowRequests: /> 1$/,
    ReadinessFailing: /health\/ready/,
    DatabaseLatency: /> 0\.1$/,
    LogErrors: /ERROR\|CRITICAL/
  }
  for (const [name, pattern] of Object.entries(expected)) {
    t.match(alerts.find(({ alert }) => alert === name)?.expr, pattern, name)
  }
  for (const { alert, labels, annotations } of alerts) {
    t.match(labels?.severity, /^(page|ticket)$/, alert!)
    t.ok(annotations?.summary && annotations.description, alert!)
  }
})

t.test('burn-rate alerts have the rates and windows of the SRE workbook', async (t) => {
  for (const [objective, budget] of [['availability', 0.001], ['latency', 0.05]] as const) {
    const burns = alerts.filter(({ labels }) => labels?.objective === objective).map(({ expr, labels }) => {
      const [, long, factor, share, short] = /rate(\w+) > (\S+) \* (\S+)\s+and \S+rate(\w+) > \2 \* \3$/.exec(expr)!
      t.equal(labels!.window, long)
      t.equal(Number(share), budget)
      return [Number(factor), long, short, labels!.severity]
    })
    t.strictSame(burns, [
      [14.4, '1h', '5m', 'page'],
      [6, '6h', '30m', 'page'],
      [3, '1d', '2h', 'ticket'],
      [1, '3d', '6h', 'ticket']
    ])
    const ratios = rules.filter(({ record }) => record?.includes(`:${objective}_misses:`))
    t.equal(ratios.length, 7)
    t.equal(
      new Set(ratios.map(({ record, expr }) => expr.replaceAll(`[${record!.split('ratio_rate')[1]}]`, '[window]')))
        .size,
      1,
      'both windows use the same expression'
    )
  }
})

t.test('each alert is tested for firing, for silence and for resolving', async (t) => {
  const tested = text('deploy/prometheus/tests.yml') + text('deploy/prometheus/burn-rate-tests.yml')
  for (const name of new Set(alerts.map(({ alert }) => alert!))) {
    t.match(tested, new RegExp(`- name: ${name} fires .* and resolves`), `${name} fires and resolves`)
    t.match(tested, new RegExp(`- name: ${name} stays silent`), `${name} stays silent`)
  }
})

t.test(
  'promtool validates the rules, and sees them fire, stay silent and resolve',
  { skip: notInstalled('promtool') },
  async (t) => {
    const results = await Promise.all([
      ['check', 'rules', '--lint=all', '--lint-fatal', 'alerts.yml'],
      ['test', 'rules', 'tests.yml'],
      ['test', 'rules', 'burn-rate-tests.yml']
    ].map((args) => promtool(args)))
    for (const { status, output } of results) t.equal(status, 0, output)
  }
)

t.test('each dashboard has a unique name, and each panel a position, a title, a unit and a query', async (t) => {
  const all = dashboards()
  t.strictSame(all.map(({ file }) => file).sort(), ['database.json', 'imports.json', 'node.json', 'overview.json'])
  t.equal(new Set(all.map(({ uid }) => uid)).size, all.length)
  t.equal(new Set(all.map(({ title }) => title)).size, all.length)
  for (const { file, panels } of all) {
    t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, file)
    t.equal(new Set(panels.map(({ title }) => title)).size, panels.length, file)
    t.strictSame(
      panels.filter(({ title, fieldConfig, targets }) => !title || !fieldConfig.defaults.unit || targets.length === 0),
      [],
      file
    )
    t.strictSame(
      panels.filter(({ targets }) => new Set(targets.map(({ refId }) => refId)).size !== targets.length),
      [],
      file
    )
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`)
    )
    t.equal(new Set(cells).size, cells.length, `${file}: no panel covers another`)
    t.ok(panels.every(({ gridPos: { x, w } }) => x + w <= 24), file)
  }
})

/**
 * The target of Prometheus, and how to make its database check fail and, if possible, recover.
 */
interface Scraped { url: string, fail?: () => void, mend?: () => void }

/**
 * A real Prometheus scrapes the target; ReadinessFailing fires, and resolves if the target can recover.
 */
async function seenFiring (t: Test, { url, fail, mend }: Scraped): Promise<void> {
  const prometheus = await startPrometheus(new URL(url), TOKEN)
  try {
    await until('the target is scraped', 90_000, async () => {
      const [target] = await prometheus.targets()
      return target?.health === 'up' ? true : undefined
    })
    const state = async () => (await prometheus.alerts()).find(({ labels }) => labels.alertname === 'ReadinessFailing')
    if (fail) {
      // Before the first scrape there are no samples, which makes the alert fire too.
      await until('nothing is the matter', 90_000, async () => await state() ? undefined : true)
      fail()
    }
    const alert = await until('ReadinessFailing fires', 90_000, async () => {
      const now = await state()
      return now?.state === 'firing' && now.labels.instance ? now : undefined
    })
    t.equal(alert.labels.instance, new URL(url).host)
    t.equal(alert.labels.severity, 'page')
    t.match(alert.annotations.summary, 'is not ready')
    if (mend) {
      mend()
      await until('ReadinessFailing resolves', 90_000, async () => await state() ? undefined : true)
    }
    const { groups } = await prometheus.ask<{
      groups: { rules: { name: string; health: string; lastError?: string }[] }[]
    }>('rules')
    t.strictSame(
      groups.flatMap((group) => group.rules).filter(({ health }) => health !== 'ok'),
      [],
      'each rule can be evaluated'
    )
    for (const { where, expr } of expressions()) {
      const query = expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m')
      await t.resolves(prometheus.ask('query', { query }), where)
    }
  } finally {
    await prometheus.stop()
  }
}

t.test(
  'in a real Prometheus the alert fires when a check fails, and resolves when it recovers',
  { skip: notInstalled('prometheus') },
  async (t) => {
    let status = 1
    const refused: string[] = []
    const server = createServer((request, reply) => {
      if (request.url !== '/metrics' || request.headers.authorization !== `Bearer ${TOKEN}`) {
        refused.push(`${request.url} ${request.headers.authorization}`)
        return reply.writeHead(401).end()
      }
      reply
        .writeHead(200, { 'content-type': 'text/plain; version=0.0.4' })
        .end(`# TYPE health_check_status gauge\nhealth_check_status{check="database"} ${status}\n`)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { port } = server.address() as { port: number }
    await seenFiring(t, {
      url: `http://127.0.0.1:${port}`,
      fail: () => {
        status = 0
      },
      mend: () => {
        status = 1
      }
    })
    t.strictSame(refused, [], 'it shows its token')
  }
)

t.test(
  'a real Prometheus scrapes the built service, and an alert fires when its database is down',
  { skip: notBuilt(ROOT) || notInstalled('prometheus') },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'scraped-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const service = await startService({
      folder: ROOT,
      env: {
        NODE_ENV: 'test',
        DATABASE_URL: `postgresql://nobody@127.0.0.1:${await freePort()}/none`,
        MIGRATE_ON_START: 'false',
        HEALTH_CHECK_INTERVAL: '1',
        METRICS_TOKEN: TOKEN,
        DATA_DIR: join(folder, 'data'),
        LOG_DIR: join(folder, 'logs')
      }
    })
    try {
      await seenFiring(t, { url: service.url })
    } finally {
      await service.stop()
    }
  }
)

t.test(
  'the built service has every metric that rules and dashboards use, with the expected type',
  { skip: notBuilt(ROOT) },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'metrics-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const service = await startService({
      folder: ROOT,
      env: { NODE_ENV: 'test', DATA_DIR: join(folder, 'data'), LOG_DIR: join(folder, 'logs') }
    })
    try {
      await until(
        '/health/ready answers 200',
        60_000,
        async () => (await fetch(`${service.url}/health/ready`)).ok || undefined
      )
      const joined = await post(`${service.url}/api/v1/auth/register`, {
        email: 'runner@example.org',
        password: 'long enough to be one'
      })
      t.equal(joined.status, 201, 'a request with queries behind it')
      const page = await (await fetch(`${service.url}/metrics`)).text()
      const declared = declaredMetrics(page)
      t.strictSame(
        [...METRICS].filter(([name, type]) => declared.get(name) !== type),
        [],
        'declared as what it is'
      )
      const has = (series: RegExp) => t.ok(series.test(page), String(series))
      // The thresholds of alerts and objectives are bucket bounds: between two bounds a quantile is only
      // interpolated.
      for (const le of ['0.3', '1', '2.5']) { has(new RegExp(`^http_request_duration_seconds_bucket\\{[^}]*le="${le}"`, 'm')) }
      for (const le of ['0.1', '0.25']) has(new RegExp(`^db_query_duration_seconds_bucket\\{[^}]*le="${le}"`, 'm'))
      for (const label of ['method="POST"', 'status_code="201"', 'route="/api/v1/auth/register"']) { has(new RegExp(`^http_request_duration_seconds_count\\{[^}]*${label}`, 'm')) }
      has(/^http_request_duration_seconds_count\{[^}]*route="\/health\/ready"/m)
      has(/^health_check_status\{[^}]*check="database"[^}]*\} 1$/m)
      for (const state of ['active', 'idle', 'connecting']) { has(new RegExp(`^db_pool_connections\\{[^}]*state="${state}"`, 'm')) }
      // A counter that first appears above zero shows no increase: these exist from the start.
      for (const level of ['ERROR', 'CRITICAL']) { has(new RegExp(`^log_lines_total\\{[^}]*level="${level}"[^}]*\\} 0$`, 'm')) }
      has(/^build_info\{[^}]*version="[^}]*node="|^build_info\{[^}]*node="[^}]*version="/m)
      if (!notInstalled('promtool')) t.strictSame(await promtool(['check', 'metrics'], page), { status: 0, output: '' })
    } finally {
      await service.stop()
    }
  }
)

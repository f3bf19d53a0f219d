import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { exchange } from '../harness/raw-http.ts'
import { startProcess, startService } from '../harness/service.ts'

const EASY_RUN = readFileSync(new URL('../../../examples/easy-run.fit', import.meta.url))
const promtool = spawnSync('promtool', ['--version']).status === 0

/** Every family there must be, with the labels its series have. */
const FAMILIES: Record<string, { type: string, labels: string[] }> = {
  http_request_duration_seconds: { type: 'histogram', labels: ['method', 'route', 'status_code'] },
  http_requests_in_flight: { type: 'gauge', labels: [] },
  http_errors_total: { type: 'counter', labels: ['error_code', 'route'] },
  db_queries_total: { type: 'counter', labels: ['outcome', 'query'] },
  db_query_duration_seconds: { type: 'histogram', labels: ['query'] },
  db_pool_connections: { type: 'gauge', labels: ['state'] },
  db_pool_max_connections: { type: 'gauge', labels: [] },
  db_pool_waiting_requests: { type: 'gauge', labels: [] },
  db_pool_acquire_seconds: { type: 'histogram', labels: [] },
  health_check_status: { type: 'gauge', labels: ['check'] },
  build_info: { type: 'gauge', labels: ['node', 'version'] },
  imports_total: { type: 'counter', labels: ['format', 'outcome'] },
  import_duration_seconds: { type: 'histogram', labels: [] },
  job_queue_jobs: { type: 'gauge', labels: ['queue', 'state'] },
  job_queue_oldest_wait_seconds: { type: 'gauge', labels: ['queue'] },
  log_lines_total: { type: 'counter', labels: ['level'] },
  log_write_errors_total: { type: 'counter', labels: ['output'] },
  process_cpu_seconds_total: { type: 'counter', labels: [] },
  nodejs_eventloop_lag_seconds: { type: 'gauge', labels: [] }
}

interface Series {
  name: string
  labels: Record<string, string>
  value: number
}

function parse (text: string): { types: Map<string, string>, series: Series[] } {
  const types = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name as string, type as string])
  )
  const series = [...text.matchAll(/^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/gim)].map(
    ([, name, labels = '', value]) => ({
      name: name as string,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, value]) => [label, value])
      ) as Record<string, string>,
      value: Number(value)
    })
  )
  return { types, series }
}

const service = await startService(t, { env: { LOG_LEVEL: 'ERROR' } })
await service.app.listen({ host: '127.0.0.1', port: 0 })
const { port } = service.app.server.address() as AddressInfo

async function scrape (): Promise<Series[]> {
  const { body } = await service.app.inject({ url: '/metrics' })
  return parse(body).series
}

/** Requests that have ended so far, by method, route and status. */
async function requests (): Promise<Map<string, number>> {
  return new Map(
    (await scrape())
      .filter(({ name }) => name === 'http_request_duration_seconds_count')
      .map(({ labels, value }) => [`${labels.method} ${labels.route} ${labels.status_code}`, value])
  )
}

function added (before: Map<string, number>, after: Map<string, number>): Record<string, number> {
  return Object.fromEntries(
    [...after]
      .map(([key, value]) => [key, value - (before.get(key) ?? 0)] as const)
      .filter(([key, value]) => value > 0 && key !== 'GET /metrics 200')
  )
}

t.test(
  'the built service has every family of metrics, each with its labels, and promtool finds no fault with them',
  async (t) => {
    const { url } = await startProcess(t)
    const post = async (path: string, body: string | Buffer, headers: Record<string, string>) =>
      await fetch(`${url}/api/v1${path}`, { method: 'POST', headers, body: body as string })
    const session = await post('/auth/register', '{"email":"ann@example.org","password":"correct horse battery"}', {
      'content-type': 'application/json'
    })
    const { access_token: token } = (await session.json()) as { access_token: string }
    t.equal(
      (
        await post('/activities/import', EASY_RUN, {
          authorization: `Bearer ${token}`,
          'content-type': 'application/octet-stream'
        })
      ).status,
      201
    )
    t.equal((await fetch(`${url}/nowhere`)).status, 404)
    const response = await fetch(`${url}/metrics`)
    t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
    const text = await response.text()
    const { types, series } = parse(text)
    for (const [family, { type, labels }] of Object.entries(FAMILIES)) {
      t.equal(types.get(family), type, family)
      const own = series.filter(({ name }) => name === family || [`${family}_count`, `${family}_sum`].includes(name))
      // Of what did not happen there is no series yet.
      if (!['log_write_errors_total', 'job_queue_jobs', 'job_queue_oldest_wait_seconds'].includes(family)) t.ok(own.length > 0, `${family} has series`)
      for (const one of own) t.same(Object.keys(one.labels).sort(), labels, family)
    }
    t.same(
      new Set(series.filter(({ name }) => name === 'db_pool_connections').map(({ labels }) => labels.state)),
      new Set(['active', 'idle', 'connecting'])
    )
    t.same(
      new Set(series.filter(({ name }) => name === 'health_check_status').map(({ labels }) => labels.check)),
      new Set(['database', 'disk', 'event_loop', 'jobs', 'pool'])
    )
    t.test(
      'promtool check metrics',
      { skip: !promtool && 'promtool is not installed: apt-get install prometheus' },
      async (t) => {
        const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
          input: text,
          encoding: 'utf8'
        })
        t.same([status, stdout, stderr], [0, '', ''])
      }
    )
  }
)

t.test('every request is counted once, however it ends', async (t) => {
  const ann = await service.runner()
  const before = await requests()
  const authorization = `Authorization: Bearer ${ann.access_token}\r\n`
  const requestOf = (method: string, path: string, rest = '') =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${rest}\r\n`
  const sent: Array<[bytes: string, counted: string]> = [
    [requestOf('GET', '/api/v1/plans', authorization), 'GET /api/v1/plans 200'],
    [requestOf('HEAD', '/api/v1/plans', authorization), 'HEAD /api/v1/plans 200'],
    [requestOf('GET', '/api/v1/plans'), 'GET /api/v1/plans 401'],
    [requestOf('GET', '/api/v1/plans/no-uuid', authorization), 'GET /api/v1/plans/:plan_id 422'],
    [
      requestOf('GET', '/api/v1/plans/018d0c2e-5b1f-7e0e-9d55-2f3e0c9a4b11', authorization),
      'GET /api/v1/plans/:plan_id 404'
    ],
    [
      requestOf('OPTIONS', '/api/v1/plans', 'Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n'),
      'OPTIONS unmatched 204'
    ],
    [requestOf('DELETE', '/api/v1/plans', authorization), 'DELETE unmatched 405'],
    [requestOf('GET', '/nowhere'), 'GET unmatched 404'],
    [requestOf('GET', '/%zz'), 'GET unmatched 400'],
    [requestOf('PROPFIND', '/health'), '_OTHER unmatched 405'],
    [requestOf('GET', '/docs/static/swagger-ui.css'), 'GET /docs/static/* 200'],
    [requestOf('HEAD', '/docs/static/swagger-ui.css'), 'HEAD /docs/static/* 200'],
    [requestOf('POST', '/docs/static/swagger-ui.css', 'Content-Length: 0\r\n'), 'POST unmatched 405'],
    ['NONSENSE\r\n\r\n', '_OTHER unparsed 400'],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, '_OTHER unparsed 431'],
    [requestOf('GET', '/', 'Expect: a miracle\r\n'), 'GET unparsed 417'],
    [requestOf('CONNECT', 'a.example:443'), 'CONNECT unparsed 405']
  ]
  const wanted: Record<string, number> = {}
  for (const [bytes, counted] of sent) {
    await exchange(port, bytes)
    wanted[counted] = (wanted[counted] ?? 0) + 1
  }
  // One more, whose client goes away before its answer.
  const ended = new Promise<void>((resolve) =>
    service.app.server.once('request', (_request, response) => response.once('close', resolve))
  )
  const socket = connect(port, '127.0.0.1')
  socket.write(
    `POST /api/v1/plans HTTP/1.1\r\nHost: x\r\n${authorization}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{`
  )
  await once(service.app.server, 'request')
  socket.destroy()
  await ended
  wanted['POST /api/v1/plans 499'] = 1
  const counted = added(before, await requests())
  t.same(counted, wanted)
  t.equal(
    Object.values(counted).reduce((sum, count) => sum + count, 0),
    sent.length + 1,
    'by status they sum up to what was sent'
  )
  t.equal(
    (await scrape()).find(({ name }) => name === 'http_requests_in_flight')?.value,
    1,
    'only the look itself is under way'
  )
})

t.test('10,000 random paths and 200 methods add at most 3 series', async (t) => {
  await exchange(port, 'GET /first HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const before = await scrape()
  const seen = new Set(before.map(({ name, labels }) => JSON.stringify([name, labels])))
  const countBefore = [...await requests()].reduce((sum, [, value]) => sum + value, 0)
  const random = () => Math.random().toString(36).slice(2)
  for (let batch = 0; batch < 100; batch++) {
    await Promise.all(
      Array.from({ length: 100 }, async () => await service.app.inject({ url: `/${random()}/${random()}?${random()}` }))
    )
  }
  for (let index = 0; index < 200; index++) { await exchange(port, `M${random().toUpperCase()}${index} /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`) }
  const after = (await scrape()).filter(
    ({ name, labels }) =>
      !name.endsWith('_bucket') && !name.endsWith('_sum') && !seen.has(JSON.stringify([name, labels]))
  )
  t.ok(after.length <= 3, JSON.stringify(after))
  const count = [...await requests()].reduce((sum, [, value]) => sum + value, 0) - countBefore
  t.equal(count, 10_000 + 200 + 2, 'and all of them are counted')
})

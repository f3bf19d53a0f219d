import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '1; mode=block',
  'strict-transport-security': 'max-age=31536000',
  'content-security-policy': "default-src 'self'"
}
const LINE_MS = 2000

/**
 * That the service does all it is measured doing, and that it answers what bare answers: a ratio is worth nothing where
 * something is off. Throws for the first thing that is not so.
 */
export async function assertParity (service, bare, routes, given) {
  for (const [name, { requests }] of Object.entries(routes)) {
    const [request] = requests(given)
    const id = `parity-${name}-${randomUUID()}`
    const before = await counted(service, request)
    const answer = await send(service, request, { 'x-request-id': id, origin: 'https://elsewhere.example' })
    const what = `${request.method} ${request.path}`
    assert.ok(answer.status >= 200 && answer.status < 300, `${what} answers ${answer.status}`)
    for (const [header, value] of Object.entries(HEADERS)) { assert.equal(answer.headers.get(header), value, `${what}: ${header}`) }
    assert.equal(answer.headers.get('x-request-id'), id, `${what}: the id is not echoed`)
    assert.equal(answer.headers.get('access-control-allow-origin'), '*', `${what}: CORS is off`)
    assert.equal(await counted(service, request), before + 1, `${what} is not counted`)
    // Probes are told at DEBUG only.
    if (name !== 'live') {
      const line = await lineOf(service.logFile, id)
      assert.equal(line.message, 'request completed')
      assert.equal(line.status_code, answer.status)
      assert.equal(line.user_id, request.headers['x-runner'], `${what}: the line does not say who`)
      assert.ok(line.duration_ms >= 0)
    }
    if (request.headers.authorization !== undefined) {
      const { authorization, ...headers } = request.headers
      assert.equal((await send(service, { ...request, headers })).status, 401, `${what} asks for no token`)
    }
    assertSame(await answer.json(), await (await send(bare, request)).json(), what)
  }
  await assertParts(service)
}

/**
 * What costs something and shows in no answer: the pool's and the statements' counters, and that a deadline is watched.
 */
async function assertParts (service) {
  const text = await (await fetch(`${service.url}/metrics`)).text()
  for (const name of [
    'http_requests_in_flight',
    'db_pool_connections',
    'db_queries_total',
    'db_query_duration_seconds_count',
    'log_lines_total',
    'nodejs_eventloop_lag_seconds'
  ]) {
    assert.match(text, new RegExp(`^${name}[ {]`, 'm'), `${name} is not counted`)
  }
}

async function send ({ url }, { method, path, headers, body }, more = {}) {
  return await fetch(url + path, { method, headers: { ...headers, ...more }, ...(body === undefined ? {} : { body }) })
}

/** Requests of this route that have ended so far. */
async function counted ({ url }, { method, path }) {
  const text = await (await fetch(`${url}/metrics`)).text()
  const pattern = path.split('?')[0].replace(/\/[0-9a-f-]{36}/, '/:plan_id')
  return text
    .split('\n')
    .filter(
      (line) =>
        line.startsWith('http_request_duration_seconds_count{') &&
        line.includes(`method="${method}"`) &&
        new RegExp(`route="${pattern}/?"`).test(line)
    )
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

async function lineOf (file, id) {
  for (const until = Date.now() + LINE_MS; Date.now() < until;) {
    const text = readFileSync(file, 'utf8')
      .split('\n')
      .find((line) => line.includes(`"${id}"`) && line.includes('"request completed"'))
    if (text !== undefined) return JSON.parse(text)
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
  throw new Error(`no line in ${file} for ${id}`)
}

/** But for what is new in each answer. */
function assertSame (ours, theirs, what) {
  const plain = (value) =>
    JSON.parse(
      JSON.stringify(value, (key, inner) =>
        ['id', 'created_at', 'updated_at'].includes(key) && what.startsWith('POST') ? typeof inner : inner
      )
    )
  assert.deepEqual(plain(theirs), plain(ours), `${what}: bare answers something else`)
}

// Records what a build of the service answers, logs and counts for one fixed session of some hundred requests, with
// ids, times and tokens masked. Two records are compared with diff: what a change was not meant to change is the same.
//   node scripts/record-session.mjs DIST FILE     DIST: a folder with a build of the service and its tests
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const [dist, file] = process.argv.slice(2)
if (dist === undefined || file === undefined) {
  console.error('Usage: node scripts/record-session.mjs DIST FILE')
  process.exit(64)
}
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const folder = mkdtempSync(join(tmpdir(), 'running-trainer-session-'))
const lines = []
const child = spawn(process.execPath, [resolve(dist, 'src/server.js')], {
  cwd: folder,
  env: {
    PATH: process.env.PATH,
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'INFO',
    NODE_ENV: 'test',
    DATA_DIR: join(folder, 'data'),
    LOG_DIR: join(folder, 'logs'),
    RATE_LIMIT_MAX: '5000',
    RATE_LIMIT_AUTH_MAX: '0'
  },
  stdio: ['ignore', 'pipe', 'inherit']
})
const { port } = await new Promise((resolve) => {
  let port
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text)
    lines.push(line)
    if (line.message === 'listening') port = line.extra.port
    if (line.message === 'the service is ready') resolve({ port })
  })
})

/** Sends bytes on a connection of their own and answers all that comes until it closes. */
function send (bytes) {
  return new Promise((resolve) => {
    const chunks = []
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

const answers = []
let count = 0
let token

/** One request, recorded under its name; answers its body, as JSON where it is that. */
async function ask (method, path, { headers = {}, body, as = token, raw = false } = {}) {
  const id = `session-${String(++count).padStart(3, '0')}`
  const payload = body === undefined || Buffer.isBuffer(body) || raw ? body : JSON.stringify(body)
  const all = {
    Host: 'service',
    'X-Request-ID': id,
    Connection: 'close',
    ...as === undefined ? {} : { Authorization: `Bearer ${as}` },
    ...payload === undefined ? {} : { 'Content-Length': Buffer.byteLength(payload) },
    ...payload === undefined || raw ? {} : { 'Content-Type': 'application/json' },
    ...headers
  }
  const head = Object.entries(all)
    .flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`))
    .join('')
  const text = await send(
    Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}\r\n`, 'latin1'), Buffer.from(payload ?? '')])
  )
  return record(masked(`${id} ${method} ${path.slice(0, 120)}`), text)
}

async function askRaw (name, bytes) {
  return record(`${String(++count).padStart(3, '0')} ${name}`, await send(bytes))
}

function record (name, text) {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [status, ...fields] = head.split('\r\n')
  const body = rest.join('\r\n\r\n')
  const isWhole = Number(/^content-length: (\d+)/im.exec(head)?.[1]) === body.length
  const json = isWhole && body !== '' && /application\/json/.test(head) ? JSON.parse(body) : undefined
  const isLarge = body.length > 4000 || /^content-type: text.html/im.test(head)
  answers.push({ name, status, headers: fields.map(masked).sort(), body: isLarge ? `${status} large` : masked(body) })
  return json
}

function masked (text) {
  return text
    .replace(UUID, 'UUID')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME')
    .replace(
      /^(date|etag|keep-alive|content-length|ratelimit-\w+|x-request-id):.*/gim,
      (_, name) => `${name.toLowerCase()}: …`
    )
    .replace(/"(access_token|refresh_token|key|next_cursor)":"[^"]*"/g, '"$1":"…"')
    .replace(/"(uptime_seconds|latency_ms)":[\d.]+/g, '"$1":0')
    .replace(/"[0-9a-f]{12}-\d+"/g, '"TAG"')
}

const plan = { name: 'Plan', start_date: '2026-03-02', end_date: '2026-05-31' }
const register = { email: 'ada@example.org', password: 'twelve bright stars', timezone: 'Europe/Berlin' }
const recording = (name) => readFileSync(join(resolve(dist, '..'), 'examples', name))
const octets = { 'Content-Type': 'application/octet-stream' }

await ask('POST', '/api/v1/auth/register', { body: register })
await ask('POST', '/api/v1/auth/register', { body: register })
const login = await ask('POST', '/api/v1/auth/login', { body: { email: register.email, password: register.password } })
await ask('POST', '/api/v1/auth/login', { body: { email: register.email, password: 'wrong password' } })
await ask('POST', '/api/v1/auth/login', { body: { email: 'nobody@example.org', password: 'wrong password' } })
token = login.access_token
const renewed = await ask('POST', '/api/v1/auth/refresh', { body: { refresh_token: login.refresh_token } })
await ask('POST', '/api/v1/auth/refresh', { body: { refresh_token: 'rtr_nonsense' } })
token = renewed.access_token

const paths = [
  '/',
  '/health/live',
  '/health/ready',
  '/metrics/x',
  '/docs/nothing',
  '/api/v1',
  '/api/v1/me',
  '/api/v1/plans',
  '/api/v1/activities',
  '/api/v1/api-keys',
  '/api/v1/me/physiology',
  '/api/v1/plans/0190163d-8694-739b-aea5-966c26f8ad91',
  '/api/v1/activities/0190163d-8694-739b-aea5-966c26f8ad91',
  '/api/v1/activities/0190163d-8694-739b-aea5-966c26f8ad91/file',
  '/api/v1/plans/nonsense',
  '/nope',
  '/api/v1/nope'
]
for (const path of paths) {
  for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'TRACE']) await ask(method, path)
  await ask('GET', path, { as: 'nonsense' })
  await ask('GET', `${path}?no_such=1`, {})
  await ask('POST', path, { body: '{"a":', raw: true, headers: { 'Content-Type': 'application/json' } })
}
const made = await ask('POST', '/api/v1/plans', { body: plan })
await ask('POST', '/api/v1/plans', { body: { ...plan, end_date: '2026-01-01' } })
for (const body of [
  {},
  { ...plan, name: '' },
  { ...plan, name: 1 },
  { ...plan, extra: 1 },
  { ...plan, start_date: '2026-02-30' },
  [],
  null,
  { ...plan, race: { date: '2026-05-01' } }
]) { await ask('POST', '/api/v1/plans', { body }) }
for (const [type, body] of [
  ['text/plain', 'a'],
  ['application/json; charset=utf-16', '{}'],
  ['application/xml', '<a/>']
]) { await ask('POST', '/api/v1/plans', { body, raw: true, headers: { 'Content-Type': type } }) }
await ask('POST', '/api/v1/plans', {
  body: '{}',
  raw: true,
  headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }
})
await ask('POST', '/api/v1/plans', {
  body: `{"__proto__":1,"name":"${'x'.repeat(100)}"}`,
  raw: true,
  headers: { 'Content-Type': 'application/json' }
})
await ask('POST', '/api/v1/plans', { body: { ...plan, notes: 'x'.repeat(1_100_000) } })
for (const key of ['one', 'one', 'two']) { await ask('POST', '/api/v1/plans', { body: plan, headers: { 'Idempotency-Key': key } }) }
await ask('POST', '/api/v1/plans', { body: { ...plan, name: 'Other' }, headers: { 'Idempotency-Key': 'one' } })
for (const key of ['refused', 'refused']) { await ask('POST', '/api/v1/plans', { body: { ...plan, end_date: '2026-01-01' }, headers: { 'Idempotency-Key': key } }) }
const one = `/api/v1/plans/${made.id}`
await ask('GET', one)
await ask('GET', one, { headers: { 'If-None-Match': '*' } })
await ask('PATCH', one, { body: { status: 'active' } })
await ask('PATCH', one, { body: { status: 'active' }, headers: { 'If-Match': '"0-0"' } })
await ask('PATCH', one, { body: { end_date: '2026-01-01' } })
await ask('DELETE', one, { headers: { 'If-Match': '"0-0"' } })
await ask('DELETE', one)
await ask('DELETE', one)
for (const query of [
  'limit=0',
  'limit=201',
  'limit=2',
  'limit=x',
  'cursor=x',
  'status=active',
  'status=odd',
  'from=2026-01-01',
  'from=2026-13-01',
  'limit=1&limit=2'
]) { await ask('GET', `/api/v1/plans?${query}`) }
for (const name of ['easy-run.fit', 'park-run.gpx', 'track-session.tcx', 'easy-run.fit']) { await ask('POST', '/api/v1/activities/import', { body: recording(name), headers: octets, raw: true }) }
await ask('POST', '/api/v1/activities/import', {
  body: Buffer.concat([recording('park-run.gpx'), Buffer.from('\n')]),
  headers: octets,
  raw: true
})
await ask('POST', '/api/v1/activities/import?allow_duplicate=true', {
  body: Buffer.concat([recording('park-run.gpx'), Buffer.from('\n')]),
  headers: octets,
  raw: true
})
for (const body of [Buffer.from('nonsense'), Buffer.alloc(0), Buffer.from('<gpx></gpx>')]) { await ask('POST', '/api/v1/activities/import', { body, headers: octets, raw: true }) }
await ask('POST', '/api/v1/activities/import', { body: {}, headers: {} })
await ask('POST', '/api/v1/activities/import', {
  body: Buffer.from('nonsense'),
  headers: { ...octets, 'Content-Encoding': 'gzip' },
  raw: true
})
await ask('POST', '/api/v1/activities/import', {
  body: Buffer.from('nonsense'),
  headers: { ...octets, 'Content-Encoding': 'br' },
  raw: true
})
for (const file of ['a.gpx', '../b.gpx']) {
  const form = Buffer.concat([
    Buffer.from(`--b\r\nContent-Disposition: form-data; name="file"; filename="${file}"\r\n\r\n`),
    recording('park-run.gpx'),
    Buffer.from('\r\n--b--\r\n')
  ])
  await ask('POST', '/api/v1/activities/import', {
    body: form,
    headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
    raw: true
  })
}
await ask('POST', '/api/v1/activities/import', {
  body: Buffer.from('--b\r\n'),
  headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
  raw: true
})
const { items } = await ask('GET', '/api/v1/activities?limit=2')
for (const query of [
  'sport=running',
  'sport=odd',
  'from=2024-04-01&to=2024-04-30',
  'q=park',
  'min_distance_m=-1',
  'is_race=true',
  'is_race=1'
]) { await ask('GET', `/api/v1/activities?${query}`) }
for (const path of ['', '/file', '/nothing']) { for (const method of ['GET', 'HEAD', 'DELETE']) await ask(method, `/api/v1/activities/${items[0].id}${path}`) }
for (const body of [
  { valid_from: '2026-01-01', max_heart_rate_bpm: 190, resting_heart_rate_bpm: 50 },
  { valid_from: '2026-01-01', max_heart_rate_bpm: 190 },
  { valid_from: '2026-01-02', max_heart_rate_bpm: 40, resting_heart_rate_bpm: 50 },
  {}
]) { await ask('POST', '/api/v1/me/physiology', { body }) }
await ask('GET', '/api/v1/me/physiology')
const key = await ask('POST', '/api/v1/api-keys', { body: { name: 'read', scopes: ['read'] } })
await ask('POST', '/api/v1/api-keys', { body: { name: 'odd', scopes: ['write'] } })
await ask('GET', '/api/v1/plans', { as: key.key })
await ask('POST', '/api/v1/plans', { as: key.key, body: plan })
await ask('POST', '/api/v1/api-keys', { as: key.key, body: { name: 'read', scopes: ['read'] } })
await ask('DELETE', `/api/v1/api-keys/${key.id}`)
await ask('GET', '/api/v1/plans', { as: key.key })
for (const body of [{ name: 'Ada' }, { timezone: 'Mars/Base' }, { first_weekday: 8 }]) { await ask('PATCH', '/api/v1/me', { body }) }
await ask('PUT', '/api/v1/me/password', {
  body: { current_password: 'wrong password', new_password: 'thirteen bright stars' }
})
await ask('PUT', '/api/v1/me/password', { body: { current_password: register.password, new_password: 'short' } })
const cross = { Origin: 'https://elsewhere.example' }
for (const path of ['/api/v1/plans', '/nope', '/health/live']) {
  await ask('GET', path, { headers: cross })
  await ask('OPTIONS', path, {
    headers: { ...cross, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization' }
  })
}
for (const id of ['ok-1', 'not ok', 'x'.repeat(129), '{jndi:x}']) { await ask('GET', '/', { headers: { 'X-Request-ID': id } }) }
for (const trace of ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'nonsense']) { await ask('GET', '/api/v1/plans', { headers: { traceparent: trace } }) }
await ask('GET', '/health', {})
await ask('GET', '/health', { headers: { Accept: 'text/html' } })
await ask('GET', '/docs/json')
for (const path of [
  '/%zz',
  `/${'a'.repeat(9000)}`,
  `/api/v1/plans/${'a'.repeat(200)}`,
  '//',
  '/api/v1/plans/',
  '/API/v1/plans',
  '/api/v1/plans;a',
  '/..%2f..%2fetc/passwd',
  '/api/v1/plans?x=%zz'
]) { await ask('GET', path) }
const rawRequests = {
  'no host': 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n',
  'two hosts': 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n',
  'HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
  nonsense: 'nonsense\r\n\r\n',
  'bad method': 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n',
  'large header': `GET / HTTP/1.1\r\nHost: a\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`,
  'both lengths': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'bad length': 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n',
  'bad chunk': 'POST /api/v1/plans HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  expectation: 'POST / HTTP/1.1\r\nHost: a\r\nExpect: banana\r\nContent-Length: 0\r\n\r\n',
  connect: 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
  upgrade: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'chunked body': `POST /api/v1/plans HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
  pipelined: 'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /nope HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
}
for (const [name, bytes] of Object.entries(rawRequests)) await askRaw(name, bytes)
await ask('POST', '/api/v1/auth/logout', { body: { refresh_token: renewed.refresh_token } })
await ask('GET', '/api/v1/me')
await ask('POST', '/api/v1/auth/login', { body: { email: register.email, password: register.password } })

const metrics = (await send('GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'))
  .split('\n')
  .filter(
    (line) =>
      /^(http_request_duration_seconds_count|http_errors_total|imports_total|db_queries_total|health_check_status|build_info|http_requests_in_flight|log_)/.test(
        line
      ) || line.startsWith('# ')
  )
  .map((line) => line.replace(/node="[^"]*"/, 'node="…"'))
  .sort()
child.kill('SIGTERM')
await new Promise((resolve) => child.once('exit', resolve))
rmSync(folder, { recursive: true, force: true })

const ofRequests = lines.filter(
  ({ logger_name: name }) => name !== 'app.db' && name !== 'app.server' && name !== 'app.health'
)
const told = ofRequests.map((line) =>
  masked(
    JSON.stringify({
      ...line,
      exception: line.exception?.split('\\n')[0]?.split('\n')[0],
      duration_ms: 0,
      extra: line.extra === undefined ? undefined : { ...line.extra, span_id: '' }
    })
  )
)
writeFileSync(file, `${JSON.stringify({ answers, lines: told, metrics }, null, 1)}\n`)
console.log(`${count} requests, ${told.length} lines, ${metrics.length} lines of metrics`)

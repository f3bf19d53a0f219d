import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { Availability } from '../../src/health/availability.ts'
import { exchange } from '../harness/raw-http.ts'
import { inject, startService } from '../harness/service.ts'

const service = await startService(t, { env: { RATE_LIMIT_MAX: '5', RATE_LIMIT_AUTH_MAX: '5' } })
const paths = Object.keys(service.app.swagger().paths ?? {}).map((path) => path.replace(/\{\w+\}/g, randomUUID()))
await service.app.listen({ host: '127.0.0.1', port: 0 })
const { port } = service.app.server.address() as AddressInfo

async function ask (method: string, url: string, headers: Record<string, string> = {}, payload?: string) {
  return await inject(service.app, {
    method: method as 'GET', url, headers, ...(payload === undefined ? {} : { payload })
  })
}

t.test('OPTIONS on a path is 204 with the methods of the path, which are those that are answered', async (t) => {
  const unlimited = await startService(t)
  t.ok(paths.length > 15)
  for (const path of [...paths, '/docs', '/docs/', '/docs/json', '/health/view.css', '/docs/static/swagger-ui.css']) {
    const { status, headers, raw } = await ask('OPTIONS', path)
    t.same([status, raw.length], [204, 0], path)
    t.notOk('access-control-allow-methods' in headers, 'no preflight was asked for')
    const allowed = String(headers.allow).split(', ')
    t.same(allowed, [...new Set([...allowed, 'OPTIONS'])].sort(), path)
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'OPTIONS']) {
      const answer = await inject(unlimited.app, { method: method as 'GET', url: path })
      t.equal(answer.status !== 405, allowed.includes(method), `${method} ${path}: ${answer.status}`)
      if (answer.status === 405) t.equal(answer.headers.allow, headers.allow, `${method} ${path}`)
    }
  }
})

t.test('OPTIONS asks for no token, counts towards no limit and reads no body', async (t) => {
  for (const url of ['/api/v1/plans', '/api/v1/auth/login', '/api/v1/activities/import']) {
    for (let i = 0; i < 10; i++) {
      const { status, headers } = await ask('OPTIONS', url, { 'content-type': 'application/json' }, '{"')
      t.equal(status, 204, url)
      t.notOk('ratelimit-limit' in headers)
    }
  }
  t.equal((await ask('GET', '/api/v1/plans')).status, 401, 'none of them was counted')
})

t.test('OPTIONS on an unknown path is 404', async (t) => {
  for (const url of ['/nowhere', '/health/', '/api/v1', '/api/v1/plans/x/y', '/docs/static/..%2f..%2fpackage.json']) {
    const { status, body, headers } = await ask('OPTIONS', url)
    t.same([status, body.error_code, headers.allow], [404, 'NOT_FOUND', undefined], url)
  }
})

t.test('OPTIONS * lists every method of the service', async (t) => {
  const answers = await exchange(port, 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.match(answers, [{ status: 204, headers: { allow: 'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT' } }])
})

t.test('a preflight is answered as before', async (t) => {
  for (const url of ['/api/v1/plans', '/health/ready', '/nowhere']) {
    const { status, headers } = await ask('OPTIONS', url, {
      origin: 'https://a.example', 'access-control-request-method': 'POST'
    })
    t.same([status, headers['access-control-allow-methods']], [204, 'GET, HEAD, POST, PUT, PATCH, DELETE'], url)
    t.notOk('allow' in headers)
  }
})

t.test('OPTIONS of a probe reports what its GET reports, logged at DEBUG', async (t) => {
  const check = await exchange(port, 'OPTIONS /health/ready HTTP/1.0\r\n\r\n')
  t.match(check, [{ status: 204, headers: { allow: 'GET, HEAD, OPTIONS' } }], 'the default check of HAProxy')
  await service.app.inject({ method: 'OPTIONS', url: '/health/live' })
  const told = service.lines.filter(({ message, method, path }) =>
    message === 'request completed' && method === 'OPTIONS' && /^\/health\/(live|ready)$/.test(String(path)))
  t.ok(told.length > 2)
  t.same([...new Set(told.map(({ level }) => level))], ['DEBUG'])

  const starting = await startService(t, { parts: { availability: new Availability() } })
  const { status, body, headers } = await inject(starting.app, { method: 'OPTIONS', url: '/health/ready' })
  t.same([status, body.status, headers.allow], [503, 'not_ready', 'GET, HEAD, OPTIONS'])
  t.equal((await inject(starting.app, { method: 'OPTIONS', url: '/health/live' })).status, 204)
})

t.test('a path that leads out of the folder of files is 404 for every method and spelling', async (t) => {
  for (const path of [
    '..%2f..%2f..%2fpackage.json', '..%2F..%2Fpackage.json', '%2e%2e/%2e%2e/%2e%2e/package.json', '%2e%2e%2fpackage.json',
    '../../../package.json', './../package.json', '..%5c..%5cpackage.json', '..\\..\\package.json',
    '..%252f..%252fpackage.json', '%252e%252e/package.json', 'a/..%2f..%2f..%2fpackage.json', '%2e%2e', '..', 'no-such-file'
  ]) {
    for (const method of ['GET', 'HEAD', ...path === 'no-such-file' ? [] : ['POST', 'DELETE', 'OPTIONS']]) {
      const [answer] = await exchange(
        port, `${method} /docs/static/${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
      )
      t.same([answer?.status, answer?.headers.allow], [404, undefined], `${method} ${path}`)
      if (method !== 'HEAD') t.equal(JSON.parse(answer?.body ?? '').error_code, 'NOT_FOUND', `${method} ${path}`)
    }
  }
})

t.test('a path is known in every percent-encoding that the router accepts', async (t) => {
  for (const url of ['/he%61lth', '/health?a=b']) {
    t.equal((await ask('GET', url)).status, 200, url)
    t.match(await ask('POST', url), { status: 405, headers: { allow: 'GET, HEAD, OPTIONS' } }, url)
    t.equal((await ask('OPTIONS', url)).status, 204, url)
  }
})

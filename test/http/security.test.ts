import t from 'tap'
import { ask, signUp } from '../harness/http-client.ts'
import { startService, type Service } from '../harness/service.ts'

const ORIGIN = 'https://app.example.com'
const EXPOSED = [
  'X-Request-ID',
  'ETag',
  'Link',
  'Location',
  'Retry-After',
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'Idempotent-Replayed'
]

const open = await startService(t)
const listed = await startService(t, { env: { ALLOWED_ORIGINS: `${ORIGIN},https://admin.example.com` } })
const production = await startService(t, {
  env: {
    NODE_ENV: 'production',
    JWT_SECRET: 'a secret of the tests that is long enough',
    DATABASE_URL: open.databaseUrl,
    ALLOWED_ORIGINS: ORIGIN,
    METRICS_TOKEN: 'a-token-of-the-tests'
  }
})

/** Over the network: the answers of `inject` are made by another class than the server's. */
async function over (
  service: Service,
  url: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {}
) {
  if (!service.app.server.listening) await service.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = service.app.server.address() as { port: number }
  const answer = await ask(port, url, { method, headers })
  return { ...answer, statusCode: answer.status }
}

t.test(
  'the guide’s headers are on every kind of answer, with exactly its values, and nothing says what runs here',
  async (t) => {
    await over(open, '/')
    const signedIn = await signUp((open.app.server.address() as { port: number }).port)
    // A text, none, a refusal, and what is streamed: an archive, a file.
    for (const url of [
      '/',
      '/health/live',
      '/health/ready',
      '/health',
      '/metrics',
      '/nope',
      '/api/v1/plans',
      '/%zz',
      '/api/v1/me',
      '/api/v1/me/export'
    ]) {
      const { headers } = await over(open, url, { headers: url.startsWith('/api/v1/me') ? signedIn : {} })
      t.equal(headers['x-content-type-options'], 'nosniff', url)
      t.equal(headers['x-frame-options'], 'DENY', url)
      t.equal(headers['x-xss-protection'], '1; mode=block', url)
      t.equal(headers['content-security-policy'], "default-src 'self'", url)
      t.equal(headers['strict-transport-security'], undefined, url)
      t.equal(headers['referrer-policy'], 'no-referrer', url)
      for (const name of ['x-powered-by', 'server', 'access-control-allow-origin']) { t.equal(headers[name], undefined, `${url} ${name}`) }
      t.ok(headers['x-request-id'], url)
    }
  }
)

t.test('browsers are told to use HTTPS only in production', async (t) => {
  t.equal((await over(production, '/')).headers['strict-transport-security'], 'max-age=31536000')
  t.equal((await over(production, '/nope')).headers['strict-transport-security'], 'max-age=31536000')
})

t.test('a page from anywhere may call where all origins are allowed, without credentials', async (t) => {
  for (const url of ['/', '/nope', '/api/v1/plans', '/%zz']) {
    const { headers } = await over(open, url, { headers: { origin: ORIGIN } })
    t.equal(headers['access-control-allow-origin'], '*', url)
    t.equal(headers['access-control-allow-credentials'], undefined, url)
    t.same(String(headers['access-control-expose-headers']).split(', '), EXPOSED, url)
  }
})

t.test('a listed origin is answered by name, and no other gets anything', async (t) => {
  for (const [origin, answered] of [
    [ORIGIN, ORIGIN],
    ['https://admin.example.com', 'https://admin.example.com'],
    ['https://evil.example', undefined],
    ['null', undefined],
    [`${ORIGIN}.evil.example`, undefined]
  ] as const) {
    for (const url of ['/', '/nope', '/api/v1/plans', '/health']) {
      const { headers } = await over(listed, url, { headers: { origin } })
      t.equal(headers['access-control-allow-origin'], answered, `${origin} ${url}`)
      t.match(headers.vary, /Origin/, `${origin} ${url}`)
      t.equal(headers['access-control-allow-credentials'], undefined)
      if (answered === undefined) {
        t.same(
          Object.keys(headers).filter((name) => name.startsWith('access-control-')),
          []
        )
      }
    }
  }
  t.same(
    String((await over(listed, '/health', { headers: { origin: ORIGIN } })).headers.vary)
      .split(', ')
      .sort(),
    ['Accept', 'Origin']
  )
  t.match(
    (await over(listed, '/')).headers.vary,
    /Origin/,
    'also where nobody asked from elsewhere, as caches must know'
  )
})

async function preflight (service: Service, origin: string, method: string, headers?: string) {
  return await over(service, '/api/v1/plans', {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': method,
      ...(headers === undefined ? {} : { 'access-control-request-headers': headers })
    }
  })
}

t.test('a preflight is answered before anybody has to be signed in', async (t) => {
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    const answer = await preflight(listed, ORIGIN, method, 'authorization,content-type,traceparent')
    t.equal(answer.statusCode, 204)
    t.equal(answer.headers['access-control-allow-origin'], ORIGIN)
    t.ok(String(answer.headers['access-control-allow-methods']).split(', ').includes(method))
    t.equal(answer.headers['access-control-allow-headers'], 'authorization,content-type,traceparent')
    t.ok(answer.headers['x-request-id'])
  }
  t.equal((await preflight(open, 'https://anywhere.example', 'DELETE')).headers['access-control-allow-origin'], '*')
  const elsewhere = await preflight(listed, 'https://evil.example', 'POST', 'authorization')
  t.equal(elsewhere.statusCode, 204)
  t.same(Object.keys(elsewhere.headers).filter((name) => name.startsWith('access-control-')), [])
  t.match(elsewhere.headers.vary, /Origin/)
})

t.test('OPTIONS without a preflight answers with the methods of the path, and with its security headers', async (t) => {
  const { statusCode, headers } = await over(open, '/api/v1/plans', { method: 'OPTIONS' })
  t.equal(statusCode, 204)
  t.equal(headers.allow, 'GET, HEAD, OPTIONS, POST')
  t.equal(headers['x-frame-options'], 'DENY')
  t.notOk('access-control-allow-methods' in headers)
  t.equal((await open.app.inject({ method: 'OPTIONS', url: '/nope' })).statusCode, 404)
})

t.test('the metrics require their token', async (t) => {
  for (const authorization of [undefined, 'Bearer wrong', 'Basic a-token-of-the-tests', 'Bearer a-token-of-the-test']) {
    const answer = await production.app.inject({
      url: '/metrics',
      headers: authorization === undefined ? {} : { authorization }
    })
    t.equal(answer.statusCode, 401)
    t.equal(answer.json().error_code, 'UNAUTHENTICATED')
  }
  t.equal(
    (await production.app.inject({ url: '/metrics', headers: { authorization: 'Bearer a-token-of-the-tests' } }))
      .statusCode,
    200
  )
  t.equal(
    (await production.app.inject({ url: '/metrics', headers: { authorization: 'bearer  a-token-of-the-tests' } }))
      .statusCode,
    200,
    'a scheme has no case'
  )
})

t.test('an unexpected error says nothing of itself, but while debugging outside production', async (t) => {
  const plain = await startService(t, {
    boot: (app) => {
      app.get('/throws', async () => {
        throw new Error('the inner workings')
      })
    }
  })
  const debugging = await startService(t, {
    env: { DEBUG: 'true' },
    boot: (app) => {
      app.get('/throws', async () => {
        throw new Error('the inner workings')
      })
    }
  })
  const hidden = await plain.app.inject('/throws')
  t.equal(hidden.statusCode, 500)
  t.notMatch(hidden.body, /inner workings/)
  t.match(
    plain.lines.find(({ error_id }) => error_id === hidden.json().error_id),
    { level: 'ERROR', error_code: 'INTERNAL_ERROR', exception: /the inner workings\n\s+at / }
  )
  t.match((await debugging.app.inject('/throws')).json().details.exception, /the inner workings/)
})

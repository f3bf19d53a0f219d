import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { Passwords } from '../../src/auth/passwords.ts'
import { Limiter } from '../../src/http/limiter.ts'
import { networkOf, proxyMatcher } from '../../src/http/network.ts'
import { PASSWORD, inject, startService, type Answer, type Service } from '../harness/service.ts'

let tried = 0
class Counting extends Passwords {
  constructor () {
    super({ memoryKiB: 1024, passes: 1, parallelism: 1 })
  }

  override async verify (hash: string | null | undefined, password: string) {
    tried++
    return await super.verify(hash, password)
  }
}

async function limited (end: Parameters<typeof startService>[0], env: Record<string, string>): Promise<Service> {
  return await startService(end, { env: { TRUST_PROXY: '127.0.0.1', ...env }, parts: { passwords: new Counting() } })
}

async function logIn ({ app }: Service, email: string, address: string, password = PASSWORD): Promise<Answer> {
  return await inject(app, {
    method: 'POST',
    url: '/api/v1/auth/login',
    payload: { email, password },
    headers: { 'x-forwarded-for': address }
  })
}

function told ({ headers }: Answer) {
  return [headers['ratelimit-limit'], headers['ratelimit-remaining']].map(Number)
}

function isRefusal (t: Test, answer: Answer, message = 'refused'): void {
  t.equal(answer.status, 429, message)
  t.equal(answer.body.error_code, 'RATE_LIMITED')
  t.equal(answer.headers['ratelimit-remaining'], '0')
  t.match(answer.headers['ratelimit-reset'], /^\d+$/)
  t.equal(answer.headers['retry-after'], answer.headers['ratelimit-reset'])
  const wait = Number(answer.headers['retry-after'])
  t.ok(wait > 0 && wait <= 60)
}

t.test('with every proxy trusted, the forwarded address is believed', async (t) => {
  for (const [proxies, remoteAddress] of [
    ['0.0.0.0/0,::/0', '198.51.100.7'],
    ['0.0.0.0/0', '10.0.0.1'],
    ['::/0', '2001:db8::7']
  ] as const) {
    const { app } = await startService(t, {
      env: { TRUST_PROXY: proxies },
      boot: (app) => {
        app.get('/who', async ({ ip }) => ip)
      }
    })
    t.equal(
      (await app.inject({ url: '/who', remoteAddress, headers: { 'x-forwarded-for': '203.0.113.9' } })).body,
      '203.0.113.9'
    )
  }
})

t.test('a window counts up to its limit, and starts again when it has expired', async (t) => {
  const limiter = new Limiter(3, { windowMs: 60_000 })
  t.same([0, 1, 2, 3].map((ms) => limiter.take('ann', ms).remaining), [2, 1, 0, 0])
  t.equal(limiter.take('ann', 10_000).refused, true)
  t.equal(limiter.take('ann', 10_000).resetS, 50)
  t.equal(limiter.look('ann', 59_999).refused, true)
  t.equal(limiter.take('bob', 10_000).refused, false)
  t.equal(limiter.look('ann', 60_000).refused, false)
  t.match(limiter.take('ann', 60_000), { limit: 3, remaining: 2, resetS: 60, refused: false })
})

t.test('a flood of keys takes bounded memory', async (t) => {
  const limiter = new Limiter(3, { mostKeys: 1000 })
  for (let i = 0; i < 50_000; i++) limiter.take(`key ${i}`, i)
  t.equal(limiter.size, 1000)
  t.equal(limiter.take('key 49999', 50_000).remaining, 1, 'those that came last are known')
})

t.test('a client has one key for all spellings of its address: its /64 for IPv6, its address for IPv4', async (t) => {
  for (const [address, network] of [
    ['192.0.2.7:1001', '192.0.2.7'],
    ['[192.0.2.7]:1001', '192.0.2.7'],
    ['::ffff:c000:207', '192.0.2.7'],
    ['::FFFF:C000:0207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:c000:207', '192.0.2.7'],
    ['0000:0000:0000:0000:0000:ffff:192.0.2.7', '192.0.2.7'],
    ['[::ffff:192.0.2.7]:1001', '192.0.2.7'],
    ['::ffff:192.0.2.7:1001', '192.0.2.7'],
    ['::ffff:cb00:7146', '203.0.113.70'],
    ['[2001:db8:1:2::9]:1001', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:3:4:5:6:1001', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::192.0.2.7', '2001:db8:1:2::/64'],
    ['[fe80::1%eth0]:1001', 'fe80:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['unknown', 'unknown'],
    ['_gateway:1001', '_gateway'],
    [' 192.0.2.7 ', '192.0.2.7'],
    ['::ffff', '0:0:0:0::/64'],
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
    ['', '']
  ] as const) { t.equal(networkOf(address), network, address) }
})

t.test('a proxy is recognized by its address in every spelling', async (t) => {
  const isProxy = proxyMatcher(['10.0.0.0/8', '192.0.2.1', '::ffff:198.51.100.0/120', '2001:db8::/32'])
  for (const hop of [
    '10.1.2.3', '10.1.2.3:443', '::ffff:10.1.2.3', '::ffff:a01:203', '[::ffff:10.1.2.3]:443', '192.0.2.1', '198.51.100.9',
    '2001:db8::1', '[2001:DB8::1]:443', '2001:0db8:0:0:0:0:0:1'
  ]) t.ok(isProxy(hop), hop)
  for (const hop of ['11.0.0.1', '192.0.2.2', '198.51.101.1', '2001:db9::1', 'unknown', '', '10.1.2', undefined]) {
    t.notOk(isProxy(hop), String(hop))
  }
  t.ok(proxyMatcher(['0.0.0.0/0'])('::ffff:192.0.2.1'))
  t.notOk(proxyMatcher(['0.0.0.0/0'])('2001:db8::1'))
})

t.test('a client has one limit, whatever port and spelling its gateway writes', async (t) => {
  const service = await limited(t, { RATE_LIMIT_MAX: '3', TRUST_PROXY: '127.0.0.1,10.0.0.0/8' })
  const ask = async (address: string) => await inject(service.app, {
    method: 'GET', url: '/api/v1/plans', headers: { 'x-forwarded-for': address }
  })
  for (const [forwarded, left] of [
    ['203.0.113.7:1001', 2],
    ['203.0.113.7:1002', 1],
    ['::ffff:cb00:7107', 0],
    ['203.0.113.8:1001', 2],
    ['[2001:db8::1]:1001', 2],
    ['[2001:DB8:0:0::2]:1002', 1],
    ['203.0.113.9, 10.0.0.1:443', 2],
    ['203.0.113.10:1001, 10.0.0.1:444, 10.0.0.2', 2]
  ] as const) t.same([forwarded, ...told(await ask(forwarded))], [forwarded, 3, left])
  isRefusal(t, await ask('203.0.113.7:1003'))
  isRefusal(t, await ask('[::ffff:203.0.113.7]:1004'))
})

t.test('sign-in is limited by address before a password is checked, correct passwords included', async (t) => {
  const service = await limited(t, { RATE_LIMIT_AUTH_MAX: '5' })
  const ann = await service.runner()
  for (let left = 4; left >= 0; left--) {
    const isAnn = left < 3
    const answer = await logIn(service, isAnn ? ann.email : `${randomUUID()}@example.org`, '198.51.100.1')
    t.equal(answer.status, isAnn ? 200 : 401)
    t.same(told(answer), [5, left])
  }
  const before = tried
  isRefusal(t, await logIn(service, ann.email, '198.51.100.1'))
  isRefusal(t, await logIn(service, `${randomUUID()}@example.org`, '198.51.100.1'))
  for (const path of ['register', 'refresh', 'logout']) {
    isRefusal(
      t,
      await inject(service.app, {
        method: 'POST',
        url: `/api/v1/auth/${path}`,
        payload: '{',
        headers: { 'x-forwarded-for': '198.51.100.1', 'content-type': 'application/json' }
      }),
      path
    )
  }
  t.equal(tried, before)
  t.equal((await service.app.inject('/health/live')).statusCode, 200)
  t.equal((await ann.call('GET', '/me')).status, 200, 'a signed-in user is not limited by it')
})

t.test('sign-in is limited by e-mail address, however it is spelt and from whatever address', async (t) => {
  const service = await limited(t, { RATE_LIMIT_AUTH_MAX: '5' })
  const ann = await service.runner(`Änn.${randomUUID()}@example.org`)
  // Registering counted as the first.
  const spellings = [ann.email, ann.email.toUpperCase(), ann.email.normalize('NFD'), ann.email.toLowerCase()]
  for (const [i, email] of spellings.entries()) {
    const answer = await logIn(service, email, `198.51.100.${i}`, 'not the password')
    t.equal(answer.status, 401)
    t.same(told(answer), [5, 3 - i])
  }
  const before = tried
  isRefusal(t, await logIn(service, ann.email, '203.0.113.1'))
  t.equal(tried, before)
  t.equal((await logIn(service, `${randomUUID()}@example.org`, '203.0.113.1')).status, 401)
})

t.test('a signed-in user is counted as a user, from whatever address', async (t) => {
  const service = await limited(t, { RATE_LIMIT_MAX: '5' })
  const [ann, bob] = [await service.runner(), await service.runner()]
  const { body: { key } } = await ann.call('POST', '/api-keys', { name: 'Key', scopes: ['read'] })
  for (let left = 3; left >= 0; left--) {
    const headers = {
      'x-forwarded-for': `198.51.100.${left}`,
      ...(left % 2 === 0 ? {} : { authorization: `Bearer ${key}` })
    }
    const answer = await ann.call('GET', left === 2 ? '/plans?limit=0' : '/plans', undefined, headers)
    t.equal(answer.status, left === 2 ? 422 : 200)
    t.same(told(answer), [5, left])
  }
  isRefusal(t, await ann.call('GET', '/plans'))
  isRefusal(t, await ann.call('GET', '/plans', undefined, { authorization: `Bearer ${key}` }))
  t.same(told(await bob.call('GET', '/plans')), [5, 4])
})

t.test(
  'requests without valid credentials are counted by address, and in the end refused before the token is checked',
  async (t) => {
    const service = await limited(t, { RATE_LIMIT_MAX: '5' })
    const ann = await service.runner()
    const ask = async (authorization: string) =>
      await ann.call('GET', '/plans', undefined, { authorization, 'x-forwarded-for': '2001:db8::1' })
    for (const [i, authorization] of [
      '',
      'Bearer x',
      `Bearer rt_${'A'.repeat(86)}`,
      'Bearer',
      'Bearer a.b.c'
    ].entries()) {
      const answer = await ask(authorization)
      t.equal(answer.status, 401)
      t.same(told(answer), [5, 4 - i])
    }
    for (const authorization of ['', 'Bearer x', `Bearer rt_${'B'.repeat(86)}`]) isRefusal(t, await ask(authorization))
    t.equal(
      (await ann.call('GET', '/plans', undefined, { authorization: '', 'x-forwarded-for': '2001:db8:0:0:ffff::2' }))
        .status,
      429
    )
    t.equal(
      (await ann.call('GET', '/plans', undefined, { authorization: '', 'x-forwarded-for': '2001:db8:0:1::1' })).status,
      401
    )
    t.equal((await ann.call('GET', '/plans')).status, 200)
  }
)

t.test('a signed-in user is served from an address whose limit others have used up', async (t) => {
  const service = await limited(t, { RATE_LIMIT_MAX: '5' })
  const [ann, bob] = [await service.runner(), await service.runner()]
  const makeKey = async () =>
    (await ann.call('POST', '/api-keys', { name: 'Key', scopes: ['read'] })).body.key as string
  const [used, unused] = [await makeKey(), await makeKey()]
  const ask = async (token: string) =>
    await ann.call('GET', '/plans', undefined, { authorization: `Bearer ${token}`, 'x-forwarded-for': '198.51.100.9' })
  t.equal((await ask(used)).status, 200)
  for (let i = 0; i < 5; i++) t.equal((await ask('x')).status, 401)
  isRefusal(t, await ask('x'))
  const { payload } = await service.app.inject({
    method: 'GET',
    url: '/api/v1/plans',
    headers: { authorization: `Bearer ${bob.access_token}`, 'x-forwarded-for': '198.51.100.9' }
  })
  t.same(JSON.parse(payload).items, [], 'by a token that was never seen')
  t.equal((await ask(used)).status, 200, 'by a key that was good a moment ago')
  isRefusal(t, await ask(unused), 'a key nobody has used yet')
  isRefusal(t, await ask(`rt_${'A'.repeat(86)}`), 'a key nobody has')
  await service.database.sql`/* test */ delete from api_keys where user_id = ${ann.id}`
  isRefusal(t, await ask(used), 'a key that is gone')
})

t.test('confirming the password is limited like sign-in', async (t) => {
  const service = await limited(t, { RATE_LIMIT_AUTH_MAX: '3' })
  const ann = await service.runner()
  const guess = async () => await ann.call('DELETE', '/me', { password: 'not the password' })
  for (let i = 0; i < 3; i++) t.equal((await guess()).status, 401)
  const before = tried
  isRefusal(t, await guess())
  isRefusal(t, await ann.call('PUT', '/me/password', { current_password: PASSWORD, new_password: 'another password' }))
  t.equal(tried, before)
})

t.test('0 turns a limit off, and routes outside the API have none', async (t) => {
  const off = await limited(t, {})
  const ann = await off.runner()
  for (let i = 0; i < 30; i++) t.notOk('ratelimit-limit' in (await ann.call('GET', '/me')).headers)
  const on = await limited(t, { RATE_LIMIT_MAX: '1', RATE_LIMIT_AUTH_MAX: '1' })
  for (const path of ['/health/live', '/health/ready', '/health', '/metrics', '/docs/json', '/']) {
    for (let i = 0; i < 3; i++) {
      const { statusCode, headers } = await on.app.inject(path)
      t.equal(statusCode, 200, path)
      t.notOk('ratelimit-limit' in headers)
    }
  }
})

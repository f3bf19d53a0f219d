import { randomUUID } from 'node:crypto'
import { decodeJwt } from 'jose'
import t from 'tap'
import { deleteExpiredSessions } from '../../db/sessions.ts'
import { deleteExpiredRevocations } from '../../db/revocations.ts'
import { AccessTokens } from '../../src/auth/access-tokens.ts'
import { canonicalAddress } from '../../src/auth/addresses.ts'
import { Passwords } from '../../src/auth/passwords.ts'
import { makeRefreshToken } from '../../src/auth/refresh-tokens.ts'
import { PASSWORD, inject, startService, type Answer } from '../harness/service.ts'

const service = await startService(t)
const { app, database, runner, lines } = service

async function post (path: string, payload: unknown, on = app): Promise<Answer> {
  return await inject(on, { method: 'POST', url: `/api/v1/auth/${path}`, payload: payload as object })
}

async function meStatus (token: string, on = app): Promise<number> {
  return (await inject(on, { method: 'GET', url: '/api/v1/me', headers: { authorization: `Bearer ${token}` } })).status
}

t.test('a refresh token gives a new pair, in the shape of a login, and is invalid from then on', async (t) => {
  const ann = await runner()
  const { status, body, headers } = await post('refresh', { refresh_token: ann.refresh_token })
  t.equal(status, 200)
  t.match(body, {
    user: { id: ann.id, email: ann.email },
    token_type: 'Bearer',
    expires_in: 900,
    access_token: String,
    refresh_token: /^rtr_/
  })
  t.equal(headers['cache-control'], 'no-store')
  t.not(body.refresh_token, ann.refresh_token)
  t.equal(await meStatus(body.access_token), 200)
  t.equal((await post('refresh', { refresh_token: body.refresh_token })).status, 200)
})

t.test('a refresh token used twice ends its session, and no other session', async (t) => {
  const ann = await runner()
  const { body: other } = await post('login', { email: ann.email, password: PASSWORD })
  const { body: next } = await post('refresh', { refresh_token: ann.refresh_token })
  const replayed = await post('refresh', { refresh_token: ann.refresh_token })
  t.equal(replayed.status, 401)
  t.equal(replayed.body.error_code, 'UNAUTHENTICATED')
  t.ok(replayed.headers['www-authenticate'])
  t.equal((await post('refresh', { refresh_token: next.refresh_token })).status, 401)
  t.equal(await meStatus(next.access_token), 401)
  t.equal(await meStatus(ann.access_token), 401)
  t.equal(await meStatus(other.access_token), 200)
  t.equal((await post('refresh', { refresh_token: other.refresh_token })).status, 200)
})

t.test('of twenty concurrent uses of one refresh token one succeeds', async (t) => {
  const ann = await runner()
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => await post('refresh', { refresh_token: ann.refresh_token }))
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(answers.filter(({ status, body }) => status === 401 && body.error_code === 'UNAUTHENTICATED').length, 19)
  t.same(await database.sql`/* test */ select 1 from sessions where user_id = ${ann.id}`, [])
})

t.test('every invalid refresh token gets the same answer', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const tokenId = (
    await database.sql<{ token_id: string }>`/* test */ select token_id from refresh_tokens where user_id = ${ann.id}`
  )[0]?.token_id as string
  const late = await runner()
  await database.sql`/* test */ update refresh_tokens set expires_at = now() where user_id = ${late.id}`
  const seen = new Set<string>()
  for (const token of [
    'x',
    ann.access_token,
    `${ann.refresh_token}A`,
    ann.refresh_token.slice(0, -4),
    `rtr_${'A'.repeat(86)}`,
    'rtr_ä',
    makeRefreshToken(ann.id, tokenId).token,
    makeRefreshToken(bob.id, tokenId).token,
    makeRefreshToken(randomUUID(), randomUUID()).token,
    late.refresh_token
  ]) {
    const { status, body } = await post('refresh', { refresh_token: token })
    t.equal(status, 401, token)
    seen.add(`${body.error_code} ${body.message} ${JSON.stringify(body.details)}`)
  }
  t.equal(seen.size, 1)
  t.equal(
    (await post('refresh', { refresh_token: ann.refresh_token })).status,
    200,
    'a guess at its secret has not used it up'
  )
  t.equal((await post('refresh', {})).status, 422)
  t.equal((await post('refresh', { refresh_token: 5 })).status, 422)
})

t.test('a logout ends the session and its access token, and can be repeated', async (t) => {
  const ann = await runner()
  const { body: other } = await post('login', { email: ann.email, password: PASSWORD })
  for (const token of [
    ann.refresh_token,
    ann.refresh_token,
    'no token',
    makeRefreshToken(ann.id, randomUUID()).token
  ]) {
    t.equal((await post('logout', { refresh_token: token })).status, 204)
  }
  t.equal((await post('refresh', { refresh_token: ann.refresh_token })).status, 401)
  t.equal(await meStatus(ann.access_token), 401)
  t.equal(await meStatus(other.access_token), 200)
})

t.test('a session ended at one instance is refused at another once that has read the revocation', async (t) => {
  const other = await startService(t, { env: { DATABASE_URL: service.databaseUrl } })
  const ann = await runner()
  t.equal(await meStatus(ann.access_token, other.app), 200)
  await post('logout', { refresh_token: ann.refresh_token })
  await other.app.revocations.poll()
  t.equal(await meStatus(ann.access_token, other.app), 401)
  const late = await startService(t, { env: { DATABASE_URL: service.databaseUrl } })
  t.equal(await meStatus(ann.access_token, late.app), 401, 'also one that is started later')
})

t.test('a revoked token is refused too where it was never verified before and the list was never read', async (t) => {
  const ann = await runner()
  const other = await startService(t, { env: { DATABASE_URL: service.databaseUrl } })
  await post('logout', { refresh_token: ann.refresh_token })
  t.equal(await meStatus(ann.access_token, other.app), 401)
})

t.test('while the list of revocations cannot be read, requests are refused rather than served by a stale one', async (t) => {
  const own = await startService(t)
  const ann = await own.runner()
  const status = async () => await meStatus(ann.access_token, own.app)
  t.equal(await status(), 200)
  await own.database.sql`/* test */ alter table revocations rename to elsewhere`
  t.equal(await status(), 200, 'a fresh list is gone by')
  t.rejects(own.app.revocations.poll())
  const real = performance.now
  t.teardown(() => { performance.now = real })
  performance.now = () => real.call(performance) + 46_000
  t.ok(await status() >= 500)
  await own.database.sql`/* test */ alter table elsewhere rename to revocations`
  t.equal(await status(), 200)
})

t.test('a revocation is kept no longer than a token can live', async (t) => {
  const own = await startService(t)
  const ann = await own.runner()
  await post('logout', { refresh_token: ann.refresh_token }, own.app)
  t.equal(own.app.revocations.known.size, 1)
  await own.app.revocations.poll()
  t.equal(own.app.revocations.known.size, 1)
  const real = performance.now
  t.teardown(() => { performance.now = real })
  performance.now = () => real.call(performance) + 18 * 60_000
  await own.database.sql`/* test */ update revocations set expires_at = now()`
  await own.app.revocations.poll()
  t.equal(own.app.revocations.known.size, 0)
})

t.test('all secrets are accepted, the first signs', async (t) => {
  const [old, fresh] = ['the secret of last year that is long enough', 'the secret of this year that is long enough']
  const env = { DATABASE_URL: service.databaseUrl }
  const before = await startService(t, { env: { ...env, JWT_SECRET: old } })
  const during = await startService(t, { env: { ...env, JWT_SECRET: `${fresh},${old}` } })
  const after = await startService(t, { env: { ...env, JWT_SECRET: fresh } })
  const [ann, bob] = [await before.runner(), await during.runner()]
  t.same(
    await Promise.all([before, during, after].map(async ({ app }) => await meStatus(ann.access_token, app))),
    [200, 200, 401]
  )
  t.same(
    await Promise.all([before, during, after].map(async ({ app }) => await meStatus(bob.access_token, app))),
    [401, 200, 200]
  )
})

t.test('an access token is verified without the database', async (t) => {
  const own = await startService(t)
  const [ann, bob] = [await own.runner(), await own.runner()]
  t.equal((await ann.call('GET', '/plans')).status, 200)
  await own.database.close({ timeoutMs: 1000 })
  for (const runner of [ann, bob]) t.equal((await runner.call('POST', '/plans', { name: 5 })).status, 422)
  t.equal((await ann.call('GET', '/plans')).status, 503)
  t.equal((await ann.call('POST', '/plans', { name: 5 }, { authorization: 'Bearer x' })).status, 401)
})

t.test('foreign, altered and expired tokens are refused with the same answer', async (t) => {
  const ann = await runner()
  const [header, payload, signature] = ann.access_token.split('.') as [string, string, string]
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = decodeJwt(ann.access_token)
  const foreign = await new AccessTokens(['another secret, as long as it has to be']).issue(ann.id, String(claims.sid))
  const seen = new Set<string>()
  for (const token of [
    foreign,
    `${header}.${part({ ...claims, sub: randomUUID() })}.${signature}`,
    `${part({ alg: 'none' })}.${payload}.`,
    `${part({ alg: 'none', kid: JSON.parse(Buffer.from(header, 'base64url').toString()).kid, typ: 'at+jwt' })}.${payload}.`,
    `${header}.${payload}.`,
    `${header}.${payload}`,
    'a.b.c',
    'x',
    'rt_',
    `rt_${'A'.repeat(86)}`,
    '.'.repeat(5000)
  ]) {
    const { status, body, headers } = await inject(app, {
      method: 'GET',
      url: '/api/v1/me',
      headers: { authorization: `Bearer ${token}` }
    })
    t.equal(status, 401, token.slice(0, 100))
    seen.add(`${body.message} ${headers['www-authenticate']} ${headers['cache-control']}`)
  }
  t.equal(seen.size, 1)
  for (const authorization of ['', 'Bearer', 'Basic YTpi', `Bearer ${ann.access_token} x`]) {
    t.equal((await inject(app, { method: 'GET', url: '/api/v1/me', headers: { authorization } })).status, 401)
  }
})

t.test('of twenty concurrent registrations of one address, however spelt, one succeeds', async (t) => {
  const id = randomUUID()
  const spellings = [
    `zoë.${id}@münchen.example`,
    `ZOË.${id}@MÜNCHEN.example`,
    `zoe\u0308.${id}@mu\u0308nchen.example`,
    `zoë.${id}@xn--mnchen-3ya.example`
  ]
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => await post('register', { email: spellings[i % 4], password: PASSWORD }))
  )
  t.equal(answers.filter(({ status }) => status === 201).length, 1)
  t.equal(answers.filter(({ status, body }) => status === 409 && body.error_code === 'CONFLICT').length, 19)
  for (const email of spellings) t.equal((await post('login', { email, password: PASSWORD })).status, 200, email)
})

t.test('an address has one @ and at most 254 characters, however it is written', async (t) => {
  const long = `${'a'.repeat(60)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.`
  for (const [email, status] of [
    [`${long}${'e'.repeat(254 - long.length)}`, 201],
    [`${long}${'e'.repeat(255 - long.length)}`, 422],
    ['a＠b@c.example', 422],
    [`${'\ufdfa'.repeat(10)}@c.example`, 422],
    ['a b@c.example', 422],
    ['@c.example', 422],
    ['a@', 422],
    ['a@b@c.example', 422],
    ['a\u0000@c.example', 400],
    [`${'x'.repeat(65)}@c.example`, 422]
  ] as const) { t.equal((await post('register', { email, password: PASSWORD })).status, status, email) }
  t.equal(canonicalAddress('İ@EXAMPLE.org'), canonicalAddress(canonicalAddress('İ@EXAMPLE.org')))
})

t.test('a time zone is one the runtime knows, and not an offset', async (t) => {
  for (const [timezone, status] of [
    ['Europe/Berlin', 201],
    ['Asia/Calcutta', 201],
    ['UTC', 201],
    ['+02:00', 422],
    ['Europe/Nowhere', 422],
    ['', 422],
    ['GMT+2', 422]
  ] as const) {
    t.equal(
      (await post('register', { email: `${randomUUID()}@example.org`, password: PASSWORD, timezone })).status,
      status,
      timezone
    )
  }
})

t.test('a password is rehashed at login when the cost was raised', async (t) => {
  const ann = await runner()
  const hashOf = async () =>
    (
      await database.sql<{
        password_hash: string
      }>`/* test */ select password_hash from users where user_id = ${ann.id}`
    )[0]?.password_hash
  const before = await hashOf()
  const dearer = await startService(t, {
    env: { DATABASE_URL: service.databaseUrl },
    parts: { passwords: new Passwords({ memoryKiB: 2048, passes: 2, parallelism: 1 }) }
  })
  t.equal((await post('login', { email: ann.email, password: 'wrong password' }, dearer.app)).status, 401)
  t.equal(await hashOf(), before)
  const answers = await Promise.all(
    Array.from({ length: 5 }, async () => await post('login', { email: ann.email, password: PASSWORD }, dearer.app))
  )
  t.same(answers.map(({ status }) => status), [200, 200, 200, 200, 200])
  t.match(await hashOf(), /m=2048,t=2,p=1/)
  t.equal((await post('login', { email: ann.email, password: PASSWORD })).status, 200, 'and not made cheaper again')
  t.match(await hashOf(), /m=2048,t=2,p=1/)
})

t.test('a flood of logins waits in a bounded queue', async (t) => {
  const own = await startService(t, {
    parts: { passwords: new Passwords({ memoryKiB: 1024, passes: 1, parallelism: 1 }, { atOnce: 1, waiting: 2 }) }
  })
  const ann = await own.runner()
  const answers = await Promise.all(
    Array.from({ length: 30 }, async () => await post('login', { email: ann.email, password: PASSWORD }, own.app))
  )
  t.ok(answers.some(({ status }) => status === 200))
  const refused = answers.filter(({ status }) => status !== 200)
  t.ok(refused.length > 0)
  t.ok(
    refused.every(
      ({ status, body, headers }) =>
        status === 503 && body.error_code === 'SERVICE_UNAVAILABLE' && headers['retry-after'] !== undefined
    )
  )
  t.equal((await post('login', { email: ann.email, password: PASSWORD }, own.app)).status, 200)
})

t.test(
  'an unknown address and a wrong password get the same response, after one hash each',
  async (t) => {
    const ann = await runner()
    let hashes = 0
    class Counting extends Passwords {
      override async verify (hash: string | null | undefined, password: string) {
        hashes++
        return await super.verify(hash, password)
      }
    }
    const own = await startService(t, {
      env: { DATABASE_URL: service.databaseUrl },
      parts: { passwords: new Counting({ memoryKiB: 1024, passes: 1, parallelism: 1 }) }
    })
    const wrong = await post('login', { email: ann.email, password: 'not the password' }, own.app)
    const unknown = await post('login', { email: `${randomUUID()}@example.org`, password: 'not the password' }, own.app)
    t.equal(hashes, 2)
    t.same(
      [wrong.status, wrong.body.error_code, wrong.body.message],
      [unknown.status, unknown.body.error_code, unknown.body.message]
    )
    t.equal(wrong.body.error_code, 'INVALID_CREDENTIALS')
  }
)

t.test('expired rows are deleted, and no others', async (t) => {
  const own = await startService(t)
  const [ann, bob] = [await own.runner(), await own.runner()]
  const { body: next } = await post('refresh', { refresh_token: ann.refresh_token }, own.app)
  await post('logout', { refresh_token: (await own.runner()).refresh_token }, own.app)
  const { sql } = own.database
  t.equal(await deleteExpiredSessions(sql, 10), 0)
  t.equal(await deleteExpiredRevocations(sql, 10), 0)
  await sql`/* test */ update sessions set expires_at = now() - interval '1 second' where user_id = ${bob.id}`
  await sql`/* test */ update revocations set expires_at = now() - interval '1 second'`
  t.equal(await deleteExpiredSessions(sql, 10), 1)
  t.equal(await deleteExpiredRevocations(sql, 10), 1)
  t.equal((await post('refresh', { refresh_token: bob.refresh_token }, own.app)).status, 401)
  t.equal((await post('refresh', { refresh_token: next.refresh_token }, own.app)).status, 200)
})

t.test('no log line contains a secret', async (t) => {
  const ann = await runner('grep.for.me@example.org')
  const made = await ann.call('POST', '/api-keys', { name: 'Watch', scopes: ['read', 'write'] })
  await inject(app, { method: 'GET', url: '/api/v1/me', headers: { authorization: `Bearer ${made.body.key}` } })
  await inject(app, { method: 'GET', url: '/api/v1/me', headers: { authorization: 'Bearer rt_wrongwrongwrong' } })
  const { body } = await post('refresh', { refresh_token: ann.refresh_token })
  await post('refresh', { refresh_token: ann.refresh_token })
  await post('login', { email: ann.email, password: 'a wrong password' })
  await post('register', { email: ann.email, password: PASSWORD })
  app.logger.warning(`somebody logs ${body.refresh_token} and ${made.body.key}`, { note: body.refresh_token })
  const text = JSON.stringify(lines)
  t.ok(lines.length > 50)
  for (const secret of [
    ann.email,
    PASSWORD,
    'a wrong password',
    ann.access_token,
    ann.refresh_token,
    body.access_token,
    body.refresh_token,
    made.body.key,
    'rt_wrong',
    '$argon2id'
  ]) {
    t.notOk(text.includes(secret), secret.slice(0, 12))
  }
})

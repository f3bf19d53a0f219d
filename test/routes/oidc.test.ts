import { createHmac, randomUUID } from 'node:crypto'
import { exportJWK, exportSPKI, generateKeyPair, importJWK } from 'jose'
import t from 'tap'
import { startIssuer, type Issuer } from '../harness/issuer.ts'
import { PASSWORD, inject, startService, type Answer, type Ending, type Service } from '../harness/service.ts'
import { otherSpellings } from '../harness/spellings.ts'

interface Met extends Service {
  issuer: Issuer
  me (token: string): Promise<Answer>
}

/** The service with an issuer of its own; it has not asked it anything yet. */
async function meet (t: Ending, alg?: string): Promise<Met> {
  const issuer = await startIssuer(t, alg)
  const service = await startService(t, { env: { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: issuer.audience } })
  const me = async (token: string) =>
    await inject(service.app, { method: 'GET', url: '/api/v1/me', headers: { authorization: `Bearer ${token}` } })
  return { ...service, issuer, me }
}

function part (value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

t.test('a token of the issuer authenticates, and its subject has one account, created on first use', async (t) => {
  const { issuer, me } = await meet(t)
  const claims = { sub: 'ann', email: 'ann@example.org', email_verified: true, name: 'Ann', zoneinfo: 'Europe/Paris' }
  const first = await me(await issuer.token(claims))
  t.equal(first.status, 200)
  t.match(first.body, { email: 'ann@example.org', name: 'Ann', timezone: 'Europe/Paris' })
  const again = await me(await issuer.token({ ...claims, name: 'Anne', aud: ['another', issuer.audience] }))
  t.equal(again.body.id, first.body.id)
  t.not((await me(await issuer.token({ sub: 'bob' }))).body.id, first.body.id)
  t.same(issuer.asked, { discovery: 1, keys: 1 }, 'the issuer is asked once')
})

t.test('twenty first requests of a new subject at once create one account', async (t) => {
  const { issuer, me, database } = await meet(t)
  const tokens = await Promise.all(
    Array.from(
      { length: 20 },
      async (_, i) => await issuer.token({ sub: 'new', email: 'new@example.org', email_verified: true, jti: String(i) })
    )
  )
  const answers = await Promise.all(tokens.map(me))
  t.same([...new Set(answers.map(({ status }) => status))], [200])
  t.equal(new Set(answers.map(({ body }) => body.id)).size, 1)
  t.equal((await database.sql`/* test */ select 1 from users`).length, 1)
  t.same(issuer.asked, { discovery: 1, keys: 1 })
})

t.test('an e-mail address in a token gives no access to an existing account', async (t) => {
  const { issuer, me, runner, app } = await meet(t)
  const ann = await runner()
  for (const verified of [undefined, false, 'true', true]) {
    const { status, body } = await me(
      await issuer.token({ sub: `verified ${verified}`, email: ann.email.toUpperCase(), email_verified: verified })
    )
    t.equal(status, 200)
    t.not(body.id, ann.id)
    t.equal(body.email, null)
  }
  const free = `${randomUUID()}@example.org`
  t.equal((await me(await issuer.token({ sub: 'unverified', email: free }))).body.email, null)
  t.equal(
    (await inject(app, { method: 'POST', url: '/api/v1/auth/register', payload: { email: free, password: PASSWORD } }))
      .status,
    201,
    'an address nobody checked is kept for nobody'
  )
  t.equal((await ann.call('GET', '/me')).status, 200)
})

t.test('claims that cannot be stored are left out', async (t) => {
  const { issuer, me } = await meet(t)
  const { status, body } = await me(
    await issuer.token({
      sub: 'odd',
      email: 'no address',
      email_verified: true,
      name: 'x'.repeat(101),
      zoneinfo: 'Mars/Olympus'
    })
  )
  t.equal(status, 200)
  t.match(body, { email: null, name: null, timezone: 'UTC' })
})

t.test('every invalid token gets the same answer', async (t) => {
  const { issuer, me } = await meet(t, 'RS256')
  const [key] = issuer.keys
  const good = await issuer.token()
  t.equal((await me(good)).status, 200)
  const [header, payload, signature] = good.split('.') as [string, string, string]
  const now = Math.floor(Date.now() / 1000)
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const own = await generateKeyPair('RS256', { extractable: true })
  const ownKey = { kid: 'first', privateKey: own.privateKey, jwk: { ...await exportJWK(own.publicKey), alg: 'RS256' } }
  const publicPem = await exportSPKI(await importJWK(key!.jwk, 'RS256') as Parameters<typeof exportSPKI>[0])
  const confused = (secret: string) => {
    const text = `${part({ alg: 'HS256', kid: 'first', typ: 'JWT' })}.${payload}`
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  }
  const wrong: Record<string, string> = {
    'alg none': `${part({ alg: 'none' })}.${payload}.`,
    'alg NONE, signed': `${part({ alg: 'NONE', kid: 'first' })}.${payload}.${signature}`,
    'no signature': `${header}.${payload}.`,
    ...Object.fromEntries(otherSpellings(signature).map((other) => [
      `signature spelled ${other}`, `${header}.${payload}.${other}`
    ])),
    'the public key as a secret, PEM': confused(publicPem),
    'the public key as a secret, JWK': confused(JSON.stringify(key!.jwk)),
    'an empty secret': confused(''),
    'other claims': `${header}.${part({ ...claims, sub: 'else' })}.${signature}`,
    'another key under its name': await issuer.token({}, {}, ownKey),
    'its own key along': await issuer.token({}, { jwk: ownKey.jwk }, ownKey),
    'its own key along, under no name': await issuer.token({}, { jwk: ownKey.jwk, kid: 'mine' }, ownKey),
    'where its key is': await issuer.token({}, { jku: `${issuer.url}/mine` }, ownKey),
    'where its certificate is': await issuer.token({}, { x5u: `${issuer.url}/mine` }, ownKey),
    'wrong audience': await issuer.token({ aud: 'another' }),
    'no audience': await issuer.token({ aud: undefined }),
    'wrong issuer': await issuer.token({ iss: `${issuer.url}/` }),
    'no issuer': await issuer.token({ iss: undefined }),
    expired: await issuer.token({ exp: now - 10 }),
    'no expiry': await issuer.token({ exp: undefined }),
    'expiry no number': await issuer.token({ exp: 'tomorrow' as unknown as number }),
    'not yet': await issuer.token({ nbf: now + 60 }),
    'no subject': await issuer.token({ sub: undefined }),
    'empty subject': await issuer.token({ sub: '' }),
    'huge subject': await issuer.token({ sub: 'x'.repeat(256) }),
    'subject with NUL': await issuer.token({ sub: 'a\u0000b' }),
    'subject no text': await issuer.token({ sub: 5 as unknown as string }),
    'another kind of token': await issuer.token({}, { typ: 'logout+jwt' }),
    'kid as a path': await issuer.token({}, { kid: '../../../../dev/null' }),
    'kid as SQL': await issuer.token({}, { kid: "' or 1=1 --" }),
    'kid huge': await issuer.token({}, { kid: 'x'.repeat(5000) }),
    'kid no text': await issuer.token({}, { kid: ['first'] as unknown as string }),
    'kid unknown': await issuer.token({}, { kid: 'unknown' }),
    'kid of an object': await issuer.token({}, { kid: '__proto__' }),
    encrypted: `${part({ alg: 'RSA-OAEP', enc: 'A256GCM' })}.a.b.c.d`,
    'no JSON': `${Buffer.from('x').toString('base64url')}.${payload}.${signature}`
  }
  const seen = new Set<string>()
  for (const [what, token] of Object.entries(wrong)) {
    const { status, body, headers } = await me(token)
    t.equal(status, 401, what)
    const { error_id: _id, timestamp: _time, ...rest } = body
    seen.add(JSON.stringify([rest, headers['www-authenticate']]))
  }
  t.equal(seen.size, 1)
  t.equal((await me(good)).status, 200)
})

t.test(
  'a new signing key is fetched when a token names it, and a key in use is kept until the issuer withdraws it',
  async (t) => {
    const { issuer, me } = await meet(t)
    const [first] = issuer.keys
    t.equal((await me(await issuer.token())).status, 200)
    await issuer.addKey('second', 'RS256')
    t.equal((await me(await issuer.token())).status, 200)
    t.same(issuer.asked, { discovery: 1, keys: 2 })
    t.equal((await me(await issuer.token({ jti: 'old' }, {}, first))).status, 200)
    issuer.keys.shift()
    await issuer.addKey('third', 'EdDSA')
    t.equal((await me(await issuer.token())).status, 200)
    t.equal((await me(await issuer.token({ jti: 'gone' }, {}, first))).status, 401)
  }
)

t.test('lookups of unknown keys are bounded', async (t) => {
  const { issuer, me } = await meet(t)
  const tokens = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => await issuer.token({}, { kid: `unknown ${i}` }))
  )
  for (const token of tokens) t.equal((await me(token)).status, 401)
  t.ok(issuer.asked.keys < 10, `${issuer.asked.keys}`)
  t.equal((await me(await issuer.token())).status, 200)
})

t.test('an issuer that is down logs out no user whose signing key is cached', async (t) => {
  const { issuer, me } = await meet(t)
  const before = await issuer.token({ jti: 'before' })
  t.equal((await me(before)).status, 200)
  const after = await issuer.token({ sub: 'newcomer' })
  await issuer.stop()
  const real = performance.now
  t.teardown(() => { performance.now = real })
  for (const minutes of [0, 11, 600]) {
    performance.now = () => real.call(performance) + minutes * 60_000
    t.equal((await me(before)).status, 200)
    t.equal(
      (await me(minutes === 0 ? after : await issuer.token({ jti: String(minutes) }))).status,
      200,
      `${minutes} minutes later`
    )
  }
})

t.test('an issuer that was never reached is 503, and is used without a restart when it is back', async (t) => {
  const { issuer, me, runner } = await meet(t)
  const token = await issuer.token()
  await issuer.stop()
  const refused = await me(token)
  t.equal(refused.status, 503)
  t.equal(refused.body.error_code, 'SERVICE_UNAVAILABLE')
  t.ok(Number(refused.headers['retry-after']) > 0)
  t.equal(
    (await me(await issuer.token({ iss: 'https://elsewhere.example' }))).status,
    401,
    'nobody is asked for what cannot be right'
  )
  t.equal((await me(`${part({ alg: 'none' })}.${token.split('.')[1]}.`)).status, 401)
  const ann = await runner()
  t.equal((await ann.call('GET', '/me')).status, 200, 'tokens of our own need no issuer')
  await issuer.start()
  t.equal((await me(token)).status, 200)
})

t.test('an issuer with an unreadable answer counts as unavailable', async (t) => {
  const { issuer, me } = await meet(t)
  for (const answers of [
    { status: 500 },
    { discovery: { issuer: 'https://elsewhere.example', jwks_uri: `${issuer.url}/keys` } },
    { discovery: { issuer: issuer.url } },
    { discovery: [] },
    { discovery: 'x'.repeat(300_000) },
    { silent: true },
    { keys: {} },
    { keys: { keys: 'none' } }
  ]) {
    issuer.answers = answers
    const token = await issuer.token()
    const together = await Promise.all([me(token), me(token), me(token)])
    t.same(
      together.map(({ status }) => status),
      [503, 503, 503],
      JSON.stringify(answers).slice(0, 100)
    )
  }
  issuer.answers = {}
  t.equal((await me(await issuer.token())).status, 200)
})

t.test('an account without a password is deleted with the token alone, and the token does not recreate it', async (t) => {
  const { issuer, me, app, databaseUrl, database } = await meet(t)
  const other = await startService(t, {
    env: { DATABASE_URL: databaseUrl, OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: issuer.audience }
  })
  const elsewhere = async (token: string) =>
    (await inject(other.app, { method: 'GET', url: '/api/v1/me', headers: { authorization: `Bearer ${token}` } }))
      .status
  const past = Math.floor(Date.now() / 1000) - 60
  const [token, unseen] = [await issuer.token({ iat: past }), await issuer.token({ iat: past, jti: 'unseen' })]
  const { body: { id } } = await me(token)
  t.equal(await elsewhere(token), 200)
  const authorization = `Bearer ${token}`
  t.equal(
    (
      await inject(app, {
        method: 'PUT',
        url: '/api/v1/me/password',
        headers: { authorization },
        payload: { current_password: 'any password', new_password: PASSWORD }
      })
    ).status,
    401
  )
  t.equal(
    (await inject(app, { method: 'DELETE', url: '/api/v1/me', headers: { authorization }, payload: {} })).status,
    204
  )
  await other.app.revocations.poll()
  for (const old of [token, unseen]) {
    t.equal((await me(old)).status, 401)
    t.equal(await elsewhere(old), 401)
  }
  t.same(await database.sql`/* test */ select 1 from users`, [])
  const back = await me(await issuer.token({ iat: Math.floor(Date.now() / 1000) + 2 }))
  t.equal(back.status, 200, 'who signs in anew begins anew')
  t.not(back.body.id, id)
})

t.test('an earlier token does not recreate a deleted account, even on an instance that has not read the revocation', async (t) => {
  const { issuer, me, app, databaseUrl, database } = await meet(t)
  const other = await startService(t, {
    env: { DATABASE_URL: databaseUrl, OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: issuer.audience }
  })
  const elsewhere = async (token: string) =>
    await inject(other.app, { method: 'GET', url: '/api/v1/me', headers: { authorization: `Bearer ${token}` } })
  const past = Math.floor(Date.now() / 1000) - 60
  const token = await issuer.token({ iat: past })
  t.equal((await me(token)).status, 200)
  // Read just now, the list is gone by for a while.
  await other.app.revocations.poll()
  t.equal(
    (
      await inject(app, {
        method: 'DELETE',
        url: '/api/v1/me',
        headers: { authorization: `Bearer ${token}` },
        payload: {}
      })
    ).status,
    204
  )
  for (const claims of [{ iat: past }, { iat: undefined }, { iat: -1e300 }]) {
    const { status, headers } = await elsewhere(await issuer.token({ ...claims, jti: 'unseen' }))
    t.equal(status, 401, JSON.stringify(claims))
    t.match(headers['www-authenticate'], 'error="invalid_token"')
  }
  t.same(await database.sql`/* test */ select 1 from users`, [])
  t.same(await database.sql`/* test */ select 1 from identities`, [])
  t.equal(
    (await elsewhere(await issuer.token({ iat: Math.floor(Date.now() / 1000) + 2 }))).status,
    200,
    'who signs in anew begins anew'
  )
})

t.test('without a configured issuer its tokens are refused', async (t) => {
  const issuer = await startIssuer(t)
  const { app } = await startService(t)
  const answer = await inject(app, {
    method: 'GET',
    url: '/api/v1/me',
    headers: { authorization: `Bearer ${await issuer.token()}` }
  })
  t.equal(answer.status, 401)
  t.same(issuer.asked, { discovery: 0, keys: 0 })
})

import { createHash, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import t from 'tap'
import { AccessTokens } from '../../src/auth/access-tokens.ts'
import { makeApiKey, readApiKey } from '../../src/auth/api-keys.ts'
import { makeRefreshToken, readRefreshToken } from '../../src/auth/refresh-tokens.ts'
import { inject, startService } from '../harness/service.ts'
import { otherSpellings } from '../harness/spellings.ts'

const SECRET = 'a secret of these tests that is long enough'
const service = await startService(t, { env: { JWT_SECRET: SECRET } })

async function me (token: string) {
  return await inject(service.app, { method: 'GET', url: '/api/v1/me', headers: { authorization: `Bearer ${token}` } })
}

t.test('an access token has one spelling', async (t) => {
  const ann = await service.runner()
  const [header, payload, signature] = ann.access_token.split('.') as [string, string, string]
  t.equal((await me(ann.access_token)).status, 200)
  for (const spelling of otherSpellings(signature)) {
    t.same(Buffer.from(spelling, 'base64url'), Buffer.from(signature, 'base64url'))
    const { status, body } = await me(`${header}.${payload}.${spelling}`)
    t.same([status, body.error_code], [401, 'UNAUTHENTICATED'], spelling)
  }
  for (const other of [`${header}=.${payload}.${signature}`, `${header}.${payload}=.${signature}`]) {
    t.equal((await me(other)).status, 401, other)
  }
})

t.test('a token of ours whose subject or session is not an id is refused', async (t) => {
  const ann = await service.runner()
  const sign = async (sub: string, sid: string) => await new SignJWT({ sid })
    .setProtectedHeader({
      alg: 'HS256', typ: 'at+jwt', kid: createHash('sha256').update(`kid:${SECRET}`).digest('hex').slice(0, 16)
    })
    .setIssuer('running-trainer').setAudience('running-trainer').setSubject(sub)
    .setIssuedAt().setExpirationTime('900s')
    .sign(new TextEncoder().encode(SECRET))
  t.equal((await me(await sign(ann.id, randomUUID()))).status, 200, 'the token of this test is otherwise good')
  for (const [sub, sid] of [
    ['ann', randomUUID()],
    ['', randomUUID()],
    [`${ann.id}0`, randomUUID()],
    [`{${ann.id}}`, randomUUID()],
    [ann.id.replaceAll('-', ''), randomUUID()],
    [ann.id.toUpperCase(), randomUUID()],
    [` ${ann.id}`, randomUUID()],
    [ann.id, 'a session'],
    [ann.id, '']
  ] as const) {
    const { status, body } = await me(await sign(sub, sid))
    t.same([status, body.error_code], [401, 'UNAUTHENTICATED'], `${sub} ${sid}`)
  }
  t.equal(await new AccessTokens(['another secret that is long enough too']).verify(await sign(ann.id, ann.id)), undefined)
})

t.test('an API key and a refresh token have one spelling', async (t) => {
  const ann = await service.runner()
  const { body: { key } } = await ann.call('POST', '/api-keys', { name: 'Watch', scopes: ['read'] })
  t.equal((await me(key)).status, 200)
  for (const spelling of otherSpellings(key.slice('rt_'.length))) {
    t.equal((await me(`rt_${spelling}`)).status, 401, spelling)
  }
  const refresh = async (token: string) => (await inject(service.app, {
    method: 'POST', url: '/api/v1/auth/refresh', payload: { refresh_token: token }
  })).status
  for (const spelling of otherSpellings(ann.refresh_token.slice('rtr_'.length))) {
    t.equal(await refresh(`rtr_${spelling}`), 401, spelling)
  }
  t.equal(await refresh(`${ann.refresh_token}\n`), 401)
  t.equal(await refresh(ann.refresh_token), 200, 'no other spelling has used it up')
})

t.test('no other spelling of any token is read', async (t) => {
  for (let i = 0; i < 50; i++) {
    for (const [prefix, make, read] of [
      ['rt_', makeApiKey, readApiKey],
      ['rtr_', makeRefreshToken, readRefreshToken]
    ] as const) {
      const { token } = make(randomUUID(), randomUUID())
      t.ok(read(token))
      t.same(otherSpellings(token.slice(prefix.length)).filter((spelling) => read(prefix + spelling) !== undefined), [])
    }
  }
})

t.test('a cursor has one spelling', async (t) => {
  const ann = await service.runner()
  for (const name of ['One', 'Two']) {
    await ann.call('POST', '/plans', { name, start_date: '2026-01-05', end_date: '2026-04-26' })
    await ann.call('POST', '/api-keys', { name, scopes: ['read'] })
  }
  for (const list of ['/plans', '/api-keys']) {
    const { body: { next_cursor: cursor } } = await ann.call('GET', `${list}?limit=1`)
    const page = async (cursor: string) => await ann.call('GET', `${list}?cursor=${encodeURIComponent(cursor)}`)
    t.equal((await page(cursor)).status, 200)
    for (const spelling of [...otherSpellings(cursor), ` ${cursor}`, `${cursor}\n`]) {
      const { status, body } = await page(spelling)
      t.same([status, body.details?.field], [422, 'cursor'], spelling)
    }
  }
})

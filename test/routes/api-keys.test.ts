import { randomUUID } from 'node:crypto'
import t from 'tap'
import { makeApiKey } from '../../src/auth/api-keys.ts'
import { PASSWORD, startService } from '../harness/service.ts'

const service = await startService(t)
const { database, runner } = service
const PLAN = { name: 'Spring', start_date: '2026-01-05', end_date: '2026-04-26' }

function as (key: string) {
  return { authorization: `Bearer ${key}` }
}

t.test('a key is shown once, listed without its secret, and works until it is deleted', async (t) => {
  const ann = await runner()
  const made = await ann.call('POST', '/api-keys', { name: 'Watch', scopes: ['read', 'write'] })
  t.equal(made.status, 201)
  t.match(made.body, {
    id: String,
    name: 'Watch',
    scopes: ['read', 'write'],
    expires_at: null,
    last_used_at: null,
    key: /^rt_[\w-]{80,}$/
  })
  const { key, ...shown } = made.body
  const listed = await ann.call('GET', '/api-keys')
  t.same(listed.body, { items: [shown], next_cursor: null })
  t.match((await ann.call('GET', '/me', undefined, as(key))).body, { id: ann.id })
  t.equal((await ann.call('POST', '/plans', PLAN, as(key))).status, 201)
  const rows =
    await database.sql`/* test */ select row_to_json(api_keys)::text as row from api_keys where user_id = ${ann.id}`
  t.notOk(JSON.stringify(rows).includes(key.slice(-40)), 'only a hash is kept')
  t.equal((await ann.call('DELETE', `/api-keys/${made.body.id}`, undefined, { 'if-match': '"another"' })).status, 412)
  t.equal((await ann.call('DELETE', `/api-keys/${randomUUID()}`, undefined, { 'if-match': '"another"' })).status, 404)
  t.equal((await ann.call('DELETE', `/api-keys/${made.body.id}`, undefined, { 'if-match': '*' })).status, 204)
  t.equal((await ann.call('GET', '/me', undefined, as(key))).status, 401)
  t.equal((await ann.call('DELETE', `/api-keys/${made.body.id}`)).status, 404)
})

t.test('a read-only key cannot write', async (t) => {
  const ann = await runner()
  const { body: { id } } = await ann.call('POST', '/plans', PLAN)
  const { body: { key } } = await ann.call('POST', '/api-keys', { name: 'Page', scopes: ['read'] })
  for (const method of ['GET', 'HEAD'] as const) { t.equal((await ann.call(method, `/plans/${id}`, undefined, as(key))).status, 200) }
  for (const [method, url, body] of [
    ['POST', '/plans', PLAN],
    ['PATCH', `/plans/${id}`, { name: 'x' }],
    ['DELETE', `/plans/${id}`],
    ['PATCH', '/me', { name: 'x' }]
  ] as const) {
    const answer = await ann.call(method, url, body, as(key))
    t.equal(answer.status, 403, `${method} ${url}`)
    t.equal(answer.body.error_code, 'FORBIDDEN')
  }
  t.match((await ann.call('GET', `/plans/${id}`)).body, PLAN)
})

t.test('no key can create keys, change the password or delete the account', async (t) => {
  const ann = await runner()
  const { body: { key, id } } = await ann.call('POST', '/api-keys', { name: 'All', scopes: ['read', 'write'] })
  for (const [method, url, body] of [
    ['POST', '/api-keys', { name: 'More', scopes: ['read', 'write'] }],
    ['DELETE', `/api-keys/${id}`],
    ['PUT', '/me/password', { current_password: PASSWORD, new_password: 'another password' }],
    ['DELETE', '/me', { password: PASSWORD }]
  ] as const) { t.equal((await ann.call(method, url, body, as(key))).status, 403, `${method} ${url}`) }
  t.equal((await ann.call('GET', '/api-keys', undefined, as(key))).body.items.length, 1)
  t.equal((await ann.call('PATCH', '/me', { name: 'Ann' }, as(key))).status, 200)
})

t.test('an expired key is refused, and no expired key is created', async (t) => {
  const ann = await runner()
  const {
    body: { key, id, expires_at }
  } = await ann.call('POST', '/api-keys', { name: 'Short', scopes: ['read'], expires_at: '2199-01-01T02:00:00+02:00' })
  t.equal(expires_at, '2199-01-01T00:00:00.000Z')
  t.equal((await ann.call('GET', '/me', undefined, as(key))).status, 200)
  await database.sql`/* test */ update api_keys set expires_at = now() where user_id = ${ann.id} and key_id = ${id}`
  t.equal((await ann.call('GET', '/me', undefined, as(key))).status, 401)
  const past = await ann.call('POST', '/api-keys', {
    name: 'Past',
    scopes: ['read'],
    expires_at: '2020-01-01T00:00:00Z'
  })
  t.equal(past.status, 400)
  t.match(past.body, { error_code: 'VALIDATION_ERROR', details: { field: 'expires_at' } })
})

t.test('scopes are read, or read and write', async (t) => {
  const ann = await runner()
  for (const [scopes, status] of [
    [['read'], 201],
    [['read', 'write'], 201],
    [['write', 'read'], 201],
    [['write'], 422],
    [[], 422],
    [['read', 'read'], 422],
    [['read', 'admin'], 422],
    ['read', 422],
    [undefined, 422]
  ] as const) { t.equal((await ann.call('POST', '/api-keys', { name: 'Key', scopes })).status, status, JSON.stringify(scopes)) }
  for (const body of [
    { scopes: ['read'] },
    { name: '', scopes: ['read'] },
    { name: 'x'.repeat(101), scopes: ['read'] },
    { name: 'Key', scopes: ['read'], expires_at: 'soon' }
  ]) {
    t.equal((await ann.call('POST', '/api-keys', body)).status, 422, JSON.stringify(body))
  }
})

t.test('a key belongs to its owner alone, and works with its own secret alone', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const { body: { id, key } } = await ann.call('POST', '/api-keys', { name: 'Key', scopes: ['read'] })
  t.equal((await bob.call('DELETE', `/api-keys/${id}`)).status, 404)
  t.same((await bob.call('GET', '/api-keys')).body.items, [])
  for (const wrong of [
    makeApiKey(ann.id, id).token,
    makeApiKey(bob.id, id).token,
    makeApiKey(randomUUID(), randomUUID()).token,
    key.slice(0, -4),
    `${key}AAAA`,
    key.replace('rt_', 'rtr_')
  ]) {
    t.equal((await ann.call('GET', '/me', undefined, as(wrong))).status, 401)
  }
  t.equal((await ann.call('GET', '/me', undefined, as(key))).status, 200)
})

t.test('the last use is recorded after the answer, once a minute', async (t) => {
  const ann = await runner()
  const { body: { id, key } } = await ann.call('POST', '/api-keys', { name: 'Key', scopes: ['read'] })
  const lastUse = async () => (await ann.call('GET', '/api-keys')).body.items[0].last_used_at as string | null
  const noted = async (before: string | null) => {
    let now = await lastUse()
    while (now === before) now = await lastUse()
    return now
  }
  await Promise.all(Array.from({ length: 10 }, async () => await ann.call('GET', '/me', undefined, as(key))))
  const first = await noted(null)
  for (let i = 0; i < 10; i++) await ann.call('GET', '/me', undefined, as(key))
  t.equal(await lastUse(), first)
  await database.sql`/* test */ update api_keys set last_used_at = now() - interval '61 seconds' where user_id = ${ann.id} and key_id = ${id}`
  const old = await lastUse()
  await ann.call('GET', '/me', undefined, as(key))
  t.ok(Date.parse(await noted(old) as string) > Date.parse(old as string))
})

t.test('a runner has at most a hundred keys, in pages, also when they are created concurrently', async (t) => {
  const ann = await runner()
  const answers = await Promise.all(
    Array.from(
      { length: 103 },
      async (_, i) => await ann.call('POST', '/api-keys', { name: `Key ${i}`, scopes: ['read'] })
    )
  )
  t.equal(answers.filter(({ status }) => status === 201).length, 100)
  t.equal(answers.filter(({ status, body }) => status === 409 && body.error_code === 'CONFLICT').length, 3)
  const first = await ann.call('GET', '/api-keys?limit=60')
  const second = await ann.call('GET', `/api-keys?limit=60&cursor=${first.body.next_cursor}`)
  t.equal(new Set([...first.body.items, ...second.body.items].map(({ id }) => id)).size, 100)
  t.equal(second.body.next_cursor, null)
})

t.test('keys outlive a change of the password, and are deleted with the account', async (t) => {
  const ann = await runner()
  const { body: { key } } = await ann.call('POST', '/api-keys', { name: 'Key', scopes: ['read'] })
  await ann.call('PUT', '/me/password', { current_password: PASSWORD, new_password: 'another password' })
  t.equal((await ann.call('GET', '/me', undefined, as(key))).status, 200)
  await ann.call('DELETE', '/me', { password: 'another password' })
  t.equal((await ann.call('GET', '/me', undefined, as(key))).status, 401)
})

import { randomUUID } from 'node:crypto'
import t from 'tap'
import { identifier } from '../../db/sql.ts'
import { Passwords } from '../../src/auth/passwords.ts'
import { example } from '../harness/imports.ts'
import { PASSWORD, inject, startService, type Runner } from '../harness/service.ts'

const service = await startService(t)
const { app, database, runner } = service
const NEW_PASSWORD = 'staple battery horse'

async function logIn (email: string, password: string) {
  return await inject(app, { method: 'POST', url: '/api/v1/auth/login', payload: { email, password } })
}

async function refresh (token: string) {
  return await inject(app, { method: 'POST', url: '/api/v1/auth/refresh', payload: { refresh_token: token } })
}

function as (token: string) {
  return { authorization: `Bearer ${token}` }
}

t.test('an account is read and changed, and a change of an older revision is refused', async (t) => {
  const ann = await runner()
  const read = await ann.call('GET', '/me')
  t.match(read.body, {
    id: ann.id,
    email: ann.email,
    name: null,
    timezone: 'UTC',
    first_weekday: 1,
    units: 'metric',
    created_at: String
  })
  t.equal(read.headers['cache-control'], 'private, no-cache')
  const etag = String(read.headers.etag)
  t.equal((await ann.call('GET', '/me', undefined, { 'if-none-match': etag })).status, 304)
  const change = { name: 'Änn', timezone: 'Europe/Berlin', first_weekday: 7, units: 'imperial' }
  const answers = await Promise.all(
    Array.from({ length: 10 }, async () => await ann.call('PATCH', '/me', change, { 'if-match': etag }))
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 1)
  t.equal(answers.filter(({ status }) => status === 412).length, 9)
  const after = await ann.call('GET', '/me')
  t.match(after.body, { ...change, id: ann.id })
  t.not(after.headers.etag, etag)
  t.equal(answers.find(({ status }) => status === 200)?.headers.etag, after.headers.etag)
  t.equal((await ann.call('PATCH', '/me', { name: null })).body.name, null)
  t.equal((await ann.call('DELETE', '/me', { password: PASSWORD }, { 'if-match': etag })).status, 412)
})

t.test('concurrent changes without If-Match are all applied', async (t) => {
  const ann = await runner()
  const changes = [{ name: 'Another' }, { timezone: 'Asia/Tokyo' }, { first_weekday: 3 }, { units: 'imperial' }]
  const answers = await Promise.all(
    changes.flatMap((change) => [change, change]).map(async (change) => await ann.call('PATCH', '/me', change))
  )
  t.same(answers.map(({ status }) => status), Array.from({ length: 8 }, () => 200))
  t.match((await ann.call('GET', '/me')).body, Object.assign({}, ...changes))
})

t.test('invalid changes of an account are refused', async (t) => {
  const ann = await runner()
  for (const change of [
    {},
    { timezone: '+02:00' },
    { timezone: 'Mars/Olympus' },
    { timezone: 'x'.repeat(65) },
    { first_weekday: 0 },
    { first_weekday: '1' },
    { units: 'parsec' },
    { name: '' },
    { name: 'x'.repeat(101) },
    { email: 'other@example.org' },
    { id: randomUUID() },
    { password: 'x' },
    []
  ]) { t.equal((await ann.call('PATCH', '/me', change)).status, 422, JSON.stringify(change)) }
})

t.test('a new password ends all other sessions, and keeps the one it is changed from', async (t) => {
  const ann = await runner()
  const { body: phone } = await logIn(ann.email, PASSWORD)
  const other = await startService(t, { env: { DATABASE_URL: service.databaseUrl } })
  const elsewhere = async (token: string) =>
    (await inject(other.app, { method: 'GET', url: '/api/v1/me', headers: as(token) })).status
  t.equal(await elsewhere(phone.access_token), 200)
  t.equal(
    (await ann.call('PUT', '/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD })).status,
    204
  )
  t.equal((await ann.call('GET', '/me', undefined, as(phone.access_token))).status, 401)
  t.equal((await refresh(phone.refresh_token)).status, 401)
  t.equal((await ann.call('GET', '/me')).status, 200)
  t.equal((await refresh(ann.refresh_token)).status, 200)
  await other.app.revocations.poll()
  t.equal(await elsewhere(phone.access_token), 401)
  t.equal(await elsewhere(ann.access_token), 200)
  t.equal((await logIn(ann.email, PASSWORD)).status, 401)
  const { body: again } = await logIn(ann.email, NEW_PASSWORD)
  t.equal(
    (await ann.call('GET', '/me', undefined, as(again.access_token))).status,
    200,
    'who logs in in the same second stays'
  )
})

t.test('no login with the old password outlives a concurrent change of the password', async (t) => {
  const ann = await runner()
  const change = async () =>
    await ann.call('PUT', '/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD })
  const [changed, ...logins] = await Promise.all([
    change(),
    ...Array.from({ length: 15 }, async () => await logIn(ann.email, PASSWORD))
  ])
  t.equal(changed?.status, 204)
  for (const { status, body } of logins) {
    if (status !== 200) continue
    t.equal((await ann.call('GET', '/me', undefined, as(body.access_token))).status, 401)
    t.equal((await refresh(body.refresh_token)).status, 401)
  }
  t.equal((await database.sql`/* test */ select 1 from sessions where user_id = ${ann.id}`).length, 1)
})

t.test('of two concurrent changes of the password one succeeds', async (t) => {
  const ann = await runner()
  const passwords = Array.from({ length: 5 }, (_, i) => `new password ${i}`)
  const answers = await Promise.all(
    passwords.map(
      async (password) => await ann.call('PUT', '/me/password', { current_password: PASSWORD, new_password: password })
    )
  )
  t.equal(answers.filter(({ status }) => status === 204).length, 1)
  const logins = await Promise.all(passwords.map(async (password) => (await logIn(ann.email, password)).status))
  t.same(logins, answers.map(({ status }) => status === 204 ? 200 : 401))
})

t.test('a wrong current password changes nothing', async (t) => {
  const ann = await runner()
  const { status, body } = await ann.call('PUT', '/me/password', {
    current_password: 'not the password',
    new_password: NEW_PASSWORD
  })
  t.equal(status, 401)
  t.equal(body.error_code, 'INVALID_CREDENTIALS')
  t.equal((await ann.call('PUT', '/me/password', { current_password: PASSWORD, new_password: 'short' })).status, 422)
  t.equal(
    (await ann.call('PUT', '/me/password', { current_password: PASSWORD, new_password: 'x'.repeat(201) })).status,
    422
  )
  t.equal((await logIn(ann.email, PASSWORD)).status, 200)
})

t.test('an account is deleted with its password alone, for good, and with all of its data', async (t) => {
  const ann = await runner()
  const bob = await runner()
  for (const one of [ann, bob]) await fill(one)
  const other = await startService(t, { env: { DATABASE_URL: service.databaseUrl } })
  const elsewhere = async () =>
    (await inject(other.app, { method: 'GET', url: '/api/v1/plans', headers: as(ann.access_token) })).status
  t.equal(await elsewhere(), 200)
  const before = new Set(await traces(ann.id))
  for (const table of await ownedTables()) { t.ok(before.has(`${table}.user_id`), `there is something in ${table} to be found: fill it`) }
  t.equal((await ann.call('DELETE', '/me', { password: 'not the password' })).body.error_code, 'INVALID_CREDENTIALS')
  t.equal((await ann.call('DELETE', '/me', {})).status, 422)
  t.equal((await ann.call('DELETE', '/me')).status, 422)
  t.equal((await ann.call('GET', '/me')).status, 200)
  t.equal((await ann.call('DELETE', '/me', { password: PASSWORD })).status, 204)
  t.same(await traces(ann.id), [])
  t.same(await traces(ann.email), [])
  t.equal((await ann.call('GET', '/me')).status, 401)
  t.equal((await refresh(ann.refresh_token)).status, 401)
  t.equal((await logIn(ann.email, PASSWORD)).status, 401)
  await other.app.revocations.poll()
  t.equal(await elsewhere(), 401)
  t.ok((await traces(bob.id)).length > 5, 'and nothing of anybody else')
  t.equal((await bob.call('GET', '/me')).status, 200)
  const again = await runner(ann.email)
  t.not(again.id, ann.id)
})

t.test('an account that was changed after it was read is not deleted with If-Match', async (t) => {
  let meanwhile = async () => {}
  class Slow extends Passwords {
    override async verify (hash: string | null | undefined, password: string) {
      const isRight = await super.verify(hash, password)
      await meanwhile()
      return isRight
    }
  }
  const slow = await startService(t, {
    env: { DATABASE_URL: service.databaseUrl },
    parts: { passwords: new Slow({ memoryKiB: 1024, passes: 1, parallelism: 1 }) }
  })
  const leave = async (token: string, headers = {}) =>
    await inject(slow.app, {
      method: 'DELETE',
      url: '/api/v1/me',
      headers: { ...as(token), ...headers },
      payload: { password: PASSWORD }
    })
  const ann = await runner()
  const etag = String((await ann.call('GET', '/me')).headers.etag)
  meanwhile = async () => { t.equal((await ann.call('PATCH', '/me', { name: 'Ann' })).status, 200) }
  t.equal((await leave(ann.access_token, { 'if-match': etag })).status, 412)
  meanwhile = async () => {
    t.equal(
      (await ann.call('PUT', '/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD })).status,
      204
    )
  }
  const late = await leave(ann.access_token)
  t.equal(late.status, 401)
  t.equal(late.body.error_code, 'INVALID_CREDENTIALS')
  t.equal((await ann.call('GET', '/me')).status, 200)
  const bob = await runner()
  meanwhile = async () => { t.equal((await bob.call('PATCH', '/me', { name: 'Bob' })).status, 200) }
  t.equal((await leave(bob.access_token)).status, 204, 'who names no state means any')
})

t.test('all originals are deleted, a bounded number at a time', async (t) => {
  const ann = await runner()
  const recording = randomUUID()
  await database.sql`/* test */
    insert into recordings (user_id, recording_id, format, sha256, size_bytes) values (${ann.id}, ${recording}, 'fit', sha256(${ann.id}::bytea), 1)
  `
  await database.sql`/* test */
    insert into recording_chunks (user_id, recording_id, position, gzip) select ${ann.id}::uuid, ${recording}::uuid, n, '\\x00' from generate_series(0, 449) n
  `
  const counted = async () =>
    Number(
      /^\S+_count\{.*query="deleteSomeOriginals".*\} (\d+)$/m.exec((await app.inject('/metrics')).payload)?.[1] ?? 0
    )
  const before = await counted()
  t.equal((await ann.call('DELETE', '/me', { password: PASSWORD })).status, 204)
  t.same(await database.sql`/* test */ select 1 from recording_chunks where user_id = ${ann.id}`, [])
  t.equal(await counted() - before, 3)
})

t.test('a deleted account is refused at an instance that has not read its revocation', async (t) => {
  const ann = await runner()
  const other = await startService(t, { env: { DATABASE_URL: service.databaseUrl } })
  const elsewhere = async () =>
    (await inject(other.app, { method: 'GET', url: '/api/v1/me', headers: as(ann.access_token) })).status
  t.equal(await elsewhere(), 200)
  await ann.call('DELETE', '/me', { password: PASSWORD })
  t.equal(await elsewhere(), 401)
})

/** A row in each table a route does not fill yet, as well as what routes make. */
async function fill ({ id, call }: Runner): Promise<void> {
  await call('POST', '/activities/import', example('easy-run.fit'), { 'content-type': 'application/octet-stream' })
  await call('POST', '/gear', { name: 'Shoes', sport: 'running' })
  await call('POST', '/goals', { metric: 'distance', period: 'week', target: 40_000 })
  const plan = (await call('POST', '/plans', { name: 'Spring', start_date: '2026-01-05', end_date: '2026-04-26' })).body
  const workouts = []
  for (const date of ['2026-01-06', '2026-01-07']) {
    workouts.push((await call('POST', `/plans/${plan.id}/workouts`, { date, kind: 'easy', name: 'Easy' })).body)
  }
  await call('DELETE', `/workouts/${workouts[1].id}`)
  await call('POST', '/api-keys', { name: 'Watch', scopes: ['read'] }, { 'idempotency-key': randomUUID() })
  await call('POST', '/me/physiology', { valid_from: '2026-01-05', max_heart_rate_bpm: 190 })
  const [recording, activity] = [randomUUID(), randomUUID()]
  await database.sql`/* test */
    insert into recordings (user_id, recording_id, format, sha256, size_bytes) values (${id}, ${recording}, 'fit', sha256(${id}::bytea), 1)
  `
  await database.sql`/* test */ insert into recording_chunks (user_id, recording_id, position, gzip) values (${id}, ${recording}, 0, '\\x00')`
  await database.sql`/* test */
    insert into activities (user_id, activity_id, sport, start_time, timezone, local_date, format, recording_id)
    values (${id}, ${activity}, 'running', now(), 'UTC', '2026-01-05', 'fit', ${recording})
  `
  await database.sql`/* test */
    insert into workout_activities (user_id, workout_id, activity_id, matched_by, reason)
    values (${id}, ${workouts[0].id}, ${activity}, 'person', 'Linked by hand')
  `
  const [upload, { id: shoes }] = [randomUUID(), (await call('GET', '/gear')).body.items[0]]
  await database.sql`/* test */
    insert into imports (user_id, import_id, status, ended_at) values (${id}, ${upload}, 'done', now())
  `
  await database.sql`/* test */
    insert into import_uploads (user_id, import_id, position, name, offset_bytes, size_bytes) values (${id}, ${upload}, 0, 'a.zip', 0, 1)
  `
  await database.sql`/* test */ insert into import_chunks (user_id, import_id, position, bytes) values (${id}, ${upload}, 0, '\\x00')`
  await database.sql`/* test */
    insert into import_files (user_id, import_id, position, name, status) values (${id}, ${upload}, 0, 'a.fit', 'skipped')
  `
  await database.sql`/* test */ insert into import_gear (user_id, import_id, gear_id) values (${id}, ${upload}, ${shoes})`
  await database.sql`/* test */
    insert into pgboss_job (name, data, state) values ('imports', jsonb_build_object('user_id', ${id}::text), 'completed')
  `
  await database.sql`/* test */ insert into declined_activities (user_id, activity_id) values (${id}, ${activity})`
  await database.sql`/* test */ insert into calendar_feeds (user_id, secret_hash) values (${id}, sha256(${id}::bytea))`
  await database.sql`/* test */ insert into recomputations (user_id, from_day, due_at) values (${id}, '2026-01-05', now() + interval '1 hour') on conflict (user_id) where activity_id is null do update set due_at = excluded.due_at`
  await database.sql`/* test */ insert into identities (issuer, subject, user_id) values ('https://issuer.example', ${id}, ${id})`
}

/** Every table that says whose its rows are. */
async function ownedTables (): Promise<string[]> {
  const rows = await database.sql<{ table_name: string }>`/* test */
    select table_name from information_schema.columns where table_schema = current_schema() and column_name = 'user_id'
  `
  return rows.map(({ table_name: table }) => table)
}

/** Every column of every table in which `text` is found, as text, as JSON or as bytes. */
async function traces (text: string): Promise<string[]> {
  const columns = await database.sql<{ table_name: string, column_name: string }>`/* test */
    select table_name, column_name from information_schema.columns
    join information_schema.tables using (table_schema, table_name)
    where table_schema = current_schema() and table_type = 'BASE TABLE'
  `
  const found: string[] = []
  for (const { table_name: table, column_name: column } of columns) {
    const rows = await database.sql`/* test */
      select 1 from ${identifier(table)}
      where position(${text.toLowerCase()} in lower(${identifier(column)}::text)) > 0
        or position(encode(convert_to(${text}, 'UTF8'), 'hex') in ${identifier(column)}::text) > 0
        or position(replace(${text}, '-', '') in ${identifier(column)}::text) > 0
      limit 1
    `
    if (rows.length > 0) found.push(`${table}.${column}`)
  }
  return found
}

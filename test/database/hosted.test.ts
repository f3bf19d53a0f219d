import { readFileSync } from 'node:fs'
import postgres from 'postgres'
import t from 'tap'
import { parseAddress } from '../../db/driver/address.ts'
import { createDatabase } from '../harness/database.ts'
import { inject, startService } from '../harness/service.ts'

const PLAN = { name: 'Spring', start_date: '2026-01-05', end_date: '2026-04-26' }

t.test('secrets, originals and replays work where the database writes bytea in its escape form', async (t) => {
  const databaseUrl = await createDatabase(t)
  const admin = postgres(databaseUrl, { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(() => admin.end({ timeout: 1 }))
  await admin.unsafe(`alter database ${parseAddress(databaseUrl).database} set bytea_output = 'escape'`)
  const { app, runner } = await startService(t, { env: { DATABASE_URL: databaseUrl } })
  const ann = await runner()

  const { body: { key } } = await ann.call('POST', '/api-keys', { name: 'Watch', scopes: ['read'] })
  t.equal((await ann.call('GET', '/me', undefined, { authorization: `Bearer ${key}` })).status, 200, 'an API key')

  const bytes = readFileSync('examples/easy-run.fit')
  const imported = await ann.call('POST', '/activities/import', bytes, { 'content-type': 'application/octet-stream' })
  t.equal(imported.status, 201)
  const { activity } = imported.body
  t.ok((await ann.call('GET', `/activities/${activity.id}/file`)).raw.equals(bytes), 'an original')

  const once = { 'idempotency-key': 'one plan' }
  const made = await ann.call('POST', '/plans', PLAN, once)
  t.equal(made.status, 201)
  t.strictSame((await ann.call('POST', '/plans', PLAN, once)).body, made.body, 'a replay')
  t.equal((await ann.call('POST', '/plans', { ...PLAN, name: 'Other' }, once)).status, 422)

  const post = async (url: string, refresh_token: string) =>
    await inject(app, { method: 'POST', url: `/api/v1/auth/${url}`, payload: { refresh_token } })
  const refreshed = await post('refresh', ann.refresh_token)
  t.equal(refreshed.status, 200, 'a refresh token')
  t.equal((await post('logout', refreshed.body.refresh_token)).status, 204)
  t.equal((await post('refresh', refreshed.body.refresh_token)).status, 401, 'logging out revokes it')
})

t.test('no request notices that the server has ended every idle connection', async (t) => {
  const { database, runner, databaseUrl } = await startService(t, { env: { MAX_POOL_SIZE: '20' } })
  const ann = await runner()
  const { body: { id } } = await ann.call('POST', '/plans', PLAN)
  const admin = postgres(databaseUrl, { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(() => admin.end({ timeout: 1 }))
  const { call } = ann
  for (const [status, ask] of [
    [201, async () => await call('POST', '/plans', PLAN)],
    [201, async (i: number) => await call('POST', '/plans', PLAN, { 'idempotency-key': `plan ${i}` })],
    [200, async () => await call('GET', `/plans/${id}`)]
  ] as const) {
    await Promise.all(Array.from({ length: 20 }, () => database.sql`select pg_sleep(0.05)`))
    await new Promise((resolve) => setTimeout(resolve, 10))
    await admin`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and state = 'idle' and pid <> pg_backend_pid()
    `
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(i)))
    t.strictSame(answers.map((answer) => answer.status), answers.map(() => status))
  }
})

import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import t from 'tap'
import { createDatabase } from '../harness/database.ts'
import { inject, startProcess, startService, type Answer, type Runner } from '../harness/service.ts'

const PLAN = { name: 'Spring marathon', start_date: '2026-01-05', end_date: '2026-04-26' }
const { app, runner, databaseUrl, lines } = await startService(t)
const sql = postgres(databaseUrl, { max: 4, fetch_types: false, onnotice: () => {} })
t.teardown(() => sql.end({ timeout: 5 }))

function post (who: Runner, body: unknown, key: string, url = '/plans'): Promise<Answer> {
  return who.call('POST', url, body, { 'idempotency-key': key })
}

async function plansOf (who: Runner): Promise<number> {
  const [row] = await sql`select count(*)::integer as count from plans where user_id = ${who.id}`
  return row?.count
}

/** Asks until somebody waits for a lock in the database of this test. */
async function untilSomebodyWaits (): Promise<void> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline;) {
    const rows =
      await sql`select 1 from pg_locks where not granted and (database is null or database = (select oid from pg_database where datname = current_database()))`
    if (rows.length > 0) return
  }
  throw new Error('Nobody waits')
}

/** Runs `work` while nobody else can write plans. */
async function withPlansLocked<T> (work: () => Promise<T>): Promise<T> {
  return await sql.begin(async (sql) => {
    await sql`lock table plans in share mode`
    return await work()
  }) as T
}

/** Asks a process that will be killed before it answers; one just started may say first that it is too busy. */
async function askInVain (url: string, who: Runner, key: string): Promise<string> {
  const headers = {
    authorization: `Bearer ${who.access_token}`,
    'content-type': 'application/json',
    'idempotency-key': key
  }
  for (;;) {
    try {
      const { status } = await fetch(`${url}/api/v1/plans`, { method: 'POST', body: JSON.stringify(PLAN), headers })
      if (status !== 503) return `answer ${status}`
    } catch {
      return 'no answer'
    }
  }
}

function gpx (): Buffer {
  const points = Array.from(
    { length: 120 },
    (_, i) =>
      `<trkpt lat="${50 + i * 0.00003}" lon="8"><ele>100</ele><time>${new Date(Date.UTC(2025, 2, 1, 6, 0, i)).toISOString()}</time></trkpt>`
  )
  return Buffer.from(
    `<?xml version="1.0"?><gpx version="1.1" creator="${randomBytes(8).toString('hex')}" xmlns="http://www.topografix.com/GPX/1/1"><trk><type>running</type><trkseg>${points.join('')}</trkseg></trk></gpx>`
  )
}

t.test('the same request again gets the first answer and does nothing', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  const first = await post(ann, PLAN, key)
  t.equal(first.status, 201)
  t.equal(first.headers['idempotent-replayed'], undefined)
  const again = await post(ann, { end_date: PLAN.end_date, start_date: PLAN.start_date, name: PLAN.name }, key)
  t.equal(again.status, 201)
  t.equal(again.headers['idempotent-replayed'], 'true')
  t.same(again.raw, first.raw)
  for (const name of ['location', 'etag', 'content-type', 'content-length']) { t.equal(again.headers[name], first.headers[name], name) }
  t.not(again.headers['x-request-id'], first.headers['x-request-id'])
  t.equal(await plansOf(ann), 1)
})

t.test('fifty at once with one key, in two processes, make one plan and get one answer', async (t) => {
  const other = await startService(t, { env: { DATABASE_URL: databaseUrl } })
  const ann = await runner()
  const key = randomUUID()
  const answers = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    for (;;) {
      const answer = await inject(i % 2 === 0 ? app : other.app, {
        method: 'POST',
        url: '/api/v1/plans',
        payload: PLAN,
        headers: { authorization: `Bearer ${ann.access_token}`, 'idempotency-key': key }
      })
      if (answer.status !== 409 || answer.body.error_code !== 'CONFLICT') return answer
    }
  }))
  t.ok(answers.every(({ status }) => status === 201))
  t.equal(new Set(answers.map(({ raw }) => raw.toString())).size, 1)
  t.equal(answers.filter(({ headers }) => headers['idempotent-replayed'] === undefined).length, 1)
  t.equal(await plansOf(ann), 1)
})

t.test(
  'while the first request still runs, a repetition is refused at once, in its own process and in another',
  async (t) => {
    const other = await startService(t, { env: { DATABASE_URL: databaseUrl } })
    const ann = await runner()
    const key = randomUUID()
    let first: Promise<Answer> | undefined
    await withPlansLocked(async () => {
      first = post(ann, PLAN, key)
      await untilSomebodyWaits()
      for (const at of [app, other.app]) {
        const { status, body, headers } = await inject(at, {
          method: 'POST',
          url: '/api/v1/plans',
          payload: PLAN,
          headers: { authorization: `Bearer ${ann.access_token}`, 'idempotency-key': key }
        })
        t.equal(status, 409)
        t.match(body, { error_code: 'CONFLICT' })
        t.ok(headers['retry-after'])
      }
    })
    t.equal((await first)?.status, 201)
    const again = await post(ann, PLAN, key)
    t.equal(again.headers['idempotent-replayed'], 'true')
    t.equal(again.body.id, (await first)?.body.id)
    t.equal(await plansOf(ann), 1)
  }
)

t.test('processes that do not see each other\'s locks, as on two nodes of a cluster, make one plan', async (t) => {
  // Found before the system's own function: every process is given the lock.
  const url = await createDatabase(t)
  const admin = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} })
  t.teardown(() => admin.end({ timeout: 5 }))
  await admin`create function pg_try_advisory_xact_lock(bigint) returns boolean language sql as 'select true'`
  await admin.unsafe(`alter database ${new URL(url).pathname.slice(1)} set search_path = public, pg_catalog`)
  const services = [
    await startService(t, { env: { DATABASE_URL: url } }),
    await startService(t, { env: { DATABASE_URL: url } })
  ] as const
  const ann = await services[0].runner()
  const keys = Array.from({ length: 20 }, () => randomUUID())
  const answers = await Promise.all(keys.map(async (key) => await Promise.all(services.map(async ({ app }) =>
    await inject(app, {
      method: 'POST',
      url: '/api/v1/plans',
      payload: PLAN,
      headers: { authorization: `Bearer ${ann.access_token}`, 'idempotency-key': key }
    })
  ))))
  for (const [first, second] of answers) {
    t.equal(first?.status, 201)
    t.same(second?.raw, first?.raw)
    t.equal([first, second].filter((answer) => answer?.headers['idempotent-replayed'] === 'true').length, 1)
  }
  const [row] = await admin`select count(*)::integer as count from plans where user_id = ${ann.id}`
  t.equal(row?.count, keys.length)
})

t.test('a key belongs to one body, one user, one path and one query', async (t) => {
  const [ann, bob] = [await runner(), await runner()]
  const key = randomUUID()
  const first = await post(ann, PLAN, key)
  const other = await post(ann, { ...PLAN, name: 'Another' }, key)
  t.equal(other.status, 422)
  t.match(other.body, { error_code: 'IDEMPOTENCY_KEY_REUSED' })
  t.equal(other.headers['idempotent-replayed'], undefined)
  const bobs = await post(bob, PLAN, key)
  t.equal(bobs.status, 201)
  t.equal(bobs.headers['idempotent-replayed'], undefined)
  t.not(bobs.body.id, first.body.id)
  const bytes = gpx()
  const recording = await ann.call('POST', '/activities/import', bytes, {
    'content-type': 'application/gpx+xml',
    'idempotency-key': key
  })
  t.equal(recording.status, 201)
  const asked = await ann.call('POST', '/activities/import?allow_duplicate=true', bytes, {
    'content-type': 'application/gpx+xml',
    'idempotency-key': key
  })
  t.match(asked.body, { error_code: 'IDEMPOTENCY_KEY_REUSED' })
})

t.test('common headers are not kept: a replay has the rate limit of its own request', async (t) => {
  const service = await startService(t, { env: { DATABASE_URL: databaseUrl, RATE_LIMIT_MAX: '100' } })
  const ann = await service.runner()
  const key = randomUUID()
  const first = await post(ann, PLAN, key)
  const again = await post(ann, PLAN, key)
  t.equal(again.headers['idempotent-replayed'], 'true')
  const [before, after] = [first, again].map(({ headers }) => Number(headers['ratelimit-remaining']))
  t.equal(after, before as number - 1)
})

t.test('a refusal is kept like any answer, and nothing it wrote is stored', async (t) => {
  const ann = await runner()
  for (const [body, status] of [
    [{ ...PLAN, end_date: PLAN.start_date }, 400],
    [{ ...PLAN, unknown: 1 }, 422]
  ] as const) {
    const key = randomUUID()
    const first = await post(ann, body, key)
    t.equal(first.status, status)
    const again = await post(ann, body, key)
    t.equal(again.status, status)
    t.equal(again.headers['idempotent-replayed'], 'true')
    t.same(again.raw, first.raw)
    t.equal(again.headers['cache-control'], 'no-store')
    t.match((await post(ann, PLAN, key)).body, { error_code: 'IDEMPOTENCY_KEY_REUSED' })
    const told = lines.filter(
      ({ message, error_id }) => message === 'request completed' && error_id === first.body.error_id
    )
    t.same(
      told.map(({ level, error_code }) => [level, error_code]),
      Array(2).fill(['WARNING', first.body.error_code])
    )
  }
  t.equal(await plansOf(ann), 0)
})

t.test('a server error is not kept: the same key works when the fault is over', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  await sql`create function fail_here() returns trigger language plpgsql as 'begin raise exception ''trouble''; end'`
  await sql`create trigger fail_here before insert on plans for each row execute function fail_here()`
  t.equal((await post(ann, PLAN, key)).status, 500)
  await sql`drop trigger fail_here on plans`
  const after = await post(ann, PLAN, key)
  t.equal(after.status, 201)
  t.equal(after.headers['idempotent-replayed'], undefined)
})

t.test('where the answer cannot be stored, its writes are rolled back', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  await sql`create function refuse_answer() returns trigger language plpgsql as 'begin raise exception ''no room''; end'`
  await sql`create constraint trigger refuse_answer after insert on idempotency_keys deferrable initially deferred for each row execute function refuse_answer()`
  const failed = await post(ann, PLAN, key)
  await sql`drop trigger refuse_answer on idempotency_keys`
  t.equal(failed.status, 500, 'the commit failed, so the client is not told of a plan')
  t.equal(failed.headers.location, undefined)
  t.equal(await plansOf(ann), 0)
  t.equal((await post(ann, PLAN, key)).status, 201)
})

t.test('an answer from a second run of the transaction is kept with its headers', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  // A sequence is not rolled back: only the first run meets the conflict.
  await sql`create sequence runs`
  await sql`grant usage on sequence runs to public`
  await sql`create function conflict_once() returns trigger language plpgsql as 'begin if nextval(''runs'') = 1 then raise exception ''conflict'' using errcode = ''40001''; end if; return null; end'`
  await sql`create trigger conflict_once after insert on idempotency_keys for each row execute function conflict_once()`
  const first = await post(ann, PLAN, key)
  await sql`drop trigger conflict_once on idempotency_keys`
  const [row] = await sql`select last_value::integer as runs from runs`
  t.equal(row?.runs, 2)
  t.equal(first.status, 201)
  const again = await post(ann, PLAN, key)
  t.equal(again.headers['idempotent-replayed'], 'true')
  for (const name of ['location', 'etag', 'content-type']) {
    t.ok(first.headers[name], name)
    t.equal(again.headers[name], first.headers[name], name)
  }
  t.same(again.raw, first.raw)
  t.equal(await plansOf(ann), 1)
})

t.test('a key has 1 to 255 printable ASCII characters', async (t) => {
  const ann = await runner()
  for (const key of ['', 'x'.repeat(256), 'clé', 'tab\there']) {
    const { status, body } = await post(ann, PLAN, key)
    t.equal(status, 422, JSON.stringify(key))
    t.match(body, { error_code: 'REQUEST_VALIDATION_ERROR', details: { field: 'idempotency-key' } })
  }
  t.equal(await plansOf(ann), 0)
  for (const key of ['~', 'x'.repeat(255), 'a key, "quoted"']) t.equal((await post(ann, PLAN, key)).status, 201, key)
})

t.test('a key used a day ago is free again', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  const first = await post(ann, PLAN, key)
  const [kept] =
    await sql`select expires_at - created_at = interval '24 hours' as is_a_day from idempotency_keys where user_id = ${ann.id}`
  t.equal(kept?.is_a_day, true)
  await sql`update idempotency_keys set expires_at = now() where user_id = ${ann.id}`
  const later = await post(ann, { ...PLAN, name: 'Another' }, key)
  t.equal(later.status, 201)
  t.not(later.body.id, first.body.id)
  t.equal((await post(ann, { ...PLAN, name: 'Another' }, key)).headers['idempotent-replayed'], 'true')
})

t.test('a recording is compared by its bytes, not by the form around it', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  const bytes = gpx()
  const form = (boundary: string, bytes: Buffer) =>
    ann.call(
      'POST',
      '/activities/import',
      Buffer.concat([
        Buffer.from(
          `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="run.gpx"\r\ncontent-type: application/gpx+xml\r\n\r\n`
        ),
        bytes,
        Buffer.from(`\r\n--${boundary}--\r\n`)
      ]),
      { 'content-type': `multipart/form-data; boundary=${boundary}`, 'idempotency-key': key }
    )
  const first = await form('one', bytes)
  t.equal(first.status, 201)
  const again = await form('two', bytes)
  t.equal(again.status, 201)
  t.equal(again.headers['idempotent-replayed'], 'true')
  t.same(again.raw, first.raw)
  t.match((await form('one', gpx())).body, { error_code: 'IDEMPOTENCY_KEY_REUSED' })
  const unreadable = randomUUID()
  for (const replayed of [undefined, 'true']) {
    const { status, headers } = await ann.call('POST', '/activities/import', Buffer.from('no recording'), {
      'content-type': 'application/octet-stream',
      'idempotency-key': unreadable
    })
    t.equal(status, 422)
    t.equal(headers['idempotent-replayed'], replayed)
  }
})

t.test('neither the key nor the answer can be read from the database', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  const { body } = await post(ann, { ...PLAN, name: 'Nobody must read this' }, key)
  const [row] = await sql`select to_jsonb(k)::text as row from idempotency_keys k where user_id = ${ann.id}`
  for (const secret of [key, body.id, 'Nobody must read this']) {
    t.notOk(row?.row.includes(Buffer.from(secret).toString('hex')) || row?.row.includes(secret), secret)
  }
})

t.test('an API key that is shown once is shown again in a replay', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  const first = await post(ann, { name: 'Watch', scopes: ['read'] }, key, '/api-keys')
  t.equal(first.status, 201)
  t.same((await post(ann, { name: 'Watch', scopes: ['read'] }, key, '/api-keys')).body, first.body)
  t.equal((await ann.call('GET', '/api-keys')).body.items.length, 1)
})

t.test('requests without a user ignore the header', async (t) => {
  const email = `${randomUUID()}@example.org`
  const register = () =>
    inject(app, {
      method: 'POST',
      url: '/api/v1/auth/register',
      payload: { email, password: 'correct horse battery' },
      headers: { 'idempotency-key': 'one' }
    })
  t.equal((await register()).status, 201)
  t.equal((await register()).status, 409)
})

t.test('the documentation describes the header and its responses', async (t) => {
  const { body } = await inject(app, { method: 'GET', url: '/docs/json' })
  for (const path of ['/api/v1/plans', '/api/v1/me/physiology', '/api/v1/activities/import']) {
    const { parameters, responses } = body.paths[path].post
    t.match(
      parameters.find(({ name }: { name: string }) => name === 'idempotency-key'),
      { in: 'header', required: false }
    )
    t.hasProps(responses, ['409', '422'])
  }
})

t.test(
  'a process killed between commit and answer has done the work once: a repetition gets the first answer',
  async (t) => {
    const ann = await runner()
    const key = randomUUID()
    const doomed = await startProcess(t, {
      DATABASE_URL: databaseUrl,
      JWT_SECRET: 'a secret of the tests that is long enough'
    })
    await sql`create function wait_here() returns trigger language plpgsql as 'begin perform pg_advisory_xact_lock(4242); return null; end'`
    await sql`create constraint trigger wait_here after insert on idempotency_keys deferrable initially deferred for each row execute function wait_here()`
    await sql.begin(async (sql) => {
      await sql`select pg_advisory_xact_lock(4242)`
      const lost = askInVain(doomed.url, ann, key)
      await untilSomebodyWaits()
      await doomed.stop('SIGKILL')
      t.equal(await lost, 'no answer')
      t.equal(await plansOf(ann), 0, 'the commit has begun and is not done')
    })
    let answer = await post(ann, PLAN, key)
    while (answer.status === 409) answer = await post(ann, PLAN, key)
    await sql`drop trigger wait_here on idempotency_keys`
    t.equal(answer.status, 201)
    t.equal(answer.headers['idempotent-replayed'], 'true')
    const [row] = await sql`select plan_id from plans where user_id = ${ann.id}`
    t.equal(answer.body.id, row?.plan_id)
    t.equal(await plansOf(ann), 1)
  }
)

t.test('a process killed before the commit has done nothing, and its key is free again', async (t) => {
  const ann = await runner()
  const key = randomUUID()
  const doomed = await startProcess(t, {
    DATABASE_URL: databaseUrl,
    JWT_SECRET: 'a secret of the tests that is long enough'
  })
  await withPlansLocked(async () => {
    const lost = askInVain(doomed.url, ann, key)
    await untilSomebodyWaits()
    await doomed.stop('SIGKILL')
    t.equal(await lost, 'no answer')
  })
  let answer = await post(ann, PLAN, key)
  while (answer.status === 409) answer = await post(ann, PLAN, key)
  t.equal(answer.status, 201)
  t.equal(answer.headers['idempotent-replayed'], undefined)
  t.equal(await plansOf(ann), 1)
})

import { v7 as uuidv7 } from 'uuid'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { formOf } from '../harness/bulk-imports.ts'
import { PASSWORD, inject, startService, type Answer, type Runner } from '../harness/service.ts'

/** What a call needs beside its path. */
interface Call {
  payload?: unknown
  headers?: Record<string, string>
  query?: string
}

interface Operation {
  method: NonNullable<InjectOptions['method']>
  /** As the document has it, `/api/v1/plans/{plan_id}`. */
  path: string
  parameters: Array<{ name: string, in: string, required?: boolean, schema?: { format?: string, default?: unknown } }>
  responses: Record<string, unknown>
  isPublic: boolean
  hasBody: boolean
}

const GPX = `<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>${Array.from(
  { length: 60 },
  (_, i) =>
    `<trkpt lat="${48 + i * 0.0001}" lon="2"><ele>35</ele><time>2026-01-05T07:00:${String(i).padStart(2, '0')}Z</time></trkpt>`
).join('')}</trkseg></trk></gpx>`
const PLAN = { name: 'Spring', start_date: '2026-01-05', end_date: '2026-04-26' }
const GENERATED = {
  race: { date: '2099-04-26', distance_m: 21_097.5 },
  recent_result: { distance_m: 10_000, time_s: 3000 },
  start_date: '2099-01-05',
  current_weekly_distance_m: 30_000,
  runs_per_week: 4
}
const RUN = { sport: 'running', start_time: '2026-01-05T07:00:00Z', elapsed_s: 1800 }
/** What links a workout to an activity of the same runner. */
const LINK = { activity_id: '' }
const WORKOUT = { date: '2026-01-06', kind: 'easy', name: 'Easy run', planned_distance_m: 8000 }
const PHYSIOLOGY = { valid_from: '2026-01-05', max_heart_rate_bpm: 190 }
const GOAL = { metric: 'distance', period: 'week', target: 50_000 }
const UPLOAD = { payload: GPX, headers: { 'content-type': 'application/gpx+xml' } }
const FORM = formOf([{ name: 'run.gpx', bytes: Buffer.from(GPX) }])

/** Who may call these is not asked; everything else asks. */
const PUBLIC = new Set([
  'GET /', 'GET /api/v1/calculators/load-model', 'GET /api/v1/calculators/race', 'GET /api/v1/calendar/{token}.ics', 'GET /health', 'GET /health/live', 'GET /health/ready', 'GET /metrics',
  'POST /api/v1/auth/register', 'POST /api/v1/auth/login', 'POST /api/v1/auth/refresh', 'POST /api/v1/auth/logout'
])

/** How a runner comes by one of what a path parameter names. */
const MAKE: Record<string, (runner: Runner) => Promise<string>> = {
  plan_id: async ({ call }) => made(await call('POST', '/plans', PLAN)).id,
  workout_id: async ({ call }) => {
    const { id } = made(await call('POST', '/plans', PLAN))
    LINK.activity_id = made(await call('POST', '/activities', RUN)).id
    return made(await call('POST', `/plans/${id}/workouts`, WORKOUT)).id
  },
  key_id: async ({ call }) => made(await call('POST', '/api-keys', { name: 'Key', scopes: ['read'] })).id,
  physiology_id: async ({ call }) => made(await call('POST', '/me/physiology', PHYSIOLOGY)).id,
  gear_id: async ({ call }) => made(await call('POST', '/gear', { name: 'Shoes' })).id,
  goal_id: async ({ call }) => made(await call('POST', '/goals', GOAL)).id,
  token: async ({ call }) => /rtc_[\w-]+/.exec(made(await call('POST', '/me/calendar-feed')).url)![0],
  activity_id: async ({ call }) =>
    made(await call('POST', '/activities/import', UPLOAD.payload, UPLOAD.headers)).activity.id,
  import_id: async ({ call }) => made(await call('POST', '/imports', FORM.payload, FORM.headers), 202).import.id
}

/** What calls send that need a body or a query. */
const CALLS: Record<string, Call> = {
  'PATCH /api/v1/me': { payload: { name: 'Ann' } },
  'DELETE /api/v1/me': { payload: { password: PASSWORD } },
  'PUT /api/v1/me/password': { payload: { current_password: PASSWORD, new_password: 'another password' } },
  'POST /api/v1/me/physiology': { payload: PHYSIOLOGY },
  'POST /api/v1/api-keys': { payload: { name: 'Key', scopes: ['read'] } },
  'POST /api/v1/plans': { payload: PLAN },
  'POST /api/v1/plans/generate': { payload: GENERATED },
  'POST /api/v1/plans/from-template': { payload: { template_id: '5k-beginner', start_date: '2099-01-05' } },
  'PATCH /api/v1/plans/{plan_id}': { payload: { name: 'Autumn' } },
  'POST /api/v1/plans/{plan_id}/adapt': { payload: {} },
  'PUT /api/v1/plans/{plan_id}/adapt': { payload: { changes: [] } },
  'POST /api/v1/plans/{plan_id}/workouts': { payload: WORKOUT },
  'PUT /api/v1/plans/{plan_id}/workouts': { payload: { workouts: [{ ...WORKOUT, external_id: 'w-1' }] } },
  'PUT /api/v1/workouts/{workout_id}/activity': { payload: LINK },
  'GET /api/v1/calendar': { query: 'from=2026-01-05&to=2026-01-11' },
  'PATCH /api/v1/workouts/{workout_id}': { payload: { name: 'Easier run' } },
  'POST /api/v1/activities': { payload: { sport: 'running', start_time: '2026-01-05T07:00:00Z', elapsed_s: 1800 } },
  'PATCH /api/v1/activities/{activity_id}': { payload: { name: 'Morning run' } },
  'GET /api/v1/activities/{activity_id}/export': { query: 'format=gpx' },
  'PUT /api/v1/activities/{activity_id}/crop': { payload: { from_s: 0, to_s: 30 } },
  'POST /api/v1/gear': { payload: { name: 'Shoes' } },
  'PATCH /api/v1/gear/{gear_id}': { payload: { name: 'Old shoes' } },
  'POST /api/v1/goals': { payload: GOAL },
  'PATCH /api/v1/goals/{goal_id}': { payload: { target: 60_000 } },
  'POST /api/v1/activities/import': UPLOAD,
  'POST /api/v1/imports': FORM
}

function made ({ status, body }: Answer, expected = 201): Answer['body'] {
  if (status !== expected) throw new Error(`What the test needs could not be made: ${status} ${JSON.stringify(body)}`)
  return body
}

const { app, runner } = await startService(t)

const operations: Operation[] = Object.entries(app.swagger().paths ?? {}).flatMap(([path, item]) =>
  Object.entries(item as Record<string, Record<string, unknown>>).map(
    ([method, { parameters, responses, security, requestBody }]) => ({
      method: method.toUpperCase() as Operation['method'],
      path: path.length > 1 ? path.replace(/\/$/, '') : path,
      parameters: (parameters ?? []) as Operation['parameters'],
      responses: responses as Operation['responses'],
      isPublic: Array.isArray(security) && security.length === 0,
      hasBody: requestBody !== undefined
    })
  )
)

function nameOf ({ method, path }: Operation): string {
  return `${method} ${path}`
}

/** The call with these in the place of its path parameters. */
async function call (
  operation: Operation,
  ids: Record<string, string>,
  authorization: string | undefined
): Promise<Answer> {
  const { payload, headers, query } = CALLS[nameOf(operation)] ?? {}
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] as string)
  return await inject(app, {
    method: operation.method,
    url: query === undefined ? path : `${path}?${query}`,
    headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
    ...(payload === undefined ? {} : { payload: payload as object })
  })
}

function bearer ({ access_token: token }: Runner): string {
  return `Bearer ${token}`
}

function paramsOf ({ parameters }: Operation) {
  return parameters.filter((parameter) => parameter.in === 'path')
}

async function things (operation: Operation, owner: Runner): Promise<Record<string, string>> {
  const ids: Record<string, string> = {}
  for (const { name } of paramsOf(operation)) ids[name] = await (MAKE[name] as NonNullable<typeof MAKE[string]>)(owner)
  return ids
}

t.test('the routes without authentication are a closed list', async (t) => {
  t.ok(operations.length > 20)
  t.same(operations.filter(({ isPublic }) => isPublic).map(nameOf).sort(), [...PUBLIC].sort())
})

const closed = operations.filter(({ isPublic }) => !isPublic)

t.test('every route is known to this test, with its path parameters and its body', async (t) => {
  for (const operation of closed) {
    for (const { name } of paramsOf(operation)) { t.ok(name in MAKE, `${nameOf(operation)} names a ${name}: say in MAKE how a runner comes by one`) }
    const required = operation.parameters.some(
      (parameter) => parameter.in === 'query' && parameter.required && parameter.schema?.default === undefined
    )
    if (operation.hasBody || required) { t.ok(nameOf(operation) in CALLS, `${nameOf(operation)} needs a body or a query: say in CALLS what it is sent`) }
  }
  const names = new Set(operations.map(nameOf))
  for (const name of Object.keys(CALLS)) t.ok(names.has(name), `${name} is a route`)
})

t.test('every route of the API is rate-limited, and no other route is', async (t) => {
  const limited = await startService(t, { env: { RATE_LIMIT_MAX: '1000', RATE_LIMIT_AUTH_MAX: '1000' } })
  for (const { method, path } of operations) {
    const { headers } = await inject(limited.app, { method, url: path.replace(/\{\w+\}/g, uuidv7()) })
    t.equal('ratelimit-limit' in headers, path.startsWith('/api/'), `${method} ${path}`)
  }
})

for (const operation of closed) {
  t.test(`${nameOf(operation)} is for whose it is, and says so`, async (t) => {
    const [ann, bob] = [await runner(), await runner()]
    const ids = await things(operation, ann)
    const answers: Answer[] = []
    const ask = async (authorization: string | undefined, with_ = ids) => {
      const answer = await call(operation, with_, authorization)
      answers.push(answer)
      return answer
    }
    const isRead = operation.method === 'GET'

    for (const nobody of [undefined, 'Bearer rt_nonsense', 'Bearer x.y.z', 'Basic YTpi']) {
      const { status, body, headers } = await ask(nobody)
      t.equal(status, 401, 'nobody is let in')
      t.equal(body.error_code, 'UNAUTHENTICATED')
      t.match(headers['www-authenticate'], /^Bearer /)
    }

    const { body: { key } } = await ann.call('POST', '/api-keys', { name: 'Reads', scopes: ['read'] })
    const reading = await ask(`Bearer ${key}`)
    if (isRead) t.ok(reading.status < 300, `a key that may read reads: ${reading.status}`)
    else { t.match([reading.status, reading.body.error_code], [403, 'FORBIDDEN'], 'a read-only key cannot write') }

    for (const { name, schema } of paramsOf(operation)) {
      if (schema?.format !== 'uuid') continue
      for (const malformed of ['not-an-id', '%00', '1', `${uuidv7()}0`, `urn:uuid:${uuidv7()}`]) {
        const { status, body } = await ask(bearer(ann), { ...ids, [name]: malformed })
        t.match([status, body.error_code, body.details?.field], [422, 'REQUEST_VALIDATION_ERROR', name], malformed)
      }
      t.equal((await ask(bearer(ann), { ...ids, [name]: uuidv7() })).status, 404, 'what there is not is not found')
    }

    if (paramsOf(operation).length > 0) {
      const other = await ask(bearer(bob))
      t.match([other.status, other.body.error_code], [404, 'NOT_FOUND'], 'what is another’s is not found')
    } else if (isRead) {
      for (const make of Object.values(MAKE)) await make(ann)
      const { raw } = await ask(bearer(bob))
      t.notOk(raw.includes(ann.id) || raw.includes(ann.email), 'nobody reads of another')
    }

    const own = await ask(bearer(ann))
    t.ok(own.status < 300, `its owner is served: ${own.status} ${own.status < 300 ? '' : JSON.stringify(own.body)}`)
    t.equal(own.headers['cache-control'], own.headers.etag === undefined ? 'no-store' : 'private, no-cache')
    for (const { status } of answers) t.ok(String(status) in operation.responses, `${status} is in the document`)
    for (const { status, headers } of answers) if (status >= 400) t.equal(headers['cache-control'], 'no-store')
  })
}

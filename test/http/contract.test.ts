import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { DESCRIBED_ITEMS } from '../../schemas/common.ts'
import type { ApiDocument } from '../../src/openapi/document.ts'
import type { Schema } from '../../src/openapi/example.ts'
import { Availability } from '../../src/health/availability.ts'
import { withTags } from '../../src/http/tagged-unions.ts'
import { Contract, type Described } from '../harness/api-document.ts'
import { ended, formOf } from '../harness/bulk-imports.ts'
import { structureProblems } from '../harness/openapi-structure.ts'
import { arbitraryOf, spoiled } from '../harness/schema-arbitrary.ts'
import { PASSWORD, inject, startProcess, startService, type Answer } from '../harness/service.ts'

const EASY_RUN = readFileSync(new URL('../../../examples/easy-run.fit', import.meta.url))
// Of which the fuzzer takes most.
t.setTimeout(480_000)

const SEED = 42
const RUNS = 25

const service = await startService(t, { env: { LOG_LEVEL: 'ERROR' } })
const runner = await service.runner()
const { body: document } = await inject(service.app, { method: 'GET', url: '/docs/json' }) as { body: ApiDocument }
const contract = new Contract(document)
const { operations } = contract
const follow = (schema: Schema): Schema => schema.$ref === undefined ? schema : contract.follow(schema)

interface Sent {
  payload?: unknown
  headers?: Record<string, string>
  /** Values of the parameters in the path; those that are not there are a new id. */
  ids?: Record<string, string>
  query?: string
  anonymous?: boolean
}

async function ask (
  { method, path, operation }: Described,
  { payload, headers = {}, ids = {}, query = '', anonymous = false }: Sent = {},
  app = service.app
): Promise<Answer> {
  const url = path.replace(/\{(\w+)\}/g, (_all, name: string) => ids[name] ?? randomUUID())
  const signedIn = !anonymous && operation.security === undefined
  return await inject(app, {
    method: method.toUpperCase() as 'GET',
    url: url + query,
    headers: { ...(signedIn ? { authorization: `Bearer ${runner.access_token}` } : {}), ...headers },
    ...(payload === undefined ? {} : { payload: payload as object })
  })
}

const jsonOf = ({ operation }: Described) => operation.requestBody?.content['application/json']
const required = ({ parameters }: Described) => {
  const needed = parameters
    .filter((parameter) => parameter.in === 'query' && parameter.required === true)
    .map(({ name, example }) => `${name}=${encodeURIComponent(String(example))}`)
  return needed.length === 0 ? '' : `?${needed.join('&')}`
}
const named = (operationId: string) =>
  operations.find(({ operation }) => operation.operationId === operationId) as Described

/** Something there is for each parameter of a path: made by a POST to the path before it, or imported. */
async function things (): Promise<Record<string, string>> {
  const imported = await runner.call('POST', '/activities/import', EASY_RUN, {
    'content-type': 'application/octet-stream'
  })
  const { payload, headers } = formOf([{ name: 'easy-run.fit', bytes: EASY_RUN }])
  const accepted = await runner.call('POST', '/imports', payload, headers)
  await ended(runner, accepted.body.import.id)
  const ids: Record<string, string> = { activity_id: imported.body.activity.id, import_id: accepted.body.import.id }
  for (const { path } of operations) {
    const [, parent, name] = /^(.*)\/\{(\w+)\}$/.exec(path) ?? []
    const maker = operations.find((other) => other.method === 'post' && other.path === parent)
    if (name === undefined || maker === undefined || name in ids) continue
    const { body } = await ask(maker, { payload: jsonOf(maker)?.example, ids })
    if (typeof body.id === 'string') ids[name] = body.id
  }
  const workout = await ask(named('createWorkout'), { payload: jsonOf(named('createWorkout'))?.example, ids })
  ids.workout_id = workout.body.id
  return ids
}

/** The methods of a generated client: another name here breaks the programs that use one. */
const OPERATION_IDS = [
  'acceptAdaptation',
  'calculateLoadModel',
  'calculateRace',
  'changePassword',
  'checkLiveness',
  'checkReadiness',
  'createActivity',
  'createApiKey',
  'createCalendarFeed',
  'createGear',
  'createGoal',
  'createImport',
  'createPhysiology',
  'createPlan',
  'createPlanFromTemplate',
  'createWorkout',
  'cropActivity',
  'deleteAccount',
  'deleteActivity',
  'deleteApiKey',
  'deleteCalendarFeed',
  'deleteGear',
  'deleteGoal',
  'deletePhysiology',
  'deletePlan',
  'deleteWorkout',
  'downloadActivityFile',
  'downloadWorkoutFile',
  'exportAccount',
  'exportActivity',
  'generatePlan',
  'getAccount',
  'getActivity',
  'getActivityChart',
  'getActivityStreams',
  'getActivityZones',
  'getCalendar',
  'getCalendarFeed',
  'getFitness',
  'getGear',
  'getGoal',
  'getHealth',
  'getImport',
  'getLoad',
  'getLoadChart',
  'getMetrics',
  'getPlan',
  'getPlanCompliance',
  'getRecords',
  'getRecordsChart',
  'getServiceInfo',
  'getVolume',
  'getVolumeChart',
  'getWorkout',
  'getWorkoutCompliance',
  'getZones',
  'importActivity',
  'linkActivity',
  'listActivities',
  'listActivityBestEfforts',
  'listActivityLaps',
  'listActivitySplits',
  'listApiKeys',
  'listGear',
  'listGoals',
  'listImportedFiles',
  'listImports',
  'listPhysiology',
  'listPlanTemplates',
  'listPlans',
  'listWorkouts',
  'logIn',
  'logOut',
  'proposeAdaptation',
  'putWorkouts',
  'refreshSession',
  'registerAccount',
  'revertImport',
  'uncropActivity',
  'unlinkActivity',
  'updateAccount',
  'updateActivity',
  'updateGear',
  'updateGoal',
  'updatePlan',
  'updateWorkout',
  'watchImport'
]

t.test('the document is OpenAPI 3.1, and every operation in it is named as a method and described', async (t) => {
  t.same(structureProblems(document), [])
  t.notMatch(JSON.stringify(document), DESCRIBED_ITEMS)
  t.same(operations.map(({ operation }) => operation.operationId).sort(), OPERATION_IDS)
  for (const field of ['summary', 'description'] as const) {
    const texts = operations.map(({ operation }) => operation[field] as string)
    t.equal(new Set(texts).size, texts.length, `each ${field} is of one operation`)
    t.same(texts.filter((text) => text !== text.trim()), [])
  }
  t.same(operations.filter(({ operation: { summary } }) => summary?.endsWith('.') === true), [])
  t.same(operations.filter(({ operation: { description } }) => description?.endsWith('.') === false), [])
  const tags = new Set((document as unknown as { tags: Array<{ name: string }> }).tags.map(({ name }) => name))
  t.same(operations.flatMap(({ operation }) => operation.tags ?? []).filter((tag) => !tags.has(tag)), [])
})

t.test('the document names the token of /metrics where there is one', async (t) => {
  t.same(document.paths['/metrics']?.get?.security, [])
  t.same(Object.keys(document.components.securitySchemes ?? {}), ['bearer'])
  const closed = await startService(t, { env: { LOG_LEVEL: 'ERROR', METRICS_TOKEN: 'a-token-for-scrapes-of-this-test' } })
  const { body } = await inject(closed.app, { method: 'GET', url: '/docs/json' })
  t.same(body.paths['/metrics'].get.security, [{ metricsToken: [] }])
  t.same(Object.keys(body.components.securitySchemes), ['bearer', 'metricsToken'])
  t.same(structureProblems(body), [])
})

t.test('a list is a named schema, and so are its items', async (t) => {
  const lists = operations.filter(({ parameters }) => parameters.some(({ name }) => name === 'cursor'))
  const names = lists.map(({ responses }) => responses[200]?.content?.['application/json']?.schema?.$ref ?? '')
  const pages = [
    'ActivityPage', 'ApiKeyPage', 'GearPage', 'GoalPage', 'ImportPage', 'ImportedFilePage', 'PhysiologyPage', 'PlanPage', 'WorkoutPage'
  ]
  t.same(names.sort(), pages.map((name) => `#/components/schemas/${name}`))
  for (const name of pages) {
    t.equal(
      document.components.schemas[name]?.properties?.items?.items?.$ref,
      `#/components/schemas/${name.replace('Page', '')}`
    )
  }
})

t.test('every route is in the document, and everything in the document is a route', async (t) => {
  const routes = new Set<string>()
  const stack: string[] = []
  for (const line of service.app.printRoutes({ commonPrefix: false }).split('\n')) {
    const found = /^([│ ]*)[├└]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line)
    if (found === null) continue
    const depth = (found[1] as string).length / 4
    stack.length = depth
    stack[depth] = found[2] as string
    for (const method of (found[3] ?? '').split(', ').filter(Boolean)) {
      routes.add(
        `${method} ${stack
          .join('')
          .replace(/(?<=.)\/$/, '')
          .replace(/:(\w+)/g, '{$1}')}`
      )
    }
  }
  const listed = [...routes].filter((route) => !/^(HEAD|OPTIONS) | \/docs| \/health\/view\./.test(route))
  t.same(listed.sort(), operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort())
  for (const { method, path } of operations) if (method === 'get') t.ok(routes.has(`HEAD ${path}`), `HEAD ${path}`)
})

t.test('a field tells the branches of every union of a request apart, so that errors name the field that is wrong', (t) => {
  const unions = new Set<string>()
  function walk (schema: Schema, place: string): void {
    const { anyOf, items, properties = {} } = follow(schema)
    if (anyOf !== undefined) {
      // Throws for a union that has no such field.
      const { discriminator } = withTags({ anyOf }) as { discriminator: { propertyName: string } }
      unions.add(`${place} by ${discriminator.propertyName}`)
    }
    for (const branch of anyOf ?? []) walk(branch, place)
    if (items !== undefined) walk(items, `${place}[]`)
    for (const [name, property] of Object.entries(properties)) walk(property, `${place}.${name}`)
  }
  for (const described of operations) {
    const schema = jsonOf(described)?.schema as Schema | undefined
    if (schema !== undefined) walk(schema, described.operation.operationId)
  }
  t.same([...unions].sort(), [
    'acceptAdaptation.changes[] by action',
    'acceptAdaptation.changes[].after.steps[] by type',
    'acceptAdaptation.changes[].after.steps[].steps[] by type',
    'acceptAdaptation.changes[].before.steps[] by type',
    'acceptAdaptation.changes[].before.steps[].steps[] by type',
    'createWorkout.steps[] by type',
    'createWorkout.steps[].steps[] by type',
    'putWorkouts.workouts[].steps[] by type',
    'putWorkouts.workouts[].steps[].steps[] by type',
    'updateWorkout.steps[] by type',
    'updateWorkout.steps[].steps[] by type'
  ])
  const text = { type: 'object', required: ['kind'], properties: { kind: { type: 'string' } } }
  t.throws(() => withTags({ anyOf: [text, text] }), /tells them apart/)
  t.end()
})

t.test('every query with a range of days refuses one that ends before it starts', async (t) => {
  const ranges = operations.filter(({ parameters }) => ['from', 'to'].every((name) => (
    parameters.some((parameter) => parameter.in === 'query' && parameter.name === name)
  )))
  t.same(ranges.map(({ operation }) => operation.operationId).sort(), [
    'getCalendar', 'getLoad', 'getLoadChart', 'getVolume', 'getVolumeChart', 'getZones', 'listActivities', 'listPlans',
    'listWorkouts'
  ])
  for (const described of ranges) {
    const { status, body } = await ask(described, { query: '?from=2025-02-01&to=2025-01-31' })
    const { path } = described
    t.match([path, status, body.details], [path, 422, { field: 'to', errors: [{ field: 'to', location: 'querystring' }] }])
  }
})

t.test('every example fits its schema, and every body and JSON answer has one', async (t) => {
  for (const { method, path, operation } of operations) {
    const places: Array<[string[], Record<string, any>]> = [
      [['paths', path, method, 'requestBody', 'content'], operation.requestBody?.content ?? {}]
    ]
    for (const [status, response] of Object.entries(operation.responses)) {
      const place = response.$ref?.split('/').slice(1) ?? ['paths', path, method, 'responses', status]
      places.push([[...place, 'content'], contract.follow(response).content ?? {}])
    }
    for (const [place, content] of places) {
      for (const [type, medium] of Object.entries(content).filter(([type]) => type === 'application/json')) {
        const values =
          medium.examples === undefined
            ? [medium.example]
            : Object.values<{ value: unknown }>(medium.examples).map(({ value }) => value)
        for (const value of values) { t.same(contract.problems([...place, type, 'schema'], value), [], `${method} ${path} ${place.at(-2)}`) }
      }
    }
  }
})

/** What brings about each status an operation says it can answer with, where anybody can. */
const provocations: Record<number, (described: Described, ids: Record<string, string>) => Sent | undefined> = {
  400: (described) => jsonOf(described) && { payload: '{"', headers: { 'content-type': 'application/json' } },
  401: ({ operation }) => (operation.security === undefined ? { anonymous: true } : undefined),
  404: (described) =>
    /_id\}/.test(described.path) ? { payload: jsonOf(described)?.example, query: required(described) } : undefined,
  412: (described, ids) =>
    described.path.includes('{')
      ? { payload: jsonOf(described)?.example, ids, headers: { 'if-match': '"of-another-state"' } }
      : undefined,
  413: (described) =>
    jsonOf(described) && { payload: ' '.repeat(4 * 1024 * 1024 + 1), headers: { 'content-type': 'application/json' } },
  414: () => ({ query: `?q=${'a'.repeat(8200)}` }),
  415: ({ operation }) => operation.requestBody && { payload: '<a/>', headers: { 'content-type': 'text/xml' } },
  422: (described, ids) => {
    const { path, parameters, operation } = described
    if (/_id\}/.test(path)) {
      return {
        ids: { ...ids, [/\{(\w+_id)\}/.exec(path)?.[1] as string]: 'no-uuid' },
        payload: jsonOf(described)?.example
      }
    }
    if (jsonOf(described) !== undefined) {
      return { payload: { ...(jsonOf(described)?.example as object), no_such_field: 1 } }
    }
    if (operation.operationId === 'createImport') return formOf([])
    if (operation.requestBody !== undefined) { return { payload: 'no recording', headers: { 'content-type': 'application/octet-stream' } } }
    return parameters.some((parameter) => parameter.in === 'query') ? { query: '?no_such_parameter=1' } : undefined
  }
}

t.test('every documented status occurs, with a response as documented', async (t) => {
  const ids = await things()
  let tried = 0
  for (const described of operations) {
    for (const status of Object.keys(described.responses).map(Number)) {
      const sent = provocations[status]?.(described, ids)
      if (sent === undefined) continue
      const answer = await ask(described, sent)
      t.same(
        [answer.status, ...contract.deviations(described, answer)],
        [status],
        `${described.operation.operationId} ${status} ${JSON.stringify(answer.body).slice(0, 200)}`
      )
      tried++
    }
  }
  t.ok(tried > operations.length * 3, `${tried} answers`)
})

t.test('an existing resource is answered as documented: 200 with an ETag, then 304, changed, deleted', async (t) => {
  const ids = await things()
  const order = ['get', 'put', 'patch', 'delete']
  const theirs = operations.filter(
    ({ method, path, operation }) =>
      method !== 'post' &&
      operation.security === undefined &&
      path !== '/api/v1/me' &&
      [...path.matchAll(/\{(\w+)\}/g)].every(([, name]) => (name as string) in ids)
  )
  // A workout is deleted before its plan, which takes it along, and a crop before its activity.
  const later = (a: Described, b: Described): number => order.indexOf(a.method) - order.indexOf(b.method) ||
    (a.method === 'delete' ? b.path.localeCompare(a.path) : 0)
  for (const described of theirs.sort(later)) {
    const { operationId } = described.operation
    const answer = await ask(described, { ids, query: required(described), payload: jsonOf(described)?.example })
    t.same(contract.deviations(described, answer), [], operationId)
    if (described.method !== 'put') { t.ok(answer.status < 300, `${operationId} ${answer.status} ${JSON.stringify(answer.body).slice(0, 200)}`) }
    if (described.responses[304] === undefined) continue
    const headers = { 'if-none-match': String(answer.headers.etag) }
    const again = await ask(described, { ids, query: required(described), headers })
    t.same([again.status, ...contract.deviations(described, again)], [304], operationId)
  }
})

t.test('a service that is not ready says so as documented', async (t) => {
  const starting = await startService(t, { env: { LOG_LEVEL: 'ERROR' }, parts: { availability: new Availability() } })
  for (const described of operations.filter(({ path }) => path.startsWith('/api/') || path === '/health/ready')) {
    const answer = await ask(described, {}, starting.app)
    t.same([answer.status, ...contract.deviations(described, answer)], [503], described.operation.operationId)
    if (described.path.startsWith('/api/')) t.ok(answer.headers['retry-after'])
  }
})

t.test('a client over its limit is answered as documented', async (t) => {
  const strict = await startService(t, { env: { LOG_LEVEL: 'ERROR', RATE_LIMIT_MAX: '1', RATE_LIMIT_AUTH_MAX: '1' } })
  for (const described of operations.filter(({ path }) => path.startsWith('/api/'))) {
    await ask(described, { anonymous: true }, strict.app)
    const answer = await ask(described, { anonymous: true }, strict.app)
    t.same([answer.status, ...contract.deviations(described, answer)], [429], described.operation.operationId)
    t.ok(answer.headers['retry-after'])
  }
})

t.test('an unknown method of a known path is 405 with the methods of that path', async (t) => {
  for (const [method, url, allow] of [
    ['QUERY', '/health', 'GET, HEAD, OPTIONS'],
    ['GET', '/api/v1/activities/import', 'OPTIONS, POST'],
    ['PUT', '/api/v1/activities/import', 'OPTIONS, POST']
  ] as const) {
    const { status, headers } = await inject(service.app, {
      method: method as 'GET',
      url,
      headers: { authorization: `Bearer ${runner.access_token}` }
    })
    t.same([status, headers.allow], [405, allow], `${method} ${url}`)
  }
})

/** What a valid body may meet all the same: rules between fields and states, never the schema. */
const RULES = new Set([400, 401, 403, 404, 409, 412])

/** Whether an answer is one that a body which fits the schema may get; a text in a grammar of its own may be 422. */
const isRule = ({ status, body }: Answer): boolean =>
  RULES.has(status) || (status === 422 && body.details.line !== undefined)

for (const described of operations.filter((one) => jsonOf(one) !== undefined)) {
  const { operationId } = described.operation
  const schema = jsonOf(described)?.schema as Schema
  // The account is needed for the tests after this one.
  if (described.path === '/api/v1/me' && described.method === 'delete') continue

  t.test(
    `${operationId}: a body that fits is taken, or breaks a rule that is named; one that does not is 422`,
    async (t) => {
      const ids = await things()
      const place = ['paths', described.path, described.method, 'requestBody', 'content', 'application/json', 'schema']
      const fitting = arbitraryOf(schema, follow).filter((payload) => contract.problems(place, payload).length === 0)
      await fc.assert(
        fc.asyncProperty(fitting, async (payload) => {
          const answer = await ask(described, { payload, ids })
          const deviations = contract.deviations(described, answer)
          if (deviations.length > 0 || (answer.status >= 300 && !isRule(answer))) { throw new Error(`${answer.status} ${deviations.join('; ')} ${JSON.stringify(answer.body)}`) }
        }),
        { seed: SEED, numRuns: RUNS }
      )
      await fc.assert(
        fc.asyncProperty(spoiled(schema, follow), async (payload) => {
          const answer = await ask(described, { payload, ids })
          const deviations = contract.deviations(described, answer)
          if (answer.status !== 422 || deviations.length > 0) { throw new Error(`${answer.status} ${deviations.join('; ')} ${JSON.stringify(answer.body)}`) }
        }),
        { seed: SEED, numRuns: RUNS }
      )
      t.pass(`${RUNS} of each`)
    }
  )
}

t.test('a recording is imported once, and both answers are as documented', async (t) => {
  const described = named('importActivity')
  const other = await service.runner()
  for (const status of [201, 200]) {
    const answer = await other.call('POST', '/activities/import', EASY_RUN, {
      'content-type': 'application/octet-stream'
    })
    t.same([answer.status, ...contract.deviations(described, answer)], [status])
  }
  const form = `--b\r\nContent-Disposition: form-data; name="file"; filename="a.gpx"\r\n\r\n${readFileSync(new URL('../../../examples/park-run.gpx', import.meta.url), 'utf8')}\r\n--b--\r\n`
  const answer = await other.call('POST', '/activities/import', form, {
    'content-type': 'multipart/form-data; boundary=b'
  })
  t.same([answer.status, ...contract.deviations(described, answer)], [201])
  for (const [type, bytes] of [
    ['multipart/form-data', 'x'],
    ['multipart/form-data; boundary=b', 'x'],
    ['multipart/form-data; boundary=b', form.slice(0, 2000)]
  ] as const) {
    const refused = await other.call('POST', '/activities/import', bytes, { 'content-type': type })
    t.same([refused.status, ...contract.deviations(described, refused)], [400], `${type}, ${bytes.length} bytes`)
  }
})

const SCHEMATHESIS = [process.env.SCHEMATHESIS, 'schemathesis', 'st'].find(
  (command) => command !== undefined && spawnSync(command, ['--version']).status === 0
)
const absent =
  SCHEMATHESIS === undefined && 'schemathesis is not here: pip install schemathesis, or name its path in SCHEMATHESIS'

t.test(
  'an independent fuzzer finds no difference between service and document',
  { skip: absent, timeout: 400_000 },
  async (t) => {
    const { url } = await startProcess(t)
    // Another password than the one in the examples, which deletes an account.
    const signUp = await fetch(`${url}/api/v1/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'fuzzer@example.org', password: `${PASSWORD} of the fuzzer` })
    })
    const { access_token: token } = (await signUp.json()) as { access_token: string }
    const folder = mkdtempSync(join(tmpdir(), 'schemathesis-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    cpSync(fileURLToPath(new URL('../../../test/harness/fixtures/schemathesis', import.meta.url)), folder, {
      recursive: true
    })
    const args = [
      '--config-file',
      'schemathesis.toml',
      'run',
      `${url}/docs/json`,
      '--url',
      url,
      '--header',
      `Authorization: Bearer ${token}`,
      '--seed',
      '7',
      '--max-examples',
      '4',
      '--phases',
      'examples,coverage,fuzzing'
    ]
    const child = spawn(SCHEMATHESIS as string, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    let report = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        report += text
      })
    }
    const [code] = await once(child, 'exit')
    if (code !== 0) t.comment(report)
    t.equal(code, 0, /API Operations:[^]*/.exec(report)?.[0] ?? 'no report')
  }
)

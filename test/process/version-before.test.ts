import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createDatabase } from '../harness/database.ts'
import { tcxActivity, tcxOf } from '../harness/fixtures/recordings.ts'
import { ask, newPlan, signUp, type HttpCall } from '../harness/http-client.ts'
import { startProcess, type ServiceProcess } from '../harness/service.ts'
import { buildCommit, findVersionBefore } from '../harness/version-before.ts'

t.setTimeout(480_000)

const before = findVersionBefore()
const skip = 'missing' in before ? `${before.missing}: NOT TESTED` : false

/** What a runner does at one process; what was written at the other one is read, changed and deleted. */
async function journey (t: Test, { port }: ServiceProcess, other: ServiceProcess): Promise<void> {
  const headers = await signUp(port)
  const call = async (at: number, method: string, path: string, expected: number, rest: HttpCall = {}) => {
    const { status, text } = await ask(at, `/api/v1${path}`, { method, ...rest, headers: { ...headers, ...rest.headers } })
    t.equal(status, expected, `${method} ${path.replace(/[\da-f-]{36}/, ':id')} ${status === expected ? '' : text}`)
    return JSON.parse(text === '' ? '{}' : text) as { id: string, activity: { id: string } }
  }
  const key = { 'idempotency-key': randomUUID() }
  const plan = await call(port, 'POST', '/plans', 201, { body: newPlan('Plan'), headers: key })
  t.same(await call(other.port, 'POST', '/plans', 201, { body: newPlan('Plan'), headers: key }), plan, 'the answer of the other')
  await call(other.port, 'PATCH', `/plans/${plan.id}`, 200, { body: { status: 'active' } })
  const workout = await call(port, 'POST', `/plans/${plan.id}/workouts`, 201, {
    body: { date: '2026-02-01', kind: 'easy', name: 'Easy', steps_text: '- 5km @z2' }
  })
  await call(other.port, 'PATCH', `/workouts/${workout.id}`, 200, { body: { name: 'Easier' } })
  const gear = await call(other.port, 'POST', '/gear', 201, { body: { name: 'Shoes', is_default: true } })
  const bytes = Buffer.from(tcxOf(`<Activities>${tcxActivity({ count: 300 })}</Activities>`))
  const { activity } = await call(port, 'POST', '/activities/import', 201, { bytes, type: 'application/octet-stream' })
  await call(other.port, 'PATCH', `/activities/${activity.id}`, 200, { body: { perceived_effort: 5, notes: 'Windy' } })
  await call(other.port, 'GET', `/activities/${activity.id}/streams`, 200)
  const run = { sport: 'running', start_time: '2026-02-01T08:00:00Z', distance_m: 5000, elapsed_s: 1500 }
  const { id } = await call(port, 'POST', '/activities', 201, { body: run })
  await call(other.port, 'DELETE', `/activities/${id}`, 204)
  for (const path of ['/plans', '/activities', '/gear', '/analytics/volume?by=week', '/analytics/load?from=2026-02-01&to=2026-02-03']) {
    for (const at of [port, other.port]) await call(at, 'GET', path, 200)
  }
  await call(other.port, 'DELETE', `/workouts/${workout.id}`, 204)
  await call(port, 'DELETE', `/gear/${gear.id}`, 204)
  await call(other.port, 'DELETE', `/plans/${plan.id}`, 204)
}

t.test('the version before serves beside this one on the migrated schema, forward and back one step', { skip }, async (t) => {
  const { commit } = before as { commit: string }
  const script = buildCommit(commit, `${t.testdir({})}/before`)
  const env = {
    DATABASE_URL: await createDatabase(t, { migrated: false }),
    JWT_SECRET: 'one secret for all of these processes',
    MAX_POOL_SIZE: '5'
  }
  const old = await startProcess(t, env, { script })
  await t.test('before the upgrade', async (t) => await journey(t, old, old))
  const newest = await startProcess(t, env)
  await t.test('both at once', async (t) =>
    await Promise.all([journey(t, old, newest), journey(t, newest, old)]))
  t.match(await old.stop(), { code: 0 })
  const back = await startProcess(t, env, { script })
  await t.test('back one step', async (t) => await journey(t, back, newest))
  const failed = [old, newest, back].flatMap(({ lines }) =>
    lines.filter(({ level }) => level === 'ERROR' || level === 'CRITICAL'))
  t.same(failed, [])
})

import { fileURLToPath } from 'node:url'
import t from 'tap'
import { recomputeFigures } from '../../jobs/recompute-figures.ts'
import { reprocess } from '../../jobs/reprocess.ts'
import { takeRecomputation } from '../../db/recomputations.ts'
import { transaction } from '../../db/sql.ts'
import { tryLockJob } from '../../db/jobs.ts'
import { FORMULA_VERSIONS } from '../../src/domain/training/formula-versions.ts'
import { JobRunner } from '../../src/jobs/runner.ts'
import { createLogger } from '../../src/log/logger.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import { DecodingPool } from '../../src/workers/decoding.ts'
import { RECOMPUTE_FIGURES } from '../../src/workflows/recompute-due.ts'
import { QUEUE_OUTDATED, queueOutdatedBatch, reprocessingStatus } from '../../src/workflows/reprocess.ts'
import { MADE_START, madeAs, straight } from '../harness/fixtures/kinds.ts'
import { send } from '../harness/imports.ts'
import { runNode } from '../harness/plain-node.ts'
import { startService, type Runner } from '../harness/service.ts'
import { openTestSpool } from '../harness/spool.ts'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
const DAY_MS = 86_400_000
const { runner, app, database, databaseUrl, config } = await startService(t)
const { sql } = database
const { recording, load } = FORMULA_VERSIONS
// The service's own jobs would do the same in between.
await app.jobs.stop()
const { spool } = await openTestSpool(t)
const pool = new DecodingPool()
t.teardown(() => pool.close())
const metrics = new Metrics(config.app)
const jobs = new JobRunner({
  jobs: [
    reprocess(sql, metrics.recomputationsWaiting),
    recomputeFigures(sql, {
      spool,
      decode: (file, signal, again) => pool.decode(file, { signal, again }),
      signal: new AbortController().signal,
      observe: metrics.recomputed
    })
  ],
  log: createLogger({ sink: { write (line) { t.fail(line) } } }),
  mayRun: () => true
})

/** Runs on consecutive days; answers their ids, the oldest first. */
async function runsOf (ann: Runner, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let day = 0; day < count; day++) {
    const { status, body } = await send(ann, Buffer.from(madeAs('fit', { points: straight(120), startMs: MADE_START + day * DAY_MS })))
    t.equal(status, 201, JSON.stringify(body))
    ids.push(body.activity.id)
  }
  return ids
}

async function command (...args: string[]) {
  return await runNode([CLI, 'reprocess', ...args], { env: { DATABASE_URL: databaseUrl, NODE_ENV: 'test' } })
}

const queued = async () => await sql<{ activity_id: string | null, in_bulk: boolean }>`/* test */
  select activity_id, in_bulk from recomputations order by in_bulk, start_time desc
`
const versions = async (ann: Runner) => (await sql<{ version: number }>`/* test */
  select formula_version as version from activity_figures where user_id = ${ann.id}
`).map(({ version }) => version)

async function age (ann: Runner, activityIds: string[]): Promise<void> {
  await sql`/* test */ update activity_figures set formula_version = 0
    where user_id = ${ann.id} and activity_id = any(${activityIds}::uuid[])`
  await sql`/* test */ update activities set load_version = 0
    where user_id = ${ann.id} and activity_id = any(${activityIds}::uuid[])`
  await sql`/* test */ update reprocessing set recording_version = 0, load_version = 0, finished_at = null`
}

t.test('what older formulas made is computed again by itself, once', async (t) => {
  const ann = await runner()
  const [first, , third] = await runsOf(ann, 3) as [string, string, string]
  await age(ann, [first, third])
  await jobs.run(QUEUE_OUTDATED)
  t.same((await queued()).map(({ activity_id, in_bulk }) => [activity_id, in_bulk]), [
    [null, true],
    [third, true],
    [first, true]
  ], 'the loads of the runner, then the newest activity')
  t.match(await metrics.registry.metrics(), /^recomputations_waiting\{cause="in_bulk"\} 3$/m)
  t.match(await reprocessingStatus(sql), { state: 'computing', in_bulk: 3, versions: { recording, load } })
  await jobs.run(RECOMPUTE_FIGURES)
  t.same(await versions(ann), [recording, recording, recording])
  t.same(await queued(), [])
  t.match(await metrics.registry.metrics(), /^recomputations_total\{of="activity",outcome="computed"\} 2$/m)
  t.match((await ann.call('GET', `/activities/${first}`)).body, { distance_m: Number, moving_s: Number })
  await jobs.run(QUEUE_OUTDATED)
  t.same(await queued(), [], 'nothing is queued twice')
  t.match(await reprocessingStatus(sql), { state: 'done' })
})

t.test('an operator has all of it computed again, and sees how far it is', async (t) => {
  const ann = await runner()
  const [first] = await runsOf(ann, 2) as [string]
  await sql`/* test */ delete from activity_figures where user_id = ${ann.id} and activity_id = ${first}`
  const asked = await command('--all')
  t.equal(asked.status, 0, asked.stderr)
  t.match(asked.stdout, /queueing the activities/)
  await jobs.run(QUEUE_OUTDATED)
  const mine = await sql`/* test */ select from recomputations where user_id = ${ann.id} and activity_id is not null`
  t.equal(mine.length, 2)
  t.match((await command('--status')).stdout, /computing, the newest[^]*waiting: \d+ in bulk, 0 changed by runners/)
  await jobs.run(RECOMPUTE_FIGURES)
  t.same(await versions(ann), [recording, recording], 'also of the activity that had no figures')
  t.match((await command()).stdout, /queueing/, 'without --all, what is outdated is looked for')
  await jobs.run(QUEUE_OUTDATED)
  t.match((await command('--status')).stdout, /nothing to compute again/)
})

t.test('while it pauses, what runners change is computed all the same', async (t) => {
  const ann = await runner()
  const [first, second] = await runsOf(ann, 2) as [string, string]
  await age(ann, [first, second])
  await jobs.run(QUEUE_OUTDATED)
  t.match((await command('--pause')).stdout, /^Paused/)
  t.equal((await command('--pause')).status, 0, 'twice is once')
  const body = { valid_from: '2020-01-01', threshold_pace_s_per_km: 240 }
  t.equal((await ann.call('POST', '/me/physiology', body)).status, 201)
  await jobs.run(RECOMPUTE_FIGURES)
  t.same((await queued()).map(({ activity_id }) => activity_id), [second, first], 'the loads are computed')
  t.equal((await ann.call('GET', `/activities/${first}`)).body.load_model, 'rtss')
  await age(ann, [first])
  t.equal(await queueOutdatedBatch(sql), 'done', 'nothing more is queued')
  t.match((await command('--resume')).stdout, /queueing|computing/)
  await jobs.run(QUEUE_OUTDATED)
  await jobs.run(RECOMPUTE_FIGURES)
  t.same(await queued(), [])
  t.same(await versions(ann), [recording, recording])
})

t.test('what a runner changed is computed before all that is computed in bulk', async (t) => {
  const ann = await runner()
  const [first, second] = await runsOf(ann, 2) as [string, string]
  await age(ann, [first, second])
  await jobs.run(QUEUE_OUTDATED)
  await ann.call('POST', '/me/physiology', { valid_from: '2020-01-01', threshold_pace_s_per_km: 240 })
  t.same((await queued()).map(({ in_bulk }) => in_bulk), [false, true, true])
  t.match(await takeRecomputation(sql, Math.max(recording, load)), { activity_id: null, user_id: ann.id })
  t.match(await takeRecomputation(sql, Math.max(recording, load)), { activity_id: second })
  await sql`/* test */ delete from recomputations`
})

t.test('one process queues at a time, and an older one leaves newer formulas alone', async (t) => {
  const ann = await runner()
  await age(ann, await runsOf(ann, 1))
  await transaction(sql, async (other) => {
    t.ok(await tryLockJob(other, QUEUE_OUTDATED))
    t.equal(await queueOutdatedBatch(sql), 'elsewhere')
  })
  await sql`/* test */ update reprocessing set recording_version = 99, finished_at = null`
  t.equal(await queueOutdatedBatch(sql), 'done')
  t.same(await queued(), [])
})

t.test('the command says what it takes and what is wrong', async (t) => {
  t.equal((await command('--pause', '--resume')).status, 64)
  t.equal((await command('--nonsense')).status, 64)
  const embedded = await runNode([CLI, 'reprocess'], { env: { NODE_ENV: 'test' } })
  t.match(embedded, { status: 1, stdout: /DATABASE_URL is not set/ })
  const gone = await runNode([CLI, 'reprocess'], { env: { NODE_ENV: 'test', DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' } })
  t.match(gone, { status: 1, stdout: /Nothing was changed/ })
})

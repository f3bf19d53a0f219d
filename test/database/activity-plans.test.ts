import t from 'tap'
import { bind } from '../../db/driver/bind.ts'
import {
  deleteActivity, findActivity, findActivityToChange, insertActivity, listActivities, updateActivity
} from '../../db/activities.ts'
import { findCalendar } from '../../db/accounts.ts'
import { findFirstDay, sumDays, sumLoads, sumZones } from '../../db/analytics.ts'
import { updateEffortYears } from '../../db/figures.ts'
import { clearDefaultGear, deleteGear, findGear, listGear, updateGear } from '../../db/gear.ts'
import { deleteGoal, findGoal, listGoals, sumGoals, updateGoal } from '../../db/goals.ts'
import {
  listFastest, listFastestOf, listRaces, listRecordHistory, listRecordHistoryOf
} from '../../db/records.ts'
import { listMatchableActivities, listMatchableWorkouts, listPlanActivities } from '../../db/matches.ts'
import { findQueuedDays } from '../../db/recomputations.ts'
import { transaction, type Sql } from '../../db/sql.ts'
import { NO_ZONES } from '../../src/domain/training/zones.ts'
import { startService } from '../harness/service.ts'

const { runner, database } = await startService(t)

const RUN = { sport: 'running', start_time: '2026-03-01T06:30:00Z', distance_m: 10_000, elapsed_s: 3000 }

interface Node {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  'Rows Removed by Join Filter'?: number
  Plans?: Node[]
}

/** The nodes of a plan that read a table. */
function reads (node: Node): Node[] {
  const inner = (node.Plans ?? []).flatMap(reads)
  return node['Relation Name'] !== undefined || node['Index Name'] !== undefined ? [node, ...inner] : inner
}

/** How many rows each statement of `work` looked at, in all steps of its plan. */
async function rowsOf (work: (sql: Sql) => Promise<unknown>): Promise<Array<{ name: string, rows: number }>> {
  return (await explained(work, 'analyze, ')).map(({ name, plan }) => ({ name, rows: rowsIn(plan) }))
}

function rowsIn (node: Node): number {
  const own = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) +
    (node['Rows Removed by Join Filter'] ?? 0)
  return own * (node['Actual Loops'] ?? 0) + (node.Plans ?? []).reduce((sum, inner) => sum + rowsIn(inner), 0)
}

/** Runs `work` with its statements explained and not carried out, and answers their plans by name. */
async function plansOf (work: (sql: Sql) => Promise<unknown>): Promise<Array<{ name: string, nodes: Node[] }>> {
  return (await explained(work)).map(({ name, plan }) => ({ name, nodes: reads(plan) }))
}

async function explained (work: (sql: Sql) => Promise<unknown>, options = ''): Promise<Array<{ name: string, plan: Node }>> {
  const plans: Array<{ name: string, plan: Node }> = []
  await transaction(database.sql, async (sql) => {
    const explaining = bind({
      async run (strings, values) {
        const [, name, rest] = /^\/\* (\w+) \*\/([^]*)$/.exec(strings[0]!)!
        const parts = [`/* explain */ explain (${options}format json) ${rest!}`, ...strings.slice(1)]
        const [row] = await sql<{ 'QUERY PLAN': Array<{ Plan: Node }> }>(
          Object.assign(parts, { raw: parts }) as never, ...values as never[]
        )
        plans.push({ name: name!, plan: row!['QUERY PLAN'][0]!.Plan })
        return []
      },
      transaction: async (inner) => await inner(explaining)
    })
    await work(explaining)
  })
  return plans
}

t.test('matching and compliance read no more rows than there are, without statistics too', async (t) => {
  const ann = await runner()
  const { body: plan } = await ann.call('POST', '/plans', {
    name: 'Plan', start_date: '2024-01-01', end_date: '2025-12-31', status: 'active'
  })
  await database.sql`/* fillYear */
    with done as (
      insert into activities (user_id, activity_id, sport, start_time, timezone, local_date, distance_m, elapsed_s, format)
      select ${ann.id}, gen_random_uuid(), 'running', at, 'UTC', at::date, 10000, 3000, 'manual'
      from generate_series(timestamptz '2024-01-01 12:00Z', '2025-05-01', '1 day') at
      returning activity_id, local_date
    ),
    planned as (
      insert into workouts (user_id, workout_id, plan_id, date, kind, name)
      select ${ann.id}, gen_random_uuid(), ${plan.id}, day, 'easy', 'Run'
      from generate_series(date '2024-01-01', '2025-05-01', '1 day') day
      returning workout_id, date
    )
    insert into workout_activities (user_id, workout_id, activity_id, matched_by, reason)
    select ${ann.id}, workout_id, activity_id, 'rule', 'On the planned day'
    from planned join done on local_date = date
    where date > '2024-06-01'
  `
  const days = Array.from({ length: 400 }, (_, i) => new Date(Date.UTC(2024, 0, 1 + i)).toISOString().slice(0, 10))
  const counts = await rowsOf(async (sql) => {
    await listPlanActivities(sql, ann.id, plan, 5000)
    await listMatchableWorkouts(sql, ann.id, { from: '2024-01-01', to: '2025-12-31', perDay: 50, limit: 5000 })
    await listMatchableActivities(sql, ann.id, days, 50)
  })
  t.same(counts.map(({ name }) => name), ['listPlanActivities', 'listMatchableWorkouts', 'listMatchableActivities'])
  // Each of some 500 rows by ten steps of a plan at most; comparing each with each takes 250,000.
  for (const { name, rows } of counts) t.ok(rows < 10_000, `${name}: ${rows}`)
})

t.test('every statement about activities, analytics, gear and goals is one that reads by an index', async (t) => {
  const ann = await runner()
  const gear = (await ann.call('POST', '/gear', { name: 'Shoes', is_default: true })).body
  const { body: { id } } = await ann.call('POST', '/activities', RUN)
  const goal = (await ann.call('POST', '/goals', { metric: 'distance', period: 'week', target: 50_000 })).body
  // Many runners with many runs each: with few rows, reading all of them is the best plan.
  await database.sql`/* crowd */
    insert into users (user_id) select gen_random_uuid() from generate_series(1, 5000)
  `
  await database.sql`/* fill */
    with many as (
      insert into users (user_id, email) select gen_random_uuid(), n || '@example.org' from generate_series(1, 200) n returning user_id
    ),
    shoes as (
      insert into gear (user_id, gear_id, name, sport)
      select user_id, gen_random_uuid(), 'Shoes', 'running' from many, generate_series(1, 10) returning user_id, gear_id
    ),
    wishes as (
      insert into goals (user_id, goal_id, metric, period, target)
      select user_id, gen_random_uuid(), 'distance', 'week', 1 from many, generate_series(1, 10)
    )
    insert into activities (user_id, activity_id, sport, start_time, timezone, local_date, distance_m, elapsed_s, format, gear_id)
    select user_id, gen_random_uuid(), 'running', at, 'UTC', at::date, 10000, 3000, 'manual', gear_id
    from shoes, generate_series(timestamptz '2024-01-01', '2024-01-10', '1 day') at
  `
  await database.sql`/* fillEfforts */
    insert into best_efforts (user_id, activity_id, distance_m, formula_version, elapsed_s, start_s, year)
    select a.user_id, a.activity_id, d, 1, d / 4, 0, 2024 from activities a, unnest('{1000, 5000}'::float8[]) d
  `
  for (const table of ['users', 'activities', 'gear', 'goals', 'best_efforts']) {
    await transaction(database.sql, async (sql) => {
      const parts = [`/* analyze */ analyze ${table}`]
      await sql(Object.assign(parts, { raw: parts }) as never)
    })
  }
  const user = ann.id
  const activity = await findActivity(database.sql, user, id)
  const [shoes] = await listGear(database.sql, user, { limit: 1 })
  const [wish] = await listGoals(database.sql, user, 1)
  const days = { from: '2026-01-01', to: '2026-12-31' }
  const byHand = {
    format: 'manual', recording_id: null, device_name: null, exertion: null, gear_id: undefined, ...NO_ZONES
  }
  const statements: Record<string, (sql: Sql) => Promise<unknown>> = {
    listActivities: (sql) => listActivities(sql, user, { limit: 50 }),
    'listActivities of some days': (sql) => listActivities(sql, user, { limit: 50, from: '2026-01-01', to: '2026-12-31' }),
    'listActivities with gear': (sql) => listActivities(sql, user, { limit: 50, gear_id: gear.id }),
    findActivity: (sql) => findActivity(sql, user, id),
    findActivityToChange: (sql) => findActivityToChange(sql, user, id, gear.id),
    insertActivity: (sql) => insertActivity(sql, user, { ...activity!, ...byHand }, 1),
    updateActivity: (sql) => updateActivity(sql, user, activity!),
    deleteActivity: (sql) => deleteActivity(sql, user, activity!),
    listGear: (sql) => listGear(sql, user, { limit: 50 }),
    findGear: (sql) => findGear(sql, user, gear.id),
    updateGear: (sql) => updateGear(sql, user, shoes!),
    clearDefaultGear: (sql) => clearDefaultGear(sql, user, { id: gear.id, sport: 'running' }),
    deleteGear: (sql) => deleteGear(sql, user, shoes!),
    listGoals: (sql) => listGoals(sql, user, 50),
    findGoal: (sql) => findGoal(sql, user, goal.id),
    updateGoal: (sql) => updateGoal(sql, user, wish!),
    deleteGoal: (sql) => deleteGoal(sql, user, wish!),
    sumGoals: (sql) => sumGoals(sql, user, [{ id: goal.id, from: '2026-02-23', to: '2026-03-01' }]),
    findCalendar: (sql) => findCalendar(sql, user),
    findFirstDay: (sql) => findFirstDay(sql, user),
    sumDays: (sql) => sumDays(sql, user, days),
    sumLoads: (sql) => sumLoads(sql, user, days.from, days.to),
    sumZones: (sql) => sumZones(sql, user, days, 2),
    findQueuedDays: (sql) => findQueuedDays(sql, user),
    listFastest: (sql) => listFastest(sql, user, [1000, 5000], 10),
    listFastestOf: (sql) => listFastestOf(sql, user, days, 10),
    listRecordHistory: (sql) => listRecordHistory(sql, user, [1000, 5000]),
    listRecordHistoryOf: (sql) => listRecordHistoryOf(sql, user, days),
    updateEffortYears: (sql) => updateEffortYears(sql, user, [id]),
    listRaces: (sql) => listRaces(sql, user, days, 10)
  }
  for (const [title, work] of Object.entries(statements)) {
    const plans = await plansOf(work)
    t.equal(plans.length, 1, `${title} is one statement`)
    const nodes = plans[0]?.nodes ?? []
    t.ok(nodes.length > 0)
    t.same(nodes.filter((node) => node['Node Type'] === 'Seq Scan'), [], `${title} scans no table`)
  }
  const indexesOf = async (work: (sql: Sql) => Promise<unknown>) =>
    (await plansOf(work)).flatMap(({ nodes }) => nodes.map((node) => node['Index Name']))
  t.ok((await indexesOf(statements['listActivities with gear']!)).includes('activities_by_gear'))
  t.ok((await indexesOf(statements.listGear!)).includes('activities_by_gear'))
  for (const name of ['sumGoals', 'sumDays', 'sumLoads', 'sumZones']) {
    t.ok((await indexesOf(statements[name]!)).includes('activities_totals'), name)
  }
  // By the days, and then by activity: never all efforts of the runner.
  for (const name of ['listFastestOf', 'listRecordHistoryOf']) {
    t.same(await indexesOf(statements[name]!), ['activities_totals', 'best_efforts_pkey'], name)
  }
  t.same(new Set(await indexesOf(statements.listFastest!)), new Set(['best_efforts_fastest', 'activities_pkey']))
  const history = await indexesOf(statements.listRecordHistory!)
  t.equal(history.filter((name) => name === 'best_efforts_by_year').length >= 2, true, String(history))
  t.ok((await indexesOf(statements.listActivities!)).includes('activities_newest'))
})

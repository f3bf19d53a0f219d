// What the service is measured against: Fastify and postgres.js, the same routes, schemas, statements and answers, and
// nothing else. Nobody signs in; whose plans are meant is said by a header that is sent to the service, too.
import fastify from 'fastify'
import postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import { overlapsAmong } from '../dist/src/domain/plans/overlaps.js'
import { NewPlan, PlanDetail, PlanPage, PlanParams, PlanQuery } from '../dist/schemas/plans.js'
import { Alive, Welcome } from '../dist/schemas/operations.js'

const sql = postgres(process.env.DATABASE_URL, { max: Number(process.env.POOL_SIZE ?? 20), onnotice: () => {} })
const app = fastify()

app.get('/', { schema: { response: { 200: Welcome } } }, async () => ({
  name: 'Running Trainer API',
  version: '1.0.0',
  description: 'An open, API-first training service for runners',
  links: { documentation: '/docs', openapi: '/docs/json', health: '/health', metrics: '/metrics', api: '/api/v1' }
}))

app.get('/health/live', { schema: { response: { 200: Alive } } }, (_request, reply) => {
  reply.send({ status: 'alive' })
})

app.get(
  '/api/v1/plans/:plan_id',
  { schema: { params: PlanParams, response: { 200: PlanDetail } } },
  async (request, reply) => {
    const [plan] = await sql`
    select plan_id as id, name, goal, status, start_date, end_date, race, notes, created_at, updated_at, revision, outline->'phases' as phases, outline->'weeks' as weeks
    from plans where user_id = ${request.headers['x-runner']} and plan_id = ${request.params.plan_id}
  `
    if (plan === undefined) return reply.code(404).send()
    return plan
  }
)

app.get('/api/v1/plans', { schema: { querystring: PlanQuery, response: { 200: PlanPage } } }, async (request) => {
  const { limit } = request.query
  const rows = await sql`
    select plan_id as id, name, goal, status, start_date, end_date, race, notes, created_at, updated_at, revision
    from plans where user_id = ${request.headers['x-runner']} order by plan_id desc limit ${limit + 1}
  `
  const items = rows.length > limit ? rows.slice(0, limit) : rows
  return {
    items,
    next_cursor:
      rows.length > limit ? Buffer.from(JSON.stringify(['plans', items.at(-1).id])).toString('base64url') : null,
    warnings: overlapsAmong(items)
  }
})

app.post('/api/v1/plans', { schema: { body: NewPlan, response: { 201: PlanDetail } } }, async (request, reply) => {
  const { name, goal, status, start_date, end_date, race, notes } = request.body
  const [plan] = await sql`
    insert into plans (user_id, plan_id, name, goal, status, start_date, end_date, race, notes)
    values (
      ${request.headers['x-runner']}, ${uuidv7()}, ${name}, ${goal ?? null}, ${status ?? 'draft'},
      ${start_date}, ${end_date}, ${race === undefined ? null : sql.json(race)}, ${notes ?? null}
    )
    returning plan_id as id, name, goal, status, start_date, end_date, race, notes, created_at, updated_at, revision, outline->'phases' as phases, outline->'weeks' as weeks
  `
  return reply.code(201).send(plan)
})

process.on('SIGTERM', async () => {
  await app.close()
  await sql.end({ timeout: 1 })
  process.exit(0)
})
await app.listen({ host: process.env.HOST, port: Number(process.env.PORT) })

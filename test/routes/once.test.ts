import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import { insertPlan, listPlans } from '../../db/plans.ts'
import { transaction } from '../../db/sql.ts'
import idempotency from '../../plugins/idempotency.ts'
import { AppError } from '../../src/errors.ts'
import { created } from '../../src/http/answer.ts'
import { newId } from '../../src/ids.ts'
import { startService, type Runner, type Service } from '../harness/service.ts'

const PLAN = { name: 'Spring marathon', start_date: '2026-01-05', end_date: '2026-04-26' }

function key (): Record<string, string> {
  return { 'idempotency-key': randomUUID() }
}

async function plansOf ({ database }: Service, { id }: Runner): Promise<number> {
  return (await listPlans(database.sql, id, { limit: 100 })).length
}

/** A scope like that of the signed-in routes, for POST routes of a test. */
function signedIn (app: FastifyInstance, routes: (scope: FastifyInstance) => void): void {
  app.register(async (scope) => {
    scope.addHook('onRequest', app.authenticate)
    await scope.register(idempotency)
    routes(scope)
  }, { prefix: '/api/v1/test' })
}

t.test('a POST handler cannot write outside the transaction of its answer', async (t) => {
  let request: FastifyRequest | undefined
  const service = await startService(t, {
    boot: (app) => signedIn(app, (scope) => {
      scope.addHook('preHandler', async (each) => { request = each })
      scope.post('/', scope.once(async (sql, given) => {
        t.same(Object.keys(given).sort(), ['body', 'headers', 'host', 'log', 'params', 'protocol', 'query', 'user'])
        t.throws(() => request?.sql, /given as an argument/)
        await insertPlan(sql, given.user.id, newId(), PLAN)
        t.throws(() => request?.sql, /given as an argument/)
        throw new AppError('CONFLICT', 'refused after it wrote')
      }))
      scope.post('/by-handler', {
        config: { idempotency: 'by_handler' },
        schema: { response: { 201: { type: 'object', properties: { before: { type: 'integer' } } } } }
      }, async (request, reply) => {
        t.throws(() => request.sql, /given as an argument/)
        return await scope.idempotently(request, reply, {
          fingerprint: () => ['the same'],
          prepare: async (sql) => await listPlans(sql, request.user.id, { limit: 1 }),
          work: async (sql, before) => {
            t.throws(() => request.sql, /given as an argument/)
            await insertPlan(sql, request.user.id, newId(), PLAN)
            return created({ before: before.length })
          }
        })
      })
    })
  })
  t.notOk('database' in service.app, 'nor is there another way to the database')
  const ann = await service.runner()
  t.equal((await ann.call('POST', '/test', {}, key())).status, 409)
  t.equal(await plansOf(service, ann), 0, 'what it wrote went with its transaction')
  t.equal((await ann.call('POST', '/test', {})).status, 409)
  t.equal(await plansOf(service, ann), 1, 'without a key it writes as it goes')
  const same = key()
  for (const replayed of [undefined, 'true']) {
    const { status, headers, body } = await ann.call('POST', '/test/by-handler', {}, same)
    t.match({ status, body }, { status: 201, body: { before: 1 } })
    t.equal(headers['idempotent-replayed'], replayed)
  }
  t.equal(await plansOf(service, ann), 2)
})

t.test('a POST handler that does not take its database as an argument is refused when it is registered', async (t) => {
  let registered: unknown
  await startService(t, {
    boot: (app) => signedIn(app, (scope) => {
      try {
        registered = scope.post('/', async ({ sql }) => await transaction(sql, async () => ({})))
      } catch (error) {
        registered = error
      }
    })
  })
  t.match(registered, { message: 'The handler of POST /api/v1/test is not made by app.once' })
})

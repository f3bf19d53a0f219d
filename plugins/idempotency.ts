import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, FastifySchema, RouteOptions } from 'fastify'
import { stringify } from 'safe-stable-stringify'
import { confirmAnswer, findAnswer, keepAnswer, tryLock, type KeptAnswer } from '../db/idempotency.ts'
import { transaction, type Sql } from '../db/sql.ts'
import { errors } from '../schemas/error.ts'
import { AnswerSeal } from '../src/auth/answer-seal.ts'
import { AppError } from '../src/errors.ts'
import { putAnswer, type Answer, type AnswerOf, type HandlerOf, type RequestOf } from '../src/http/answer.ts'
import type { Failure } from '../src/http/exchange.ts'
import { recordAnswer, refusalOf, type RecordedAnswer } from '../src/http/recorded-answer.ts'

/** What a handler sees of its request: all but the ways to the database and to the reply. */
export type OnceRequest<Schema extends FastifySchema> = Pick<
  RequestOf<Schema>,
  'user' | 'body' | 'params' | 'query' | 'headers' | 'protocol' | 'host' | 'log'
>

/** What is done once for all requests with one key. */
export interface OnceOnly<Prepared, Body> {
  /** What distinguishes this body from another one: its text, or the hash of its bytes. */
  fingerprint: () => ReadonlyArray<string | Uint8Array>
  /** Slow work that writes nothing, done before the transaction; its errors are answers too. */
  prepare (sql: Sql): Promise<Prepared>
  /** Writes, in the transaction that keeps its answer. It may run more than once, as a transaction may. */
  work (sql: Sql, prepared: Prepared): Promise<Answer<number, Body>>
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Makes the handler of a POST. With an Idempotency-Key it writes in the transaction that keeps its answer, which is
     * sent after the commit; without one it writes as the request.
     */
    once<Schema extends FastifySchema> (
      handler: (sql: Sql, request: OnceRequest<Schema>) => Promise<AnswerOf<Schema>>
    ): HandlerOf<Schema>
    /**
     * Does the work of a request, or where one with the same Idempotency-Key has done it, answers as that did. Returns
     * what the handler is to return.
     */
    idempotently<Prepared, Body> (
      request: FastifyRequest, reply: FastifyReply, once: OnceOnly<Prepared, Body>
    ): Promise<Body>
  }
  interface FastifyContextConfig {
    /** The handler reads its body itself, and calls `idempotently` itself when it knows the bytes. */
    idempotency?: 'by_handler'
  }
}

const KEPT_HOURS = 24
const KEY = /^[\x20-\x7e]{1,255}$/
const KeyHeader = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: KEY.source,
      description:
        'At best a new UUID. The same request sent again with it, within 24 hours, is not done again: it gets the first answer, with `Idempotent-Replayed: true`.'
    })
  )
})

/**
 * Lets a client repeat a POST whose answer it did not get. The first answer is stored in the same transaction as what
 * was written, and is sent only when that is committed: neither is ever there without the other.
 *
 *     begin → lock by user, method, path and key → is there an answer? → savepoint → handler → store the answer
 *     → commit → send the answer
 *
 * The lock ends with the transaction, so that nothing is left to clear up of a process that died. It belongs to one
 * server of a cluster; on all of them, the unique key of the stored answers decides. Requests without the header pay
 * one look at it.
 *
 * A POST handler here has the database as an argument and in no other way: one that is not made by `once`, and does not
 * declare that it calls `idempotently` itself, is refused when the route is registered; in both the request's own
 * database throws.
 */
export default fp(async function idempotency (app) {
  /** Keys in use in this process: known without the database, so that repeated requests take no connections. */
  const running = new Set<string>()
  /**
   * Handlers made by `once` whose route is not registered yet: the next one, as they are made among its arguments. They
   * cannot be told by identity, as tracing wraps the handlers of routes before the hook below sees them.
   */
  let unused = 0

  app.addHook('onRoute', (route) => {
    if (String(route.method) !== 'POST') {
      if (unused > 0) throw new TypeError(`app.once makes handlers of POST, and not of ${String(route.method)} ${route.url}`)
      return
    }
    route.schema = described(route.schema)
    if (route.config?.idempotency === 'by_handler') {
      route.handler = withoutSql(route.handler)
      return
    }
    if (unused === 0) throw new TypeError(`The handler of POST ${route.url} is not made by app.once`)
    unused--
    // A body that does not fit the schema is refused by the handler, as that answer is kept like others.
    route.attachValidation = true
  })

  app.decorate('idempotently', async function idempotently<Prepared, Body> (
    request: FastifyRequest, reply: FastifyReply, { fingerprint, prepare, work }: OnceOnly<Prepared, Body>
  ): Promise<Body> {
    const sql = request.takeSql()
    const key = keyOf(request)
    if (key === undefined) return putAnswer(reply, await work(sql, await prepare(sql)))
    const { method, path } = request.exchange
    const seal = new AnswerSeal({ userId: request.user.id, method, path }, key)
    const query = request.url.slice(path.length)
    const attempt: Attempt = {
      sql,
      userId: request.user.id,
      reply,
      seal,
      fingerprint: seal.fingerprint([query, ...fingerprint()])
    }
    const mark = seal.keyHash.toString('base64')
    if (running.has(mark)) throw stillRunning()
    running.add(mark)
    try {
      // Serialized already: its text.
      return putRecorded(request, reply, await answerOnce(attempt, prepare, work)) as Body
    } finally {
      running.delete(mark)
    }
  })

  app.decorate('once', function once<Schema extends FastifySchema> (
    handler: (sql: Sql, request: OnceRequest<Schema>) => Promise<AnswerOf<Schema>>
  ): HandlerOf<Schema> {
    async function idempotent (request: RequestOf<Schema>, reply: FastifyReply): Promise<unknown> {
      const { validationError, user, body, params, query, headers, protocol, host, log } = request
      const key = keyOf(request as FastifyRequest)
      if (validationError !== undefined && (key === undefined || !KEY.test(key))) throw validationError
      return await app.idempotently(request as FastifyRequest, reply, {
        fingerprint: () => [stringify(body) ?? ''],
        prepare: async () => { if (validationError !== undefined) throw validationError },
        work: async (sql) => await handler(sql, { user, body, params, query, headers, protocol, host, log })
      })
    }
    unused++
    return idempotent as unknown as HandlerOf<Schema>
  })
}, { name: 'idempotency', dependencies: ['request-context', 'database', 'authentication'] })

interface Attempt {
  sql: Sql
  userId: string
  reply: FastifyReply
  seal: AnswerSeal
  fingerprint: Buffer
}

interface SentAnswer extends RecordedAnswer {
  replayed?: boolean
}

async function answerOnce<Prepared, Body> (
  attempt: Attempt,
  prepare: OnceOnly<Prepared, Body>['prepare'],
  work: OnceOnly<Prepared, Body>['work']
): Promise<SentAnswer> {
  const { sql, userId, reply, seal, fingerprint } = attempt
  // Asked before the lock as well: a request that is repeated later costs one read, and no second decoding of a file.
  const earlier = await findKept(attempt)
  if (earlier !== undefined) return replay(attempt, earlier)
  const prepared = await prepare(sql).then(
    (value) => ({ value }),
    (error: unknown) => ({ refusal: refusalOf(error) })
  )
  const answered = transaction(sql, async (sql): Promise<SentAnswer> => {
    if (!(await tryLock(sql, seal.lock))) throw stillRunning()
    if (await findAnswer(sql, userId, seal.keyHash) !== undefined) throw new AnsweredElsewhere()
    // A savepoint: of a request that is refused nothing is written but the answer.
    const answer = 'refusal' in prepared
      ? prepared.refusal
      : await transaction(sql, async (sql) => recordAnswer(reply, await work(sql, prepared.value))).catch(refusalOf)
    const { status, headers, body } = answer
    const sealed = seal.close(JSON.stringify({ status, headers, body }))
    if (!(await keepAnswer(sql, userId, seal.keyHash, { fingerprint, answer: sealed }, KEPT_HOURS))) {
      throw new AnsweredElsewhere()
    }
    return answer
  })
  return await answered.catch(async (error: unknown) => {
    if (!(error instanceof AnsweredElsewhere)) throw error
    const kept = await findKept(attempt)
    if (kept === undefined) throw stillRunning()
    return replay(attempt, kept)
  })
}

/** The stored answer, once a failover does not lose it. */
async function findKept ({ sql, userId, seal }: Attempt): Promise<KeptAnswer | undefined> {
  const found = await findAnswer(sql, userId, seal.keyHash)
  if (found?.is_synchronous === true) await confirmAnswer(sql, userId, seal.keyHash)
  return found
}

/** Another request with the key has stored its answer since this one looked. */
class AnsweredElsewhere extends Error {}

function replay ({ seal, fingerprint }: Attempt, kept: KeptAnswer): SentAnswer {
  if (!fingerprint.equals(kept.fingerprint)) {
    throw new AppError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was used for another request before')
  }
  const answer = JSON.parse(seal.open(kept.answer)) as RecordedAnswer
  if (answer.status < 400) return { ...answer, replayed: true }
  const { error_id, error_code } = JSON.parse(answer.body as string) as Pick<Failure, 'error_id' | 'error_code'>
  return { ...answer, failure: { error_id, error_code, cause: undefined }, replayed: true }
}

function putRecorded (
  request: FastifyRequest,
  reply: FastifyReply,
  { failure, replayed, ...answer }: SentAnswer
): string | null {
  if (failure !== undefined) request.exchange.failure = failure
  if (replayed === true) reply.header('idempotent-replayed', 'true')
  return putAnswer(reply, answer)
}

/** The handler with the database moved out of its request: `idempotently` hands it on. */
function withoutSql (handler: RouteOptions['handler']): RouteOptions['handler'] {
  return function handle (request, reply) {
    request.takeSql()
    return handler.call(this, request, reply)
  }
}

function keyOf (request: FastifyRequest): string | undefined {
  return request.headers['idempotency-key'] as string | undefined
}

function stillRunning (): AppError {
  return new AppError('CONFLICT', 'The first request with this Idempotency-Key is still running', {
    headers: { 'retry-after': '1' }
  })
}

/** The schema with the header and the answers that come with it. */
function described (schema: FastifySchema = {}): FastifySchema {
  return { ...schema, headers: KeyHeader, response: { ...errors(409, 422), ...schema.response as object } }
}

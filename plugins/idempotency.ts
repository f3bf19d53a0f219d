import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import type { FastifyReply, FastifyRequest, FastifySchema, RouteOptions } from 'fastify'
import { stringify } from 'safe-stable-stringify'
import { findAnswer, keepAnswer, tryLock, type KeptAnswer } from '../db/idempotency.ts'
import { transaction } from '../db/sql.ts'
import { errors } from '../schemas/error.ts'
import { AnswerSeal } from '../src/auth/answer-seal.ts'
import { AppError } from '../src/errors.ts'
import type { Failure } from '../src/http/exchange.ts'
import { recordAnswer, refusalOf, takeBack, type RecordedAnswer } from '../src/http/recorded-answer.ts'

/** What is done once for all requests with one key. */
export interface OnceOnly<Prepared> {
  /** What tells this body from another one: the hash of its bytes. */
  fingerprint: ReadonlyArray<string | Uint8Array>
  /** Slow work that writes nothing, done before the transaction; what it throws is an answer too. */
  prepare (): Promise<Prepared>
  /**
   * Writes, in the transaction that the request has meanwhile, and answers on the reply given. It may run more than
   * once, as a transaction may.
   */
  work (prepared: Prepared, reply: FastifyReply): unknown
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Does the work of a request, or where one with the same Idempotency-Key has done it, answers as that did. */
    idempotently<Prepared> (request: FastifyRequest, reply: FastifyReply, once: OnceOnly<Prepared>): Promise<void>
  }
  interface FastifyContextConfig {
    /** The handler reads its body itself, so that it has to call `idempotently` itself too, when it knows the bytes. */
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
 * Lets a client send a POST again that it has no answer to. The first answer is stored in the same transaction as what
 * was written, and leaves only when that is committed: there is no moment at which one is there without the other.
 *
 *     begin → lock by user, method, path and key → is there an answer? → savepoint → handler → store the answer
 *     → commit → answer
 *
 * The lock ends with the transaction, so nothing is left to clear up of a process that died. Requests without the
 * header pay one look at it.
 */
export default fp(async function idempotency (app) {
  /**
   * What runs in this process: known without asking the database, so that those who wait do not take connections from
   * who works.
   */
  const underWay = new Set<string>()

  app.addHook('onRoute', (route) => {
    if (String(route.method) !== 'POST') return
    route.schema = described(route.schema)
    if (route.config?.idempotency === 'by_handler') return
    // What does not fit the schema is refused by the handler, as that answer is to be kept like others.
    route.attachValidation = true
    route.handler = once(route.handler)
  })

  app.decorate('idempotently', async function idempotently<Prepared> (
    request: FastifyRequest, reply: FastifyReply, { fingerprint, prepare, work }: OnceOnly<Prepared>
  ) {
    const key = request.headers['idempotency-key'] as string | undefined
    if (key === undefined) return (await work(await prepare(), reply)) as void
    const { method, path } = request.exchange
    const seal = new AnswerSeal({ userId: request.user.id, method, path }, key)
    const query = request.url.slice(path.length)
    const attempt: Attempt = { request, reply, seal, fingerprint: seal.fingerprint([query, ...fingerprint]) }
    const mark = seal.keyHash.toString('base64')
    if (underWay.has(mark)) throw stillRunning()
    underWay.add(mark)
    try {
      return send(request, reply, await answerOnce(attempt, prepare, work))
    } finally {
      underWay.delete(mark)
    }
  })

  function once (handler: RouteOptions['handler']): RouteOptions['handler'] {
    return function idempotent (request, reply) {
      const key = request.headers['idempotency-key'] as string | undefined
      const { validationError } = request
      if (validationError !== undefined && (key === undefined || !KEY.test(key))) throw validationError
      if (key === undefined) return handler.call(this, request, reply)
      if (typeof (request.body as { pipe?: unknown } | undefined)?.pipe === 'function') { throw new TypeError('A route that reads its body itself has to be idempotent by its handler') }
      return app.idempotently(request, reply, {
        fingerprint: [stringify(request.body) ?? ''],
        prepare: async () => { if (validationError !== undefined) throw validationError },
        work: (_prepared, stand) => handler.call(this, request, stand)
      })
    }
  }
}, { name: 'idempotency', dependencies: ['database', 'authentication', 'validation', 'error-envelope'] })

interface Attempt {
  request: FastifyRequest
  reply: FastifyReply
  seal: AnswerSeal
  fingerprint: Buffer
}

interface Answer extends RecordedAnswer {
  replayed?: boolean
}

async function answerOnce<Prepared> (
  attempt: Attempt,
  prepare: OnceOnly<Prepared>['prepare'],
  work: OnceOnly<Prepared>['work']
): Promise<Answer> {
  const { request, reply, seal, fingerprint } = attempt
  const userId = request.user.id
  // Asked before the lock as well: who only comes again costs one read, and no second decoding of a file.
  const earlier = await findAnswer(request.sql, userId, seal.keyHash)
  if (earlier !== undefined) return replay(attempt, earlier)
  const prepared = await prepare().then(
    (value) => ({ value }),
    (error: unknown) => ({ refusal: refusalOf(error) })
  )
  const before = reply.getHeaders()
  try {
    return await transaction(request.sql, async (sql) => {
      // After a conflict it runs again, when the reply has headers of an answer that was never kept.
      takeBack(reply, before)
      if (!(await tryLock(sql, seal.lock))) throw stillRunning()
      const kept = await findAnswer(sql, userId, seal.keyHash)
      if (kept !== undefined) return replay(attempt, kept)
      // A savepoint: of a request that is refused nothing is written but the answer.
      const answer = 'refusal' in prepared
        ? prepared.refusal
        : await transaction(sql, async (sql) => {
          request.transactionSql = sql
          return await recordAnswer(reply, before, (stand) => work(prepared.value, stand))
        }).catch(refusalOf)
      const { status, headers, body } = answer
      await keepAnswer(
        sql,
        userId,
        seal.keyHash,
        { fingerprint, answer: seal.close(JSON.stringify({ status, headers, body })) },
        KEPT_HOURS
      )
      return answer
    })
  } finally {
    request.transactionSql = undefined
  }
}

function replay ({ seal, fingerprint }: Attempt, kept: KeptAnswer): Answer {
  if (!fingerprint.equals(kept.fingerprint)) {
    throw new AppError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was used before, for another request')
  }
  const answer = JSON.parse(seal.open(kept.answer)) as RecordedAnswer
  if (answer.status < 400) return { ...answer, replayed: true }
  const { error_id, error_code } = JSON.parse(answer.body as string) as Pick<Failure, 'error_id' | 'error_code'>
  return { ...answer, failure: { error_id, error_code, cause: undefined }, replayed: true }
}

function send (
  request: FastifyRequest,
  reply: FastifyReply,
  { status, headers, body, failure, replayed }: Answer
): FastifyReply {
  if (failure !== undefined) request.exchange.failure = failure
  if (replayed === true) reply.header('idempotent-replayed', 'true')
  return reply
    .code(status)
    .headers(headers)
    .send(body ?? undefined)
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

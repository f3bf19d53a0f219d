import { Readable } from 'node:stream'
import postgres from 'postgres'
import t from 'tap'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { flawOf, openBooks } from '../harness/books.ts'
import { exchange, type RawAnswer } from '../harness/raw-http.ts'
import { startService } from '../harness/service.ts'

t.setTimeout(480_000)

/** What must not get out. */
const SECRET = 'the secret of the handler'
/** How long the handlers that never answer are waited for. */
const TIMEOUT_S = 2

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown
interface Case {
  handler: Handler
  /** The status and error code of the answer; undefined where it breaks off, as it had begun. */
  answered: [status: number, code?: string] | undefined
  /** What the schema of its answer is, where it has one. */
  schema?: object
}

const FAILED: Case['answered'] = [500, 'INTERNAL_ERROR']
const throwing = (what: () => unknown): Case => ({ handler: () => { throw what() }, answered: FAILED })
const failing = (properties: object): Error => Object.assign(new Error(SECRET), properties)
const never = () => new Promise(() => {})

function hostile (): object {
  const refuse = () => { throw new Error(SECRET) }
  return Object.defineProperties(
    new Error(SECRET),
    Object.fromEntries(
      [
        'name',
        'message',
        'code',
        'statusCode',
        'status',
        'stack',
        'cause',
        'validation',
        'validationContext',
        'headers',
        'toJSON'
      ].map((name) => [name, { get: refuse }])
    )
  )
}

function looped (): Error {
  const error = new Error(SECRET)
  error.cause = error
  return error
}

const CASES: Record<string, Case> = {
  'throws null': throwing(() => null),
  'throws undefined': throwing(() => undefined),
  'throws a string': throwing(() => SECRET),
  'throws a number': throwing(() => 404),
  'throws a symbol': throwing(() => Symbol(SECRET)),
  'throws a function': throwing(() => () => SECRET),
  'throws a plain object': throwing(() => ({ statusCode: 404, message: SECRET })),
  'throws an object without a prototype': throwing(() => Object.create(null)),
  'throws a promise': throwing(() => Promise.resolve(SECRET)),
  'throws a frozen error': throwing(() => Object.freeze(new Error(SECRET))),
  'throws an error of status 200': throwing(() => failing({ statusCode: 200 })),
  'throws an error of status 404': throwing(() => failing({ statusCode: 404 })),
  'throws an error of a status that is none': throwing(() => failing({ statusCode: 'x', status: -1 })),
  'throws an error with headers': throwing(() => failing({ headers: { 'x-secret': SECRET, 'bad\nname': 'x' } })),
  'throws an error that is its own cause': throwing(looped),
  'throws an error with hostile getters': throwing(hostile),
  'throws a proxy that refuses everything': throwing(
    () =>
      new Proxy(
        {},
        {
          get () {
            throw new Error(SECRET)
          },
          getPrototypeOf () {
            throw new Error(SECRET)
          },
          has () {
            throw new Error(SECRET)
          },
          ownKeys () {
            throw new Error(SECRET)
          }
        }
      )
  ),
  'throws an error whose text is long': throwing(() => new Error(SECRET.repeat(50_000))),
  'rejects with undefined': { handler: async () => await Promise.reject(undefined), answered: FAILED }, // eslint-disable-line prefer-promise-reject-errors
  'rejects late': {
    handler: async () => {
      await new Promise(setImmediate)
      throw new Error(SECRET)
    },
    answered: FAILED
  },
  'sends an error': {
    handler: (_request, reply) => {
      reply.send(new Error(SECRET))
    },
    answered: FAILED
  },
  'sets a header with a line break': {
    handler: (_request, reply) => reply.header('x-bad', 'a\r\nset-cookie: b').send({ a: 1 }),
    answered: FAILED
  },
  'sets a header of other letters': {
    handler: (_request, reply) => reply.header('x-bad', '\u{1F600}').send({ a: 1 }),
    answered: FAILED
  },
  'sets a status that is none': { handler: (_request, reply) => reply.code(99).send({ a: 1 }), answered: FAILED },
  'sends what is no text': {
    handler: (_request, reply) => reply.type('text/plain').send({ a: 1 } as never),
    answered: FAILED
  },
  'returns a number too large for JSON': { handler: async () => ({ a: 10n }), answered: FAILED },
  'returns what contains itself': {
    handler: async () => {
      const a: Record<string, unknown> = {}
      a['a'] = a
      return a
    },
    answered: FAILED
  },
  'returns what its schema does not allow': {
    handler: async () => ({}),
    answered: FAILED,
    schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }
  },
  'returns what throws when it is read': {
    handler: async () => ({
      toJSON () {
        throw new Error(SECRET)
      }
    }),
    answered: FAILED
  },
  'answers twice': {
    handler: (_request, reply) => {
      reply.send({ a: 1 })
      reply.send({ a: 2 })
    },
    answered: [200]
  },
  'throws after its answer': {
    handler: (_request, reply) => {
      reply.send({ a: 1 })
      throw new Error(SECRET)
    },
    answered: [200]
  },
  'rejects after its answer': {
    handler: async (_request, reply) => {
      reply.send({ a: 1 })
      await new Promise(setImmediate)
      throw new Error(SECRET)
    },
    answered: [200]
  },
  'streams, and fails before the first byte': {
    handler: (_request, reply) =>
      reply.send(
        new Readable({
          read () {
            this.destroy(new Error(SECRET))
          }
        })
      ),
    answered: FAILED
  },
  'streams, and fails midway': {
    handler: (_request, reply) =>
      reply.send(
        Readable.from(
          (async function * () {
            yield 'half'
            await new Promise(setImmediate)
            throw new Error(SECRET)
          })()
        )
      ),
    answered: undefined
  },
  'never answers': { handler: never, answered: [503, 'REQUEST_TIMEOUT'] },
  'returns nothing': { handler: async () => {}, answered: [200] },
  'waits for the database': {
    handler: async ({ sql }) => await sql`/* sleepLong */ select pg_sleep(600)`,
    answered: [503, 'REQUEST_TIMEOUT']
  },
  'answers after its time is up': {
    handler: async (_request, reply) => {
      await new Promise((resolve) => {
        reply.raw.once('close', resolve)
      })
      return { a: 1 }
    },
    answered: [503, 'REQUEST_TIMEOUT']
  }
}

const rejections: unknown[] = []
process.on('unhandledRejection', (reason) => rejections.push(reason))

const path = (name: string) => `/bad/${name.replace(/\W+/g, '-')}`
const service = await startService(t, {
  env: { REQUEST_TIMEOUT: String(TIMEOUT_S), DATABASE_QUERY_TIMEOUT: '60' },
  boot (app: FastifyInstance) {
    for (const [name, { handler, schema }] of Object.entries(CASES)) {
      app.get(
        path(name),
        { schema: { hide: true, ...(schema === undefined ? {} : { response: { 200: schema } }) } },
        handler
      )
    }
  }
})
await service.app.listen({ port: 0, host: '127.0.0.1' })
const { port } = service.app.server.address() as { port: number }

function check (answer: RawAnswer | undefined, [status, code]: [number, string?]): string | undefined {
  if (answer === undefined) return 'no answer'
  if (answer.status !== status) return `${answer.status} ${answer.body}`
  if (code !== undefined && (JSON.parse(answer.body) as { error_code: string }).error_code !== code) return answer.body
  if (JSON.stringify(answer).includes(SECRET)) return 'it tells what it must not'
  return flawOf(answer)
}

for (const [name, { answered }] of Object.entries(CASES)) {
  t.test(
    `a handler that ${name} is answered ${answered?.join(' ') ?? 'in part'}, once, with one line and one count`,
    async (t) => {
      const books = await openBooks(service)
      const answers = await exchange(
        port,
        `GET ${path(name)} HTTP/1.1\r\nHost: x\r\nX-Request-ID: ${path(name).slice(5)}\r\nConnection: close\r\n\r\n`
      )
      t.equal(answers.length, 1)
      if (answered !== undefined) t.equal(check(answers[0], answered), undefined)
      else t.match(answers[0], { status: 200, body: 'half' })
      await books.balance(t, 1)
      const completed = service.lines.filter(
        ({ message, request_id: id }) => message === 'request completed' && id === path(name).slice(5)
      )
      t.equal(completed.length, 1)
      // One that broke off on our side is a failure of ours, though the client was told 200 before.
      if (answered === undefined) t.match(completed[0], { status_code: 500 })
      if (answered === undefined || answered[0] === 500) t.match(completed[0], { level: 'ERROR', exception: String })
      t.same(rejections.splice(0), [])
    }
  )
}

t.test('what a handler waited for at its time is ended on the server', async (t) => {
  const sql = postgres(service.databaseUrl, { max: 1, fetch_types: false })
  t.teardown(() => sql.end({ timeout: 5 }))
  const running = async () =>
    (
      await sql`select from pg_stat_activity where datname = current_database() and state = 'active' and query like '/* sleepLong */%'`
    ).length
  while (await running() > 0) await new Promise(setImmediate)
  t.equal(service.database.stats().active, 0)
})

t.test('and it serves as before', async (t) => {
  const [answer] = await exchange(port, 'GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.equal(answer?.status, 200)
})

import assert from 'node:assert/strict'
import { Ajv } from 'ajv'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { LogLine } from '../../schemas/log-line.ts'
import { exceptionText } from '../../src/log/exception.ts'
import { fastifyLogger } from '../../src/log/fastify-logger.ts'
import { formatLine, LEVELS, LINE_BYTES_AT_MOST, LINE_KEYS } from '../../src/log/line.ts'
import type { LogContext, LogFields } from '../../src/log/line.ts'
import { createLogger } from '../../src/log/logger.ts'
import { readableText } from '../../src/log/readable.ts'
import { redactPath, redactText } from '../../src/log/redact.ts'
import { durationText, timestamp } from '../../src/log/timestamp.ts'

const isLogLine = new Ajv({ strict: false }).compile(LogLine)

/** One line, checked against all guarantees for every line. */
function parse (line: string): LogLine {
  assert.ok(line.endsWith('}\n') && line.indexOf('\n') === line.length - 1, 'one line')
  assert.ok(Buffer.byteLength(line) <= LINE_BYTES_AT_MOST, 'not too long')
  const record = JSON.parse(line)
  assert.ok(isLogLine(record), `${JSON.stringify(isLogLine.errors)}: ${line.slice(0, 1000)}`)
  const order = Object.keys(record).map((key) => LINE_KEYS.indexOf(key as typeof LINE_KEYS[number]))
  assert.deepEqual(order, [...order].sort((a, b) => a - b), 'keys in their order')
  return record as LogLine
}

const context: LogContext = { request_id: 'r-1', user_id: 'u-1', method: 'GET', path: '/api/v1/plans' }

t.test('a line has the keys in their order and no space after its colons', async (t) => {
  const line = formatLine('ERROR', 'app.api', 'it broke', context, {
    plan_id: 7,
    status: 'unhealthy',
    error: new RangeError('too far'),
    error_code: 'DATABASE_ERROR',
    error_id: 'e-1',
    duration_ms: 12.3456,
    status_code: 500
  })
  const record = parse(line)
  t.same(Object.keys(record), LINE_KEYS)
  t.match(
    line,
    /^\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"ERROR","logger_name":"app\.api","message":"it broke","request_id":"r-1","user_id":"u-1","method":"GET","path":"\/api\/v1\/plans","status_code":500,"duration_ms":12\.346,"error_id":"e-1","error_code":"DATABASE_ERROR","exception":"RangeError: too far\\n {4}at /
  )
  t.ok(line.endsWith('"status":"unhealthy","extra":{"plan_id":7}}\n'))
  t.equal(
    formatLine('INFO', 'app.server', 'up').replace(/\d{4}-[^"]+/, 'T'),
    '{"timestamp":"T","level":"INFO","logger_name":"app.server","message":"up"}\n',
    'unknown keys are absent'
  )
})

t.test('every ERROR and CRITICAL line has an error_code, other lines only if one was given', async (t) => {
  for (const level of LEVELS) {
    t.equal(
      parse(formatLine(level, 'a', 'm')).error_code,
      level === 'ERROR' || level === 'CRITICAL' ? 'INTERNAL_ERROR' : undefined
    )
    t.equal(parse(formatLine(level, 'a', 'm', {}, { error_code: 'NOT_FOUND' })).error_code, 'NOT_FOUND')
  }
})

t.test('any fields give one line that matches the schema, and never throw', async () => {
  const hostile = fc.constantFrom<() => unknown>(
    () => {
      const circle: Record<string, unknown> = {}
      circle.self = circle
      return circle
    },
  () => ({
    toJSON () {
      throw new Error('no')
    }
  }),
  () => ({
    get member () {
      throw new Error('no')
    }
  }),
  () =>
    new Proxy(
      {},
      {
        ownKeys () {
          throw new Error('no')
        },
        get () {
          throw new Error('no')
        }
      }
    ),
  () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  () => Object.create(null),
  () => Symbol('s'),
  () => () => 1,
  () => 2n ** 70n,
  () => new Date(Number.NaN),
  () => Buffer.alloc(100_000),
  () =>
    new Map<unknown, unknown>([
      [{}, 1],
      ['token', 'abc']
    ]),
  () => new Set([1, [2]]),
  () => new WeakMap(),
  () => 'x'.repeat(200_000),
  () => '\u0000'.repeat(50_000),
  () => '\ud800',
  () => '"\\\n\r\u2028',
  () => Array.from({ length: 5000 }, (_, i) => ({ i })),
  () => Number.NEGATIVE_INFINITY,
  () => -0,
  () => Object.freeze(new Error('frozen', { cause: 'text' })),
  () => new AggregateError([1, null, new Error('in it')], 'many'),
  () => {
    const error = new Error('own cause')
    error.cause = error
    return error
  },
  () => {
    let deep: unknown = 1
    for (let i = 0; i < 5000; i++) deep = [deep]
    return deep
  },
  () =>
    Object.defineProperty(new Error('x'), 'stack', {
      get () {
        throw new Error('no')
      }
    }),
  () => Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}é`, '€'.repeat(50)]))
  )
  const ordinary = fc.oneof(
    fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true
    }),
    fc.string({ unit: 'binary' })
  )
  // Created within the property: the generator itself must not inspect some of these.
  const value = fc.oneof(hostile, ordinary.map((made) => () => made))
  const made = (makers: Record<string, () => unknown>) =>
    Object.fromEntries(Object.entries(makers).map(([name, make]) => [name, make()]))
  const name = fc.oneof(
    fc.constantFrom(
      'error',
      'status',
      'status_code',
      'duration_ms',
      'error_id',
      'error_code',
      'message',
      'timestamp',
      'extra',
      'request_id',
      'path',
      '__proto__',
      'toJSON'
    ),
    fc.string({ unit: 'binary' })
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...LEVELS),
      value,
      fc.record({ request_id: value, user_id: value, method: value, path: value }, { requiredKeys: [] }),
      fc.dictionary(name, value),
      (level, message, context, makers) => {
        const fields: LogFields = made(makers)
        const line = formatLine(level, 'app.test', message() as string, made(context) as LogContext, fields)
        const record = JSON.parse(line)
        return (
          line.indexOf('\n') === line.length - 1 &&
          Buffer.byteLength(line) <= LINE_BYTES_AT_MOST &&
          isLogLine(record) &&
          Object.keys(record).join() === LINE_KEYS.filter((key) => key in record).join() &&
          'exception' in record === Object.hasOwn(fields, 'error')
        )
      }
    ),
    { numRuns: 3000 }
  )
})

t.test('a line in which every value is too long is truncated to the limit and stays valid', async (t) => {
  for (const character of ['x', '\u0000', '€', '😀', '"', '@']) {
    const long = character.repeat(100_000)
    const record = parse(
      formatLine(
        'ERROR',
        long,
        long,
        { request_id: long, user_id: long, method: long, path: long },
        {
          error: new Error(long),
          error_id: long,
          error_code: long,
          status: long,
          [long]: long,
          b: [long, long, long, long, long]
        }
      )
    )
    t.ok(record.message.length > 1000)
  }
})

t.test('the text of an exception has the stack, causes and aggregated errors, and no other property', async (t) => {
  const postgres = Object.assign(new Error('duplicate key value'), {
    name: 'PostgresError',
    code: '23505',
    query: 'insert into runners',
    parameters: ['row-secret'],
    detail: 'Key (name)=(row-secret) already exists.'
  })
  const text = exceptionText(
    new TypeError('outer', { cause: new AggregateError([postgres, 'a string', null, undefined], 'all failed') })
  )
  t.match(
    text,
    /^TypeError: outer\n {4}at [^]*\nCaused by: AggregateError: all failed\n[^]*\n\[error 1 of 4\] PostgresError: duplicate key value \(23505\)\n {4}at [^]*\n\[error 2 of 4\] thrown string: a string\n\[error 3 of 4\] thrown: null\n\[error 4 of 4\] thrown: undefined/
  )
  t.notMatch(text, /row-secret|insert into/)
  t.equal(exceptionText(null), 'thrown: null')
  t.equal(exceptionText(undefined), 'thrown: undefined')
  t.equal(exceptionText({ a: 1 }), 'thrown object, no error')
  const circular = new Error('a')
  circular.cause = new Error('b', { cause: circular })
  t.match(exceptionText(circular), /Error: a\n[^]*Caused by: Error: b\n[^]*Caused by: \[circular\]$/)
  const endless: Error = new Error('0')
  let at = endless
  for (let i = 1; i < 1000; i++) at = (at.cause = new Error(String(i))) as Error
  t.ok(exceptionText(endless).length < 33 * 1024)
  t.ok(exceptionText(new Error('y'.repeat(5e6))).length < 33 * 1024)
  const renamed = new Error('old')
  renamed.message = 'new'
  t.match(exceptionText(renamed), /^Error: new\n {4}at /, 'the message at the time of logging')
})

t.test('a line contains no secret, under whatever name or in whatever text', async (t) => {
  const secrets = [
    'hunter2',
    'runner@example.org',
    'r.ünner+tag@mail.example.co.uk',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln',
    'rt_0123456789abcdef',
    'c2VjcmV0OnNlY3JldA==',
    '48.13743',
    'topsecretpw'
  ]
  const [password, mail, mail2, jwt, refresh, basic, latitude, inUrl] = secrets
  const line = formatLine(
    'ERROR',
    'app.auth',
    `login of ${mail} with Bearer ${jwt} failed`,
    { ...context, path: `/users/${mail2}/x` },
    {
      error: new Error(`connect postgres://runner:${inUrl}@db.internal/app: ${mail2} used ${refresh}`, {
        cause: `authorization: Basic ${basic}`
      }),
      password,
      nested: {
        deep: [
          {
            refresh_token: refresh,
            Authorization: jwt,
            'Set-Cookie': password,
            api_key: password,
            key: password,
            email: mail,
            position: { lat: latitude }
          }
        ]
      },
      note: `password=${password}&x=1`,
      url: `https://u:${inUrl}@host/`,
      list: [mail, `token: ${password}`],
      encoded: 'a%40example.org',
      latitude,
      headers: new Map([['cookie', password]])
    }
  )
  for (const secret of [...secrets, 'a%40example.org']) t.notOk(line.includes(secret!), `${secret} is not in ${line}`)
  t.equal(parse(line).path, '/users/[redacted]/x')
  t.equal(
    redactText('at node_modules/.pnpm/fastify@5.12.0/index.js:1 @fastify/cors takes basic steps'),
    'at node_modules/.pnpm/fastify@5.12.0/index.js:1 @fastify/cors takes basic steps',
    'text that only resembles a secret stays'
  )
  t.equal(redactPath('/a/b%40c.de/d?'), '/a/[redacted]/d?')
  t.equal(redactPath(`/api/v1/api-keys/${refresh}/${jwt}/x`), '/api/v1/api-keys/[redacted]/[redacted]/x')
})

t.test('redaction takes time linear in the length of the text', async (t) => {
  for (const piece of [
    'a',
    '@',
    'a@',
    'a.',
    'a@a.',
    'password=',
    'bearer ',
    'eyJaaaa.',
    '://',
    'a://',
    '%40',
    ' token: ',
    '\n    at '
  ]) {
    const text = `${piece.repeat(Math.ceil(200_000 / piece.length))} @`
    const started = performance.now()
    redactText(text)
    exceptionText(new Error(text))
    t.ok(performance.now() - started < 2000, piece)
  }
})

t.test('timestamps and durations are exact', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4102444800000 }), (ms) => timestamp(ms) === new Date(ms).toISOString())
  )
  for (const [ms, text] of [
    [0, '0'],
    [3, '3'],
    [0.0005, '0.001'],
    [1.5, '1.500'],
    [999.9999, '1000'],
    [12.3456, '12.346'],
    [Number.NaN, '0'],
    [-1, '0'],
    [Infinity, '0']
  ] as const) { t.equal(durationText(ms), text) }
})

/** A logger that records its lines. */
function recorder (level: typeof LEVELS[number] = 'DEBUG') {
  const lines: LogLine[] = []
  return { lines, logger: createLogger({ level, sink: { write: (line) => lines.push(parse(line)) } }) }
}

t.test('lines below the level are not written', async (t) => {
  for (const level of LEVELS) {
    const { lines, logger } = recorder(level)
    logger.debug('m')
    logger.info('m')
    logger.warning('m')
    logger.error('m')
    logger.critical('m')
    t.same(
      lines.map((line) => line.level),
      LEVELS.slice(LEVELS.indexOf(level))
    )
    t.equal(logger.debugEnabled, level === 'DEBUG')
  }
  t.throws(() => createLogger({ level: 'TRACE' as 'DEBUG', sink: { write () {} } }), /TRACE/)
})

t.test('a bound logger uses the current values of its context, under any name', async (t) => {
  const { lines, logger } = recorder()
  const context: LogContext = { request_id: 'r', method: 'GET', path: '/x', extra: { trace_id: 'abc' } }
  const bound = logger.bind(context).named('app.db')
  bound.info('before')
  context.user_id = 'u'
  bound.info('after', { trace_id: 'mine', rows: 2 })
  logger.named('app.request').bind(context).log('WARNING', 'request completed', {
    status_code: 404,
    duration_ms: 1.5,
    error_id: undefined,
    error_code: 'NOT_FOUND'
  })
  logger.bind(context).log('ERROR', 'failed', { status_code: 500, error: new Error('x') })
  logger.info('alone', { user_id: 'job-user', method: 5 })
  t.match(lines, [
    { logger_name: 'app.db', user_id: undefined, extra: { trace_id: 'abc' } },
    { user_id: 'u', extra: { trace_id: 'mine', rows: 2 } },
    {
      logger_name: 'app.request',
      status_code: 404,
      duration_ms: 1.5,
      user_id: 'u',
      error_code: 'NOT_FOUND',
      extra: { trace_id: 'abc' }
    },
    { status_code: 500, exception: /^Error: x\n/ },
    { user_id: 'job-user', request_id: undefined, extra: { method: 5 } }
  ])
})

t.test('Fastify and its plugins can log in every form that pino supports', async (t) => {
  const { lines, logger } = recorder()
  const log = fastifyLogger(logger)
  log.info('Server listening at %s:%d', 'host', 80)
  log.warn({ a: 1 }, 'hello %s', 'you')
  log.error(new Error('alone'))
  log.error({
    err: new TypeError('inside'),
    res: { statusCode: 503, headers: { a: 1 } },
    req: { method: 'GET', url: '/p?token=1', headers: { cookie: 'c' } },
    reqId: 'r-9',
    responseTime: 4
  })
  log.child({ plugin: 'cors' }).child({ b: 2 }).fatal({ msg: 'in the object' })
  log.child({}, { level: 'error' }).warn('unheard')
  log.silent()
  log.trace(null)
  log.debug(undefined)
  log.bind({ request_id: 'bound' }).info({ reqId: 'bound' }, 'of a request')
  t.match(lines, [
    { level: 'INFO', logger_name: 'app.server', message: 'Server listening at host:80', extra: undefined },
    { level: 'WARNING', message: 'hello you', extra: { a: 1 } },
    { level: 'ERROR', message: 'alone', exception: /^Error: alone\n/, error_code: 'INTERNAL_ERROR' },
    {
      message: 'inside',
      exception: /^TypeError: inside\n/,
      status_code: 503,
      method: 'GET',
      path: '/p',
      request_id: 'r-9',
      duration_ms: 4,
      extra: undefined
    },
    { level: 'CRITICAL', message: 'in the object', extra: { plugin: 'cors', b: 2 } },
    { level: 'DEBUG', message: '' },
    { level: 'DEBUG', message: '' },
    { request_id: 'bound', message: 'of a request', extra: undefined }
  ])
  t.equal(lines.length, 8)
  t.equal(log.level, 'trace')
  t.equal(fastifyLogger(recorder('ERROR').logger).level, 'error')
})

t.test('a readable line has the same content as the JSON line', async (t) => {
  const line =
    '{"timestamp":"2024-01-15T10:30:00.123Z","level":"INFO","logger_name":"app.request","message":"request completed","request_id":"r-1","method":"GET","path":"/x","status_code":200,"duration_ms":3,"extra":{"n":1}}\n'
  t.equal(
    readableText(line),
    '2024-01-15 10:30:00.123 INFO     app.request request completed GET /x 200 3 ms request_id=r-1 n=1\n'
  )
  t.equal(
    readableText(
      '{"timestamp":"2024-01-15T10:30:00.123Z","level":"ERROR","logger_name":"a","message":"b\\u001b[2J\\nc","exception":"E\\n    at f"}\n'
    ),
    '2024-01-15 10:30:00.123 ERROR    a b\\u001b[2J\\nc\n    E\n        at f\n'
  )
})

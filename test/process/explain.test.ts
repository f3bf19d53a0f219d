import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { ERROR_CATALOGUE } from '../../src/error-catalogue.ts'
import { explainWith } from '../../src/commands/explain.ts'
import { logFiles, searchLines } from '../../src/commands/log-search.ts'
import { findStory } from '../../src/commands/story.ts'
import { runNode } from '../harness/plain-node.ts'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
const ERROR = 'a1b2c3d4-e5f6-7890-abcd-ef1234567890'
const OTHER = 'a1b2c3d4-0000-7890-abcd-ef1234567890'

/** A log line, `ms` after half past ten. */
function line (ms: number, fields: Record<string, unknown>): string {
  return JSON.stringify({
    timestamp: new Date(Date.UTC(2024, 0, 15, 10, 30) + ms).toISOString(),
    level: 'INFO',
    logger_name: 'app.request',
    message: 'x',
    ...fields
  })
}

const request = { request_id: 'req-1', user_id: 'runner-7', method: 'POST', path: '/api/v1/plans' }
const lines = [
  line(0, { ...request, level: 'DEBUG', message: 'request started' }),
  line(1, { request_id: 'req-10', message: 'request completed', status_code: 200, duration_ms: 1 }),
  line(120, {
    ...request,
    level: 'WARNING',
    logger_name: 'app.db',
    message: 'slow query',
    duration_ms: 112.5,
    extra: { query: 'insertPlan' }
  }),
  line(130, {
    ...request,
    level: 'ERROR',
    message: 'request completed',
    status_code: 503,
    duration_ms: 130.2,
    error_id: ERROR,
    error_code: 'DATABASE_ERROR',
    exception: 'Error: gone\n    at insertPlan (plans.js:1:1)\nCaused by: Error: ECONNRESET'
  }),
  line(140, {
    request_id: 'req-2',
    level: 'WARNING',
    message: 'request completed',
    status_code: 404,
    error_id: OTHER,
    error_code: 'NOT_FOUND'
  })
]
const CATALOGUE = {
  DATABASE_ERROR: { status: 503, cause: 'The database cannot be reached.', remedy: 'Run npm run check.' }
}

function text (...parts: string[]): string {
  return parts.map((part) => `${part}\n`).join('')
}

/** Makes a file look as if it had last been written so many seconds ago. */
function age (path: string, seconds: number): void {
  const time = Date.now() / 1000 - seconds
  utimesSync(path, time, time)
}

t.test('an error is explained with all lines of its request, across rotated files, in order of time', async (t) => {
  const dir = t.testdir({
    'app.2.log': text(...lines.slice(2, 3)),
    'app.1.log': text(...lines.slice(0, 2)),
    'app.log': text(...lines.slice(3)),
    'other.log': text(...lines),
    'application.log': text(...lines)
  })
  age(join(dir, 'app.1.log'), 200)
  age(join(dir, 'app.2.log'), 100)
  t.same((await logFiles(dir)).map((path) => path.slice(dir.length + 1)), ['app.log', 'app.2.log', 'app.1.log'])

  const found = await findStory(dir, ERROR, CATALOGUE)
  if (!('story' in found)) return t.fail('was not found')
  t.match(found.story, {
    error_id: ERROR,
    error_code: 'DATABASE_ERROR',
    status_code: 503,
    request_id: 'req-1',
    user_id: 'runner-7',
    method: 'POST',
    path: '/api/v1/plans',
    duration_ms: 130.2,
    exception: /ECONNRESET/,
    explanation: CATALOGUE.DATABASE_ERROR,
    truncated: false
  })
  t.same(found.story.lines.map(({ message }) => message), ['request started', 'slow query', 'request completed'])
  t.same(found.story.slow_queries.map(({ extra }) => extra?.['query']), ['insertPlan'])
})

t.test('the beginning of an id is enough where it is unique', async (t) => {
  const dir = t.testdir({ 'app.log': text(...lines) })
  t.match(await findStory(dir, 'a1b2c3d4-e'), { story: { error_id: ERROR } })
  t.match(await findStory(dir, 'a1b2c3d4'), { candidates: [ERROR, OTHER] })
  t.same(await findStory(dir, 'ffffffff'), { candidates: [] })
})

t.test('an error without a request is explained by its own lines', async (t) => {
  const dir = t.testdir({
    'app.log': text(
      lines[0]!,
      line(5, { level: 'WARNING', message: 'bad request', error_id: ERROR, error_code: 'BAD_REQUEST' })
    )
  })
  t.match(await findStory(dir, ERROR), {
    story: { error_code: 'BAD_REQUEST', request_id: undefined, lines: { length: 1 } }
  })
})

t.test('a request id that a client reuses does not mix two errors', async (t) => {
  const done = (ms: number, fields: Record<string, unknown> = {}) =>
    line(ms, { ...request, message: 'request completed', status_code: 200, duration_ms: 5, ...fields })
  const dir = t.testdir({
    'app.log': text(
      line(0, { ...request, message: 'first' }),
      done(5),
      line(60_000, { ...request, message: 'second' }),
      done(60_005, { status_code: 500, error_id: ERROR, error_code: 'INTERNAL_ERROR' }),
      line(60_006, { ...request, message: 'slow request' }),
      line(120_000, { ...request, message: 'third' }),
      done(120_005, { status_code: 500, error_id: OTHER })
    )
  })
  const found = await findStory(dir, ERROR)
  t.same('story' in found && found.story.lines.map(({ message }) => message), [
    'second',
    'request completed',
    'slow request'
  ])
})

t.test('lines are found wherever a file is cut into chunks, and lines that are not log lines are skipped', async (t) => {
  const dir = t.testdir({})
  const path = join(dir, 'app.log')
  const wanted = line(0, { error_id: ERROR })
  const chunk = 256 * 1024
  for (const before of [
    0,
    chunk - wanted.length - 40,
    chunk - wanted.length - 1,
    chunk - wanted.length,
    chunk - 40,
    chunk - 1,
    chunk,
    3 * chunk + 7
  ]) {
    const filler = before > 0 ? `${'é'.repeat(before >> 1)}\n` : ''
    writeFileSync(path, `${filler}${wanted}\n{"error_id":"${ERROR}" cut\n["${ERROR}"]\nnull ${ERROR}\n${wanted}`)
    const found: unknown[] = []
    await searchLines(path, ERROR, (line) => {
      found.push(line.error_id)
    })
    t.same(found, [ERROR, ERROR], `after ${before} bytes`)
  }
})

t.test('an endless line does not fill the memory, and the lines after it are found', async (t) => {
  const dir = t.testdir({})
  const path = join(dir, 'app.log')
  writeFileSync(
    path,
    Buffer.concat([Buffer.alloc(5 * 1024 * 1024, ERROR), Buffer.from(`\n${line(0, { error_id: ERROR })}\n`)])
  )
  const found: unknown[] = []
  await searchLines(path, ERROR, (line) => { found.push(line.error_id) })
  t.same(found, [ERROR])
})

t.test('whatever the logs hold, the search ends and finds each line of a request once', async (t) => {
  const dir = t.testdir({})
  const path = join(dir, 'app.log')
  const noise = fc.oneof(
    fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ' ')),
    fc.json(),
    fc.constant(`"${ERROR}"`),
    fc.constant('{"request_id":7}'),
    fc.json().map((json) => `{"request_id":"req-1x","timestamp":${json}}`)
  )
  await fc.assert(fc.asyncProperty(fc.array(noise), fc.array(noise), fc.nat(20), async (before, after, count) => {
    const own = Array.from({ length: count }, (_, i) => line(i, { request_id: 'req-1', extra: { i } }))
    writeFileSync(path, text(...before, ...own, line(100, { request_id: 'req-1', error_id: ERROR }), ...after))
    const found = await findStory(dir, ERROR)
    return 'story' in found && found.story.lines.length === count + 1
  }), { numRuns: 100 })
})

t.test('the command prints the explanation as text', async (t) => {
  const cwd = t.testdir({ logs: { 'app.log': text(...lines) } })
  const [{ status, stdout }, json] = await Promise.all([
    runNode([CLI, 'explain', ERROR.toUpperCase()], { cwd, env: { PORT: 'bad, but of no concern here' } }),
    runNode([CLI, 'explain', ERROR, '--json'], { cwd })
  ])
  t.equal(status, 0)
  t.match(stdout, new RegExp(`^Error ${ERROR}: DATABASE_ERROR\n`))
  for (const part of [
    'when        2024-01-15T10:30:00.130Z',
    'asked       POST /api/v1/plans',
    'answered    503',
    'took        130.2 ms',
    'request_id  req-1',
    '  Caused by: Error: ECONNRESET',
    '112.5 ms  insertPlan',
    'All 3 lines of the request',
    'What DATABASE_ERROR means (503)',
    ERROR_CATALOGUE.DATABASE_ERROR.remedy,
    '10:30:00.120     +120 ms  WARNING   app.db  slow query'
  ]) {
    t.ok(stdout.includes(part), part)
  }

  t.match(JSON.parse(json.stdout), { error_id: ERROR, lines: { length: 3 } })
})

t.test(
  'the catalogue entry is printed, and control characters of a log do not reach the terminal',
  async (t) => {
    const cwd = t.testdir({
      logs: {
        'app.log': text(
          line(0, {
            request_id: 'r',
            error_id: ERROR,
            error_code: 'DATABASE_ERROR',
            message: 'red \u001b[31m\u009b2J\rover'
          })
        )
      }
    })
    const before = process.cwd()
    process.chdir(cwd)
    t.teardown(() => process.chdir(before))
    let said = ''
    t.equal(
      await explainWith(CATALOGUE).run([ERROR], (text) => {
        said += text
      }),
      0
    )
    t.match(said, /cause {7}The database cannot be reached\.\n {2}remedy {6}Run npm run check\./)
    t.ok(said.includes('red \\x1b[31m\\x9b2J\\x0dover'))
  }
)

t.test('an unknown error is answered with where else to look', async (t) => {
  const cwd = t.testdir({ logs: { 'app.log': text(...lines) } })
  const cases: Array<[args: string[], expected: object, env?: Record<string, string>]> = [
    [['ffffffff-e5f6-7890-abcd-ef1234567890'], { status: 1, stdout: /No error ffffffff[\s\S]*rotated/ }],
    [['a1b2c3d4'], { status: 1, stdout: `${ERROR}\n  ${OTHER}` }],
    [['a1b2c3d'], { status: 64 }],
    [['not an id at all'], { status: 64 }],
    [[], { status: 64, stderr: 'ERROR_ID' }],
    [[ERROR, OTHER], { status: 64 }],
    [[ERROR], { status: 1, stdout: 'cannot be read (ENOENT)' }, { LOG_DIR: 'nowhere' }]
  ]
  const json = runNode([CLI, 'explain', 'a1b2c3d4', '--json'], { cwd })
  await Promise.all(cases.map(async ([args, expected, env]) => {
    t.match(await runNode([CLI, 'explain', ...args], { cwd, env }), expected, args.join(' '))
  }))
  t.match(JSON.parse((await json).stdout), { candidates: [ERROR, OTHER] })
})

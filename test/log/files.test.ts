import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import type { Test } from 'tap'
import { createLogger } from '../../src/log/logger.ts'
import { createSink } from '../../src/log/sink.ts'
import type { SinkOptions } from '../../src/log/sink.ts'
import {
  cannotMount,
  logFiles,
  mountSmall,
  numbersIn,
  range,
  readLog,
  remount,
  sizes,
  unmount,
  until
} from '../harness/fixtures/log-directory.ts'

const LIMIT = 20_000
const open: Array<() => Promise<void>> = []
t.afterEach(async () => { for (const close of open.splice(0)) await close() })

let last = 0
/** A sink in its own directory, unless one is given, and a function that writes numbered lines to it. */
function start (t: Test, options: Partial<SinkOptions> = {}) {
  const directory = options.directory ?? join(t.testdir(), `logs-${++last}`)
  const sink = createSink({
    directory,
    console: false,
    maxFileBytes: LIMIT,
    keptFiles: 1000,
    checkIntervalMs: 10,
    flushDelayMs: 1,
    ...options
  })
  open.push(() => sink.close())
  const logger = createLogger({ sink, name: 'app.test' })
  const write = (from: number, to: number, pad = 100) => {
    for (const n of range(from, to)) logger.info('numbered', { n, pad: 'x'.repeat(pad) })
  }
  return { directory, sink, write }
}

t.test('app.log is the current file, full files are numbered, and a larger number is newer', async (t) => {
  const { directory, sink, write } = start(t)
  write(0, 500)
  await sink.close()
  t.same(numbersIn(readLog(directory)), range(0, 500), 'every line once, in order')
  t.ok(logFiles(directory).length > 4)
  t.ok(Math.max(...sizes(directory)) <= LIMIT, 'no file above the limit')
  t.ok(Math.min(...sizes(directory).slice(0, -1)) > LIMIT * 0.95, 'and they are well filled')
})

t.test('a file that is full, or larger than the limit, when the service starts is rotated once', async (t) => {
  for (const size of [LIMIT - 1, LIMIT, LIMIT + 1, LIMIT * 3]) {
    for (const isOpen of [true, false]) {
      const directory = join(t.testdir(), `full-${++last}`)
      mkdirSync(directory, { recursive: true })
      const line = JSON.stringify({ message: 'old', pad: '' })
      writeFileSync(join(directory, 'app.log'), `${line.replace('""', `"${'x'.repeat(size - line.length - 1)}"`)}\n`)
      const { sink, write } = start(t, { directory })
      if (isOpen) await sink.ready
      for (const n of range(0, 10)) {
        write(n, n + 1)
        sink.flushSync()
        await new Promise(setImmediate)
      }
      await sink.close()
      t.equal(logFiles(directory).length, 2, `${size} bytes, ${isOpen ? 'after' : 'while'} it is opened`)
      t.equal(sizes(directory)[0], size)
      t.same(numbersIn(readLog(directory)), range(0, 10))
    }
  }
})

t.test(
  'lines of any length, in bursts of any length, are written once, whole and in order, within the size limits',
  async (t) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            pads: fc.array(fc.integer({ min: 0, max: 4000 }), { maxLength: 60 }),
            pause: fc.constantFrom('none', 'tick', 'turn', 'flush', 'restart')
          }),
          { minLength: 1, maxLength: 8 }
        ),
        fc.integer({ min: 5000, max: 30_000 }),
        async (bursts, maxFileBytes) => {
          const directory = join(t.testdir(), `any-${++last}`)
          const options = {
            directory,
            console: false,
            maxFileBytes,
            keptFiles: 1000,
            checkIntervalMs: 5,
            flushDelayMs: 1
          }
          let sink = createSink(options)
          let n = 0
          for (const { pads, pause } of bursts) {
            const logger = createLogger({ sink })
            for (const pad of pads) logger.info('numbered', { n: n++, pad: 'é'.repeat(pad / 2) })
            if (pause === 'tick') await null
            if (pause === 'turn') await new Promise((resolve) => setTimeout(resolve, 3))
            if (pause === 'flush') sink.flushSync()
            if (pause === 'restart') {
              await sink.close()
              sink = createSink(options)
            }
          }
          await sink.close()
          t.same(sink.writeErrors, { file: 0, console: 0 })
          const isRight =
            numbersIn(readLog(directory)).join() === range(0, n).join() && Math.max(...sizes(directory)) <= maxFileBytes
          rmSync(directory, { recursive: true })
          return isRight
        }
      ),
      { numRuns: 40 }
    )
  }
)

t.test('a line larger than a chunk, of any characters, stays whole and in order', async (t) => {
  const { directory, sink } = start(t, { maxFileBytes: 10_000_000, flushDelayMs: 60_000 })
  const lines = [
    'first',
    'é'.repeat(70_000),
    '\u{1f3c3}'.repeat(31_000),
    'x'.repeat(200_000),
    'ł'.repeat(32_000),
    'last'
  ].map((text, n) => `${n}:${text}\n`)
  for (const line of lines) sink.write(line)
  await sink.close()
  t.ok(readFileSync(join(directory, 'app.log'), 'utf8') === lines.join(''))
})

t.test('the number of older files never exceeds the limit, across restarts too', async (t) => {
  let most = 0
  const directory = join(t.testdir(), 'logs')
  for (let restart = 0; restart < 6; restart++) {
    const { sink, write } = start(t, { directory, keptFiles: 3 })
    for (let i = 0; i < 10; i++) {
      write((restart * 10 + i) * 60, (restart * 10 + i + 1) * 60)
      sink.flushSync()
      most = Math.max(most, logFiles(directory).length)
      await new Promise((resolve) => setImmediate(resolve))
      most = Math.max(most, logFiles(directory).length)
    }
    await sink.close()
  }
  t.equal(most, 4, 'three and the current one')
  const numbers = numbersIn(readLog(directory))
  t.same(numbers, range(3600 - numbers.length, 3600), 'the newest lines without a gap')
})

t.test('a restart continues the same file, and terminates a line that a kill left incomplete', async (t) => {
  const { directory, sink, write } = start(t)
  write(0, 10)
  await sink.close()
  appendFileSync(join(directory, 'app.log'), '{"timestamp":"2024-01')
  const again = start(t, { directory })
  again.write(10, 20)
  await again.sink.close()
  t.same(logFiles(directory), ['app.log'])
  const lines = readFileSync(join(directory, 'app.log'), 'utf8').split('\n')
  t.equal(lines[10], '{"timestamp":"2024-01', 'on a line of its own')
  t.same(numbersIn(lines.filter((_, i) => i !== 10 && i < 21).map((line) => JSON.parse(line))), range(0, 20))
})

t.test('numbering continues after existing files, old files are removed, and unrelated files stay', async (t) => {
  const directory = t.testdir({ logs: {} }) + '/logs'
  for (const n of [...range(1, 20), 22, 24, 25, 26, 27, 28, 29, 31, 32, 33, 35]) { writeFileSync(join(directory, `app.${n}.log`), '') }
  const foreign = [
    'app.x.log',
    'app-3.log',
    'app3.log',
    'app.007.log',
    'app.1.log.gz',
    'app.99999999999999999999.log',
    'report-20240101.log',
    'app.5.txt',
    'zapp.4.log',
    'app-worker2.4.log',
    'app.1e3.log',
    'current.log'
  ]
  for (const file of foreign) writeFileSync(join(directory, file), 'mine')
  mkdirSync(join(directory, 'app.40.log'))
  const { sink, write } = start(t, { directory, keptFiles: 10 })
  await sink.ready
  t.same(
    logFiles(directory).filter((file) => file !== 'app.007.log' && !file.includes('9999') && file !== 'app.40.log'),
    [25, 26, 27, 28, 29, 31, 32, 33, 35]
      .map((n) => `app.${n}.log`)
      .toSpliced(0, 0, 'app.24.log')
      .concat('app.log')
  )
  write(0, 300)
  await sink.close()
  for (const file of foreign) t.equal(readFileSync(join(directory, file), 'utf8'), 'mine', file)
  t.ok(statSync(join(directory, 'app.40.log')).isDirectory())
  t.ok(existsSync(join(directory, 'app.41.log')), 'counted on from the largest')
  t.equal(
    readdirSync(directory).filter((file) => /^app\.[1-9]\d{0,3}\.log$/.test(file) && file !== 'app.40.log').length,
    10
  )
})

t.test('the service runs while app.log cannot be a file, and logging starts once it can', async (t) => {
  for (const make of [(path: string) => mkdirSync(path), (path: string) => symlinkSync('/dev/full', path)]) {
    const directory = t.testdir({ logs: {} }) + '/logs'
    make(join(directory, 'app.log'))
    const { sink, write } = start(t, { directory })
    await sink.ready
    write(0, 10)
    t.match(sink.status(), { degraded: true, reason: /app\.log is not a regular file/ })
    rmSync(join(directory, 'app.log'), { recursive: true })
    await until('recovery', () => !sink.status().degraded)
    await sink.close()
    t.same(numbersIn(readLog(directory)), range(0, 10), 'what was logged meanwhile is there')
    t.equal(sink.writeErrors.file, 0)
  }
})

t.test('an impossible directory costs no time, and loses only lines beyond the backlog', async (t) => {
  for (const directory of ['/proc/self/logs/deep/er', '/dev/null/logs', `${t.testdir({ file: '' })}/file/logs`]) {
    const started = process.cpuUsage()
    const { sink, write } = start(t, { directory, backlogBytes: 20_000 })
    await sink.ready
    t.match(sink.status(), { degraded: true, reason: /^log file: / }, directory)
    write(0, 1000)
    sink.flushSync()
    const lost = sink.writeErrors.file
    t.ok(lost > 850 && lost < 1000, `${lost} lost, the others kept`)
    await sink.close()
    t.equal(sink.writeErrors.file, 1000, 'until there is no more hope')
    t.ok(process.cpuUsage(started).user < 2e6)
  }
})

t.test('a removed directory is created again, with the lines that went into the removed file', async (t) => {
  const { directory, sink, write } = start(t, { checkIntervalMs: 50 })
  await sink.ready
  write(0, 10)
  sink.flushSync()
  rmSync(directory, { recursive: true })
  write(10, 20)
  sink.flushSync()
  await until('the file is back', () => existsSync(join(directory, 'app.log')))
  write(20, 30)
  await sink.close()
  const numbers = numbersIn(readLog(directory))
  t.same(numbers.slice(-20), range(10, 30))
  t.same(sink.writeErrors, { file: 0, console: 0 })
})

t.test('logging follows when another program moves, replaces or truncates the file', async (t) => {
  const { directory, sink, write } = start(t)
  await sink.ready
  write(0, 10)
  sink.flushSync()
  renameSync(join(directory, 'app.log'), join(directory, 'moved'))
  await until('a new file', () => existsSync(join(directory, 'app.log')))
  write(10, 20)
  sink.flushSync()
  t.same(numbersIn(readLog(directory)), range(10, 20))
  t.equal(readFileSync(join(directory, 'moved'), 'utf8').split('\n').length, 11)
  truncateSync(join(directory, 'app.log'))
  write(20, 30)
  await sink.close()
  t.same(numbersIn(readLog(directory)), range(20, 30))
})

t.test('two sinks in one directory do not touch the files of each other', async (t) => {
  const directory = join(t.testdir(), 'logs')
  const [one, two] = [start(t, { directory, keptFiles: 3 }), start(t, { directory, keptFiles: 3, name: 'app-2' })]
  for (const at of range(0, 20)) {
    one.write(at * 50, at * 50 + 50)
    two.write(at * 50, at * 50 + 50)
    one.sink.flushSync()
    two.sink.flushSync()
  }
  await one.sink.close()
  await two.sink.close()
  for (const name of ['app', 'app-2']) {
    t.equal(logFiles(directory, name).length, 4)
    const numbers = numbersIn(readLog(directory, name))
    t.same(numbers, range(1000 - numbers.length, 1000))
  }
})

t.test('two sinks on one file, a misconfiguration, still lose and cut no line', async (t) => {
  const directory = join(t.testdir(), 'logs')
  const [one, two] = [start(t, { directory }), start(t, { directory })]
  for (const at of range(0, 20)) {
    one.write(at * 10, at * 10 + 10)
    two.write(1000 + at * 10, 1000 + at * 10 + 10)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await one.sink.close()
  await two.sink.close()
  const numbers = numbersIn(readLog(directory))
  t.same(numbers.toSorted((a, b) => a - b), [...range(0, 200), ...range(1000, 1200)])
})

t.test(
  'a full disk loses only the lines for which neither the disk nor the backlog has room',
  { skip: cannotMount() },
  async (t) => {
    const disk = mountSmall(join(t.testdir(), 'disk'), 256)
    try {
      const { sink, write } = start(t, { directory: join(disk, 'logs'), maxFileBytes: 100_000, backlogBytes: 100_000 })
      await sink.ready
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(150_000))
      write(0, 3000)
      sink.flushSync()
      t.match(sink.status(), { degraded: true, reason: /ENOSPC/ })
      const lost = sink.writeErrors.file
      t.ok(lost > 500 && lost < 3000, `${lost} lines did not fit the backlog`)
      const before = numbersIn(readLog(join(disk, 'logs')))
      t.same(before, range(0, before.length), 'what is in the files is whole and in order')
      rmSync(join(disk, 'ballast'))
      await until('recovery', () => !sink.status().degraded)
      write(5000, 5010)
      await sink.close()
      const after = numbersIn(readLog(join(disk, 'logs')))
      t.same(
        after,
        [...range(0, 3000 - lost), ...range(5000, 5010)],
        'then the lines of the backlog follow without a gap, then the new ones'
      )
      t.equal(sink.writeErrors.file, lost)
    } finally {
      unmount(disk)
    }
  }
)

t.test('logging resumes when a read-only file system becomes writable again', { skip: cannotMount() }, async (t) => {
  const disk = mountSmall(join(t.testdir(), 'disk'), 1024)
  try {
    const { sink, write } = start(t, { directory: disk })
    await sink.ready
    write(0, 10)
    await sink.close()
    remount(disk, 'ro')
    const again = start(t, { directory: disk })
    await again.sink.ready
    again.write(10, 500)
    t.match(again.sink.status(), { degraded: true, reason: /EROFS/ })
    remount(disk, 'rw')
    await until('recovery', () => !again.sink.status().degraded)
    again.write(500, 510)
    await again.sink.close()
    t.same(numbersIn(readLog(disk)), range(0, 510))
  } finally {
    unmount(disk)
  }
})

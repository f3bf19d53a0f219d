import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  cannotMount,
  logFiles,
  mountSmall,
  numbersIn,
  parseLines,
  range,
  readLog,
  sizes,
  unmount
} from '../harness/fixtures/log-directory.ts'
import type { WriterOptions } from '../harness/fixtures/log-writer.ts'

const WRITER = fileURLToPath(new URL('../harness/fixtures/log-writer.js', import.meta.url))

interface Ended { code: number | null, signal: string | null, stdout: string, said: any[] }

function writer (options: WriterOptions, stdio: StdioOptions = ['ignore', 'pipe', 'pipe'], limits = ''): ChildProcess {
  const command = [process.execPath, WRITER, JSON.stringify(options)]
  return limits === ''
    ? spawn(command[0]!, command.slice(1), { stdio })
    : spawn('sh', ['-c', `${limits}; exec "$@"`, 'sh', ...command], { stdio })
}

/** Reads all output of a process until it ends. */
async function ended (child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text) => { stdout += text })
  child.stderr?.setEncoding('utf8').on('data', (text) => { stderr += text })
  const [code, signal] = await once(child, 'close') as [number | null, string | null]
  return {
    code,
    signal,
    stdout,
    said: stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
  }
}

/** The first message of a process outside its log. */
async function firstSaid (child: ChildProcess): Promise<any> {
  let text = ''
  for await (const part of child.stderr!.setEncoding('utf8')) {
    text += part
    if (text.includes('\n')) return JSON.parse(text)
  }
}

t.test(
  'no line is lost, cut or repeated in the file or on standard output, however the process ends',
  async (t) => {
    for (const end of ['exit', 'natural', 'close', 'throw', 'reject'] as const) {
      for (const waits of [false, true]) {
        const directory = join(t.testdir(), 'logs')
        const { code, stdout } = await ended(
          writer({ directory, lines: 5000, end, waits, maxFileBytes: 100_000, keptFiles: 100 })
        )
        const isCrash = end === 'throw' || end === 'reject'
        t.equal(code, isCrash ? 1 : 0, end)
        const lines = readLog(directory)
        t.same(numbersIn(lines), range(0, 5000), 'file')
        t.same(numbersIn(parseLines(stdout)), range(0, 5000), 'standard output')
        t.equal(
          stdout,
          logFiles(directory)
            .map((file) => readFileSync(join(directory, file), 'utf8'))
            .join(''),
          'the same bytes'
        )
        t.ok(Math.max(...sizes(directory)) <= 100_000)
        if (isCrash) {
          t.match(lines.at(-1), {
            level: 'CRITICAL',
            error_code: 'INTERNAL_ERROR',
            message: end === 'throw' ? 'uncaught exception' : 'unhandled rejection',
            exception:
              end === 'throw' ? /^Error: for nobody\n {4}at [^]*\nCaused by: thrown: null$/ : /^Error: nobody cares\n/
          })
        }
      }
    }
  }
)

t.test('a slow reader gets every line, including the last ones at the exit', async (t) => {
  const child = writer({ directory: join(t.testdir(), 'logs'), lines: 20_000, burst: 2000, end: 'exit' })
  let stdout = ''
  child.stdout!.setEncoding('utf8')
  const reading = (async () => {
    for await (const text of child.stdout!) {
      stdout += text
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  t.equal((await once(child, 'exit'))[0], 0)
  await reading
  t.same(numbersIn(parseLines(stdout)), range(0, 20_000))
})

t.test(
  'without a free descriptor at a rotation, the console continues, and the file resumes without losing a line',
  async (t) => {
    const directory = join(t.testdir(), 'logs')
    const {
      code,
      stdout,
      said: [{ degraded, errors }]
    } = await ended(
      writer(
        { directory, lines: 500, waits: true, end: 'descriptors', maxFileBytes: 60_000, checkIntervalMs: 20 },
        undefined,
        'ulimit -n 60'
      )
    )
    t.equal(code, 0)
    t.match(degraded, { degraded: true, reason: /EMFILE/ })
    t.same(errors, { file: 0, console: 0 })
    t.same(numbersIn(readLog(directory)), range(0, 1000))
    t.same(numbersIn(parseLines(stdout)), range(0, 1000))
    t.same(
      parseLines(stdout)
        .filter((line) => line.logger_name === 'app.log')
        .map((line) => line.level),
      ['WARNING', 'INFO']
    )
  }
)

// A process that ends waits only briefly for the reader of its standard output: the tests above read all of it, and run
// one after the other. The others run side by side.
t.jobs = 4

t.test('after SIGTERM every logged line is in the file, including the last', async (t) => {
  const directory = join(t.testdir(), 'logs')
  const child = writer({ directory, lines: 3000, end: 'sigterm', maxFileBytes: 100_000 })
  child.stderr!.once('data', () => child.kill('SIGTERM'))
  const { code } = await ended(child)
  t.equal(code, 0)
  const lines = readLog(directory)
  t.same(numbersIn(lines), range(0, 3000))
  t.equal(lines.at(-1)!.message, 'terminated')
})

t.test('SIGKILL loses at most the chunk being collected, and never leaves half a line before a later one', async (t) => {
  const directory = join(t.testdir(), 'logs')
  let from = 0
  for (let kill = 0; kill < 5; kill++) {
    const child = writer({
      directory,
      lines: 1_000_000,
      from,
      burst: 200,
      end: 'exit',
      maxFileBytes: 1_000_000,
      keptFiles: 1000,
      pad: 50
    })
    await once(child.stdout!, 'data')
    child.stdout!.resume()
    setTimeout(() => child.kill('SIGKILL'), 50 * kill)
    await once(child, 'exit')
    from += 1_000_000
  }
  const lines = logFiles(directory)
    .flatMap((file) => readFileSync(join(directory, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
  const whole = lines.filter((line) => line.endsWith('}'))
  t.ok(lines.length - whole.length <= 5, 'at most one cut line a kill')
  const numbers = numbersIn(whole.map((line) => JSON.parse(line)))
  for (let kill = 0; kill < 5; kill++) {
    const own = numbers.filter((n) => Math.floor(n / 1_000_000) === kill)
    t.ok(own.length > 0, `something was written by process ${kill}`)
    t.same(own, range(kill * 1_000_000, kill * 1_000_000 + own.length), 'without a gap')
  }
})

t.test('older files count across processes', async (t) => {
  const directory = join(t.testdir(), 'logs')
  for (const n of range(0, 8)) {
    await ended(
      writer({
        directory,
        lines: 700,
        from: n * 700,
        end: n % 2 === 0 ? 'exit' : 'close',
        maxFileBytes: 30_000,
        keptFiles: 4
      })
    )
  }
  t.equal(logFiles(directory).length, 5)
  const numbers = numbersIn(readLog(directory))
  t.same(numbers, range(5600 - numbers.length, 5600))
})

t.test(
  'an unread standard output neither blocks the process nor affects the file',
  async (t) => {
    t.testdir()
    // A socket as created by Node, and a pipe as created by a shell.
    const pipe = spawn(
      'sh',
      [
        '-c',
        '"$@" | sleep 30',
        'sh',
        process.execPath,
        WRITER,
        JSON.stringify({
          directory: join(t.testdirName, 'pipe'),
          lines: 30_000,
          burst: 1000,
          end: 'wait',
          backlogBytes: 500_000
        })
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], detached: true }
    )
    const socket = writer({
      directory: join(t.testdirName, 'socket'),
      lines: 30_000,
      burst: 1000,
      end: 'wait',
      backlogBytes: 500_000
    })
    const exit = once(socket, 'exit')
    // Read from the start: the output of a process is discarded once it has ended.
    const said = { pipe: firstSaid(pipe), socket: firstSaid(socket) }
    for (const name of ['pipe', 'socket'] as const) {
      const { status, errors } = await said[name]
      t.match(status, { degraded: true, reason: 'console: nobody reads standard output' }, name)
      t.ok(errors.console > 20_000 && errors.console < 30_000 && errors.file === 0, `${errors.console} lines dropped`)
      const lines = readLog(join(t.testdirName, name))
      t.same(numbersIn(lines), range(0, 30_000))
      t.equal(lines.filter((line) => line.error_code === 'LOG_WRITE_ERROR').length, 1, 'said once, in the file')
    }
    t.equal((await exit)[0], 0, 'it exits')
    process.kill(-pipe.pid!, 'SIGKILL')
    socket.stdout!.destroy()
  }
)

t.test('a closed reader of standard output is counted, logged once in the file, and stops nothing', async (t) => {
  const child = writer({
    directory: join(t.testdir(), 'logs'),
    lines: 5000,
    burst: 200,
    end: 'wait',
    checkIntervalMs: 20
  })
  child.stdout!.destroy()
  const { code, said: [{ status, errors }] } = await ended(child)
  t.equal(code, 0)
  t.match(status, { degraded: true, reason: /^console: E(PIPE|CONNRESET)/ })
  t.ok(errors.console > 4000 && errors.file === 0)
  const lines = readLog(join(t.testdirName, 'logs'))
  t.same(numbersIn(lines), range(0, 5000))
  t.equal(lines.filter((line) => line.error_code === 'LOG_WRITE_ERROR').length, 1)
})

t.test('standard output on a full device is counted and stops nothing', async (t) => {
  const full = openSync('/dev/full', 'w')
  const directory = join(t.testdir(), 'logs')
  const {
    code,
    said: [{ status, errors }]
  } = await ended(writer({ directory, lines: 1000, end: 'wait', backlogBytes: 10_000 }, ['ignore', full, 'pipe']))
  closeSync(full)
  t.equal(code, 0)
  t.match(status, { degraded: true, reason: /ENOSPC/ })
  t.ok(errors.console > 800)
  t.same(numbersIn(readLog(directory)), range(0, 1000))
})

t.test(
  'standard output to a file on a full disk keeps whole lines and continues',
  { skip: cannotMount() },
  async (t) => {
    const disk = mountSmall(join(t.testdir(), 'disk'), 64)
    try {
      const out = openSync(join(disk, 'out'), 'w')
      const {
        code,
        said: [{ status, errors }]
      } = await ended(
        writer({ directory: join(t.testdirName, 'logs'), lines: 3000, end: 'wait', backlogBytes: 10_000 }, [
          'ignore',
          out,
          'pipe'
        ])
      )
      closeSync(out)
      t.equal(code, 0)
      t.match(status, { degraded: true, reason: /ENOSPC/ })
      t.ok(errors.console > 1000)
      t.same(numbersIn(readLog(join(t.testdirName, 'logs'))), range(0, 3000))
    } finally {
      unmount(disk)
    }
  }
)

t.test('with an unusable LOG_DIR the log goes to the console, which reports it once', async (t) => {
  const directory = join(t.testdir({ file: '' }), 'file', 'logs')
  const {
    code,
    stdout,
    said: [{ status }]
  } = await ended(writer({ directory, lines: 100, end: 'report', checkIntervalMs: 5 }))
  t.equal(code, 0)
  t.match(status, { degraded: true, reason: /ENOTDIR|EEXIST/ })
  const lines = parseLines(stdout)
  t.same(numbersIn(lines), range(0, 100))
  t.match(
    lines.filter((line) => line.logger_name === 'app.log'),
    [
      {
        level: 'WARNING',
        error_code: 'LOG_WRITE_ERROR',
        message: /^log file cannot be written: E/,
        extra: { output: 'file' }
      }
    ]
  )
  t.equal(lines.filter((line) => line.logger_name === 'app.log').length, 1)
})

t.test('USE_JSON_LOGS=false makes the console readable, and the file stays JSON', async (t) => {
  const directory = join(t.testdir(), 'logs')
  const { stdout } = await ended(writer({ directory, lines: 2, end: 'close', json: false }))
  t.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO {5}app\.test numbered n=0\n[^\n]* n=1\n$/)
  t.same(numbersIn(readLog(directory)), [0, 1])
})

t.test('processes with different names in one directory do not interfere', async (t) => {
  const directory = join(t.testdir(), 'logs')
  mkdirSync(directory)
  writeFileSync(join(directory, 'app-3.log'), 'mine')
  const names = ['app', 'app-1', 'app-2']
  const all = await Promise.all(
    names.map((name) =>
      ended(writer({ directory, name, lines: 3000, burst: 300, end: 'exit', maxFileBytes: 50_000, keptFiles: 2 }))
    )
  )
  t.same(all.map(({ code }) => code), [0, 0, 0])
  for (const name of names) {
    t.equal(logFiles(directory, name).length, 3)
    const numbers = numbersIn(readLog(directory, name))
    t.same(numbers, range(3000 - numbers.length, 3000))
  }
  t.equal(readFileSync(join(directory, 'app-3.log'), 'utf8'), 'mine')
})

// README lists the files that lean on what their packages do without documenting it. These tests say what a new version
// of a package has changed; that of postgres.js is test/database/driver-seam.test.ts.
import { once } from 'node:events'
import { existsSync, fstatSync, openSync, readFileSync } from 'node:fs'
import pinoRoll, { type RollingStream } from 'pino-roll'
import { AggregatorRegistry, Registry } from 'prom-client'
import t from 'tap'
import { CounterFamily, DurationHistogram } from '../src/metrics/families.ts'

const readme = readFileSync('README.md', 'utf8')
const [, table = ''] = readme.split('## What leans on undocumented interfaces')
const rows = [...table.matchAll(/^\| `([^`]+)` \| (\S+) \| [^|]+ \| `([^`]+)` \|$/gm)].map(
  ([, file, name, test]) => ({ file, name, test }) as { file: string, name: string, test: string }
)

t.test('each file and test that README lists is there, and the package is pinned to one version', (t) => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> }
  t.ok(rows.length >= 4)
  for (const { file, name, test } of rows) {
    t.ok(existsSync(file), file)
    t.ok(existsSync(test), test)
    if (name !== 'node') t.match(dependencies[name], /^\d/, `${name} is pinned`)
  }
  t.end()
})

t.test('prom-client writes and adds up what has the shape of a metric', async (t) => {
  const registry = new Registry()
  const counters = new CounterFamily('things_total', 'Things', registry)
  const durations = new DurationHistogram('things_seconds', 'How long things took', [0.1, 1], registry)
  counters.of({ kind: 'a "b"' }).add(2)
  durations.of({}).observe(0.5)
  const text = [
    '# HELP things_total Things',
    '# TYPE things_total counter',
    'things_total{kind="a \\"b\\""} 2',
    '',
    '# HELP things_seconds How long things took',
    '# TYPE things_seconds histogram',
    'things_seconds_bucket{le="0.1"} 0',
    'things_seconds_bucket{le="1"} 1',
    'things_seconds_bucket{le="+Inf"} 1',
    'things_seconds_sum 0.5',
    'things_seconds_count 1',
    ''
  ].join('\n')
  const changed = 'prom-client no longer takes any object with name, help, type, aggregator and get(): see families.ts'
  t.equal(await registry.metrics(), text, changed)

  const figures = await registry.getMetricsAsJSON() as unknown as Record<string, unknown>
  const sum = await AggregatorRegistry.aggregate([figures, figures]).metrics()
  t.match(sum, /^things_total\{kind="a \\"b\\""\} 4$/m, `added up over processes: ${changed}`)
  t.match(sum, /^things_seconds_bucket\{le="1"\} 2$/m, `added up over processes: ${changed}`)
  registry.resetMetrics()
  t.notMatch(await registry.metrics(), /^things_total\{/m, `reset(): ${changed}`)
})

t.test('pino-roll writes to the file it is given, counts its write events, and rolls by reopen at a drain', async (t) => {
  const path = `${t.testdir()}/app.log`
  const fd = openSync(path, 'a+')
  const stream: RollingStream = await pinoRoll({
    file: '/dev/null/app.log',
    size: '100b',
    fd,
    sync: true,
    contentMode: 'buffer',
    retryEAGAIN: () => false
  })
  const changed = 'pino-roll does something else than rolling-file.ts knows of: see src/log/rolling-file.ts'
  t.equal(stream.fd, fd, changed)
  stream.write(Buffer.from('a line\n'))
  t.equal(readFileSync(path, 'utf8'), 'a line\n', `it writes at once: ${changed}`)

  const reopened: Array<string | undefined> = []
  stream.reopen = (next) => { reopened.push(next) }
  stream.file = '/dev/null/app.1.log'
  stream.emit('write', 99)
  stream.emit('drain')
  t.strictSame(reopened, ['/dev/null/app.2.log'], `full after as many bytes as it was told: ${changed}`)
  const closed = once(stream, 'close')
  stream.destroy()
  await closed
  t.throws(() => fstatSync(fd), { code: 'EBADF' }, `it closes the file: ${changed}`)
})

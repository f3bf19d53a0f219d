import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { blocksOf, ROOT, textOf } from '../harness/documents.ts'
import { startProcess } from '../harness/service.ts'
import { missingTools, walk } from '../harness/walk.ts'

const blocks = blocksOf('README.md')

t.test('the tour of README works as shown, from the first command to Ctrl-C', async (t) => {
  // As a reader starts it: with no variable set, so with the embedded Postgres and all limits.
  const service = await startProcess(t, {
    NODE_ENV: 'development',
    DATABASE_URL: '',
    RATE_LIMIT_MAX: '',
    RATE_LIMIT_AUTH_MAX: ''
  })
  const tour = blocks.filter(({ language, kind }) => language === 'bash' && kind === 'run')
  t.ok(tour.length >= 9, 'README has a tour')
  const missing = new Set(tour.flatMap(missingTools))
  if (missing.size > 0) t.comment(`SKIPPED: README's tour needs ${[...missing].join(', ')}`)
  else await walk(t, blocks, service, {})
  t.same(await service.stop('SIGINT'), { code: 0, signal: null })
})

t.test('the first commands of README are the ones that CI runs on a clean checkout', async (t) => {
  const script = readFileSync(join(ROOT, '.ci/run'), 'utf8')
  const commands = blocks.filter(({ kind }) => kind === 'ci').map(({ body }) => body.trim())
  t.same(commands, ['npm ci && npm start', 'npm ci && npm test'])
  t.ok(script.includes('{ npm ci && npm test; }'))
  t.match(script, /^ {2}npm start /m)
})

t.test('every path on the map exists, and every directory of code is on it', async (t) => {
  const [map] = blocks.filter(({ kind }) => kind === 'tree')
  const places = map!.body.trim().split('\n').map((line) => line.split(' ')[0] as string)
  for (const place of places) t.ok(existsSync(join(ROOT, place)), place)
  const folders = (path: string) =>
    readdirSync(join(ROOT, path), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  const made = ['node_modules', 'dist', 'data', 'logs']
  const own = folders('.').filter((name) => !name.startsWith('.') && !made.includes(name) && name !== 'src')
  for (const folder of [...own, ...folders('src').map((name) => `src/${name}`)]) {
    t.ok(map!.body.includes(`${folder}/`), folder)
  }
})

t.test('README draws the layers that test/architecture.test.ts enforces', async (t) => {
  const [, list] =
    /const LAYERS[^=]*= \[\n([^]*?)\n\]/.exec(readFileSync(join(ROOT, 'test/architecture.test.ts'), 'utf8')) ?? []
  const names = [...list!.matchAll(/^ {2}\['(\w+)'/gm)].map(([, name]) => name)
  t.ok(names.length > 1)
  t.ok(textOf('README.md').includes(`\n${names.join(' ─► ')}\n`), names.join(' ─► '))
})

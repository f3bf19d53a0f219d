import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { ErrorEnvelope } from '../../schemas/error.ts'
import { LogLine } from '../../schemas/log-line.ts'
import { Health } from '../../schemas/operations.ts'
import { ConfigError } from '../../src/config/config.ts'
import { readConfig } from '../../src/config/read.ts'
import { ERROR_CODES } from '../../src/errors.ts'
import { createDatabase } from '../harness/database.ts'
import {
  anchorsOf,
  blocksOf,
  jsonDifference,
  pages,
  parseAll,
  ROOT,
  textDifference,
  textOf,
  type Block
} from '../harness/documents.ts'
import { until } from '../harness/live-service.ts'
import { startProcess } from '../harness/service.ts'
import { ToxicProxy } from '../harness/toxic-proxy.ts'
import { syntaxProblem, walk } from '../harness/walk.ts'
import { alertGroups } from '../harness/deploy-files.ts'

/** `readme.test.ts` runs the tour of README, and `deployment.test.ts` the commands of DEPLOYMENT.md. */
const WALKED_ELSEWHERE = new Set(['README.md', 'docs/DEPLOYMENT.md'])

const blocks = pages().flatMap((page) => blocksOf(page))
const place = ({ page, line }: Block) => `${page}:${line}`

const ajv = new Ajv2020({ strict: false })
addFormats.default(ajv)
const SCHEMAS: Record<string, object> = { error: ErrorEnvelope, log: LogLine, health: Health }

t.test('every command of a page succeeds and prints the shown output', async (t) => {
  const walked = pages().filter(
    (page) =>
      !WALKED_ELSEWHERE.has(page) && blocksOf(page).some(({ language, kind }) => language === 'bash' && kind === 'run')
  )
  t.ok(walked.includes('docs/OPERATIONS.md'))
  for (const page of walked) {
    await t.test(page, async (t) => {
      const url = await createDatabase(t)
      const proxy = await ToxicProxy.to(Number(new URL(url).port))
      t.teardown(() => proxy.close())
      const env = {
        NODE_ENV: 'development',
        DATABASE_URL: proxy.url(url),
        MAX_POOL_SIZE: '20',
        DATABASE_QUERY_TIMEOUT: '1.2'
      }
      const service = await startProcess(t, env)
      await incident(proxy, service.url)
      await walk(t, blocksOf(page), service, env)
      if (page === 'docs/OPERATIONS.md') await checkMetricsTable(t, service.url)
    })
  }
})

/**
 * Produces log lines that an operator looks for: the database is down for a while, a request is slow and fails, health
 * changes and recovers.
 */
async function incident (proxy: ToxicProxy, url: string): Promise<void> {
  const ask = (path: string, body?: object, headers = {}) =>
    fetch(
      `${url}${path}`,
      body && {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body)
      }
    )
  const answers = (path: string, status: number) =>
    until(`${path} returns ${status}`, 90_000, async () => (await ask(path)).status === status || undefined)
  const account = { email: 'somebody@example.org', password: 'three old bicycles' }
  await proxy.setMode('freeze')
  const failed = await ask('/api/v1/auth/register', account)
  if (failed.status !== 503) throw new Error(`Without a database, registering answers ${failed.status}`)
  await answers('/health/ready', 503)
  await proxy.setMode('pass')
  await answers('/health/ready', 200)
}

/** The table of metrics lists exactly the families on `/metrics`, except for Node's own. */
async function checkMetricsTable (
  t: { same(found: unknown, wanted: unknown, message: string): unknown },
  url: string
): Promise<void> {
  const section = textOf('docs/OPERATIONS.md').split('\n## Metrics\n')[1]!.split('\n## ')[0]!
  const rows = [...section.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name)
  )
  const served = [...(await (await fetch(`${url}/metrics`)).text()).matchAll(/^# TYPE (\w+) /gm)]
    .map(([, name]) => name!)
    .filter((name) => !/^(nodejs|process)_/.test(name))
  t.same([...new Set(served)].sort(), [...new Set(rows)].sort(), 'the table of metrics matches /metrics')
}

t.test('every fenced block names its check, and passes it', async (t) => {
  for (const block of blocks) {
    const { page, language, kind, body } = block
    if (language === 'bash' || (language === '' && page === 'docs/DEPLOYMENT.md')) {
      t.equal(syntaxProblem(block), undefined, `${place(block)} is valid bash`)
      if (!WALKED_ELSEWHERE.has(page)) {
        t.ok(
          ['run', 'syntax', 'ci'].includes(kind),
          `${place(block)} states whether it is run: bash run, bash ci or bash syntax`
        )
      }
    } else if (language === 'json') {
      const values = parseAll(body)
      t.ok(
        kind === 'output' || kind in SCHEMAS,
        `${place(block)} is compared: json output, json ${Object.keys(SCHEMAS).join(', json ')}`
      )
      for (const value of kind in SCHEMAS ? values : []) {
        t.ok(ajv.validate(SCHEMAS[kind] as object, value), `${place(block)} ${ajv.errorsText()}`)
      }
    } else if (language === 'yaml') {
      t.same(parseAllDocuments(body).flatMap(({ errors }) => errors), [], place(block))
    } else if (language === 'env') {
      t.same(problemsOf(body), [], place(block))
    } else {
      t.ok(
        ['text', 'promql', 'sql', 'ini', ''].includes(language),
        `${place(block)} has a language with a check: ${language}`
      )
    }
  }
  for (const block of blocks.filter(({ kind }) => kind === 'output')) {
    const before = blocks[blocks.indexOf(block) - 1]
    t.ok(
      before?.page === block.page && before.language === 'bash' && before.kind === 'run',
      `${place(block)} follows the command that prints it`
    )
  }
})

/** The problems of an example of settings, including unknown variables. */
function problemsOf (settings: string): string[] {
  const env = Object.fromEntries(
    [...settings.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name as string, value as string])
  )
  try {
    return readConfig(env, '/nowhere')
      .warnings.filter(({ error_code: code }) => code === 'CONFIG_UNKNOWN_VARIABLE')
      .map(({ message }) => message)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    // An incomplete configuration is allowed in an example.
    return error.problems
      .filter(({ variable }) => env[variable] !== undefined)
      .map(({ variable, message }) => `${variable}: ${message}`)
  }
}

t.test('every link has a target', async (t) => {
  for (const page of pages()) {
    for (const [, target = ''] of textOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(ROOT, file))) t.fail(`${page} leads to ${target}`)
      else if (anchor !== undefined) t.ok(anchorsOf(textOf(file)).has(anchor), `${page} leads to ${target}`)
    }
  }
})

t.test('every npm script and file that a page names exists', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const page of pages()) {
    for (const [, name = ''] of textOf(page).matchAll(/\bnpm run (?:--silent )?([a-z][\w:-]*)/g)) {
      t.ok(name in scripts, `${page}: npm run ${name}`)
    }
    for (const [path] of textOf(page).matchAll(/(?<![\w/])(?:scripts|deploy|bench|schemas|src|test)\/[\w./-]+\.\w+/g)) {
      t.ok(existsSync(join(ROOT, path)), `${page}: ${path}`)
    }
  }
})

t.test('the table of alerts lists exactly the existing rules', async (t) => {
  const section = textOf('docs/OPERATIONS.md').split('\n## Alerts\n')[1]!.split('\n## ')[0]!
  const rows = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
  const rules = new Set(alertGroups().flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? [])))
  t.same([...rows].sort(), [...rules].sort())
})

/** Codes of a feature that does not exist yet: generated plans. */
const STILL_TO_COME = new Set(['PLAN_NOT_FEASIBLE'])

t.test('docs/ERRORS.md matches the table in the code, and each of its codes is used', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/write-error-docs.mjs', '--check'], {
    encoding: 'utf8',
    cwd: ROOT
  })
  t.equal(status, 0, stderr)
  const sources = spawnSync(
    'grep',
    [
      '-rhE',
      "'[A-Z_]{8,}'",
      'src',
      'plugins',
      'routes',
      '--include=*.ts',
      '--exclude=errors.ts',
      '--exclude=error-catalogue.ts'
    ],
    { encoding: 'utf8', cwd: ROOT }
  ).stdout
  const answered = (code: string) => new RegExp(`(?<!error_code: )'${code}'|\\b${code}: \\{`).test(sources)
  for (const code of ERROR_CODES) {
    if (!answered(code) && STILL_TO_COME.has(code)) t.comment(`${code} is for a future feature`)
    else t.ok(answered(code), `${code} is used`)
  }
})

t.test('examples are compared by content, and omitted parts are ignored', async (t) => {
  const found =
    '{"id":"019bbcd1-9c4f-7b13-a1a5-9d51a7f6c0e2","at":"2026-01-15T10:30:00.123Z","took_ms":1.5,"list":[1,2,3]}'
  const shown = { id: '019bbcd2-41f0-7a02-8d3e-52b0a6f1e7c4', at: '2027-01-01T00:00:00Z', took_ms: 9, list: [1, '…'] }
  t.equal(jsonDifference(JSON.stringify(shown), found), undefined)
  t.match(jsonDifference(JSON.stringify({ ...shown, list: [1, 2] }), found), 'list shows 2 items')
  t.match(jsonDifference(JSON.stringify({ ...shown, list: [2, '…'] }), found), 'list[0] shows 2')
  t.match(jsonDifference(JSON.stringify({ ...shown, id: 'other' }), found), '$.id')
  t.match(jsonDifference('{"…":"…","more":1}', found), '$.more is shown')
  t.match(jsonDifference('{"list":[1,2,3]}', found), 'does not show id, at, took_ms')
  t.match(jsonDifference(`${found}\n${found}`, found), 'shows 2 values')
  t.equal(textDifference('took 2.5 ms\n…\nlast', 'took 17 ms\none\ntwo\nlast\n'), undefined)
  t.type(textDifference('took 2.5 ms', 'took 2.5 ms\nand more'), 'string')
})

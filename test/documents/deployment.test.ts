import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { alertGroups, ROOT, text, yaml } from '../harness/deploy-files.ts'
import { notBuilt, post, startService, until } from '../harness/live-service.ts'
import { noPostgres, startSystemPostgres } from '../harness/system-postgres.ts'

const guide = text('docs/DEPLOYMENT.md')
/** What stands in the fences that are to be run, by the heading above them. */
const blocks = [...guide.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(({ 1: language, 2: body, index }) => ({
  language, body: body!, heading: guide.slice(0, index).match(/^## .*$/gm)!.at(-1)!.slice(3)
}))
const commands = (heading: string) =>
  blocks.filter((block) => block.heading === heading && block.language === 'bash').map(({ body }) => body)

const folder = mkdtempSync(join(tmpdir(), 'documents-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a block as a person would who stops at the first mistake. */
function run (script: string, env: Record<string, string> = {}): void {
  execFileSync('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: folder,
    env: { PATH: process.env.PATH!, ...env },
    stdio: 'pipe'
  })
}

t.test(
  "the secrets that the guide makes are long enough, and the owner's alone",
  { skip: spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed' },
  async (t) => {
    const [make] = commands('Secrets')
    run(make!)
    t.ok(readFileSync(join(folder, 'jwt-secret'), 'utf8').trim().length >= 32)
    t.ok(readFileSync(join(folder, 'metrics-token'), 'utf8').trim().length >= 16)
    t.equal(statSync(join(folder, 'jwt-secret')).mode & 0o077, 0)
  }
)

t.test(
  'what the guide dumps can be restored as it says, and served',
  { skip: notBuilt(ROOT) || noPostgres() },
  async (t) => {
    const postgres = await startSystemPostgres()
    t.teardown(() => postgres.stop())
    const env = { PATH: process.env.PATH!, DATABASE_URL: postgres.url('live'), RESTORE_URL: postgres.url('restored') }
    for (const name of ['live', 'restored']) {
      execFileSync('psql', ['--no-psqlrc', '--command', `create database ${name}`, postgres.url('postgres')], {
        stdio: 'pipe'
      })
    }
    const serve = (url: string, name: string) =>
      startService({
        folder: ROOT,
        env: {
          NODE_ENV: 'test',
          DATABASE_URL: url,
          JWT_SECRET: 'x8Jq2Lw0vRz5Tn7Bc4Yk9Hd1Fg6Mp3Qs',
          DATA_DIR: join(folder, name, 'data'),
          LOG_DIR: join(folder, name, 'logs')
        }
      })
    const ask = (url: string, path: string, body: object, headers = {}) => post(`${url}/api/v1${path}`, body, headers)
    const ready = (url: string) =>
      until('the service is ready', 30_000, async () => (await fetch(`${url}/health/ready`)).ok || undefined)
    const somebody = { email: 'runner@example.org', password: 'long enough to be one' }

    const before = await serve(env.DATABASE_URL, 'live')
    try {
      await ready(before.url)
      const { access_token: token } = (await (await ask(before.url, '/auth/register', somebody)).json()) as {
        access_token: string
      }
      t.equal(
        (
          await ask(
            before.url,
            '/plans',
            { name: 'Spring', start_date: '2026-01-05', end_date: '2026-04-26' },
            { authorization: `Bearer ${token}` }
          )
        ).status,
        201
      )
      const [dump, restore] = commands('Backup and restore')
      run(dump!, env)
      run(restore!, env)
    } finally {
      await before.stop()
    }

    const after = await serve(env.RESTORE_URL, 'restored')
    try {
      await ready(after.url)
      const login = await ask(after.url, '/auth/login', somebody)
      t.equal(login.status, 200, 'the runner signs in')
      const { access_token: token } = (await login.json()) as { access_token: string }
      const plans = await until('the plans are answered', 20_000, async () => {
        const answer = await fetch(`${after.url}/api/v1/plans`, { headers: { authorization: `Bearer ${token}` } })
        return answer.status === 503 ? undefined : ((await answer.json()) as { items: { name: string }[] })
      })
      t.match(plans.items, [{ name: 'Spring' }])
    } finally {
      await after.stop()
    }
  }
)

t.test('every link of the guide leads somewhere', async (t) => {
  const anchors = new Set(
    [...guide.matchAll(/^## (.*)$/gm)].map(
      ([, title]) =>
        `#${title!
          .toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-')}`
    )
  )
  for (const [, target] of guide.matchAll(/\]\(([^)]+)\)/g)) {
    if (target!.startsWith('#')) t.ok(anchors.has(target!), target!)
    else if (!target!.startsWith('http')) t.ok(existsSync(join(ROOT, dirname('docs/DEPLOYMENT.md'), target!)), target!)
  }
  for (const [path] of guide.matchAll(/\bdeploy\/[\w./-]*\w/g)) t.ok(existsSync(join(ROOT, path)), path)
})

t.test('the guide says what is so', async (t) => {
  const names = new Set(alertGroups().flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? [])))
  for (const name of names) t.match(guide, `\`${name}\``)
  const { services } = yaml('docker-compose.yml')
  for (const [, name] of JSON.stringify(services).matchAll(/\$\{(\w+):-/g)) t.match(guide, `${name}`)
  for (const [, name] of guide.matchAll(/`(?:npm run (\w+))`/g)) { t.ok(JSON.parse(text('package.json')).scripts[name!], name!) }
})

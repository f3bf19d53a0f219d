import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from '../harness/fast-check.ts'
import t from 'tap'
import { ConfigError, describeProblems } from '../../src/config/config.ts'
import { logDirectory, readConfig } from '../../src/config/read.ts'
import { distance, nearMiss } from '../../src/config/near-miss.ts'
import { SETTING_NAMES, SETTINGS } from '../../src/config/settings.ts'

type Environment = Record<string, string | undefined>

const SECRET = 'k9Vw2rXq7TzB4nLs8dYfGh1JmCpR6eUa'
const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://runner:Zx81pw@db.internal/trainer?sslmode=verify-full',
  JWT_SECRET: SECRET
}
const nowhere = t.testdir({})

/** The problems of an environment by variable; empty where it is good. */
function problemsOf (env: Environment, cwd = nowhere): Record<string, string> {
  try {
    readConfig(env, cwd)
    return {}
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return Object.fromEntries(error.problems.map(({ variable, message }) => [variable, message]))
  }
}

function warningsOf (env: Environment, cwd = nowhere): string[] {
  return readConfig(env, cwd).warnings.map((warning) => warning.error_code)
}

t.test('an empty environment gives the defaults', async (t) => {
  const { warnings, ...config } = readConfig({}, nowhere)
  t.match(config, {
    env: 'development',
    server: { host: '0.0.0.0', port: 8000, requestTimeoutMs: 30_000, keepAliveTimeoutMs: 72_000, drainDelayMs: 0, trustProxy: false },
    app: {
      name: 'Running Trainer API',
      version: JSON.parse(readFileSync('package.json', 'utf8')).version,
      debug: false
    },
    log: { level: 'INFO', dir: join(nowhere, 'logs'), json: true },
    database: {
      url: undefined,
      pooler: 'none',
      poolSize: 20,
      recycleS: 3600,
      queryTimeoutMs: 10_000,
      acquireTimeoutMs: 5000,
      connectTimeoutMs: 5000,
      migrateOnStart: true
    },
    dataDir: join(nowhere, 'data'),
    health: { intervalMs: 30_000 },
    security: { allowedOrigins: '*', hsts: false },
    rateLimit: { max: 600, authMax: 10 },
    auth: { secrets: undefined, oidc: undefined, passwords: { memoryKiB: 19_456, passes: 2, parallelism: 1 } },
    metrics: { token: undefined },
    docs: { enabled: true }
  })
})

t.test('production waits five seconds before it closes, sends HSTS, and keeps DEBUG for the level alone', async (t) => {
  const config = readConfig({ ...PRODUCTION, DEBUG: 'true', LOG_LEVEL: 'error' }, nowhere)
  t.equal(config.server.drainDelayMs, 5000)
  t.equal(config.security.hsts, true)
  t.equal(config.log.level, 'DEBUG')
  t.same(config.auth.secrets, [SECRET])
})

t.test('every bad variable is named at once, in the order of the table', async (t) => {
  const problems = problemsOf({
    NODE_ENV: 'prod',
    PORT: '65536',
    LOG_LEVEL: 'verbose',
    DEBUG: '1',
    MAX_POOL_SIZE: '0',
    POOL_RECYCLE: '59',
    DATABASE_URL: 'mysql://a/b',
    METRICS_TOKEN: 'short'
  })
  t.same(Object.keys(problems), [
    'NODE_ENV',
    'PORT',
    'DEBUG',
    'LOG_LEVEL',
    'DATABASE_URL',
    'MAX_POOL_SIZE',
    'POOL_RECYCLE',
    'METRICS_TOKEN'
  ])
  t.match(problems.PORT, '0 to 65535')
  t.match(problems.LOG_LEVEL, 'DEBUG, INFO, WARNING, ERROR or CRITICAL')
})

t.test('the list of problems names each variable and what was expected', async (t) => {
  try {
    readConfig({ PORT: 'x', WORKERS: '65' }, nowhere)
    t.fail('was accepted')
  } catch (error) {
    t.equal(describeProblems(error as ConfigError), [
      'Invalid configuration: PORT, WORKERS.',
      '  PORT: expected a whole number from 0 to 65535',
      '  WORKERS: expected a whole number from 1 to 64'
    ].join('\n'))
  }
})

t.test('production needs DATABASE_URL and JWT_SECRET', async (t) => {
  t.same(Object.keys(problemsOf({ NODE_ENV: 'production' })), ['DATABASE_URL', 'JWT_SECRET'])
  t.same(Object.keys(problemsOf({ ...PRODUCTION, JWT_SECRET: 'x'.repeat(31) })), ['JWT_SECRET'])
  t.same(problemsOf(PRODUCTION), {})
})

t.test('values are read strictly', async (t) => {
  const table: Array<[name: string, good: string[], bad: string[]]> = [
    [
      'PORT',
      ['0', '8080', '65535'],
      ['-1', '65536', '1e3', ' 5', '5 ', '0x10', '5.5', '+5', '08', '٣', 'NaN', 'Infinity', '9'.repeat(400)]
    ],
    ['WORKERS', ['1', '64'], ['0', '65']],
    ['POOL_RECYCLE', ['60', '86400'], ['59', '60.5', '99999999999']],
    ['KEEP_ALIVE_TIMEOUT', ['1', '3600', '2.5'], ['0', '0.5', '3601', '-3']],
    ['REQUEST_TIMEOUT', ['1', '600', '2.5'], ['0', '0.5', '601', '1e2', '.5', '5.', '-3']],
    ['SHUTDOWN_DRAIN_DELAY', ['0', '0.25', '300'], ['-1', '301', 'soon']],
    ['HEALTH_CHECK_INTERVAL', ['1', '3600'], ['0', '3601']],
    ['DATABASE_QUERY_TIMEOUT', ['0.05', '10'], ['0', '-0', '-1']],
    ['DEBUG', ['true', 'FALSE', 'True'], ['1', 'yes', 'on', ' true']],
    ['NODE_ENV', ['test', 'development'], ['Test', 'prod', 'staging']],
    ['LOG_LEVEL', ['debug', 'Info', 'CRITICAL'], ['WARN', 'FATAL', 'trace', '20']],
    ['DATABASE_POOLER', ['none'], ['session', 'Transaction']],
    ['HOST', ['127.0.0.1', '::', 'localhost'], ['http://0.0.0.0', 'a b', '[::1]']],
    [
      'TRUST_PROXY',
      ['false', '0', '1', '10.0.0.1', '10.0.0.0/8, fd00::/8'],
      ['true', '-1', '101', '1.5', '10.0.0.0/33', '10.0.0', 'proxy.internal', '10.0.0.1,', 'fe80::1%eth0', '10.0.0.0/']
    ],
    ['RATE_LIMIT_MAX', ['0', '600'], ['-1', 'none']],
    ['METRICS_TOKEN', ['x'.repeat(16)], ['x'.repeat(15), `${'x'.repeat(16)} y`]],
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      ['http://localhost:4318', 'https://otel.example.com/base/'],
      ['localhost:4318', 'grpc://otel:4317', 'http://u:p@otel:4318', 'http://otel:4318?x=1']
    ],
    ['OTEL_TRACES_SAMPLER_ARG', ['0', '0.25', '1'], ['-1', '1.01', 'always']],
    ['API_VERSION', ['1.0.0', '2026-01-15+abc'], ['one two', 'x'.repeat(65)]],
    ['DATA_DIR', ['data', '/var/lib/trainer'], ['a\nb']],
    [
      'OIDC_ISSUER',
      [],
      ['login.example.com', 'ftp://login.example.com', 'https://login.example.com?x=1', 'https://a:b@login.example.com']
    ],
    ['JWT_SECRET', [SECRET, `${SECRET},${SECRET}2`], ['x'.repeat(31), `${SECRET},`, `${SECRET},short`]],
    [
      'DATABASE_URL',
      [
        'postgres://db/trainer',
        'postgresql://u:p%40ss@127.0.0.1:5433/trainer?sslmode=require',
        'postgres://a:5432,b:5433/trainer',
        'postgres:///trainer?host=/run/postgresql',
        'postgres://db/trainer?ssl=true&connect_timeout=10&client_encoding=UTF8',
        'postgres://[::1]:5432/trainer'
      ],
      [
        'postgres://',
        'postgres:///trainer',
        'postgres://db',
        'postgres://db/',
        'postgres://db/a/b',
        'http://db/trainer',
        'postgres://u:%zz@db/t',
        'postgres://u:pa#ss@db/t',
        'postgres://db:port/t',
        'postgres://db:0/t',
        'postgres://a,,b/t',
        'postgres://u:p@ss@db/t',
        'postgres://db/t?sslmode=yes',
        'postgres://db/t?ssl=yes',
        'postgres://db/t?sslmod=require'
      ]
    ]
  ]
  for (const [name, good, bad] of table) {
    for (const text of good) t.same(problemsOf({ [name]: text }), {}, `${name}=${text} is good`)
    for (const text of bad) {
      t.same(
        Object.keys(problemsOf({ [name]: text })).filter((key) => key === name),
        [name],
        `${name}=${text} is refused`
      )
    }
  }
})

t.test('a parameter of a database URL that is not known is named, and its value is not', async (t) => {
  const { DATABASE_URL: problem } = problemsOf({ DATABASE_URL: 'postgres://u:p@db/t?sslmod=hunter22' })
  t.match(problem, /not known, sslmod; did you mean sslmode\?/)
  t.notMatch(problem, 'hunter22')
})

t.test('durations are whole milliseconds and never become nothing', async (t) => {
  const { server, database } = readConfig(
    { REQUEST_TIMEOUT: '1.1', DATABASE_QUERY_TIMEOUT: '0.0001', SHUTDOWN_DRAIN_DELAY: '0' },
    nowhere
  )
  t.equal(server.requestTimeoutMs, 1100)
  t.equal(database.queryTimeoutMs, 1)
  t.equal(server.drainDelayMs, 0)
})

t.test('lists and proxies come out as what the plugins take', async (t) => {
  const config = readConfig(
    {
      ALLOWED_ORIGINS: 'https://app.example.com, http://localhost:3000,https://app.example.com',
      TRUST_PROXY: '10.0.0.0/8, ::1',
      JWT_SECRET: `${SECRET}, ${SECRET}-old`,
      OIDC_ISSUER: 'https://login.example.com',
      OIDC_AUDIENCE: 'runs'
    },
    nowhere
  )
  t.same(config.security.allowedOrigins, ['https://app.example.com', 'http://localhost:3000'])
  t.same(config.server.trustProxy, ['10.0.0.0/8', '::1'])
  t.same(config.auth.secrets, [SECRET, `${SECRET}-old`])
  t.same(config.auth.oidc, { issuer: 'https://login.example.com', audience: 'runs' })
  t.equal(readConfig({ TRUST_PROXY: '2' }, nowhere).server.trustProxy, 2)
  t.equal(readConfig({ TRUST_PROXY: '0' }, nowhere).server.trustProxy, false)
})

t.test('an origin in a form that no browser sends is refused with the form that they send', async (t) => {
  for (const [entry, form] of [
    ['https://app.example.com/', 'https://app.example.com'],
    ['https://App.Example.com', 'https://app.example.com'],
    ['https://app.example.com:443', 'https://app.example.com'],
    ['https://user:pw@app.example.com/path?q=1', 'https://app.example.com'],
    ['https://müller.example', 'https://xn--mller-kva.example']
  ] as const) {
    const problem = problemsOf({ ALLOWED_ORIGINS: `https://ok.example,${entry}` }).ALLOWED_ORIGINS ?? ''
    t.ok(problem.endsWith(`entry 2 is not in the form that browsers send: write ${form}`), problem)
  }
  for (const entry of [
    'app.example.com',
    '*,https://a.example',
    'https://*.example.com',
    'null',
    'ftp://a.example',
    'https:a.example',
    'https://a.example,,https://b.example',
    ','
  ]) {
    t.hasProp(problemsOf({ ALLOWED_ORIGINS: entry }), 'ALLOWED_ORIGINS', entry)
  }
})

t.test('variables that need one another are missed together', async (t) => {
  t.same(Object.keys(problemsOf({ OIDC_ISSUER: 'https://login.example.com' })), ['OIDC_AUDIENCE'])
  t.same(Object.keys(problemsOf({ OIDC_AUDIENCE: 'runs' })), ['OIDC_ISSUER'])
  t.same(Object.keys(problemsOf({ DATABASE_MIGRATION_URL: 'postgres://db/trainer' })), ['DATABASE_URL'])
  t.same(Object.keys(problemsOf({ ...PRODUCTION, OIDC_ISSUER: 'http://login.example.com', OIDC_AUDIENCE: 'runs' })), [
    'OIDC_ISSUER'
  ])
  t.same(problemsOf({ OIDC_ISSUER: 'http://keycloak:8080', OIDC_AUDIENCE: 'runs' }), {})
})

t.test('an empty value counts as not set', async (t) => {
  t.equal(readConfig({ PORT: '', DATABASE_URL: '', METRICS_TOKEN: '', PORT_FILE: '' }, nowhere).server.port, 8000)
  t.same(Object.keys(problemsOf({ ...PRODUCTION, JWT_SECRET: '' })), ['JWT_SECRET'])
})

t.test('any variable may be given as a file', async (t) => {
  const folder = t.testdir({
    secret: `${SECRET}\n`,
    port: '9000\r\n',
    two: '9000\n\n',
    empty: '\n',
    big: 'x'.repeat(65_537),
    bytes: Buffer.from([0xff, 0xfe]),
    nul: 'a\0b'
  })
  const file = (name: string) => join(folder, name)
  const config = readConfig({ JWT_SECRET_FILE: file('secret'), PORT_FILE: file('port') }, nowhere)
  t.same(config.auth.secrets, [SECRET])
  t.equal(config.server.port, 9000)
  t.match(problemsOf({ PORT_FILE: file('two') }).PORT, 'whole number', 'only the last newline is dropped')
  t.match(problemsOf({ PORT: '1', PORT_FILE: file('port') }).PORT, 'set twice')
  t.match(problemsOf({ APP_NAME_FILE: file('absent') }).APP_NAME_FILE, 'ENOENT')
  t.match(problemsOf({ APP_NAME_FILE: folder }).APP_NAME_FILE, 'EISDIR')
  t.match(problemsOf({ APP_NAME_FILE: file('empty') }).APP_NAME_FILE, 'empty')
  t.match(problemsOf({ APP_NAME_FILE: file('big') }).APP_NAME_FILE, '65536 bytes')
  t.match(problemsOf({ APP_NAME_FILE: file('bytes') }).APP_NAME_FILE, 'UTF-8')
  t.match(problemsOf({ APP_NAME_FILE: file('nul') }).APP_NAME, 'NUL')
  t.same(problemsOf({ SOMETHING_FILE: file('absent') }), {}, 'of unknown names nothing is said')
  t.same(
    Object.keys(problemsOf({ ...PRODUCTION, JWT_SECRET: undefined, JWT_SECRET_FILE: file('absent') })),
    ['JWT_SECRET_FILE'],
    'named once'
  )
})

t.test('.env is read outside production, and the environment wins', async (t) => {
  const folder = t.testdir({
    '.env': '# ours\nPORT=9001\nexport APP_NAME="From the file"\nLOG_LEVL=DEBUG\nDATABASE_URL=postgres://db/trainer\n'
  })
  const config = readConfig({ PORT: '9002', DATABASE_URL: '' }, folder)
  t.equal(config.server.port, 9002)
  t.equal(config.app.name, 'From the file')
  t.equal(config.database.url, undefined, 'an empty variable too')
  t.ok(config.warnings.some(({ message }) => message.includes('LOG_LEVL') && message.includes('LOG_LEVEL')))
  t.equal(readConfig(PRODUCTION, folder).app.name, 'Running Trainer API')
  const port = join(folder, 'port')
  writeFileSync(port, '9003')
  t.equal(readConfig({ PORT_FILE: port }, folder).server.port, 9003, 'NAME_FILE of the environment wins as well')
  t.match(problemsOf({}, t.testdir({ '.env': 'NODE_ENV=production' })).NODE_ENV, '.env')
  t.same(problemsOf({}, t.testdir({ '.env': {} })), {}, 'a folder of that name is nobody\'s')
})

t.test('a slip in a name is warned of, with the name that was meant', async (t) => {
  for (const [slip, meant] of [
    ['LOG_LEVL', 'LOG_LEVEL'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['log_level', 'LOG_LEVEL'],
    ['DATABSE_URL', 'DATABASE_URL'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['ALLOWED_ORIGIN', 'ALLOWED_ORIGINS'],
    ['PROT', 'PORT'],
    ['DEBGU', 'DEBUG'],
    ['JWT_SECRET_FIEL', 'JWT_SECRET_FILE'],
    ['JWT_SECRETS', 'JWT_SECRET'],
    ['NODE_EVN', 'NODE_ENV'],
    ['WORKER', 'WORKERS']
  ] as const) {
    const [warning] = readConfig({ [slip]: 'x' }, nowhere).warnings.filter(
      ({ error_code: code }) => code === 'CONFIG_UNKNOWN_VARIABLE'
    )
    t.equal(warning?.message, `${slip} is not a known variable and is ignored; did you mean ${meant}?`)
  }
})

t.test('the variables that a machine, a container, CI and Kubernetes set raise no alarm', async (t) => {
  const common = `HOME HOSTNAME HOSTTYPE PATH PWD OLDPWD SHELL SHLVL TERM USER LOGNAME LANG LC_ALL TZ EDITOR PAGER MAIL DISPLAY TMPDIR TEMP TMP _ PS1 COLUMNS LINES
    XDG_DATA_DIRS XDG_DATA_HOME XDG_RUNTIME_DIR SSH_AUTH_SOCK SSH_CONNECTION SUDO_USER DBUS_SESSION_BUS_ADDRESS LS_COLORS WINDOWID VTE_VERSION COLORTERM TERM_PROGRAM_VERSION
    NODE NODE_VERSION NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS YARN_VERSION NVM_DIR NVM_BIN INIT_CWD npm_config_cache npm_package_version npm_lifecycle_event npm_node_execpath npm_execpath
    HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy ALL_PROXY SSL_CERT_FILE SSL_CERT_DIR CI GITHUB_TOKEN GITHUB_REF GITHUB_SHA RUNNER_OS JAVA_HOME APP_HOME GOPATH PYTHONPATH
    KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBERNETES_PORT KUBERNETES_PORT_443_TCP POSTGRES_PORT POSTGRES_SERVICE_HOST POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB
    POSTGRES_HOST PGHOST PGPORT PGUSER PGDATABASE PGDATA PGSSLMODE POD_NAME POD_IP NODE_NAME HOST_IP AWS_REGION AWS_PROFILE GOOGLE_CLOUD_PROJECT DYNO DEBIAN_FRONTEND DOCKER_HOST
    OTEL_RESOURCE_ATTRIBUTES OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_PROTOCOL OTEL_TRACES_SAMPLER UV_THREADPOOL_SIZE RUST_LOG LOG_FILE FORCE_COLOR NO_COLOR TAP_CHILD_ID APPDATA COMSPEC OS PATHEXT WINDIR ProgramData PUBLIC`
  const env = Object.fromEntries(common.split(/\s+/).map((name) => [name, 'x']))
  t.notOk(warningsOf(env).includes('CONFIG_UNKNOWN_VARIABLE'))
  t.same(Object.keys(env).filter((name) => nearMiss(name, SETTING_NAMES)), [])
  t.notOk(warningsOf(process.env).includes('CONFIG_UNKNOWN_VARIABLE'), 'nor does the environment of this test')
})

t.test('the distance of two names counts a swap as one slip and is the same both ways', async (t) => {
  t.equal(distance('PROT', 'PORT'), 1)
  t.equal(distance('LOG_LEVL', 'LOG_LEVEL'), 1)
  t.equal(distance('', 'HOST'), 4)
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      (a, b) => distance(a, b) === distance(b, a) && (distance(a, b) === 0) === (a === b)
    )
  )
})

t.test('each insecure setting has its warning', async (t) => {
  const safe = { ...PRODUCTION, ALLOWED_ORIGINS: 'https://app.example.com', METRICS_TOKEN: 'w7Kd03nfQp5sLx9z' }
  t.same(warningsOf(safe), [])
  for (const [change, code] of [
    [{ DEBUG: 'true' }, 'INSECURE_DEBUG'],
    [{ ALLOWED_ORIGINS: '*' }, 'INSECURE_ALLOWED_ORIGINS'],
    [{ METRICS_TOKEN: '' }, 'INSECURE_METRICS'],
    [{ JWT_SECRET: 'change-me-change-me-change-me-change-me' }, 'INSECURE_JWT_SECRET'],
    [{ JWT_SECRET: 'a'.repeat(40) }, 'INSECURE_JWT_SECRET'],
    [{ TRUST_PROXY: '0.0.0.0/0' }, 'INSECURE_TRUST_PROXY'],
    [{ RATE_LIMIT_AUTH_MAX: '0' }, 'INSECURE_RATE_LIMIT'],
    [{ DATABASE_URL: 'postgres://db.internal/trainer' }, 'INSECURE_DATABASE_TLS'],
    [{ DATABASE_URL: 'postgres://db.internal/trainer?sslmode=prefer' }, 'INSECURE_DATABASE_TLS'],
    [{ DATABASE_URL: 'postgres://localhost,db.internal/trainer' }, 'INSECURE_DATABASE_TLS'],
    [{ DATABASE_MIGRATION_URL: 'postgres://db.internal/trainer' }, 'INSECURE_DATABASE_TLS']
  ] as Array<[Environment, string]>) t.same(warningsOf({ ...safe, ...change }), [code], JSON.stringify(change))
  for (const host of [
    'localhost',
    '127.0.0.1',
    '[::1]',
    '127.8.8.8',
    'pg.localhost',
    '%2Fvar%2Frun',
    'localhost:5432,127.0.0.1:5433'
  ]) {
    t.same(warningsOf({ ...safe, DATABASE_URL: `postgres://${host}/trainer` }), [], `${host} is this machine`)
  }
})

t.test('no value of a secret is ever in a message', async (t) => {
  const markers = fc.stringMatching(/^[A-Za-z0-9]{12,40}$/)
  const secrets = SETTING_NAMES.filter((name) => SETTINGS[name].secret)
  const around = fc.constantFrom(
    '%',
    'postgres://u:%@h',
    'postgres://u:%@h/d#',
    'postgres://h/%/x',
    'mysql://u:%@h/d',
    'postgres://u:%',
    '%,',
    '% %',
    'postgres://u:%@h/d?sslmode=%'
  )
  t.same(secrets, ['DATABASE_URL', 'DATABASE_MIGRATION_URL', 'JWT_SECRET', 'METRICS_TOKEN'])
  fc.assert(fc.property(fc.constantFrom(...secrets), markers, around, fc.boolean(), (name, marker, shape, asFile) => {
    const text = shape.replaceAll('%', marker)
    const env = asFile ? { [`${name}_FILE`]: text } : { [name]: text }
    const told = JSON.stringify([problemsOf(env), problemsOf({ ...env, NODE_ENV: 'production' })])
    return !told.includes(marker)
  }), { numRuns: 500 })
})

t.test('whatever the environment, reading it answers a configuration or throws ConfigError', async () => {
  const name = fc.oneof(
    fc.constantFrom(...SETTING_NAMES),
    fc.constantFrom(...SETTING_NAMES.map((name) => `${name}_FILE`)),
    fc.string(),
    fc.constantFrom('__proto__', 'constructor', 'toString')
  )
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.webUrl(),
    fc.integer().map(String),
    fc.double().map(String),
    fc.constantFrom(
      'production',
      'true',
      'postgres://h/d',
      '*',
      ',',
      '\0',
      '/dev/null',
      'postgres://a:1,b:2/d?sslmode=%',
      'postgres://[::]/d'
    )
  )
  fc.assert(fc.property(fc.array(fc.tuple(name, text)), (pairs) => {
    const env = Object.fromEntries(pairs)
    try {
      const config = readConfig(env, nowhere)
      return Number.isInteger(config.server.port) && config.server.requestTimeoutMs >= 1000
    } catch (error) {
      return (
        error instanceof ConfigError &&
        error.problems.length > 0 &&
        new Set(error.problems.map(({ variable }) => variable)).size === error.problems.length
      )
    }
  }), { numRuns: 2000 })
})

t.test('the folder of the log is known even where the configuration is bad', async (t) => {
  t.equal(logDirectory({ PORT: 'x', LOG_DIR: 'elsewhere' }, nowhere), join(nowhere, 'elsewhere'))
  t.equal(logDirectory({}, nowhere), join(nowhere, 'logs'))
})

t.test('.env.example and the table in the documents are made from the table in the code', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/write-config-docs.mjs', '--check'], {
    encoding: 'utf8'
  })
  t.equal(status, 0, stderr)
  const example = readFileSync('.env.example', 'utf8')
    .replaceAll(/^# ([A-Z_]+=.*)$/gm, '$1')
    .replaceAll(/^(?:API_VERSION|JWT_SECRET|SHUTDOWN_DRAIN_DELAY|METRICS_TOKEN)=$/gm, '')
  t.same(problemsOf({}, t.testdir({ '.env': example })), {}, 'and every line of the example is a good one')
})

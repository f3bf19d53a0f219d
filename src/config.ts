import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Value } from '@sinclair/typebox/value'
import { nearMiss } from './config/near-miss.ts'
import { SETTING_NAMES, SETTINGS, Settings } from './config/settings.ts'
import type { SettingName } from './config/settings.ts'
import { gather } from './config/sources.ts'
import type { Environment, Problem } from './config/sources.ts'
import { parseUrl, readValue, unexpected } from './config/values.ts'
import { insecurities, isLocalHost } from './config/warnings.ts'
import type { ConfigWarning } from './config/warnings.ts'

export type { Problem } from './config/sources.ts'
export type { ConfigWarning } from './config/warnings.ts'

/** How this process is to run, grouped by the plugin that takes it. Names carry their unit: `Ms` milliseconds, `S` seconds. */
export interface Config {
  env: 'development' | 'test' | 'production'
  server: {
    host: string
    /** 0: any free one. */
    port: number
    /** The longest a request may take, and a shutdown may wait for work in flight. */
    requestTimeoutMs: number
    /** From readiness turning 503 to the listener closing. */
    drainDelayMs: number
    /** As Fastify's `trustProxy`: nobody, so many hops, or these addresses and CIDRs. */
    trustProxy: false | number | string[]
    /** Processes that share the port. */
    workers: number
  }
  app: { name: string, version: string, debug: boolean }
  log: {
    /** The least level that is logged; DEBUG whenever `app.debug` is on. */
    level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'
    /** Absolute. */
    dir: string
    /** Whether the console gets JSON; the file always does. */
    json: boolean
  }
  database: {
    /** Absent: the embedded PostgreSQL under `dataDir`. */
    url?: string
    /** Absent: as `url`. */
    migrationUrl?: string
    pooler: 'none' | 'transaction'
    poolSize: number
    recycleS: number
    queryTimeoutMs: number
    acquireTimeoutMs: number
    connectTimeoutMs: number
    migrateOnStart: boolean
  }
  /** Absolute. */
  dataDir: string
  health: { intervalMs: number }
  security: { allowedOrigins: '*' | string[], /** Send Strict-Transport-Security. */ hsts: boolean }
  /** Requests a minute; 0: no limit. */
  rateLimit: { max: number, authMax: number }
  auth: {
    /** The first signs, all are accepted. Absent (never in production): the one that `loadOrMakeSecret(dataDir)` answers. */
    secrets?: string[]
    oidc?: { issuer: string, audience: string }
    /** What hashing a password costs, by Argon2id. */
    passwords: { memoryKiB: number, passes: number, parallelism: number }
  }
  metrics: { /** Absent: open to all. */ token?: string }
  docs: { enabled: boolean }
  /** Absent: no tracing. */
  tracing?: { endpoint: string, serviceName: string, ratio: number }
  /** To be logged once at start. */
  warnings: ConfigWarning[]
}

/** The environment is not one to start with; `problems` names every bad variable. The process is to exit with 78 (EX_CONFIG). */
export class ConfigError extends Error {
  readonly problems: Problem[]

  constructor (problems: Problem[]) {
    super(`The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}: ${problems.map(({ variable }) => variable).join(', ')}`)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** All problems of a `ConfigError`, one a line, for people. */
export function describeProblems (error: ConfigError): string {
  return [`${error.message}.`, ...error.problems.map(({ variable, message }) => `  ${variable}: ${message}`)].join('\n')
}

/**
 * Reads the configuration from the environment, the files that it names and, outside production, `.env` in `cwd`.
 *
 * Throws ConfigError, and nothing else, naming everything that is wrong.
 */
export function readConfig (env: Environment = process.env, cwd = process.cwd()): Config {
  const { texts, problems, names } = gather(env, cwd)
  const values: Record<string, unknown> = {}
  for (const name of SETTING_NAMES) {
    const text = texts.get(name)
    const reading = text === undefined ? { value: SETTINGS[name].default } : readValue(text, SETTINGS[name])
    if ('problem' in reading) problems.push({ variable: name, message: reading.problem })
    else if (reading.value !== undefined) values[name] = reading.value
  }

  const bad = new Set(problems.map(({ variable }) => variable.replace(/_FILE$/, '')))
  const report = (name: SettingName, message: string) => {
    if (!bad.has(name)) problems.push({ variable: name, message })
    bad.add(name)
  }
  for (const { path } of Value.Errors(Settings, values)) {
    const name = path.split('/')[1] as SettingName
    // What could not be read has no value to hold against the schema.
    if (name in values) report(name, unexpected(SETTINGS[name]).problem)
  }
  const settings = values as Settings
  checkTogether(settings, texts, report)
  if (problems.length > 0) throw new ConfigError(problems.sort((a, b) => rank(a) - rank(b)))

  const config = group(settings, cwd)
  config.warnings.push(...insecurities(config), ...misspellings(names))
  return config
}

/**
 * The folder of `app.log`, also where the rest of the configuration is bad: for commands that only read what was logged.
 */
export function logDirectory (env: Environment = process.env, cwd = process.cwd()): string {
  return resolve(cwd, gather(env, cwd).texts.get('LOG_DIR') ?? SETTINGS.LOG_DIR.default as string)
}

/** What one variable asks of another. */
function checkTogether (settings: Settings, texts: Map<SettingName, string>, report: (name: SettingName, message: string) => void): void {
  const production = settings.NODE_ENV === 'production'
  for (const name of SETTING_NAMES) {
    if (production && SETTINGS[name].requiredInProduction && !texts.has(name)) {
      report(name, `is required in production: ${unexpected(SETTINGS[name]).problem}`)
    }
  }
  const needs = (name: SettingName, other: SettingName) => {
    if (texts.has(name) && !texts.has(other)) report(other, `is missing: ${name} is set, so ${unexpected(SETTINGS[other]).problem}`)
  }
  needs('OIDC_ISSUER', 'OIDC_AUDIENCE')
  needs('OIDC_AUDIENCE', 'OIDC_ISSUER')
  needs('DATABASE_MIGRATION_URL', 'DATABASE_URL')
  const issuer = parseUrl(settings.OIDC_ISSUER ?? '')
  if (production && issuer?.protocol === 'http:' && !isLocalHost(issuer.hostname)) {
    report('OIDC_ISSUER', 'must be an https:// address in production: its keys decide who is signed in')
  }
}

/** The settings in the shape that the plugins take. */
function group (settings: Settings, cwd: string): Config {
  const production = settings.NODE_ENV === 'production'
  return {
    env: settings.NODE_ENV,
    server: {
      host: settings.HOST,
      port: settings.PORT,
      requestTimeoutMs: inMs(settings.REQUEST_TIMEOUT),
      drainDelayMs: inMs(settings.SHUTDOWN_DRAIN_DELAY ?? (production ? 5 : 0)),
      trustProxy: settings.TRUST_PROXY,
      workers: settings.WORKERS
    },
    app: { name: settings.APP_NAME, version: settings.API_VERSION ?? packageVersion(), debug: settings.DEBUG },
    log: {
      level: settings.DEBUG ? 'DEBUG' : settings.LOG_LEVEL,
      dir: resolve(cwd, settings.LOG_DIR),
      json: settings.USE_JSON_LOGS
    },
    database: {
      url: settings.DATABASE_URL,
      migrationUrl: settings.DATABASE_MIGRATION_URL,
      pooler: settings.DATABASE_POOLER,
      poolSize: settings.MAX_POOL_SIZE,
      recycleS: settings.POOL_RECYCLE,
      queryTimeoutMs: inMs(settings.DATABASE_QUERY_TIMEOUT),
      acquireTimeoutMs: inMs(settings.DATABASE_ACQUIRE_TIMEOUT),
      connectTimeoutMs: inMs(settings.DATABASE_CONNECT_TIMEOUT),
      migrateOnStart: settings.MIGRATE_ON_START
    },
    dataDir: resolve(cwd, settings.DATA_DIR),
    health: { intervalMs: inMs(settings.HEALTH_CHECK_INTERVAL) },
    security: { allowedOrigins: settings.ALLOWED_ORIGINS, hsts: production },
    rateLimit: { max: settings.RATE_LIMIT_MAX, authMax: settings.RATE_LIMIT_AUTH_MAX },
    auth: {
      secrets: settings.JWT_SECRET,
      oidc: settings.OIDC_ISSUER !== undefined && settings.OIDC_AUDIENCE !== undefined
        ? { issuer: settings.OIDC_ISSUER, audience: settings.OIDC_AUDIENCE }
        : undefined,
      passwords: { memoryKiB: settings.ARGON2_MEMORY_KIB, passes: settings.ARGON2_PASSES, parallelism: settings.ARGON2_PARALLELISM }
    },
    metrics: { token: settings.METRICS_TOKEN },
    docs: { enabled: settings.DOCS_ENABLED },
    tracing: settings.OTEL_EXPORTER_OTLP_ENDPOINT === undefined || settings.OTEL_SDK_DISABLED
      ? undefined
      : { endpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT, serviceName: settings.OTEL_SERVICE_NAME, ratio: settings.OTEL_TRACES_SAMPLER_ARG },
    warnings: []
  }
}

/** Whole milliseconds; what is more than nothing stays more than nothing. */
function inMs (seconds: number): number {
  return seconds === 0 ? 0 : Math.max(1, Math.round(seconds * 1000))
}

function misspellings (names: string[]): ConfigWarning[] {
  const known = new Set<string>(SETTING_NAMES.flatMap((name) => [name, `${name}_FILE`]))
  return [...new Set(names)].filter((name) => !known.has(name)).flatMap((name) => {
    const meant = nearMiss(name, SETTING_NAMES)
    return meant ? [{ error_code: 'CONFIG_UNKNOWN_VARIABLE', message: `${name} is not a variable of this service and is ignored; did you mean ${meant}?` }] : []
  })
}

/** The order of the table, `.env` first. */
function rank ({ variable }: Problem): number {
  return SETTING_NAMES.indexOf(variable.replace(/_FILE$/, '') as SettingName)
}

/** The version in package.json, which stands above both src/ and dist/src/. */
function packageVersion (): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  return version
}

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Value } from '@sinclair/typebox/value'
import { ConfigError, type Config, type ConfigWarning } from './config.ts'
import { nearMiss } from './near-miss.ts'
import { SETTING_NAMES, SETTINGS, Settings } from './settings.ts'
import type { SettingName } from './settings.ts'
import { gather } from './sources.ts'
import type { Environment, Problem } from './sources.ts'
import { parseUrl, readValue, unexpected } from './values.ts'
import { insecurities, isLocalHost } from './warnings.ts'

/**
 * Reads the configuration from the environment, the files that it names and, outside production, `.env` in `cwd`.
 *
 * Throws only ConfigError, with every problem found.
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
    // A variable that could not be parsed has no value to check.
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
 * The directory of `app.log`, even if the rest of the configuration is invalid: for commands that only read logs.
 */
export function logDirectory (env: Environment = process.env, cwd = process.cwd()): string {
  return resolve(cwd, gather(env, cwd).texts.get('LOG_DIR') ?? SETTINGS.LOG_DIR.default as string)
}

/** Where the command `import` sends recordings to, and as whom; a token in the arguments could be seen by others. */
export function importTarget (env: Environment = process.env): { url: string, token: string | undefined } {
  return {
    url: env['RUNNING_TRAINER_URL'] || 'http://127.0.0.1:8000',
    token: env['RUNNING_TRAINER_TOKEN'] || undefined
  }
}

/** Checks rules that involve several variables. */
function checkTogether (
  settings: Settings,
  texts: Map<SettingName, string>,
  report: (name: SettingName, message: string) => void
): void {
  const production = settings.NODE_ENV === 'production'
  for (const name of SETTING_NAMES) {
    if (production && SETTINGS[name].requiredInProduction && !texts.has(name)) {
      report(name, `is required in production: ${unexpected(SETTINGS[name]).problem}`)
    }
  }
  const needs = (name: SettingName, other: SettingName) => {
    if (texts.has(name) && !texts.has(other)) {
      report(other, `is required because ${name} is set: ${unexpected(SETTINGS[other]).problem}`)
    }
  }
  needs('OIDC_ISSUER', 'OIDC_AUDIENCE')
  needs('OIDC_AUDIENCE', 'OIDC_ISSUER')
  needs('DATABASE_MIGRATION_URL', 'DATABASE_URL')
  const issuer = parseUrl(settings.OIDC_ISSUER ?? '')
  if (production && issuer?.protocol === 'http:' && !isLocalHost(issuer.hostname)) {
    report('OIDC_ISSUER', 'must be an https:// address in production: its keys authenticate users')
  }
}

/** The settings, grouped by the plugin that uses them. */
function group (settings: Settings, cwd: string): Config {
  const production = settings.NODE_ENV === 'production'
  return {
    env: settings.NODE_ENV,
    server: {
      host: settings.HOST,
      port: settings.PORT,
      requestTimeoutMs: inMs(settings.REQUEST_TIMEOUT),
      uploadTimeoutMs: inMs(settings.UPLOAD_TIMEOUT),
      keepAliveTimeoutMs: inMs(settings.KEEP_ALIVE_TIMEOUT),
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
    imports: { maxBytes: settings.IMPORT_MAX_MIB * 1024 * 1024 },
    health: { intervalMs: inMs(settings.HEALTH_CHECK_INTERVAL) },
    security: { allowedOrigins: settings.ALLOWED_ORIGINS, hsts: production },
    rateLimit: { max: settings.RATE_LIMIT_MAX, authMax: settings.RATE_LIMIT_AUTH_MAX },
    auth: {
      secrets: settings.JWT_SECRET,
      oidc:
        settings.OIDC_ISSUER !== undefined && settings.OIDC_AUDIENCE !== undefined
          ? { issuer: settings.OIDC_ISSUER, audience: settings.OIDC_AUDIENCE }
          : undefined,
      passwords: {
        memoryKiB: settings.ARGON2_MEMORY_KIB,
        passes: settings.ARGON2_PASSES,
        parallelism: settings.ARGON2_PARALLELISM
      }
    },
    metrics: { token: settings.METRICS_TOKEN },
    docs: { enabled: settings.DOCS_ENABLED },
    tracing:
      settings.OTEL_EXPORTER_OTLP_ENDPOINT === undefined || settings.OTEL_SDK_DISABLED
        ? undefined
        : {
            endpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT,
            serviceName: settings.OTEL_SERVICE_NAME,
            ratio: settings.OTEL_TRACES_SAMPLER_ARG
          },
    warnings: []
  }
}

/** Whole milliseconds; a positive duration stays positive. */
function inMs (seconds: number): number {
  return seconds === 0 ? 0 : Math.max(1, Math.round(seconds * 1000))
}

function misspellings (names: string[]): ConfigWarning[] {
  const known = new Set<string>(SETTING_NAMES.flatMap((name) => [name, `${name}_FILE`]))
  return [...new Set(names)].filter((name) => !known.has(name)).flatMap((name) => {
    const meant = nearMiss(name, SETTING_NAMES)
    return meant
      ? [
          {
            error_code: 'CONFIG_UNKNOWN_VARIABLE',
            message: `${name} is not a known variable and is ignored; did you mean ${meant}?`
          }
        ]
      : []
  })
}

/** The position in the table; `.env` comes first. */
function rank ({ variable }: Problem): number {
  return SETTING_NAMES.indexOf(variable.replace(/_FILE$/, '') as SettingName)
}

/** The version in package.json, found by walking up from src/config/ or dist/src/config/. */
function packageVersion (): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  return version
}

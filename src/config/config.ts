import type { Problem } from './sources.ts'

export type { Problem } from './sources.ts'

export interface ConfigWarning {
  /** Stable, so that alerts can match it. */
  error_code:
    | 'INSECURE_DEBUG'
    | 'INSECURE_ALLOWED_ORIGINS'
    | 'INSECURE_DATABASE_TLS'
    | 'INSECURE_METRICS'
    | 'INSECURE_JWT_SECRET'
    | 'INSECURE_RATE_LIMIT'
    | 'INSECURE_TRUST_PROXY'
    | 'CONFIG_UNKNOWN_VARIABLE'
    | 'CONFIG_LOG_DIR'
  message: string
}

/**
 * The configuration of this process, grouped by the plugin that uses it. Names carry their unit: `Ms` for milliseconds,
 * `S` for seconds.
 */
export interface Config {
  env: 'development' | 'test' | 'production'
  server: {
    host: string
    /** 0: any free port. */
    port: number
    /** The longest a request may take, and the longest a shutdown waits for requests in flight. */
    requestTimeoutMs: number
    /** The longest the upload of a bulk import may take. */
    uploadTimeoutMs: number
    /** How long a connection may be idle between two requests. */
    keepAliveTimeoutMs: number
    /** From readiness turning 503 to closing the listener. */
    drainDelayMs: number
    /** As Fastify's `trustProxy`: none, a number of hops, or addresses and CIDRs. */
    trustProxy: false | number | string[]
    /** Processes that share the port. */
    workers: number
  }
  app: { name: string, version: string, debug: boolean }
  log: {
    /** The lowest level that is logged; DEBUG if `app.debug` is set. */
    level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'
    /** Absolute. */
    dir: string
    /** Whether the console output is JSON; the file always is. */
    json: boolean
  }
  database: {
    /** Absent: the embedded PostgreSQL under `dataDir`. */
    url?: string
    /** Absent: the same as `url`. */
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
  imports: {
    /** The largest bulk import. */
    maxBytes: number
  }
  health: { intervalMs: number }
  security: { allowedOrigins: '*' | string[], /** Send Strict-Transport-Security. */ hsts: boolean }
  /** Requests per minute; 0: no limit. */
  rateLimit: { max: number, authMax: number }
  auth: {
    /**
     * The first signs, all are accepted. Absent (never in production): the secret is read from
     * `loadOrMakeSecret(dataDir)`.
     */
    secrets?: string[]
    oidc?: { issuer: string, audience: string }
    /** The cost of hashing a password with Argon2id. */
    passwords: { memoryKiB: number, passes: number, parallelism: number }
  }
  metrics: { /** Absent: open to all. */ token?: string }
  docs: { enabled: boolean }
  /** Absent: no tracing. */
  tracing?: { endpoint: string, serviceName: string, ratio: number }
  /** Logged once at startup. */
  warnings: ConfigWarning[]
}

/**
 * The configuration is invalid; `problems` names every invalid variable. The process exits with 78 (EX_CONFIG).
 */
export class ConfigError extends Error {
  readonly problems: Problem[]

  constructor (problems: Problem[]) {
    super(
      `Invalid configuration: ${problems.map(({ variable }) => variable).join(', ')}`
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** All problems of a `ConfigError`, one per line, for people. */
export function describeProblems (error: ConfigError): string {
  return [`${error.message}.`, ...error.problems.map(({ variable, message }) => `  ${variable}: ${message}`)].join('\n')
}

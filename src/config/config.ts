import type { Problem } from './sources.ts'

export type { Problem } from './sources.ts'

export interface ConfigWarning {
  /** Stable: what an alert is set on. */
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
 * How this process is to run, grouped by the plugin that takes it. Names carry their unit: `Ms` milliseconds, `S`
 * seconds.
 */
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
    /**
     * The first signs, all are accepted. Absent (never in production): the one that `loadOrMakeSecret(dataDir)`
     * answers.
     */
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

/**
 * The environment is not one to start with; `problems` names every bad variable. The process is to exit with 78
 * (EX_CONFIG).
 */
export class ConfigError extends Error {
  readonly problems: Problem[]

  constructor (problems: Problem[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}: ${problems.map(({ variable }) => variable).join(', ')}`
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** All problems of a `ConfigError`, one a line, for people. */
export function describeProblems (error: ConfigError): string {
  return [`${error.message}.`, ...error.problems.map(({ variable, message }) => `  ${variable}: ${message}`)].join('\n')
}

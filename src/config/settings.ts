import { Type } from '@sinclair/typebox'
import type { Static, TSchema } from '@sinclair/typebox'

/**
 * The table of environment variables. Startup validates against it, and `node scripts/write-config-docs.mjs` generates
 * `.env.example` and the table in `docs/CONFIGURATION.md` from it.
 *
 * The reading that a variable's schema names turns its text into a value; then the value is checked against the schema.
 */
export const SECTIONS = ['Process', 'Application', 'Logging', 'Database', 'Security', 'Timeouts', 'Monitoring'] as const

/** How a variable's text is parsed: see `values.ts`. */
export type ReadingName =
  'text' | 'integer' | 'seconds' | 'boolean' | 'choice' | 'origins' | 'proxies' | 'postgres' | 'secrets' | 'issuer'

/** What the table says about a variable beside the range in its schema. */
interface About<T> {
  section: typeof SECTIONS[number]
  /** Its effect, as the documentation says it. */
  description: string
  default?: T
  /** The default in words, where it is not a fixed value. */
  defaultText?: string
  /** The accepted values in words; numbers derive this from their range. */
  expected?: string
  /** The value never appears in a message or a file. */
  secret?: true
  /** Must be set when `NODE_ENV=production`. */
  requiredInProduction?: true
  /** What `.env.example` shows where there is no default. */
  example?: string
}

/** No control characters: the values are used in headers, paths and log lines. */
const PRINTABLE = '^[^\\x00-\\x1f\\x7f]+$'

function text (
  about: About<string> & { reads?: ReadingName; pattern?: string; minLength?: number; maxLength?: number }
) {
  return Type.String({ reads: 'text', pattern: PRINTABLE, maxLength: 4096, ...about })
}

function integer (minimum: number, maximum: number, about: About<number>) {
  return Type.Integer({
    reads: 'integer',
    minimum,
    maximum,
    expected: `a whole number from ${minimum} to ${maximum}`,
    ...about
  })
}

/** Seconds, with decimals. A `minimum` of 0 excludes 0 itself unless `zero` is set. */
function seconds (minimum: number, maximum: number, about: About<number> & { zero?: true }) {
  const above = minimum === 0 && !about.zero
  return Type.Number({
    reads: 'seconds',
    ...(above ? { exclusiveMinimum: 0 } : { minimum }),
    maximum,
    expected: above ? `seconds, more than 0 and at most ${maximum}` : `seconds from ${minimum} to ${maximum}`,
    ...about
  })
}

function yesNo (about: About<boolean>) {
  return Type.Boolean({ reads: 'boolean', expected: 'true or false', ...about })
}

function choice<const T extends string> (values: readonly T[], about: About<T> & { anyCase?: true }) {
  const last = values.at(-1)
  const expected = `${values.slice(0, -1).join(', ')} or ${last}${about.anyCase ? ', in any case' : ''}`
  return Type.Unsafe<T>(Type.Union(values.map((value) => Type.Literal(value)), { reads: 'choice', expected, ...about }))
}

/** The longest delay of a Node timer, in seconds. */
const LONGEST_TIMER_S = 2_147_483

const POSTGRES_URL =
  'postgres://user:password@host:5432/database or postgresql://…; percent-encode special characters in user and password'

export const Settings = Type.Object(
  {
    NODE_ENV: choice(['development', 'test', 'production'], {
      section: 'Process',
      default: 'development',
      description:
        'The environment. `production` requires `DATABASE_URL` and `JWT_SECRET`, never sends a stack trace, sends `Strict-Transport-Security` and ignores `.env`.'
    }),
    HOST: text({
      section: 'Process',
      default: '0.0.0.0',
      pattern: '^[A-Za-z0-9._:%-]+$',
      maxLength: 253,
      expected: 'an address or a host name, without scheme, port or brackets',
      description: 'The address the service listens on.'
    }),
    PORT: integer(0, 65535, {
      section: 'Process',
      default: 8000,
      description: 'The port the service listens on; 0 selects a free port, whose number is logged.'
    }),
    WORKERS: integer(1, 64, {
      section: 'Process',
      default: 1,
      description:
        'The number of processes that share the port. Each has its own connection pool of `MAX_POOL_SIZE` and its own log file: `app.log`, `app-2.log` and so on. `/metrics` of any of them covers all.'
    }),
    TRUST_PROXY: Type.Union(
      [Type.Literal(false), Type.Integer({ minimum: 1, maximum: 100 }), Type.Array(Type.String())],
      {
        section: 'Process',
        reads: 'proxies',
        default: false,
        example: '10.0.0.0/8',
        expected:
          'false, the addresses and CIDRs of the proxies, separated by commas, or the number of proxies (1 to 100)',
        description:
          'The proxies whose `X-Forwarded-For`, `-Proto` and `-Host` headers are trusted. Trusting all is not possible: any client could then choose the address that rate limits and logs use.'
      }
    ),
    IMPORT_MAX_MIB: integer(1, 16_384, {
      section: 'Process',
      default: 2048,
      description:
        'The largest bulk import, in MiB. Twice as much is needed under `DATA_DIR`, as two may be received at once, and as much in the database until an import is done.'
    }),
    DATA_DIR: text({
      section: 'Process',
      default: 'data',
      expected: 'the path of a directory',
      description:
        'The directory where uploads are spooled until they are stored, and of the embedded PostgreSQL and the JWT secret generated outside production. Created if missing; relative to the working directory.'
    }),

    APP_NAME: text({
      section: 'Application',
      default: 'Running Trainer API',
      maxLength: 100,
      expected: 'up to 100 printable characters',
      description: 'The name in `/docs` and in the log.'
    }),
    API_VERSION: Type.Optional(
      text({
        section: 'Application',
        defaultText: "the package's version",
        pattern: '^[A-Za-z0-9][A-Za-z0-9.+_-]*$',
        maxLength: 64,
        expected: 'a version such as 1.4.0, up to 64 letters, digits and .+_-',
        description: 'The version shown by `/health`, `/docs` and the metric `build_info`.'
      })
    ),
    DEBUG: yesNo({
      section: 'Application',
      default: false,
      description:
        'Sets the log level to DEBUG and, outside production, adds the stack trace to the `details` of 500 responses. Never set it in production.'
    }),
    DOCS_ENABLED: yesNo({ section: 'Application', default: true, description: 'Serves `/docs`.' }),

    LOG_LEVEL: choice(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'], {
      section: 'Logging',
      default: 'INFO',
      anyCase: true,
      description: 'The lowest level that is logged.'
    }),
    USE_JSON_LOGS: yesNo({
      section: 'Logging',
      default: true,
      description: '`false` writes human-readable lines to the console; the log file is always JSON.'
    }),
    LOG_DIR: text({
      section: 'Logging',
      default: 'logs',
      expected: 'the path of a directory',
      description:
        'The directory of `app.log` and its ten predecessors; created if missing. If it is not writable, the service logs to the console only.'
    }),

    DATABASE_URL: Type.Optional(
      text({
        section: 'Database',
        reads: 'postgres',
        secret: true,
        requiredInProduction: true,
        defaultText: 'an embedded PostgreSQL under `DATA_DIR`',
        example: 'postgresql://user:pass@localhost:5432/running_trainer',
        expected: POSTGRES_URL,
        description: 'The database, PostgreSQL 15 to 18. Add `?sslmode=verify-full` if it is on another host.'
      })
    ),
    DATABASE_MIGRATION_URL: Type.Optional(
      text({
        section: 'Database',
        reads: 'postgres',
        secret: true,
        defaultText: '`DATABASE_URL`',
        example: 'postgresql://owner:pass@localhost:5432/running_trainer',
        expected: POSTGRES_URL,
        description: 'The database URL for migrations: bypassing PgBouncer, or with the role that owns the tables.'
      })
    ),
    DATABASE_POOLER: choice(['none', 'transaction'], {
      section: 'Database',
      default: 'none',
      description:
        '`transaction` is for PgBouncer in transaction mode: no prepared statements, startup parameters or session state are used.'
    }),
    MAX_POOL_SIZE: integer(1, 1000, {
      section: 'Database',
      default: 20,
      description: 'The largest number of database connections of one process.'
    }),
    POOL_RECYCLE: integer(60, LONGEST_TIMER_S, {
      section: 'Database',
      default: 3600,
      description: 'Seconds after which a connection is replaced, with jitter.'
    }),
    MIGRATE_ON_START: yesNo({
      section: 'Database',
      default: true,
      description: '`false` leaves migrations to `npm run migrate`; `/health/ready` is 503 until they are applied.'
    }),

    ALLOWED_ORIGINS: Type.Union([Type.Literal('*'), Type.Array(Type.String(), { minItems: 1 })], {
      section: 'Security',
      reads: 'origins',
      default: '*',
      expected: '* or origins such as https://app.example.com, separated by commas',
      description: 'The origins whose web pages may call the API from a browser: `*` for any, or a list of exact origins.'
    }),
    JWT_SECRET: Type.Optional(
      Type.Array(Type.String(), {
        section: 'Security',
        reads: 'secrets',
        secret: true,
        requiredInProduction: true,
        minItems: 1,
        defaultText: 'generated once and kept in `DATA_DIR`',
        expected: 'at least 32 bytes; several secrets, separated by commas, at least 32 bytes each',
        description:
          'Signs access tokens; generate it with `openssl rand -base64 48`. If several are given, the first signs and all are accepted: to rotate, put the new one first and remove the old one a day later.'
      })
    ),
    OIDC_ISSUER: Type.Optional(
      text({
        section: 'Security',
        reads: 'issuer',
        example: 'https://login.example.com/realms/runners',
        expected: 'an https:// address without query or fragment (http:// outside production)',
        description: 'An OpenID Connect provider whose tokens are also accepted; requires `OIDC_AUDIENCE`.'
      })
    ),
    OIDC_AUDIENCE: Type.Optional(
      text({
        section: 'Security',
        example: 'running-trainer',
        maxLength: 255,
        expected: 'up to 255 printable characters',
        description: "The audience (`aud`) that the provider's tokens must carry; requires `OIDC_ISSUER`."
      })
    ),
    ARGON2_MEMORY_KIB: integer(1024, 4_194_304, {
      section: 'Security',
      default: 19_456,
      description:
        'Memory in KiB for hashing one password with Argon2id. A hash made with a lower cost is replaced at the next login.'
    }),
    ARGON2_PASSES: integer(1, 100, { section: 'Security', default: 2, description: 'Argon2id passes (time cost).' }),
    ARGON2_PARALLELISM: integer(1, 16, {
      section: 'Security',
      default: 1,
      description: 'Argon2id lanes (parallelism).'
    }),
    RATE_LIMIT_MAX: integer(0, 1_000_000, {
      section: 'Security',
      default: 600,
      description: 'Requests per minute for each user, or for each IP address if not authenticated; 0 disables the limit.'
    }),
    RATE_LIMIT_AUTH_MAX: integer(0, 1_000_000, {
      section: 'Security',
      default: 10,
      description: 'Attempts per minute at `/auth/*` for each IP address and each e-mail address; 0 disables the limit.'
    }),

    REQUEST_TIMEOUT: seconds(1, 600, {
      section: 'Timeouts',
      default: 30,
      description: 'The longest a request may take, and the longest a shutdown waits for requests in flight.'
    }),
    KEEP_ALIVE_TIMEOUT: seconds(1, 3600, {
      section: 'Timeouts',
      default: 72,
      description:
        'How long a connection may be idle between two requests: longer than the load balancer in front keeps its connections.'
    }),
    UPLOAD_TIMEOUT: seconds(1, 86_400, {
      section: 'Timeouts',
      default: 3600,
      description:
        'The longest the upload of a bulk import may take, as long as bytes arrive: without any it ends after `REQUEST_TIMEOUT`.'
    }),
    SHUTDOWN_DRAIN_DELAY: Type.Optional(
      seconds(0, 300, {
        section: 'Timeouts',
        zero: true,
        defaultText: '0; 5 in production',
        description: 'At shutdown, the time from readiness turning 503 to closing the listener.'
      })
    ),
    HEALTH_CHECK_INTERVAL: seconds(1, 3600, {
      section: 'Timeouts',
      default: 30,
      description: 'The interval of the background health checks.'
    }),
    DATABASE_QUERY_TIMEOUT: seconds(0, LONGEST_TIMER_S, {
      section: 'Timeouts',
      default: 10,
      description: 'The longest a statement may run; it is then cancelled on the server too.'
    }),
    DATABASE_ACQUIRE_TIMEOUT: seconds(0, LONGEST_TIMER_S, {
      section: 'Timeouts',
      default: 5,
      description: 'The longest a statement waits for a connection of the pool.'
    }),
    DATABASE_CONNECT_TIMEOUT: seconds(0, LONGEST_TIMER_S, {
      section: 'Timeouts',
      default: 5,
      description: 'The longest that opening a database connection may take.'
    }),

    METRICS_TOKEN: Type.Optional(
      text({
        section: 'Monitoring',
        secret: true,
        pattern: '^[\\x21-\\x7e]+$',
        minLength: 16,
        defaultText: 'none: `/metrics` is open',
        expected: 'at least 16 characters, printable ASCII without spaces',
        description: 'The bearer token that `/metrics` then requires.'
      })
    ),
    OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
      text({
        section: 'Monitoring',
        pattern: '^https?://[^\\s?#@]+$',
        maxLength: 2048,
        defaultText: 'none: no tracing',
        example: 'http://localhost:4318',
        expected: 'an http:// or https:// address without credentials, query or fragment',
        description:
          'Enables tracing: spans of requests, statements and imports are sent to `/v1/traces` below this URL, as OTLP over HTTP. `OTEL_EXPORTER_OTLP_HEADERS` adds headers, as in OpenTelemetry.'
      })
    ),
    OTEL_SDK_DISABLED: yesNo({
      section: 'Monitoring',
      default: false,
      description: '`true` disables tracing even if an endpoint is set.'
    }),
    OTEL_SERVICE_NAME: text({
      section: 'Monitoring',
      default: 'running-trainer',
      maxLength: 100,
      expected: 'up to 100 printable characters',
      description: 'The service name in traces.'
    }),
    OTEL_TRACES_SAMPLER_ARG: Type.Number({
      section: 'Monitoring',
      reads: 'seconds',
      minimum: 0,
      maximum: 1,
      default: 1,
      expected: 'a ratio from 0 to 1',
      description: 'The ratio of traces started here that is sampled; a trace started by a caller follows its decision.'
    })
  },
  { additionalProperties: false }
)
export type Settings = Static<typeof Settings>

export type SettingName = keyof Settings

/** One variable: its schema and its documentation. */
export type Setting = TSchema & About<unknown> & { reads: ReadingName, expected?: string, anyCase?: true }

/** Every variable by name, in the order of the table. */
export const SETTINGS = Settings.properties as unknown as Record<SettingName, Setting>

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

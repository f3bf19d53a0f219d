import { Type } from '@sinclair/typebox'
import type { Static, TSchema } from '@sinclair/typebox'

/**
 * The environment variables: the one table that start-up validates against, and that `.env.example` and the table in
 * `docs/CONFIGURATION.md` are made from (`node scripts/write-config-docs.mjs`).
 *
 * A variable's text is turned into a value by the reading that its schema names, then the value is held against the
 * schema.
 */
export const SECTIONS = ['Process', 'Application', 'Logging', 'Database', 'Security', 'Timeouts', 'Monitoring'] as const

/** How a variable's text becomes a value: see `values.ts`. */
export type ReadingName =
  'text' | 'integer' | 'seconds' | 'boolean' | 'choice' | 'origins' | 'proxies' | 'postgres' | 'secrets' | 'issuer'

/** What stands in the table about one variable, beside the range that its schema holds. */
interface About<T> {
  section: typeof SECTIONS[number]
  /** What it does, for the reader of the table. */
  description: string
  default?: T
  /** The default in words, where it is not one value. */
  defaultText?: string
  /** What a good value looks like; a reading with a range of its own says it by itself. */
  expected?: string
  /** Its value appears in no message and no file. */
  secret?: true
  /** Must be set when `NODE_ENV=production`. */
  requiredInProduction?: true
  /** What `.env.example` shows where there is no default. */
  example?: string
}

/** No control characters: these values end up in headers, paths and log lines. */
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

/** Seconds, decimals allowed; `minimum` 0 stands for "more than 0" unless `zero` is. */
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

/** The longest a timer of Node can wait, in seconds. */
const LONGEST_TIMER_S = 2_147_483

const POSTGRES_URL =
  'postgres://user:password@host:5432/database or postgresql://…; percent-encode special characters in user and password'

export const Settings = Type.Object(
  {
    NODE_ENV: choice(['development', 'test', 'production'], {
      section: 'Process',
      default: 'development',
      description:
        'What the process is for. `production` refuses to start without `DATABASE_URL` and `JWT_SECRET`, never shows a stack, sends `Strict-Transport-Security` and reads no `.env`.'
    }),
    HOST: text({
      section: 'Process',
      default: '0.0.0.0',
      pattern: '^[A-Za-z0-9._:%-]+$',
      maxLength: 253,
      expected: 'an address or a host name, without scheme, port or brackets',
      description: 'Where the service listens.'
    }),
    PORT: integer(0, 65535, {
      section: 'Process',
      default: 8000,
      description: 'The port it listens on; 0 takes any free one, whose number is logged.'
    }),
    WORKERS: integer(1, 64, {
      section: 'Process',
      default: 1,
      description:
        'Processes that share the port. Each has its own connection pool of `MAX_POOL_SIZE` and log file: `app.log`, `app-2.log` and so on; whichever is asked for `/metrics` answers for all.'
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
          'Which proxies `X-Forwarded-For`, `-Proto` and `-Host` are believed from. There is no "all of them": anybody could then choose the address that limits and logs go by.'
      }
    ),
    DATA_DIR: text({
      section: 'Process',
      default: 'data',
      expected: 'the path of a folder',
      description:
        'Holds the embedded PostgreSQL and the secret made outside production; made if absent, relative to the working directory.'
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
        description: 'The version that `/health`, `/docs` and `build_info` tell.'
      })
    ),
    DEBUG: yesNo({
      section: 'Application',
      default: false,
      description:
        'Sets the log level to DEBUG and, outside production, puts the stack into the `details` of a 500 answer. Never `true` in production.'
    }),
    DOCS_ENABLED: yesNo({ section: 'Application', default: true, description: 'Serves `/docs`.' }),

    LOG_LEVEL: choice(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'], {
      section: 'Logging',
      default: 'INFO',
      anyCase: true,
      description: 'The least level that is logged.'
    }),
    USE_JSON_LOGS: yesNo({
      section: 'Logging',
      default: true,
      description: '`false` writes readable lines on the console; the file stays JSON.'
    }),
    LOG_DIR: text({
      section: 'Logging',
      default: 'logs',
      expected: 'the path of a folder',
      description:
        'Holds `app.log` and the ten files before it; made if absent. If it cannot be used, the service goes on with the console alone.'
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
        description: 'PostgreSQL 15 to 18. Add `?sslmode=verify-full` where the host is not this one.'
      })
    ),
    DATABASE_MIGRATION_URL: Type.Optional(
      text({
        section: 'Database',
        reads: 'postgres',
        secret: true,
        defaultText: 'as `DATABASE_URL`',
        example: 'postgresql://owner:pass@localhost:5432/running_trainer',
        expected: POSTGRES_URL,
        description: 'Where migrations connect: past PgBouncer, or as the role that owns the tables.'
      })
    ),
    DATABASE_POOLER: choice(['none', 'transaction'], {
      section: 'Database',
      default: 'none',
      description:
        '`transaction`: behind PgBouncer in transaction mode, so without prepared statements, start-up parameters and session state.'
    }),
    MAX_POOL_SIZE: integer(1, 1000, {
      section: 'Database',
      default: 20,
      description: 'Connections that one process opens at most.'
    }),
    POOL_RECYCLE: integer(60, LONGEST_TIMER_S, {
      section: 'Database',
      default: 3600,
      description: 'Seconds after which a connection is replaced, each with its own jitter.'
    }),
    MIGRATE_ON_START: yesNo({
      section: 'Database',
      default: true,
      description: '`false` leaves migrations to `npm run migrate`; until they are applied `/health/ready` is 503.'
    }),

    ALLOWED_ORIGINS: Type.Union([Type.Literal('*'), Type.Array(Type.String(), { minItems: 1 })], {
      section: 'Security',
      reads: 'origins',
      default: '*',
      expected: '* or origins such as https://app.example.com, separated by commas',
      description: 'The pages that may call the API from a browser: `*` for any, else a list of exact origins.'
    }),
    JWT_SECRET: Type.Optional(
      Type.Array(Type.String(), {
        section: 'Security',
        reads: 'secrets',
        secret: true,
        requiredInProduction: true,
        minItems: 1,
        defaultText: 'made once and kept in `DATA_DIR`',
        expected: 'at least 32 bytes; several secrets, separated by commas, at least 32 bytes each',
        description:
          'Signs access tokens; `openssl rand -base64 48` makes one. Of several, the first signs and all are accepted: to change it, put the new one in front and drop the old one a day later.'
      })
    ),
    OIDC_ISSUER: Type.Optional(
      text({
        section: 'Security',
        reads: 'issuer',
        example: 'https://login.example.com/realms/runners',
        expected: 'an https:// address without query or fragment (http:// outside production)',
        description: 'An OpenID Connect provider whose tokens are accepted too; with `OIDC_AUDIENCE`.'
      })
    ),
    OIDC_AUDIENCE: Type.Optional(
      text({
        section: 'Security',
        example: 'running-trainer',
        maxLength: 255,
        expected: 'up to 255 printable characters',
        description: "The `aud` that the provider's tokens must carry; with `OIDC_ISSUER`."
      })
    ),
    ARGON2_MEMORY_KIB: integer(1024, 4_194_304, {
      section: 'Security',
      default: 19_456,
      description:
        'KiB of memory that hashing a password takes (Argon2id). Where a hash was made for less, it is made anew at the next login.'
    }),
    ARGON2_PASSES: integer(1, 100, { section: 'Security', default: 2, description: 'Passes over that memory.' }),
    ARGON2_PARALLELISM: integer(1, 16, { section: 'Security', default: 1, description: 'Lanes it is filled in.' }),
    RATE_LIMIT_MAX: integer(0, 1_000_000, {
      section: 'Security',
      default: 600,
      description: 'Requests a minute for each user, or each address where nobody is signed in; 0 turns the limit off.'
    }),
    RATE_LIMIT_AUTH_MAX: integer(0, 1_000_000, {
      section: 'Security',
      default: 10,
      description: 'Attempts a minute at `/auth/*` for each address and for each e-mail; 0 turns the limit off.'
    }),

    REQUEST_TIMEOUT: seconds(1, 600, {
      section: 'Timeouts',
      default: 30,
      description: 'The longest a request may take, and the longest a shutdown waits for work in flight.'
    }),
    SHUTDOWN_DRAIN_DELAY: Type.Optional(
      seconds(0, 300, {
        section: 'Timeouts',
        zero: true,
        defaultText: '0; 5 in production',
        description: 'Time between readiness turning 503 and the listener closing.'
      })
    ),
    HEALTH_CHECK_INTERVAL: seconds(1, 3600, {
      section: 'Timeouts',
      default: 30,
      description: 'Time between two health checks of its own.'
    }),
    DATABASE_QUERY_TIMEOUT: seconds(0, LONGEST_TIMER_S, {
      section: 'Timeouts',
      default: 10,
      description: 'The longest a statement may run; it is then ended on the server too.'
    }),
    DATABASE_ACQUIRE_TIMEOUT: seconds(0, LONGEST_TIMER_S, {
      section: 'Timeouts',
      default: 5,
      description: 'The longest a statement waits for a connection of the pool.'
    }),
    DATABASE_CONNECT_TIMEOUT: seconds(0, LONGEST_TIMER_S, {
      section: 'Timeouts',
      default: 5,
      description: 'The longest a connection may take to be made.'
    }),

    METRICS_TOKEN: Type.Optional(
      text({
        section: 'Monitoring',
        secret: true,
        pattern: '^[\\x21-\\x7e]+$',
        minLength: 16,
        defaultText: 'none: `/metrics` is open',
        expected: 'at least 16 characters, printable ASCII without spaces',
        description: '`/metrics` then asks for `Authorization: Bearer …`.'
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
          'Turns tracing on: spans of requests, statements and imports go to `/v1/traces` below it, as OTLP over HTTP. Headers for it are in `OTEL_EXPORTER_OTLP_HEADERS`, as OpenTelemetry has them.'
      })
    ),
    OTEL_SDK_DISABLED: yesNo({
      section: 'Monitoring',
      default: false,
      description: '`true` leaves tracing off, whatever the endpoint.'
    }),
    OTEL_SERVICE_NAME: text({
      section: 'Monitoring',
      default: 'running-trainer',
      maxLength: 100,
      expected: 'up to 100 printable characters',
      description: 'The name the spans go by.'
    }),
    OTEL_TRACES_SAMPLER_ARG: Type.Number({
      section: 'Monitoring',
      reads: 'seconds',
      minimum: 0,
      maximum: 1,
      default: 1,
      expected: 'a part from 0 to 1',
      description: 'The part of the traces begun here that is kept; of others their caller has decided.'
    })
  },
  { additionalProperties: false }
)
export type Settings = Static<typeof Settings>

export type SettingName = keyof Settings

/** One variable's schema with what the table says of it. */
export type Setting = TSchema & About<unknown> & { reads: ReadingName, expected?: string, anyCase?: true }

/** Every variable by its name, in the order of the table. */
export const SETTINGS = Settings.properties as unknown as Record<SettingName, Setting>

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

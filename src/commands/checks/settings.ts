import type { Config, ConfigError } from '../../config/config.ts'
import { addressOf, isLocalDatabase, looksMadeUp, tlsOf } from '../../config/warnings.ts'
import { failed, must, ok, warning } from './check.ts'
import type { Check } from './check.ts'

/** One failed check for each bad variable. */
export function checkProblems ({ problems }: ConfigError): Check[] {
  return problems.map(({ variable, message }) =>
    failed('configuration', `${variable}: ${message}`, `Correct ${variable}; docs/CONFIGURATION.md has every variable.`)
  )
}

/**
 * The part of the checklist that the configuration alone decides. What only matters in production is a warning
 * elsewhere.
 */
export function checkSettings (config: Config): Check[] {
  const production = config.env === 'production'
  const misspelt = config.warnings.filter((warning) => warning.error_code === 'CONFIG_UNKNOWN_VARIABLE')
  return [
    ok('configuration', 'every variable is valid'),
    ...misspelt.map(({ message }) => warning('configuration', message, 'Correct the name, or leave the variable out.')),
    production
      ? ok('environment', 'NODE_ENV=production')
      : warning(
        'environment',
          `NODE_ENV=${config.env}: what only matters in production is a warning here`,
          'Set NODE_ENV=production where runners are served.'
      ),
    must(production, !config.app.debug, 'debug', {
      good: 'DEBUG=false',
      bad: 'DEBUG=true: everything is logged, and outside production stacks are shown to clients',
      remedy: 'Set DEBUG=false.'
    }),
    must(false, config.log.level !== 'DEBUG', 'log_level', {
      good: `LOG_LEVEL=${config.log.level}`,
      bad: 'LOG_LEVEL=DEBUG costs time and disk on every request',
      remedy: 'Set LOG_LEVEL=INFO.'
    }),
    must(false, config.log.json, 'log_format', {
      good: 'the console gets JSON',
      bad: 'USE_JSON_LOGS=false: the console gets lines that no log aggregator parses',
      remedy: 'Set USE_JSON_LOGS=true.'
    }),
    must(production, config.security.allowedOrigins !== '*', 'allowed_origins', {
      good: `ALLOWED_ORIGINS names ${config.security.allowedOrigins.length === 1 ? 'one origin' : `${config.security.allowedOrigins.length} origins`}`,
      bad: 'ALLOWED_ORIGINS=*: any web page may call the API',
      remedy: 'Set ALLOWED_ORIGINS to the origins of your own pages, such as https://app.example.com.'
    }),
    checkHttps(config),
    checkDatabaseUrl(config),
    ...checkSecrets(config),
    must(false, config.rateLimit.authMax > 0, 'rate_limit', {
      good: `RATE_LIMIT_AUTH_MAX=${config.rateLimit.authMax}`,
      bad: 'RATE_LIMIT_AUTH_MAX=0: passwords may be guessed without limit',
      remedy: 'Set RATE_LIMIT_AUTH_MAX to 10, say.'
    }),
    must(false, config.metrics.token !== undefined, 'metrics_token', {
      good: '/metrics asks for a token',
      bad: '/metrics is open to everybody who reaches the service',
      remedy: 'Set METRICS_TOKEN, and the same in Prometheus; or let the proxy keep /metrics inside.'
    })
  ]
}

/** TLS ends at a proxy; whether TRUST_PROXY names one is all that can be checked from here. */
function checkHttps ({ env, server }: Config): Check {
  if (env !== 'production') {
    return warning(
      'https',
      'Strict-Transport-Security is sent in production only',
      'Set NODE_ENV=production, behind a proxy that ends TLS.'
    )
  }
  if (server.trustProxy === false) {
    return warning(
      'https',
      "TRUST_PROXY is not set: either no proxy ends TLS, or its address is taken for every runner's",
      'Serve HTTPS through a proxy, and set TRUST_PROXY to its address or to the number of proxies.'
    )
  }
  if (Array.isArray(server.trustProxy) && server.trustProxy.some((entry) => /\/0+$/.test(entry))) {
    return warning(
      'https',
      'TRUST_PROXY believes everybody: a CIDR has length 0',
      'List the addresses of the proxies alone.'
    )
  }
  return ok('https', 'Strict-Transport-Security is sent, and a proxy is trusted to say who asks')
}

function checkDatabaseUrl ({ env, database }: Config): Check {
  if (database.url === undefined) {
    return warning(
      'database_url',
      'DATABASE_URL is not set: the service runs a PostgreSQL of its own under DATA_DIR',
      'Set DATABASE_URL where the data is to last.'
    )
  }
  if (env !== 'production') return ok('database_url', 'DATABASE_URL is set')
  const { user, database: name = '' } = addressOf(database.url)
  const doubts = [
    isLocalDatabase(database.url) && 'its host is this machine',
    /(?:^|[_-])(?:test|tests|testing|dev|development|staging|tmp)(?:$|[_-])/i.test(name) &&
      `its database is called ${name}`,
    user === 'postgres' && 'its user is postgres, who may do everything'
  ].filter((doubt) => doubt !== false)
  if (doubts.length === 0) return ok('database_url', 'DATABASE_URL looks like a production database')
  return warning(
    'database_url',
    `DATABASE_URL may not be the production database: ${doubts.join('; ')}`,
    'Point DATABASE_URL at the production database, as a role of its own.'
  )
}

function checkSecrets ({ env, auth, database }: Config): Check[] {
  const checks: Check[] = []
  const { secrets } = auth
  if (secrets === undefined) {
    checks.push(ok('jwt_secret', 'JWT_SECRET is not set: one is made and kept in DATA_DIR'))
  } else if (secrets.some(looksMadeUp)) {
    checks.push(
      (env === 'production' ? failed : warning)(
        'jwt_secret',
        'JWT_SECRET looks like an example rather than random: an attacker who guesses it can sign in as any user',
        'Make one with: openssl rand -base64 48'
      )
    )
  } else {
    checks.push(
      ok(
        'jwt_secret',
        secrets.length === 1
          ? 'JWT_SECRET is long enough'
          : `JWT_SECRET holds ${secrets.length} secrets: the first signs, all are accepted`
      )
    )
  }
  if (database.url !== undefined && !isLocalDatabase(database.url)) {
    const tls = tlsOf(database.url)
    checks.push(
      tls === 'verified'
        ? ok('database_tls', 'the database must prove who it is')
        : (env === 'production' && tls === 'none' ? failed : warning)(
            'database_tls',
            tls === 'none'
              ? 'DATABASE_URL goes to another host and does not insist on TLS'
              : 'sslmode=require encrypts, but to whomever answers',
            'Add ?sslmode=verify-full to DATABASE_URL; a CA of your own goes into NODE_EXTRA_CA_CERTS.'
          )
    )
  }
  return checks
}

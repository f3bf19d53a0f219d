import { isIPv4 } from 'node:net'
import type { Config, ConfigWarning } from './config.ts'
import { readDatabaseUrl } from './database-url.ts'
import type { DatabaseAddress } from './database-url.ts'

/** One warning for each insecure setting. */
export function insecurities (config: Omit<Config, 'warnings'>): ConfigWarning[] {
  const production = config.env === 'production'
  const warnings: ConfigWarning[] = []
  const warn = (code: ConfigWarning['error_code'], message: string) => warnings.push({ error_code: code, message })

  if (config.app.debug) {
    warn('INSECURE_DEBUG', production
      ? 'DEBUG=true IN PRODUCTION: everything is logged at DEBUG; set DEBUG=false'
      : 'DEBUG=true: 500 responses carry a stack trace; never use this in production')
  }
  if (config.security.allowedOrigins === '*') {
    warn(
      'INSECURE_ALLOWED_ORIGINS',
      'ALLOWED_ORIGINS=*: any web page may call the API; in production, list the origins of your own pages'
    )
  }
  if (!config.metrics.token) {
    warn('INSECURE_METRICS', '/metrics is open to every client that reaches the service; set METRICS_TOKEN')
  }
  if (config.auth.secrets?.some(looksMadeUp)) {
    warn(
      'INSECURE_JWT_SECRET',
      'JWT_SECRET looks like an example, not random; generate one with: openssl rand -base64 48'
    )
  }
  if (Array.isArray(config.server.trustProxy) && config.server.trustProxy.some((entry) => /\/0+$/.test(entry))) {
    warn(
      'INSECURE_TRUST_PROXY',
      'TRUST_PROXY has a CIDR with prefix length 0, so every client can choose its address; list only the proxies'
    )
  }
  if (!production) return warnings

  for (const [name, url] of [
    ['DATABASE_URL', config.database.url],
    ['DATABASE_MIGRATION_URL', config.database.migrationUrl]
  ] as const) {
    if (url !== undefined && !isLocalDatabase(url) && tlsOf(url) === 'none') {
      warn(
        'INSECURE_DATABASE_TLS',
        `${name} connects to another host without TLS, so passwords and data cross the network in clear text; add ?sslmode=verify-full`
      )
    }
  }
  if (config.rateLimit.authMax === 0) {
    warn('INSECURE_RATE_LIMIT', 'RATE_LIMIT_AUTH_MAX=0: passwords can be guessed without limit')
  }
  return warnings
}

/**
 * How a connection uses TLS: `verified` (the server's certificate is checked), `unverified` (encrypted, to any server)
 * or `none`. `prefer` counts as none: it falls back to clear text if the server does not offer TLS.
 */
export function tlsOf (databaseUrl: string): 'verified' | 'unverified' | 'none' {
  switch (addressOf(databaseUrl).sslMode) {
    case 'verify-full': case 'verify-ca': return 'verified'
    case 'require': return 'unverified'
    default: return 'none'
  }
}

/** Whether all hosts of a database URL are this machine. */
export function isLocalDatabase (databaseUrl: string): boolean {
  return addressOf(databaseUrl).hosts.every(({ host }) => host.startsWith('/') || isLocalHost(host))
}

/** The address in a database URL that has been validated. */
export function addressOf (databaseUrl: string): DatabaseAddress {
  const address = readDatabaseUrl(databaseUrl)
  if ('problem' in address) throw new TypeError(`The database URL ${address.problem}`)
  return address
}

/** Whether a host is this machine. */
export function isLocalHost (hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/\.$/, '').replace(/^\[(.*)\]$/, '$1')
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
  )
}

/** Whether a secret looks invented by a person: the words of examples, or few different characters. */
export function looksMadeUp (secret: string): boolean {
  return /change.?me|example|secret|password|your[-_ ]|0123456789|abcdefgh/i.test(secret) || new Set(secret).size < 10
}

import { isIPv4 } from 'node:net'
import type { Config, ConfigWarning } from './config.ts'
import { readDatabaseUrl } from './database-url.ts'
import type { DatabaseAddress } from './database-url.ts'

/** What a configuration allows that it had better not, one warning each. */
export function insecurities (config: Omit<Config, 'warnings'>): ConfigWarning[] {
  const production = config.env === 'production'
  const warnings: ConfigWarning[] = []
  const warn = (code: ConfigWarning['error_code'], message: string) => warnings.push({ error_code: code, message })

  if (config.app.debug) {
    warn('INSECURE_DEBUG', production
      ? 'DEBUG=true IN PRODUCTION: everything is logged at DEBUG; set DEBUG=false'
      : 'DEBUG=true: 500 answers carry their stack; never do this in production')
  }
  if (config.security.allowedOrigins === '*') {
    warn(
      'INSECURE_ALLOWED_ORIGINS',
      'ALLOWED_ORIGINS=*: any web page may call the API; in production list the origins of your own'
    )
  }
  if (!config.metrics.token) { warn('INSECURE_METRICS', '/metrics is open to everybody who reaches the service; set METRICS_TOKEN') }
  if (config.auth.secrets?.some(looksMadeUp)) {
    warn(
      'INSECURE_JWT_SECRET',
      'JWT_SECRET looks like an example rather than random; make one with: openssl rand -base64 48'
    )
  }
  if (Array.isArray(config.server.trustProxy) && config.server.trustProxy.some((entry) => /\/0+$/.test(entry))) {
    warn(
      'INSECURE_TRUST_PROXY',
      'TRUST_PROXY has a CIDR of length 0, so anybody is believed about their address; list the proxies alone'
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
        `${name} goes to another host without TLS, so passwords and data cross the network readable; add ?sslmode=verify-full`
      )
    }
  }
  if (config.rateLimit.authMax === 0) { warn('INSECURE_RATE_LIMIT', 'RATE_LIMIT_AUTH_MAX=0: passwords may be guessed without limit') }
  return warnings
}

/**
 * How a connection asks for TLS: `verified` (the server proves who it is), `unverified` (encrypted, but to whomever
 * answers), or `none`. `prefer` is none: it goes on in the clear when the other side says so.
 */
export function tlsOf (databaseUrl: string): 'verified' | 'unverified' | 'none' {
  switch (addressOf(databaseUrl).sslMode) {
    case 'verify-full': case 'verify-ca': return 'verified'
    case 'require': return 'unverified'
    default: return 'none'
  }
}

/** Whether every host of a database URL is this machine. */
export function isLocalDatabase (databaseUrl: string): boolean {
  return addressOf(databaseUrl).hosts.every(({ host }) => host.startsWith('/') || isLocalHost(host))
}

/** The address in a URL that the configuration has accepted. */
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

/** Whether a secret reads as if a person had made it up: the words of examples, or few different characters. */
export function looksMadeUp (secret: string): boolean {
  return /change.?me|example|secret|password|your[-_ ]|0123456789|abcdefgh/i.test(secret) || new Set(secret).size < 10
}

import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { ConnectionOptions as TlsOptions } from 'node:tls'

export interface Host { host: string, port: number }

/**
 * How the connection is encrypted, in libpq's words. `require` (and `prefer`, where the server can) encrypts without
 * asking who answers; `verify-ca` checks the certificate's chain, `verify-full` its name too. Without `sslmode` there
 * is no TLS (libpq: `prefer`), so that nobody believes in an encryption that the other side chose.
 */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

export interface Address {
  /** Tried in this order, each time a connection is made. */
  hosts: Host[]
  /** Of several hosts, only one that accepts writes will do: `target_session_attrs=read-write` or `primary`. */
  primaryOnly: boolean
  user: string
  password: string
  database: string
  sslMode: SslMode
  tls: TlsOptions
  /** `application_name` and `options`, where the URL has them. */
  parameters: Record<string, string>
}

/**
 * Reads `postgres://user:password@host:port,host:port/database?sslmode=…`, by libpq's rules; a folder as host
 * (`?host=/run/postgresql`) is a Unix socket. The driver's own reading sends every parameter it does not know to the
 * server, which then refuses the connection.
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 * @throws TypeError, without the URL in its message, which holds a password
 */
export function parseAddress (url: string): Address {
  const parts =
    /^postgres(?:ql)?:\/\/(?:(?<user>[^@/?#:]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>[^/?#]*)(?:\/(?<database>[^?#]*))?(?:\?(?<query>[^#]*))?$/.exec(
      url
    )?.groups
  if (parts === undefined) { throw new TypeError('The database URL is not of the form postgres://user:password@host:port/database') }
  const query = new URLSearchParams(parts.query)
  const user = decode(parts.user) || query.get('user') || 'postgres'
  const sslMode = parseSslMode(query.get('sslmode'))
  return {
    hosts: parseHosts(query.get('host') ?? decode(parts.hosts), query.get('port')),
    primaryOnly: ['read-write', 'primary'].includes(query.get('target_session_attrs') ?? ''),
    user,
    password: decode(parts.password) || query.get('password') || '',
    database: decode(parts.database) || query.get('dbname') || user,
    sslMode,
    tls: sslMode === 'disable' ? {} : tlsOptions(sslMode, query),
    parameters: Object.fromEntries(
      ['application_name', 'options'].flatMap((name) => (query.has(name) ? [[name, query.get(name) as string]] : []))
    )
  }
}

/**
 * The address as options of the driver, for a connection that it makes itself: by its own reading of the URL several
 * hosts, `sslrootcert` and whatever else the server does not know would end in a refusal.
 */
export function driverAddress ({
  hosts,
  primaryOnly,
  user,
  password,
  database,
  sslMode,
  tls,
  parameters
}: Address): object {
  const [first] = hosts
  return {
    host: hosts.map(({ host }) => host),
    port: hosts.map(({ port }) => port),
    path: first?.host.startsWith('/') ? `${first.host}/.s.PGSQL.${first.port}` : undefined,
    user,
    password,
    database,
    // `host` is whom the certificate has to name where it is an address: Node would ask for "localhost". A name goes
    // before it.
    ssl:
      sslMode === 'disable'
        ? false
        : sslMode === 'prefer'
          ? 'prefer'
          : { ...tls, host: hosts.find(({ host }) => isIP(host) !== 0)?.host },
    target_session_attrs: primaryOnly ? 'read-write' : undefined,
    connection: parameters
  }
}

function decode (text: string | undefined): string {
  return decodeURIComponent(text ?? '')
}

function parseHosts (list: string, ports: string | null): Host[] {
  const portOf = ports === null ? [] : ports.split(',')
  return list.split(',').map((item, i) => {
    const match = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:]*|\/.*?))(?::(?<port>\d+))?$/.exec(item)?.groups
    if (match === undefined) throw new TypeError('The database URL has a host that cannot be read')
    const port = Number(match.port ?? portOf[i] ?? portOf[0] ?? 5432)
    if (!(port > 0 && port < 65536)) throw new TypeError('The database URL has a port that is none')
    return { host: match.v6 ?? (match.name || 'localhost'), port }
  })
}

function parseSslMode (word: string | null): SslMode {
  switch (word) {
    case null: case '': case 'disable': return 'disable'
    case 'allow': case 'prefer': return 'prefer'
    case 'require': case 'verify-ca': case 'verify-full': return word
    default: throw new TypeError('sslmode is one of disable, prefer, require, verify-ca and verify-full')
  }
}

function tlsOptions (sslMode: SslMode, query: URLSearchParams): TlsOptions {
  const file = (name: string) => query.has(name) ? readFileSync(query.get(name) as string) : undefined
  const root = query.get('sslrootcert')
  return {
    ca: root === null || root === 'system' ? undefined : file('sslrootcert'),
    cert: file('sslcert'),
    key: file('sslkey'),
    rejectUnauthorized: sslMode === 'verify-ca' || sslMode === 'verify-full',
    // Absent, not undefined: Node would take that for the check.
    ...sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }
  }
}

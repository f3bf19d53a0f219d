import { readFileSync } from 'node:fs'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { readDatabaseUrl } from '../../src/config/database-url.ts'
import type { DatabaseAddress, Host, SslMode } from '../../src/config/database-url.ts'
import { Hosts } from './hosts.ts'
import type { Role } from './hosts.ts'

export type { Host, SslMode } from '../../src/config/database-url.ts'

/** Where and how to connect: a database URL with the files that it names read and its defaults filled in. */
export interface Address {
  hosts: Host[]
  /** The same hosts, in the order in which they are tried. Of several, the one that takes writes is looked for. */
  servers: Hosts
  user: string
  /** As it is in the URL; `passwordFor` prepares it for the server. */
  password: string
  database: string
  sslMode: SslMode
  tls: TlsOptions
  /** `connect_timeout`, where the URL has one that is a limit. */
  connectTimeoutMs: number | undefined
  /** `application_name` and `options`, where the URL has them. */
  parameters: Record<string, string>
}

/**
 * The address that a database URL names (see `readDatabaseUrl`). The driver does not read the URL itself: it sends
 * every parameter that it does not know to the server, which then refuses the connection.
 * @throws TypeError, without the URL in its message, which holds a password
 */
export function parseAddress (url: string): Address {
  const read = readDatabaseUrl(url)
  if ('problem' in read) throw new TypeError(`The database URL ${read.problem}`)
  const { password, sslMode, parameters } = read
  const user = read.user ?? 'postgres'
  const hosts = read.hosts.length === 0 ? [{ host: 'localhost', port: 5432 }] : read.hosts
  const timeoutS = Number(parameters.get('connect_timeout') ?? 0)
  return {
    hosts,
    servers: new Hosts(hosts, roleOf(parameters, hosts)),
    user,
    password,
    database: read.database ?? user,
    sslMode,
    tls: sslMode === 'disable' ? {} : tlsOptions(read),
    connectTimeoutMs: timeoutS > 0 ? timeoutS * 1000 : undefined,
    parameters: startupParameters(parameters)
  }
}

/** libpq's default is `any`, with which this service would stay on a standby that answers first. */
function roleOf (parameters: DatabaseAddress['parameters'], hosts: Host[]): Role {
  return (parameters.get('target_session_attrs') ?? (hosts.length > 1 ? 'read-write' : 'any')) as Role
}

/** What the URL has the server told when a session starts. */
function startupParameters (parameters: DatabaseAddress['parameters']): Record<string, string> {
  const found: Record<string, string> = {}
  const name = parameters.get('application_name') ?? parameters.get('fallback_application_name')
  const options = parameters.get('options')
  if (name !== undefined) found['application_name'] = name
  if (options !== undefined) found['options'] = options
  return found
}

function tlsOptions ({ sslMode, parameters }: DatabaseAddress): TlsOptions {
  const file = (name: string) => {
    const path = parameters.get(name)
    return path === undefined ? undefined : readFileSync(path)
  }
  return {
    ca: parameters.get('sslrootcert') === 'system' ? undefined : file('sslrootcert'),
    cert: file('sslcert'),
    key: file('sslkey'),
    crl: file('sslcrl'),
    passphrase: parameters.get('sslpassword'),
    minVersion: parameters.get('ssl_min_protocol_version') as TlsOptions['minVersion'],
    maxVersion: parameters.get('ssl_max_protocol_version') as TlsOptions['maxVersion'],
    rejectUnauthorized: sslMode === 'verify-ca' || sslMode === 'verify-full',
    // Left out rather than undefined, which Node would call as the check.
    ...sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }
  }
}

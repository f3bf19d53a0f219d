import { readFileSync } from 'node:fs'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { readDatabaseUrl } from '../../src/config/database-url.ts'
import type { DatabaseAddress, Host, SslMode } from '../../src/config/database-url.ts'

export type { Host, SslMode } from '../../src/config/database-url.ts'

/** Where and how to connect: a database URL with the files that it names read and its defaults filled in. */
export interface Address {
  /** Tried in this order, each time a connection is made. */
  hosts: Host[]
  /** Of several hosts, only one that accepts writes will do: `target_session_attrs=read-write` or `primary`. */
  primaryOnly: boolean
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
  const { hosts, password, sslMode, parameters } = read
  const user = read.user ?? 'postgres'
  const timeoutS = Number(parameters.get('connect_timeout') ?? 0)
  return {
    hosts: hosts.length === 0 ? [{ host: 'localhost', port: 5432 }] : hosts,
    primaryOnly: ['read-write', 'primary'].includes(parameters.get('target_session_attrs') ?? ''),
    user,
    password,
    database: read.database ?? user,
    sslMode,
    tls: sslMode === 'disable' ? {} : tlsOptions(read),
    connectTimeoutMs: timeoutS > 0 ? timeoutS * 1000 : undefined,
    parameters: startupParameters(parameters)
  }
}

/**
 * Opens a connection to the first of the hosts that will do, within the time given: a silent one leaves the others
 * their share of it. Rejects as the last one did.
 */
export async function openToFirst<T> (
  { hosts }: Address,
  timeoutMs: number,
  open: (host: Host, timeoutMs: number) => Promise<T>
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let left = hosts.length
  let failure: unknown
  for (const host of hosts) {
    try {
      return await open(host, Math.max(1, (deadline - performance.now()) / left--))
    } catch (error) {
      failure = error
    }
  }
  throw failure
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

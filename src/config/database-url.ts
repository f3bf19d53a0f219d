import { parameterProblem } from './database-parameters.ts'

export interface Host { host: string, port: number }

/**
 * How the connection is encrypted, in libpq's words. `require` encrypts without checking the server's certificate, as
 * `prefer` does where the server can; `verify-ca` checks the certificate's chain, `verify-full` its name too. Without
 * `sslmode` there is no TLS (libpq: `prefer`), so that nobody relies on encryption that the other side may decline.
 */
export type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/** What a database URL says. */
export interface DatabaseAddress {
  /**
   * Tried in this order. A host is a name, an address (IPv6 without brackets) or, beginning with a slash, the folder of
   * a Unix socket. None where the URL names none.
   */
  hosts: Host[]
  user: string | undefined
  password: string
  database: string | undefined
  sslMode: SslMode
  /** The parameters after the question mark, each of them known (see `DATABASE_PARAMETERS`). */
  parameters: ReadonlyMap<string, string>
}

const FORM =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^@/?#:]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>[^@/?#]*)(?:\/(?<database>[^/?#]*))?(?:\?(?<query>[^#]*))?$/
const HOST = /^(?:\[(?<v6>[0-9A-Fa-f:.]+)\]|(?<name>[^:[\]\s]+))(?::(?<port>\d{1,5}))?$/
const DEFAULT_PORT = '5432'

/**
 * Reads `postgres://user:password@host:port,host:port/database?sslmode=…` as libpq does: a parameter after the question
 * mark overrides what stands before it, and one that is not known is refused. This is the only reader of such URLs.
 * Answers what is wrong without repeating any of the text, which holds a password.
 *
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function readDatabaseUrl (text: string): DatabaseAddress | { problem: string } {
  if (!/^postgres(?:ql)?:\/\//.test(text)) return { problem: 'does not begin with postgres:// or postgresql://' }
  const parts = FORM.exec(text)?.groups
  if (!parts) return { problem: 'is not of the form of a database URL' }
  const decoded = [parts.user, parts.password, parts.hosts, parts.database].map((part) => decode(part ?? ''))
  if (decoded.includes(undefined)) return { problem: 'has a % that encodes nothing' }
  const [user, password = '', named = '', path] = decoded
  const parameters = readParameters(parts.query ?? '')
  if (typeof parameters === 'string') return { problem: parameters }

  const hosts = readHosts(parameters.get('host') ?? named, parameters.get('port'))
  if (hosts === undefined) return { problem: 'has a host or port that is none' }
  return {
    hosts,
    user: parameters.get('user') || user || undefined,
    password: parameters.get('password') ?? password,
    database: parameters.get('dbname') || path || undefined,
    sslMode: sslModeOf(parameters),
    parameters
  }
}

/** What a URL lacks to be a setting; libpq would fill it in from the user's name and this machine. */
export function missingPart ({ hosts, database }: DatabaseAddress): string | undefined {
  if (hosts.length === 0) return 'has no host'
  return database === undefined ? 'has no database' : undefined
}

/** Parameters by name; a text says what is wrong with them. */
function readParameters (query: string): Map<string, string> | string {
  const parameters = new Map<string, string>()
  for (const pair of query === '' ? [] : query.split('&')) {
    const [name, value, ...more] = pair.split('=').map(decode)
    if (more.length > 0 || !pair.includes('=')) return 'has a parameter that is not of the form name=value'
    if (name === undefined || value === undefined) return 'has a % that encodes nothing'
    if (parameters.has(name)) return 'has the same parameter twice'
    parameters.set(name, value)
  }
  return parameterProblem(parameters) ?? parameters
}

/** With `sslrootcert=system`, libpq verifies unless told otherwise; with another root certificate, `require` does. */
function sslModeOf (parameters: ReadonlyMap<string, string>): SslMode {
  const root = parameters.get('sslrootcert')
  const mode = parameters.get('sslmode') ?? (parameters.has('ssl') ? 'require' : undefined)
  if (root === 'system') return 'verify-full'
  if (mode === 'require' && root !== undefined) return 'verify-ca'
  return mode === 'allow' ? 'prefer' : (mode ?? 'disable') as SslMode
}

/** The hosts of a list, each with its port; undefined where one of them is none. */
function readHosts (list: string, portList: string | undefined): Host[] | undefined {
  if (list === '') return []
  const names = list.split(',')
  const ports = portList?.split(',') ?? []
  if (ports.length > 1 && ports.length !== names.length) return undefined
  const hosts = names.map((name, index) => readHost(name, ports.length > 1 ? ports[index] : ports[0]))
  return hosts.includes(undefined) ? undefined : hosts as Host[]
}

function readHost (text: string, given: string | undefined): Host | undefined {
  const parts = text.startsWith('/') ? { name: text } as Record<string, string | undefined> : HOST.exec(text)?.groups
  const host = parts?.v6 ?? parts?.name
  const port = Number(given || parts?.port || DEFAULT_PORT)
  return host === undefined || !Number.isInteger(port) || port < 1 || port > 65535 ? undefined : { host, port }
}

function decode (text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text)
    return decoded.includes('\0') ? undefined : decoded
  } catch {
    return undefined
  }
}

/** What a database URL says, beside user and password. */
export interface DatabaseAddress {
  /** Host names, addresses (IPv6 without brackets) or, beginning with a slash, folders of a socket. */
  hosts: string[]
  user: string
  database: string
  query: URLSearchParams
}

const FORM =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^@/?#:]*)(?::(?<password>[^@/?#]*))?@)?(?<hosts>[^@/?#]*)(?:\/(?<database>[^/?#]*))?(?:\?(?<query>[^#]*))?$/
const HOST = /^(?:\[(?<v6>[0-9A-Fa-f:.]+)\]|(?<name>[^:[\]\s]+))(?::(?<port>\d{1,5}))?$/
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']

/**
 * Reads `postgres://user:password@host:port,host:port/database?sslmode=…` as libpq does, `?host=/folder` for a socket
 * included, except that host and database have to be there. Answers what is wrong, without a word of the text: it holds
 * a password.
 *
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function readDatabaseUrl (text: string): DatabaseAddress | { problem: string } {
  if (!/^postgres(?:ql)?:\/\//.test(text)) return { problem: 'does not begin with postgres:// or postgresql://' }
  const parts = FORM.exec(text)?.groups
  if (!parts) return { problem: 'is not of the form of a database URL' }
  const decoded = [parts.user, parts.password, parts.hosts, parts.database].map((part) => decode(part ?? ''))
  if (decoded.includes(undefined)) return { problem: 'has a % that encodes nothing' }
  const [user = '', , named = '', database = ''] = decoded

  const query = new URLSearchParams(parts.query)
  const hosts = (query.get('host') ?? named).split(',').map((host) => host.startsWith('/') ? host : hostOf(host))
  if (hosts.length === 1 && (query.get('host') ?? named) === '') return { problem: 'has no host' }
  if (hosts.includes(undefined)) return { problem: 'has a host or port that is none' }
  if (database === '') return { problem: 'has no database' }
  const mode = query.get('sslmode')
  if (mode !== null && !SSL_MODES.includes(mode)) { return { problem: `has an sslmode that is none of ${SSL_MODES.join(', ')}` } }
  return { hosts: hosts as string[], user, database, query }
}

/** A host without its port; undefined where it is none. */
function hostOf (text: string): string | undefined {
  const parts = HOST.exec(text)?.groups
  if (!parts || (parts.port !== undefined && !(Number(parts.port) >= 1 && Number(parts.port) <= 65535))) {
    return undefined
  }
  return parts.v6 ?? parts.name
}

function decode (text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

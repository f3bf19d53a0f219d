import { distance } from './near-miss.ts'

/** Says what is wrong with a value, without repeating it; undefined for a value that is accepted. */
type Check = (value: string) => string | undefined

const any: Check = () => undefined
const oneOf = (...words: string[]): Check => (value) => words.includes(value) ? undefined : `expected ${listed(words)}`
const integer: Check = (value) => /^-?\d{1,9}$/.test(value) ? undefined : 'expected a whole number'
/** For a parameter of which one setting is what this service does anyway. */
const only = (...words: string[]): Check => (value) => {
  return words.includes(value.toLowerCase()) ? undefined : `this service supports ${listed(words)} only`
}
const unsupported = (instead: string): Check => () => `this service does not support it; ${instead}`

const TLS_VERSION = oneOf('TLSv1.2', 'TLSv1.3')
const NO_GSS = 'GSSAPI and Kerberos are not available'
const NO_FILES = "libpq's files are not read; put the parameters into the URL"
const NO_KEY = 'use a password'
const NO_OAUTH = 'OAuth is not available; use a password'

/**
 * The parameters of a database URL: those of libpq, each either honoured, or accepted with the value that holds anyway,
 * or refused because it asks for something the service does not do. A parameter that is not in this table is refused
 * too: taken as if it were not there, `?sslmod=require` would connect in the clear.
 *
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
export const DATABASE_PARAMETERS: Readonly<Record<string, Check>> = {
  // Where to connect, and as whom.
  host: any,
  port: any,
  user: any,
  password: any,
  dbname: any,
  target_session_attrs: only('any', 'read-write', 'primary'),
  connect_timeout: integer,
  application_name: any,
  fallback_application_name: any,
  options: any,
  hostaddr: unsupported('name the address as the host'),
  load_balance_hosts: only('disable'),
  passfile: unsupported(NO_FILES),
  service: unsupported(NO_FILES),
  servicefile: unsupported(NO_FILES),
  replication: only('false', 'off', 'no', '0'),
  client_encoding: only('utf8', 'utf-8', 'auto'),

  // Encryption.
  ssl: (value) => value === 'true' ? undefined : 'it can only be true, which means sslmode=require; use sslmode',
  sslmode: oneOf('disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'),
  sslrootcert: any,
  sslcert: any,
  sslkey: any,
  sslpassword: any,
  sslcrl: any,
  ssl_min_protocol_version: TLS_VERSION,
  ssl_max_protocol_version: TLS_VERSION,
  sslnegotiation: only('postgres'),
  sslcompression: only('0'),
  sslcertmode: only('allow'),
  sslsni: only('1'),
  sslcrldir: unsupported('use sslcrl'),
  sslkeylogfile: unsupported('remove it'),
  gssencmode: only('disable', 'prefer'),

  // Authentication.
  channel_binding: only('disable', 'prefer'),
  require_auth: unsupported('let pg_hba.conf decide'),
  requirepeer: unsupported('remove it'),
  krbsrvname: unsupported(NO_GSS),
  gsslib: unsupported(NO_GSS),
  gssdelegation: only('0'),
  scram_client_key: unsupported(NO_KEY),
  scram_server_key: unsupported(NO_KEY),
  oauth_issuer: unsupported(NO_OAUTH),
  oauth_client_id: unsupported(NO_OAUTH),
  oauth_client_secret: unsupported(NO_OAUTH),
  oauth_scope: unsupported(NO_OAUTH),

  // The network. A connection asks after 10 s of silence whether the server is still there.
  keepalives: only('1'),
  keepalives_idle: integer,
  keepalives_interval: integer,
  keepalives_count: integer,
  tcp_user_timeout: integer,
  min_protocol_version: only('3.0'),
  max_protocol_version: only('3.0', '3.2', 'latest')
}

/** Parameters that mean nothing on a connection without TLS. */
const OF_TLS = ['sslrootcert', 'sslcert', 'sslkey', 'sslcrl']
const INSISTS_ON_TLS = ['require', 'verify-ca', 'verify-full']

/**
 * What is wrong with the parameters of a URL, by name and never with a value; undefined where nothing is.
 */
export function parameterProblem (parameters: ReadonlyMap<string, string>): string | undefined {
  for (const [name, value] of parameters) {
    const check = Object.hasOwn(DATABASE_PARAMETERS, name) ? DATABASE_PARAMETERS[name] : undefined
    if (check === undefined) return unknown(name)
    const problem = check(value)
    if (problem !== undefined) return `has ${name} with a value that is refused: ${problem}`
  }
  return tlsProblem(parameters)
}

/** Parameters that contradict each other about encryption. */
function tlsProblem (parameters: ReadonlyMap<string, string>): string | undefined {
  const mode = parameters.get('sslmode')
  if (parameters.has('ssl') && mode !== undefined && !INSISTS_ON_TLS.includes(mode)) {
    return 'has ssl=true and an sslmode that does not insist on it; remove one of them'
  }
  if (parameters.get('sslrootcert') === 'system' && mode !== undefined && mode !== 'verify-full') {
    return 'has sslrootcert=system and an sslmode weaker than verify-full; use sslmode=verify-full'
  }
  const needsTls = OF_TLS.find((name) => parameters.has(name) && parameters.get(name) !== 'system')
  if (needsTls !== undefined && mode === undefined && !parameters.has('ssl')) {
    return `has ${needsTls} but no sslmode, without which nothing is encrypted; add sslmode=verify-full`
  }
  return undefined
}

function unknown (name: string): string {
  const meant = closest(name)
  const known = meant === undefined ? '' : `; did you mean ${meant}?`
  // A password that is not percent-encoded can end up here: nothing is shown that does not look like a name.
  return /^[A-Za-z][A-Za-z_-]{0,39}$/.test(name)
    ? `has a parameter that is not known, ${name}${known}`
    : `has a parameter that is not known${known}`
}

/** The known parameter that a name is probably a slip of. */
function closest (name: string): string | undefined {
  const spelt = name.toLowerCase()
  const ranked = Object.keys(DATABASE_PARAMETERS)
    .map((known) => ({ known, steps: distance(spelt, known), allowed: known.length < 6 ? 1 : 2 }))
    .filter(({ steps, allowed }) => steps <= allowed)
    .sort((a, b) => a.steps - b.steps)
  return ranked[0]?.known
}

function listed (words: string[]): string {
  return words.length === 1 ? words[0] as string : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

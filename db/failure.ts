import { parseAddress } from './driver/address.ts'
import { DatabaseError } from './driver/errors.ts'

/** Why the database cannot be used, for people who operate the service. */
export interface Failure {
  /** In plain words, for anybody who asks the service: no host, no name, no secret, no SQL. */
  reason: string
  /** What to do about it. Names the role and the database, so it is for the operator's own terminal and log alone. */
  remedy: string
  /** Whether it stays so until somebody does something about it, as opposed to a restart or a network that is down. */
  lasting: boolean
}

interface MigrationFailure extends Partial<Failure> { cause?: unknown }

/** Why the database is not in the form that the code expects, and what to do about it. */
export class MigrationError extends Error {
  readonly failure: Failure

  constructor (message: string, { cause, reason, remedy, lasting = true }: MigrationFailure = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'MigrationError'
    this.failure = {
      reason: reason ?? message.replace(/\.$/, ''),
      remedy: remedy ?? 'See the message, and run npm run migrate once it is put right.',
      lasting
    }
  }
}

interface Names { role: string, database: string }
type Explain = (names: Names, error: ErrorFields) => Failure
interface ErrorFields { code: string, routine: string, syscall: string, message: string }

const lasting = (reason: string, remedy: string): Failure => ({ reason, remedy, lasting: true })
const passing = (reason: string, remedy: string): Failure => ({ reason, remedy, lasting: false })

/** An identifier as SQL writes it. */
export function quoted (name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

const UNREACHABLE = 'the database does not answer'
const START_IT = 'Start PostgreSQL, or correct host and port in DATABASE_URL.'
const RESOLVE = 'Correct the host in DATABASE_URL; its name cannot be resolved.'
const UNTRUSTED = 'Name the CA of the server in sslrootcert or NODE_EXTRA_CA_CERTS.'

const NOT_WRITABLE = passing(
  'the database is read-only: no host takes writes',
  'Wait for a failover to end, or see that one host of DATABASE_URL is neither a standby nor set to ' +
    'default_transaction_read_only.'
)

const UNREADABLE_FILE = lasting(
  'a file that the database URL names cannot be read',
  'See that sslrootcert, sslcert, sslkey and sslcrl in DATABASE_URL name files that this user may read.'
)

/** By the server's SQLSTATE, by the code of the system or of Node, or by ours. */
const EXPLANATIONS: Record<string, Explain> = {
  '28P01': ({ role }) => lasting(
    'the database refuses the user name or the password',
    `Check user and password in DATABASE_URL, special characters percent-encoded; the role is ${quoted(role)}. ` +
      'Set its password with: \\password in psql'
  ),
  28000: explainRefusedRole,
  '3D000': ({ role, database }) => lasting(
    'the database does not exist on the server',
    'Correct the name in DATABASE_URL, or create it: ' +
      `CREATE DATABASE ${quoted(database)} OWNER ${quoted(role)} ENCODING 'UTF8' TEMPLATE template0;`
  ),
  42501: ({ role, database }, { routine }) => routine === 'CheckMyDatabase'
    ? lasting(
      'the database user may not connect to this database',
      `Run: GRANT CONNECT ON DATABASE ${quoted(database)} TO ${quoted(role)};`
    )
    : lasting(
      "the database user may not use the service's tables",
      'Run, as their owner: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public ' +
        `TO ${quoted(role)};`
    ),
  55000: ({ database }) => lasting(
    'the database takes no connections',
    `Run: ALTER DATABASE ${quoted(database)} ALLOW_CONNECTIONS true;`
  ),
  25006: () => lasting(
    'the database is read-only: a standby, or set to read only',
    'Point DATABASE_URL at the primary, or turn default_transaction_read_only off.'
  ),
  53300: () => passing(
    'the database takes no more connections',
    'Free connections at the server, or raise its max_connections.'
  ),
  '57P03': () => passing('the database is starting or shutting down', 'Wait for the server, and try again.'),
  TLS_NOT_OFFERED: () => lasting(
    'the database does not offer TLS, which sslmode requires',
    'Turn ssl on at the server, or correct host and port in DATABASE_URL.'
  ),
  ERR_TLS_CERT_ALTNAME_INVALID: () => lasting(
    'the certificate of the database is for another host name',
    'Correct the host in DATABASE_URL, or give the server a certificate for it.'
  ),
  CERT_HAS_EXPIRED: () => lasting('the certificate of the database has expired', 'Renew the certificate of the server.'),
  SASL_SIGNATURE_MISMATCH: () => lasting(
    'the database does not prove that it knows the password',
    'Make sure that host and port in DATABASE_URL lead to your server, and to nobody in between.'
  ),
  ECONNREFUSED: () => passing(UNREACHABLE, START_IT),
  ENOENT: () => passing(UNREACHABLE, START_IT),
  ENOTFOUND: () => passing(UNREACHABLE, RESOLVE),
  EAI_AGAIN: () => passing(UNREACHABLE, RESOLVE)
}

/** A role that is refused before or after its password was asked for; the server has one SQLSTATE for all of that. */
function explainRefusedRole ({ role, database }: Names, { routine, message }: ErrorFields): Failure {
  if (routine === 'ClientAuthentication') {
    return lasting(
      'the database accepts no connection of this user from here (pg_hba.conf)',
      `Add a line for database ${quoted(database)}, user ${quoted(role)} and this machine's address to pg_hba.conf, and ` +
        'reload the server; where it has hostssl lines alone, add ?sslmode=require to DATABASE_URL.'
    )
  }
  // The message is in the server's language; the remedy without it names both.
  if (/not permitted to log in/.test(message)) {
    return lasting('the database user may not log in', `Run: ALTER ROLE ${quoted(role)} LOGIN;`)
  }
  return lasting(
    'the database refuses this user',
    `Check the user in DATABASE_URL. Where the role is missing: CREATE ROLE ${quoted(role)} LOGIN; ` +
      `where it may not log in: ALTER ROLE ${quoted(role)} LOGIN;`
  )
}

/**
 * What an error of the database, of the connection to it or of a migration means, and what to do about it.
 * @param url where the connection was to go
 */
export function failureOf (error: unknown, url: string): Failure {
  const fields: ErrorFields[] = []
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    if (each instanceof MigrationError) return each.failure
    if (each instanceof DatabaseError && each.kind === 'read_only' && each.cause === undefined) return NOT_WRITABLE
    const { code, routine = '', syscall = '' } = each as unknown as Partial<ErrorFields>
    if (typeof code === 'string') fields.push({ code, routine, syscall, message: each.message })
  }
  for (const each of fields) {
    if (each.syscall === 'open') return UNREADABLE_FILE
    const explain = Object.hasOwn(EXPLANATIONS, each.code) ? EXPLANATIONS[each.code] : undefined
    if (explain !== undefined) return explain(namesIn(url), each)
    if (/CERT|SELF_SIGNED|UNABLE_TO/.test(each.code)) {
      return lasting('the certificate of the database is not trusted', UNTRUSTED)
    }
  }
  return passing(
    UNREACHABLE,
    'See that PostgreSQL runs, that the network lets this machine reach it, and that DATABASE_URL is right.'
  )
}

function namesIn (url: string): Names {
  const { user, database } = parseAddress(url)
  return { role: user, database }
}

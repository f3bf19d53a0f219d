import { inspectDatabase } from '../../../db/inspect.ts'
import type { Reachable } from '../../../db/inspect.ts'
import type { Config } from '../../config/config.ts'
import { isLocalDatabase } from '../../config/warnings.ts'
import { failed, ok, warning } from './check.ts'
import type { Check } from './check.ts'

/** The versions the service is tested with. */
const OLDEST_MAJOR = 15
const NEWEST_MAJOR = 18

/** The bound that the guide's alert on the database has, in ms. */
const SLOW_MS = 100

/** How it stands with the database itself. An embedded one runs with the service, whose readiness then tells. */
export async function checkDatabase ({ database, server, env }: Config): Promise<Check[]> {
  if (database.url === undefined) return [ok('database', 'the embedded PostgreSQL starts and stops with the service')]
  const found = await inspectDatabase(database.url, { timeoutMs: database.connectTimeoutMs })
  if (!found.reachable) {
    return [
      failed(
        'database',
        `the database cannot be reached: ${found.error}${found.code ? ` (${found.code})` : ''}`,
        remedyFor(found.code)
      )
    ]
  }
  return [
    ok('database', 'the database answers'),
    checkVersion(found),
    found.latency_ms <= SLOW_MS
      ? ok('database_latency', `${found.latency_ms} ms for the smallest query`)
      : warning(
        'database_latency',
          `${found.latency_ms} ms for the smallest query`,
          'Run service and database in one place, and see what keeps the database busy.'
      ),
    found.writable
      ? ok('database_writable', 'the database takes writes')
      : failed(
        'database_writable',
        'the database is read-only: a standby, or set to read only',
        'Point DATABASE_URL at the primary.'
      ),
    found.tls || isLocalDatabase(database.url)
      ? ok('database_connection', found.tls ? 'the connection is encrypted' : 'the connection stays on this machine')
      : (env === 'production' ? failed : warning)(
          'database_connection',
          'the connection crosses the network readable',
          'Add ?sslmode=verify-full to DATABASE_URL, and turn TLS on at the server.'
        ),
    checkConnections(found, database.poolSize * server.workers),
    checkMigrations(found, database.migrateOnStart)
  ]
}

function checkVersion ({ version, major }: Reachable): Check {
  if (major < OLDEST_MAJOR) {
    return failed(
      'database_version',
      `PostgreSQL ${version} is too old`,
      `Upgrade to PostgreSQL ${OLDEST_MAJOR} to ${NEWEST_MAJOR}.`
    )
  }
  if (major > NEWEST_MAJOR) {
    return warning(
      'database_version',
      `PostgreSQL ${version} is newer than what this version was tested with`,
      `Use PostgreSQL ${OLDEST_MAJOR} to ${NEWEST_MAJOR}.`
    )
  }
  return ok('database_version', `PostgreSQL ${version}`)
}

function checkConnections ({ max_connections: most, connections }: Reachable, wanted: number): Check {
  const state = `up to ${wanted} connections of ${most}, ${connections} in use now`
  if (wanted <= most) return ok('database_connections', state)
  return warning(
    'database_connections',
    `this process alone may want ${state}`,
    'Lower MAX_POOL_SIZE or WORKERS, raise max_connections, or put PgBouncer in between (DATABASE_POOLER=transaction).'
  )
}

function checkMigrations ({ pending, pending_error: error }: Reachable, migrateOnStart: boolean): Check {
  if (!pending) {
    return failed(
      'migrations',
      `cannot tell which migrations are applied: ${error}`,
      'Let the role of DATABASE_URL read schema_migrations, and run: npm run migrate'
    )
  }
  if (pending.length === 0) return ok('migrations', 'all migrations are applied')
  const state = `${pending.length} to be applied: ${pending.join(', ')}`
  return migrateOnStart
    ? warning('migrations', `${state}; the service does it at start`, 'Nothing, or beforehand: npm run migrate')
    : failed('migrations', `${state}, and MIGRATE_ON_START=false`, 'Run: npm run migrate')
}

/** What to do about an error of the system or a SQLSTATE. */
function remedyFor (code = ''): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') { return 'Correct the host in DATABASE_URL; its name cannot be resolved.' }
  if (code === 'ECONNREFUSED') return 'Start PostgreSQL, or correct host and port in DATABASE_URL.'
  if (code === '28P01' || code === '28000') { return 'Correct user and password in DATABASE_URL; special characters are percent-encoded.' }
  if (code === '3D000') return 'Create the database, or correct its name in DATABASE_URL.'
  if (code === '53300') return 'Free connections at the server, or raise its max_connections.'
  if (code.startsWith('57P')) return 'The server is starting or stopping: check again.'
  if (/CERT|TLS|SSL|SELF_SIGNED/.test(code)) { return 'Name the CA of the server in NODE_EXTRA_CA_CERTS, or correct the host in DATABASE_URL.' }
  return 'See that PostgreSQL runs, that the network lets this machine reach it, and that DATABASE_URL is right.'
}

import { inspectDatabase } from '../../../db/inspect.ts'
import type { ClusterState, Inspection, Reachable, Unreachable } from '../../../db/inspect.ts'
import type { Config } from '../../config/config.ts'
import { isLocalDatabase } from '../../config/warnings.ts'
import { failed, ok, warning } from './check.ts'
import type { Check } from './check.ts'

/** The versions the service is tested with. */
const OLDEST_MAJOR = 15
const NEWEST_MAJOR = 18

/** The threshold of the alert on the database's latency, in ms. */
const SLOW_MS = 100

/** The state of the database. An embedded one runs with the service, whose readiness covers it. */
export async function checkDatabase ({ database, server, env }: Config): Promise<Check[]> {
  if (database.url === undefined) return [ok('database', 'the embedded PostgreSQL starts and stops with the service')]
  const { url, migrationUrl, connectTimeoutMs: timeoutMs } = database
  const [found, migrating] = await Promise.all([
    inspectDatabase(url, { timeoutMs }),
    migrationUrl === undefined ? undefined : inspectDatabase(migrationUrl, { timeoutMs })
  ])
  if (!found.reachable) return [unreachable('database', found, 'DATABASE_URL')]
  return [
    ok('database', 'the database answers'),
    ...(migrating === undefined ? [] : [checkMigrationUrl(migrating)]),
    checkVersion(found),
    checkEncoding(found),
    checkLatency(found),
    checkWritable(found),
    checkEncryption(found, url, env),
    checkConnections(found, database.poolSize * server.workers),
    checkMigrations(found, migrating?.reachable === true ? migrating : found, database.migrateOnStart),
    ...(found.cluster === undefined ? [] : [checkCluster(found.cluster)])
  ]
}

function unreachable (name: string, { reason, error, code, remedy }: Unreachable, variable: string): Check {
  return failed(
    name,
    `${reason}: ${error}${code ? ` (${code})` : ''}`,
    remedy.replaceAll('DATABASE_URL', variable)
  )
}

function checkMigrationUrl (found: Inspection): Check {
  return found.reachable
    ? ok('database_migration_url', 'the database answers where migrations connect')
    : unreachable('database_migration_url', found, 'DATABASE_MIGRATION_URL')
}

function checkEncoding ({ encoding, database }: Reachable): Check {
  if (encoding === 'UTF8') return ok('database_encoding', 'the database stores UTF8')
  return failed(
    'database_encoding',
    `the database stores ${encoding}, which cannot hold every name and note`,
    `Create a database with CREATE DATABASE "${database}_utf8" ENCODING 'UTF8' TEMPLATE template0; move the data there ` +
      'with pg_dump and pg_restore, and name it in DATABASE_URL.'
  )
}

function checkLatency ({ latency_ms: latencyMs }: Reachable): Check {
  const state = `${latencyMs} ms for the smallest query`
  return latencyMs <= SLOW_MS
    ? ok('database_latency', state)
    : warning(
      'database_latency',
      state,
      'Run service and database in one place, and see what keeps the database busy.'
    )
}

function checkWritable ({ writable }: Reachable): Check {
  return writable
    ? ok('database_writable', 'the database takes writes')
    : failed(
      'database_writable',
      'the database is read-only: a standby, or set to read only',
      'Point DATABASE_URL at the primary.'
    )
}

function checkEncryption ({ tls }: Reachable, url: string, env: Config['env']): Check {
  if (tls) return ok('database_connection', 'the connection is encrypted')
  if (isLocalDatabase(url)) return ok('database_connection', 'the connection stays on this machine')
  return (env === 'production' ? failed : warning)(
    'database_connection',
    'the connection crosses the network readable',
    'Add ?sslmode=verify-full to DATABASE_URL, and turn TLS on at the server.'
  )
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

/** What is pending is read by the role of DATABASE_URL, what may be done about it by the role that migrates. */
function checkMigrations ({ migrations }: Reachable, migrating: Reachable, migrateOnStart: boolean): Check {
  if ('error' in migrations) {
    return failed('migrations', `cannot tell which migrations are applied: ${migrations.error}`, migrations.remedy)
  }
  const { pending } = migrations
  if (pending.length === 0) return ok('migrations', 'all migrations are applied')
  const state = `${pending.length} to be applied: ${pending.join(', ')}`
  const grant = 'missing_grant' in migrating.migrations ? migrating.migrations.missing_grant : undefined
  if (grant !== undefined) return failed('migrations', `${state}; the database user may not create tables`, grant)
  if (!migrating.writable) {
    return failed('migrations', `${state}; the database is read-only`, 'Point DATABASE_URL at the primary.')
  }
  return migrateOnStart
    ? warning('migrations', `${state}; the service does it at start`, 'Nothing, or beforehand: npm run migrate')
    : failed('migrations', `${state}, and MIGRATE_ON_START=false`, 'Run: npm run migrate')
}

function checkCluster ({ workers, isSpread, problem }: ClusterState): Check {
  if (problem !== undefined) return failed('database_cluster', problem.problem, problem.remedy)
  return isSpread
    ? ok('database_cluster', `the tables of runners are spread over ${workers} workers`)
    : warning('database_cluster', 'the tables are not spread over the workers of the cluster', 'Run: npm run spread')
}

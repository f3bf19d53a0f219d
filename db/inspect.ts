import { setTimeout as delay } from 'node:timers/promises'
import type postgres from 'postgres'
import { parseAddress } from './driver/address.ts'
import { connectDirectly } from './driver/direct.ts'
import { failureOf } from './failure.ts'
import type { Failure } from './failure.ts'
import { findTarget, grantOf, refuseTarget } from './migration-target.ts'
import type { MigrationTarget } from './migration-target.ts'
import { pending } from './migrate.ts'
import { clusterProblem, findCluster, tablesProblem } from './spread.ts'
import type { SpreadProblem } from './spread.ts'

/** The state of a database as a client sees it: for `npm run check`, which gets an answer whatever that state is. */
export type Inspection = Unreachable | Reachable

export interface Unreachable extends Failure {
  reachable: false
  /** What the system or the server said; never a password. */
  error: string
  /** The system's error code (`ECONNREFUSED`) or the server's SQLSTATE (`28P01`), where there is one. */
  code?: string
}

export interface Reachable {
  reachable: true
  /** As the server reports it: `15.18 (Debian …)`. */
  version: string
  major: number
  /** The median of a few smallest queries, in ms. */
  latency_ms: number
  /** Whether this connection is encrypted. */
  tls: boolean
  /** False on a standby or a server set to read only. */
  writable: boolean
  /** Whether the role is a superuser. */
  superuser: boolean
  /** Connections that ordinary roles may open altogether, and how many clients have one now, this one included. */
  max_connections: number
  connections: number
  /** `UTF8`, or an encoding that cannot store every name and note. */
  encoding: string
  database: string
  migrations: Migrations
  /** The Citus cluster that the database belongs to, where there is one. */
  cluster: ClusterState | undefined
}

export interface ClusterState {
  workers: number
  /** Whether the table `users` is spread over the workers. */
  isSpread: boolean
  problem: SpreadProblem | undefined
}

/** The migrations to be applied, or why they cannot be determined. */
export type Migrations =
  | { pending: string[], missing_grant: string | undefined }
  | { error: string, remedy: string }

const LATENCY_SAMPLES = 5

/**
 * Inspects the database that `url` names, over one connection of its own. Never throws; answers within `timeoutMs` and
 * a second.
 */
export async function inspectDatabase (url: string, { timeoutMs }: { timeoutMs: number }): Promise<Inspection> {
  const given = new AbortController()
  let sql: postgres.Sql | undefined
  const look = async () => {
    // Without prepared statements, so that it works behind PgBouncer too.
    sql = await connectDirectly(parseAddress(url), timeoutMs, { onnotice: () => {} })
    return await lookAt(sql, url)
  }
  const late = async (): Promise<Inspection> => {
    await delay(timeoutMs, undefined, given)
    return unreachable(Object.assign(new Error(`No answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }), url)
  }
  try {
    return await Promise.race([look(), late()])
  } catch (error) {
    return unreachable(error, url)
  } finally {
    given.abort()
    // `end` may never resolve for a server that is frozen.
    if (sql !== undefined) await Promise.race([sql.end({ timeout: 0 }), delay(1000, undefined, { ref: false })])
  }
}

interface Row {
  version: string
  number: number
  tls: boolean
  writable: boolean
  superuser: boolean
  max_connections: number
  connections: number
}

async function lookAt (sql: postgres.Sql, url: string): Promise<Reachable> {
  const [row] = await sql<Row[]>`
    /* inspectDatabase */ select
      current_setting('server_version') as version,
      current_setting('server_version_num')::int as number,
      coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as tls,
      not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off' as writable,
      coalesce((select rolsuper from pg_roles where rolname = current_user), false) as superuser,
      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as max_connections,
      (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as connections
  `
  if (!row) throw new Error('the server gave no answer')
  const { number, ...rest } = row
  const latenciesMs: number[] = []
  for (let i = 0; i < LATENCY_SAMPLES; i++) {
    const began = performance.now()
    await sql`/* measureLatency */ select 1`
    latenciesMs.push(performance.now() - began)
  }
  const median = latenciesMs.sort((a, b) => a - b)[LATENCY_SAMPLES >> 1] as number
  const target = await findTarget((strings) => sql<MigrationTarget[]>(strings))
  return {
    reachable: true,
    ...rest,
    major: Math.trunc(number / 10_000),
    latency_ms: Math.round(median * 100) / 100,
    encoding: target.encoding,
    database: target.database,
    migrations: await lookAtMigrations(sql, target, url),
    cluster: await lookAtCluster(sql)
  }
}

async function lookAtCluster (sql: postgres.Sql): Promise<ClusterState | undefined> {
  const cluster = await findCluster((strings, ...values) => sql<object[]>(strings, ...values))
  if (cluster === undefined) return undefined
  const isSpread = cluster.tables.some(({ name, isSpread }) => name === 'users' && isSpread)
  return {
    workers: cluster.workers,
    isSpread,
    problem: clusterProblem(cluster) ?? (isSpread ? tablesProblem(cluster) : undefined)
  }
}

async function lookAtMigrations (sql: postgres.Sql, target: MigrationTarget, url: string): Promise<Migrations> {
  try {
    refuseTarget(target)
    return { pending: await pending(sql), missing_grant: target.may_create ? undefined : grantOf(target) }
  } catch (error) {
    return { error: messageOf(error), remedy: failureOf(error, url).remedy }
  }
}

function unreachable (error: unknown, url: string): Unreachable {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  return { reachable: false, error: messageOf(error), code, ...explained(error, url) }
}

/** A URL that cannot be read has no names to put into a remedy. */
function explained (error: unknown, url: string): Failure {
  try {
    return failureOf(error, url)
  } catch {
    return { reason: 'DATABASE_URL cannot be read', remedy: 'Correct DATABASE_URL.', lasting: true }
  }
}

/** An error of several addresses that were tried at once has a code and no message. */
function messageOf (error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  return (error instanceof Error ? error.message : String(error)) || code || 'unknown error'
}

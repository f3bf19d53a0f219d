import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { driverAddress, parseAddress } from './driver/address.ts'
import { pending } from './migrate.ts'

/** How a database looks from outside: for `npm run check`, which must get an answer whatever state it is in. */
export type Inspection = Unreachable | Reachable

export interface Unreachable {
  reachable: false
  /** What the system or the server said; never a password. */
  error: string
  /** The system's error code (`ECONNREFUSED`) or the server's SQLSTATE (`28P01`), where there is one. */
  code?: string
}

export interface Reachable {
  reachable: true
  /** As the server says it: `15.18 (Debian …)`. */
  version: string
  major: number
  /** The median of a few smallest queries, in ms. */
  latency_ms: number
  /** Whether this connection is encrypted. */
  tls: boolean
  /** False on a standby or a server set to read only. */
  writable: boolean
  /** Whether the role is allowed everything. */
  superuser: boolean
  /** Connections that ordinary roles may open altogether, and how many clients have one now, this one included. */
  max_connections: number
  connections: number
  /** Migrations that are not applied; undefined if that could not be told, for `pending_error`. */
  pending?: string[]
  pending_error?: string
}

const LATENCY_SAMPLES = 5

/**
 * Looks at the database that `url` names, over one connection of its own. Never throws; answers within `timeoutMs` and
 * a second.
 */
export async function inspectDatabase (url: string, { timeoutMs }: { timeoutMs: number }): Promise<Inspection> {
  let sql: postgres.Sql
  try {
    sql = connect(url, timeoutMs)
  } catch (error) {
    return unreachable(error)
  }
  const given = new AbortController()
  try {
    return await Promise.race([
      look(sql),
      delay(timeoutMs, undefined, given).then((): Inspection => ({
        reachable: false,
        error: `no answer within ${timeoutMs} ms`,
        code: 'ETIMEDOUT'
      }))
    ])
  } catch (error) {
    return unreachable(error)
  } finally {
    given.abort()
    // `end` may never come back from a server that is frozen.
    await Promise.race([sql.end({ timeout: 0 }), delay(1000, undefined, { ref: false })])
  }
}

/** Without prepared statements, so that it works behind PgBouncer too. */
function connect (url: string, timeoutMs: number): postgres.Sql {
  return postgres({
    ...driverAddress(parseAddress(url)),
    max: 1,
    prepare: false,
    fetch_types: false,
    connect_timeout: timeoutMs / 1000,
    onnotice: () => {}
  })
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

async function look (sql: postgres.Sql): Promise<Reachable> {
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
  return {
    reachable: true,
    ...rest,
    major: Math.trunc(number / 10_000),
    latency_ms: Math.round(median * 100) / 100,
    ...(await lookAtMigrations(sql))
  }
}

async function lookAtMigrations (sql: postgres.Sql): Promise<{ pending: string[] } | { pending_error: string }> {
  try {
    return { pending: await pending(sql) }
  } catch (error) {
    return { pending_error: unreachable(error).error }
  }
}

/** Errors of several addresses tried at once have a code and no message. */
function unreachable (error: unknown): Unreachable {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  const message = error instanceof Error ? error.message : String(error)
  return { reachable: false, error: message || code || 'unknown error', code }
}

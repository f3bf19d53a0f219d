import { parseAddress } from './driver/address.ts'
import { bind } from './driver/bind.ts'
import type { ConnectionOptions } from './driver/connection.ts'
import type { Logger, Observer, RequestSql, Sql } from './driver/contract.ts'
import { Pool } from './driver/pool.ts'
import { Probe } from './driver/probe.ts'
import { bindRequest, Session } from './driver/session.ts'
import type { Pooler } from './driver/session-settings.ts'

export type { Observer } from './driver/contract.ts'
export type { Pooler } from './driver/session-settings.ts'

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database?sslmode=…` (see `parseAddress`). */
  url: string
  /** Connections at most, beside the one for health checks. */
  poolSize: number
  /** A connection is replaced, while idle, at an age between 80 and 100 % of this, so that not all go at once. */
  recycleS: number
  pooler: Pooler
  /**
   * How long a statement may run before it is ended, how long it may wait for a connection, how long a connection may
   * take to be made.
   */
  queryTimeoutMs: number
  acquireTimeoutMs: number
  connectTimeoutMs: number
  /**
   * How many may wait for a connection; further ones are refused at once. It bounds memory alone: how long they wait is
   * bounded by `acquireTimeoutMs`.
   */
  maxWaiting?: number
  log: Logger
  observe?: Observer
  /** What pg_stat_activity calls these connections. */
  applicationName?: string
}

export interface Database {
  /** For what belongs to no request: jobs, start-up. */
  readonly sql: Sql
  /** For one request; made for each, so it costs next to nothing until it is used. */
  forRequest (context: { log: Logger }): RequestSql
  /**
   * `oldestWaitMs`: how long the oldest statement in the queue has waited for a connection; 0 where none waits.
   * `waitingCommits`: commits that waited for a synchronous standby at the last `ping`.
   */
  stats (): {
    active: number
    idle: number
    connecting: number
    max: number
    waiting: number
    oldestWaitMs: number
    waitingCommits: number
  }
  /**
   * Milliseconds the server took to answer, on a connection of its own, so that a full pool does not fail it. Rejects
   * after a second.
   */
  ping (): Promise<number>
  /** Takes no more, lets what is under way finish for so long, ends the rest on the server. Always resolves. */
  close (options: { timeoutMs: number }): Promise<void>
}

const MAX_WAITING = 4000

/** Connects when the first statement comes. @throws TypeError for a URL that cannot be read, without quoting it */
export function createDatabase (options: DatabaseOptions): Database {
  const { poolSize, acquireTimeoutMs, queryTimeoutMs, pooler } = options
  const address = parseAddress(options.url)
  // The shorter of the two: `connect_timeout` of the URL, and the setting.
  const connectTimeoutMs = Math.min(options.connectTimeoutMs, address.connectTimeoutMs ?? Infinity)
  const log = options.log.named('app.db')
  const unfit = new Set<string>()
  const connectionOptions: ConnectionOptions = {
    address,
    pooler,
    applicationName: options.applicationName ?? 'running-trainer',
    connectTimeoutMs,
    queryTimeoutMs,
    onNotice (notice, statement) {
      const noticeLog = statement?.host.log.named('app.db') ?? log
      const fields = { severity: notice.severity, sql_state: notice.code, query: statement?.name }
      if (notice.severity === 'WARNING') noticeLog.warning(`database warning: ${notice.message}`, fields)
      else noticeLog.info(`database notice: ${notice.message}`, fields)
    },
    onUnfitSetting (setting, value) {
      if (unfit.has(setting)) return
      unfit.add(setting)
      log.warning(`the database has ${setting} = ${value}, under which values change: set it for the role`, {
        error_code: 'DATABASE_ERROR',
        setting,
        value
      })
    }
  }
  const maxWaiting = options.maxWaiting ?? MAX_WAITING
  const probe = new Probe(connectionOptions)
  const limits = { poolSize, maxWaiting, acquireTimeoutMs, recycleMs: options.recycleS * 1000 }
  const pool = new Pool(limits, connectionOptions, probe, options.observe ?? unobserved, log)
  let closed: Promise<void> | undefined
  return {
    sql: bind(new Session(pool, log)),
    forRequest: (context) => bindRequest(new Session(pool, context.log)),
    stats: () => pool.stats,
    ping: () => probe.ping(),
    close: ({ timeoutMs }) => {
      probe.close()
      closed ??= pool.close(timeoutMs)
      return closed
    }
  }
}

const unobserved: Observer = { query () {}, acquire () {} }

import type { ChildProcess } from 'node:child_process'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { findBinaries, findNative } from './binaries.ts'
import { SUPERUSER, endLeftovers, openCluster, prepare, whoRuns, type Cluster } from './cluster.ts'
import { EmbeddedError, type DatabaseLog } from './error.ts'
import { lock } from './lock.ts'
import { PortTaken, finish, freePort, isOver, launch, openLog } from './postmaster.ts'

export { EmbeddedError, FolderInUse, type DatabaseLog } from './error.ts'

const DATABASE = 'running_trainer'
/** The longest delay before a restart of Postgres after it died. */
const MAX_PAUSE_MS = 5000
/** After running this long, the next death counts as the first again. */
const STEADY_MS = 60_000

export interface EmbeddedOptions {
  /**
   * The data directory: the cluster is in its `postgres`, and the output of Postgres goes to its `postgres.log`.
   */
  dataDir: string
  /** Logs as `app.db`. */
  log: DatabaseLog
  /** Additional settings of Postgres: tests disable `fsync`. */
  settings?: Record<string, string>
  /** The time in ms that `stop` allows for a fast shutdown before an immediate one. */
  patienceMs?: number
  /** The directory of the binaries, if not in the npm package. */
  native?: string
}

export interface Embedded {
  /** The connection URL; it does not change while this runs. */
  readonly url: string
  /** The postmaster's process; undefined while there is none. */
  readonly pid: number | undefined
  /** `restarting` from an unexpected end of Postgres until it is back. */
  readonly state: 'running' | 'restarting' | 'stopped'
  /** The number of restarts after an unexpected end of Postgres. */
  readonly restarts: number
  /** Shuts Postgres down and releases the directory. May be called twice; always resolves. */
  stop (): Promise<void>
}

/**
 * An embedded Postgres for development and tests: its data survive everything but the loss of the directory. It is
 * monitored, and restarted when it dies.
 *
 * @throws EmbeddedError with the problem and a remedy: no binaries for the platform, a directory that is in use or not
 *   usable, a full disk, data of another major version.
 */
export async function startEmbedded ({
  dataDir,
  log,
  settings = {},
  patienceMs = 10_000,
  native
}: EmbeddedOptions): Promise<Embedded> {
  const began = performance.now()
  const holder = join(resolve(dataDir), 'postgres')
  // First, so that a platform without binaries leaves nothing behind.
  const source = native ?? findNative()
  prepare(holder)
  const held = await lock(holder, log)
  try {
    const as = whoRuns(holder)
    const binaries = await findBinaries(as, log, source)
    const { cluster, password } = await openCluster(holder, as, binaries, log)
    const running = new Postmaster(
      binaries.postgres,
      cluster,
      join(resolve(dataDir), 'postgres.log'),
      settings,
      patienceMs,
      log
    )
    try {
      const port = await running.start()
      const url = (database: string) => `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`
      await ensureDatabase(url('postgres'))
      log.info('embedded Postgres started', { pid: running.pid, port, start_ms: Math.round(performance.now() - began) })
      return {
        url: url(DATABASE),
        get pid () {
          return running.pid
        },
        get state () {
          return running.state
        },
        get restarts () {
          return running.restarts
        },
        async stop () {
          await running.stop()
          held.release()
        }
      }
    } catch (error) {
      await running.stop()
      throw error
    }
  } catch (error) {
    held.release()
    throw error instanceof EmbeddedError
      ? error
      : new EmbeddedError(
          `The embedded Postgres did not start: ${error instanceof Error ? error.message : String(error)}`,
          error
      )
  }
}

/** Creates the service's database if it does not exist; this also verifies that connections work. */
async function ensureDatabase (url: string): Promise<void> {
  const sql = postgres(url, { max: 1, fetch_types: false, connect_timeout: 10, onnotice: () => {} })
  try {
    const found = await sql`/* findDatabase */ select 1 from pg_database where datname = ${DATABASE}`
    if (found.length === 0) await sql`/* createDatabase */ create database ${sql(DATABASE)}`
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** The Postgres process of a cluster, across restarts. */
class Postmaster {
  state: Embedded['state'] = 'running'
  restarts = 0
  readonly #program: string
  readonly #cluster: Cluster
  readonly #log: DatabaseLog
  readonly #settings: Record<string, string>
  readonly #patienceMs: number
  readonly #output: ReturnType<typeof openLog>
  readonly #stopping = new AbortController()
  #child: ChildProcess | undefined
  #port = 0
  #revival: Promise<void> | undefined
  #end: Promise<void> | undefined

  constructor (
    program: string,
    cluster: Cluster,
    logFile: string,
    settings: Record<string, string>,
    patienceMs: number,
    log: DatabaseLog
  ) {
    this.#program = program
    this.#cluster = cluster
    this.#settings = settings
    this.#patienceMs = patienceMs
    this.#log = log
    this.#output = openLog(logFile)
    process.once('exit', this.#abandon)
  }

  get pid (): number | undefined {
    return this.#child !== undefined && !isOver(this.#child) ? this.#child.pid : undefined
  }

  /** Starts it on a free port, and returns the port. */
  async start (): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort()
      try {
        await this.#launch()
        return this.#port
      } catch (error) {
        // Another process took the port between its choice and its use.
        if (!(error instanceof PortTaken) || attempt === 5) throw error
      }
    }
  }

  stop (): Promise<void> {
    this.#end ??= this.#stop()
    return this.#end
  }

  async #stop (): Promise<void> {
    this.#stopping.abort()
    if (this.#child !== undefined && !isOver(this.#child)) await finish(this.#child, this.#patienceMs)
    await this.#revival
    process.off('exit', this.#abandon)
    this.#output.close()
    this.state = 'stopped'
  }

  async #launch (): Promise<void> {
    await launch(this.#program, this.#cluster, this.#port, this.#output, this.#settings, (child) => {
      this.#child = child
      // The child must not keep the process of the service alive.
      child.unref()
      // `stop` may have been called while there was no child.
      if (this.#stopping.signal.aborted && child.pid !== undefined) child.kill('SIGINT')
    })
    const child = this.#child as ChildProcess
    const since = performance.now()
    const died = () => {
      if (this.#stopping.signal.aborted) return
      this.#revival = this.#revive(`${child.signalCode ?? child.exitCode}`, performance.now() - since)
    }
    if (isOver(child)) died()
    else child.once('exit', died)
  }

  #deaths = 0

  /** Restarts it on the same port until it runs or `stop` is called: at once, then with growing delays. */
  async #revive (ending: string, ranMs: number): Promise<void> {
    this.state = 'restarting'
    this.#deaths = ranMs > STEADY_MS ? 0 : this.#deaths
    this.#log.error('embedded Postgres died and is started again', { error_code: 'DATABASE_ERROR', ended_with: ending })
    while (!this.#stopping.signal.aborted) {
      const pauseMs = this.#deaths === 0 ? 0 : Math.min(50 * 2 ** this.#deaths, MAX_PAUSE_MS)
      this.#deaths++
      try {
        await delay(pauseMs, undefined, { signal: this.#stopping.signal, ref: false })
        await endLeftovers(this.#cluster, this.#log)
        await this.#launch()
        this.restarts++
        this.state = 'running'
        this.#log.info('embedded Postgres runs again', { pid: this.pid, restarts: this.restarts })
        return
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        this.#log.error('embedded Postgres could not be started again', { error_code: 'DATABASE_ERROR', error })
      }
    }
  }

  /** For an exit of the process without `stop`: signals Postgres and does not wait. */
  readonly #abandon = (): void => {
    if (this.pid !== undefined) process.kill(this.pid, 'SIGINT')
  }
}

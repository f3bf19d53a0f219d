import type { Database } from '../../db/database.ts'
import { findEncoding } from '../../db/encoding.ts'
import { failureOf, MigrationError, type Failure } from '../../db/failure.ts'
import { migrate, pending } from '../../db/migrate.ts'
import type { Availability } from '../health/availability.ts'
import type { RootLogger } from '../log/logger.ts'

/**
 * Between two attempts: so short that an outage is over within 2 s for us, and longer for what needs an operator, but
 * no longer than the interval at which it is logged.
 */
const RETRY_MS = 500
const RETRY_LASTING_MS = 2000

interface Target { url: string, variable: 'DATABASE_URL' | 'DATABASE_MIGRATION_URL' }

export interface PreparationOptions {
  /** The service's own connections, and where they lead. */
  database: Database
  databaseUrl: string
  /** Where migrations connect; undefined where they are left to `npm run migrate`. */
  migrationUrl: string | undefined
  availability: Availability
  logger: RootLogger
  /** How often a failure that lasts is logged. */
  intervalMs: number
}

/**
 * Brings the database into the form that the service needs, as often as it takes: a database may start later than the
 * service, and a missing privilege may be granted while it runs. Meanwhile readiness, `/health` and the log say what is
 * wrong.
 */
export class DatabasePreparation {
  readonly #options: PreparationOptions
  #failure: Failure | undefined
  #logged: { reason: string, atMs: number } | undefined
  #isPrepared = false
  /** Where the attempt under way connects, and the setting that says so. */
  #target: Target
  /** The step that was under way at the last failure, and the one that is now. */
  #failedStep = ''
  #step = ''

  constructor (options: PreparationOptions) {
    this.#options = options
    this.#target = { url: options.databaseUrl, variable: 'DATABASE_URL' }
  }

  /** Why the database cannot be used, for `/health`; undefined while nothing is known to be wrong. */
  problem (): string | undefined {
    return this.#failure?.reason
  }

  /**
   * What an error of the database means, for `/health` and readiness. Once the database was ready, a refusal that lasts
   * (a password changed, a role locked) is logged here; until then, by the attempts.
   */
  explain (error: unknown): string {
    const failure = failureOf(error, this.#options.databaseUrl)
    if (this.#isPrepared && failure.lasting) this.#log('the database refuses the service', failure, error)
    return failure.reason
  }

  /**
   * Answers true once the database is ready, false when `stopped` comes first. It does not wait for an attempt under
   * way then, which may be waiting for another process that migrates.
   */
  async run (stopped: Promise<void>): Promise<boolean> {
    const isStopped = stopped.then(() => false)
    this.#options.availability.block('start', this.#waitingFor())
    for (;;) {
      try {
        const isDone = await Promise.race([this.#attempt().then(() => true), isStopped])
        if (isDone) this.#succeeded()
        return isDone
      } catch (error) {
        this.#failed(error)
      }
      const lastingMs = Math.min(RETRY_LASTING_MS, this.#options.intervalMs)
      await Promise.race([isStopped, wait(this.#failure?.lasting === true ? lastingMs : RETRY_MS)])
    }
  }

  async #attempt (): Promise<void> {
    const { database, databaseUrl, migrationUrl, logger } = this.#options
    const own: Target = { url: databaseUrl, variable: 'DATABASE_URL' }
    const isApart = migrationUrl !== undefined && migrationUrl !== databaseUrl
    this.#step = ''
    this.#target = isApart ? { url: migrationUrl, variable: 'DATABASE_MIGRATION_URL' } : own
    if (migrationUrl === undefined) refusePending(await pending(database.sql))
    else await migrate(migrationUrl, { log: logger, onStep: (step) => this.#began(step) })
    this.#target = own
    const encoding = await findEncoding(database.sql)
    if (encoding !== 'UTF8') {
      logger.named('app.db').warning(
        `the database stores ${encoding}, not UTF8: text that it cannot hold is refused; see npm run check`,
        { error_code: 'DATABASE_ENCODING', encoding }
      )
    }
  }

  /** A step that did not fail before says that what was wrong is over. */
  #began (step: string): void {
    this.#step = step
    if (this.#failure === undefined || step === this.#failedStep) return
    this.#failure = undefined
    this.#options.availability.block('start', this.#waitingFor())
  }

  #waitingFor (): string {
    return this.#options.migrationUrl === undefined ? 'migrations are not applied yet' : 'migrating'
  }

  #succeeded (): void {
    const { logger, availability } = this.#options
    if (this.#logged !== undefined) logger.named('app.db').info('the database is ready for use')
    this.#failure = undefined
    this.#logged = undefined
    this.#isPrepared = true
    availability.clear('start')
  }

  #failed (error: unknown): void {
    const { availability } = this.#options
    this.#failure = failureOf(error, this.#target.url)
    this.#failedStep = this.#step
    availability.block('start', this.#failure.reason)
    this.#log('the database is not ready for use yet', this.#failure, error)
  }

  /** One line when the reason changes, and an ERROR at each interval while it lasts. */
  #log (message: string, failure: Failure, error: unknown): void {
    const { logger, intervalMs } = this.#options
    const isNew = failure.reason !== this.#logged?.reason
    const now = performance.now()
    if (this.#logged !== undefined && !isNew && now - this.#logged.atMs < intervalMs) return
    this.#logged = { reason: failure.reason, atMs: now }
    const level = isNew && !failure.lasting ? 'warning' : 'error'
    logger.named('app.db')[level](message, {
      error_code: error instanceof MigrationError ? 'MIGRATION_FAILED' : 'DATABASE_ERROR',
      reason: failure.reason,
      remedy: failure.remedy.replaceAll('DATABASE_URL', this.#target.variable),
      cause: error instanceof Error ? error.message : String(error)
    })
  }
}

function refusePending (migrations: string[]): void {
  if (migrations.length === 0) return
  throw new MigrationError(`${migrations.length} migrations are not applied.`, {
    reason: 'migrations are not applied yet',
    remedy: 'Run: npm run migrate',
    lasting: false
  })
}

function wait (ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}

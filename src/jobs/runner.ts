import type { Logger } from '../log/logger.ts'

/** Periodic background work in batches; it can stop safely after each batch. */
export interface Job {
  name: string
  /** From the end of one run to the start of the next, on average. */
  intervalMs: number
  /** Runs one batch and returns whether there is more to do. `elsewhere`: another process is doing it. */
  batch (): Promise<'more' | 'done' | 'elsewhere'>
  /** What is wrong with what it looks after, while it does not fail itself. */
  problem? (): string | undefined
}

export interface JobsOptions {
  jobs: Job[]
  log: Logger
  /** Whether scheduled work may start now: not before the migrations are applied, nor during a shutdown. */
  mayRun (): boolean
}

interface Scheduled {
  job: Job
  timer: NodeJS.Timeout | undefined
  running: Promise<void> | undefined
  /** Whether there was something to do since the run began. */
  woken: boolean
  /** Why the last run failed, in a few words. */
  problem: string | undefined
  /** How often in a row it has failed because the database was unavailable. */
  outages: number
}

/** The longest wait for a retry after a failure, or while jobs must not run yet. */
const RETRY_MS = 30_000
/** The first wait for a retry after an outage of the database; it doubles from one to the next. */
const OUTAGE_RETRY_MS = 1000

/**
 * Runs jobs in the background, never two runs of the same job at once. A failure is logged and retried.
 */
export class JobRunner {
  readonly #log: Logger
  readonly #mayRun: () => boolean
  readonly #jobs = new Map<string, Scheduled>()
  #stopped = false

  constructor ({ jobs, log, mayRun }: JobsOptions) {
    this.#log = log
    this.#mayRun = mayRun
    for (const job of jobs) {
      this.#jobs.set(job.name, {
        job, timer: undefined, running: undefined, woken: false, problem: undefined, outages: 0
      })
    }
  }

  start (): void {
    for (const scheduled of this.#jobs.values()) this.#plan(scheduled, Math.min(RETRY_MS, scheduled.job.intervalMs))
  }

  /** Starts no further batch, and resolves when the running ones are done. */
  async stop (): Promise<void> {
    this.#stopped = true
    for (const { timer } of this.#jobs.values()) clearTimeout(timer)
    await Promise.all(Array.from(this.#jobs.values(), ({ running }) => running))
  }

  /** Runs a job now, or waits for the current run. Never rejects: see `problem`. */
  async run (name: string): Promise<void> {
    const scheduled = this.#jobs.get(name)
    if (scheduled === undefined) throw new TypeError(`There is no job ${name}`)
    if (this.#stopped) return
    scheduled.running ??= this.#run(scheduled).finally(() => { scheduled.running = undefined })
    await scheduled.running
  }

  /** There is something to do for a job: runs it now, or once more when the current run is done. */
  wake (name: string): void {
    const scheduled = this.#jobs.get(name)
    if (scheduled !== undefined) scheduled.woken = true
    this.run(name).catch(() => {})
  }

  /** The database is back: runs the jobs that it has kept from their work. */
  resume (): void {
    for (const scheduled of this.#jobs.values()) if (scheduled.outages > 0) this.#due(scheduled)
  }

  /**
   * The problem of a failing job, with its name; undefined if there is none. That the database was unavailable once is
   * none: a pool that is busy for a moment is enough, and the job is tried again within a second or so.
   */
  problem (): string | undefined {
    for (const { job, problem, outages } of this.#jobs.values()) {
      if (problem !== undefined && outages !== 1) return `${job.name}: ${problem}`
      const found = job.problem?.()
      if (found !== undefined) return found
    }
    return undefined
  }

  /** With jitter, so that processes started together do not run their jobs together. */
  #plan (scheduled: Scheduled, afterMs: number): void {
    if (this.#stopped) return
    clearTimeout(scheduled.timer)
    scheduled.timer = setTimeout(() => { this.#due(scheduled) }, afterMs * (0.75 + Math.random() / 2)).unref()
  }

  #due (scheduled: Scheduled): void {
    const { job } = scheduled
    if (!this.#mayRun()) return this.#plan(scheduled, Math.min(RETRY_MS, job.intervalMs))
    this.run(job.name).then(() => this.#plan(scheduled, this.#waitMs(scheduled)))
  }

  #waitMs ({ job, problem, outages }: Scheduled): number {
    if (problem === undefined) return job.intervalMs
    const retryMs = outages === 0 ? RETRY_MS : Math.min(RETRY_MS, OUTAGE_RETRY_MS * 2 ** (outages - 1))
    return Math.min(retryMs, job.intervalMs)
  }

  async #run (scheduled: Scheduled): Promise<void> {
    const { job } = scheduled
    try {
      do {
        scheduled.woken = false
        while (!this.#stopped && await job.batch() === 'more');
      } while (scheduled.woken && !this.#stopped)
    } catch (error) {
      this.#failed(scheduled, error)
      return
    }
    if (scheduled.problem !== undefined) this.#log.info('job recovered', { job: job.name })
    scheduled.problem = undefined
    scheduled.outages = 0
  }

  /**
   * Logs a database outage once, since the health check of the database reports it too, and every other failure each
   * time.
   */
  #failed (scheduled: Scheduled, error: unknown): void {
    const outage = error instanceof Error && error.name === 'DatabaseError'
    // It was ended because it held up the shutdown.
    if (outage && this.#stopped) return
    const fields = { job: scheduled.job.name, error, error_code: outage ? 'DATABASE_ERROR' : 'JOB_FAILED' }
    if (!outage) this.#log.error('job failed', fields)
    else if (scheduled.outages === 0) this.#log.warning('job waits for the database', fields)
    scheduled.outages = outage ? scheduled.outages + 1 : 0
    scheduled.problem = outage ? 'the database is unavailable' : 'it failed; the log has the reason'
  }
}

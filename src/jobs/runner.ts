import type { Logger } from '../log/logger.ts'

/** Work that is done now and then, in batches that are each safe to stop after. */
export interface Job {
  name: string
  /** From the end of one run to the start of the next, on average. */
  intervalMs: number
  /** One batch: whether there is more to do. `elsewhere`: another process is at it. */
  batch (): Promise<'more' | 'done' | 'elsewhere'>
}

export interface JobsOptions {
  jobs: Job[]
  log: Logger
  /** Whether work may begin by itself now: not before the database has its tables, nor while the process stops. */
  mayRun (): boolean
}

interface Scheduled {
  job: Job
  timer: NodeJS.Timeout | undefined
  running: Promise<void> | undefined
  /** What was wrong with the last run, in a few words. */
  problem: string | undefined
  /** Whether that was the database's being away. */
  outage: boolean
}

/** After a failure, and where it may not run yet, it is tried again after this long at the most. */
const RETRY_MS = 30_000

/**
 * Runs jobs in the background, each one after the other and never twice at once. What fails is told, and tried again.
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
      this.#jobs.set(job.name, { job, timer: undefined, running: undefined, problem: undefined, outage: false })
    }
  }

  start (): void {
    for (const scheduled of this.#jobs.values()) this.#plan(scheduled, Math.min(RETRY_MS, scheduled.job.intervalMs))
  }

  /** Begins no further batch, and resolves when the one under way is done. */
  async stop (): Promise<void> {
    this.#stopped = true
    for (const { timer } of this.#jobs.values()) clearTimeout(timer)
    await Promise.all(Array.from(this.#jobs.values(), ({ running }) => running))
  }

  /** Runs a job now, or waits for the run under way. Never rejects: see `problem`. */
  async run (name: string): Promise<void> {
    const scheduled = this.#jobs.get(name)
    if (scheduled === undefined) throw new TypeError(`There is no job ${name}`)
    if (this.#stopped) return
    scheduled.running ??= this.#run(scheduled).finally(() => { scheduled.running = undefined })
    await scheduled.running
  }

  /** What is wrong, in a few words that name the job; undefined where nothing is. */
  problem (): string | undefined {
    for (const { job, problem } of this.#jobs.values()) if (problem !== undefined) return `${job.name}: ${problem}`
    return undefined
  }

  /** Not all processes at once: those started together would go on together. */
  #plan (scheduled: Scheduled, afterMs: number): void {
    if (this.#stopped) return
    clearTimeout(scheduled.timer)
    scheduled.timer = setTimeout(() => { this.#due(scheduled) }, afterMs * (0.75 + Math.random() / 2)).unref()
  }

  #due (scheduled: Scheduled): void {
    const { job } = scheduled
    if (!this.#mayRun()) return this.#plan(scheduled, Math.min(RETRY_MS, job.intervalMs))
    this.run(job.name).then(() =>
      this.#plan(scheduled, scheduled.problem === undefined ? job.intervalMs : Math.min(RETRY_MS, job.intervalMs))
    )
  }

  async #run (scheduled: Scheduled): Promise<void> {
    const { job } = scheduled
    try {
      while (!this.#stopped && await job.batch() === 'more');
    } catch (error) {
      this.#failed(scheduled, error)
      return
    }
    if (scheduled.problem !== undefined) this.#log.info('job recovered', { job: job.name })
    scheduled.problem = undefined
    scheduled.outage = false
  }

  /**
   * That the database is away is told once: the health check of the database tells the rest. A job that is broken is
   * told each time.
   */
  #failed (scheduled: Scheduled, error: unknown): void {
    const outage = error instanceof Error && error.name === 'DatabaseError'
    const fields = { job: scheduled.job.name, error, error_code: outage ? 'DATABASE_ERROR' : 'JOB_FAILED' }
    if (!outage) this.#log.error('job failed', fields)
    else if (!scheduled.outage) this.#log.warning('job waits for the database', fields)
    scheduled.outage = outage
    scheduled.problem = outage ? 'the database cannot be used' : 'it fails; the log has why'
  }
}

import { Counter, Gauge, type CounterConfiguration, type GaugeConfiguration } from 'prom-client'
import { CounterFamily, DurationHistogram, type Count, type Durations } from './families.ts'
import { SharedRegistry } from './shared-registry.ts'

const QUERY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const IMPORT_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** A gauge that registers itself and reads its value at each scrape. */
const gauge = (options: GaugeConfiguration<string>) => new Gauge(options)
const counter = (options: CounterConfiguration<string>) => new Counter(options)

interface PoolFigures {
  active: number
  idle: number
  connecting: number
  max: number
  waiting: number
}

interface QueueFigures {
  queue: string
  waiting: number
  active: number
  failed: number
  oldest_wait_s: number
}

/**
 * The metrics of one process other than those of requests, in their own registry, so that two services in one process,
 * in tests for example, never share one.
 */
export class Metrics {
  readonly registry = new SharedRegistry()
  readonly #queries = new CounterFamily(
    'db_queries_total',
    'Statements by query and outcome',
    this.registry
  )

  readonly #querySeconds = new DurationHistogram(
    'db_query_duration_seconds',
    'Durations of statements by query',
    QUERY_SECONDS,
    this.registry
  )

  readonly #acquireSeconds = new DurationHistogram(
    'db_pool_acquire_seconds',
    'Time that statements waited for a connection',
    QUERY_SECONDS,
    this.registry
  ).of({})

  readonly #imports = new CounterFamily(
    'imports_total',
    'Imported recordings by format and outcome',
    this.registry
  )

  readonly #importSeconds = new DurationHistogram(
    'import_duration_seconds',
    'Time to decode and store a recording',
    IMPORT_SECONDS,
    this.registry
  ).of({})

  readonly #recomputations = new CounterFamily(
    'recomputations_total',
    'What was computed again in the background, by kind and outcome',
    this.registry
  )

  readonly #recomputationSeconds = new DurationHistogram(
    'recomputation_duration_seconds',
    'Time to compute an activity or a batch of loads again',
    IMPORT_SECONDS,
    this.registry
  ).of({})

  readonly #recomputationsWaiting = gauge({
    name: 'recomputations_waiting',
    help: 'What waits to be computed again: changed by runners, or in bulk for everybody; up to 100,000 of each',
    labelNames: ['cause'],
    aggregator: 'max',
    registers: [this.registry]
  })

  readonly #jobs = new CounterFamily('jobs_total', 'Jobs of the queues by queue and outcome', this.registry)
  #queues: QueueFigures[] = []

  readonly #perQuery = new Map<string, { durations: Durations; outcomes: Map<string, Count> }>()

  constructor ({ version }: { version: string }) {
    this.#watchQueues()
    gauge({
      name: 'build_info',
      help: 'The running version',
      labelNames: ['version', 'node'],
      aggregator: 'first',
      registers: [this.registry]
    }).set({ version, node: process.version }, 1)
  }

  query = (name: string, outcome: string, seconds: number): void => {
    let known = this.#perQuery.get(name)
    if (known === undefined) {
      known = { durations: this.#querySeconds.of({ query: name }), outcomes: new Map() }
      this.#perQuery.set(name, known)
    }
    let count = known.outcomes.get(outcome)
    if (count === undefined) {
      count = this.#queries.of({ query: name, outcome })
      known.outcomes.set(outcome, count)
    }
    known.durations.observe(seconds)
    count.add()
  }

  acquire = (seconds: number): void => this.#acquireSeconds.observe(seconds)

  imported (format: string, outcome: string, seconds: number): void {
    this.#imports.of({ format, outcome }).add()
    this.#importSeconds.observe(seconds)
  }

  recomputed = (of: string, outcome: string, seconds: number): void => {
    this.#recomputations.of({ of, outcome }).add()
    this.#recomputationSeconds.observe(seconds)
  }

  recomputationsWaiting = (waiting: { changed: number, in_bulk: number }): void => {
    for (const [cause, count] of Object.entries(waiting)) this.#recomputationsWaiting.set({ cause }, count)
  }

  /** A job of a queue has ended: `done`, `again` where more is left for another one, `failed`, or `given_up`. */
  job = (queue: string, outcome: string): void => this.#jobs.of({ queue, outcome }).add()

  /** What waits in the queues, as it was last read. */
  queues = (figures: QueueFigures[]): void => { this.#queues = figures }

  /** All processes read the same queues. */
  #watchQueues (): void {
    const figures = (): QueueFigures[] => this.#queues
    gauge({
      name: 'job_queue_jobs',
      help: 'Jobs in the queues by state',
      labelNames: ['queue', 'state'],
      aggregator: 'max',
      registers: [this.registry],
      collect () {
        for (const { queue, waiting, active, failed } of figures()) {
          for (const [state, value] of Object.entries({ waiting, active, failed })) this.set({ queue, state }, value)
        }
      }
    })
    gauge({
      name: 'job_queue_oldest_wait_seconds',
      help: 'How long the oldest job has waited, by queue',
      labelNames: ['queue'],
      aggregator: 'max',
      registers: [this.registry],
      collect () {
        for (const { queue, oldest_wait_s } of figures()) this.set({ queue }, oldest_wait_s)
      }
    })
  }

  /** Reads the figures of the pool at each scrape. */
  watchPool (stats: () => PoolFigures): void {
    const registers = [this.registry]
    gauge({
      name: 'db_pool_connections',
      help: 'Database connections by state',
      labelNames: ['state'],
      registers,
      collect () {
        const { active, idle, connecting } = stats()
        for (const [state, value] of Object.entries({ active, idle, connecting })) this.set({ state }, value)
      }
    })
    gauge({
      name: 'db_pool_max_connections',
      help: 'The maximum number of database connections',
      registers,
      collect () {
        this.set(stats().max)
      }
    })
    gauge({
      name: 'db_pool_waiting_requests',
      help: 'Statements waiting for a connection',
      registers,
      collect () {
        this.set(stats().waiting)
      }
    })
  }

  /** The last result of each check: 1 healthy, 0.5 degraded, 0 unhealthy. */
  watchHealth (last: () => Array<{ name: string; status: string | undefined }>): void {
    gauge({
      name: 'health_check_status',
      help: 'Health checks: 1 healthy, 0.5 degraded, 0 unhealthy',
      labelNames: ['check'],
      aggregator: 'min',
      registers: [this.registry],
      collect () {
        for (const { name, status } of last()) {
          this.set({ check: name }, status === 'healthy' ? 1 : status === 'degraded' ? 0.5 : 0)
        }
      }
    })
  }

  /** Lines by level and lost lines, as counted by the sink. */
  watchLog (counts: () => { lines: Record<string, number>; writeErrors: Record<string, number> }): void {
    const registers = [this.registry]
    counter({
      name: 'log_lines_total',
      help: 'Log lines by level',
      labelNames: ['level'],
      registers,
      collect () {
        this.reset()
        for (const [level, value] of Object.entries(counts().lines)) this.inc({ level }, value)
      }
    })
    counter({
      name: 'log_write_errors_total',
      help: 'Log lines lost by output',
      labelNames: ['output'],
      registers,
      collect () {
        this.reset()
        for (const [output, value] of Object.entries(counts().writeErrors)) this.inc({ output }, value)
      }
    })
  }
}

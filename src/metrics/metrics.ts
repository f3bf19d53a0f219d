import { Counter, Gauge, type CounterConfiguration, type GaugeConfiguration } from 'prom-client'
import { CounterFamily, DurationHistogram, type Count, type Durations } from './families.ts'
import { SharedRegistry } from './shared-registry.ts'

const QUERY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const IMPORT_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Registers itself where it belongs; what it shows it asks for when somebody looks. */
const gauge = (options: GaugeConfiguration<string>) => new Gauge(options)
const counter = (options: CounterConfiguration<string>) => new Counter(options)

interface PoolFigures {
  active: number
  idle: number
  connecting: number
  max: number
  waiting: number
}

/**
 * Everything one process counts that does not come from requests: they are in one registry of their own, so that two
 * processes or two tests never share.
 */
export class Metrics {
  readonly registry = new SharedRegistry()
  readonly #queries = new CounterFamily(
    'db_queries_total',
    'Statements by the function they stand in and how they ended',
    this.registry
  )

  readonly #querySeconds = new DurationHistogram(
    'db_query_duration_seconds',
    'How long statements took, by the function they stand in',
    QUERY_SECONDS,
    this.registry
  )

  readonly #acquireSeconds = new DurationHistogram(
    'db_pool_acquire_seconds',
    'How long statements waited for a connection',
    QUERY_SECONDS,
    this.registry
  ).of({})

  readonly #imports = new CounterFamily(
    'imports_total',
    'Recordings by format and how their import ended',
    this.registry
  )

  readonly #importSeconds = new DurationHistogram(
    'import_duration_seconds',
    'How long it took to read and store a recording',
    IMPORT_SECONDS,
    this.registry
  ).of({})

  readonly #perQuery = new Map<string, { durations: Durations; outcomes: Map<string, Count> }>()

  constructor ({ version }: { version: string }) {
    gauge({
      name: 'build_info',
      help: 'What runs here',
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

  /** Reads the pool's figures whenever somebody looks. */
  watchPool (stats: () => PoolFigures): void {
    const registers = [this.registry]
    gauge({
      name: 'db_pool_connections',
      help: 'Connections to the database by what they do',
      labelNames: ['state'],
      registers,
      collect () {
        const { active, idle, connecting } = stats()
        for (const [state, value] of Object.entries({ active, idle, connecting })) this.set({ state }, value)
      }
    })
    gauge({
      name: 'db_pool_max_connections',
      help: 'The most connections there may be',
      registers,
      collect () {
        this.set(stats().max)
      }
    })
    gauge({
      name: 'db_pool_waiting_requests',
      help: 'Statements that wait for a connection',
      registers,
      collect () {
        this.set(stats().waiting)
      }
    })
  }

  /** 1 while a check is healthy, 0.5 while it is degraded, 0 while it is not, as of when it was last looked at. */
  watchHealth (last: () => Array<{ name: string; status: string | undefined }>): void {
    gauge({
      name: 'health_check_status',
      help: 'Health checks: 1 healthy, 0.5 degraded, 0 unhealthy',
      labelNames: ['check'],
      aggregator: 'min',
      registers: [this.registry],
      collect () {
        for (const { name, status } of last()) { this.set({ check: name }, status === 'healthy' ? 1 : status === 'degraded' ? 0.5 : 0) }
      }
    })
  }

  /** Lines by level, and those that could not be written, as the sink counts them. */
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
      help: 'Log lines that an output did not take',
      labelNames: ['output'],
      registers,
      collect () {
        this.reset()
        for (const [output, value] of Object.entries(counts().writeErrors)) this.inc({ output }, value)
      }
    })
  }
}

import type { Metric, Registry } from 'prom-client'

type Labels = Record<string, string>

interface Sample {
  metricName: string
  labels: Record<string, string | number>
  value: number
}

/**
 * The interface that prom-client requires of a metric at a scrape. Its own histograms and counters look up labels by
 * hashing an object at every observation, 18 microseconds per request with all metrics of this service; these provide a
 * handle per series once, and counting is an addition.
 */
abstract class Family<Series> {
  readonly name: string
  readonly help: string
  abstract readonly type: 'histogram' | 'counter'
  readonly aggregator = 'sum'
  protected readonly series = new Map<string, { labels: Labels, value: Series }>()

  constructor (name: string, help: string, registry: Registry) {
    this.name = name
    this.help = help
    registry.registerMetric(this as unknown as Metric)
  }

  /** The handle of the series with these labels; the caller keeps it. */
  of (labels: Labels): Series {
    const key = JSON.stringify(labels)
    const known = this.series.get(key)
    if (known !== undefined) return known.value
    const value = this.open()
    this.series.set(key, { labels, value })
    return value
  }

  reset (): void {
    this.series.clear()
  }

  async get () {
    const values = [...this.series.values()].flatMap(({ labels, value }) => this.samples(labels, value))
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values }
  }

  protected abstract open (): Series
  protected abstract samples (labels: Labels, series: Series): Sample[]
}

/** The observed durations of one series, in seconds. */
export class Durations {
  readonly #bounds: readonly number[]
  /** The number in each bucket, not cumulative; the last one is for durations above all bounds. */
  readonly counts: Float64Array
  sum = 0

  constructor (bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe (seconds: number): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket++
    this.counts[bucket] = (this.counts[bucket] as number) + 1
    this.sum += seconds
  }
}

export class DurationHistogram extends Family<Durations> {
  readonly type = 'histogram'
  readonly #bounds: readonly number[]

  constructor (name: string, help: string, bounds: readonly number[], registry: Registry) {
    super(name, help, registry)
    this.#bounds = bounds
  }

  protected open (): Durations {
    return new Durations(this.#bounds)
  }

  protected samples (labels: Labels, { counts, sum }: Durations): Sample[] {
    const samples: Sample[] = []
    let total = 0
    for (const [index, count] of counts.entries()) {
      total += count
      samples.push({
        metricName: `${this.name}_bucket`,
        labels: { ...labels, le: this.#bounds[index] ?? '+Inf' },
        value: total
      })
    }
    samples.push({ metricName: `${this.name}_sum`, labels, value: sum })
    samples.push({ metricName: `${this.name}_count`, labels, value: total })
    return samples
  }
}

export class Count {
  value = 0

  add (amount = 1): void {
    this.value += amount
  }
}

export class CounterFamily extends Family<Count> {
  readonly type = 'counter'

  protected open (): Count {
    return new Count()
  }

  protected samples (labels: Labels, { value }: Count): Sample[] {
    return [{ metricName: this.name, labels, value }]
  }
}
